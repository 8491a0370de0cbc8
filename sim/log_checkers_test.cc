// Each rule is shown a state that it must accept and one that it must refuse.
#include "sim/log_checkers.h"

#include <optional>
#include <vector>

#include "gtest/gtest.h"
#include "sim/checker_test_support.h"

namespace sim {
namespace {

using raft::Index;
using raft::Term;

TEST(ElectionSafetyTest, OneLeaderATerm) {
  Violations violations;
  ElectionSafety safety;
  safety.OnLeader(0, 1, Term(1), &violations);
  safety.OnLeader(1, 1, Term(2), &violations);
  safety.OnLeader(0, 1, Term(1), &violations);
  EXPECT_EQ(Broken(violations), "");
  EXPECT_EQ(safety.LeaderOf(Term(2)), 1u);
  EXPECT_EQ(safety.LeaderOf(Term(3)), std::nullopt);
  safety.OnLeader(2, 1, Term(2), &violations);
  EXPECT_EQ(Broken(violations), "election_safety");
}

TEST(ElectionSafetyTest, AnotherLifeIsAnotherLeader) {
  Violations violations;
  ElectionSafety safety;
  safety.OnLeader(0, 1, Term(1), &violations);
  safety.OnLeader(0, 2, Term(1), &violations);
  EXPECT_EQ(Broken(violations), "election_safety");
}

TEST(VoteOnceTest, OneCandidateATerm) {
  Violations violations;
  VoteOnce votes;
  votes.OnVote(0, Term(3), kN1, &violations);
  votes.OnVote(0, Term(3), kN1, &violations);  // asked again
  votes.OnVote(1, Term(3), kN2, &violations);
  votes.OnVote(0, Term(4), kN2, &violations);
  EXPECT_EQ(Broken(violations), "");
  votes.OnVote(0, Term(3), kN2, &violations);
  EXPECT_EQ(Broken(violations), "vote_once");
}

TEST(VoteOnceTest, ALeaderHasAMajorityOfThisTerm) {
  Violations violations;
  VoteOnce votes;
  votes.OnVote(1, Term(3), kN1, &violations);
  votes.OnVote(0, Term(3), kN1, &violations);  // its own
  votes.OnLeader(0, kN1, Term(3), 3, &violations);
  votes.OnLeader(0, kN1, Term(1), 1, &violations);  // alone
  EXPECT_EQ(Broken(violations), "");
  votes.OnLeader(0, kN1, Term(3), 5, &violations);
  EXPECT_EQ(Broken(violations), "elected_by_majority");
}

TEST(VoteOnceTest, AVoteOfAnotherTermElectsNobody) {
  Violations violations;
  VoteOnce votes;
  votes.OnVote(1, Term(3), kN1, &violations);
  votes.OnVote(2, Term(4), kN2, &violations);
  votes.OnLeader(0, kN1, Term(4), 3, &violations);
  EXPECT_EQ(Broken(violations), "elected_by_majority");
}

TEST(ReplacedTest, WhatIsRemovedMakesPlace) {
  Violations violations;
  CheckReplaced(0, Index(4), Index(4), &violations);
  CheckReplaced(0, Index(4), Index(9), &violations);
  EXPECT_EQ(Broken(violations), "");
  CheckReplaced(0, Index(4), Index(3), &violations);
  EXPECT_EQ(Broken(violations), "removed_for_nothing");
}

TEST(SameAsLeaderTest, AnAcknowledgementSpeaksOfTheLeadersLog) {
  Violations violations;
  const auto mine = Marks({MakeEntry(1, 1), MakeEntry(2, 1)});
  const auto leaders = Marks({MakeEntry(1, 1), MakeEntry(2, 2)});
  CheckSameAsLeader(0, Index(1), mine[0], leaders[0], &violations);
  EXPECT_EQ(Broken(violations), "");
  CheckSameAsLeader(0, Index(2), mine[1], leaders[1], &violations);
  EXPECT_EQ(Broken(violations), "acknowledged_is_the_same");
}

TEST(VoteOnceTest, WhatADiskMayHaveForgotten) {
  Violations violations;
  VoteOnce votes;
  votes.OnVote(0, Term(3), kN1, &violations);
  votes.OnVote(0, Term(4), kN1, &violations);
  votes.OnVote(0, Term(5), kN1, &violations);
  votes.OnVote(1, Term(5), kN1, &violations);
  votes.Forget(0, Term(4), kN1);
  votes.OnVote(0, Term(5), kN2, &violations);
  EXPECT_EQ(Broken(violations), "");
  VoteOnce others = votes;
  others.OnVote(1, Term(5), kN2, &violations);  // of another node
  EXPECT_EQ(Broken(violations), "vote_once");
  Violations kept;
  votes.OnVote(0, Term(4), kN2, &kept);  // it still knows of this one
  EXPECT_EQ(Broken(kept), "vote_once");
  Violations forgotten;
  votes.Forget(0, Term(4), raft::kNobody);
  votes.OnVote(0, Term(4), kN2, &forgotten);
  EXPECT_EQ(Broken(forgotten), "");
}

TEST(LogMatchingTest, EqualTermsAreEqualHistories) {
  Violations violations;
  LogMatching matching;
  const auto a = Marks({MakeEntry(1, 1), MakeEntry(2, 1, "a")});
  const auto b = Marks({MakeEntry(1, 1), MakeEntry(2, 2, "b")});
  matching.OnEntry(0, Index(2), a[1], &violations);
  matching.OnEntry(1, Index(2), a[1], &violations);
  matching.OnEntry(2, Index(2), b[1], &violations);  // of another term
  EXPECT_EQ(Broken(violations), "");
  const auto c = Marks({MakeEntry(1, 1), MakeEntry(2, 1, "c")});
  matching.OnEntry(2, Index(2), c[1], &violations);
  EXPECT_EQ(Broken(violations), "log_matching");
}

// The same entry behind another history is another log.
TEST(LogMatchingTest, LooksAtAllThatIsBefore) {
  Violations violations;
  LogMatching matching;
  const auto a = Marks({MakeEntry(1, 1, "a"), MakeEntry(2, 2)});
  const auto b = Marks({MakeEntry(1, 1, "b"), MakeEntry(2, 2)});
  matching.OnEntry(0, Index(2), a[1], &violations);
  matching.OnEntry(1, Index(2), b[1], &violations);
  EXPECT_EQ(Broken(violations), "log_matching");
}

class CommittedLogTest : public testing::Test {
 protected:
  CommittedLogTest() {
    log.OnCommitted(0, Index(1), marks[0], Term(1), 2, 2, &violations);
    log.OnCommitted(0, Index(2), marks[1], Term(2), 3, 2, &violations);
    EXPECT_EQ(Broken(violations), "");
  }
  void Lead(uint64_t term, const std::vector<Mark>& has) {
    log.OnLeader(
        1, Term(term),
        [&](Index index) -> std::optional<Mark> {
          if (index > Index(has.size())) return std::nullopt;
          return has[index.value() - 1];
        },
        &violations);
  }
  const std::vector<Mark> marks = Marks({MakeEntry(1, 1), MakeEntry(2, 2)});
  const std::vector<Mark> others =
      Marks({MakeEntry(1, 1), MakeEntry(2, 1, "other")});
  Violations violations;
  CommittedLog log;
};

TEST_F(CommittedLogTest, TheSameEntryForEverybody) {
  log.OnCommitted(1, Index(2), marks[1], Term(2), 2, 2, &violations);
  EXPECT_EQ(Broken(violations), "");
  log.OnCommitted(2, Index(2), others[1], Term(3), 2, 2, &violations);
  EXPECT_EQ(Broken(violations), "state_machine_safety");
}

TEST_F(CommittedLogTest, NothingIsCommittedBeforeAMajorityHasItOnDisk) {
  const Mark third = NextMark(marks[1].chain, MakeEntry(3, 2));
  log.OnCommitted(0, Index(3), third, Term(2), 1, 2, &violations);
  EXPECT_EQ(Broken(violations), "committed_is_durable");
}

TEST_F(CommittedLogTest, ALaterLeaderHasIt) {
  Lead(3, marks);
  Lead(2, {marks[0]});  // index 2 was not committed before term 2
  EXPECT_EQ(Broken(violations), "");
  Lead(3, {marks[0]});
  EXPECT_EQ(Broken(violations), "leader_completeness");
}

TEST_F(CommittedLogTest, ALaterLeaderHasTheSame) {
  Lead(3, others);
  EXPECT_EQ(Broken(violations), "leader_completeness");
}

TEST_F(CommittedLogTest, WhoHasItKeepsIt) {
  log.OnDropped(1, Index(2), others[1], &violations);
  log.OnDropped(1, Index(3), marks[1], &violations);
  EXPECT_EQ(Broken(violations), "");
  log.OnDropped(1, Index(2), marks[1], &violations);
  EXPECT_EQ(Broken(violations), "committed_never_dropped");
}

}  // namespace
}  // namespace sim
