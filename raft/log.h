// Log: this node's entries in memory, and which of them are durable.
#ifndef RAFT_LOG_H_
#define RAFT_LOG_H_

#include <deque>
#include <vector>

#include "raft/check.h"
#include "raft/message.h"
#include "raft/raft_io.h"
#include "raft/types.h"

namespace raft {

// Entries are contiguous from behind `base`, up to which a snapshot covers
// everything: all of that is committed. Three marks: stable <= handed <= last.
// Up to `stable` the entries are known durable, up to `handed` they left in
// some Persist, the rest leaves in the next one.
class Log {
 public:
  Log() = default;
  // `restored` is contiguous from behind `base` and durable.
  explicit Log(std::vector<Entry> restored, EntryId base = {});

  EntryId base() const { return base_; }
  Index last_index() const { return last_; }
  Term last_term() const { return runs_.empty() ? Term(0) : runs_.back().term; }
  Index stable() const { return stable_; }
  size_t persists_under_way() const { return outstanding_.size(); }
  // Whether some of the entries from `from` on are on their way to the disk.
  bool persisting(Index from) const {
    return from <= handed_ && stable_ < handed_;
  }
  // Requires base().index < index <= last_index().
  const Entry& at(Index index) const {
    CHECK_GT(index, base_.index);
    CHECK_LE(index, last_index());
    return entries_[index - base_.index - 1];
  }
  // Whether the term there is known: not that of what a snapshot took the place
  // of, but for its last entry.
  bool KnowsTermAt(Index index) const {
    return index == Index(0) || (index >= base_.index && index <= last_index());
  }
  // Term 0 at index 0. Requires KnowsTermAt(index). Nearly always that of the
  // last run; else O(log runs).
  Term TermAt(Index index) const {
    CHECK(KnowsTermAt(index));
    return !runs_.empty() && index >= runs_.back().first ? runs_.back().term
                                                         : OlderTermAt(index);
  }
  // Whether the log holds this place; index 0 with term 0 always matches. So
  // does what lies before the base: it is committed, and whoever asks leads in
  // a term not below ours, so has it as well (Leader Completeness).
  bool Holds(Index index, Term term) const;
  // Whether a log that ends at (index, term) is at least as complete as this
  // one: the later last term wins, then the longer log (thesis 3.6.1).
  bool AtLeastAsCompleteAs(Index index, Term term) const;
  // The newest place at or before `bound` whose term is at most `term`; the
  // base if there is none behind it. O(log runs).
  Index LastAtMost(Index bound, Term term) const;

  // The entries [first, first + count). Requires that they exist.
  std::vector<Entry> Copy(Index first, size_t count) const;

  // Requires entry.index == last_index() + 1 and a term that does not fall.
  void Append(Entry entry);
  // Removes every entry from `from` on. Requires 1 <= from <= last_index().
  void TruncateFrom(Index from);

  // Forgets entries up to `through`, which a durable snapshot covers; at most
  // what is durable here.
  void Compact(Index through);
  // A durable snapshot takes the place of the whole log.
  void Reset(EntryId base);

  // Whether the log changed since the last HandOut.
  bool dirty() const;
  // Moves what changed into `persist`, which will be known as `token`.
  void HandOut(PersistToken token, Persist* persist);
  // Every Persist up to `token` is durable.
  void PersistDone(PersistToken token);
  // The token after which the entry that is at `index` now is durable: 0 if it
  // is already, `next` if it has not been handed out.
  PersistToken DurableWith(Index index, PersistToken next) const;

 private:
  // Entries of one term, which stand together since terms never fall. A term is
  // asked for at every message, and there are as many runs as there were
  // elections: no entry need be looked at.
  struct Run {
    Index first;
    Term term;
  };

  // A Persist under way. Its completion makes durable no more than what it
  // wrote and was not overwritten since:
  //   t1 = Persist{entries 3..5 of term 2}          stable_after 5
  //   a new leader truncates from 4                 t1.stable_after becomes 3
  //   t2 = Persist{truncate 4, entry 4 of term 3}   stable_after 4
  //   t1 done: stable is 3. "Durable up to 5" here would acknowledge the new
  //   entry 4, which a crash can still lose (A-B-A; conformance 4.9, M20).
  struct Outstanding {
    PersistToken token;
    Index stable_after;
  };

  Term OlderTermAt(Index index) const;

  EntryId base_;
  std::deque<Entry> entries_;  // a deque: no pause to move them when it grows
  Index last_;                 // base_.index plus its size
  std::vector<Run> runs_;      // rising in both
  Index stable_;
  Index handed_;
  Index truncate_from_;  // in the next Persist; 0: nothing
  bool reset_ = false;   // the next Persist names the base
  std::vector<Outstanding> outstanding_;

  friend struct StateHash;  // for tools/model_check
};

}  // namespace raft

#endif  // RAFT_LOG_H_
