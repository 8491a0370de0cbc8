// The faults of the seed, RaRegistry for Elixir, that a state machine can have:
// one test each. What the seed did is told above each.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "registry/state_machine_fixture.h"

namespace registry {
namespace {

// Each node wrote to the table of the kind that it was started with, and the
// nodes could not see each other's entries.
TEST_F(RegistrationTest, SeedKindMismatch) {
  EXPECT_EQ(Do(b_, CreateRegistry{.registry = "u", .kind = kDuplicate}),
            Now(Error::kKindMismatch, "unique"));
  // A client that went on all the same meets the one table that there is.
  Do(a_, Register{.registry = "u", .key = "k", .value = "a"});
  EXPECT_EQ(Do(b_, Register{.registry = "u", .key = "k", .value = "b"}).error,
            Error::kAlreadyRegistered);
}

// An unregister stopped watching the process: its other keys stayed for ever.
TEST_F(RegistrationTest, SeedDemonitorOtherKeys) {
  for (const char* key : {"k1", "k2", "k3"}) {
    Do(a_, Register{.registry = "u", .key = key, .value = "v", .process = 4});
  }
  Do(a_, Unregister{.registry = "u", .key = "k2", .process = 4});
  EXPECT_EQ(KeysOf({.session = a_, .local = 4}, "u"),
            (std::vector<std::string>{"k1", "k3"}));
  EXPECT_EQ(Do(a_, EndProcess{.process = 4}), NowRemoved(2));
  EXPECT_EQ(CountOf("u"), 0u);
}

// An update was an unregister and a register: another process could get in
// between, and a failure in between lost the name.
TEST_F(RegistrationTest, SeedUpdateGap) {
  Do(a_, Register{.registry = "u", .key = "k", .value = int64_t{0}});
  const Revision token = Look("u", "k")[0].revision;
  for (int i = 1; i <= 10; ++i) {
    Do(a_, UpdateValue{
               .registry = "u", .key = "k", .change = AddValue{.amount = 1}});
    const std::vector<Registration> held = Look("u", "k");
    ASSERT_EQ(held.size(), 1u);
    EXPECT_EQ(held[0].revision, token);
    EXPECT_EQ(held[0].value, Value(int64_t{i}));
    EXPECT_EQ(Do(b_, Register{.registry = "u", .key = "k", .value = "b"}).error,
              Error::kAlreadyRegistered);
  }
}

// The owner of one of several duplicates was told that it was not the owner.
TEST_F(RegistrationTest, SeedUpdateOfDuplicates) {
  Do(a_, Register{.registry = "d", .key = "k", .value = "a"});
  Do(b_, Register{.registry = "d", .key = "k", .value = "b"});
  EXPECT_EQ(
      Do(a_, UpdateValue{.registry = "d", .key = "k", .change = SetValue{"c"}}),
      Now(Error::kKindMismatch, "duplicate"));
}

// A command that no clause knew crashed every replica, and again on each
// replay of the log.
TEST_F(RegistrationTest, SeedPoisonCommand) {
  const StateDigest before = machine_.digest();
  for (const std::string& payload :
       {std::string(), std::string("\xff\xff\xff\xff"), std::string(1000, 'x'),
        std::string("\x08\x01\x10\x01", 4)}) {
    EXPECT_EQ(machine_.Apply(machine_.applied() + 1, payload),
              Now(Error::kInvalid, "command"));
  }
  // Decodes, but must not stand in the log; a kind that no version has.
  const Command poison{
      .session = a_,
      .sequence = Sequence(100),
      .operation = CreateRegistry{.registry = "p", .kind = RegistryKind(9)}};
  EXPECT_EQ(machine_.Apply(machine_.applied() + 1, poison),
            Now(Error::kInvalid, "kind"));
  EXPECT_EQ(machine_.Apply(
                machine_.applied() + 1,
                Command{.session = a_,
                        .sequence = Sequence(100),
                        .operation = Register{.registry = "u",
                                              .key = std::string(
                                                  kKeyBytesMax + 1, 'k')}}),
            Now(Error::kTooLarge, "key"));
  EXPECT_EQ(machine_.digest(), before);
  EXPECT_EQ(Do(a_, Register{.registry = "u", .key = "k", .value = "v"}).error,
            Error::kOk);
}

// After a lost reply the retry told the rightful owner `already_registered`.
TEST_F(RegistrationTest, SeedRegisterTimeoutRetry) {
  const Command command{
      .session = a_,
      .sequence = ++sequence_,
      .operation = Register{.registry = "u", .key = "k", .value = "v"}};
  const CommandReply lost = Apply(command);
  EXPECT_EQ(lost.error, Error::kOk);
  EXPECT_EQ(Apply(command), lost);
  // Even with a new sequence, after the client itself gave up on the first.
  EXPECT_EQ(Do(a_, Register{.registry = "u", .key = "k", .value = "v"}),
            Now(Error::kOk, *lost.current));
}

// `already_registered` did not say by whom.
TEST_F(RegistrationTest, SeedHolderUnnamed) {
  const CommandReply owner =
      Do(a_, Register{.registry = "u", .key = "k", .value = "a"});
  EXPECT_EQ(Do(b_, Register{.registry = "u", .key = "k", .value = "b"}).current,
            owner.current);
}

// Any process could unregister any other.
TEST_F(RegistrationTest, SeedForeignUnregister) {
  Do(a_, Register{.registry = "u", .key = "k", .value = "a"});
  Do(a_, Register{.registry = "d", .key = "k", .value = "a"});
  EXPECT_EQ(Do(b_, Unregister{.registry = "u", .key = "k"}).error,
            Error::kNotOwner);
  EXPECT_EQ(Do(b_, Unregister{.registry = "d", .key = "k"}).error,
            Error::kNotFound);
  EXPECT_EQ(machine_.registration_count(), 2u);
}

// A second registration of one process under one key overwrote the first.
TEST_F(RegistrationTest, SeedDuplicateOverwrites) {
  Do(a_, Register{.registry = "d", .key = "k", .value = "first"});
  Do(a_, Register{.registry = "d", .key = "k", .value = "second"});
  ASSERT_EQ(Look("d", "k").size(), 2u);
  EXPECT_EQ(Look("d", "k")[0].value, Value("first"));
  EXPECT_EQ(Look("d", "k")[1].value, Value("second"));
}

// The entries of a dead node stayed: hidden from lookup, counted by count, and
// duplicate ones never removed at all.
TEST_F(RegistrationTest, SeedDeadNodeEntries) {
  for (int i = 0; i < 5; ++i) {
    const std::string key = "k" + std::to_string(i);
    Do(a_, Register{.registry = "u", .key = key, .value = "v"});
    Do(a_, Register{.registry = "d", .key = "k", .value = "v"});
  }
  Apply(Command{.operation = ExpireSessions{.sessions = {a_}}});
  EXPECT_EQ(CountOf("u"), 0u);
  EXPECT_EQ(CountOf("d"), 0u);
  EXPECT_EQ(machine_.Read(Lookup{"u", "k0"}), NowRead(Error::kNotFound, "key"));
  EXPECT_EQ(machine_.Read(Keys{.registry = "d"}), NowRead(Error::kOk));
  EXPECT_EQ(Do(b_, Register{.registry = "u", .key = "k0", .value = "b"}),
            Now(Error::kOk, Mine(b_, "b")));
}

// Replicas asked the network who was alive while applying, and differed. Here
// every replica is told by the log, and knows nothing else.
TEST_F(RegistrationTest, SeedErpcDivergence) {
  StateMachine replica = machine_;
  const auto both = [&](const Command& command) {
    const CommandReply reply = Apply(command);
    EXPECT_EQ(replica.Apply(machine_.applied(), command), reply);
    EXPECT_EQ(replica.digest(), machine_.digest());
  };
  both({.session = a_,
        .sequence = Sequence(50),
        .operation = Register{.registry = "u", .key = "k", .value = "a"}});
  // Whatever has become of a by now: until the log says so, it holds the name.
  both({.session = b_,
        .sequence = Sequence(51),
        .operation = Register{.registry = "u", .key = "k", .value = "b"}});
  EXPECT_EQ(Look("u", "k")[0].pid.session, a_);
  both({.operation = ExpireSessions{.sessions = {a_}}});
  both({.session = b_,
        .sequence = Sequence(52),
        .operation = Register{.registry = "u", .key = "k", .value = "b"}});
  EXPECT_EQ(Look("u", "k")[0].pid.session, b_);
}

// A count was a log entry; and the whole registry was scanned for each exit.
TEST_F(RegistrationTest, SeedCountInTheLog) {
  Do(a_, Register{.registry = "u", .key = "k", .value = "v"});
  const raft::Index applied = machine_.applied();
  const StateDigest before = machine_.digest();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(CountOf("u"), 1u);
  EXPECT_EQ(machine_.applied(), applied);
  EXPECT_EQ(machine_.digest(), before);
}

}  // namespace
}  // namespace registry
