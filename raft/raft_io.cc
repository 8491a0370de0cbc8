#include "raft/raft_io.h"

#include <cstddef>
#include <iterator>

namespace raft {
namespace {

// By id.
constexpr std::string_view kProbeNames[] = {
    "",
    "truncated-suffix",
    "truncated-two-or-more",
    "vote-waited-for-persist",
    "ack-waited-for-persist",
    "leader-stepped-down-by-quorum",
    "pre-vote-refused-sticky",
    "read-waited-for-term-commit",
    "commit-waited-for-own-term",
    "window-full",
    "stale-round-ignored",
    "peer-closed-election",
    "committed-before-own-persist",
    "vote-of-earlier-life",
    "vote-refused-stale-log",
    "vote-granted-shorter-log",
    "vote-reply-too-late",
    "election-timed-out",
    "election-lost",
    "pre-vote-won-later",
    "candidate-fell-back",
    "deposed-by-reply",
    "deposed-before-term-commit",
    "deposed-while-persisting",
    "deposed-with-reads",
    "deposed-with-commands",
    "truncated-while-persisting",
    "append-known",
    "append-too-late",
    "ack-too-late",
    "refusal-too-late",
    "asked-again",
    "commit-by-heartbeat",
    "read-reply-of-earlier-life",
    "forwarded-read-expired",
    "session-over-before-command",
    "repeat-answered-from-kept",
    "repeat-answered-compacted",
    "keep-alive-waited-for-expiry",
};
static_assert(std::size(kProbeNames) == static_cast<size_t>(kLastProbeId) + 1);

}  // namespace

std::string_view ToString(RefusalReason reason) {
  switch (reason) {
    case RefusalReason::kNotLeader:
      return "not-leader";
    case RefusalReason::kOverloaded:
      return "overloaded";
    case RefusalReason::kTransferring:
      return "transferring";
    case RefusalReason::kNoTarget:
      return "no-target";
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
  const auto at = static_cast<size_t>(id);
  return at > 0 && at < std::size(kProbeNames) ? kProbeNames[at]
                                               : "unknown probe";
}

}  // namespace raft
