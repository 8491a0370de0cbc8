#include "sim/durable_log.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "sim/checker_test_support.h"

namespace sim {
namespace {

using raft::Entry;
using raft::Index;
using raft::NodeId;
using raft::Persist;
using raft::PersistToken;
using raft::Term;

Persist MakePersist(uint64_t token, uint64_t term, NodeId vote,
                    std::vector<Entry> entries = {}, uint64_t truncate = 0) {
  return {.token = PersistToken(token),
          .term = Term(term),
          .vote = vote,
          .truncate_from = Index(truncate),
          .entries = std::move(entries)};
}

class DurableLogTest : public testing::Test {
 protected:
  // Two persists, of which the first is confirmed.
  DurableLogTest() {
    Violations violations;
    const std::vector<Mark> marks = Marks({one, other, third});
    for (uint64_t i = 1; i <= marks.size(); ++i) {
      committed.OnCommitted(0, Index(i), marks[i - 1], Term(2), 2, 2,
                            &violations);
    }
    EXPECT_TRUE(violations.empty());
    EXPECT_EQ(log.OnPersist(MakePersist(1, 1, kN1, {one, two})), "");
    EXPECT_EQ(log.OnPersist(MakePersist(2, 2, kN2, {other}, 2)), "");
    EXPECT_EQ(log.OnPersistDone(PersistToken(1)), "");
  }
  const Entry one = MakeEntry(1, 1);
  const Entry two = MakeEntry(2, 1);
  const Entry other = MakeEntry(2, 2, "other");
  // Of the three first entries, as the cluster has committed them.
  const Entry third = MakeEntry(3, 2);
  CommittedLog committed;
  DurableLog log{&committed};
};

TEST_F(DurableLogTest, FollowsWhatWasAskedAndWhatWasConfirmed) {
  EXPECT_EQ(log.asked(), Marks({one, other}));
  EXPECT_EQ(log.durable(), Marks({one, two}));
  EXPECT_EQ(log.durable_term(), Term(1));
  EXPECT_EQ(log.OnPersistDone(PersistToken(2)), "");
  EXPECT_EQ(log.durable(), Marks({one, other}));
  EXPECT_NE(log.OnPersistDone(PersistToken(3)), "");
  EXPECT_NE(log.OnPersist(MakePersist(3, 2, kN2, {MakeEntry(9, 2)})), "");
}

TEST_F(DurableLogTest, AcceptsWhatWasConfirmed) {
  EXPECT_EQ(log.OnBoot({Term(1), kN1, Marks({one, two})}), "");
  EXPECT_EQ(log.asked(), log.durable());
}
TEST_F(DurableLogTest, AcceptsWhatWasAskedForBesides) {
  EXPECT_EQ(log.OnBoot({Term(2), kN2, Marks({one, other})}), "");
}
TEST_F(DurableLogTest, RefusesLessThanWasConfirmed) {
  EXPECT_NE(log.OnBoot({Term(1), kN1, Marks({one})}), "");
}
TEST_F(DurableLogTest, RefusesAnotherVote) {
  EXPECT_NE(log.OnBoot({Term(1), kN2, Marks({one, two})}), "");
}
TEST_F(DurableLogTest, RefusesAVoteThatWasForgotten) {
  EXPECT_NE(log.OnBoot({Term(1), raft::kNobody, Marks({one, two})}), "");
}
TEST_F(DurableLogTest, RefusesHalfOfAPersist) {
  EXPECT_NE(log.OnBoot({Term(2), kN2, Marks({one, two})}), "");
  // ... and what nobody wrote.
  EXPECT_NE(log.OnBoot({Term(3), kN2, {}}), "");
}

// A snapshot takes the place of a log that does not hold its end, even before
// the log says so itself; of one that does, of nothing.
TEST_F(DurableLogTest, ASnapshotStandsInForTheLog) {
  log.OnSnapshot(Index(2));
  EXPECT_EQ(log.durable(), Marks({one, other}));
  EXPECT_EQ(log.durable_term(), Term(2));
  EXPECT_EQ(log.durable_vote(), raft::kNobody);
  EXPECT_EQ(log.OnPersistDone(PersistToken(2)), "");
  EXPECT_EQ(log.durable_vote(), kN2);
  EXPECT_NE(
      log.OnBoot({.term = Term(1), .vote = kN1, .log = Marks({one, two})}), "");
}
TEST_F(DurableLogTest, ASnapshotThatIsThereNeedNotBeConfirmed) {
  EXPECT_EQ(log.OnBoot({.term = Term(2),
                        .log = Marks({one, other, third}),
                        .covered = Index(3)}),
            "");
}
TEST_F(DurableLogTest, RefusesALogThatEndsBeforeItsSnapshot) {
  log.OnSnapshot(Index(3));
  EXPECT_NE(log.OnBoot({.term = Term(2),
                        .vote = kN2,
                        .log = Marks({one, other}),
                        .covered = Index(0)}),
            "");
}
TEST_F(DurableLogTest, FollowsALogThatASnapshotTookThePlaceOf) {
  Persist persist = MakePersist(3, 2, kN2, {MakeEntry(4, 2)});
  persist.base = {Index(3), Term(2)};
  log.OnSnapshot(Index(3));
  EXPECT_EQ(log.OnPersist(persist), "");
  EXPECT_EQ(log.OnPersistDone(PersistToken(3)), "");
  EXPECT_EQ(log.durable(), Marks({one, other, third, MakeEntry(4, 2)}));
  persist.token = PersistToken(4);
  persist.base = {Index(9), Term(2)};
  EXPECT_NE(log.OnPersist(persist), "") << "not committed";
}

// Damage that was allowed excuses exactly what it was to leave.
TEST_F(DurableLogTest, AcceptsWhatDamageWasToLeave) {
  const DiskState left{Term(1), kN1, Marks({one})};
  EXPECT_EQ(log.OnBoot(left, &left), "");
  EXPECT_EQ(log.durable(), Marks({one}));
}
TEST_F(DurableLogTest, DamageThatWasNotMetExcusesNothing) {
  const DiskState left{Term(1), kN1, Marks({one})};
  EXPECT_EQ(log.OnBoot({Term(1), kN1, Marks({one, two})}, &left), "");
}
TEST_F(DurableLogTest, RefusesMoreDamageThanWasAllowed) {
  const DiskState left{Term(1), kN1, Marks({one})};
  EXPECT_NE(log.OnBoot({Term(1), kN1, {}}, &left), "");
}

TEST_F(DurableLogTest, ExplainsWhatAnIntactDiskMayHold) {
  EXPECT_TRUE(log.Explains({Term(1), kN1, Marks({one, two})}));
  EXPECT_TRUE(log.Explains({Term(2), kN2, Marks({one, other})}));
  EXPECT_FALSE(log.Explains({Term(1), kN1, Marks({one})}));
  EXPECT_FALSE(log.Explains({Term(2), kN2, Marks({one, two})}));
}

// Recovery takes damage to the newest batch for a torn tail, nothing else.
TEST_F(DurableLogTest, KnowsWhatRecoveryMayGiveUp) {
  const DiskState empty{};
  const DiskState first{Term(1), kN1, Marks({one, two})};
  const DiskState second{Term(2), kN2, Marks({one, other})};
  EXPECT_TRUE(log.MayBeLeft(empty, first));
  EXPECT_FALSE(log.MayBeLeft(first, first)) << "nothing is lost";
  // The second persist is on the disk, and the disk has not said so yet.
  EXPECT_TRUE(log.MayBeLeft(first, second));
  EXPECT_FALSE(log.MayBeLeft(empty, second)) << "two batches";
  EXPECT_EQ(log.OnPersistDone(PersistToken(2)), "");
  EXPECT_TRUE(log.MayBeLeft(first, second)) << "with what had been replaced";
  EXPECT_FALSE(log.MayBeLeft(empty, second)) << "two batches";
  EXPECT_FALSE(log.MayBeLeft(second, second));
  // Two persists of one batch: the first may be there alone.
  EXPECT_EQ(log.OnPersist(MakePersist(3, 2, kN2, {MakeEntry(3, 2)})), "");
  EXPECT_EQ(log.OnPersist(MakePersist(4, 3, kN1)), "");
  EXPECT_EQ(log.OnPersistDone(PersistToken(4)), "");
  const DiskState fourth = log.state();
  EXPECT_TRUE(log.MayBeLeft(second, fourth));
  EXPECT_TRUE(log.MayBeLeft(
      {Term(2), kN2, Marks({one, other, MakeEntry(3, 2)})}, fourth));
  EXPECT_FALSE(log.MayBeLeft(first, fourth));
  // After a start it has a segment of its own.
  EXPECT_EQ(log.OnBoot(log.state()), "");
  EXPECT_FALSE(log.MayBeLeft(second, fourth));
}

}  // namespace
}  // namespace sim
