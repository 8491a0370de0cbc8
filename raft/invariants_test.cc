// Every rule of invariants.h rejects a state that breaks it, and only then.
#include "raft/invariants.h"

#include <functional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace raft {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A leader of term 3 with five entries, three of them committed.
RaftSummary Leader() {
  RaftSummary s;
  s.self = NodeId{1, 1};
  s.self_votes = true;
  s.role = Role::kLeader;
  s.term = Term(3);
  s.vote = s.self;
  s.leader = s.self;
  s.commit = Index(3);
  s.commit_term = Term(3);
  s.stable = Index(4);
  s.last = Index(5);
  s.last_term = Term(3);
  s.peers[0] = {Index(3), Index(6)};
  s.peers[1] = {Index(2), Index(3)};
  s.peer_count = 2;
  s.reached = Index(3);
  s.reached_term = Term(3);
  return s;
}

RaftSummary Follower() {
  RaftSummary s = Leader();
  s.role = Role::kFollower;
  s.vote = NodeId{2, 1};
  s.leader = NodeId{2, 1};
  s.peer_count = 0;
  s.reached = Index(0);
  s.reached_term = Term(0);
  return s;
}

using Change = std::function<void(RaftSummary*)>;

TEST(Invariants, LegalStatesAtRest) {
  EXPECT_THAT(Invariants::CheckAtRest(Leader()), IsEmpty());
  EXPECT_THAT(Invariants::CheckAtRest(Follower()), IsEmpty());
}

TEST(Invariants, IllegalStatesAtRest) {
  struct Row {
    RaftSummary legal;
    Change spoil;
    std::string rule;
  };
  const Row rows[] = {
      {Follower(), [](auto* s) { s->commit = Index(6); },
       "commit is within the log"},
      {Follower(), [](auto* s) { s->stable = Index(6); },
       "stable is within the log"},
      {Follower(), [](auto* s) { s->term = Term(2); }, "of a later term"},
      {Follower(), [](auto* s) { s->commit_term = Term(4); },
       "terms never fall in a log"},
      {Follower(), [](auto* s) { s->leader = s->self; },
       "a follower does not lead"},
      {Follower(),
       [](auto* s) {
         s->role = Role::kCandidate;
         s->leader = kNobody;
       },
       "a candidate votes for itself"},
      {Follower(), [](auto* s) { s->role = Role::kPreCandidate; },
       "a candidate follows nobody"},
      {Leader(), [](auto* s) { s->self_votes = false; }, "only voters"},
      {Leader(), [](auto* s) { s->leader = kNobody; }, "knows that it leads"},
      {Leader(),
       [](auto* s) {
         s->vote = NodeId{2, 1};
       },
       "a leader has its own vote"},
      {Leader(),
       [](auto* s) {
         s->term = Term(4);
         s->vote = s->self;
       },
       "last entry is of its term"},
      {Leader(), [](auto* s) { s->peers[1].next = Index(2); },
       "match is below next"},
      {Leader(), [](auto* s) { s->peers[0].next = Index(7); },
       "next is within"},
      {Leader(), [](auto* s) { s->reached = Index(4); }, "commit does not lag"},
  };
  for (const Row& row : rows) {
    RaftSummary spoiled = row.legal;
    row.spoil(&spoiled);
    EXPECT_THAT(Invariants::CheckAtRest(spoiled),
                ElementsAre(HasSubstr(row.rule)));
  }
}

// What the log holds afterwards, if nothing was removed.
Invariants::LaterTerms Kept(const RaftSummary& before) {
  return {before.commit_term, before.last_term};
}

TEST(Invariants, LegalTransitions) {
  const RaftSummary before = Follower();
  RaftSummary after = before;
  EXPECT_THAT(Invariants::CheckTransition(before, after, Kept(before)),
              IsEmpty());
  // A new term takes the vote, and the uncommitted tail.
  after.term = Term(4);
  after.vote = kNobody;
  after.leader = NodeId{3, 1};
  after.last = Index(3);
  EXPECT_THAT(Invariants::CheckTransition(before, after, {Term(3), Term(0)}),
              IsEmpty());
  // A leader commits what a majority holds.
  RaftSummary leader = Leader();
  leader.commit = Index(4);
  leader.reached = Index(4);
  EXPECT_THAT(Invariants::CheckTransition(Leader(), leader, Kept(Leader())),
              IsEmpty());
}

TEST(Invariants, IllegalTransitions) {
  struct Row {
    RaftSummary before;
    Change change;
    std::string rule;
    Invariants::LaterTerms later = {Term(3), Term(3)};
  };
  const Row rows[] = {
      {Follower(),
       [](auto* s) {
         s->self = NodeId{5, 1};
       },
       "who it is"},
      {Follower(), [](auto* s) { s->term = Term(2); }, "the term never falls"},
      {Follower(), [](auto* s) { s->commit = Index(2); }, "commit never falls"},
      {Follower(), [](auto*) {}, "never removed", {Term(0), Term(3)}},
      {Follower(), [](auto*) {}, "never removed", {Term(2), Term(3)}},
      {Follower(),
       [](auto* s) {
         s->vote = NodeId{3, 1};
       },
       "cast once in a term"},
      {Follower(), [](auto* s) { s->vote = kNobody; }, "cast once in a term"},
      {Follower(),
       [](auto* s) {
         s->leader = NodeId{3, 1};
       },
       "a term has one leader"},
      {Leader(), [](auto*) {}, "its own entries", {Term(3), Term(0)}},
      {Leader(),
       [](auto* s) {
         s->commit = Index(5);
         s->reached = Index(4);
       },
       "what a majority holds"},
      {Leader(),
       [](auto* s) {
         s->commit = Index(4);
         s->reached = Index(4);
         s->commit_term = Term(2);
       },
       "entries of its own term"},
      {Leader(), [](auto* s) { s->peers[0].match = Index(2); },
       "a match never falls"},
  };
  for (const Row& row : rows) {
    RaftSummary after = row.before;
    row.change(&after);
    EXPECT_THAT(Invariants::CheckTransition(row.before, after, row.later),
                ElementsAre(HasSubstr(row.rule)));
  }
  // From follower to leader without an election.
  RaftSummary before = Follower();
  before.vote = before.self;
  before.leader = kNobody;
  EXPECT_THAT(Invariants::CheckTransition(before, Leader(), Kept(before)),
              ElementsAre(HasSubstr("was a candidate")));
}

constexpr NodeId kN2{2, 1};
constexpr NodeId kN3{3, 1};

TEST(Invariants, LegalChangesByMessages) {
  // A vote for a log as complete as the voter's, in a new term.
  const RaftSummary before = Follower();
  RaftSummary after = before;
  after.term = Term(4);
  after.vote = kN3;
  after.leader = kNobody;
  EXPECT_THAT(Invariants::CheckReceive(before,
                                       {kN3, VoteRequest{.term = Term(4),
                                                         .last_index = Index(5),
                                                         .last_term = Term(3)}},
                                       after),
              IsEmpty());
  // A later last term wins over the longer log.
  EXPECT_THAT(Invariants::CheckReceive(before,
                                       {kN3, VoteRequest{.term = Term(4),
                                                         .last_index = Index(1),
                                                         .last_term = Term(4)}},
                                       after),
              IsEmpty());
  after = before;
  after.commit = Index(5);
  EXPECT_THAT(
      Invariants::CheckReceive(
          before, {kN2, Heartbeat{.term = Term(3), .commit = Index(5)}}, after),
      IsEmpty());
  // A refused pre-vote speaks of the term of its sender, which may be behind.
  RaftSummary lost = before;
  lost.role = Role::kPreCandidate;
  lost.leader = kNobody;
  after = lost;
  after.role = Role::kFollower;
  EXPECT_THAT(
      Invariants::CheckReceive(
          lost, {kN2, VoteReply{.term = Term(1), .pre_vote = true}}, after),
      IsEmpty());
}

TEST(Invariants, IllegalChangesByMessages) {
  struct Row {
    RaftSummary before;
    Receive receive;
    Change change;
    std::string rule;
  };
  const Change vote = [](auto* s) {
    s->term = Term(4);
    s->vote = kN3;
  };
  const Change commit = [](auto* s) { s->commit = Index(5); };
  const Row rows[] = {
      {Follower(),
       {kN3, VoteRequest{.term = Term(4), .pre_vote = true}},
       [](auto* s) {
         s->term = Term(4);
         s->vote = kNobody;
       },
       "pre-vote request changes nothing"},
      {Leader(),
       {kN2, AppendReply{.term = Term(2), .accepted = true, .match = Index(4)}},
       [](auto* s) { s->peers[0].match = Index(4); },
       "earlier term changes nothing"},
      {Follower(),
       {kN3,
        VoteRequest{
            .term = Term(4), .last_index = Index(4), .last_term = Term(3)}},
       vote,
       "at least as complete"},
      {Follower(),
       {kN3,
        VoteRequest{
            .term = Term(4), .last_index = Index(9), .last_term = Term(2)}},
       vote,
       "at least as complete"},
      {Follower(),
       {kN2,
        VoteRequest{
            .term = Term(4), .last_index = Index(9), .last_term = Term(3)}},
       vote,
       "an answer to who asks"},
      {Follower(),
       {kN2, AppendRequest{.term = Term(3),
                           .prev_index = Index(4),
                           .prev_term = Term(3),
                           .commit = Index(5)}},
       commit,
       "what its leader has shown"},
      {Follower(),
       {kN2, Heartbeat{.term = Term(3), .commit = Index(4)}},
       commit,
       "what its leader has shown"},
  };
  for (const Row& row : rows) {
    RaftSummary after = row.before;
    row.change(&after);
    EXPECT_THAT(Invariants::CheckReceive(row.before, row.receive, after),
                ElementsAre(HasSubstr(row.rule)));
  }
}

}  // namespace
}  // namespace raft
