// The state digest: the same for equal states whatever way led there, another
// one for every difference. (That the sum kept up equals the sum made anew is
// checked after every command of the other tests.)
#include "registry/state_digest.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "registry/generators.h"
#include "registry/state_machine_fixture.h"

namespace registry {

namespace {

using Commands = std::vector<Command>;

StateMachine After(const Commands& commands) {
  StateMachine machine;
  for (const Command& command : commands) {
    machine.Apply(machine.applied() + 1, command);
  }
  return machine;
}

Command Open(std::string nonce, int64_t ttl_ms = 0) {
  return {.operation = OpenSession{.nonce = std::move(nonce),
                                   .ttl = raft::Millis(ttl_ms)}};
}
Command Do(uint64_t session, uint64_t sequence, Operation operation,
           uint64_t acknowledged = 0) {
  return {.session = SessionId(session),
          .sequence = Sequence(sequence),
          .acknowledged = Sequence(acknowledged),
          .operation = std::move(operation)};
}

// ------------------------------------------------------- equal if and only if

// Some sessions stay and some go; those that go touch keys of their own. When
// they are gone, the state is as if only no-ops had stood in their places.
RC_GTEST_PROP(StateDigest, WhatHasGoneLeavesNoTrace, ()) {
  StateMachine with;
  StateMachine without;
  const auto both = [&](const Command& command) {
    with.Apply(with.applied() + 1, command);
    without.Apply(without.applied() + 1, command);
  };
  const auto passing = [&](const Command& command) {
    with.Apply(with.applied() + 1, command);
    without.ApplyNoop(without.applied() + 1);
  };
  both(Open("the one that stays"));
  both(Do(1, 1, CreateRegistry{.registry = "u"}));
  both(Do(1, 2,
          CreateRegistry{.registry = "d", .kind = RegistryKind::kDuplicate}));
  const uint64_t guests = *rc::gen::inRange<uint64_t>(1, 4);
  ExpireSessions expire;
  for (uint64_t i = 0; i < guests; ++i) {
    passing(Open("guest number " + std::to_string(i)));
    expire.sessions.emplace_back(with.applied().value());
  }
  const StateDigest before = without.digest();
  RC_ASSERT(with.digest() != before);

  const int steps = *rc::gen::inRange(0, 40);
  for (int i = 0; i < steps; ++i) {
    const bool stays = testing::DrawBool();
    const uint64_t guest = *rc::gen::inRange<uint64_t>(0, guests);
    const std::string key =
        (stays ? "stays-" : "goes-") + std::to_string(*rc::gen::inRange(0, 3));
    const std::string registry = testing::DrawBool() ? "u" : "d";
    Operation operation;
    switch (*rc::gen::inRange(0, 4)) {
      case 0:
        operation = Unregister{.registry = registry, .key = key};
        break;
      case 1:
        operation = UpdateValue{
            .registry = registry, .key = key, .change = AddValue{.amount = 1}};
        break;
      default:
        operation =
            Register{.registry = registry, .key = key, .value = int64_t{i}};
    }
    const uint64_t sequence = static_cast<uint64_t>(i) + 3;
    if (stays) {
      both(Do(1, sequence, operation));
    } else {
      passing(Do(expire.sessions[guest].value(), sequence, operation));
    }
  }
  passing({.operation = expire});
  RC_ASSERT(with.digest() == without.digest());
  RC_ASSERT(with.registration_count() == without.registration_count());
}

// The forgotten reply of a command that changed nothing is no state.
TEST(StateDigest, ForgottenRepliesLeaveNoTrace) {
  const Commands commands = {Open("nonce-one"), Do(1, 1, EndProcess{}),
                             Do(1, 2, EndProcess{}), Do(1, 5, EndProcess{}, 5)};
  StateMachine other;
  other.Apply(raft::Index(1), commands[0]);
  other.ApplyNoop(raft::Index(2));
  other.ApplyNoop(raft::Index(3));
  other.Apply(raft::Index(4), commands[3]);
  EXPECT_EQ(After(commands).digest(), other.digest());
}

// Each of these is another state than each other one.
TEST(StateDigest, EveryDifferenceShows) {
  const Command open = Open("nonce-one");
  const Command create = Do(1, 1, CreateRegistry{.registry = "r"});
  const Command add =
      Do(1, 2, Register{.registry = "r", .key = "k", .value = "v"});
  const auto added = [&](Register other) {
    return Commands{open, create, Do(1, 2, std::move(other))};
  };
  const auto changed = [&](std::variant<SetValue, AddValue> change) {
    return Commands{
        open, create, add,
        Do(1, 3,
           UpdateValue{
               .registry = "r", .key = "k", .change = std::move(change)})};
  };
  const std::vector<std::pair<const char*, Commands>> states = {
      {"nothing", {}},
      {"a session", {open}},
      {"of another nonce", {Open("nonce-two")}},
      {"of another ttl", {Open("nonce-one", 100)}},
      {"of another id", {Do(9, 9, EndProcess{}), open}},
      {"two sessions", {open, Open("nonce-two")}},
      {"a registry", {open, create}},
      {"of another name", {open, Do(1, 1, CreateRegistry{.registry = "s"})}},
      {"of the other kind",
       {open,
        Do(1, 1,
           CreateRegistry{.registry = "r", .kind = RegistryKind::kDuplicate})}},
      {"a higher mark", {open, Do(1, 1, CreateRegistry{.registry = "r"}, 1)}},
      {"a reply under another sequence",
       {open, Do(1, 2, CreateRegistry{.registry = "r"})}},
      {"a registration", {open, create, add}},
      {"of another key", added({.registry = "r", .key = "l", .value = "v"})},
      {"of another value", added({.registry = "r", .key = "k", .value = "w"})},
      {"of a number",
       added({.registry = "r", .key = "k", .value = int64_t{0}})},
      {"of no text", added({.registry = "r", .key = "k", .value = ""})},
      {"of another process",
       added({.registry = "r", .key = "k", .value = "v", .process = 1})},
      {"updated", changed(SetValue{"w"})},
      {"updated to the same", changed(SetValue{"v"})},
      {"not updated, and told so", changed(AddValue{.amount = 1})},
      {"later", {open, create, Do(9, 9, EndProcess{}), add}},
      {"unregistered",
       {open, create, add, Do(1, 3, Unregister{.registry = "r", .key = "k"})}},
  };
  std::map<std::pair<uint64_t, uint64_t>, std::string> seen;
  std::map<uint64_t, std::string> high, low;
  for (const auto& [name, commands] : states) {
    const StateDigest digest = After(commands).digest();
    const auto [same, fresh] =
        seen.try_emplace({digest.high, digest.low}, name);
    EXPECT_TRUE(fresh) << name << " looks like " << same->second;
    // Each half alone tells them apart, too.
    EXPECT_TRUE(high.try_emplace(digest.high, name).second) << name;
    EXPECT_TRUE(low.try_emplace(digest.low, name).second) << name;
  }
}

TEST(StateDigest, EntriesOfTwoTablesAndFieldsInTwoOrdersHashApart) {
  const auto digest = [](DigestDomain domain, auto... fields) {
    return EntryDigest(domain, fields...);
  };
  const uint64_t one = 1, two = 2;
  EXPECT_NE(digest(DigestDomain::kReply, one, two),
            digest(DigestDomain::kReply, two, one));
  EXPECT_NE(digest(DigestDomain::kReply, one, two),
            digest(DigestDomain::kLowWater, one, two));
  EXPECT_NE(digest(DigestDomain::kReply, std::string("ab"), std::string("c")),
            digest(DigestDomain::kReply, std::string("a"), std::string("bc")));
}

// FORMAT: replicas of two versions, compilers and machines compare digests.
// A change of these numbers is a change of format.
TEST(StateDigest, Golden) {
  const StateMachine machine = After(
      {Open("nonce-one", 500), Do(1, 1, CreateRegistry{.registry = "r"}),
       Do(1, 2, Register{.registry = "r", .key = "key", .value = "value"}, 2)});
  EXPECT_EQ(machine.digest(),
            (StateDigest{13755607663231968969u, 3845583194375414879u}));
}

}  // namespace
}  // namespace registry
