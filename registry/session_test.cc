// StateMachine: sessions, exactly once, and the order of entries (API.md).
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "registry/state_machine_fixture.h"

namespace registry {
namespace {

// ------------------------------------------------------------------ sessions

TEST_F(StateMachineTest, OpenSessionOncePerNonce) {
  const CommandReply first =
      Apply(Command{.operation = OpenSession{.nonce = "nonce-one"}});
  EXPECT_EQ(first.session, SessionId(1));
  EXPECT_EQ(first.revision, Revision(1));
  const CommandReply other =
      Apply(Command{.operation = OpenSession{.nonce = "nonce-two"}});
  EXPECT_EQ(other.session, SessionId(2));
  // Another ttl does not make another session, nor does it change the first.
  const StateDigest before = machine_.digest();
  const CommandReply again =
      Apply(Command{.operation = OpenSession{.nonce = "nonce-one",
                                             .ttl = raft::Millis(500)}});
  EXPECT_EQ(again, first);
  EXPECT_EQ(machine_.digest(), before);
  EXPECT_EQ(machine_.session_count(), 2u);
}

TEST_F(StateMachineTest, ANonceOfAnEndedSessionOpensAnother) {
  const SessionId first = Open("nonce-one");
  EXPECT_EQ(Do(first, EndSession()), NowRemoved(0));
  const SessionId second = Open("nonce-one");
  EXPECT_EQ(second, SessionId(3));
  EXPECT_FALSE(machine_.HasSession(first));
  EXPECT_TRUE(machine_.HasSession(second));
}

TEST_F(StateMachineTest, UnknownSessionChangesNothing) {
  Open("nonce-one");
  const StateDigest before = machine_.digest();
  EXPECT_EQ(Do(SessionId(99), CreateRegistry{.registry = "u"}),
            Now(Error::kSessionExpired));
  EXPECT_EQ(machine_.not_executed(), NotExecuted::kSessionOver);
  EXPECT_EQ(machine_.digest(), before);
  EXPECT_EQ(machine_.Read(ListRegistries()).registries.size(), 0u);
}

TEST_F(RegistrationTest, EndSessionTakesAllItHolds) {
  Do(a_, Register{.registry = "u", .key = "k1", .value = "v"});
  Do(a_, Register{.registry = "u", .key = "k2", .value = "v", .process = 7});
  Do(a_, Register{.registry = "d", .key = "k1", .value = "v"});
  Do(a_, Register{.registry = "d", .key = "k1", .value = "v"});
  const CommandReply kept =
      Do(b_, Register{.registry = "d", .key = "k1", .value = "b"});
  EXPECT_EQ(Do(a_, EndSession()), NowRemoved(4));
  EXPECT_EQ(machine_.registration_count(), 1u);
  EXPECT_EQ(Look("d", "k1"), std::vector<Registration>{*kept.current});
  // The retry finds no session, and no reply.
  EXPECT_EQ(
      Apply({.session = a_, .sequence = sequence_, .operation = EndSession()}),
      Now(Error::kSessionExpired));
}

TEST_F(RegistrationTest, EndSessionOfAnother) {
  Do(a_, Register{.registry = "u", .key = "k", .value = "v"});
  EXPECT_EQ(Do(b_, EndSession{.target = a_}), NowRemoved(1));
  EXPECT_FALSE(machine_.HasSession(a_));
  // This reply has a session to be kept in.
  const CommandReply first = NowRemoved(1).Filled();
  EXPECT_EQ(Apply({.session = b_,
                   .sequence = sequence_,
                   .operation = EndSession{.target = a_}}),
            first);
  EXPECT_EQ(Do(b_, EndSession{.target = a_}), Now(Error::kNotFound, "session"));
  EXPECT_EQ(Do(b_, EndSession{.target = b_}), NowRemoved(0));
  EXPECT_FALSE(machine_.HasSession(b_));
}

TEST_F(RegistrationTest, ExpireSessionsSkipsWhatHasEnded) {
  Do(a_, Register{.registry = "u", .key = "k", .value = "v"});
  Do(b_, Register{.registry = "u", .key = "l", .value = "v"});
  const Command expire{.operation =
                           ExpireSessions{.sessions = {SessionId(77), a_, a_}}};
  EXPECT_EQ(Apply(expire), NowRemoved(1));
  EXPECT_FALSE(machine_.HasSession(a_));
  EXPECT_TRUE(machine_.HasSession(b_));
  const StateDigest before = machine_.digest();
  EXPECT_EQ(Apply(expire), NowRemoved(0));
  EXPECT_EQ(machine_.digest(), before);
}

TEST_F(StateMachineTest, SessionChangesAreToldOnce) {
  const SessionId leased = Open("nonce-one", raft::Millis(300));
  const SessionId permanent = Open("nonce-two", raft::Duration(0));
  Open("nonce-one");  // no change
  EXPECT_EQ(machine_.TakeSessionChanges(),
            (std::vector<SessionChange>{
                {.session = leased, .ttl = raft::Millis(300), .opened = true},
                {.session = permanent, .opened = true}}));
  EXPECT_TRUE(machine_.TakeSessionChanges().empty());

  std::vector<SessionId> found;
  machine_.ForEachLeasedSession([&](SessionId id, raft::Duration ttl) {
    EXPECT_EQ(ttl, raft::Millis(300));
    found.push_back(id);
  });
  EXPECT_EQ(found, std::vector<SessionId>{leased});

  Apply(Command{.operation = ExpireSessions{.sessions = {leased}}});
  Do(permanent, EndSession());
  EXPECT_EQ(
      machine_.TakeSessionChanges(),
      (std::vector<SessionChange>{{.session = leased, .ttl = raft::Millis(300)},
                                  {.session = permanent}}));
}

// -------------------------------------------------------------- exactly once

TEST_F(RegistrationTest, ARetryGetsTheFirstAnswer) {
  Do(a_, Register{.registry = "u", .key = "n", .value = int64_t{0}});
  const Command add{
      .session = a_,
      .sequence = ++sequence_,
      .operation = UpdateValue{
          .registry = "u", .key = "n", .change = AddValue{.amount = 1}}};
  const CommandReply first = Apply(add);
  EXPECT_EQ(first.error, Error::kOk);
  Do(b_, Register{.registry = "u", .key = "other", .value = "v"});
  EXPECT_EQ(Apply(add), first);
  EXPECT_EQ(Look("u", "n")[0].value, Value(int64_t{1}));
  // The number decides, not what the retry says.
  EXPECT_EQ(Apply({.session = a_,
                   .sequence = add.sequence,
                   .operation = Unregister{.registry = "u", .key = "n"}}),
            first);
}

TEST_F(RegistrationTest, ErrorsAreKeptToo) {
  const Command early{.session = a_,
                      .sequence = ++sequence_,
                      .operation = Unregister{.registry = "u", .key = "k"}};
  const CommandReply first = Apply(early);
  EXPECT_EQ(first, Now(Error::kNotFound, "key"));
  Do(a_, Register{.registry = "u", .key = "k", .value = "v"});
  EXPECT_EQ(Apply(early), first);
  EXPECT_EQ(Look("u", "k").size(), 1u);
}

TEST_F(RegistrationTest, RefusalsBeforeTheSessionAreNotKept) {
  Command command{.session = a_,
                  .sequence = ++sequence_,
                  .operation = Register{.registry = "u", .value = "v"}};
  EXPECT_EQ(Apply(command), Now(Error::kInvalid, "key"));
  std::get<Register>(command.operation).key = "k";
  EXPECT_EQ(Apply(command), Now(Error::kOk, Mine(a_, "v")));
}

TEST_F(StateMachineTest, LowWaterRisesAndNeverFalls) {
  const SessionId session = Open("nonce-one");
  const auto end_process = [&](uint64_t sequence, uint64_t acknowledged) {
    return Apply({.session = session,
                  .sequence = Sequence(sequence),
                  .acknowledged = Sequence(acknowledged),
                  .operation = EndProcess()});
  };
  const CommandReply third = end_process(3, 0);
  const CommandReply fifth = end_process(5, 3);
  EXPECT_EQ(machine_.not_executed(), NotExecuted::kNo);
  EXPECT_EQ(end_process(3, 0), third) << "at the mark, still kept";
  EXPECT_EQ(machine_.not_executed(), NotExecuted::kRepeated);
  EXPECT_EQ(end_process(2, 0), Now(Error::kCompacted))
      << "below, although never applied";
  EXPECT_EQ(machine_.not_executed(), NotExecuted::kCompacted);
  const StateDigest before = machine_.digest();
  EXPECT_EQ(end_process(2, 2), Now(Error::kCompacted));
  EXPECT_EQ(machine_.digest(), before);
  EXPECT_EQ(end_process(4, 0), NowRemoved(0)) << "a gap may still be filled";
  EXPECT_EQ(end_process(5, 5), fifth) << "a retry may acknowledge more";
  EXPECT_EQ(end_process(4, 0), Now(Error::kCompacted));
}

TEST_F(StateMachineTest, TheWindowForgetsTheOldest) {
  const SessionId session = Open("nonce-one");
  const auto end_process = [&](uint64_t sequence) {
    return Apply({.session = session,
                  .sequence = Sequence(sequence),
                  .operation = EndProcess()});
  };
  const CommandReply first = end_process(1);
  const CommandReply second = end_process(2);
  end_process(kReplyWindow);
  EXPECT_EQ(end_process(1), first);
  end_process(kReplyWindow + 1);
  EXPECT_EQ(end_process(1), Now(Error::kCompacted));
  EXPECT_EQ(end_process(2), second);
  end_process(UINT64_MAX);
  EXPECT_EQ(end_process(kReplyWindow + 1), Now(Error::kCompacted));
  EXPECT_EQ(end_process(UINT64_MAX - kReplyWindow), Now(Error::kCompacted));
  EXPECT_EQ(end_process(UINT64_MAX - kReplyWindow + 1), NowRemoved(0));
}

// ------------------------------------------------------------ entries in order

using StateMachineDeathTest = StateMachineTest;

// A second application is a double write, a gap a lost one (faults.md M38 is
// the schedule); neither can be allowed to pass.
TEST_F(StateMachineDeathTest, EveryEntryOnceAndInOrder) {
  machine_.ApplyNoop(raft::Index(1));
  machine_.ApplyNoop(raft::Index(2));
  EXPECT_EQ(machine_.applied(), raft::Index(2));
  EXPECT_DEATH(machine_.ApplyNoop(raft::Index(2)), "applied_ \\+ 1");
  EXPECT_DEATH(machine_.ApplyNoop(raft::Index(4)), "applied_ \\+ 1");
  EXPECT_DEATH(machine_.Apply(raft::Index(2), Command()), "applied_ \\+ 1");
  EXPECT_DEATH(machine_.Apply(raft::Index(2), "garbage"), "applied_ \\+ 1");
}

}  // namespace
}  // namespace registry
