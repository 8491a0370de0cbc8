#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "registry/client.h"
#include "registry/client_test_hand.h"

namespace registry::client_test {
namespace {

TEST(ClientSessionTest, OpeningIsRetriedUnderOneNonce) {
  Hand hand;
  hand.TickTo(Time(0));
  hand.Open();
  const Command first = Hand::CommandOf(hand.last());
  hand.RunTo(Time(400'000));
  hand.Cut();
  while (hand.dials.size() == 1) hand.TickTo(hand.client.NextDeadline());
  hand.Open();
  EXPECT_EQ(Hand::CommandOf(hand.last()), first);
  hand.Answer(hand.last(), CommandReply{.session = SessionId(7)});
  EXPECT_EQ(hand.opened, std::vector<SessionId>{SessionId(7)});
  // Perhaps the first attempt opened it: the lease is counted from there.
  EXPECT_EQ(hand.client.session_valid_until(), Time(9'000'000 * 19 / 20));
}

TEST(ClientSessionTest, TheLeaseIsCountedFromSending) {
  Hand hand;
  hand.OpenSessionNow();
  hand.RunTo(Time(2'999'999));
  EXPECT_TRUE(hand.requests.empty());
  hand.RunTo(Time(3'000'000));
  ASSERT_EQ(hand.requests.size(), 1u);
  EXPECT_EQ(std::get<KeepAliveRequest>(hand.last().body).session,
            SessionId(100));
  const Time before = hand.client.session_valid_until();
  hand.RunTo(Time(3'900'000));
  EXPECT_EQ(hand.client.session_valid_until(), before);
  hand.Answer(hand.last(), KeepAliveReply{});
  EXPECT_EQ(hand.client.session_valid_until(), Time(3'000'000 + 8'550'000));
  hand.RunTo(Time(6'000'000));
  EXPECT_EQ(hand.requests.size(), 2u);
}

TEST(ClientSessionTest, AKeepAliveIsRetriedElsewhere) {
  Hand hand;
  hand.OpenSessionNow();
  hand.RunTo(Time(3'000'000));
  hand.Answer(hand.last(), NotLeader("n:9"));
  EXPECT_EQ(hand.dials.back().address, "n:9");
  hand.Open();
  EXPECT_EQ(hand.requests.size(), 2u);
  EXPECT_TRUE(std::holds_alternative<KeepAliveRequest>(hand.last().body));
}

TEST(ClientSessionTest, APermanentSessionIsNotKeptAlive) {
  ClientOptions options = Options();
  options.session_ttl = raft::Duration(0);
  Hand hand(options);
  hand.OpenSessionNow();
  EXPECT_EQ(hand.client.session_valid_until(), Time::Never());
  EXPECT_EQ(hand.client.NextDeadline(), Time::Never());
}

// What each call is told when the session turns out to be gone.
TEST(ClientSessionTest, ALostSessionAnswersByWhatIsKnown) {
  ClientOptions options = Options();
  options.in_flight_max = 3;
  Hand hand(options);
  hand.OpenSessionNow();
  for (uint64_t call = 1; call <= 4; ++call) hand.Start(call, Put("k"));
  const auto requests = hand.requests;
  ASSERT_EQ(requests.size(), 3u);
  hand.Answer(requests[0], CommandReply{.error = Error::kSessionExpired});
  EXPECT_EQ(hand.lost, std::vector<SessionId>{SessionId(100)});
  EXPECT_EQ(hand.client.session(), SessionId(0));
  EXPECT_EQ(hand.ResultOf(1), Error::kSessionExpired);  // its only attempt
  EXPECT_EQ(hand.ResultOf(4), Error::kSessionExpired);  // never sent
  EXPECT_EQ(hand.done.size(), 2u);
  hand.Answer(requests[1], CommandReply{});  // applied before the end
  EXPECT_EQ(hand.ResultOf(2), Error::kOk);
  hand.Cut();  // the third one's fate stays unknown
  EXPECT_EQ(hand.ResultOf(3), Error::kOutcomeUnknown);
  hand.Start(5, Put("k"));
  EXPECT_EQ(hand.ResultOf(5), Error::kSessionExpired);
  EXPECT_EQ(hand.lost.size(), 1u);
}

// An attempt that was cut off may have been applied while the session lived;
// "expired" in answer to a later one says nothing about it.
TEST(ClientSessionTest, ExpiredInAnswerToARetryIsUnknown) {
  Hand hand;
  hand.OpenSessionNow();
  hand.Start(1, Put("k"));
  hand.Cut();
  while (hand.dials.size() == 1) hand.TickTo(hand.client.NextDeadline());
  hand.Open();
  hand.Answer(hand.last(), CommandReply{.error = Error::kSessionExpired});
  EXPECT_EQ(hand.ResultOf(1), Error::kOutcomeUnknown);
  EXPECT_EQ(hand.lost.size(), 1u);
}

TEST(ClientSessionTest, ReopensUnderANewNonce) {
  ClientOptions options = Options();
  options.reopen = true;
  options.in_flight_max = 1;
  Hand hand(options);
  hand.OpenSessionNow();
  hand.Start(1, Put("k"));
  hand.Start(2, Put("k"));
  hand.Answer(hand.last(), CommandReply{.error = Error::kSessionExpired});
  EXPECT_EQ(hand.lost.size(), 1u);
  const Command open = Hand::CommandOf(hand.last());
  EXPECT_EQ(std::get<OpenSession>(open.operation).nonce, "nonce-of-one-life~1");
  hand.Answer(hand.last(), CommandReply{.session = SessionId(200)});
  const Command fresh = Hand::CommandOf(hand.last());
  EXPECT_EQ(fresh.session, SessionId(200));
  EXPECT_EQ(fresh.sequence, Sequence(1));
  hand.Answer(hand.last(), CommandReply{});
  EXPECT_EQ(hand.ResultOf(1), Error::kSessionExpired);
  EXPECT_EQ(hand.ResultOf(2), Error::kOk);
}

TEST(ClientSessionTest, AnExpiredKeepAliveLosesTheSession) {
  Hand hand;
  hand.OpenSessionNow();
  hand.RunTo(Time(3'000'000));
  hand.Answer(hand.last(), KeepAliveReply{.error = Error::kSessionExpired});
  EXPECT_EQ(hand.lost.size(), 1u);
  EXPECT_EQ(hand.client.session_valid_until(), Time());
}

TEST(ClientSessionTest, EndingTheSessionIsNoLoss) {
  Hand hand;
  hand.OpenSessionNow();
  hand.Start(1, Operation(EndSession{}));
  hand.Answer(hand.last(), CommandReply{.removed = 3});
  EXPECT_EQ(hand.ResultOf(1), Error::kOk);
  EXPECT_TRUE(hand.lost.empty());
  EXPECT_EQ(hand.client.session(), SessionId(0));
  hand.Start(2, Put("k"));
  EXPECT_EQ(hand.ResultOf(2), Error::kSessionExpired);
}

// The answer of the attempt that was cut off went with the session.
TEST(ClientSessionTest, ARetriedEndFindsTheSessionGone) {
  Hand hand;
  hand.OpenSessionNow();
  hand.Start(1, Operation(EndSession{SessionId(100)}));
  hand.Cut();
  while (hand.dials.size() == 1) hand.TickTo(hand.client.NextDeadline());
  hand.Open();
  const CommandReply reply{.error = Error::kSessionExpired};
  hand.Answer(hand.last(), reply);
  EXPECT_EQ(hand.done.at(1), CallResult(reply));
  EXPECT_TRUE(hand.lost.empty());
}

TEST(ClientSessionTest, AForgottenAnswerIsUnknown) {
  Hand hand;
  hand.OpenSessionNow();
  hand.Start(1, Put("k"));
  hand.Answer(hand.last(), CommandReply{.error = Error::kCompacted});
  EXPECT_EQ(hand.ResultOf(1), Error::kOutcomeUnknown);
}

TEST(ClientSessionTest, ARefusedSessionAnswersItsCommands) {
  Hand hand;
  hand.Start(1, Put("k"));
  hand.Open();
  hand.Answer(hand.last(),
              CommandReply{.error = Error::kOutOfRange, .detail = "ttl"});
  EXPECT_EQ(hand.ResultOf(1), Error::kOutOfRange);
  EXPECT_TRUE(hand.lost.empty());
}

}  // namespace
}  // namespace registry::client_test
