#include "raft/log.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "raft/check.h"

namespace raft {

Log::Log(std::vector<Entry> restored, EntryId base) {
  if (base != EntryId()) Reset(base);
  reset_ = false;
  for (Entry& entry : restored) Append(std::move(entry));
  stable_ = last_index();
  handed_ = last_index();
}

bool Log::Holds(Index index, Term term) const {
  if (index < base_.index) return true;
  return index <= last_index() && TermAt(index) == term;
}

bool Log::AtLeastAsCompleteAs(Index index, Term term) const {
  return term != last_term() ? term > last_term() : index >= last_index();
}

Term Log::OlderTermAt(Index index) const {
  const auto after =
      std::upper_bound(runs_.begin(), runs_.end(), index,
                       [](Index at, const Run& run) { return at < run.first; });
  return after == runs_.begin() ? Term(0) : std::prev(after)->term;
}

Index Log::LastAtMost(Index bound, Term term) const {
  const auto above = std::upper_bound(
      runs_.begin(), runs_.end(), term,
      [](Term limit, const Run& run) { return limit < run.term; });
  if (above == runs_.begin()) return base_.index;
  const Index last = above == runs_.end() ? last_index() : above->first - 1;
  return std::max(base_.index, std::min(bound, last));
}

std::vector<Entry> Log::Copy(Index first, size_t count) const {
  CHECK_GT(first, base_.index);
  CHECK_LE(first - base_.index - 1 + count, entries_.size());
  const auto begin =
      entries_.begin() + static_cast<ptrdiff_t>(first - base_.index - 1);
  return std::vector<Entry>(begin, begin + static_cast<ptrdiff_t>(count));
}

void Log::Append(Entry entry) {
  CHECK_EQ(entry.index, last_index() + 1);
  CHECK_GE(entry.term, last_term());
  if (entry.term != last_term()) runs_.push_back({entry.index, entry.term});
  last_ = entry.index;
  entries_.push_back(std::move(entry));
}

void Log::TruncateFrom(Index from) {
  CHECK_GT(from, base_.index);
  CHECK_LE(from, last_index());
  const Index kept = from - 1;
  entries_.resize(kept - base_.index);
  last_ = kept;
  while (!runs_.empty() && runs_.back().first > kept) runs_.pop_back();
  if (handed_ > kept) {
    truncate_from_ =
        truncate_from_ == Index(0) ? from : std::min(truncate_from_, from);
    handed_ = kept;
  }
  stable_ = std::min(stable_, kept);
  for (Outstanding& persist : outstanding_) {
    persist.stable_after = std::min(persist.stable_after, kept);
  }
}

void Log::Compact(Index through) {
  through = std::min(through, stable_);
  if (through <= base_.index) return;
  const EntryId base{through, TermAt(through)};
  entries_.erase(
      entries_.begin(),
      entries_.begin() + static_cast<ptrdiff_t>(through - base_.index));
  base_ = base;
  // The run that holds the base stays, cut to it.
  size_t over = 0;
  while (over + 1 < runs_.size() && runs_[over + 1].first <= base_.index) {
    ++over;
  }
  runs_.erase(runs_.begin(), runs_.begin() + static_cast<ptrdiff_t>(over));
  runs_.front().first = base_.index;
}

// Persists under way write entries that this one takes away again, so none of
// them makes anything durable that is not so by the snapshot.
void Log::Reset(EntryId base) {
  CHECK_GT(base.index, base_.index);
  CHECK_GT(base.term, Term(0));
  entries_.clear();
  base_ = base;
  last_ = stable_ = handed_ = base.index;
  runs_.assign(1, {base.index, base.term});
  truncate_from_ = Index(0);
  reset_ = true;
  for (Outstanding& persist : outstanding_) persist.stable_after = base.index;
}

bool Log::dirty() const {
  return handed_ < last_index() || truncate_from_ != Index(0) || reset_;
}

void Log::HandOut(PersistToken token, Persist* persist) {
  if (!outstanding_.empty()) CHECK_GT(token, outstanding_.back().token);
  persist->truncate_from = truncate_from_;
  if (reset_) persist->base = base_;
  persist->entries.assign(
      entries_.begin() + static_cast<ptrdiff_t>(handed_ - base_.index),
      entries_.end());
  truncate_from_ = Index(0);
  reset_ = false;
  handed_ = last_index();
  outstanding_.push_back({token, handed_});
}

void Log::PersistDone(PersistToken token) {
  size_t done = 0;
  for (; done < outstanding_.size(); ++done) {
    if (outstanding_[done].token > token) break;
    stable_ = std::max(stable_, outstanding_[done].stable_after);
  }
  outstanding_.erase(outstanding_.begin(),
                     outstanding_.begin() + static_cast<ptrdiff_t>(done));
  CHECK_LE(stable_, handed_);
}

PersistToken Log::DurableWith(Index index, PersistToken next) const {
  CHECK_LE(index, last_index());
  if (index <= stable_) return PersistToken(0);
  for (const Outstanding& persist : outstanding_) {
    if (persist.stable_after >= index) return persist.token;
  }
  return next;
}

}  // namespace raft
