// StateMachine: registries, registrations and reads, in the order of API.md.
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "registry/state_machine_fixture.h"

namespace registry {
namespace {

// ---------------------------------------------------------------- registries

TEST_F(StateMachineTest, CreateRegistryIsIdempotent) {
  const SessionId session = Open("nonce-one");
  EXPECT_EQ(Do(session, CreateRegistry{.registry = "u", .kind = kUnique}),
            Now(Error::kOk));
  const Revision created = machine_.applied();
  const CommandReply again =
      Do(session, CreateRegistry{.registry = "u", .kind = kUnique});
  EXPECT_EQ(again.error, Error::kOk);
  EXPECT_EQ(again.revision, created);
  EXPECT_EQ(Do(session, CreateRegistry{.registry = "u", .kind = kDuplicate}),
            Now(Error::kKindMismatch, "unique"));
  Do(session, CreateRegistry{.registry = "d", .kind = kDuplicate});
  EXPECT_EQ(Do(session, CreateRegistry{.registry = "d", .kind = kUnique}),
            Now(Error::kKindMismatch, "duplicate"));
}

TEST_F(StateMachineTest, RegistriesAreBounded) {
  const SessionId session = Open("nonce-one");
  for (size_t i = 0; i < kRegistriesMax; ++i) {
    machine_.Apply(machine_.applied() + 1,
                   Command{.session = session,
                           .sequence = ++sequence_,
                           .operation = CreateRegistry{
                               .registry = "r" + std::to_string(i)}});
  }
  EXPECT_EQ(machine_.Read(ListRegistries()).registries.size(), kRegistriesMax);
  EXPECT_EQ(Do(session, CreateRegistry{.registry = "one more"}),
            Now(Error::kNoSpace, "registries"));
  EXPECT_EQ(Do(session, CreateRegistry{.registry = "r5"}).error, Error::kOk);
}

TEST_F(RegistrationTest, AMissingRegistryIsNotAMissingKey) {
  for (Operation operation : std::vector<Operation>{
           Register{.registry = "x", .key = "k", .value = "v"},
           Unregister{.registry = "x", .key = "k", .any_owner = true},
           UpdateValue{.registry = "x", .key = "k"}}) {
    EXPECT_EQ(Do(a_, operation), Now(Error::kNotFound, "registry"));
  }
  const ReadReply read = NowRead(Error::kNotFound, "registry");
  EXPECT_EQ(machine_.Read(Lookup{"x", "k"}), read);
  EXPECT_EQ(machine_.Read(Count{.registry = "x"}), read);
  EXPECT_EQ(machine_.Read(Keys{.registry = "x"}), read);
  EXPECT_EQ(machine_.Read(Lookup{"u", "k"}), NowRead(Error::kNotFound, "key"));
  EXPECT_EQ(machine_.Read(Lookup{"u", ""}), NowRead(Error::kInvalid, "key"));
}

// ------------------------------------------------------------------ register

TEST_F(RegistrationTest, RegisterUnique) {
  EXPECT_EQ(Do(a_, Register{.registry = "u", .key = "k", .value = "v"}),
            Now(Error::kOk, Mine(a_, "v")));
  Registration held = Look("u", "k")[0];
  // Again, the same: nothing but the reply is new.
  EXPECT_EQ(Do(a_, Register{.registry = "u", .key = "k", .value = "v"}),
            Now(Error::kOk, held));
  // Another value: the fencing token stays.
  held.value = int64_t{5};
  held.modified = machine_.applied() + 1;
  EXPECT_EQ(Do(a_, Register{.registry = "u", .key = "k", .value = int64_t{5}}),
            Now(Error::kOk, held));
  EXPECT_EQ(Look("u", "k")[0], held);
  // Another process, of the same session or of another one.
  EXPECT_EQ(
      Do(a_, Register{.registry = "u", .key = "k", .value = "w", .process = 1}),
      Now(Error::kAlreadyRegistered, held));
  EXPECT_EQ(Do(b_, Register{.registry = "u", .key = "k", .value = "w"}),
            Now(Error::kAlreadyRegistered, held));
  EXPECT_EQ(machine_.registration_count(), 1u);
}

TEST_F(RegistrationTest, RegisterDuplicate) {
  std::vector<Registration> all;
  const auto add = [&](SessionId session, uint64_t process, Value value) {
    const CommandReply reply = Do(
        session,
        Register{
            .registry = "d", .key = "k", .value = value, .process = process});
    EXPECT_EQ(reply, Now(Error::kOk, Mine(session, value, process)));
    all.push_back(*reply.current);
  };
  add(b_, 0, "v");
  add(a_, 0, "v");
  add(a_, 0, "v");
  add(a_, 1, int64_t{7});
  add(b_, 0, "w");
  EXPECT_EQ(Look("d", "k"), all) << "in order of revision";
  EXPECT_EQ(CountOf("d", "k"), 5u);
}

TEST_F(RegistrationTest, RepeatsAreBounded) {
  for (size_t i = 0; i < kRepeatsMax; ++i) {
    machine_.Apply(machine_.applied() + 1,
                   Command{.session = a_,
                           .sequence = ++sequence_,
                           .operation = Register{
                               .registry = "d", .key = "k", .value = "v"}});
  }
  EXPECT_EQ(Do(a_, Register{.registry = "d", .key = "k", .value = "v"}),
            Now(Error::kNoSpace, "key"));
  EXPECT_EQ(
      Do(a_, Register{.registry = "d", .key = "k", .value = "v", .process = 1}),
      Now(Error::kOk, Mine(a_, "v", 1)));
  EXPECT_EQ(Do(a_, Register{.registry = "d", .key = "l", .value = "v"}),
            Now(Error::kOk, Mine(a_, "v")));
  // One key alone may overfill a page; it is not split, and not lost.
  const Pid pid{.session = a_};
  ReadReply page =
      machine_.Read(Keys{.registry = "d", .process = pid, .limit = 3});
  EXPECT_EQ(page.keys, std::vector<std::string>(kRepeatsMax, "k"));
  EXPECT_TRUE(page.more);
  page = machine_.Read(
      Keys{.registry = "d", .process = pid, .after = "k", .limit = 3});
  EXPECT_EQ(page.keys, std::vector<std::string>{"l"});
  EXPECT_FALSE(page.more);
}

// ---------------------------------------------------------------- unregister

TEST_F(RegistrationTest, UnregisterUnique) {
  const Unregister leave{.registry = "u", .key = "k"};
  EXPECT_EQ(Do(a_, leave), Now(Error::kNotFound, "key"));
  Do(a_, Register{.registry = "u", .key = "k", .value = "v"});
  const Registration held = Look("u", "k")[0];
  EXPECT_EQ(Do(b_, leave), Now(Error::kNotOwner, held));
  EXPECT_EQ(Do(a_, Unregister{.registry = "u", .key = "k", .process = 1}),
            Now(Error::kNotOwner, held));
  EXPECT_EQ(Do(a_, leave), NowRemoved(1));
  EXPECT_EQ(Do(a_, leave), Now(Error::kNotFound, "key"));

  Do(a_, Register{.registry = "u", .key = "k", .value = "v"});
  EXPECT_EQ(Do(b_, Unregister{.registry = "u", .key = "k", .any_owner = true}),
            NowRemoved(1));
  EXPECT_EQ(KeysOf({.session = a_}, "u"), std::vector<std::string>{});
  EXPECT_EQ(Do(b_, Register{.registry = "u", .key = "k", .value = "v"}),
            Now(Error::kOk, Mine(b_, "v")));
}

TEST_F(RegistrationTest, UnregisterDuplicate) {
  const auto add = [&](SessionId session, uint64_t process) {
    return *Do(session, Register{.registry = "d",
                                 .key = "k",
                                 .value = "v",
                                 .process = process})
                .current;
  };
  add(a_, 0);
  const Registration b0 = add(b_, 0);
  add(a_, 0);
  const Registration a1 = add(a_, 1);
  const Unregister leave{.registry = "d", .key = "k"};
  EXPECT_EQ(Do(a_, leave), NowRemoved(2));
  EXPECT_EQ(Look("d", "k"), (std::vector<Registration>{b0, a1}));
  EXPECT_EQ(Do(a_, leave), Now(Error::kNotFound, "key")) << "none of its own";
  EXPECT_EQ(Do(a_, Unregister{.registry = "d", .key = "k", .any_owner = true}),
            NowRemoved(2));
  EXPECT_EQ(Do(a_, Unregister{.registry = "d", .key = "k", .any_owner = true}),
            Now(Error::kNotFound, "key"));
  EXPECT_EQ(machine_.registration_count(), 0u);
}

// -------------------------------------------------------------- update value

TEST_F(RegistrationTest, UpdateValueSets) {
  Do(a_, Register{.registry = "u", .key = "k", .value = "old"});
  Registration held = Look("u", "k")[0];
  const CommandReply reply = Do(
      a_, UpdateValue{.registry = "u", .key = "k", .change = SetValue{"new"}});
  held.value = "new";
  held.modified = machine_.applied();
  Expected expected = Now(Error::kOk, held);
  expected.reply.previous = "old";
  EXPECT_EQ(reply, expected);
  EXPECT_EQ(Look("u", "k")[0], held);
  // The same value again still counts as a change.
  Do(a_, UpdateValue{.registry = "u", .key = "k", .change = SetValue{"new"}});
  EXPECT_EQ(Look("u", "k")[0].modified, machine_.applied());
}

TEST_F(RegistrationTest, UpdateValueRefuses) {
  Do(a_, Register{.registry = "u", .key = "k", .value = "v"});
  Do(a_, Register{.registry = "d", .key = "k", .value = "v"});
  const Registration held = Look("u", "k")[0];
  const SetValue set{"w"};
  EXPECT_EQ(Do(a_, UpdateValue{.registry = "d", .key = "k", .change = set}),
            Now(Error::kKindMismatch, "duplicate"));
  EXPECT_EQ(Do(a_, UpdateValue{.registry = "u", .key = "x", .change = set}),
            Now(Error::kNotFound, "key"));
  EXPECT_EQ(Do(b_, UpdateValue{.registry = "u", .key = "k", .change = set}),
            Now(Error::kNotOwner, held));
  EXPECT_EQ(
      Do(a_,
         UpdateValue{.registry = "u", .key = "k", .change = set, .process = 1}),
      Now(Error::kNotOwner, held));
  EXPECT_EQ(Do(a_, UpdateValue{.registry = "u",
                               .key = "k",
                               .change = set,
                               .expected_modified = Revision(1)}),
            Now(Error::kConflict, held, "modified"));
  EXPECT_EQ(Do(a_, UpdateValue{.registry = "u",
                               .key = "k",
                               .change = AddValue{.amount = 1}}),
            Now(Error::kInvalid, held, "value"));
  EXPECT_EQ(Look("u", "k"), std::vector<Registration>{held});
}

TEST_F(RegistrationTest, UpdateValueByAnotherOwnerKeepsTheHolder) {
  Do(a_, Register{.registry = "u", .key = "k", .value = "v"});
  const Registration held = Look("u", "k")[0];
  const CommandReply reply = Do(b_, UpdateValue{.registry = "u",
                                                .key = "k",
                                                .change = SetValue{"w"},
                                                .any_owner = true});
  EXPECT_EQ(reply.error, Error::kOk);
  EXPECT_EQ(reply.current->pid, held.pid);
  EXPECT_EQ(reply.current->revision, held.revision);
}

TEST_F(RegistrationTest, CompareAndSetHasOneWinner) {
  Do(a_, Register{.registry = "u", .key = "k", .value = "v"});
  const Revision seen = Look("u", "k")[0].modified;
  const auto swap = [&](std::string value) {
    return Do(a_, UpdateValue{.registry = "u",
                              .key = "k",
                              .change = SetValue{std::move(value)},
                              .expected_modified = seen});
  };
  EXPECT_EQ(swap("first").error, Error::kOk);
  const CommandReply loser = swap("second");
  EXPECT_EQ(loser.error, Error::kConflict);
  EXPECT_EQ(loser.current->value, Value("first"));
}

TEST_F(RegistrationTest, AddToTheEdgesOfTheIntegers) {
  struct Case {
    int64_t before, amount;
    std::optional<int64_t> after;
  };
  for (const Case& c :
       {Case{40, 2, 42}, Case{0, -1, -1}, Case{INT64_MAX, 0, INT64_MAX},
        Case{INT64_MAX, 1, std::nullopt}, Case{INT64_MIN, -1, std::nullopt},
        Case{INT64_MIN, INT64_MAX, -1}, Case{-1, INT64_MIN, std::nullopt}}) {
    Do(a_, Register{.registry = "u", .key = "n", .value = c.before});
    const Registration held = Look("u", "n")[0];
    const CommandReply reply =
        Do(a_, UpdateValue{.registry = "u",
                           .key = "n",
                           .change = AddValue{.amount = c.amount}});
    if (c.after) {
      EXPECT_EQ(reply.error, Error::kOk);
      EXPECT_EQ(reply.previous, Value(c.before));
      EXPECT_EQ(Look("u", "n")[0].value, Value(*c.after));
    } else {
      EXPECT_EQ(reply, Now(Error::kOutOfRange, held, "value"));
      EXPECT_EQ(Look("u", "n")[0], held);
    }
  }
}

// --------------------------------------------------------------- end process

TEST_F(RegistrationTest, EndProcessTakesItsOwnEverywhere) {
  for (const uint64_t process : {0, 1}) {
    Do(a_, Register{.registry = "u",
                    .key = "k" + std::to_string(process),
                    .value = "v",
                    .process = process});
    for (int i = 0; i < 2; ++i) {
      Do(a_,
         Register{
             .registry = "d", .key = "k", .value = "v", .process = process});
    }
  }
  Do(b_, Register{.registry = "d", .key = "k", .value = "v", .process = 1});
  EXPECT_EQ(Do(a_, EndProcess{.process = 1}), NowRemoved(3));
  EXPECT_EQ(Do(a_, EndProcess{.process = 1}), NowRemoved(0));
  EXPECT_EQ(Look("u", "k0").size(), 1u);
  EXPECT_EQ(machine_.Read(Lookup{"u", "k1"}).error, Error::kNotFound);
  EXPECT_EQ(CountOf("d", "k"), 3u);
}

// --------------------------------------------------------------------- reads

TEST_F(RegistrationTest, CountKeysAndList) {
  for (const char* key : {"b", "a", "\xff", "b"}) {
    Do(a_, Register{.registry = "d", .key = key, .value = "v"});
  }
  Do(b_, Register{.registry = "d", .key = "c", .value = "v"});
  EXPECT_EQ(CountOf("d"), 5u);
  EXPECT_EQ(CountOf("d", "b"), 2u);
  EXPECT_EQ(machine_.Read(Count{"d", "free"}), NowRead(Error::kOk));

  ReadReply keys = NowRead(Error::kOk);
  keys.keys = {"a", "b", "c", "\xff"};
  EXPECT_EQ(machine_.Read(Keys{.registry = "d"}), keys);
  keys.keys = {"a", "b", "b", "\xff"};
  EXPECT_EQ(machine_.Read(Keys{.registry = "d", .process = Pid{a_}}), keys);
  keys.keys = {};
  EXPECT_EQ(machine_.Read(Keys{.registry = "u", .process = Pid{a_}}), keys);
  EXPECT_EQ(machine_.Read(Keys{.registry = "d", .process = Pid{a_, 9}}), keys);
  EXPECT_EQ(machine_.Read(Keys{.registry = "d", .process = Pid{SessionId(99)}}),
            keys);

  ReadReply list = NowRead(Error::kOk);
  list.registries = {{.name = "d",
                      .kind = kDuplicate,
                      .registrations = 5,
                      .created = Revision(4)},
                     {.name = "u", .kind = kUnique, .created = Revision(3)}};
  EXPECT_EQ(machine_.Read(ListRegistries()), list);
}

TEST_F(RegistrationTest, PagesOfKeysNeverSplitRepeats) {
  for (const char* key : {"a", "b", "b", "c", "c", "c", "d"}) {
    Do(a_, Register{.registry = "d", .key = key, .value = "v"});
  }
  struct Case {
    bool own;
    const char* after;
    uint32_t limit;
    std::vector<std::string> keys;
    bool more;
  };
  const std::vector<std::string> all = {"a", "b", "b", "c", "c", "c", "d"};
  for (const Case& c : std::vector<Case>{
           {true, nullptr, 0, all, false},
           {true, nullptr, 7, all, false},
           {true, nullptr, 6, {"a", "b", "b", "c", "c", "c"}, true},
           {true, nullptr, 5, {"a", "b", "b"}, true},
           {true, nullptr, 2, {"a"}, true},
           {true, nullptr, 1, {"a"}, true},
           {true, "a", 1, {"b", "b"}, true},
           {true, "b", 2, {"c", "c", "c"}, true},
           {true, "bb", 3, {"c", "c", "c"}, true},
           {true, "c", 1, {"d"}, false},
           {true, "d", 1, {}, false},
           {true, "", 1, {"a"}, true},
           {false, nullptr, 0, {"a", "b", "c", "d"}, false},
           {false, nullptr, 4, {"a", "b", "c", "d"}, false},
           {false, nullptr, 3, {"a", "b", "c"}, true},
           {false, "b", 1, {"c"}, true},
           {false, "c", UINT32_MAX, {"d"}, false}}) {
    Keys keys{.registry = "d", .limit = c.limit};
    if (c.own) keys.process = Pid{a_};
    if (c.after != nullptr) keys.after = c.after;
    ReadReply expected = NowRead(Error::kOk);
    expected.keys = c.keys;
    expected.more = c.more;
    EXPECT_EQ(machine_.Read(keys), expected) << raft::Describe(keys);
  }
}

TEST_F(RegistrationTest, AnAnswerThatFitsNoFrameIsRefused) {
  const std::string large(kValueBytesMax, 'v');
  const size_t fit = kLookupBytesMax / (kRegistrationBytes + large.size());
  for (size_t i = 0; i < fit; ++i) {
    Do(a_, Register{.registry = "d", .key = "k", .value = large});
  }
  EXPECT_EQ(Look("d", "k").size(), fit);
  Do(a_, Register{.registry = "d", .key = "k", .value = large});
  EXPECT_EQ(machine_.Read(Lookup{"d", "k"}),
            NowRead(Error::kTooLarge, "registrations"));
  EXPECT_EQ(CountOf("d", "k"), fit + 1);
}

}  // namespace
}  // namespace registry
