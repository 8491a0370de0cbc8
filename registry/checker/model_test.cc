#include "registry/checker/model.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "raft/digest.h"
#include "registry/state_machine.h"

namespace registry::checker {
namespace {

// Turns a number into a command or a read, from few names, so that they meet.
class Decoder {
 public:
  explicit Decoder(uint64_t choice) : choice_(choice) {}

  uint64_t Below(uint64_t n) {
    choice_ = raft::Mix(choice_);
    return choice_ % n;
  }
  std::string Registry() {
    return Below(20) == 0 ? "none" : Below(2) ? "u" : "d";
  }
  std::string Key() {
    return std::string(1, static_cast<char>('a' + Below(3)));
  }
  Value SomeValue() {
    switch (Below(4)) {
      case 0:
        return std::string("text");
      case 1:
        return INT64_MAX;
      default:
        return static_cast<int64_t>(Below(2));
    }
  }

  Operation Op(SessionId target, Revision modified) {
    const uint64_t process = Below(2);
    const bool any_owner = Below(5) == 0;
    switch (Below(24)) {
      case 0:
        return OpenSession{"nonce-" + std::to_string(Below(4) + 10), {}};
      case 1:
        return EndSession{Below(2) == 0 ? target : SessionId(0)};
      case 2:
        return ExpireSessions{{target, target, SessionId(999)}};
      case 3:
        return CreateRegistry{Registry(), Below(2) == 0
                                              ? RegistryKind::kUnique
                                              : RegistryKind::kDuplicate};
      case 4:
        return EndProcess{process};
      case 5:
      case 6:
      case 7:
      case 8:
        return Unregister{Registry(), Key(), process, any_owner};
      case 9:
      case 10:
      case 11:
      case 12:
      case 13: {
        UpdateValue update{Registry(), Key(),   SetValue{SomeValue()},
                           {},         process, any_owner};
        if (Below(2) == 0) update.change = AddValue{int64_t{1}};
        if (Below(3) == 0) update.expected_modified = modified;
        return update;
      }
      default:
        return Register{Registry(), Key(), SomeValue(), process};
    }
  }

  ReadOperation Read(SessionId session) {
    switch (Below(5)) {
      case 0:
        return ListRegistries{};
      case 1:
        return Count{Registry(), {}};
      case 2:
        return Count{Registry(), Key()};
      case 3: {
        Keys keys{Registry(), {}, {}, static_cast<uint32_t>(Below(4))};
        if (Below(2) == 0) keys.process = Pid{session, Below(2)};
        if (Below(2) == 0) keys.after = Key();
        return keys;
      }
      default:
        return Lookup{Registry(), Key()};
    }
  }

 private:
  uint64_t choice_;
};

class Pair {
 public:
  Pair() {
    Open("nonce-10");
    Open("nonce-11");
    Open("nonce-12");
    Do({sessions_[0],
        Sequence(1),
        {},
        CreateRegistry{"u", RegistryKind::kUnique}});
    Do({sessions_[0],
        Sequence(2),
        {},
        CreateRegistry{"d", RegistryKind::kDuplicate}});
  }

  void Step(uint64_t choice) {
    Decoder decoder(choice);
    const SessionId session = sessions_[decoder.Below(sessions_.size())];
    const SessionId target = sessions_[decoder.Below(sessions_.size())];
    if (decoder.Below(3) == 0) {
      Ask(decoder.Read(target));
      return;
    }
    const uint64_t back = decoder.Below(8);
    Command command;
    command.operation = decoder.Op(
        target, Revision(index_.value() > back ? index_.value() - back : 0));
    const bool outside =
        std::holds_alternative<OpenSession>(command.operation) ||
        std::holds_alternative<ExpireSessions>(command.operation);
    if (!outside) {
      // Mostly new, sometimes again, sometimes far ahead.
      const uint64_t how = decoder.Below(30);
      sequence_ += how == 0 ? 1500 : 1;
      const uint64_t n = how < 4 ? 1 + decoder.Below(sequence_) : sequence_;
      command.session = session;
      command.sequence = Sequence(n);
      command.acknowledged = Sequence(how == 5 ? decoder.Below(n + 1) : 0);
    }
    if (decoder.Below(40) == 0) command.acknowledged = Sequence(1 << 30);
    if (decoder.Below(40) == 0) command.session = SessionId(0);
    const CommandReply reply = Do(command);
    if (reply.session != SessionId(0)) sessions_.push_back(reply.session);
  }

  // What was read then must still be read at that index now.
  void AskAgain() const {
    for (const auto& [operation, reply] : asked_) {
      RC_ASSERT(model_.Read(operation, reply.revision) == reply);
    }
  }

 private:
  CommandReply Do(const Command& command) {
    ++index_;
    const CommandReply expected = machine_.Apply(index_, command);
    const CommandReply reply = model_.Apply(index_, command);
    if (reply != expected) {
      RC_FAIL(raft::Describe(command) + ": the machine says " +
              raft::Describe(expected) + ", the model " +
              raft::Describe(reply));
    }
    return reply;
  }
  void Open(const std::string& nonce) {
    sessions_.push_back(Do({{}, {}, {}, OpenSession{nonce, {}}}).session);
  }
  void Ask(const ReadOperation& operation) {
    const ReadReply expected = machine_.Read(operation);
    const ReadReply reply = model_.Read(operation, index_);
    if (reply != expected) {
      RC_FAIL(raft::Describe(operation) + ": the machine says " +
              raft::Describe(expected) + ", the model " +
              raft::Describe(reply));
    }
    asked_.emplace_back(operation, reply);
  }

  StateMachine machine_;
  Model model_;
  raft::Index index_;
  uint64_t sequence_ = 10;
  std::vector<SessionId> sessions_;
  std::vector<std::pair<ReadOperation, ReadReply>> asked_;
};

// Two machines built in two ways from one page. A difference is an error of
// one of them, or two readings of the page.
RC_GTEST_PROP(ModelTest, AgreesWithTheStateMachine,
              (const std::vector<uint64_t>& choices)) {
  Pair pair;
  for (const uint64_t choice : choices) pair.Step(choice);
  pair.AskAgain();
}

RC_GTEST_PROP(ModelTest, AgreesOverALongRun, (uint64_t seed)) {
  Pair pair;
  for (uint64_t i = 0; i < 400; ++i) pair.Step(raft::Mix(seed, i));
  pair.AskAgain();
}

TEST(ModelTest, ForgetsWhatOnlyThePastCouldSee) {
  Model model;
  uint64_t n = 0;
  const auto apply = [&](const Operation& operation) {
    ++n;
    const bool open = std::holds_alternative<OpenSession>(operation);
    return model.Apply(
        raft::Index(n),
        {SessionId(open ? 0 : 1), Sequence(open ? 0 : n), {}, operation});
  };
  apply(OpenSession{"nonce-00", {}});
  apply(CreateRegistry{"r", RegistryKind::kUnique});
  apply(Register{"r", "k", "a"});                            // 3
  apply(UpdateValue{"r", "k", SetValue{std::string("b")}});  // 4
  apply(Unregister{"r", "k"});                               // 5
  const auto value_at = [&](uint64_t at) {
    return model.Read(Lookup{"r", "k"}, raft::Index(at));
  };
  EXPECT_EQ(value_at(2).error, Error::kNotFound);
  EXPECT_EQ(value_at(3).registrations.at(0).value, Value("a"));
  model.Forget(raft::Index(4));
  EXPECT_EQ(model.forgotten(), raft::Index(4));
  EXPECT_EQ(value_at(4).registrations.at(0).value, Value("b"));
  EXPECT_EQ(value_at(5).detail, "key");
  model.Forget(raft::Index(9));
  EXPECT_EQ(value_at(9).detail, "key");
}

}  // namespace
}  // namespace registry::checker
