#include "registry/session.h"

#include <utility>

#include "raft/check.h"

namespace registry {

const CommandReply* Session::FindReply(Sequence sequence) const {
  const auto found = replies_.find(sequence);
  return found == replies_.end() ? nullptr : &found->second.reply;
}

void Session::KeepReply(Sequence sequence, const CommandReply& reply,
                        const StateDigest& digest) {
  CHECK_GE(sequence, low_water_);
  CHECK_LT(sequence - low_water_, kReplyWindow);
  const size_t kept = replies_.size();
  replies_.try_emplace(replies_.end(), sequence, KeptReply{reply, digest});
  CHECK_EQ(replies_.size(), kept + 1);
}

StateDigest Session::RaiseLowWater(Sequence mark) {
  StateDigest forgotten;
  if (mark <= low_water_) return forgotten;
  low_water_ = mark;
  const auto end = replies_.lower_bound(mark);
  for (auto it = replies_.begin(); it != end; ++it) {
    forgotten += it->second.digest;
  }
  replies_.erase(replies_.begin(), end);
  return forgotten;
}

void Session::AddHolding(uint64_t process, Holding holding) {
  CHECK(processes_[process].insert(std::move(holding)).second);
}

void Session::RemoveHolding(uint64_t process, const Holding& holding) {
  const auto holdings = processes_.find(process);
  CHECK(holdings != processes_.end());
  CHECK_EQ(holdings->second.erase(holding), 1u);
  if (holdings->second.empty()) processes_.erase(holdings);
}

std::vector<Revision> Session::RevisionsUnder(uint64_t process,
                                              Revision registry,
                                              std::string_view key) const {
  std::vector<Revision> revisions;
  const auto holdings = processes_.find(process);
  if (holdings == processes_.end()) return revisions;
  for (auto it =
           holdings->second.lower_bound(Bound(registry, key, Revision(0)));
       it != holdings->second.end() && it->registry == registry &&
       it->key == key;
       ++it) {
    revisions.push_back(it->revision);
  }
  return revisions;
}

Session::Holdings Session::TakeHoldings(uint64_t process) {
  const auto found = processes_.find(process);
  if (found == processes_.end()) return {};
  Holdings holdings = std::move(found->second);
  processes_.erase(found);
  return holdings;
}

}  // namespace registry
