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
  if (persist.base != raft::EntryId()) keep = 0;
  Pending pending{.token = persist.token,
                  .term = persist.term,
                  .vote = persist.vote,
                  .keep = keep,
                  .base = persist.base.index};
  asked_.resize(keep);
  if (pending.base > committed_->last()) {
    return "a snapshot up to index " + Text(pending.base) +
           " is to take the log's place, but that is not committed";
  }
  for (Index i(1); i <= pending.base; ++i) {
    asked_.push_back(committed_->at(i));
    pending.marks.push_back(asked_.back());
  }
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
  SetFound();
  return "";
}

void DurableLog::OnSnapshot(Index last) {
  durable_.covered = std::max(durable_.covered, last);
  SetFound();
}

void DurableLog::SetFound() { found_ = Found(durable_, durable_.covered); }

DiskState DurableLog::Found(DiskState state, Index covered) const {
  state.covered = covered;
  if (covered == Index(0) || covered > committed_->last()) return state;
  const Mark& end = committed_->at(covered);
  const uint64_t size = covered.value();
  if (state.log.size() >= size && state.log[size - 1] == end) return state;
  state.log.clear();
  for (Index i(1); i <= covered; ++i) state.log.push_back(committed_->at(i));
  // Nothing was said in a term that the log does not know.
  if (end.term > state.term) {
    state.term = end.term;
    state.vote = raft::kNobody;
  }
  return state;
}

std::string DurableLog::Describe(const DiskState& state) {
  return "term " + Text(state.term) + ", vote " + raft::ToString(state.vote) +
         ", " + std::to_string(state.log.size()) + " entries ending at " +
         Text(state.log.empty() ? Mark{} : state.log.back());
}

bool DurableLog::Explains(const DiskState& held) const {
  // One that is whole may not be confirmed yet.
  const Index covered = std::max(held.covered, durable_.covered);
  if (Same(held, Found(durable_, covered))) return true;
  DiskState state = durable_;
  for (const Pending& pending : pending_) {
    Apply(pending, &state);
    if (Same(held, Found(state, covered))) return true;
  }
  return false;
}

bool DurableLog::MayBeLeft(const DiskState& left,
                           const DiskState& before) const {
  DiskState state = durable_;
  const Index covered = std::max(left.covered, durable_.covered);
  std::vector<Pending> persists(pending_.begin(), pending_.end());
  if (Same(before,
           Found(durable_,
                 covered))) {  // else the newest batch is not confirmed yet
    state.term = newest_.term_before;
    state.vote = newest_.vote_before;
    state.log.resize(newest_.kept);
    state.log.insert(state.log.end(), newest_.replaced.begin(),
                     newest_.replaced.end());
    persists = newest_.persists;
  }
  for (const Pending& persist : persists) {
    const DiskState found = Found(state, covered);
    if (Same(before, found)) return false;  // that would be no less
    if (Same(left, found)) return true;
    Apply(persist, &state);
  }
  return false;
}

std::string DurableLog::OnBoot(DiskState booted, const DiskState* granted) {
  const std::string promised = Describe(found_);
  const size_t unconfirmed = pending_.size();
  const bool found =
      Explains(booted) || (granted != nullptr && Same(booted, *granted));
  pending_.clear();
  newest_ = {};
  durable_ = std::move(booted);
  asked_ = durable_.log;
  found_ = durable_;
  if (found) return "";
  return "the disk had confirmed " + promised + " and was asked for " +
         std::to_string(unconfirmed) + " persists more; it came back with " +
         Describe(durable_);
}

}  // namespace sim
