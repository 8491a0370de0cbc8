// Each rule is shown a history that it must accept and one that it must refuse.
#include "sim/registry_checkers.h"

#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "registry/command_codec.h"
#include "sim/checker_test_support.h"

namespace sim {
namespace {

using raft::Index;
using registry::Command;
using registry::CommandReply;
using registry::Error;
using registry::Sequence;
using registry::SessionId;

Command Open(const std::string& nonce) {
  return {.operation = registry::OpenSession{nonce, raft::Duration(0)}};
}
Command In(uint64_t session, uint64_t sequence, registry::Operation operation) {
  return {.session = SessionId(session),
          .sequence = Sequence(sequence),
          .operation = std::move(operation)};
}

TEST(StateAgreementTest, EqualStateAtEqualIndex) {
  Violations violations;
  StateAgreement agreement;
  registry::StateMachine node;
  for (uint64_t i = 1; i <= 3; ++i) {
    const Command command = Open("a nonce " + std::to_string(i));
    agreement.Apply(MakeEntry(i, 1, registry::EncodeCommand(command)));
    if (i < 3) node.Apply(Index(i), command);
  }
  agreement.OnApplied(0, node.applied(), node.digest(), &violations);
  EXPECT_EQ(Broken(violations), "");
  node.Apply(Index(3), Open("something else"));
  agreement.OnApplied(0, node.applied(), node.digest(), &violations);
  EXPECT_EQ(Broken(violations), "state_agreement");
}

TEST(StateAgreementTest, NothingIsAppliedBeforeItIsCommitted) {
  Violations violations;
  StateAgreement agreement;
  agreement.OnApplied(0, Index(1), {}, &violations);
  EXPECT_EQ(Broken(violations), "state_agreement");
}

class UniqueOwnerTest : public testing::Test {
 protected:
  UniqueOwnerTest() {
    const CommandReply ok;
    Tell(In(1, 1,
            registry::CreateRegistry{"u", registry::RegistryKind::kUnique}));
    Tell(In(1, 2,
            registry::CreateRegistry{"d", registry::RegistryKind::kDuplicate}));
    Register(1, "u", "k");
  }
  void Tell(const Command& command, Error error = Error::kOk) {
    owners.OnApplied(Index(++index), command, CommandReply{.error = error},
                     &violations);
  }
  void Register(uint64_t session, const std::string& registry,
                const std::string& key, Error error = Error::kOk) {
    Tell(In(session, ++sequence,
            registry::Register{.registry = registry, .key = key}),
         error);
  }
  uint64_t index = 0;
  uint64_t sequence = 10;
  Violations violations;
  UniqueOwner owners;
};

TEST_F(UniqueOwnerTest, NobodyTakesAKeyThatIsHeld) {
  Register(1, "u", "k");  // the owner itself
  Register(2, "u", "k", Error::kAlreadyRegistered);
  Register(2, "u", "other");
  Register(2, "d", "k");
  Register(1, "d", "k");
  EXPECT_EQ(Broken(violations), "");
  Register(2, "u", "k");
  EXPECT_EQ(Broken(violations), "unique_owner");
}

TEST_F(UniqueOwnerTest, EveryWayToGiveItUp) {
  Tell(In(1, 50, registry::Unregister{.registry = "u", .key = "k"}));
  Register(2, "u", "k");
  Tell(In(2, 51, registry::EndProcess{0}));
  Register(3, "u", "k");
  Tell(In(3, 52, registry::EndSession{}));
  Register(4, "u", "k");
  Tell(In(1, 53, registry::EndSession{SessionId(4)}));
  Register(5, "u", "k");
  Tell({.operation = registry::ExpireSessions{{SessionId(5)}}});
  Register(6, "u", "k");
  EXPECT_EQ(Broken(violations), "");
  // Another process's end, or a refusal, gives nothing up.
  Tell(In(6, 54, registry::EndProcess{1}));
  Tell(In(7, 55, registry::Unregister{.registry = "u", .key = "k"}),
       Error::kNotOwner);
  Register(7, "u", "k");
  EXPECT_EQ(Broken(violations), "unique_owner");
}

// The state machine that ships, and a history that it is told beside it.
class NoGhostsTest : public testing::Test {
 protected:
  NoGhostsTest() {
    Do({.operation = registry::OpenSession{"a nonce of one", kTtl}});
    Do({.operation = registry::OpenSession{"a nonce of two", kTtl}});
    Do(In(1, 1,
          registry::CreateRegistry{"u", registry::RegistryKind::kUnique}));
    Do(In(1, 2, registry::Register{.registry = "u", .key = "k", .process = 5}));
  }
  void Do(const Command& command) {
    const CommandReply reply = state.Apply(state.applied() + 1, command);
    Tell(command, reply);
  }
  // Said to be done; `state` does not do it.
  void Tell(const Command& command, const CommandReply& reply = {}) {
    ghosts.OnApplied(state.applied(), command, reply, state, &violations);
  }
  static constexpr raft::Duration kTtl = raft::Millis(1000);
  registry::StateMachine state;
  Violations violations;
  NoGhosts ghosts;
};

TEST_F(NoGhostsTest, EveryEndTakesAll) {
  Do(In(1, 3, registry::EndProcess{5}));
  Do(In(1, 4, registry::Register{.registry = "u", .key = "k", .process = 6}));
  Do(In(2, 1, registry::EndSession{SessionId(1)}));
  Do(In(2, 2, registry::Register{.registry = "u", .key = "k"}));
  Do({.operation = registry::ExpireSessions{{SessionId(2)}}});
  EXPECT_EQ(Broken(violations), "");
}
TEST_F(NoGhostsTest, AProcessThatHoldsOn) {
  Tell(In(1, 3, registry::EndProcess{5}));
  EXPECT_EQ(Broken(violations), "no_ghosts");
}
TEST_F(NoGhostsTest, ASessionThatLivesOn) {
  Tell(In(2, 1, registry::EndSession{}));
  EXPECT_EQ(Broken(violations), "no_ghosts");
}
TEST_F(NoGhostsTest, ASessionThatIsGivenSomethingAfterItsEnd) {
  Do(In(2, 1, registry::EndSession{SessionId(1)}));
  EXPECT_EQ(Broken(violations), "");
  Tell(In(1, 4, registry::Register{.registry = "u", .key = "k"}));
  EXPECT_EQ(Broken(violations), "no_ghosts");
}

TEST(StateAgreementTest, KnowsWhichEntriesChangedSessions) {
  StateAgreement agreement;
  for (uint64_t i = 1; i <= 3; ++i) {
    agreement.Apply(MakeEntry(
        i, 1, registry::EncodeCommand(Open("a nonce " + std::to_string(i)))));
  }
  std::vector<SessionId> opened;
  agreement.ForEachSessionChange(Index(1), Index(2),
                                 [&](const registry::SessionChange& change) {
                                   EXPECT_TRUE(change.opened);
                                   opened.push_back(change.session);
                                 });
  EXPECT_EQ(opened, std::vector<SessionId>{SessionId(2)});
}

TEST(ExactlyOnceTest, ARepetitionHasTheFirstAnswer) {
  Violations violations;
  ExactlyOnce once;
  const Command add = In(1, 7, registry::EndProcess{});
  const CommandReply first{.revision = Index(5), .removed = 2};
  EXPECT_TRUE(once.OnApplied(Index(5), add, first, &violations));
  EXPECT_FALSE(once.OnApplied(Index(9), add, first, &violations));
  once.OnApplied(Index(10), add, {.error = Error::kCompacted}, &violations);
  once.OnApplied(Index(11), add, {.error = Error::kSessionExpired},
                 &violations);
  EXPECT_EQ(once.repeated(), 1u);
  EXPECT_EQ(Broken(violations), "");
  const CommandReply again{.revision = Index(12), .removed = 0};
  once.OnApplied(Index(12), add, again, &violations);
  EXPECT_EQ(Broken(violations), "exactly_once");
}

}  // namespace
}  // namespace sim
