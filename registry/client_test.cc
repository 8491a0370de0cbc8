#include "registry/client.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "registry/client_test_hand.h"

namespace registry::client_test {
namespace {

// ------------------------------------------------------ finding the leader

TEST(ClientTest, FollowsTheHintAtOnce) {
  Hand hand;
  hand.TickTo(Time(0));
  ASSERT_EQ(hand.dials.size(), 1u);
  const std::string first = hand.dials[0].address;
  const std::string other = first == "c:3" ? "b:2" : "c:3";
  hand.Open();
  ASSERT_EQ(hand.requests.size(), 1u);
  hand.Answer(hand.last(), NotLeader(other));
  EXPECT_EQ(hand.closes, std::vector<LinkId>{LinkId(1)});
  ASSERT_EQ(hand.dials.size(), 2u);
  EXPECT_EQ(hand.dials[1].address, other);
  hand.Open();
  const Command open = Hand::CommandOf(hand.last());
  EXPECT_EQ(std::get<OpenSession>(open.operation).nonce, "nonce-of-one-life");
  EXPECT_EQ(open.sequence, Sequence(0));
}

TEST(ClientTest, DoesNotRunAfterHintsForEver) {
  Hand hand;
  hand.TickTo(Time(0));
  // Each member names the next one, and time stands still.
  for (uint32_t i = 0; i < ClientRoute::kHintsMax; ++i) {
    hand.Open();
    hand.Answer(hand.last(), NotLeader("hint:" + std::to_string(i)));
    EXPECT_EQ(hand.dials.size(), i + 2);
  }
  hand.Open();
  hand.Answer(hand.last(), NotLeader("hint:more"));
  EXPECT_EQ(hand.dials.size(), ClientRoute::kHintsMax + 1);
  // From here on it takes time: ask again, then try another endpoint.
  while (hand.dials.size() == ClientRoute::kHintsMax + 1) {
    const size_t asked = hand.requests.size();
    hand.TickTo(hand.client.NextDeadline());
    if (hand.requests.size() > asked) {
      hand.Answer(hand.last(), NotLeader("hint:more"));
    }
    ASSERT_LT(hand.now, Time(200'000));
  }
  EXPECT_GE(hand.now, Time(15'000));
  EXPECT_TRUE(hand.dials.back().address.find("hint") == std::string::npos);
}

TEST(ClientTest, ADeadLeadersHintIsNotFollowed) {
  Hand hand;
  hand.OpenSessionNow();
  const std::string leader = hand.dials.back().address;
  hand.Start(1, Put("k"));
  hand.Cut();
  while (hand.dials.size() == 1) hand.TickTo(hand.client.NextDeadline());
  ASSERT_NE(hand.dials.back().address, leader);
  hand.Open();
  hand.Answer(hand.last(), NotLeader(leader));  // it has not noticed yet
  EXPECT_EQ(hand.dials.size(), 2u);
  hand.RunTo(hand.now + Millis(15));
  EXPECT_EQ(hand.dials.size(), 2u);
  EXPECT_EQ(Hand::CommandOf(hand.last()).sequence, Sequence(1));
  hand.Answer(hand.last(), NotLeader("n:9"));
  EXPECT_EQ(hand.dials.back().address, "n:9");
}

// But whoever is named when it has been dead for long was elected since.
TEST(ClientTest, AHintToAMemberThatWasDeadLongAgoIsFollowed) {
  Hand hand;
  hand.OpenSessionNow();
  const std::string leader = hand.dials.back().address;
  hand.Start(1, Put("k"));
  hand.Cut();
  const Time cut = hand.now;
  while (hand.dials.size() == 1) hand.TickTo(hand.client.NextDeadline());
  hand.RunTo(cut + Millis(900));
  hand.Open();
  hand.RunTo(cut + hand.client.options().dial_timeout);
  hand.Answer(hand.last(), NotLeader(leader));
  ASSERT_EQ(hand.dials.size(), 3u);
  EXPECT_EQ(hand.dials.back().address, leader);
}

TEST(ClientTest, DialsAreBoundedAndDispersed) {
  std::set<std::vector<Time>> schedules;
  std::set<std::string> firsts;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    ClientOptions options = Options();
    options.seed = seed;
    Hand hand(options);
    hand.TickTo(Time(0));
    for (int i = 0; i < 60; ++i) {
      const size_t dials = hand.dials.size();
      // Refused at once, or accepted and closed: no difference.
      if (i % 2 == 0) hand.Open();
      hand.Cut();
      while (hand.dials.size() == dials) {
        hand.TickTo(hand.client.NextDeadline());
      }
    }
    firsts.insert(hand.dials[0].address);
    for (size_t i = 1; i < hand.dials.size(); ++i) {
      const int64_t gap = (hand.dial_times[i] - hand.dial_times[i - 1]).value();
      EXPECT_GE(gap, 5'000);
      EXPECT_LE(gap, 1'000'000);
      if (i > 20) {
        EXPECT_GE(gap, 500'000);
      }
      EXPECT_NE(hand.dials[i].address, hand.dials[i - 1].address);
    }
    schedules.insert(hand.dial_times);
  }
  EXPECT_EQ(schedules.size(), 20u);
  EXPECT_EQ(firsts.size(), 3u);
}

TEST(ClientTest, ASilentLinkIsGivenUp) {
  ClientOptions options = Options();
  options.session_ttl = raft::Duration(0);
  Hand hand(options);
  hand.OpenSessionNow();
  hand.Start(1, Put("k"));
  hand.RunTo(hand.now + Millis(999));
  EXPECT_TRUE(hand.closes.empty());
  hand.RunTo(hand.now + Millis(1));
  EXPECT_EQ(hand.closes.size(), 1u);
  EXPECT_TRUE(hand.done.empty());
}

// Who left a member just before it answered waits longer for the next one.
TEST(ClientTest, PatienceGrowsUntilACallIsAnswered) {
  ClientOptions options = Options();
  options.session_ttl = raft::Duration(0);
  options.attempt_timeout = Millis(100);
  options.deadline = Millis(60'000);
  Hand hand(options);
  hand.OpenSessionNow();
  hand.Start(1, Put("k"));
  // How long the next link is waited for.
  auto silence = [&hand, dialled = hand.dials.size()]() mutable {
    while (hand.dials.size() == dialled) hand.TickTo(hand.now + Millis(1));
    dialled = hand.dials.size();
    hand.Open();
    const Time opened = hand.now;
    const size_t closed = hand.closes.size();
    while (hand.closes.size() == closed) hand.TickTo(hand.now + Millis(1));
    return hand.now - opened;
  };
  hand.RunTo(hand.now + Millis(100));
  ASSERT_EQ(hand.closes.size(), 1u);
  EXPECT_EQ(silence(), Millis(200));
  EXPECT_EQ(silence(), Millis(400));
  EXPECT_EQ(silence(), Millis(400));
  hand.RunTo(hand.now + Millis(1000));
  hand.Open();
  hand.Answer(hand.requests.back(), registry::CommandReply{});
  ASSERT_EQ(hand.ResultOf(1), Error::kOk);
  hand.Start(2, Put("k"));
  const Time asked = hand.now;
  const size_t closed = hand.closes.size();
  while (hand.closes.size() == closed) hand.TickTo(hand.now + Millis(1));
  EXPECT_EQ(hand.now - asked, Millis(100));
}

// ... but not longer than a call may take.
TEST(ClientTest, PatienceEndsWithACallsDeadline) {
  ClientOptions options = Options();
  options.session_ttl = raft::Duration(0);
  options.attempt_timeout = Millis(100);
  options.deadline = Millis(150);
  Hand hand(options);
  hand.OpenSessionNow();
  hand.Start(1, Put("k"), hand.now + Millis(60'000));
  hand.RunTo(hand.now + Millis(100));
  ASSERT_EQ(hand.closes.size(), 1u);
  for (int i = 0; i < 3; ++i) {
    const size_t dialled = hand.dials.size();
    while (hand.dials.size() == dialled) hand.TickTo(hand.now + Millis(1));
    hand.Open();
    const Time opened = hand.now;
    const size_t closed = hand.closes.size();
    while (hand.closes.size() == closed) hand.TickTo(hand.now + Millis(1));
    EXPECT_EQ(hand.now - opened, Millis(150));
  }
}

TEST(ClientTest, CallsGivenUpStillTellASilentLink) {
  ClientOptions options = Options();
  options.session_ttl = raft::Duration(0);
  Hand hand(options);
  hand.OpenSessionNow();
  for (uint64_t call = 1; call <= 4; ++call) {
    hand.Start(call, Put("k"), hand.now + Millis(300));
    hand.RunTo(hand.now + Millis(300));
    EXPECT_EQ(hand.ResultOf(call), Error::kOutcomeUnknown);
  }
  EXPECT_EQ(hand.closes.size(), 1u);
}

TEST(ClientTest, RefusalsPauseTheLink) {
  Hand hand;
  hand.OpenSessionNow();
  for (uint64_t call = 1; call <= 10; ++call) hand.Start(call, Put("k"));
  const auto requests = std::exchange(hand.requests, {});
  ASSERT_EQ(requests.size(), 10u);
  for (const ClientRequest& request : requests) {
    hand.Answer(request, Failure{Error::kUnavailable, "overloaded", ""});
  }
  EXPECT_TRUE(hand.requests.empty());  // one pause for all of them
  hand.RunTo(hand.now + Millis(10));
  ASSERT_EQ(hand.requests.size(), 10u);
  for (uint64_t i = 0; i < 10; ++i) {  // in their old order, old names
    EXPECT_EQ(Hand::CommandOf(hand.requests[i]).sequence, Sequence(i + 1));
  }
  EXPECT_TRUE(hand.closes.empty());
}

TEST(ClientTest, ReadAnyTakesASecondLink) {
  ClientOptions options = Options();
  options.read_any = true;
  Hand hand(options);
  hand.TickTo(Time(0));
  EXPECT_EQ(hand.dials.size(), 1u);  // none for reads before there is one
  hand.Open();
  hand.Start(1, Get("k"));
  EXPECT_EQ(hand.dials.size(), 2u);
  hand.Open();
  hand.Answer(hand.last(), ReadReply{.error = Error::kNotFound});
  EXPECT_EQ(hand.ResultOf(1), Error::kNotFound);
}

// Each link's requests are bounded by themselves: a member that has lost its
// power holds up neither what goes to the other one nor what is sent there
// again (simulate --seed=5983 at 4ab83bc).
TEST(ClientTest, ASilentLinkHoldsUpNothingOfTheOther) {
  ClientOptions options = Options();
  options.read_any = true;
  options.in_flight_max = 1;
  options.attempt_timeout = Millis(2000);
  Hand hand(options);
  hand.OpenSessionNow();
  const LinkId leader = hand.link;
  hand.Start(1, Get("k"));
  hand.Open();
  ASSERT_EQ(hand.requests.size(), 1u);  // and it is never answered
  hand.Start(2, Put("k"));
  ASSERT_EQ(hand.requests.size(), 2u);
  const Command command = Hand::CommandOf(hand.last());
  hand.Start(3, Get("k"));
  hand.Start(4, Put("k"));
  EXPECT_EQ(hand.requests.size(), 2u);  // one on each link
  hand.Step(ResponseReceived{leader, {hand.last().id, NotLeader("")}});
  hand.RunTo(hand.now + Millis(20));  // the back-off
  ASSERT_EQ(hand.requests.size(), 3u);
  EXPECT_EQ(Hand::CommandOf(hand.last()), command);
  hand.Step(ResponseReceived{leader, {hand.last().id, CommandReply{}}});
  EXPECT_EQ(hand.ResultOf(2), Error::kOk);
  EXPECT_EQ(hand.requests.size(), 4u);  // call 4's

  // The other way about: the command's link is silent, reads are served.
  hand.RunTo(hand.now + Millis(1900));  // the reads' link is given up ...
  const size_t sent = hand.requests.size();
  while (hand.dials.size() < 3) hand.TickTo(hand.client.NextDeadline());
  hand.Open();  // ... and another one is found
  ASSERT_EQ(hand.requests.size(), sent + 1);
  EXPECT_TRUE(std::holds_alternative<ReadRequest>(hand.last().body));
}

// ---------------------------------------------------- retries and answers

TEST(ClientTest, ARetryKeepsItsSequence) {
  Hand hand;
  hand.OpenSessionNow();
  hand.Start(1, Put("k"));
  const Command first = Hand::CommandOf(hand.last());
  EXPECT_EQ(first.session, SessionId(100));
  EXPECT_EQ(first.sequence, Sequence(1));
  EXPECT_EQ(first.acknowledged, Sequence(1));
  hand.Cut();
  while (hand.dials.size() == 1) hand.TickTo(hand.client.NextDeadline());
  hand.Open();
  EXPECT_EQ(Hand::CommandOf(hand.last()), first);
  hand.Answer(hand.last(), Failure{Error::kOutcomeUnknown, "", ""});
  hand.RunTo(hand.now + Millis(100));
  EXPECT_EQ(Hand::CommandOf(hand.last()), first);
  const CommandReply reply{.revision = Revision(42)};
  hand.Answer(hand.last(), reply);
  ASSERT_EQ(hand.ResultOf(1), Error::kOk);
  EXPECT_EQ(std::get<CommandReply>(hand.done.at(1)), reply);
}

TEST(ClientTest, AnAnswerOfALinkThatWasLeftIsIgnored) {
  Hand hand;
  hand.OpenSessionNow();
  hand.Start(1, Put("k"));
  const LinkId old = hand.link;
  const ClientRequest request = hand.last();
  hand.Cut();
  hand.Step(ResponseReceived{old, {request.id, CommandReply{}}});
  EXPECT_TRUE(hand.done.empty());
}

TEST(ClientTest, NothingSentIsUnavailable) {
  Hand hand;
  hand.Start(1, Put("k"));
  hand.Start(2, Get("k"));
  hand.RunTo(Time(5'000'000));
  EXPECT_EQ(hand.ResultOf(1), Error::kUnavailable);
  EXPECT_EQ(hand.ResultOf(2), Error::kUnavailable);
}

TEST(ClientTest, SentWithoutAnswerIsUnknownForCommandsOnly) {
  Hand hand;
  hand.OpenSessionNow();
  hand.Start(1, Put("k"));
  hand.Start(2, Get("k"));
  hand.RunTo(hand.now + Millis(5000));
  EXPECT_EQ(hand.ResultOf(1), Error::kOutcomeUnknown);
  EXPECT_EQ(hand.ResultOf(2), Error::kUnavailable);
}

TEST(ClientTest, OnlyDefiniteRefusalsMakeUnavailable) {
  Hand hand;
  hand.OpenSessionNow();
  hand.Start(1, Put("k"), hand.now + Millis(20));
  hand.Answer(hand.last(), NotLeader(""));
  // The second attempt would come after the deadline.
  hand.TickTo(hand.now + Millis(20));
  EXPECT_EQ(hand.ResultOf(1), Error::kUnavailable);
}

TEST(ClientTest, OneCutAttemptAmongRefusalsIsUnknown) {
  Hand hand;
  hand.OpenSessionNow();
  hand.Start(1, Put("k"), hand.now + Millis(100));
  hand.Cut();
  while (hand.dials.size() == 1) hand.TickTo(hand.client.NextDeadline());
  hand.Open();
  hand.Answer(hand.last(), NotLeader(""));
  hand.TickTo(hand.now + Millis(100));
  EXPECT_EQ(hand.ResultOf(1), Error::kOutcomeUnknown);
}

TEST(ClientTest, OneUnknownAttemptAmongRefusalsIsUnknown) {
  Hand hand;
  hand.OpenSessionNow();
  hand.Start(1, Put("k"), hand.now + Millis(100));
  hand.Answer(hand.last(), Failure{Error::kOutcomeUnknown, "deposed", ""});
  const size_t asked = hand.requests.size();
  while (hand.requests.size() == asked) {
    hand.TickTo(hand.client.NextDeadline());
  }
  hand.Answer(hand.last(), NotLeader(""));
  hand.TickTo(hand.now + Millis(100));
  EXPECT_EQ(hand.ResultOf(1), Error::kOutcomeUnknown);
}

// Of several commands in flight, the first refusal names the leader; the
// others' refusals must still be heard.
TEST(ClientTest, RefusalsAreHeardOutBeforeTheLinkIsLeft) {
  Hand hand;
  hand.OpenSessionNow();
  for (uint64_t call = 1; call <= 3; ++call) {
    hand.Start(call, Put("k"), hand.now + Millis(50));
  }
  const auto requests = hand.requests;
  hand.Answer(requests[0], NotLeader("n:9"));
  hand.Answer(requests[1], NotLeader("n:9"));
  EXPECT_TRUE(hand.closes.empty());
  hand.RunTo(hand.now + Millis(50));  // the third one's never comes
  EXPECT_EQ(hand.dials.back().address, "n:9");
  EXPECT_EQ(hand.ResultOf(1), Error::kUnavailable);
  EXPECT_EQ(hand.ResultOf(2), Error::kUnavailable);
  EXPECT_EQ(hand.ResultOf(3), Error::kOutcomeUnknown);
}

TEST(ClientTest, AnAnswerToAnotherQuestionDropsTheLink) {
  Hand hand;
  hand.OpenSessionNow();
  hand.Start(1, Put("k"));
  hand.Answer(hand.last(), ReadReply{});
  EXPECT_EQ(hand.closes.size(), 1u);
  EXPECT_TRUE(hand.done.empty());
}

TEST(ClientTest, ErrorsOfTheOperationAreFinal) {
  Hand hand;
  hand.OpenSessionNow();
  hand.Start(1, Put("k"));
  hand.Answer(hand.last(), CommandReply{.error = Error::kAlreadyRegistered});
  EXPECT_EQ(hand.ResultOf(1), Error::kAlreadyRegistered);
}

TEST(ClientTest, WhatCannotBeSentIsRefusedAtOnce) {
  Hand hand;
  hand.OpenSessionNow();
  hand.Start(1, Put(std::string(kKeyBytesMax + 1, 'k')));
  EXPECT_EQ(hand.ResultOf(1), Error::kTooLarge);
  hand.Start(2, Operation(OpenSession{"some-nonce", Millis(1000)}));
  EXPECT_EQ(hand.ResultOf(2), Error::kInvalid);
  hand.Start(3, Put("k"), hand.now);
  EXPECT_EQ(hand.ResultOf(3), Error::kUnavailable);
  EXPECT_TRUE(hand.requests.empty());

  ClientOptions options = Options();
  options.open_session = false;
  Hand reader(options);
  reader.Start(1, Put("k"));
  EXPECT_EQ(reader.ResultOf(1), Error::kInvalid);
  reader.Start(2, Get("k"));
  reader.Open();
  ASSERT_EQ(reader.requests.size(), 1u);
  reader.Answer(reader.last(), ReadReply{});
  EXPECT_EQ(reader.ResultOf(2), Error::kOk);
}

TEST(ClientTest, TheQueueIsBounded) {
  ClientOptions options = Options();
  options.in_flight_max = 2;
  options.waiting_max = 3;
  Hand hand(options);
  hand.OpenSessionNow();
  for (uint64_t call = 1; call <= 6; ++call) hand.Start(call, Put("k"));
  EXPECT_EQ(hand.requests.size(), 2u);
  EXPECT_EQ(hand.done.size(), 1u);
  EXPECT_EQ(hand.ResultOf(6), Error::kUnavailable);
  hand.Answer(hand.requests[1], CommandReply{});
  EXPECT_EQ(hand.requests.size(), 3u);
}

// A member that owes too many answers at once closes the link, and so would the
// next one (simulate --seed=705319 at 7fa86fe).
TEST(ClientTest, AfterABrokenLinkFewerAreSentAtOnce) {
  ClientOptions options = Options();
  options.in_flight_max = 9;
  Hand hand(options);
  hand.OpenSessionNow();
  for (uint64_t call = 1; call <= 9; ++call) hand.Start(call, Put("k"));
  ASSERT_EQ(hand.requests.size(), 9u);
  const auto reconnect = [&hand] {
    hand.requests.clear();
    hand.Cut();
    const size_t dials = hand.dials.size();
    while (hand.dials.size() == dials) hand.TickTo(hand.client.NextDeadline());
    hand.Open();
  };
  // The session was opened on the first link: it works.
  reconnect();
  EXPECT_EQ(hand.requests.size(), 9u);
  for (const size_t expected : {4u, 2u, 1u, 1u}) {
    reconnect();
    EXPECT_EQ(hand.requests.size(), expected);
  }
  // Each answer makes room for its successor and for one more.
  hand.Answer(hand.requests[0], CommandReply{});
  EXPECT_EQ(hand.requests.size(), 3u);
  hand.Answer(hand.requests[1], CommandReply{});
  EXPECT_EQ(hand.requests.size(), 5u);
  // A link that has answered breaks for another reason.
  reconnect();
  EXPECT_EQ(hand.requests.size(), 3u);
}

TEST(ClientTest, CloseAnswersEverything) {
  Hand hand;
  hand.OpenSessionNow();
  hand.Start(1, Put("k"));
  hand.Start(2, Get("k"));
  hand.Step(CloseClient{});
  EXPECT_EQ(hand.ResultOf(1), Error::kOutcomeUnknown);
  EXPECT_EQ(hand.ResultOf(2), Error::kUnavailable);
  EXPECT_EQ(hand.closes.size(), 1u);
  hand.Start(3, Put("k"));
  EXPECT_EQ(hand.ResultOf(3), Error::kUnavailable);
  EXPECT_EQ(hand.client.NextDeadline(), Time::Never());
}

// ------------------------------------------------------------- low water

TEST(ClientTest, LowWaterIsTheOldestUnanswered) {
  Hand hand;
  hand.OpenSessionNow();
  for (uint64_t call = 1; call <= 3; ++call) hand.Start(call, Put("k"));
  const auto requests = hand.requests;
  hand.Answer(requests[1], CommandReply{});
  hand.Answer(requests[2], CommandReply{});
  hand.Start(4, Put("k"));
  EXPECT_EQ(Hand::CommandOf(hand.last()).acknowledged, Sequence(1));
  hand.Answer(requests[0], CommandReply{});
  hand.Start(5, Put("k"));
  EXPECT_EQ(Hand::CommandOf(hand.last()).acknowledged, Sequence(4));
}

TEST(ClientTest, ASequenceGivenUpIsPassed) {
  Hand hand;
  hand.OpenSessionNow();
  hand.Start(1, Put("k"), hand.now + Millis(100));
  hand.RunTo(hand.now + Millis(100));
  EXPECT_EQ(hand.ResultOf(1), Error::kOutcomeUnknown);
  hand.Start(2, Put("k"));
  EXPECT_EQ(Hand::CommandOf(hand.last()).sequence, Sequence(2));
  EXPECT_EQ(Hand::CommandOf(hand.last()).acknowledged, Sequence(2));
}

TEST(ClientTest, TheWindowStopsNewCommandsNotReads) {
  ClientOptions options = Options();
  options.session_ttl = raft::Duration(0);
  Hand hand(options);
  hand.OpenSessionNow();
  hand.Start(1, Put("first"), Time(1'000'000'000));
  const ClientRequest first = hand.last();
  uint64_t sent = 1;
  for (uint64_t call = 2; call < 3000; ++call) {
    const size_t before = hand.requests.size();
    hand.Start(call, Put("k"), Time(1'000'000'000));
    if (hand.requests.size() == before) break;
    ++sent;
    EXPECT_LE(Hand::CommandOf(hand.last()).sequence - Sequence(1),
              kReplyWindow - 1);
    hand.Answer(hand.last(), CommandReply{});
  }
  EXPECT_EQ(sent, kReplyWindow - 1);
  hand.Start(5000, Get("k"));
  ASSERT_TRUE(std::holds_alternative<ReadRequest>(hand.last().body));
  hand.Answer(first, CommandReply{});
  EXPECT_EQ(Hand::CommandOf(hand.last()).sequence, Sequence(kReplyWindow));
  EXPECT_EQ(Hand::CommandOf(hand.last()).acknowledged, Sequence(kReplyWindow));
}

}  // namespace
}  // namespace registry::client_test
