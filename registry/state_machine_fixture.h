// What the tests of the state machine share: entries in order, answers in
// short, and the digest checked after every command. Test only.
#ifndef REGISTRY_STATE_MACHINE_FIXTURE_H_
#define REGISTRY_STATE_MACHINE_FIXTURE_H_

#include <gtest/gtest.h>

#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "raft/digest.h"
#include "registry/command_codec.h"
#include "registry/state_machine.h"

namespace registry {

// How GoogleTest prints our values (found by argument).
inline void PrintTo(const CommandReply& reply, std::ostream* out) {
  *out << raft::Describe(reply);
}
inline void PrintTo(const ReadReply& reply, std::ostream* out) {
  *out << raft::Describe(reply);
}
inline void PrintTo(const Registration& registration, std::ostream* out) {
  *out << raft::Describe(registration);
}
inline void PrintTo(const StateDigest& digest, std::ostream* out) {
  *out << raft::Describe(digest);
}

inline constexpr RegistryKind kUnique = RegistryKind::kUnique;
inline constexpr RegistryKind kDuplicate = RegistryKind::kDuplicate;

// A reply whose revision is that of the last entry applied; so is that of a
// registration which names none. Filled in only when it is compared: in
// EXPECT_EQ(Do(...), Now(...)) the compiler may make Now(...) first.
struct Expected {
  const StateMachine* machine;
  CommandReply reply;

  CommandReply Filled() const {
    CommandReply filled = reply;
    filled.revision = machine->applied();
    if (filled.current && filled.current->revision == Revision(0)) {
      filled.current->revision = filled.current->modified = machine->applied();
    }
    return filled;
  }
  friend bool operator==(const CommandReply& actual, const Expected& expected) {
    return actual == expected.Filled();
  }
  friend void PrintTo(const Expected& expected, std::ostream* out) {
    PrintTo(expected.Filled(), out);
  }
};

class StateMachineTest : public ::testing::Test {
 protected:
  // Every command of every test also checks the digest.
  CommandReply Apply(const Command& command) {
    CommandReply reply =
        machine_.Apply(machine_.applied() + 1, EncodeCommand(command));
    EXPECT_EQ(machine_.digest(), machine_.RecomputeDigest());
    return reply;
  }
  SessionId Open(const std::string& nonce,
                 raft::Duration ttl = raft::Millis(10'000)) {
    return Apply(Command{.operation = OpenSession{.nonce = nonce, .ttl = ttl}})
        .session;
  }
  // The next command of a session, with nothing acknowledged.
  CommandReply Do(SessionId session, Operation operation) {
    return Apply({.session = session,
                  .sequence = ++sequence_,
                  .operation = std::move(operation)});
  }
  // A reply decided by the last entry.
  Expected Now(Error error, std::string detail = "") {
    return {.machine = &machine_,
            .reply = {.error = error, .detail = std::move(detail)}};
  }
  Expected Now(Error error, const Registration& current,
               std::string detail = "") {
    Expected expected = Now(error, std::move(detail));
    expected.reply.current = current;
    return expected;
  }
  Expected NowRemoved(uint64_t removed) {
    Expected expected = Now(Error::kOk);
    expected.reply.removed = removed;
    return expected;
  }
  // What the last entry registered.
  Registration Mine(SessionId session, Value value, uint64_t process = 0) {
    return {.pid = {.session = session, .local = process},
            .value = std::move(value)};
  }
  ReadReply NowRead(Error error, std::string detail = "") {
    return {.error = error,
            .detail = std::move(detail),
            .revision = machine_.applied()};
  }
  std::vector<Registration> Look(std::string registry, std::string key) {
    return machine_.Read(Lookup{std::move(registry), std::move(key)})
        .registrations;
  }
  uint64_t CountOf(std::string registry, std::optional<std::string> key = {}) {
    return machine_.Read(Count{std::move(registry), std::move(key)}).count;
  }
  std::vector<std::string> KeysOf(Pid pid, std::string registry) {
    return machine_.Read(Keys{.registry = registry, .process = pid}).keys;
  }

  StateMachine machine_;
  Sequence sequence_;
};

// Two sessions, a unique registry "u" and a duplicate one "d".
class RegistrationTest : public StateMachineTest {
 protected:
  void SetUp() override {
    a_ = Open("session-a");
    b_ = Open("session-b");
    Do(a_, CreateRegistry{.registry = "u", .kind = kUnique});
    Do(a_, CreateRegistry{.registry = "d", .kind = kDuplicate});
  }

  SessionId a_, b_;
};

}  // namespace registry

#endif  // REGISTRY_STATE_MACHINE_FIXTURE_H_
