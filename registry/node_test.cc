#include "registry/node.h"

#include <algorithm>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "raft/digest.h"
#include "raft/limits.h"
#include "registry/node_harness.h"

namespace registry {
namespace {

using raft::Millis;

Command In(SessionId session, uint64_t sequence, Operation operation) {
  return Command{.session = session,
                 .sequence = Sequence(sequence),
                 .operation = std::move(operation)};
}

// A cluster with a registry "r" and a permanent session.
class NodeTest : public testing::Test {
 protected:
  explicit NodeTest(size_t size = 3) : cluster(size) {
    leader = cluster.Leader();
    session = cluster.Open(leader, raft::Duration(0));
    EXPECT_EQ(cluster.Do(leader, In(session, 1, CreateRegistry{"r"})).error,
              Error::kOk);
  }
  size_t Other() const { return (leader + 1) % cluster.size(); }

  NodeHarness cluster;
  size_t leader;
  SessionId session;
};

class OneNodeTest : public NodeTest {
 protected:
  OneNodeTest() : NodeTest(1) {}
};

// ---------------------------------------------------------------- commands

TEST_F(NodeTest, AWriteIsAnsweredWithItsIndexAndReadOnEveryMember) {
  const raft::Index before = cluster.node(leader).raft().last_index();
  const CommandReply reply =
      cluster.Do(leader, In(session, 2, Register{"r", "k", "v"}));
  EXPECT_EQ(reply.error, Error::kOk);
  EXPECT_EQ(reply.revision, before + 1);
  for (size_t i = 0; i < cluster.size(); ++i) {
    const ReadReply read = cluster.Read(i, Lookup{"r", "k"});
    ASSERT_EQ(read.registrations.size(), 1u) << i;
    EXPECT_EQ(read.registrations[0].value, Value("v"));
    EXPECT_GE(read.revision, reply.revision);
  }
  const StateMachine& state = cluster.node(leader).state();
  for (size_t i = 0; i < cluster.size(); ++i) {
    EXPECT_EQ(cluster.node(i).state().applied(), state.applied());
    EXPECT_EQ(cluster.node(i).state().digest(), state.digest());
  }
}

TEST_F(OneNodeTest, OneNodeServesAlone) {
  EXPECT_EQ(cluster.Do(0, In(session, 2, Register{"r", "k", "v"})).error,
            Error::kOk);
  EXPECT_EQ(cluster.Read(0, Lookup{"r", "k"}).registrations.size(), 1u);
  EXPECT_EQ(cluster.KeepAlive(0, session), Error::kOk);
}

TEST_F(NodeTest, ATurnsCommandsAreOneProposalAndKeepTheirOrder) {
  const auto proposals = [&] {
    for (const auto& [name, value] : cluster.node(leader).Status().counters) {
      if (name == "proposals") return value;
    }
    return uint64_t{0};
  };
  const uint64_t before = proposals();
  std::vector<uint64_t> asked;
  for (uint64_t i = 0; i < 100; ++i) {
    asked.push_back(cluster.Ask(
        leader, In(session, 2 + i, Register{"r", std::to_string(i), "v"})));
  }
  cluster.Settle();
  EXPECT_EQ(proposals(), before + 1);
  for (size_t i = 1; i < asked.size(); ++i) {
    EXPECT_EQ(cluster.As<CommandReply>(asked[i]).revision,
              cluster.As<CommandReply>(asked[i - 1]).revision + 1);
  }
}

TEST_F(NodeTest, ARetryIsAnsweredByTheFirstAnswer) {
  cluster.Do(leader, In(session, 2, Register{"r", "k", int64_t{10}}));
  const Command add = In(session, 3, UpdateValue{"r", "k", AddValue{5}});
  const CommandReply first = cluster.Do(leader, add);
  EXPECT_EQ(cluster.Do(leader, add), first);
  // Two of them in one turn, too.
  const uint64_t a = cluster.Ask(leader, add);
  const uint64_t b = cluster.Ask(leader, add);
  cluster.Settle();
  EXPECT_EQ(cluster.As<CommandReply>(a), first);
  EXPECT_EQ(cluster.As<CommandReply>(b), first);
  EXPECT_EQ(cluster.Read(leader, Lookup{"r", "k"}).registrations[0].value,
            Value(int64_t{15}));
}

TEST_F(NodeTest, AFollowerNamesTheLeader) {
  const std::string address = "client" + std::to_string(leader);
  const uint64_t command =
      cluster.Ask(Other(), In(session, 2, Register{"r", "k", "v"}));
  const uint64_t keep_alive = cluster.Ask(Other(), KeepAliveRequest{session});
  for (const uint64_t id : {command, keep_alive}) {
    const Failure failure = cluster.As<Failure>(id);
    EXPECT_EQ(failure.error, Error::kNotLeader);
    EXPECT_EQ(failure.leader_address, address);
  }
}

TEST_F(NodeTest, BadCommandsNeverReachTheLog) {
  const raft::Index before = cluster.node(leader).raft().last_index();
  const auto refusal = [&](const decltype(ClientRequest::body)& body) {
    const uint64_t id = cluster.Ask(leader, body);
    cluster.Settle();
    return cluster.As<Failure>(id).error;
  };
  const auto command = [&](Operation operation) {
    return CommandRequest{
        raft::Bytes(EncodeCommand(In(session, 9, std::move(operation))))};
  };
  EXPECT_EQ(refusal(command(Register{"r", std::string(1025, 'k'), "v"})),
            Error::kTooLarge);
  EXPECT_EQ(refusal(command(Register{"r", "k", std::string(65537, 'v')})),
            Error::kTooLarge);
  EXPECT_EQ(refusal(command(Register{"r", "", "v"})), Error::kInvalid);
  EXPECT_EQ(refusal(CommandRequest{raft::Bytes::Copy("\xff garbage")}),
            Error::kInvalid);
  EXPECT_EQ(refusal(CommandRequest{raft::Bytes(EncodeCommand(
                Command{.operation = ExpireSessions{{session}}}))}),
            Error::kInvalid);
  EXPECT_EQ(refusal(ReadRequest{Lookup{"r", std::string(1025, 'k')}}),
            Error::kTooLarge);
  EXPECT_EQ(cluster.node(leader).raft().last_index(), before);
}

TEST_F(NodeTest, TooMuchUncommittedIsRefusedForCertain) {
  cluster.CutOff(leader);
  const std::string value(kValueBytesMax, 'x');
  size_t accepted = 0;
  uint64_t id = 0;
  for (uint64_t i = 2; i < 1100; ++i) {
    id = cluster.Ask(leader, In(session, i, Register{"r", "k", value}));
    cluster.Flush(leader);
    if (cluster.answered(id)) break;
    ++accepted;
  }
  EXPECT_LT(accepted * kValueBytesMax, raft::kUncommittedBytesMax);
  EXPECT_GT(accepted * kValueBytesMax, raft::kUncommittedBytesMax / 2);
  EXPECT_EQ(cluster.As<Failure>(id).error, Error::kUnavailable);
}

// ----------------------------------------------------- leadership is lost

TEST_F(NodeTest, WhatWasUnderWayIsUnknownAndItsRetryIsAppliedOnce) {
  cluster.Do(leader, In(session, 2, Register{"r", "k", int64_t{10}}));
  const Command add = In(session, 3, UpdateValue{"r", "k", AddValue{5}});
  // The entry reaches a follower, no answer comes back.
  const uint64_t id = cluster.Ask(leader, add);
  cluster.Flush(leader);
  cluster.Deliver();
  cluster.CutOff(leader);
  cluster.Run(Millis(400));
  EXPECT_EQ(cluster.As<Failure>(id).error, Error::kOutcomeUnknown);
  const size_t next = cluster.Leader();
  ASSERT_NE(next, leader);
  EXPECT_EQ(cluster.Do(next, add).error, Error::kOk);
  EXPECT_EQ(cluster.Read(next, Lookup{"r", "k"}).registrations[0].value,
            Value(int64_t{15}));
  cluster.HealAll();
  cluster.Run(Millis(200));
  EXPECT_EQ(cluster.node(leader).state().digest(),
            cluster.node(next).state().digest());
}

// The next leader's entry is committed at the very index that was promised to
// our client, and the step that brings it also ends our leadership.
TEST_F(NodeTest, AnotherLeadersEntryIsNotTheAnswer) {
  cluster.CutOff(leader);
  const uint64_t mine =
      cluster.Ask(leader, In(session, 2, Register{"r", "mine", "v"}));
  cluster.Flush(leader);
  cluster.DropMessages();
  cluster.Run(Millis(1000), /*asleep=*/{leader});
  const size_t next = cluster.Leader();
  ASSERT_NE(next, leader);
  EXPECT_EQ(cluster.Do(next, In(session, 2, Register{"r", "other", "v"})).error,
            Error::kOk);
  ASSERT_EQ(cluster.node(leader).raft().role(), raft::Role::kLeader);
  ASSERT_FALSE(cluster.answered(mine));
  cluster.HealAll();
  cluster.Run(Millis(200), /*asleep=*/{leader});
  EXPECT_EQ(cluster.As<Failure>(mine).error, Error::kOutcomeUnknown);
  EXPECT_EQ(cluster.Read(leader, Count{"r"}).count, 1u);
}

TEST_F(NodeTest, ACommandOfATurnThatEndsLeadershipIsRefusedForCertain) {
  const uint64_t id =
      cluster.Ask(leader, In(session, 2, Register{"r", "k", "v"}));
  const raft::Term term = cluster.node(leader).raft().term();
  cluster.Step(leader, raft::Receive{NodeHarness::Id(Other()),
                                     raft::HeartbeatReply{.term = term + 1}});
  cluster.Flush(leader);
  EXPECT_EQ(cluster.As<Failure>(id).error, Error::kNotLeader);
  EXPECT_FALSE(cluster.node(leader).raft().last_index() >
               cluster.node(leader).raft().commit());
}

// ------------------------------------------------------------------- reads

TEST_F(NodeTest, ReadsNeverEnterTheLogAndShareRounds) {
  cluster.Do(leader, In(session, 2, Register{"r", "k", "v"}));
  const raft::Index before = cluster.node(leader).raft().last_index();
  std::vector<uint64_t> asked;
  for (int turn = 0; turn < 100; ++turn) {
    for (size_t i = 0; i < 10; ++i) {
      asked.push_back(
          cluster.Ask(i % cluster.size(), ReadRequest{Lookup{"r", "k"}}));
    }
    cluster.Settle();
  }
  uint64_t reads = 0;
  uint64_t rounds = 0;
  for (size_t i = 0; i < cluster.size(); ++i) {
    EXPECT_EQ(cluster.node(i).raft().last_index(), before);
    for (const auto& [name, value] : cluster.node(i).Status().counters) {
      if (name == "reads") reads += value;
      if (name == "read_rounds") rounds += value;
    }
  }
  EXPECT_EQ(reads, 1000u);
  EXPECT_LE(rounds, 300u);
  for (const uint64_t id : asked) {
    EXPECT_EQ(cluster.As<ReadReply>(id).registrations.size(), 1u);
  }
}

TEST_F(NodeTest, AReadSeesEveryWriteThatWasAnsweredBeforeItBegan) {
  for (uint64_t i = 0; i < 20; ++i) {
    const CommandReply write = cluster.Do(
        leader, In(session, 2 + i, Register{"r", "k", std::to_string(i)}));
    ASSERT_EQ(write.error, Error::kOk);
    for (size_t member = 0; member < cluster.size(); ++member) {
      EXPECT_EQ(cluster.Read(member, Lookup{"r", "k"}).registrations[0].value,
                Value(std::to_string(i)));
    }
  }
}

TEST_F(NodeTest, WithoutAQuorumAReadFailsAndIsNeverEmpty) {
  cluster.Do(leader, In(session, 2, Register{"r", "k", "v"}));
  const size_t follower = Other();
  for (size_t i = 0; i < cluster.size(); ++i) cluster.CutOff(i);
  const uint64_t at_leader = cluster.Ask(leader, ReadRequest{Lookup{"r", "k"}});
  const uint64_t at_follower =
      cluster.Ask(follower, ReadRequest{Lookup{"r", "k"}});
  cluster.Settle();
  EXPECT_FALSE(cluster.answered(at_leader));
  cluster.Run(Millis(1000));
  EXPECT_EQ(cluster.As<Failure>(at_leader).error, Error::kUnavailable);
  // The follower knew of a leader until then, so it names it.
  EXPECT_EQ(cluster.As<Failure>(at_follower).error, Error::kNotLeader);
  // And when nobody is known to lead.
  const uint64_t later = cluster.Ask(follower, ReadRequest{Lookup{"r", "k"}});
  cluster.Settle();
  EXPECT_EQ(cluster.As<Failure>(later).error, Error::kUnavailable);
}

TEST_F(NodeTest, ADeposedLeaderThatDoesNotKnowItAnswersNoRead) {
  cluster.CutOff(leader);
  cluster.Run(Millis(1000), /*asleep=*/{leader});
  ASSERT_EQ(cluster.node(leader).raft().role(), raft::Role::kLeader);
  const uint64_t id = cluster.Ask(leader, ReadRequest{Lookup{"r", "k"}});
  cluster.Settle();
  EXPECT_FALSE(cluster.answered(id));
  cluster.HealAll();
  cluster.Settle();
  cluster.Run(Millis(200));
  EXPECT_TRUE(cluster.answered(id));
  cluster.As<Failure>(id);
}

TEST_F(NodeTest, StatusIsAnsweredAtOnceByAnyMember) {
  for (size_t i = 0; i < cluster.size(); ++i) {
    const uint64_t id = cluster.Ask(i, StatusRequest{});
    const StatusReply status = cluster.As<StatusReply>(id);
    EXPECT_EQ(status.node, NodeHarness::Id(i));
    EXPECT_EQ(status.leader, NodeHarness::Id(leader));
    EXPECT_EQ(status.cluster, raft::ClusterId(77));
    EXPECT_EQ(status.sessions, 1u);
    EXPECT_EQ(status.members.size(), 3u);
    EXPECT_TRUE(std::is_sorted(status.counters.begin(), status.counters.end()));
  }
}

// -------------------------------------------------------------------- copy

TEST_F(NodeTest, ACopyGoesItsOwnWay) {
  const Node original = cluster.node(leader);
  Node first = original;
  Node second = original;
  const ClientReceived event{
      ConnectionId(1),
      ClientRequest{1, CommandRequest{raft::Bytes(EncodeCommand(
                           In(session, 2, Register{"r", "k", "v"})))}}};
  Effects effects_of_first;
  Effects effects_of_second;
  first.Step(event, &effects_of_first);
  first.Step(raft::Flush{}, &effects_of_first);
  EXPECT_EQ(second.raft().last_index(), original.raft().last_index());
  second.Step(event, &effects_of_second);
  second.Step(raft::Flush{}, &effects_of_second);
  EXPECT_EQ(effects_of_first, effects_of_second);
  EXPECT_FALSE(effects_of_first.empty());
  EXPECT_EQ(first.raft().last_index(), original.raft().last_index() + 1);
}

}  // namespace
}  // namespace registry
