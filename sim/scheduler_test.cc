#include "sim/scheduler.h"

#include <vector>

#include "gtest/gtest.h"
#include "sim/turns.h"

namespace sim {
namespace {

TEST(SchedulerTest, TimeThenOrderOfScheduling) {
  Scheduler scheduler;
  scheduler.At(Instant(20), {.arg = 1});
  scheduler.At(Instant(10), {.arg = 2});
  scheduler.At(Instant(20), {.arg = 3});
  scheduler.At(Instant(10), {.arg = 4});
  std::vector<uint64_t> order;
  std::vector<int64_t> times;
  while (!scheduler.empty()) {
    order.push_back(scheduler.Pop().arg);
    times.push_back(scheduler.now().value());
    if (order.size() == 1) scheduler.After(0, {.arg = 5});
  }
  EXPECT_EQ(order, (std::vector<uint64_t>{2, 4, 5, 1, 3}));
  EXPECT_EQ(times, (std::vector<int64_t>{10, 10, 10, 20, 20}));
}

TEST(SchedulerDeathTest, RefusesThePast) {
  Scheduler scheduler;
  scheduler.At(Instant(10), {});
  scheduler.Pop();
  EXPECT_DEATH(scheduler.At(Instant(9), {}), "CHECK failed");
}

TEST(NodeClockTest, RunsAtItsRateFromItsOffset) {
  const NodeClock fast(Instant(1000), 500, 20'000);
  EXPECT_EQ(fast.Read(Instant(1000)), raft::Time(500));
  EXPECT_EQ(fast.Read(Instant(1'001'000)), raft::Time(500 + 1'020'000));
  const NodeClock slow(Instant(0), 0, -20'000);
  EXPECT_EQ(slow.Read(Instant(1'000'000)), raft::Time(980'000));
}

TEST(NodeClockTest, WakesNotBeforeTheDeadlineAndNotLater) {
  for (const int64_t rate : {-25'000, -1, 0, 1, 333, 25'000}) {
    const NodeClock clock(Instant(7), 1'000'003, rate);
    for (int64_t deadline = 1'000'000; deadline < 1'300'000;
         deadline += 12'345) {
      const Instant at = clock.WhenReads(raft::Time(deadline), Instant(100));
      EXPECT_GE(clock.Read(at), raft::Time(deadline));
      if (at > Instant(100)) {
        EXPECT_LT(clock.Read(at - 1), raft::Time(deadline));
      }
    }
  }
}

TEST(NodeClockTest, AnotherRateIsNoJump) {
  NodeClock clock(Instant(0), 0, 0);
  int64_t last = 0;
  for (int64_t now = 1; now < 10'000; ++now) {
    if (now % 100 == 0)
      clock.SetRate(Instant(now), now % 200 == 0 ? 25'000 : -25'000);
    const int64_t read = clock.Read(Instant(now)).micros();
    EXPECT_GE(read, last);
    EXPECT_LE(read, last + 2);
    last = read;
  }
}

class TurnsTest : public testing::Test {
 protected:
  TurnsTest() : turns(1, 0, &scheduler, NodeClock(Instant(), 0, 0)) {
    turns.NewLife();
  }
  // Runs until nothing is due or `until`; when turns happened.
  std::vector<int64_t> RunTurns(int64_t until) {
    std::vector<int64_t> at;
    while (!scheduler.empty() && scheduler.next() <= Instant(until)) {
      if (turns.OnEvent(scheduler.Pop())) at.push_back(scheduler.now().value());
    }
    return at;
  }
  Scheduler scheduler;
  Turns turns;
};

TEST_F(TurnsTest, ManyArrivalsAreOneTurn) {
  for (int i = 0; i < 10; ++i) turns.Request();
  EXPECT_EQ(RunTurns(1'000'000).size(), 1u);
}

TEST_F(TurnsTest, ADeadlineBringsATurn) {
  turns.SetDeadline(raft::Time(5'000));
  turns.SetDeadline(raft::Time(3'000));
  turns.SetDeadline(raft::Time(9'000));  // the earliest counts until it came
  const std::vector<int64_t> at = RunTurns(1'000'000);
  ASSERT_EQ(at.size(), 1u);
  EXPECT_GE(at[0], 3'000);
  EXPECT_LT(at[0], 5'000);
}

TEST_F(TurnsTest, APausePutsTurnsOffUntilItEnds) {
  turns.Request();
  turns.Pause(Instant(50'000));
  EXPECT_TRUE(turns.paused());
  EXPECT_EQ(RunTurns(49'999).size(), 0u);
  EXPECT_EQ(RunTurns(1'000'000).size(), 1u);
  EXPECT_GT(turns.late(), 0u);
}

TEST_F(TurnsTest, AnEarlyEndOfAPauseBringsATurnSoon) {
  turns.Request();
  turns.Pause(Instant(50'000));
  EXPECT_EQ(RunTurns(1'000).size(), 0u);
  turns.Resume();
  const std::vector<int64_t> at = RunTurns(49'000);
  EXPECT_EQ(at.size(), 1u);
}

TEST_F(TurnsTest, NothingOfAnEarlierLifeHappens) {
  turns.Request();
  turns.SetDeadline(raft::Time(1'000));
  turns.Die();
  turns.Request();
  EXPECT_EQ(RunTurns(1'000'000).size(), 0u);
  turns.NewLife();
  turns.Request();
  EXPECT_EQ(RunTurns(2'000'000).size(), 1u);
}

}  // namespace
}  // namespace sim
