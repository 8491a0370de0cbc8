// What one node does about elections. What several do together is told in
// testdata/raft.
#include <cstdint>
#include <set>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "raft/digest.h"
#include "raft/raft.h"
#include "raft/raft_driver.h"
#include "raft/raft_io.h"

namespace raft {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Conformance 1.3: every combination of answers of 1, 3 and 5 voters, in the
// pre-vote and in the vote.
TEST(Election, EveryCombinationOfAnswers) {
  for (int voters : {1, 3, 5}) {
    int combinations = 1;
    for (int i = 1; i < voters; ++i) combinations *= 3;
    for (int code = 0; code < combinations; ++code) {
      for (bool pre_vote : {true, false}) {
        Driver driver(voters);
        driver.TimeOut();
        if (!pre_vote) {
          for (int i = 2; i <= voters / 2 + 1; ++i) {
            driver.Get(i, VoteReply{Term(1), true, true});
          }
          ASSERT_EQ(driver.raft().term(), Term(1));
        }
        int granted = 1;
        int refused = 0;
        for (int i = 2, rest = code; i <= voters; ++i, rest /= 3) {
          if (rest % 3 == 0) continue;  // silent
          const bool grant = rest % 3 == 1;
          (grant ? granted : refused) += 1;
          const Term term(pre_vote && !grant ? 0 : 1);
          driver.Get(i, VoteReply{term, pre_vote, grant});
        }
        const bool won = granted > voters / 2;
        const bool lost = voters - refused <= voters / 2;
        const Role asking = pre_vote ? Role::kPreCandidate : Role::kCandidate;
        const Role winner =
            pre_vote && voters > 1 ? Role::kCandidate : Role::kLeader;
        EXPECT_EQ(driver.raft().role(),
                  won ? winner : (lost ? Role::kFollower : asking))
            << voters << " voters, answers " << code;
      }
    }
  }
}

// Conformance 1.5.
TEST(Election, VotesForLogsAtLeastAsComplete) {
  struct Row {
    std::vector<uint64_t> own;
    uint64_t last_index, last_term;
    bool granted;
  };
  const Row rows[] = {
      {{}, 0, 0, true},        {{}, 1, 1, true},      {{1}, 1, 1, true},
      {{1}, 0, 0, false},      {{1, 1}, 1, 1, false}, {{1, 1}, 1, 2, true},
      {{1, 2}, 9, 1, false},   {{1, 2}, 2, 2, true},  {{1, 2, 2}, 2, 2, false},
      {{1, 2, 2}, 1, 3, true},
  };
  for (const Row& row : rows) {
    for (bool pre_vote : {true, false}) {
      Driver driver(3, Restored{.term = Term(3), .log = MakeLog(row.own)});
      const auto reply = TheReply<VoteReply>(
          driver.Get(2, VoteRequest{Term(4), pre_vote, Index(row.last_index),
                                    Term(row.last_term)}),
          2);
      EXPECT_EQ(reply.granted, row.granted);
      EXPECT_EQ(reply.pre_vote, pre_vote);
      // A pre-vote changes nothing; a vote adopts the term at least.
      EXPECT_EQ(driver.raft().term(), Term(pre_vote ? 3 : 4));
      EXPECT_EQ(driver.raft().vote(),
                !pre_vote && row.granted ? N(2) : kNobody);
    }
  }
}

TEST(Election, VoteIsPersistedInALaterTurnOfTheSameTerm) {
  Driver driver(3, Restored{.term = Term(3), .log = MakeLog({1, 2})});
  driver.Get(2, VoteRequest{Term(4), false, Index(1), Term(1)});  // refused
  driver.Get(3, VoteRequest{Term(4), false, Index(2), Term(2)});
  EXPECT_THAT(driver.All<Persist>(),
              ElementsAre(Persist{
                  .token = PersistToken(2), .term = Term(4), .vote = N(3)}));
  // And nobody else gets it.
  const auto late = TheReply<VoteReply>(
      driver.Get(2, VoteRequest{Term(4), false, Index(9), Term(3)}), 2);
  EXPECT_FALSE(late.granted);
}

TEST(Election, ForeignLateAndDoubledVotesDoNotCount) {
  Driver driver(5);
  driver.TimeOut();
  driver.Get(9, VoteReply{Term(1), true, true});  // no voter
  driver.Get(8, VoteReply{Term(1), true, true});
  driver.Get(2, VoteReply{Term(1), true, true});
  driver.Get(2, VoteReply{Term(1), true, true});  // doubled
  driver.Get(3, VoteReply{Term(2), true, true});  // of another pre-vote
  EXPECT_EQ(driver.raft().role(), Role::kPreCandidate);
  driver.Get(3, VoteReply{Term(1), true, true});
  ASSERT_EQ(driver.raft().role(), Role::kCandidate);
  // Pre-votes are no votes.
  driver.Get(4, VoteReply{Term(1), true, true});
  driver.Get(5, VoteReply{Term(1), true, true});
  driver.Get(4, VoteReply{Term(0), false, true});
  EXPECT_EQ(driver.raft().role(), Role::kCandidate);
}

TEST(Election, OwnVoteCountsWhenDurable) {
  Driver driver(3);
  driver.auto_persist = false;
  driver.TimeOut();
  EXPECT_THAT(driver.Get(2, VoteReply{Term(1), true, true}), IsEmpty());
  ASSERT_EQ(driver.raft().role(), Role::kCandidate);
  // A grant that can only be a ghost: our request has not left.
  driver.Get(2, VoteReply{Term(1), false, true});
  EXPECT_EQ(driver.raft().role(), Role::kCandidate);
  driver.Do(PersistDone{PersistToken(1)});
  EXPECT_EQ(driver.raft().role(), Role::kLeader);
}

TEST(Election, OwnVoteOfALostElectionIsIgnored) {
  Driver driver(3);
  driver.auto_persist = false;
  driver.TimeOut();
  driver.Get(2, VoteReply{Term(1), true, true});
  driver.Get(3, Heartbeat{.term = Term(5)});
  driver.Do(PersistDone{PersistToken(2)});
  EXPECT_EQ(driver.raft().role(), Role::kFollower);
  EXPECT_EQ(driver.raft().leader(), N(3));
}

// Conformance 1.6, 1.7: every role, every message of a higher term.
TEST(Election, HigherTermsAreAdoptedInEveryRole) {
  const Message messages[] = {
      VoteReply{.term = Term(9)},
      VoteReply{.term = Term(9), .pre_vote = true},
      AppendRequest{.term = Term(9)},
      AppendReply{.term = Term(9)},
      Heartbeat{.term = Term(9)},
      HeartbeatReply{.term = Term(9)},
      ReadIndexRequest{.term = Term(9)},
      ReadIndexReply{.term = Term(9)},
  };
  for (const Message& message : messages) {
    for (int role = 0; role < 4; ++role) {
      Driver driver(3);
      if (role > 0) driver.TimeOut();
      if (role > 1) driver.Get(2, VoteReply{Term(1), true, true});
      if (role > 2) driver.Get(2, VoteReply{Term(1), false, true});
      ASSERT_EQ(driver.raft().role(), static_cast<Role>(role));
      driver.Get(3, message);
      EXPECT_EQ(driver.raft().role(), Role::kFollower) << Describe(message);
      EXPECT_EQ(driver.raft().term(), Term(9)) << Describe(message);
      EXPECT_EQ(driver.raft().vote(), kNobody);
      const bool leads = std::holds_alternative<AppendRequest>(message) ||
                         std::holds_alternative<Heartbeat>(message);
      EXPECT_EQ(driver.raft().leader(), leads ? N(3) : kNobody);
    }
  }
}

// Conformance 1.8.
TEST(Election, OlderTermsAreToldTheNewerOne) {
  Driver driver(3, Restored{.term = Term(5), .log = MakeLog({1, 2})});
  const auto refusal = TheReply<AppendReply>(
      driver.Get(2, AppendRequest{.term = Term(4),
                                  .prev_index = Index(1),
                                  .prev_term = Term(1),
                                  .commit = Index(2),
                                  .entries = {MakeEntry(2, 4)}}),
      2);
  EXPECT_FALSE(refusal.accepted);
  EXPECT_EQ(refusal.term, Term(5));
  EXPECT_EQ(driver.raft().TermAt(Index(2)), Term(2));
  EXPECT_EQ(driver.raft().commit(), Index(0));
  EXPECT_EQ(driver.raft().leader(), kNobody);
  EXPECT_EQ(
      TheReply<HeartbeatReply>(driver.Get(2, Heartbeat{.term = Term(4)}), 2)
          .term,
      Term(5));
  EXPECT_EQ(
      TheReply<VoteReply>(
          driver.Get(2, VoteRequest{Term(4), false, Index(9), Term(4)}), 2),
      (VoteReply{.term = Term(5)}));
}

// Conformance 2.4, 3.3: for the minimum election timeout after the leader was
// heard, whatever the term asked for.
TEST(Election, StickyWhileTheLeaderIsHeard) {
  for (bool pre_vote : {true, false}) {
    Driver driver(3);
    driver.Pass(Millis(10));
    driver.Get(2, Heartbeat{.term = Term(1)});
    driver.Pass(Millis(299));
    const VoteRequest request{Term(7), pre_vote, Index(9), Term(1)};
    EXPECT_FALSE(TheReply<VoteReply>(driver.Get(3, request), 3).granted);
    EXPECT_EQ(driver.raft().term(), Term(1));
    if (driver.raft().role() == Role::kFollower) driver.Pass(Millis(1));
    EXPECT_TRUE(TheReply<VoteReply>(driver.Get(3, request), 3).granted);
  }
}

TEST(Election, LeaderIsStickyAndTellsItsTerm) {
  Driver driver(3);
  driver.LeadAndCommit();
  for (bool pre_vote : {true, false}) {
    const auto reply = TheReply<VoteReply>(
        driver.Get(3, VoteRequest{Term(1), pre_vote, Index(9), Term(9)}), 3);
    EXPECT_FALSE(reply.granted);
    EXPECT_EQ(reply.term, Term(1));
    driver.Get(3, VoteRequest{Term(8), pre_vote, Index(9), Term(9)});
    EXPECT_EQ(driver.raft().role(), Role::kLeader);
    EXPECT_EQ(driver.raft().term(), Term(1));
  }
}

TEST(Election, AdoptingATermDoesNotPutOffTheTimer) {
  Driver driver(3, Restored{.term = Term(1), .log = MakeLog({1, 1})});
  const Time deadline = driver.raft().NextDeadline();
  driver.Pass(Millis(100));
  driver.Get(2, VoteRequest{Term(6), false, Index(1), Term(1)});  // refused
  EXPECT_EQ(driver.raft().term(), Term(6));
  EXPECT_EQ(driver.raft().NextDeadline(), deadline);
  driver.Get(3, VoteRequest{Term(6), false, Index(2), Term(1)});  // granted
  EXPECT_GT(driver.raft().NextDeadline(), deadline);
}

TEST(Election, OutsiderFollowsAndVotesButNeverCampaigns) {
  Driver driver(3, {}, /*self=*/4);
  for (int i = 0; i < 5; ++i) EXPECT_THAT(driver.TimeOut(), IsEmpty());
  EXPECT_TRUE(
      TheReply<VoteReply>(
          driver.Get(1, VoteRequest{Term(1), false, Index(0), Term(0)}), 1)
          .granted);
  const auto reply = TheReply<AppendReply>(
      driver.Get(1, AppendRequest{.term = Term(1),
                                  .commit = Index(1),
                                  .entries = {MakeEntry(1, 1)}}),
      1);
  EXPECT_TRUE(reply.accepted);
  EXPECT_EQ(driver.raft().commit(), Index(1));
  EXPECT_EQ(driver.raft().leader(), N(1));
  driver.TimeOut();
  EXPECT_EQ(driver.raft().leader(), kNobody);
  EXPECT_EQ(driver.raft().role(), Role::kFollower);
}

// Conformance 1.9.
TEST(Election, TimeoutsAreDrawnAnewForEveryAttempt) {
  Driver driver(3);
  std::set<Duration> waits;
  for (int attempt = 0; attempt < 20; ++attempt) {
    const Time before = driver.now();
    driver.TimeOut();
    EXPECT_EQ(driver.raft().term(), Term(0));
    waits.insert(driver.now() - before);
  }
  EXPECT_GE(waits.size(), 18u);
}

TEST(Election, ClosedLeaderConnectionIsAnEarlyTimeout) {
  Driver driver(3);
  driver.Get(2, Heartbeat{.term = Term(1)});
  driver.Do(PeerClosed{N(3)});  // not the leader's
  EXPECT_GE(driver.raft().NextDeadline() - driver.now(), Millis(300));
  driver.Do(PeerClosed{N(2)});
  EXPECT_GE(driver.raft().NextDeadline() - driver.now(), Millis(1));
  EXPECT_LT(driver.raft().NextDeadline() - driver.now(), Millis(15));
  driver.TimeOut();
  EXPECT_EQ(driver.raft().role(), Role::kPreCandidate);
  EXPECT_THAT(driver.All<Probe>(),
              ElementsAre(Probe{ProbeId::kPeerClosedElection}));
  // The next attempt takes its usual time.
  EXPECT_GE(driver.raft().NextDeadline() - driver.now(), Millis(300));
}

// Whoever it is, it cannot win a term that has a leader.
TEST(Election, NoVoteInATermWhoseLeaderIsKnown) {
  Driver driver(3);
  driver.Get(2, Heartbeat{.term = Term(1)});
  driver.Pass(Millis(299));
  const VoteRequest request{Term(1), false, Index(9), Term(1)};
  EXPECT_FALSE(TheReply<VoteReply>(driver.Get(3, request), 3).granted);
  EXPECT_EQ(driver.raft().vote(), kNobody);
}

TEST(Election, RestoredStateIsKept) {
  Driver driver(
      3, Restored{.term = Term(4), .vote = N(3), .log = MakeLog({1, 4})});
  const Raft& raft = driver.raft();
  EXPECT_EQ(raft.role(), Role::kFollower);
  EXPECT_EQ(raft.term(), Term(4));
  EXPECT_EQ(raft.vote(), N(3));
  EXPECT_EQ(raft.leader(), kNobody);
  EXPECT_EQ(raft.commit(), Index(0));
  EXPECT_EQ(raft.stable_index(), Index(2));
  const auto reply = TheReply<VoteReply>(
      driver.Get(2, VoteRequest{Term(4), false, Index(9), Term(4)}), 2);
  EXPECT_FALSE(reply.granted);
  EXPECT_THAT(driver.All<Probe>(),
              ElementsAre(Probe{ProbeId::kVoteOfEarlierLife}));
  // To the same candidate it is given again (conformance 1.4).
  EXPECT_TRUE(
      TheReply<VoteReply>(
          driver.Get(3, VoteRequest{Term(4), false, Index(9), Term(4)}), 3)
          .granted);
}

}  // namespace
}  // namespace raft
