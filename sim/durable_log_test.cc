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
    EXPECT_EQ(log.OnPersist(MakePersist(1, 1, kN1, {one, two})), "");
    EXPECT_EQ(log.OnPersist(MakePersist(2, 2, kN2, {other}, 2)), "");
    EXPECT_EQ(log.OnPersistDone(PersistToken(1)), "");
  }
  const Entry one = MakeEntry(1, 1);
  const Entry two = MakeEntry(2, 1);
  const Entry other = MakeEntry(2, 2, "other");
  DurableLog log;
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
  EXPECT_EQ(log.OnBoot(Term(1), kN1, Marks({one, two})), "");
  EXPECT_EQ(log.asked(), log.durable());
}
TEST_F(DurableLogTest, AcceptsWhatWasAskedForBesides) {
  EXPECT_EQ(log.OnBoot(Term(2), kN2, Marks({one, other})), "");
}
TEST_F(DurableLogTest, RefusesLessThanWasConfirmed) {
  EXPECT_NE(log.OnBoot(Term(1), kN1, Marks({one})), "");
}
TEST_F(DurableLogTest, RefusesAnotherVote) {
  EXPECT_NE(log.OnBoot(Term(1), kN2, Marks({one, two})), "");
}
TEST_F(DurableLogTest, RefusesAVoteThatWasForgotten) {
  EXPECT_NE(log.OnBoot(Term(1), raft::kNobody, Marks({one, two})), "");
}
TEST_F(DurableLogTest, RefusesHalfOfAPersist) {
  EXPECT_NE(log.OnBoot(Term(2), kN2, Marks({one, two})), "");
  // ... and what nobody wrote.
  EXPECT_NE(log.OnBoot(Term(3), kN2, {}), "");
}

}  // namespace
}  // namespace sim
