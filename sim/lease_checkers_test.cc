#include "sim/lease_checkers.h"

#include <optional>

#include "gtest/gtest.h"
#include "registry/command_codec.h"
#include "sim/checker_test_support.h"

namespace sim {
namespace {

using raft::Term;
using raft::Time;
using registry::Command;
using registry::ConnectionId;
using registry::Error;
using registry::SessionId;

constexpr SessionId kSession{7};
constexpr raft::Duration kTtl = raft::Micros(800);

registry::ClientReceived KeepAlive(uint64_t request) {
  return {ConnectionId(1), {request, registry::KeepAliveRequest{kSession}}};
}

class LeasePromiseTest : public testing::Test {
 protected:
  LeasePromiseTest() {
    promise.OnApplied({.operation = registry::OpenSession{"a nonce", kTtl}},
                      {.session = kSession}, Instant(0),
                      NodeClock::kNeverBeyond, &violations);
  }
  void Arrive(uint64_t request, int64_t at, uint32_t node = 0,
              std::optional<Term> leads_in = Term(3)) {
    promise.OnRequest(node, KeepAlive(request), Instant(at), leads_in);
  }
  void Answer(uint64_t request, Error error = Error::kOk, uint32_t node = 0,
              std::optional<Term> leads_in = Term(3)) {
    promise.OnReply(
        node, {ConnectionId(1), {request, registry::KeepAliveReply{error}}},
        leads_in, ends, &violations);
  }
  void Expire(int64_t at, Instant leader_beyond = NodeClock::kNeverBeyond) {
    promise.OnApplied({.operation = registry::ExpireSessions{{kSession}}}, {},
                      Instant(at), leader_beyond, &violations);
  }
  Violations violations;
  LeaseEnd ends{2};
  LeasePromise promise{2};
};

TEST_F(LeasePromiseTest, ATtlAfterTheArrival) {
  Arrive(1, 1000);
  Answer(1);
  Arrive(2, 1500);  // never answered
  Expire(1800);
  EXPECT_EQ(Broken(violations), "");
}
TEST_F(LeasePromiseTest, NotEarlier) {
  Arrive(1, 1000);
  Answer(1);
  Expire(1799);
  EXPECT_EQ(Broken(violations), "lease_promise");
}
TEST_F(LeasePromiseTest, EarlierIfTheLeadersClockIsBeyondItsBound) {
  Arrive(1, 1000);
  Answer(1);
  Expire(1500, Instant(1000));
  EXPECT_EQ(Broken(violations), "");
}
TEST_F(LeasePromiseTest, NotEarlierByAClockThatWasWrongBefore) {
  Arrive(1, 1000);
  Answer(1);
  Expire(1500, Instant(999));
  EXPECT_EQ(Broken(violations), "lease_promise");
}
TEST_F(LeasePromiseTest, NoOkAfterTheEndWhateverTheClock) {
  Arrive(1, 1000);
  Expire(1100, Instant(1100));
  Arrive(2, 1200, 1);
  Answer(2, Error::kOk, 1);
  EXPECT_EQ(Broken(violations), "lease_promise");
}
// M58: renewed while, or after, it was ended.
TEST_F(LeasePromiseTest, NoOkForASessionThatIsEnded) {
  Arrive(1, 1000);
  Expire(1100);
  Answer(1, Error::kSessionExpired);
  EXPECT_EQ(Broken(violations), "");
  Arrive(2, 1200, 1);
  Answer(2, Error::kOk, 1);
  EXPECT_EQ(Broken(violations), "lease_promise");
}
TEST_F(LeasePromiseTest, AnotherLifeAnswersNothing) {
  Arrive(1, 1000);
  promise.OnBoot(0);
  Answer(1);  // to whatever the new life was asked under this number
  Expire(1100);
  EXPECT_EQ(Broken(violations), "");
}

TEST_F(LeasePromiseTest, OnlyTheLeadershipThatHeardItAnswers) {
  Arrive(1, 1000);
  Answer(1, Error::kSessionExpired, 0, std::nullopt);  // promises nothing
  EXPECT_EQ(Broken(violations), "");
  Arrive(2, 1000);
  Answer(2, Error::kOk, 0, Term(5));
  EXPECT_EQ(Broken(violations), "lease_promise");
}
TEST_F(LeasePromiseTest, NoOkFromAFollower) {
  Arrive(1, 1000, 0, std::nullopt);
  Answer(1, Error::kOk, 0, std::nullopt);
  EXPECT_EQ(Broken(violations), "lease_promise");
}
TEST_F(LeasePromiseTest, NoOkForWhatIsAboutToEnd) {
  ends.OnSessionChange(0, {.session = kSession, .ttl = kTtl, .opened = true});
  ends.OnTurnEnd(0, {.leads_in = Term(3)}, &violations);
  ends.OnProposed(0, {{kSession}});
  Arrive(1, 1000);
  Answer(1);
  EXPECT_EQ(Broken(violations), "lease_promise");
}

// A client with a TTL of 800, that opened its session at 100.
class LeaseBeliefTest : public testing::Test {
 protected:
  LeaseBeliefTest() {
    Send(1, 100,
         registry::CommandRequest{raft::Bytes(registry::EncodeCommand(
             {.operation = registry::OpenSession{"a nonce", kTtl}}))});
    EXPECT_EQ(belief.OnStep(registry::ResponseReceived{},
                            {registry::SessionOpened{kSession}}, Time(860)),
              "");
  }
  void Send(uint64_t id, int64_t now,
            decltype(registry::ClientRequest::body) body) {
    EXPECT_EQ(belief.OnStep(raft::Tick{Time(now)},
                            {registry::SendRequest{{}, {id, std::move(body)}}},
                            Time()),
              "");
  }
  // An answer at `now`, after which the client believes until `until`.
  std::string Answer(uint64_t id, int64_t now, int64_t until,
                     Error error = Error::kOk) {
    EXPECT_EQ(belief.OnStep(raft::Tick{Time(now)}, {}, Time(860)), "");
    return belief.OnStep(
        registry::ResponseReceived{{}, {id, registry::KeepAliveReply{error}}},
        {}, Time(until));
  }
  LeaseBelief belief{kTtl};
};

TEST_F(LeaseBeliefTest, CountsFromSending) {
  Send(2, 300, registry::KeepAliveRequest{kSession});
  EXPECT_EQ(Answer(2, 400, 1060), "");
  Send(3, 500, registry::KeepAliveRequest{kSession});
  EXPECT_NE(Answer(3, 600, 1360), "");  // from the answer on
}
TEST_F(LeaseBeliefTest, OnlyFromWhatWasAnsweredOk) {
  Send(2, 300, registry::KeepAliveRequest{kSession});
  Send(3, 350, registry::KeepAliveRequest{kSession});
  EXPECT_EQ(Answer(2, 400, 860, Error::kSessionExpired), "");
  EXPECT_NE(Answer(9, 400, 1060), "");
}
TEST_F(LeaseBeliefTest, NobodyBelievesInNothing) {
  LeaseBelief other(kTtl);
  EXPECT_NE(other.OnStep(raft::Tick{Time(5)}, {}, Time(9)), "");
  LeaseBelief permanent;
  EXPECT_EQ(permanent.OnStep(raft::Tick{Time(5)}, {}, Time::Never()), "");
}

class LeaseEndTest : public testing::Test {
 protected:
  LeaseEndTest() {
    end.OnSessionChange(0, {.session = kSession, .ttl = kTtl, .opened = true});
    TurnEnd(1000);  // leads from here
  }
  void TurnEnd(int64_t now, std::optional<Term> leads_in = Term(3)) {
    end.OnTick(0, Time(now));
    end.OnTurnEnd(0, {.leads_in = leads_in}, &violations);
  }
  void Hear(int64_t now) {
    end.OnTick(0, Time(now));
    end.OnRequest(0, KeepAlive(1));
  }
  Violations violations;
  LeaseEnd end{1};
};

TEST_F(LeaseEndTest, ASilentSessionIsEnded) {
  TurnEnd(1899);
  EXPECT_EQ(Broken(violations), "");
  TurnEnd(1900);  // 9/8 of 800 after 1000
  EXPECT_EQ(Broken(violations), "lease_end");
}
TEST_F(LeaseEndTest, WhoIsHeardOfLives) {
  Hear(1500);
  TurnEnd(2399);
  EXPECT_EQ(Broken(violations), "");
  TurnEnd(2400);
  EXPECT_EQ(Broken(violations), "lease_end");
}
TEST_F(LeaseEndTest, ACommandIsHeardToo) {
  const Command command{.session = kSession,
                        .sequence = registry::Sequence(1),
                        .operation = registry::EndProcess{}};
  end.OnTick(0, Time(1500));
  end.OnRequest(0, {ConnectionId(1),
                    {1, registry::CommandRequest{
                            raft::Bytes(registry::EncodeCommand(command))}}});
  TurnEnd(2399);
  EXPECT_EQ(Broken(violations), "");
}
TEST_F(LeaseEndTest, ToProposeItIsEnough) {
  end.OnProposed(0, {{kSession}});
  TurnEnd(9000);
  EXPECT_EQ(Broken(violations), "");
}
// ... but the next leadership, of the same node too, must do it again.
TEST_F(LeaseEndTest, EachLeadershipCountsAnew) {
  end.OnProposed(0, {{kSession}});
  TurnEnd(1800, std::nullopt);
  TurnEnd(9000, std::nullopt);
  TurnEnd(9100, Term(5));
  TurnEnd(9999, Term(5));
  EXPECT_EQ(Broken(violations), "");
  TurnEnd(10000, Term(5));
  EXPECT_EQ(Broken(violations), "lease_end");
}
// One look a turn, and two leases: the second turn must have come to it.
TEST_F(LeaseEndTest, AFewLooksATurnReachEverybodyInTime) {
  end.OnSessionChange(0,
                      {.session = SessionId(9), .ttl = kTtl, .opened = true});
  const LeaseEnd::Turn turn{.leads_in = Term(3), .looks_max = 1};
  end.OnTick(0, Time(1900));
  end.OnProposed(0, {{SessionId(9)}});
  end.OnTurnEnd(0, turn, &violations);
  EXPECT_EQ(Broken(violations), "");
  end.OnTurnEnd(0, turn, &violations);
  EXPECT_EQ(Broken(violations), "lease_end");
}
// Two looks a turn and five leases. The first turn ends two, which are gone
// before the second; the third turn comes to the last.
TEST_F(LeaseEndTest, LeasesThatEndedBeforeItTookTheirLooks) {
  for (const uint64_t id : {9, 10, 11, 12}) {
    end.OnSessionChange(
        0, {.session = SessionId(id), .ttl = kTtl, .opened = true});
  }
  const LeaseEnd::Turn turn{.leads_in = Term(3), .looks_max = 2};
  end.OnTick(0, Time(1900));
  end.OnProposed(0, {{SessionId(9), SessionId(10)}});
  end.OnTurnEnd(0, turn, &violations);
  end.OnSessionChange(0, {.session = SessionId(9)});
  end.OnSessionChange(0, {.session = SessionId(10)});
  end.OnProposed(0, {{SessionId(11), SessionId(12)}});
  end.OnTurnEnd(0, turn, &violations);
  EXPECT_EQ(Broken(violations), "");
  end.OnTurnEnd(0, turn, &violations);
  EXPECT_EQ(Broken(violations), "lease_end");
}
TEST_F(LeaseEndTest, AFullLogPutsItOff) {
  end.OnTick(0, Time(1900));
  end.OnTurnEnd(0, {.leads_in = Term(3), .log_was_shut = true}, &violations);
  const Time retry = Time(1900) + registry::kExpiryRetry;
  TurnEnd(retry.micros() - 1);
  EXPECT_EQ(Broken(violations), "");
  TurnEnd(retry.micros());
  EXPECT_EQ(Broken(violations), "lease_end");
}
TEST_F(LeaseEndTest, WhatIsOverNeedsNoEnd) {
  end.OnSessionChange(0, {.session = kSession});
  TurnEnd(9000);
  EXPECT_EQ(Broken(violations), "");
}

}  // namespace
}  // namespace sim
