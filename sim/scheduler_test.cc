#include "sim/scheduler.h"

#include <vector>

#include "gtest/gtest.h"
#include "sim/random.h"
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

TEST(NodeClockTest, AJumpIsAheadAtOnceAndNeverBack) {
  NodeClock clock(Instant(0), 0, 0);
  clock.Jump(Instant(100), 5'000);
  EXPECT_EQ(clock.Read(Instant(100)), raft::Time(5'100));
  EXPECT_EQ(clock.WhenReads(raft::Time(5'050), Instant(100)), Instant(100));
  EXPECT_TRUE(clock.TakeJump());
  EXPECT_FALSE(clock.TakeJump());
  clock.Jump(Instant(200), -4'000);
  EXPECT_EQ(clock.Read(Instant(200)), raft::Time(5'200));
  EXPECT_FALSE(clock.TakeJump());
}

TEST(NodeClockTest, AStoppedClockGoesOnWhereItStood) {
  NodeClock clock(Instant(0), 0, 0);
  clock.SetRate(Instant(1'000), -1'000'000);
  EXPECT_EQ(clock.Read(Instant(900'000)), raft::Time(1'000));
  EXPECT_EQ(clock.WhenReads(raft::Time(1'001), Instant(2'000)),
            NodeClock::kNever);
  EXPECT_EQ(clock.WhenReads(raft::Time(1'000), Instant(2'000)), Instant(2'000));
  EXPECT_FALSE(clock.ReadsStopped(Instant(1'000)));
  EXPECT_TRUE(clock.ReadsStopped(Instant(1'001)));
  clock.SetRate(Instant(900'000), 0);
  EXPECT_EQ(clock.Read(Instant(900'500)), raft::Time(1'500));
  EXPECT_FALSE(clock.ReadsStopped(Instant(900'500)));
}

TEST(NodeClockTest, ACoarseClockReadsWholeGrains) {
  NodeClock clock(Instant(0), 0, 0);
  clock.SetGrain(Instant(25'000), 10'000);
  EXPECT_EQ(clock.Read(Instant(25'000)), raft::Time(25'000));  // no step back
  EXPECT_EQ(clock.Read(Instant(29'999)), raft::Time(25'000));
  EXPECT_TRUE(clock.ReadsCoarse(Instant(29'999)));
  EXPECT_EQ(clock.Read(Instant(30'000)), raft::Time(30'000));
  EXPECT_FALSE(clock.ReadsCoarse(Instant(30'000)));
  EXPECT_EQ(clock.Read(Instant(39'999)), raft::Time(30'000));
  EXPECT_EQ(clock.WhenReads(raft::Time(30'001), Instant(31'000)),
            Instant(40'000));
}

TEST(NodeClockTest, WildIsWhatNoClockWithinTheBoundReads) {
  for (const int64_t rate : {-900'000, -25'001, 25'001, 9'000'000}) {
    EXPECT_TRUE(NodeClock(Instant(0), 0, rate).ReadsWild(Instant(2'000'000)));
    EXPECT_FALSE(NodeClock(Instant(0), 0, rate).ReadsWild(Instant(0)));
  }
  for (const int64_t rate : {-25'000, 0, 25'000}) {
    EXPECT_FALSE(NodeClock(Instant(0), 0, rate).ReadsWild(Instant(2'000'000)));
  }
}

// Whatever befalls it, in any order: readings do not fall, and a wake-up comes
// at the first instant at which the deadline is reached.
TEST(NodeClockTest, NeverFallsAndWakesOnTimeUnderEveryFault) {
  NodeClock clock(Instant(0), 1'234, 0);
  Draws draws(1, Stream::kClock);
  raft::Time last = clock.Read(Instant(0));
  for (int64_t now = 0; now < 3'000'000; now += 1'003) {
    const uint64_t what = draws.Below(8);
    if (what == 0) clock.SetRate(Instant(now), -1'000'000);
    if (what == 1) clock.SetRate(Instant(now), draws.Between(-900'000, -1));
    if (what == 2) clock.SetRate(Instant(now), draws.Between(0, 9'000'000));
    if (what == 3) clock.SetGrain(Instant(now), draws.Between(1, 50'000));
    if (what == 4) clock.SetGrain(Instant(now), 1);
    if (what == 5) clock.Jump(Instant(now), draws.Between(0, 20'000));
    for (const int64_t after : {0, 1, 500, 1'002}) {
      const raft::Time read = clock.Read(Instant(now + after));
      ASSERT_GE(read, last) << "at " << now + after;
      last = read;
    }
    const raft::Time deadline(last.micros() + draws.Between(1, 30'000));
    const Instant at = clock.WhenReads(deadline, Instant(now + 1'002));
    if (at == NodeClock::kNever) {
      EXPECT_LT(clock.Read(Instant(1'000'000'000)), deadline);
      continue;
    }
    ASSERT_GE(clock.Read(at), deadline) << "at " << now;
    ASSERT_LT(clock.Read(at - 1), deadline) << "at " << now;
  }
}

TEST(NodeClockTest, RemembersWhenItWasLastBeyondTheBound) {
  NodeClock clock(Instant(0), 0, 25'000);
  EXPECT_EQ(clock.LastBeyond(Instant(10)), NodeClock::kNeverBeyond);
  clock.SetRate(Instant(100), 25'001);
  EXPECT_EQ(clock.LastBeyond(Instant(200)), Instant(200));
  clock.SetRate(Instant(300), -25'000);
  EXPECT_EQ(clock.LastBeyond(Instant(400)), Instant(300));
  clock.Jump(Instant(500), 1);
  EXPECT_EQ(clock.LastBeyond(Instant(600)), Instant(500));
  clock.SetGrain(Instant(700), 2);
  EXPECT_EQ(clock.LastBeyond(Instant(800)), Instant(800));
  NodeClock anew(Instant(900), 0, 0);
  anew.InheritBeyond(clock, Instant(900));
  EXPECT_EQ(anew.LastBeyond(Instant(1'000)), Instant(900));
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

TEST_F(TurnsTest, LateTimersFireAfterMoreThanTheirTime) {
  turns.set_lateness(300);
  turns.SetDeadline(raft::Time(3'000));
  EXPECT_EQ(RunTurns(8'999).size(), 0u);
  EXPECT_EQ(turns.time_effects().timers_late, 0u);  // it has not fired yet
  EXPECT_EQ(RunTurns(20'000).size(), 1u);
  EXPECT_EQ(turns.time_effects().timers_late, 1u);
  EXPECT_EQ(turns.time_effects().timers_held, 0u);
}

TEST_F(TurnsTest, HeldTimersFireAtTheEndOfTheHold) {
  turns.HoldTimers(Instant(50'000));
  ASSERT_EQ(RunTurns(1'000).size(), 1u);  // what was set is set anew
  turns.SetDeadline(raft::Time(3'000));
  EXPECT_EQ(RunTurns(49'999).size(), 0u);
  EXPECT_EQ(RunTurns(60'000).size(), 1u);
  EXPECT_EQ(turns.time_effects().timers_held, 1u);
}

TEST_F(TurnsTest, CountsTurnsThatReadAWrongClock) {
  turns.Request();
  RunTurns(1'000);
  EXPECT_EQ(turns.time_effects().turns_wild, 0u);
  turns.clock().SetRate(scheduler.now(), 9'000'000);
  turns.Request();
  RunTurns(2'000);
  EXPECT_EQ(turns.time_effects().turns_wild, 1u);
  turns.clock().SetRate(scheduler.now(), -1'000'000);
  turns.clock().Jump(scheduler.now(), 1);
  turns.Request();
  RunTurns(3'000);
  EXPECT_EQ(turns.time_effects().turns_wild, 1u);
  EXPECT_EQ(turns.time_effects().turns_stopped, 1u);
  EXPECT_EQ(turns.time_effects().turns_after_jump, 1u);
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
