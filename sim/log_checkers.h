// The rules of votes and logs between nodes. Each is a class of plain values
// that a test can feed with an illegal state; ClusterChecker feeds them from
// the nodes.
#ifndef SIM_LOG_CHECKERS_H_
#define SIM_LOG_CHECKERS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "raft/raft_io.h"
#include "raft/types.h"
#include "sim/violation.h"

namespace sim {

// One place of a log: its term, and a hash over the entry and all before it.
// Equal chains are equal logs up to there.
struct Mark {
  raft::Term term;
  uint64_t chain = 0;
  bool operator==(const Mark&) const = default;
};
Mark NextMark(uint64_t chain_before, const raft::Entry& entry);

// At most one leader in a term (Raft thesis 3.4), and one life of it.
class ElectionSafety {
 public:
  void OnLeader(uint32_t node, uint64_t life, raft::Term term,
                Violations* violations);
  // The node that leads, or led, in `term`.
  std::optional<uint32_t> LeaderOf(raft::Term term) const;
  uint64_t leaders() const { return leaders_.size(); }

 private:
  std::map<raft::Term, std::pair<uint32_t, uint64_t>> leaders_;
};

// A node votes for one candidate in a term, over all its lives (3.4). Judged by
// the votes that leave it, so that a vote forgotten in a crash is found. And
// who leads has the votes of a majority, that was given to it in this term.
class VoteOnce {
 public:
  void OnVote(uint32_t node, raft::Term term, raft::NodeId candidate,
              Violations* violations);
  // `node` leads as `leader`. Its own vote needs no message.
  void OnLeader(uint32_t node, raft::NodeId leader, raft::Term term,
                uint32_t nodes, Violations* violations) const;
  // The node's disk was damaged, which was allowed: of its votes it knows none
  // beyond `term`, and in that one `vote`. What it gave may still be counted.
  void Forget(uint32_t node, raft::Term term, raft::NodeId vote);

 private:
  std::map<std::pair<uint32_t, raft::Term>, raft::NodeId> votes_;
  std::set<std::pair<uint32_t, raft::Term>> forgotten_;
};

// Logs that hold the same (index, term) are equal up to there (3.5).
class LogMatching {
 public:
  void OnEntry(uint32_t node, raft::Index index, const Mark& mark,
               Violations* violations);

 private:
  struct Seen {
    Mark mark;
    uint32_t node = 0;
  };
  std::vector<std::vector<Seen>> seen_;  // by index
};

// A follower removes what conflicts with its leader's entries, to put those in
// its place, and nothing else (3.5; conformance 4.3). It removes from index
// `from` on; afterwards its log ends at `last`.
void CheckReplaced(uint32_t node, raft::Index from, raft::Index last,
                   Violations* violations);

// What is acknowledged is what the leader has there (3.5): an acknowledgement
// speaks of the follower's log on its disk, and counts for the leader's.
void CheckSameAsLeader(uint32_t node, raft::Index match, const Mark& durable,
                       const Mark& leader, Violations* violations);

// What is committed stays: the same entry at an index for every node
// (state-machine safety, 3.6.3), a leader of a later term holds it (leader
// completeness, 3.6.3), no log drops it, and when it is committed it is on the
// disks of a majority.
class CommittedLog {
 public:
  // `node` says that `index` is committed, with `mark` there; first told in
  // `term`. `durable` is how many nodes have it on disk.
  void OnCommitted(uint32_t node, raft::Index index, const Mark& mark,
                   raft::Term term, uint32_t durable, uint32_t quorum,
                   Violations* violations);
  // The log that a new leader of `term` has; `mark_at(i)` is its mark, or
  // nothing where its log has ended.
  template <typename MarkAt>
  void OnLeader(uint32_t node, raft::Term term, MarkAt mark_at,
                Violations* violations) const;
  // A node that has `mark` at `index` drops it.
  void OnDropped(uint32_t node, raft::Index index, const Mark& mark,
                 Violations* violations) const;

  raft::Index last() const { return raft::Index(log_.size()); }
  const Mark& at(raft::Index index) const {
    return log_.at(index.value() - 1).mark;
  }

 private:
  struct Committed {
    Mark mark;
    raft::Term told_in;  // term of the first node that said so
  };
  // The newest index that was committed in a term before `term`.
  raft::Index LastBefore(raft::Term term) const;
  static std::string Text(uint32_t node, raft::Index index, const Mark& has,
                          const Mark& committed);

  std::vector<Committed> log_;
};

// ------------------------------------------------------- implementation only

template <typename MarkAt>
void CommittedLog::OnLeader(uint32_t node, raft::Term term, MarkAt mark_at,
                            Violations* violations) const {
  const raft::Index last = LastBefore(term);
  if (last == raft::Index(0)) return;
  const std::optional<Mark> has = mark_at(last);
  if (has == at(last)) return;
  violations->Add(Violation::Kind::kSafety, "leader_completeness",
                  "leader of term " + std::to_string(term.value()) + ": " +
                      Text(node, last, has.value_or(Mark{}), at(last)));
}

}  // namespace sim

#endif  // SIM_LOG_CHECKERS_H_
