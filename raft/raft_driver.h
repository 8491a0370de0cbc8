// Drives one Raft node in tests: the world around it is whatever the test says.
#ifndef RAFT_RAFT_DRIVER_H_
#define RAFT_RAFT_DRIVER_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "raft/raft.h"
#include "raft/raft_io.h"

namespace raft {

constexpr NodeId N(int slot) { return {static_cast<uint8_t>(slot), 1}; }

inline std::vector<NodeId> Voters(int count) {
  std::vector<NodeId> voters;
  for (int slot = 1; slot <= count; ++slot) voters.push_back(N(slot));
  return voters;
}

inline Entry MakeEntry(uint64_t index, uint64_t term,
                       std::string payload = "x") {
  return Entry{.index = Index(index),
               .term = Term(term),
               .payload = Bytes(std::move(payload))};
}

inline std::vector<Entry> MakeLog(const std::vector<uint64_t>& terms) {
  std::vector<Entry> log;
  for (uint64_t term : terms) log.push_back(MakeEntry(log.size() + 1, term));
  return log;
}

// One node with everything around it done at once: Step, Flush, and (unless
// told otherwise) every Persist.
class Driver {
 public:
  explicit Driver(int voters, Restored restored = {}, int self = 1,
                  const Limits& limits = {})
      : raft_(
            Config{.self = N(self), .voters = Voters(voters), .limits = limits},
            std::move(restored), Time(0)) {}

  // The messages that left.
  std::vector<Send> Do(const Input& input) {
    outputs_.clear();
    raft_.Step(input, &outputs_);
    raft_.Step(Flush{}, &outputs_);
    for (size_t i = 0; auto_persist && i < outputs_.size(); ++i) {
      if (const auto* persist = std::get_if<Persist>(&outputs_[i])) {
        const PersistToken token = persist->token;  // outputs_ grows
        raft_.Step(PersistDone{token}, &outputs_);
        raft_.Step(Flush{}, &outputs_);
      }
    }
    return All<Send>();
  }
  std::vector<Send> Get(int from, Message message) {
    return Do(Receive{N(from), std::move(message)});
  }
  std::vector<Send> TimeOut() {
    now_ = raft_.NextDeadline();
    return Do(Tick{now_});
  }
  std::vector<Send> Pass(Duration d) {
    now_ = now_ + d;
    return Do(Tick{now_});
  }

  // Wins an election; every other voter grants.
  void Lead() {
    TimeOut();
    for (bool pre_vote : {true, false}) {
      for (const Peer& peer : raft_.peers()) {
        const Term term = raft_.term() + (pre_vote ? 1 : 0);
        if (raft_.role() == Role::kLeader) return;
        Get(peer.id.slot, VoteReply{term, pre_vote, true});
      }
    }
    ASSERT_EQ(raft_.role(), Role::kLeader);
  }
  // The same, and every other voter has acknowledged the whole log.
  void LeadAndCommit() {
    Lead();
    for (const Peer& peer : raft_.peers()) Acknowledge(peer.id.slot);
    ASSERT_EQ(raft_.commit(), raft_.last_index());
  }
  std::vector<Send> Acknowledge(int from) {
    return Get(from, AppendReply{.term = raft_.term(),
                                 .accepted = true,
                                 .match = raft_.last_index()});
  }

  // Everything of one type that the last Do put out.
  template <typename T>
  std::vector<T> All() const {
    std::vector<T> found;
    for (const Output& output : outputs_) {
      if (const T* one = std::get_if<T>(&output)) found.push_back(*one);
    }
    return found;
  }

  const Raft& raft() const { return raft_; }
  Time now() const { return now_; }
  bool auto_persist = true;

 private:
  Raft raft_;
  Time now_ = Time(0);
  Outputs outputs_;
};

// The one reply among `sends`, to `to`.
template <typename T>
T TheReply(const std::vector<Send>& sends, int to) {
  std::vector<T> replies;
  for (const Send& send : sends) {
    const T* reply = std::get_if<T>(&send.message);
    if (send.to == N(to) && reply != nullptr) replies.push_back(*reply);
  }
  EXPECT_EQ(replies.size(), 1u);
  return replies.empty() ? T{} : replies[0];
}

}  // namespace raft

#endif  // RAFT_RAFT_DRIVER_H_
