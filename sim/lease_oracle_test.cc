#include "sim/lease_oracle.h"

#include <cstdint>

#include "gtest/gtest.h"

namespace sim {
namespace {

constexpr int64_t kTtlUs = 1'000'000;

// A lease of a second that was last renewed at 10 s, and whose end is applied
// half a second later, when its client believes in it for 500 ms more.
class LeaseOracleTest : public testing::Test {
 protected:
  LeaseVerdict Judge() {
    return JudgeLeaseEnd({until, raft::Micros(kTtlUs), client}, now,
                         leader.LastBeyond(now));
  }

  NodeClock client{Instant(), 0, -kClockRateMaxPpm};
  NodeClock leader{Instant(), 0, kClockRateMaxPpm};
  const Instant renewed{10'000'000};
  const Instant now{10'500'000};
  const raft::Time until = client.Read(renewed) + raft::Micros(kTtlUs);
};

TEST_F(LeaseOracleTest, EarlyByClocksWithinTheBoundIsEarly) {
  EXPECT_EQ(Judge(), LeaseVerdict::kEarly);
}

TEST_F(LeaseOracleTest, EarlyInTheFirstMomentsOfARunIsEarly) {
  // The window that is asked about begins before the run did.
  const NodeClock clock(Instant(), 0, 0);
  EXPECT_EQ(JudgeLeaseEnd({raft::Time(kTtlUs), raft::Micros(kTtlUs), clock},
                          Instant(200'000), clock.LastBeyond(Instant(200'000))),
            LeaseVerdict::kEarly);
}

TEST_F(LeaseOracleTest, AfterItsTimeIsInTime) {
  const NodeClock clock(Instant(), 0, 0);
  EXPECT_EQ(JudgeLeaseEnd({clock.Read(now), raft::Micros(kTtlUs), clock}, now,
                          NodeClock::kNeverBeyond),
            LeaseVerdict::kInTime);
}

TEST_F(LeaseOracleTest, ALeaderBeyondTheBoundMayEndIt) {
  leader.SetRate(Instant(10'100'000), kClockRateMaxPpm + 1);
  EXPECT_EQ(Judge(), LeaseVerdict::kNotJudged);
}

TEST_F(LeaseOracleTest, ALeaderThatJumpedMayEndIt) {
  leader.Jump(Instant(10'400'000), kTtlUs);
  EXPECT_EQ(Judge(), LeaseVerdict::kNotJudged);
}

TEST_F(LeaseOracleTest, AClientBeyondTheBoundMayBelieveTooLong) {
  client.SetRate(Instant(10'100'000), -1'000'000);
  client.SetRate(Instant(10'200'000), 0);
  EXPECT_EQ(Judge(), LeaseVerdict::kNotJudged);
}

TEST_F(LeaseOracleTest, WhatWasWrongBeforeTheLeaseBeganExcusesNothing) {
  leader.SetRate(Instant(1'000'000), 9'000'000);
  leader.Jump(Instant(2'000'000), kTtlUs);
  leader.SetRate(Instant(9'000'000), 0);
  EXPECT_EQ(Judge(), LeaseVerdict::kEarly);
}

}  // namespace
}  // namespace sim
