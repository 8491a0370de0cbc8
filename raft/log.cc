#include "raft/log.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "raft/check.h"

namespace raft {

Log::Log(std::vector<Entry> restored) {
  for (Entry& entry : restored) Append(std::move(entry));
  stable_ = last_index();
  handed_ = last_index();
}

const Entry& Log::at(Index index) const {
  CHECK_GE(index, Index(1));
  CHECK_LE(index, last_index());
  return entries_[index.value() - 1];
}

Term Log::TermAt(Index index) const {
  return index == Index(0) ? Term(0) : at(index).term;
}

bool Log::Holds(Index index, Term term) const {
  return index <= last_index() && TermAt(index) == term;
}

bool Log::AtLeastAsCompleteAs(Index index, Term term) const {
  return term != last_term() ? term > last_term() : index >= last_index();
}

Index Log::LastAtMost(Index bound, Term term) const {
  const auto end =
      entries_.begin() +
      static_cast<ptrdiff_t>(std::min(bound, last_index()).value());
  const auto above = std::upper_bound(
      entries_.begin(), end, term,
      [](Term limit, const Entry& entry) { return limit < entry.term; });
  return Index(static_cast<uint64_t>(above - entries_.begin()));
}

std::vector<Entry> Log::Copy(Index first, size_t count) const {
  CHECK_GE(first, Index(1));
  CHECK_LE(first.value() - 1 + count, entries_.size());
  const auto begin =
      entries_.begin() + static_cast<ptrdiff_t>(first.value() - 1);
  return std::vector<Entry>(begin, begin + static_cast<ptrdiff_t>(count));
}

void Log::Append(Entry entry) {
  CHECK_EQ(entry.index, last_index() + 1);
  CHECK_GE(entry.term, last_term());
  entries_.push_back(std::move(entry));
}

void Log::TruncateFrom(Index from) {
  CHECK_GE(from, Index(1));
  CHECK_LE(from, last_index());
  entries_.resize(from.value() - 1);
  const Index kept = from - 1;
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

bool Log::dirty() const {
  return handed_ < last_index() || truncate_from_ != Index(0);
}

void Log::HandOut(PersistToken token, Persist* persist) {
  if (!outstanding_.empty()) CHECK_GT(token, outstanding_.back().token);
  persist->truncate_from = truncate_from_;
  persist->entries.assign(
      entries_.begin() + static_cast<ptrdiff_t>(handed_.value()),
      entries_.end());
  truncate_from_ = Index(0);
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
