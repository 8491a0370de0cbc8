// Each rule is shown a state that it must accept and one that it must refuse.
#include "sim/cluster_checker.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "registry/command_codec.h"

namespace sim {
namespace {

using raft::Entry;
using raft::EntryKind;
using raft::Index;
using raft::NodeId;
using raft::Persist;
using raft::PersistToken;
using raft::Term;
using registry::Command;
using registry::CommandReply;
using registry::Error;
using registry::Sequence;
using registry::SessionId;

constexpr NodeId kN1{1, 1};
constexpr NodeId kN2{2, 1};

// The name of the one rule that was broken; "" for none.
std::string Broken(const Violations& violations) {
  if (violations.empty()) return "";
  EXPECT_EQ(violations.list().size(), 1u);
  EXPECT_EQ(violations.list()[0].kind, Violation::Kind::kSafety);
  EXPECT_FALSE(violations.list()[0].text.empty());
  return violations.list()[0].checker;
}

Entry MakeEntry(uint64_t index, uint64_t term, std::string payload = "x") {
  return {.index = Index(index),
          .term = Term(term),
          .kind = EntryKind::kCommand,
          .payload = raft::Bytes(std::move(payload))};
}
std::vector<Mark> Marks(const std::vector<Entry>& entries) {
  std::vector<Mark> marks;
  uint64_t chain = 0;
  for (const Entry& entry : entries) {
    marks.push_back(NextMark(chain, entry));
    chain = marks.back().chain;
  }
  return marks;
}

TEST(ElectionSafetyTest, OneLeaderATerm) {
  Violations violations;
  ElectionSafety safety;
  safety.OnLeader(0, 1, Term(1), &violations);
  safety.OnLeader(1, 1, Term(2), &violations);
  safety.OnLeader(0, 1, Term(1), &violations);
  EXPECT_EQ(Broken(violations), "");
  safety.OnLeader(2, 1, Term(2), &violations);
  EXPECT_EQ(Broken(violations), "election_safety");
}

TEST(ElectionSafetyTest, AnotherLifeIsAnotherLeader) {
  Violations violations;
  ElectionSafety safety;
  safety.OnLeader(0, 1, Term(1), &violations);
  safety.OnLeader(0, 2, Term(1), &violations);
  EXPECT_EQ(Broken(violations), "election_safety");
}

TEST(VoteOnceTest, OneCandidateATerm) {
  Violations violations;
  VoteOnce votes;
  votes.OnVote(0, Term(3), kN1, &violations);
  votes.OnVote(0, Term(3), kN1, &violations);  // asked again
  votes.OnVote(1, Term(3), kN2, &violations);
  votes.OnVote(0, Term(4), kN2, &violations);
  EXPECT_EQ(Broken(violations), "");
  votes.OnVote(0, Term(3), kN2, &violations);
  EXPECT_EQ(Broken(violations), "vote_once");
}

TEST(LogMatchingTest, EqualTermsAreEqualHistories) {
  Violations violations;
  LogMatching matching;
  const auto a = Marks({MakeEntry(1, 1), MakeEntry(2, 1, "a")});
  const auto b = Marks({MakeEntry(1, 1), MakeEntry(2, 2, "b")});
  matching.OnEntry(0, Index(2), a[1], &violations);
  matching.OnEntry(1, Index(2), a[1], &violations);
  matching.OnEntry(2, Index(2), b[1], &violations);  // of another term
  EXPECT_EQ(Broken(violations), "");
  const auto c = Marks({MakeEntry(1, 1), MakeEntry(2, 1, "c")});
  matching.OnEntry(2, Index(2), c[1], &violations);
  EXPECT_EQ(Broken(violations), "log_matching");
}

// The same entry behind another history is another log.
TEST(LogMatchingTest, LooksAtAllThatIsBefore) {
  Violations violations;
  LogMatching matching;
  const auto a = Marks({MakeEntry(1, 1, "a"), MakeEntry(2, 2)});
  const auto b = Marks({MakeEntry(1, 1, "b"), MakeEntry(2, 2)});
  matching.OnEntry(0, Index(2), a[1], &violations);
  matching.OnEntry(1, Index(2), b[1], &violations);
  EXPECT_EQ(Broken(violations), "log_matching");
}

Persist MakePersist(uint64_t token, uint64_t term, NodeId vote,
                    std::vector<Entry> entries = {}, uint64_t truncate = 0) {
  return {.token = PersistToken(token),
          .term = Term(term),
          .vote = vote,
          .truncate_from = Index(truncate),
          .entries = std::move(entries)};
}

class DurableLogTest : public testing::Test {
 protected:
  // Two persists, of which the first is confirmed.
  DurableLogTest() {
    EXPECT_EQ(log.OnPersist(MakePersist(1, 1, kN1, {one, two})), "");
    EXPECT_EQ(log.OnPersist(MakePersist(2, 2, kN2, {other}, 2)), "");
    EXPECT_EQ(log.OnPersistDone(PersistToken(1)), "");
  }
  const Entry one = MakeEntry(1, 1);
  const Entry two = MakeEntry(2, 1);
  const Entry other = MakeEntry(2, 2, "other");
  DurableLog log;
};

TEST_F(DurableLogTest, FollowsWhatWasAskedAndWhatWasConfirmed) {
  EXPECT_EQ(log.asked(), Marks({one, other}));
  EXPECT_EQ(log.durable(), Marks({one, two}));
  EXPECT_EQ(log.durable_term(), Term(1));
  EXPECT_EQ(log.OnPersistDone(PersistToken(2)), "");
  EXPECT_EQ(log.durable(), Marks({one, other}));
  EXPECT_NE(log.OnPersistDone(PersistToken(3)), "");
  EXPECT_NE(log.OnPersist(MakePersist(3, 2, kN2, {MakeEntry(9, 2)})), "");
}

TEST_F(DurableLogTest, AcceptsWhatWasConfirmed) {
  EXPECT_EQ(log.OnBoot(Term(1), kN1, Marks({one, two})), "");
  EXPECT_EQ(log.asked(), log.durable());
}
TEST_F(DurableLogTest, AcceptsWhatWasAskedForBesides) {
  EXPECT_EQ(log.OnBoot(Term(2), kN2, Marks({one, other})), "");
}
TEST_F(DurableLogTest, RefusesLessThanWasConfirmed) {
  EXPECT_NE(log.OnBoot(Term(1), kN1, Marks({one})), "");
}
TEST_F(DurableLogTest, RefusesAnotherVote) {
  EXPECT_NE(log.OnBoot(Term(1), kN2, Marks({one, two})), "");
}
TEST_F(DurableLogTest, RefusesAVoteThatWasForgotten) {
  EXPECT_NE(log.OnBoot(Term(1), raft::kNobody, Marks({one, two})), "");
}
TEST_F(DurableLogTest, RefusesHalfOfAPersist) {
  EXPECT_NE(log.OnBoot(Term(2), kN2, Marks({one, two})), "");
  // ... and what nobody wrote.
  EXPECT_NE(log.OnBoot(Term(3), kN2, {}), "");
}

class CommittedLogTest : public testing::Test {
 protected:
  CommittedLogTest() {
    log.OnCommitted(0, Index(1), marks[0], Term(1), 2, 2, &violations);
    log.OnCommitted(0, Index(2), marks[1], Term(2), 3, 2, &violations);
    EXPECT_EQ(Broken(violations), "");
  }
  void Lead(uint64_t term, const std::vector<Mark>& has) {
    log.OnLeader(
        1, Term(term),
        [&](Index index) -> std::optional<Mark> {
          if (index > Index(has.size())) return std::nullopt;
          return has[index.value() - 1];
        },
        &violations);
  }
  const std::vector<Mark> marks = Marks({MakeEntry(1, 1), MakeEntry(2, 2)});
  const std::vector<Mark> others =
      Marks({MakeEntry(1, 1), MakeEntry(2, 1, "other")});
  Violations violations;
  CommittedLog log;
};

TEST_F(CommittedLogTest, TheSameEntryForEverybody) {
  log.OnCommitted(1, Index(2), marks[1], Term(2), 2, 2, &violations);
  EXPECT_EQ(Broken(violations), "");
  log.OnCommitted(2, Index(2), others[1], Term(3), 2, 2, &violations);
  EXPECT_EQ(Broken(violations), "state_machine_safety");
}

TEST_F(CommittedLogTest, NothingIsCommittedBeforeAMajorityHasItOnDisk) {
  const Mark third = NextMark(marks[1].chain, MakeEntry(3, 2));
  log.OnCommitted(0, Index(3), third, Term(2), 1, 2, &violations);
  EXPECT_EQ(Broken(violations), "committed_is_durable");
}

TEST_F(CommittedLogTest, ALaterLeaderHasIt) {
  Lead(3, marks);
  Lead(2, {marks[0]});  // index 2 was not committed before term 2
  EXPECT_EQ(Broken(violations), "");
  Lead(3, {marks[0]});
  EXPECT_EQ(Broken(violations), "leader_completeness");
}

TEST_F(CommittedLogTest, ALaterLeaderHasTheSame) {
  Lead(3, others);
  EXPECT_EQ(Broken(violations), "leader_completeness");
}

TEST_F(CommittedLogTest, WhoHasItKeepsIt) {
  log.OnDropped(1, Index(2), others[1], &violations);
  log.OnDropped(1, Index(3), marks[1], &violations);
  EXPECT_EQ(Broken(violations), "");
  log.OnDropped(1, Index(2), marks[1], &violations);
  EXPECT_EQ(Broken(violations), "committed_never_dropped");
}

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

TEST(ViolationsTest, KeepsTheFirst) {
  Violations violations;
  for (int i = 0; i < 100; ++i) {
    violations.Add(Violation::Kind::kLiveness, "rule", std::to_string(i));
  }
  EXPECT_EQ(violations.list().size(), Violations::kKept);
  EXPECT_EQ(violations.list()[0].text, "0");
}

}  // namespace
}  // namespace sim
