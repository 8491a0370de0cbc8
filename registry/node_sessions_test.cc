// Leases: kept alive, run out, handed from leader to leader.
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "registry/leases.h"
#include "registry/node_harness.h"

namespace registry {
namespace {

using raft::Duration;
using raft::Millis;
using raft::Time;

// Longer than an election, shorter than a test.
constexpr Duration kTtl = Millis(2000);
// How long a leader lets it run (leases.cc): an eighth more, for clock rates.
constexpr Duration kLength = Millis(2250);
constexpr Duration LengthAnd(int64_t milliseconds) {
  return kLength + 1000 * milliseconds;
}

class LeaseTest : public testing::Test {
 protected:
  LeaseTest() : cluster(3) {
    leader = cluster.Leader();
    session = cluster.Open(leader, kTtl);
  }
  Command Create(uint64_t sequence) const {
    return Command{.session = session,
                   .sequence = Sequence(sequence),
                   .operation = CreateRegistry{"r"}};
  }
  bool alive(size_t i) { return cluster.node(i).state().HasSession(session); }

  NodeHarness cluster;
  size_t leader;
  SessionId session;
};

TEST_F(LeaseTest, RunsOutAfterItsLengthAndNotBefore) {
  cluster.Run(LengthAnd(-20));
  EXPECT_TRUE(alive(leader));
  cluster.Run(Millis(40));
  for (size_t i = 0; i < cluster.size(); ++i) EXPECT_FALSE(alive(i));
  EXPECT_EQ(cluster.KeepAlive(leader, session), Error::kSessionExpired);
  EXPECT_EQ(cluster.Do(leader, Create(1)).error, Error::kSessionExpired);
}

TEST_F(LeaseTest, APermanentSessionHasNone) {
  const SessionId permanent = cluster.Open(leader, Duration(0));
  cluster.Run(LengthAnd(2250));
  EXPECT_TRUE(cluster.node(leader).state().HasSession(permanent));
  EXPECT_FALSE(alive(leader));
  EXPECT_EQ(cluster.node(leader).leases().size(), 0u);
}

TEST_F(LeaseTest, KeepAlivesAndCommandsRenewIt) {
  for (int i = 0; i < 5; ++i) {
    cluster.Run(Millis(1500));
    EXPECT_EQ(cluster.KeepAlive(leader, session), Error::kOk);
    cluster.Run(Millis(1500));
    EXPECT_EQ(cluster.Do(leader, Create(1 + i)).error, Error::kOk);
  }
  cluster.Run(LengthAnd(20));
  EXPECT_FALSE(alive(leader));
}

TEST_F(LeaseTest, AnUnknownSessionIsExpired) {
  EXPECT_EQ(cluster.KeepAlive(leader, SessionId(12345)),
            Error::kSessionExpired);
}

// The expiry is proposed and not committed: nobody may be told "ok" any more.
TEST_F(LeaseTest, AKeepAliveBehindAnExpiryWaitsForIt) {
  cluster.Run(LengthAnd(-10));
  ASSERT_TRUE(alive(leader));
  const Time late = cluster.now() + Millis(20);
  cluster.Step(leader, raft::Tick{late});
  const raft::Index before = cluster.node(leader).raft().last_index();
  cluster.Flush(leader);  // proposes, nothing is delivered yet
  ASSERT_EQ(cluster.node(leader).raft().last_index(), before + 1);
  ASSERT_TRUE(alive(leader));
  ASSERT_TRUE(cluster.node(leader).leases().expiring(session));
  cluster.DropMessages();  // the entry does not get through at first
  const uint64_t id = cluster.Ask(leader, KeepAliveRequest{session});
  cluster.Flush(leader);
  cluster.Run(Millis(100));
  EXPECT_EQ(cluster.As<KeepAliveReply>(id).error, Error::kSessionExpired);
  EXPECT_FALSE(alive(leader));
}

// ... and when the leader that proposed it loses its leadership, the keep-alive
// fails: the session may live on.
TEST_F(LeaseTest, AKeepAliveBehindAnExpiryFailsWithTheLeadership) {
  cluster.Run(LengthAnd(-10));
  cluster.Step(leader, raft::Tick{cluster.now() + Millis(20)});
  cluster.Flush(leader);
  cluster.DropMessages();
  // The round for the read is confirmed by heartbeats; the entry stays here.
  const uint64_t id = cluster.Ask(leader, KeepAliveRequest{session});
  cluster.Flush(leader);
  cluster.CutOff(leader);
  cluster.Run(Millis(400));
  EXPECT_EQ(cluster.As<Failure>(id).error, Error::kUnavailable);
  // The next leader heard of nobody's silence: a full length from there on.
  const size_t next = cluster.Leader();
  EXPECT_TRUE(alive(next));
  EXPECT_EQ(cluster.KeepAlive(next, session), Error::kOk);
}

TEST_F(LeaseTest, ANewLeaderGivesTheFullLengthAgain) {
  cluster.Run(kTtl);
  cluster.CutOff(leader);
  const size_t next = cluster.Leader();
  ASSERT_NE(next, leader);
  cluster.Run(kTtl);
  EXPECT_TRUE(alive(next));
  cluster.Run(kLength);
  EXPECT_FALSE(alive(next));
  // Who led before has forgotten its list.
  cluster.HealAll();
  cluster.Run(Millis(200));
  EXPECT_FALSE(alive(leader));
  EXPECT_EQ(cluster.node(leader).leases().NextDeadline(), Time::Never());
}

// M58. A leader that slept through an election timeout learns the time before
// anything else, and is no leader any more: it expires nobody.
TEST_F(LeaseTest, ALeaderBackFromAPauseExpiresNobody) {
  cluster.CutOff(leader);  // what is sent to it waits in its sockets
  cluster.Run(LengthAnd(2250), /*asleep=*/{leader});
  const raft::Index last = cluster.node(leader).raft().last_index();
  ASSERT_EQ(cluster.node(leader).raft().role(), raft::Role::kLeader);
  cluster.Step(leader, raft::Tick{cluster.now()});
  cluster.Flush(leader);
  EXPECT_NE(cluster.node(leader).raft().role(), raft::Role::kLeader);
  EXPECT_EQ(cluster.node(leader).raft().last_index(), last);
}

// A pause that leadership survives: the keep-alives that waited in the sockets
// count, although the deadline has passed.
TEST_F(LeaseTest, AKeepAliveThatWaitedInTheSocketIsInTime) {
  const SessionId brief = cluster.Open(leader, Millis(100));
  cluster.Step(leader, raft::Tick{cluster.now() + Millis(150)});
  const uint64_t id = cluster.Ask(leader, KeepAliveRequest{brief});
  cluster.Settle();
  EXPECT_EQ(cluster.As<KeepAliveReply>(id).error, Error::kOk);
  EXPECT_TRUE(cluster.node(leader).state().HasSession(brief));
}

// The keep-alive arrives at a leader that is deposed already and learns it in
// the same turn: the read index comes from the true leader, whose "yes, it is
// open" is no promise for this arrival. The plain read shares that index, and
// shows that it was given.
TEST_F(LeaseTest, ADeposedLeaderConfirmsNoKeepAlive) {
  cluster.CutOff(leader);
  cluster.Run(Millis(1000), /*asleep=*/{leader});
  const size_t next = cluster.Leader();
  ASSERT_NE(next, leader);
  ASSERT_EQ(cluster.node(leader).raft().role(), raft::Role::kLeader);
  const uint64_t keep_alive = cluster.Ask(leader, KeepAliveRequest{session});
  const uint64_t read = cluster.Ask(leader, ReadRequest{ListRegistries{}});
  const raft::Term term = cluster.node(next).raft().term();
  cluster.Step(leader, raft::Receive{NodeHarness::Id(next),
                                     raft::Heartbeat{.term = term}});
  cluster.HealAll();
  cluster.Settle();
  EXPECT_EQ(cluster.As<ReadReply>(read).error, Error::kOk);
  EXPECT_EQ(cluster.As<Failure>(keep_alive).error, Error::kNotLeader);
  EXPECT_TRUE(alive(leader));
}

TEST_F(LeaseTest, ManyExpireInBoundedEntries) {
  constexpr size_t kSessions = 2 * kLeasesPerCheckMax + 500;
  std::vector<uint64_t> asked;
  for (size_t i = 0; i < kSessions; ++i) {
    asked.push_back(cluster.Ask(
        leader, Command{.operation = OpenSession{
                            "many-nonce-" + std::to_string(i), kTtl}}));
  }
  cluster.Settle();
  EXPECT_EQ(cluster.node(leader).state().session_count(), kSessions + 1);
  const raft::Index before = cluster.node(leader).raft().last_index();
  cluster.Run(LengthAnd(50));
  EXPECT_EQ(cluster.node(leader).state().session_count(), 0u);
  EXPECT_GE(cluster.node(leader).raft().last_index() - before, 3u);
  EXPECT_LE(cluster.node(leader).raft().last_index() - before, 5u);
  EXPECT_EQ(cluster.node(leader).leases().size(), 0u);
}

// ------------------------------------------------------------ Leases alone

TEST(LeasesTest, FollowersExpireNothing) {
  Leases leases;
  leases.Add(SessionId(1), Millis(800), Time(0));
  EXPECT_TRUE(leases.TakeExpired(Time(10'000'000)).empty());
  EXPECT_EQ(leases.NextDeadline(), Time::Never());
}

TEST(LeasesTest, OnceALeadershipAndAgainInTheNext) {
  Leases leases;
  leases.Add(SessionId(1), Millis(800), Time(0));
  leases.StartLeading(Time(0));
  EXPECT_TRUE(leases.TakeExpired(Time(899'999)).empty());
  EXPECT_EQ(leases.TakeExpired(Time(900'000)),
            std::vector<SessionId>{SessionId(1)});
  EXPECT_TRUE(leases.expiring(SessionId(1)));
  EXPECT_TRUE(leases.TakeExpired(Time(9'000'000)).empty());
  leases.StopLeading();
  EXPECT_FALSE(leases.expiring(SessionId(1)));
  leases.StartLeading(Time(9'000'000));
  EXPECT_FALSE(leases.expiring(SessionId(1)));
  EXPECT_TRUE(leases.TakeExpired(Time(9'899'999)).empty());
  // It was looked at last at 9 s: the next look may not be put off for longer
  // than the lease is due.
  EXPECT_LE(leases.NextDeadline(), Time(9'900'000));
  EXPECT_EQ(leases.TakeExpired(Time(9'900'000)).size(), 1u);
}

TEST(LeasesTest, ARefusedExpiryComesAgain) {
  Leases leases;
  leases.Add(SessionId(1), Millis(800), Time(0));
  leases.StartLeading(Time(0));
  const std::vector<SessionId> expired = leases.TakeExpired(Time(900'000));
  leases.ExpiryRefused(expired, Time(900'000));
  EXPECT_FALSE(leases.expiring(SessionId(1)));
  EXPECT_EQ(leases.NextDeadline(), Time(900'000) + kExpiryRetry);
  EXPECT_EQ(leases.TakeExpired(Time(900'000) + kExpiryRetry), expired);
}

TEST(LeasesTest, OneCallLooksAtABoundedNumber) {
  Leases leases;
  constexpr size_t kMany = kLeasesPerCheckMax * 3;
  for (size_t i = 1; i <= kMany; ++i) {
    leases.Add(SessionId(i), Millis(800), Time(0));
  }
  // Taking over late: all looks are overdue, nobody is.
  leases.StartLeading(Time(5'000'000));
  for (int i = 0; i < 3; ++i) {
    EXPECT_LE(leases.NextDeadline(), Time(5'000'000));
    EXPECT_TRUE(leases.TakeExpired(Time(5'000'000)).empty());
  }
  EXPECT_EQ(leases.NextDeadline(), Time(5'900'000));
  EXPECT_EQ(leases.TakeExpired(Time(5'900'000)).size(), kLeasesPerCheckMax);
}

TEST(LeasesTest, ASmallerNumberOfLooks) {
  Leases leases(/*per_check=*/2);
  for (size_t i = 1; i <= 3; ++i) {
    leases.Add(SessionId(i), Millis(800), Time(0));
  }
  leases.StartLeading(Time(0));
  EXPECT_EQ(leases.TakeExpired(Time(900'000)).size(), 2u);
  EXPECT_EQ(leases.TakeExpired(Time(900'000)).size(), 1u);
}

}  // namespace
}  // namespace registry
