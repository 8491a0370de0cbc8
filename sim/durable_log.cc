#include "sim/durable_log.h"

#include <algorithm>
#include <utility>

#include "sim/checker_text.h"

namespace sim {

using raft::Index;
using raft::Term;

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

void DurableLog::Apply(const Pending& pending, State* state) {
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
  while (!pending_.empty() && pending_.front().token <= token) {
    Apply(pending_.front(), &durable_);
    pending_.pop_front();
  }
  return "";
}

std::string DurableLog::Describe(const State& state) {
  return "term " + Text(state.term) + ", vote " + raft::ToString(state.vote) +
         ", " + std::to_string(state.log.size()) + " entries ending at " +
         Text(state.log.empty() ? Mark{} : state.log.back());
}

std::string DurableLog::OnBoot(Term term, raft::NodeId vote,
                               std::vector<Mark> log) {
  const State booted{term, vote, std::move(log)};
  const std::string promised = Describe(durable_);
  const size_t unconfirmed = pending_.size();
  // Chains cover all that is before, so the ends tell.
  const auto same = [&booted](const State& state) {
    return state.term == booted.term && state.vote == booted.vote &&
           state.log.size() == booted.log.size() &&
           (state.log.empty() || state.log.back() == booted.log.back());
  };
  bool found = same(durable_);
  while (!found && !pending_.empty()) {
    Apply(pending_.front(), &durable_);
    pending_.pop_front();
    found = same(durable_);
  }
  pending_.clear();
  durable_ = booted;
  asked_ = booted.log;
  if (found) return "";
  return "the disk had confirmed " + promised + " and was asked for " +
         std::to_string(unconfirmed) + " persists more; it came back with " +
         Describe(booted);
}

}  // namespace sim
