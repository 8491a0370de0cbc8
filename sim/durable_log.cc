#include "sim/durable_log.h"

#include <algorithm>
#include <utility>

#include "sim/checker_text.h"

namespace sim {

using raft::Index;
using raft::Term;

namespace {

// Chains cover all that is before, so the ends tell.
bool Same(const DiskState& a, const DiskState& b) {
  return a.term == b.term && a.vote == b.vote && a.log.size() == b.log.size() &&
         (a.log.empty() || a.log.back() == b.log.back());
}

}  // namespace

std::string DurableLog::OnPersist(const raft::Persist& persist) {
  uint64_t keep = asked_.size();
  if (persist.truncate_from > Index(0)) {
    keep = std::min<uint64_t>(keep, persist.truncate_from.value() - 1);
  }
  Pending pending{persist.token, persist.term, persist.vote, keep, {}};
  asked_.resize(keep);
  for (const raft::Entry& entry : persist.entries) {
    if (entry.index != Index(asked_.size() + 1)) {
      return "a persist skips from index " + std::to_string(asked_.size()) +
             " to " + Text(entry.index);
    }
    const uint64_t before = asked_.empty() ? 0 : asked_.back().chain;
    asked_.push_back(NextMark(before, entry));
    pending.marks.push_back(asked_.back());
  }
  pending_.push_back(std::move(pending));
  return "";
}

void DurableLog::Apply(const Pending& pending, DiskState* state) {
  state->term = pending.term;
  state->vote = pending.vote;
  state->log.resize(pending.keep);
  state->log.insert(state->log.end(), pending.marks.begin(),
                    pending.marks.end());
}

std::string DurableLog::OnPersistDone(raft::PersistToken token) {
  if (pending_.empty() || pending_.back().token < token) {
    return "the disk confirms persist " + std::to_string(token.value()) +
           ", which nobody asked for";
  }
  newest_ = {.term_before = durable_.term,
             .vote_before = durable_.vote,
             .kept = durable_.log.size()};
  for (const Pending& pending : pending_) {
    if (pending.token > token) break;
    newest_.kept = std::min(newest_.kept, pending.keep);
  }
  newest_.replaced.assign(
      durable_.log.begin() + static_cast<ptrdiff_t>(newest_.kept),
      durable_.log.end());
  while (!pending_.empty() && pending_.front().token <= token) {
    Apply(pending_.front(), &durable_);
    newest_.persists.push_back(std::move(pending_.front()));
    pending_.pop_front();
  }
  return "";
}

std::string DurableLog::Describe(const DiskState& state) {
  return "term " + Text(state.term) + ", vote " + raft::ToString(state.vote) +
         ", " + std::to_string(state.log.size()) + " entries ending at " +
         Text(state.log.empty() ? Mark{} : state.log.back());
}

bool DurableLog::Explains(const DiskState& held) const {
  if (Same(held, durable_)) return true;
  DiskState state = durable_;
  for (const Pending& pending : pending_) {
    Apply(pending, &state);
    if (Same(held, state)) return true;
  }
  return false;
}

bool DurableLog::MayBeLeft(const DiskState& left,
                           const DiskState& before) const {
  DiskState state = durable_;
  std::vector<Pending> persists(pending_.begin(), pending_.end());
  if (Same(before, durable_)) {  // else the newest batch is not confirmed yet
    state.term = newest_.term_before;
    state.vote = newest_.vote_before;
    state.log.resize(newest_.kept);
    state.log.insert(state.log.end(), newest_.replaced.begin(),
                     newest_.replaced.end());
    persists = newest_.persists;
  }
  for (const Pending& persist : persists) {
    if (Same(before, state)) return false;  // that would be no less
    if (Same(left, state)) return true;
    Apply(persist, &state);
  }
  return false;
}

std::string DurableLog::OnBoot(DiskState booted, const DiskState* granted) {
  const std::string promised = Describe(durable_);
  const size_t unconfirmed = pending_.size();
  const bool found =
      Explains(booted) || (granted != nullptr && Same(booted, *granted));
  pending_.clear();
  newest_ = {};
  durable_ = std::move(booted);
  asked_ = durable_.log;
  if (found) return "";
  return "the disk had confirmed " + promised + " and was asked for " +
         std::to_string(unconfirmed) + " persists more; it came back with " +
         Describe(durable_);
}

}  // namespace sim
