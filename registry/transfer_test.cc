// Handing over leadership, as the node answers it and as the client asks for
// it.
#include <string>
#include <variant>

#include "gtest/gtest.h"
#include "registry/client_test_hand.h"
#include "registry/node_harness.h"

namespace registry {
namespace {

using client_test::Hand;
using raft::Millis;

// ---------------------------------------------------------------- the node

class TransferTest : public testing::Test {
 protected:
  explicit TransferTest(size_t size = 3) : cluster(size) {
    leader = cluster.Leader();
  }
  size_t Other(size_t i = 1) const { return (leader + i) % cluster.size(); }
  static raft::NodeId Id(size_t i) { return NodeHarness::Id(i); }

  NodeHarness cluster;
  size_t leader;
};

class AloneTest : public TransferTest {
 protected:
  AloneTest() : TransferTest(1) {}
};

TEST_F(TransferTest, IsAnsweredOnceTheOtherLeads) {
  for (const size_t to : {Other(1), Other(2)}) {
    const size_t from = cluster.Leader();
    const uint64_t id = cluster.Ask(from, TransferRequest{Id(to)});
    ASSERT_FALSE(cluster.answered(id));
    cluster.Settle();
    EXPECT_EQ(cluster.As<TransferReply>(id).leader, Id(to));
    EXPECT_EQ(cluster.Leader(), to);
  }
}

TEST_F(TransferTest, TheLeaderChoosesWhenNobodyIsNamed) {
  const uint64_t id = cluster.Ask(leader, TransferRequest{});
  cluster.Settle();
  EXPECT_EQ(cluster.As<TransferReply>(id).leader, Id(cluster.Leader()));
  EXPECT_NE(cluster.Leader(), leader);
}

TEST_F(TransferTest, WhoLeadsAlreadyIsToldSo) {
  const uint64_t id = cluster.Ask(leader, TransferRequest{Id(leader)});
  EXPECT_EQ(cluster.As<TransferReply>(id).leader, Id(leader));
}

TEST_F(TransferTest, AFollowerNamesTheLeader) {
  const uint64_t id = cluster.Ask(Other(), TransferRequest{Id(Other())});
  EXPECT_EQ(cluster.As<Failure>(id).error, Error::kNotLeader);
}

TEST_F(TransferTest, WhoIsNoVoterIsNotFound) {
  const uint64_t id = cluster.Ask(leader, TransferRequest{Id(8)});
  EXPECT_EQ(cluster.As<Failure>(id).error, Error::kNotFound);
  EXPECT_EQ(cluster.As<Failure>(id).detail, "n9 is no voter");
}

TEST_F(AloneTest, ThereIsNobodyToHandOverTo) {
  const uint64_t id = cluster.Ask(leader, TransferRequest{});
  EXPECT_EQ(cluster.As<Failure>(id).error, Error::kNotFound);
}

TEST_F(TransferTest, NobodyWhoAnswersIsUnavailable) {
  cluster.CutOff(Other(1));
  cluster.CutOff(Other(2));
  // Not heard for an election timeout, and check-quorum not yet due.
  while (cluster.node(leader).raft().role() == raft::Role::kLeader) {
    cluster.Run(Millis(10));
    Effects effects;
    Node copy = cluster.node(leader);
    copy.Step(ClientReceived{ConnectionId(1), {1, TransferRequest{}}},
              &effects);
    if (effects.empty()) continue;
    const auto& body = std::get<Reply>(effects[0]).response.body;
    const Error error = std::get<Failure>(body).error;
    EXPECT_TRUE(error == Error::kUnavailable || error == Error::kNotLeader);
    return;
  }
}

// The order to campaign is lost: the leader goes on after an election timeout,
// and that the target may yet obey is not denied.
TEST_F(TransferTest, OneThatIsGivenUpIsUnknown) {
  cluster.CutOff(Other());
  const uint64_t id = cluster.Ask(leader, TransferRequest{Id(Other())});
  const uint64_t same = cluster.Ask(leader, TransferRequest{});
  const uint64_t another = cluster.Ask(leader, TransferRequest{Id(Other(2))});
  // Nor does another target give the first one more time.
  EXPECT_EQ(cluster.As<Failure>(another).error, Error::kUnavailable);
  cluster.Run(Millis(250));
  EXPECT_FALSE(cluster.answered(id));
  EXPECT_EQ(cluster.node(leader).load().transfers, 2u);
  cluster.Run(Millis(100));
  EXPECT_EQ(cluster.As<Failure>(id).error, Error::kOutcomeUnknown);
  EXPECT_EQ(cluster.As<Failure>(same).error, Error::kOutcomeUnknown);
  EXPECT_EQ(cluster.node(leader).load().transfers, 0u);
  EXPECT_EQ(cluster.Open(leader, raft::Duration(0)), SessionId(2));
}

TEST_F(TransferTest, AnotherThatWinsIsNotTheOneAskedFor) {
  cluster.CutOff(Other());
  const uint64_t id = cluster.Ask(leader, TransferRequest{Id(Other())});
  cluster.Flush(leader);
  // Of a later term, and not the target.
  const raft::Term later = cluster.node(leader).raft().term() + 1;
  cluster.Step(leader,
               raft::Receive{Id(Other(2)), raft::Heartbeat{.term = later}});
  EXPECT_EQ(cluster.As<Failure>(id).error, Error::kUnavailable);
}

TEST_F(TransferTest, WritesMeanwhileAreRefusedForCertain) {
  const SessionId session = cluster.Open(leader, raft::Duration(0));
  cluster.CutOff(Other());
  cluster.Ask(leader, TransferRequest{Id(Other())});
  const uint64_t write =
      cluster.Ask(leader, Command{.session = session,
                                  .sequence = Sequence(1),
                                  .operation = CreateRegistry{"r"}});
  cluster.Flush(leader);
  EXPECT_EQ(cluster.As<Failure>(write).error, Error::kUnavailable);
}

TEST_F(TransferTest, AHostHandsOverWithoutAnAnswer) {
  cluster.Step(leader, raft::TransferLeadership{});
  cluster.Settle();
  EXPECT_NE(cluster.Leader(), leader);
  // A follower has nothing to hand over.
  const size_t next = cluster.Leader();
  cluster.Step(leader, raft::TransferLeadership{});
  cluster.Settle();
  EXPECT_EQ(cluster.Leader(), next);
}

TEST_F(TransferTest, AsManyWaitAsMay) {
  cluster.CutOff(Other());
  for (size_t i = 0; i < kWaitingTransfersMax; ++i) {
    cluster.Ask(leader, TransferRequest{Id(Other())});
  }
  const uint64_t more = cluster.Ask(leader, TransferRequest{Id(Other())});
  EXPECT_EQ(cluster.As<Failure>(more).detail, kOverloaded);
}

// -------------------------------------------------------------- the client

ClientOptions WithoutSession() {
  ClientOptions options = client_test::Options();
  options.open_session = false;
  return options;
}

TEST(ClientTransferTest, FollowsTheHintAndTellsWhoLeads) {
  Hand hand(WithoutSession());
  hand.Start(1, TransferRequest{NodeHarness::Id(1)});
  hand.Open();
  hand.Answer(hand.last(), client_test::NotLeader("leader:1"));
  ASSERT_EQ(hand.dials.back().address, "leader:1");
  hand.Open();
  EXPECT_EQ(std::get<TransferRequest>(hand.last().body).to, NodeHarness::Id(1));
  hand.Answer(hand.last(), TransferReply{NodeHarness::Id(1)});
  EXPECT_EQ(hand.ResultOf(1), Error::kOk);
}

// It may have been done, and a second one would take leadership from whom the
// first gave it to.
TEST(ClientTransferTest, IsNotAskedTwice) {
  Hand hand(WithoutSession());
  hand.Start(1, TransferRequest{});
  hand.Open();
  const size_t asked = hand.requests.size();
  hand.Cut();
  EXPECT_EQ(hand.ResultOf(1), Error::kOutcomeUnknown);
  hand.RunTo(hand.now + Millis(5000));
  EXPECT_EQ(hand.requests.size(), asked);

  Hand told(WithoutSession());
  told.Start(1, TransferRequest{});
  told.Open();
  told.Answer(told.last(), Failure{Error::kOutcomeUnknown, "not in time", ""});
  EXPECT_EQ(told.ResultOf(1), Error::kOutcomeUnknown);
}

TEST(ClientTransferTest, WhatWasRefusedIsAskedAgain) {
  Hand hand(WithoutSession());
  hand.Start(1, TransferRequest{});
  hand.Open();
  hand.Answer(hand.last(), Failure{Error::kUnavailable, "under way", ""});
  const size_t asked = hand.requests.size();
  while (hand.requests.size() == asked) {
    hand.TickTo(hand.client.NextDeadline());
  }
  hand.RunTo(hand.now + Millis(5000));
  EXPECT_EQ(hand.ResultOf(1), Error::kOutcomeUnknown);  // sent, no answer
}

}  // namespace
}  // namespace registry
