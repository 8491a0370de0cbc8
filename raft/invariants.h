// Invariants: what must hold of one Raft node at rest, and across one step.
// Between nodes (election safety, log matching, state-machine safety) the
// simulator checks; what is here needs one node only and costs O(voters), so it
// can run after every step.
#ifndef RAFT_INVARIANTS_H_
#define RAFT_INVARIANTS_H_

#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "raft/limits.h"
#include "raft/raft.h"
#include "raft/raft_io.h"
#include "raft/types.h"

namespace raft {

// What the rules look at. Kept by the caller from before a step; tests write
// illegal ones by hand.
struct RaftSummary {
  NodeId self;
  bool self_votes = false;
  Role role = Role::kFollower;
  Term term;
  NodeId vote;
  NodeId leader;
  Index commit;
  Term commit_term;  // of the entry at `commit`
  Index stable;
  Index last;
  Term last_term;

  // The rest is filled in for leaders only.
  struct PeerSummary {
    Index match;
    Index next;
    bool operator==(const PeerSummary&) const = default;
  };
  std::array<PeerSummary, kVotersMax> peers;
  size_t peer_count = 0;
  // The highest index that a majority holds durably, and its term.
  Index reached;
  Term reached_term;

  bool operator==(const RaftSummary&) const = default;
};

RaftSummary Summarize(const Raft& raft);
// Whether Summarize() would give `known` again, for a fraction of its price:
// most steps change nothing of it. Requires that `known` is of this node.
bool StillIs(const RaftSummary& known, const Raft& raft);

// Each check returns the violated rules as sentences with both sides; empty
// when all hold. Violations are values, not CHECKs: the simulator reports them
// with the schedule that led there.
class Invariants {
 public:
  using Violations = std::vector<std::string>;

  static Violations CheckAtRest(const RaftSummary& now);
  static Violations CheckAtRest(const Raft& raft);

  // What the log holds after the step at two places of before it; Term(0) when
  // the log has become shorter than that.
  struct LaterTerms {
    Term at_commit;  // at before.commit
    Term at_last;    // at before.last
  };
  static Violations CheckTransition(const RaftSummary& before,
                                    const RaftSummary& after,
                                    const LaterTerms& later);
  // Across one Step of one life of a node.
  static Violations CheckTransition(const RaftSummary& before,
                                    const Raft& after);

  // Across the Step of one message: what it may change, and for what reason
  // (conformance 1.4, 1.5, 1.8, 2.2, 5.4).
  static Violations CheckReceive(const RaftSummary& before,
                                 const Receive& receive,
                                 const RaftSummary& after);
};

}  // namespace raft

#endif  // RAFT_INVARIANTS_H_
