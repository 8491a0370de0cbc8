#include "registry/checker/apply_order_checker.h"

#include <gtest/gtest.h>

#include <string>

#include "registry/command.h"

namespace registry::checker {
namespace {

constexpr SessionId kSession{1};

// A log of three: session 1, registry "r", and "k" held with the integer 5.
class ApplyOrderCheckerTest : public testing::Test {
 protected:
  void SetUp() override {
    Expect("", Apply(1, {{}, {}, {}, OpenSession{"nonce-00", {}}}));
    Expect("", Apply(2, Named(1, CreateRegistry{"r", RegistryKind::kUnique})));
    Expect("", Apply(3, Named(2, Register{"r", "k", int64_t{5}})));
  }

  static Command Named(uint64_t sequence, Operation operation) {
    return {kSession, Sequence(sequence), {}, std::move(operation)};
  }
  static Operation Add() { return UpdateValue{"r", "k", AddValue{1}}; }

  // Applies it, and remembers the right answer in reply_.
  Violation Apply(uint64_t index, const Command& command) {
    Model model = checker_.model();
    reply_ = model.Apply(raft::Index(index), command);
    return checker_.Applied(raft::Index(index), &command, &reply_);
  }
  ReadReply Right(const ReadOperation& operation, uint64_t at) const {
    return checker_.model().Read(operation, raft::Index(at));
  }
  Violation Read(const ReadOperation& operation, const ReadReply& reply) {
    checker_.Called(++calls_);
    return checker_.ReadReturned(calls_, operation, reply);
  }
  Violation Answer(const Command& command, const CommandReply& reply) {
    checker_.Called(++calls_);
    return checker_.CommandReturned(calls_, command, reply);
  }

  // `part` is in the violation; "": there is none.
  static void Expect(const std::string& part, const Violation& violation) {
    if (part.empty()) {
      EXPECT_EQ(violation, std::nullopt) << *violation;
    } else {
      ASSERT_TRUE(violation.has_value()) << "expected: " << part;
      EXPECT_NE(violation->find(part), std::string::npos) << *violation;
    }
  }

  ApplyOrderChecker checker_;
  CommandReply reply_;
  uint64_t calls_ = 100;
};

TEST_F(ApplyOrderCheckerTest, AcceptsWhatTheModelAnswers) {
  checker_.Called(1);
  Expect("", Apply(5, Named(3, Add())));
  Expect("", checker_.CommandReturned(1, Named(3, Add()), reply_));
  EXPECT_EQ(checker_.acknowledged(), raft::Index(5));
  Expect("", checker_.Applied(raft::Index(6), nullptr, nullptr));
  Expect("", Read(Lookup{"r", "k"}, Right(Lookup{"r", "k"}, 6)));
  EXPECT_EQ(checker_.acknowledged(), raft::Index(6));
  Expect("", Read(Keys{"r", {}, {}, 0}, Right(Keys{"r", {}, {}, 0}, 6)));
  Expect("", Read(Count{"r", {}}, Right(Count{"r", {}}, 6)));
  EXPECT_EQ(checker_.judged(), 4u);
}

TEST_F(ApplyOrderCheckerTest, RejectsAWrongReplyOfAReplica) {
  CommandReply wrong;
  wrong.revision = Revision(5);
  const Command add = Named(3, Add());
  Expect("the model says", checker_.Applied(raft::Index(5), &add, &wrong));
}

TEST_F(ApplyOrderCheckerTest, RejectsAnEntryAppliedTwiceOrOutOfOrder) {
  const Command add = Named(3, Add());
  Expect("was applied after", checker_.Applied(raft::Index(3), &add, &reply_));
  Expect("was applied after", checker_.Applied(raft::Index(2), &add, &reply_));
}

TEST_F(ApplyOrderCheckerTest, RejectsAWrongAnswerToTheClient) {
  checker_.Called(1);
  Expect("", Apply(5, Named(3, Add())));
  reply_.previous = int64_t{4};
  Expect("the model says",
         checker_.CommandReturned(1, Named(3, Add()), reply_));
}

TEST_F(ApplyOrderCheckerTest, RejectsAnAnswerToWhatWasNeverApplied) {
  reply_.revision = Revision(9);
  Expect("no entry of it", Answer(Named(3, Add()), reply_));
}

// A deposed leader that answers from its own memory.
TEST_F(ApplyOrderCheckerTest, RejectsAStaleRead) {
  const ReadReply old = Right(Lookup{"r", "k"}, 3);
  Expect("", Apply(4, Named(3, Add())));
  checker_.Called(1);
  Expect("", Read(Lookup{"r", "k"}, old));  // still nobody was told of 4
  Expect("", Answer(Named(3, Add()), reply_));
  Expect("", checker_.ReadReturned(1, Lookup{"r", "k"}, old));  // called before
  Expect("stale", Read(Lookup{"r", "k"}, old));
}

// The same over keys: searching each key by itself cannot see it.
TEST_F(ApplyOrderCheckerTest, RejectsAStaleCountAfterAnotherKeysWrite) {
  const ReadReply old = Right(Count{"r", {}}, 3);
  Expect("", Apply(4, Named(3, Register{"r", "other", "v"})));
  Expect("", Answer(Named(3, Register{"r", "other", "v"}), reply_));
  Expect("stale", Read(Count{"r", {}}, old));
}

TEST_F(ApplyOrderCheckerTest, RejectsAWrongReadOfTheRightAge) {
  ReadReply wrong = Right(Count{"r", {}}, 3);
  ++wrong.count;
  Expect("the model says", Read(Count{"r", {}}, wrong));
  ReadReply keys = Right(Keys{"r", {}, {}, 0}, 3);
  keys.more = true;
  Expect("the model says", Read(Keys{"r", {}, {}, 0}, keys));
}

TEST_F(ApplyOrderCheckerTest, RejectsAReadOfTheFuture) {
  ReadReply future = Right(Lookup{"r", "k"}, 3);
  future.revision = Revision(4);
  Expect("nothing beyond 3", Read(Lookup{"r", "k"}, future));
}

// An answer given again for a command called after something newer was shown.
TEST_F(ApplyOrderCheckerTest, RejectsACommandBehindItsCall) {
  Expect("", Apply(4, Named(3, Add())));
  const CommandReply third = reply_;
  Expect("", Apply(5, Named(4, Add())));
  Expect("", Answer(Named(4, Add()), reply_));
  Expect("was called after", Answer(Named(3, Add()), third));
}

TEST_F(ApplyOrderCheckerTest, ARetryIsAnsweredAsTheFirstTime) {
  checker_.Called(1);
  Expect("", Apply(4, Named(3, Add())));
  const CommandReply first = reply_;
  Expect("", Apply(5, Named(3, Add())));
  EXPECT_EQ(reply_, first);
  Expect("", checker_.CommandReturned(1, Named(3, Add()), first));
  EXPECT_EQ(checker_.acknowledged(), raft::Index(4));
}

// Applied twice is what an implementation without kept replies answers.
TEST_F(ApplyOrderCheckerTest, RejectsACommandAppliedTwice) {
  Expect("", Apply(4, Named(3, Add())));
  CommandReply twice = reply_;
  twice.previous = int64_t{6};
  twice.current->value = int64_t{7};
  twice.current->modified = twice.revision = Revision(5);
  const Command add = Named(3, Add());
  Expect("the model says", checker_.Applied(raft::Index(5), &add, &twice));
}

TEST_F(ApplyOrderCheckerTest, RejectsOneNameForTwoCommands) {
  Expect("", Apply(4, Named(3, Add())));
  Expect("the name of another", Apply(5, Named(3, Unregister{"r", "k"})));
}

TEST_F(ApplyOrderCheckerTest, RejectsNotDoneAfterItWasDone) {
  Expect("", Apply(4, Named(3, Add())));
  checker_.Called(1);
  Expect("entry 4 did it", checker_.NotDone(1, Named(3, Add())));
}

TEST_F(ApplyOrderCheckerTest, RejectsDoneAfterNotDone) {
  checker_.Called(1);
  Expect("", checker_.NotDone(1, Named(3, Add())));
  Expect("told that it is not done", Apply(4, Named(3, Add())));
}

TEST_F(ApplyOrderCheckerTest, SessionExpiredMeansNotDone) {
  Expect("", Apply(4, Named(3, Add())));
  Expect("", Apply(5, {{}, {}, {}, ExpireSessions{{kSession}}}));
  Expect("", Apply(6, Named(3, Add())));  // a late copy
  EXPECT_EQ(reply_.error, Error::kSessionExpired);
  Expect("entry 4 did it", Answer(Named(3, Add()), reply_));
  // A command that only came after the end is rightly answered so.
  Expect("", Apply(7, Named(4, Add())));
  Expect("", Answer(Named(4, Add()), reply_));
}

TEST_F(ApplyOrderCheckerTest, TheEndOfOnesOwnSessionMayFindItGone) {
  const Command end = Named(3, EndSession{});
  CommandReply gone;
  gone.error = Error::kSessionExpired;
  gone.revision = Revision(5);
  Expect("nothing ended it", Answer(end, gone));
  Expect("", Apply(4, end));
  Expect("", Apply(5, end));
  EXPECT_EQ(reply_, gone);
  Expect("", Answer(end, gone));
}

TEST_F(ApplyOrderCheckerTest, ANonceIsAnsweredWithItsOpenSession) {
  const Command open{{}, {}, {}, OpenSession{"nonce-00", {}}};
  Expect("", Apply(4, open));
  EXPECT_EQ(reply_.revision, Revision(1));
  const CommandReply answer = reply_;
  Expect("", Read(Lookup{"r", "k"}, Right(Lookup{"r", "k"}, 4)));
  Expect("", Answer(open, answer));  // older than the read, yet right
  CommandReply wrong = answer;
  wrong.session = SessionId(2);
  Expect("no entry opened", Answer(open, wrong));
  // ... but not once an answer has shown that it ended.
  Expect("", Apply(5, Named(3, EndSession{})));
  Expect("", Answer(Named(3, EndSession{}), reply_));
  Expect("had ended at 5", Answer(open, answer));
}

TEST_F(ApplyOrderCheckerTest, RefusalsBeforeTheLogAreJudgedByTheLimits) {
  const Command large = Named(3, Register{"r", std::string(1025, 'k'), "v"});
  CommandReply refused;
  refused.error = Error::kTooLarge;
  refused.detail = "key";
  Expect("", Answer(large, refused));
  Expect("no entry of it", Answer(Named(4, Add()), refused));
  ReadReply read;
  read.error = Error::kInvalid;
  read.detail = "registry";
  Expect("", Read(Lookup{"", "k"}, read));
  Expect("the model says", Read(Lookup{"r", "k"}, read));
}

TEST_F(ApplyOrderCheckerTest, NothingIsDemandedOfAnAbandonedCall) {
  checker_.Called(1);
  checker_.Abandoned(1);
  Expect("", Apply(4, Named(3, Add())));
  EXPECT_EQ(checker_.judged(), 0u);
}

}  // namespace
}  // namespace registry::checker
