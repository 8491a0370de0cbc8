#include "sim/fault_budget.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "sim/checker_test_support.h"

namespace sim {
namespace {

using raft::Index;
using raft::Term;

// The log of these terms, the first `size` entries of it.
std::vector<Mark> Log(const std::vector<uint64_t>& terms) {
  std::vector<raft::Entry> entries;
  for (const uint64_t term : terms) {
    entries.push_back(MakeEntry(entries.size() + 1, term));
  }
  return Marks(entries);
}

// Nodes with logs and terms, and a committed log.
class Disks {
 public:
  // `committed`: how many entries of the first node's log.
  Disks(std::vector<std::vector<uint64_t>> logs, std::vector<uint64_t> terms,
        size_t committed) {
    for (const auto& log : logs) logs_.push_back(Log(log));
    for (const uint64_t term : terms) terms_.emplace_back(term);
    Violations violations;
    for (size_t i = 0; i < committed; ++i) {
      committed_.OnCommitted(0, Index(i + 1), logs_[0][i], Term(9), 9, 1,
                             &violations);
    }
    EXPECT_TRUE(violations.empty());
  }
  // `count` equal nodes in term 2, all of the log committed.
  static Disks Equal(size_t count) {
    return Disks(std::vector<std::vector<uint64_t>>(count, {1, 1, 2}),
                 std::vector<uint64_t>(count, 2), 3);
  }

  Copies copies() const {
    Copies copies{.committed = &committed_};
    for (size_t i = 0; i < logs_.size(); ++i) {
      copies.nodes.push_back({terms_[i], &logs_[i]});
    }
    return copies;
  }
  DiskState State(size_t node, raft::NodeId vote = kN1) const {
    return {terms_[node], vote, logs_[node]};
  }
  // Damage to a node that recovery refuses, and that leaves it with less.
  DiskDamage Refused(size_t node) const { return {State(node), std::nullopt}; }
  DiskDamage Short(size_t node, size_t entries = 1) const {
    DiskState after = State(node);
    after.log.resize(after.log.size() - entries);
    return {State(node), after};
  }
  void SetLog(size_t node, const std::vector<uint64_t>& terms) {
    logs_[node] = Log(terms);
  }
  void SetTerm(size_t node, uint64_t term) { terms_[node] = Term(term); }

 private:
  std::vector<std::vector<Mark>> logs_;
  std::vector<Term> terms_;
  CommittedLog committed_;
};

// How many nodes may lose their disks for good, one after the other.
uint32_t LostInTurn(uint32_t voters, bool beyond_minority) {
  const Disks disks = Disks::Equal(voters);
  FaultBudget budget({voters, beyond_minority});
  uint32_t lost = 0;
  while (lost < voters &&
         budget.Allows(lost, disks.Refused(lost), disks.copies())) {
    budget.OnDamage(lost, disks.Refused(lost));
    EXPECT_TRUE(budget.OnRefused(lost));
    EXPECT_TRUE(budget.lost(lost));
    ++lost;
  }
  return lost;
}

TEST(FaultBudgetTest, AMinorityOfTheCopiesMayBeLost) {
  EXPECT_EQ(LostInTurn(1, false), 0u);
  EXPECT_EQ(LostInTurn(3, false), 1u);
  EXPECT_EQ(LostInTurn(5, false), 2u);
  EXPECT_EQ(LostInTurn(5, true), 5u);
}

TEST(FaultBudgetTest, TheLastIntactCopyOfACommittedEntryStays) {
  // n2 and n3 have not confirmed the last entry, wherever else it was counted.
  const Disks disks({{1, 1, 2}, {1, 1}, {1, 1}}, {2, 2, 2}, 3);
  FaultBudget budget({.voters = 3});
  EXPECT_FALSE(budget.Allows(0, disks.Refused(0), disks.copies()));
  EXPECT_TRUE(budget.Allows(1, disks.Refused(1), disks.copies()));
}

TEST(FaultBudgetTest, WhatIsForgottenIsOnAMajorityWithoutIt) {
  struct Row {
    std::vector<std::vector<uint64_t>> logs;  // n1 forgets its last entry
    bool allowed;
  };
  const std::vector<uint64_t> with = {1, 1, 2};
  const std::vector<uint64_t> without = {1, 1};
  const std::vector<uint64_t> other = {1, 1, 1};
  const Row rows[] = {
      {{with, with, with}, true},
      {{with, with, without}, false},
      {{with, with, other}, false},
      {{with, without, without}, false},
      {{with, with, with, with, without}, true},
      {{with, with, with, without, without}, false},
  };
  for (const Row& row : rows) {
    const size_t voters = row.logs.size();
    // Committed or not: n1 may have acknowledged it, and that will be counted.
    for (const size_t committed : {2, 3}) {
      const Disks disks(row.logs, std::vector<uint64_t>(voters, 2), committed);
      FaultBudget budget({static_cast<uint32_t>(voters), false});
      EXPECT_EQ(budget.Allows(0, disks.Short(0), disks.copies()), row.allowed);
    }
  }
}

TEST(FaultBudgetTest, TheMajorityThatHoldsItIsIntact) {
  const Disks disks = Disks::Equal(5);
  FaultBudget budget({.voters = 5});
  budget.OnDamage(4, disks.Refused(4));
  ASSERT_TRUE(budget.OnRefused(4));
  EXPECT_TRUE(budget.Allows(0, disks.Short(0), disks.copies()));
  const Disks fewer({{1, 1, 2}, {1, 1, 2}, {1, 1, 2}, {1, 1}, {1, 1, 2}},
                    {2, 2, 2, 2, 2}, 3);
  EXPECT_FALSE(budget.Allows(0, fewer.Short(0), fewer.copies()));
}

// A log that goes back to what the lost batch had replaced may even be longer.
TEST(FaultBudgetTest, WhatIsReplacedIsForgotten) {
  Disks disks({{1, 2}, {1, 2}, {1}}, {2, 2, 2}, 1);
  DiskDamage damage{disks.State(0), disks.State(0)};
  damage.after->log = Log({1, 1, 1});
  FaultBudget budget({.voters = 3});
  EXPECT_FALSE(budget.Allows(0, damage, disks.copies()));
  disks.SetLog(2, {1, 2});
  EXPECT_TRUE(budget.Allows(0, damage, disks.copies()));
}

TEST(FaultBudgetTest, AVoteMayBeForgottenOnceNobodyCanWinItsTerm) {
  struct Row {
    std::vector<uint64_t> terms;
    bool allowed;
  };
  const Row rows[] = {
      {{2, 2, 2}, false}, {{2, 3, 2}, false}, {{2, 3, 3}, true},
      {{2, 9, 3}, true},  {{4, 3, 3}, false},
  };
  for (const Row& row : rows) {
    const Disks disks({{1, 1}, {1, 1}, {1, 1}}, row.terms, 2);
    for (const bool term_too : {false, true}) {
      DiskDamage damage{disks.State(0), disks.State(0, raft::kNobody)};
      if (term_too) damage.after->term = Term(1);
      FaultBudget budget({.voters = 3});
      EXPECT_EQ(budget.Allows(0, damage, disks.copies()), row.allowed);
    }
  }
}

TEST(FaultBudgetTest, HarmlessDamageIsAlwaysAllowedAndForgotten) {
  const Disks disks({{1, 1, 2}, {1}, {1}}, {2, 2, 2}, 3);
  const DiskDamage none{disks.State(0), disks.State(0)};
  FaultBudget budget({.voters = 3});
  EXPECT_TRUE(budget.Allows(0, none, disks.copies()));
  budget.OnDamage(0, none);
  EXPECT_TRUE(budget.Intact(0, disks.copies()));
}

TEST(FaultBudgetTest, WhileACopyMayBeShortNoOtherDiskIsDamaged) {
  Disks disks = Disks::Equal(5);
  FaultBudget budget({.voters = 5, .beyond_minority = true});
  budget.OnDamage(0, disks.Short(0));
  EXPECT_FALSE(budget.Allows(1, disks.Refused(1), disks.copies())) << "may be";
  EXPECT_FALSE(budget.Allows(0, disks.Refused(0), disks.copies())) << "again";
  budget.OnBoot(0, *disks.Short(0).after, disks.Short(0).after);
  EXPECT_FALSE(budget.damaged(0));
  disks.SetLog(0, {1, 1});
  EXPECT_FALSE(budget.Allows(1, disks.Refused(1), disks.copies())) << "is";
  disks.SetLog(0, {1, 1, 2});
  EXPECT_TRUE(budget.Allows(1, disks.Refused(1), disks.copies())) << "was";
  EXPECT_TRUE(budget.Allows(0, disks.Refused(0), disks.copies()));
}

TEST(FaultBudgetTest, ALostCopyIsNotShort) {
  const Disks disks = Disks::Equal(5);
  FaultBudget budget({.voters = 5});
  budget.OnDamage(0, disks.Short(0));
  ASSERT_TRUE(budget.OnRefused(0)) << "later batches proved it";
  EXPECT_TRUE(budget.Allows(1, disks.Refused(1), disks.copies()));
}

TEST(FaultBudgetTest, AShortCopyIsRepairedByWhatWasCommittedInstead) {
  Disks disks({{1, 3}, {1, 2}, {1, 3}}, {3, 3, 3}, 2);
  FaultBudget budget({.voters = 3});
  budget.OnDamage(1, disks.Short(1));
  budget.OnBoot(1, *disks.Short(1).after, disks.Short(1).after);
  disks.SetLog(1, {1});
  EXPECT_FALSE(budget.Intact(1, disks.copies()));
  disks.SetLog(1, {1, 3});
  EXPECT_TRUE(budget.Intact(1, disks.copies()));
}

TEST(FaultBudgetTest, AForgottenVoteBindsUntilTheNodeIsBeyondItsTerm) {
  Disks disks({{1}, {1}, {1}}, {2, 3, 3}, 1);
  const DiskDamage damage{disks.State(0), DiskState{Term(1), kN1, Log({1})}};
  FaultBudget budget({.voters = 3});
  ASSERT_TRUE(budget.Allows(0, damage, disks.copies()));
  budget.OnDamage(0, damage);
  budget.OnBoot(0, *damage.after, damage.after);
  for (const uint64_t term : {1, 2, 3}) {
    disks.SetTerm(0, term);
    EXPECT_EQ(budget.Intact(0, disks.copies()), term == 3);
  }
}

TEST(FaultBudgetTest, ABootFromThePageCacheMayMendTheDiskOrNot) {
  const Disks disks = Disks::Equal(3);
  for (const bool mended : {false, true}) {
    FaultBudget budget({.voters = 3});
    budget.OnDamage(0, disks.Short(0));
    budget.OnBoot(0, disks.State(0),
                  mended ? disks.Short(0).before : disks.Short(0).after);
    EXPECT_EQ(budget.damaged(0), !mended);
    EXPECT_EQ(budget.Intact(0, disks.copies()), mended);
    EXPECT_EQ(budget.OnRefused(0), !mended);
  }
}

TEST(FaultBudgetTest, NothingExcusesANodeThatWasNotDamaged) {
  const Disks disks = Disks::Equal(3);
  FaultBudget budget({.voters = 3});
  EXPECT_FALSE(budget.OnRefused(0));
  EXPECT_FALSE(budget.OnHalted(0, disks.copies()));
  EXPECT_EQ(budget.Granted(0), nullptr);
  budget.OnDamage(0, disks.Refused(0));
  EXPECT_FALSE(budget.OnRefused(1));
  EXPECT_EQ(budget.Granted(0), nullptr) << "it may refuse, not be short";
  EXPECT_FALSE(budget.OnHalted(0, disks.copies()))
      << "it has not come up short";
}

TEST(FaultBudgetTest, AShortNodeMayFindOut) {
  Disks disks = Disks::Equal(3);
  FaultBudget budget({.voters = 3});
  budget.OnDamage(0, disks.Short(0));
  ASSERT_NE(budget.Granted(0), nullptr);
  EXPECT_EQ(*budget.Granted(0), *disks.Short(0).after);
  budget.OnBoot(0, *disks.Short(0).after, disks.Short(0).after);
  EXPECT_EQ(budget.Granted(0), nullptr);
  EXPECT_FALSE(budget.OnRefused(0)) << "the damage is gone";
  FaultBudget repaired = budget;
  EXPECT_FALSE(repaired.OnHalted(0, disks.copies())) << "it has all again";
  disks.SetLog(0, {1, 1});
  EXPECT_TRUE(budget.OnHalted(0, disks.copies()));
  EXPECT_TRUE(budget.lost(0));
}

TEST(FaultBudgetTest, RecoverableIsAMajorityWithEveryCommittedEntry) {
  const Disks disks({{1, 2}, {1, 2}, {1}}, {2, 2, 2}, 2);
  const std::vector<bool> all = {true, true, true};
  FaultBudget budget({.voters = 3, .beyond_minority = true});
  EXPECT_TRUE(budget.Recoverable({false, false, false}, disks.copies()))
      << "who is down comes back";

  budget.OnDamage(0, disks.Refused(0));
  EXPECT_TRUE(budget.Recoverable({false, true, true}, disks.copies()));
  FaultBudget other = budget;

  // n1 still serves, and n3 has what it needs from it.
  budget.OnDamage(1, disks.Refused(1));
  EXPECT_TRUE(budget.Recoverable({true, false, false}, disks.copies()));
  EXPECT_TRUE(budget.Recoverable({false, true, true}, disks.copies()));
  EXPECT_FALSE(budget.Recoverable({false, false, true}, disks.copies()))
      << "both refuse when they are started";
  ASSERT_TRUE(budget.OnRefused(0));
  ASSERT_TRUE(budget.OnRefused(1));
  EXPECT_FALSE(budget.Recoverable(all, disks.copies())) << "two are lost";

  const Disks gone({{1, 2}, {1}, {1}}, {2, 2, 2}, 2);
  ASSERT_TRUE(other.OnRefused(0));
  EXPECT_FALSE(other.Recoverable(all, gone.copies())) << "the entry is lost";
}

// What stays faulty after the heal, and the copies that are lost, are together
// a minority.
TEST(FaultBudgetTest, SparesAMinority) {
  const Disks disks = Disks::Equal(5);
  FaultBudget budget({.voters = 5});
  EXPECT_TRUE(budget.CanSpare(0b00011, disks.copies()));
  EXPECT_FALSE(budget.CanSpare(0b00111, disks.copies()));
  budget.OnDamage(1, disks.Refused(1));
  EXPECT_TRUE(budget.CanSpare(0b00011, disks.copies())) << "the same node";
  EXPECT_FALSE(budget.CanSpare(0b00101, disks.copies()));
  EXPECT_TRUE(budget.CanSpare(0b00100, disks.copies()));
}

TEST(FaultBudgetTest, AShortNodeIsNotCountedOn) {
  Disks disks = Disks::Equal(3);
  FaultBudget budget({.voters = 3, .beyond_minority = true});
  budget.OnDamage(0, disks.Short(0));
  budget.OnBoot(0, *disks.Short(0).after, disks.Short(0).after);
  disks.SetLog(0, {1, 1});
  EXPECT_TRUE(budget.Recoverable({true, true, true}, disks.copies()));
  budget.OnDamage(1, disks.Refused(1));
  EXPECT_FALSE(budget.Recoverable({true, false, true}, disks.copies()));
}

}  // namespace
}  // namespace sim
