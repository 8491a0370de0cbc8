#include "raft/invariants.h"

#include <algorithm>
#include <span>
#include <string_view>
#include <utility>
#include <variant>

#include "raft/digest.h"
#include "raft/quorum.h"

namespace raft {
namespace {

// Collects the rules that do not hold.
class Rules {
 public:
  explicit Rules(NodeId self) : self_(self) {}

  template <typename A, typename B>
  void Require(bool holds, std::string_view rule, const A& a, const B& b) {
    if (!holds) [[unlikely]]
      Break(rule, a, b);
  }
  template <typename A, typename B>
  void RequireLe(const A& a, const B& b, std::string_view rule) {
    Require(a <= b, rule, a, b);
  }
  template <typename A, typename B>
  void RequireEq(const A& a, const B& b, std::string_view rule) {
    Require(a == b, rule, a, b);
  }

  Invariants::Violations Take() { return std::move(violations_); }

 private:
  template <typename A, typename B>
  [[gnu::cold, gnu::noinline]] void Break(std::string_view rule, const A& a,
                                          const B& b) {
    violations_.push_back(ToString(self_) + ": " + std::string(rule) + " (" +
                          Describe(a) + " vs " + Describe(b) + ")");
  }

  NodeId self_;
  Invariants::Violations violations_;
};

void CheckLeaderAtRest(const RaftSummary& now, Rules* rules) {
  rules->RequireEq(now.vote, now.self, "a leader has its own vote");
  rules->RequireEq(now.last_term, now.term,
                   "a leader's last entry is of its term");
  for (size_t i = 0; i < now.peer_count; ++i) {
    const RaftSummary::PeerSummary& peer = now.peers[i];
    rules->Require(peer.match < peer.next, "match is below next", peer.match,
                   peer.next);
    rules->RequireLe(peer.next, now.last + 1, "next is within the log's reach");
  }
  rules->Require(
      now.reached <= now.commit || now.reached_term != now.term,
      "commit does not lag behind what a majority holds of the leader's term",
      now.commit, now.reached);
}

// Whether the message is of a term that its receiver has left. An answer to a
// pre-vote may carry any term.
bool IsLate(const Message& message, Term term) {
  const auto* vote = std::get_if<VoteReply>(&message);
  return TermOf(message) < term && (vote == nullptr || !vote->pre_vote);
}

bool IsPreVoteRequest(const Message& message) {
  const auto* vote = std::get_if<VoteRequest>(&message);
  return vote != nullptr && vote->pre_vote;
}

// The vote of another was cast across this step.
void CheckVoteCast(const RaftSummary& before, const Receive& receive,
                   const RaftSummary& after, Rules* rules) {
  const auto* request = std::get_if<VoteRequest>(&receive.message);
  rules->Require(request != nullptr && !request->pre_vote &&
                     receive.from == after.vote && request->term == after.term,
                 "a vote is an answer to who asks for it", after.vote, receive);
  if (request == nullptr) return;
  const bool complete = request->last_term != before.last_term
                            ? request->last_term > before.last_term
                            : request->last_index >= before.last;
  rules->Require(complete,
                 "a vote goes to a log at least as complete as the voter's",
                 *request, before.last);
}

// The highest commit index that the message proves to its receiver.
Index CommitShownBy(const Message& message) {
  if (const auto* append = std::get_if<AppendRequest>(&message)) {
    return std::min(append->commit,
                    append->prev_index + append->entries.size());
  }
  if (const auto* snapshot = std::get_if<SnapshotRequest>(&message)) {
    return snapshot->snapshot.last.index;
  }
  const auto* heartbeat = std::get_if<Heartbeat>(&message);
  return heartbeat == nullptr ? Index(0) : heartbeat->commit;
}

}  // namespace

RaftSummary Summarize(const Raft& raft) {
  const std::vector<NodeId>& voters = raft.config().voters;
  RaftSummary s;
  s.self = raft.config().self;
  s.self_votes = std::binary_search(voters.begin(), voters.end(), s.self);
  s.role = raft.role();
  s.term = raft.term();
  s.vote = raft.vote();
  s.leader = raft.leader();
  s.commit = raft.commit();
  s.commit_term = raft.TermAt(s.commit);
  s.stable = raft.stable_index();
  s.last = raft.last_index();
  s.last_term = raft.TermAt(s.last);
  if (s.role != Role::kLeader) return s;
  std::array<Index, kVotersMax> matches;
  size_t voters_seen = 0;
  matches[voters_seen++] = s.stable;
  for (const Peer& peer : raft.peers()) {
    s.peers[s.peer_count++] = {peer.progress.match(), peer.progress.next()};
    matches[voters_seen++] = peer.progress.match();
  }
  // A match beyond the log is reported as such; it has no term to look up.
  s.reached = std::min(s.last, ReachedByMajority(std::span<const Index>(
                                   matches.data(), voters_seen)));
  // Nor has what is before the log; it is committed.
  if (raft.KnowsTermAt(s.reached)) s.reached_term = raft.TermAt(s.reached);
  return s;
}

bool StillIs(const RaftSummary& known, const Raft& raft) {
  if (known.role != raft.role() || known.term != raft.term() ||
      known.vote != raft.vote() || known.leader != raft.leader() ||
      known.commit != raft.commit() || known.stable != raft.stable_index() ||
      known.last != raft.last_index() || !raft.KnowsTermAt(known.commit) ||
      known.commit_term != raft.TermAt(known.commit) ||
      known.last_term != raft.TermAt(known.last)) {
    return false;
  }
  if (known.role != Role::kLeader) return true;
  if (known.peer_count != raft.peers().size() ||
      (raft.KnowsTermAt(known.reached) ? raft.TermAt(known.reached)
                                       : Term(0)) != known.reached_term) {
    return false;
  }
  // What a majority reached follows from these and from what is stable.
  for (size_t i = 0; i < known.peer_count; ++i) {
    const Progress& progress = raft.peers()[i].progress;
    if (known.peers[i].match != progress.match() ||
        known.peers[i].next != progress.next()) {
      return false;
    }
  }
  return true;
}

Invariants::Violations Invariants::CheckAtRest(const RaftSummary& now) {
  Rules rules(now.self);
  rules.RequireLe(now.commit, now.last, "commit is within the log");
  rules.RequireLe(now.stable, now.last, "stable is within the log");
  rules.RequireLe(now.last_term, now.term,
                  "no entry is of a later term than the node");
  rules.RequireLe(now.commit_term, now.last_term, "terms never fall in a log");
  switch (now.role) {
    case Role::kLeader:
      rules.RequireEq(now.leader, now.self, "a leader knows that it leads");
      CheckLeaderAtRest(now, &rules);
      break;
    case Role::kCandidate:
      rules.RequireEq(now.vote, now.self, "a candidate votes for itself");
      [[fallthrough]];
    case Role::kPreCandidate:
      rules.RequireEq(now.leader, kNobody, "a candidate follows nobody");
      break;
    case Role::kFollower:
      rules.Require(now.leader != now.self, "a follower does not lead",
                    now.leader, now.self);
      break;
  }
  rules.Require(now.role == Role::kFollower || now.self_votes,
                "only voters campaign and lead", now.role, now.self_votes);
  return rules.Take();
}

Invariants::Violations Invariants::CheckAtRest(const Raft& raft) {
  return CheckAtRest(Summarize(raft));
}

Invariants::Violations Invariants::CheckTransition(const RaftSummary& before,
                                                   const RaftSummary& after,
                                                   const LaterTerms& later) {
  Rules rules(after.self);
  rules.RequireEq(before.self, after.self, "a node remains who it is");
  rules.RequireLe(before.term, after.term, "the term never falls");
  rules.RequireLe(before.commit, after.commit, "commit never falls");
  rules.RequireEq(before.commit_term, later.at_commit,
                  "a committed entry is never removed or replaced");
  if (before.term != after.term) return rules.Take();

  rules.Require(!before.vote.valid() || before.vote == after.vote,
                "a vote is cast once in a term", before.vote, after.vote);
  rules.Require(!before.leader.valid() || !after.leader.valid() ||
                    before.leader == after.leader,
                "a term has one leader", before.leader, after.leader);
  if (after.role != Role::kLeader) return rules.Take();
  rules.Require(before.role == Role::kLeader || before.role == Role::kCandidate,
                "a leader was a candidate of the same term", before.role,
                after.role);
  rules.RequireEq(before.last_term, later.at_last,
                  "a leader never removes or replaces its own entries");
  if (before.role != Role::kLeader) return rules.Take();
  if (after.commit > before.commit) {
    rules.RequireLe(after.commit, after.reached,
                    "a leader commits what a majority holds durably");
    rules.RequireEq(after.commit_term, after.term,
                    "a leader commits by counting entries of its own term");
  }
  for (size_t i = 0; i < std::min(before.peer_count, after.peer_count); ++i) {
    rules.RequireLe(before.peers[i].match, after.peers[i].match,
                    "a match never falls within a term");
  }
  return rules.Take();
}

Invariants::Violations Invariants::CheckReceive(const RaftSummary& before,
                                                const Receive& receive,
                                                const RaftSummary& after) {
  Rules rules(after.self);
  if (IsPreVoteRequest(receive.message)) {
    rules.Require(before == after, "a pre-vote request changes nothing",
                  before.term, after.term);
  } else if (IsLate(receive.message, before.term)) {
    rules.Require(before == after,
                  "a message of an earlier term changes nothing", before.term,
                  receive);
  }
  const bool cast = after.vote.valid() && after.vote != after.self &&
                    (after.vote != before.vote || after.term != before.term);
  if (cast) CheckVoteCast(before, receive, after, &rules);
  if (after.commit > before.commit && after.role != Role::kLeader) {
    rules.RequireLe(after.commit, CommitShownBy(receive.message),
                    "a follower commits what its leader has shown to it");
  }
  return rules.Take();
}

Invariants::Violations Invariants::CheckTransition(const RaftSummary& before,
                                                   const Raft& after) {
  // What a snapshot has taken the place of, nobody can replace any more.
  const auto term_at = [&](Index index, Term covered) {
    if (index > after.last_index()) return Term(0);
    return after.KnowsTermAt(index) ? after.TermAt(index) : covered;
  };
  return CheckTransition(before, Summarize(after),
                         {term_at(before.commit, before.commit_term),
                          term_at(before.last, before.last_term)});
}

}  // namespace raft
