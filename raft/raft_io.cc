#include "raft/raft_io.h"

namespace raft {

std::string_view ToString(RefusalReason reason) {
  switch (reason) {
    case RefusalReason::kNotLeader:
      return "not-leader";
    case RefusalReason::kOverloaded:
      return "overloaded";
  }
  return "unknown reason";
}

std::string_view ToString(Role role) {
  switch (role) {
    case Role::kFollower:
      return "follower";
    case Role::kPreCandidate:
      return "pre-candidate";
    case Role::kCandidate:
      return "candidate";
    case Role::kLeader:
      return "leader";
  }
  return "unknown role";
}

std::string_view ToString(ProbeId id) {
  switch (id) {
    case ProbeId::kTruncatedSuffix:
      return "truncated-suffix";
    case ProbeId::kTruncatedTwoOrMore:
      return "truncated-two-or-more";
    case ProbeId::kVoteWaitedForPersist:
      return "vote-waited-for-persist";
    case ProbeId::kAckWaitedForPersist:
      return "ack-waited-for-persist";
    case ProbeId::kLeaderSteppedDownByQuorum:
      return "leader-stepped-down-by-quorum";
    case ProbeId::kPreVoteRefusedSticky:
      return "pre-vote-refused-sticky";
    case ProbeId::kReadWaitedForTermCommit:
      return "read-waited-for-term-commit";
    case ProbeId::kCommitWaitedForOwnTerm:
      return "commit-waited-for-own-term";
    case ProbeId::kWindowFull:
      return "window-full";
    case ProbeId::kStaleRoundIgnored:
      return "stale-round-ignored";
    case ProbeId::kPeerClosedElection:
      return "peer-closed-election";
    case ProbeId::kCommittedBeforeOwnPersist:
      return "committed-before-own-persist";
  }
  return "unknown probe";
}

}  // namespace raft
