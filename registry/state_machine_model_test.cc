// The state machine against its naive model: RapidCheck draws the commands,
// both apply them, and every answer must be the same.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <rapidcheck/state.h>

#include <algorithm>
#include <cstdint>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "registry/command_codec.h"
#include "registry/generators.h"
#include "registry/naive_model.h"
#include "registry/state_machine.h"

namespace registry {
namespace {

// The thing itself: one replica that gets bytes, one that gets values.
struct Replicas {
  StateMachine first;
  StateMachine second;
};

// ------------------------------------------------------------ random commands

std::string Pick(std::vector<std::string> from) {
  return *rc::gen::elementOf(std::move(from));
}
std::string PickRegistry() { return Pick({"u", "u", "d", "d", "missing"}); }
std::string PickKey() { return Pick({"a", "b", "c"}); }
uint64_t PickProcess() { return *rc::gen::inRange<uint64_t>(0, 2); }
Value PickValue() {
  switch (*rc::gen::inRange(0, 3)) {
    case 0:
      return Pick({"", "v", "w"});
    case 1:
      return *rc::gen::inRange<int64_t>(-2, 3);
    default:
      return *rc::gen::elementOf(std::vector<int64_t>{INT64_MIN, INT64_MAX});
  }
}
SessionId PickSession(const NaiveModel& model) {
  const size_t count = model.opened().size();
  if (count == 0) return SessionId(1);
  // The newest is most likely open.
  const size_t back = *rc::gen::inRange<size_t>(0, std::min<size_t>(count, 4));
  return model.opened()[count - 1 - back];
}

std::variant<SetValue, AddValue> PickChange() {
  if (testing::DrawBool()) return SetValue{.value = PickValue()};
  return AddValue{.amount = *rc::gen::elementOf(
                      std::vector<int64_t>{INT64_MIN, -1, 0, 1, INT64_MAX})};
}

Operation PickOperation(const NaiveModel& model) {
  const std::string registry = PickRegistry();
  const std::string key = PickKey();
  const uint64_t process = PickProcess();
  const bool any_owner = *rc::gen::inRange(0, 6) == 0;
  const int kind = *rc::gen::inRange(0, 40);
  if (kind < 15) {
    return Register{.registry = registry,
                    .key = key,
                    .value = PickValue(),
                    .process = process};
  }
  if (kind < 21) {
    return Unregister{.registry = registry,
                      .key = key,
                      .process = process,
                      .any_owner = any_owner};
  }
  if (kind < 31) {
    return UpdateValue{.registry = registry,
                       .key = key,
                       .change = PickChange(),
                       .process = process,
                       .any_owner = any_owner};
  }
  if (kind < 34) return EndProcess{.process = process};
  if (kind < 38) {
    const RegistryKind usual =
        registry == "d" ? RegistryKind::kDuplicate : RegistryKind::kUnique;
    const RegistryKind any = testing::Draw<RegistryKind>();
    return CreateRegistry{.registry = registry == "missing" ? "u" : registry,
                          .kind = *rc::gen::inRange(0, 3) == 0 ? any : usual};
  }
  EndSession end;
  if (testing::DrawBool()) end.target = PickSession(model);
  return end;
}

// An update of a key that is held, by its holder: most of those drawn blindly
// meet a key that is free or not theirs.
void PickUpdateByHolder(const NaiveModel& model, Command* command) {
  const NaiveEntry entry = *rc::gen::elementOf(model.entries());
  const Registration& held = entry.registration;
  UpdateValue update{.registry = entry.registry,
                     .key = entry.key,
                     .change = PickChange(),
                     .process = held.pid.local};
  switch (*rc::gen::inRange(0, 4)) {
    case 0:
      update.expected_modified = held.revision;  // right until the first one
      break;
    case 1:
      update.expected_modified = held.modified;
      break;
    default:
      break;
  }
  command->session = held.pid.session;
  command->operation = update;
}

uint64_t PickSequence(const NaiveModel& model, SessionId session) {
  uint64_t next = 1;
  const auto open = model.sessions().find(session.value());
  if (open != model.sessions().end() && !open->second.replies.empty()) {
    next = open->second.replies.rbegin()->first + 1;
  }
  switch (*rc::gen::inRange(0, 12)) {
    case 0:  // one that is known, forgotten or left out
      return *rc::gen::inRange<uint64_t>(1, next + 1);
    case 1:  // a gap
      return next + *rc::gen::inRange<uint64_t>(0, 4);
    case 2:  // across the window
      return next + *rc::gen::inRange<uint64_t>(1020, 1028);
    default:
      return next;
  }
}

Command PickCommand(const NaiveModel& model) {
  switch (*rc::gen::inRange(0, 24)) {
    case 0:
    case 1:
      return {.operation = OpenSession{
                  .nonce = Pick({"nonce-one", "nonce-two", "nonce-three"}),
                  .ttl = raft::Millis(*rc::gen::elementOf(
                      std::vector<int64_t>{0, 100, 10'000}))}};
    case 2: {
      ExpireSessions expire;
      expire.sessions.push_back(PickSession(model));
      expire.sessions.push_back(PickSession(model));
      return {.operation = expire};
    }
    case 3:  // anything, most of it not fit for the log
      return testing::Draw<Command>();
    default: {
      Command command;
      if (!model.entries().empty() && *rc::gen::inRange(0, 4) == 0) {
        PickUpdateByHolder(model, &command);
      } else {
        command.session = PickSession(model);
        command.operation = PickOperation(model);
      }
      const uint64_t sequence = PickSequence(model, command.session);
      command.sequence = Sequence(sequence);
      const uint64_t behind = *rc::gen::inRange<uint64_t>(0, 8);
      command.acknowledged =
          Sequence(sequence > behind ? sequence - behind : 0);
      return command;
    }
  }
}

using StateCommand = rc::state::Command<NaiveModel, Replicas>;
// Inside of a StateCommand, Command means rc's.
using LogCommand = Command;

struct ApplyOne : StateCommand {
  LogCommand command;

  ApplyOne() = default;
  explicit ApplyOne(const NaiveModel& model) : command(PickCommand(model)) {}

  void apply(NaiveModel& model) const override { model.Apply(command); }
  void run(const NaiveModel& model, Replicas& replicas) const override {
    Check(model, command, replicas);
  }
  void show(std::ostream& out) const override {
    out << raft::Describe(command);
  }

  static void Check(const NaiveModel& before, const LogCommand& command,
                    Replicas& replicas) {
    NaiveModel model = before;
    const CommandReply expected = model.Apply(command);
    StateMachine& first = replicas.first;
    RC_ASSERT(first.Apply(model.applied(), EncodeCommand(command)) == expected);
    RC_ASSERT(replicas.second.Apply(model.applied(), command) == expected);
    RC_ASSERT(first.applied() == model.applied());
    // Equal states, equal digests; and the sum kept up is the sum made anew.
    RC_ASSERT(first.digest() == replicas.second.digest());
    RC_ASSERT(first.digest() == first.RecomputeDigest());
    RC_ASSERT(first.session_count() == model.sessions().size());
    RC_ASSERT(first.registration_count() == model.entries().size());
    for (const SessionId id : model.opened()) {
      RC_ASSERT(first.HasSession(id) == model.sessions().contains(id.value()));
    }
  }
};

// The very same command again, as a client that has not seen its answer, or
// as a copy that was long on its way.
struct Resend : StateCommand {
  size_t place = 0;

  explicit Resend(const NaiveModel& model) {
    RC_PRE(!model.history().empty());
    place = *rc::gen::inRange<size_t>(0, model.history().size());
  }

  const LogCommand& Of(const NaiveModel& model) const {
    return model.history()[place];
  }
  void checkPreconditions(const NaiveModel& model) const override {
    RC_PRE(place < model.history().size());
  }
  void apply(NaiveModel& model) const override {
    const LogCommand command = Of(model);
    model.Apply(command);
  }
  void run(const NaiveModel& model, Replicas& replicas) const override {
    ApplyOne::Check(model, Of(model), replicas);
  }
  void show(std::ostream& out) const override {
    out << "resend the command of entry " << place + 1;
  }
};

struct ReadOne : StateCommand {
  ReadOperation operation;

  explicit ReadOne(const NaiveModel& model) {
    const std::string registry = PickRegistry();
    switch (*rc::gen::inRange(0, 4)) {
      case 0:
        operation = Lookup{.registry = registry, .key = PickKey()};
        break;
      case 1: {
        Count count{.registry = registry};
        if (testing::DrawBool()) count.key = PickKey();
        operation = count;
        break;
      }
      case 2: {
        Keys keys{.registry = registry};
        if (!model.entries().empty() && testing::DrawBool()) {
          const NaiveEntry entry = *rc::gen::elementOf(model.entries());
          keys.registry = entry.registry;
          keys.process = entry.registration.pid;
        } else if (testing::DrawBool()) {
          const SessionId session = PickSession(model);
          keys.process = Pid{.session = session, .local = PickProcess()};
        }
        if (testing::DrawBool()) keys.after = Pick({"", "a", "aa", "b", "c"});
        keys.limit = *rc::gen::inRange<uint32_t>(0, 5);
        operation = keys;
        break;
      }
      default:
        operation = ListRegistries();
    }
  }

  void run(const NaiveModel& model, Replicas& replicas) const override {
    const StateDigest before = replicas.first.digest();
    RC_ASSERT(replicas.first.Read(operation) == model.Read(operation));
    RC_ASSERT(replicas.second.Read(operation) == model.Read(operation));
    RC_ASSERT(replicas.first.digest() == before);
    RC_ASSERT(replicas.first.applied() == model.applied());
  }
  void show(std::ostream& out) const override {
    out << "read " << raft::Describe(operation);
  }
};

// One replica is replaced by a copy of the other, as by a snapshot. What is
// applied to one of them later must not show in the other.
struct CopyReplica : StateCommand {
  void run(const NaiveModel& model, Replicas& replicas) const override {
    const StateDigest before = replicas.first.digest();
    StateMachine scratch = replicas.first;
    for (const auto& [id, session] : model.sessions()) {
      scratch.Apply(scratch.applied() + 1,
                    LogCommand{.operation = ExpireSessions{{SessionId(id)}}});
    }
    RC_ASSERT(scratch.registration_count() == 0u);
    RC_ASSERT(scratch.digest() == scratch.RecomputeDigest());
    RC_ASSERT(replicas.first.digest() == before);
    RC_ASSERT(replicas.first.RecomputeDigest() == before);
    replicas.second = replicas.first;
  }
  void show(std::ostream& out) const override { out << "copy the replica"; }
};

// Most histories begin with something to work on.
Replicas Prepare(NaiveModel* model) {
  Replicas replicas;
  const std::vector<Command> commands = {
      {.operation = OpenSession{.nonce = "nonce-one"}},
      {.operation =
           OpenSession{.nonce = "nonce-two", .ttl = raft::Millis(500)}},
      {.session = SessionId(1),
       .sequence = Sequence(1),
       .operation = CreateRegistry{.registry = "u"}},
      {.session = SessionId(2),
       .sequence = Sequence(1),
       .operation =
           CreateRegistry{.registry = "d", .kind = RegistryKind::kDuplicate}},
  };
  for (const LogCommand& command : commands) {
    ApplyOne::Check(*model, command, replicas);
    model->Apply(command);
  }
  return replicas;
}

RC_GTEST_PROP(StateMachineModel, AnswersAsTheModel, ()) {
  // Several histories a case: a case is cheap, and rare meetings need many.
  for (int i = 0; i < 8; ++i) {
    NaiveModel model;
    Replicas replicas;
    if (i > 0) replicas = Prepare(&model);
    rc::state::check(
        model, replicas,
        rc::state::gen::execOneOfWithArgs<ApplyOne, ApplyOne, ApplyOne, Resend,
                                          ReadOne, ReadOne, CopyReplica>());
  }
}

}  // namespace
}  // namespace registry
