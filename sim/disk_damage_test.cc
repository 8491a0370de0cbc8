// Disks that lose what they had acknowledged, in a whole cluster: within the
// budget everybody else gets on, and beyond it nothing wrong is ever said.
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "sim/simulation.h"

namespace sim {
namespace {

constexpr int64_t kDamageUs = 900'000;
constexpr int64_t kHealUs = 2'000'000;
constexpr int64_t kDownUs = 100'000;

// What became of several runs that differ in where the damage hits.
class Sums {
 public:
  void Add(const SimulationResult& result) {
    for (const auto* list : {&result.faults, &result.counts}) {
      for (const auto& [name, value] : *list) sums_[name] += value;
    }
  }
  uint64_t operator[](const std::string& name) const {
    const auto found = sums_.find(name);
    if (found != sums_.end()) return found->second;
    ADD_FAILURE() << "no count " << name;
    return 0;
  }

 private:
  std::map<std::string, uint64_t> sums_;
};

Scenario ThreeNodes(uint64_t seed, std::vector<TimedFault> faults) {
  return DrawScenario({.seed = seed,
                       .seconds = 4,
                       .nodes = 3,
                       .plan = FaultPlan{std::move(faults), kHealUs, {}}});
}

// The disk is damaged, and the power of that node fails in the same moment.
std::vector<TimedFault> DamageAndPowerLoss(int64_t at_us, Victim victim,
                                           DamageKind kind, uint64_t salt) {
  return {{at_us, DamageDisk{victim, kind, salt}},
          {at_us, Crash{.victim = victim, .power = true, .down_us = kDownUs}}};
}

void ExpectNothingWrong(const SimulationResult& result,
                        const Scenario& scenario) {
  for (const Violation& violation : result.violations) {
    ADD_FAILURE() << violation.checker << ": " << violation.text << "\n"
                  << ToText(scenario.plan);
  }
}

Sums RunSalts(DamageKind kind, Victim victim, uint64_t salts) {
  Sums sums;
  for (uint64_t salt = 1; salt <= salts; ++salt) {
    const Scenario scenario =
        ThreeNodes(salt, DamageAndPowerLoss(kDamageUs, victim, kind, salt));
    const SimulationResult result = Simulate(scenario);
    ExpectNothingWrong(result, scenario);
    sums.Add(result);
  }
  return sums;
}

TEST(DiskDamageTest, ARottenCopyIsRefusedAndTheOthersGetOn) {
  const Sums sums =
      RunSalts(DamageKind::kBitRot, {Victim::kFollower}, /*salts=*/30);
  EXPECT_EQ(sums["sectors_rotted"] + sums["damage_withheld"], 30u);
  EXPECT_GT(sums["copies_refused"], 10u);
  EXPECT_EQ(sums["copies_refused"], sums["damage_plain"]);
}

// Recovery cannot tell a batch that was lost after its sync from one that was
// never synced. The node finds out when the leader counts on it, ...
TEST(DiskDamageTest, AFollowerThatLostItsLastWriteFindsOut) {
  const Sums sums =
      RunSalts(DamageKind::kLostWrite, {Victim::kFollower}, /*salts=*/40);
  EXPECT_GT(sums["boots_short"], 5u);
  EXPECT_GT(sums["copies_found_lost"], 0u);
  EXPECT_LE(sums["copies_found_lost"], sums["boots_short"]);
}
// ... or is repaired by the next leader, which counts anew.
TEST(DiskDamageTest, ALeaderThatLostItsLastWriteIsRepairedByTheNext) {
  const Sums sums =
      RunSalts(DamageKind::kLostWrite, {Victim::kLeader}, /*salts=*/40);
  EXPECT_GT(sums["boots_short"], 5u);
  EXPECT_LT(sums["copies_found_lost"], sums["boots_short"]);
}

TEST(DiskDamageTest, AMisdirectedWriteIsNoticedInItsOwnSegment) {
  const Sums sums = RunSalts(DamageKind::kMisdirectedWrite, {Victim::kFollower},
                             /*salts=*/40);
  EXPECT_GT(sums["copies_refused"], 10u);
}

// A disk rots while its node is down, and the others go on.
TEST(DiskDamageTest, DamageToANodeThatIsDownIsMetWhenItStarts) {
  Sums sums;
  for (uint64_t salt = 1; salt <= 20; ++salt) {
    const Scenario scenario = ThreeNodes(
        salt,
        {{kDamageUs, Crash{.victim = {1}, .power = true, .down_us = 400'000}},
         {kDamageUs + 200'000, DamageDisk{{1}, DamageKind::kBitRot, salt}}});
    const SimulationResult result = Simulate(scenario);
    ExpectNothingWrong(result, scenario);
    sums.Add(result);
  }
  EXPECT_GT(sums["copies_refused"], 10u);
  EXPECT_EQ(sums["damage_withheld"], 0u);
}

std::vector<TimedFault> RotEverywhere(uint64_t salt) {
  std::vector<TimedFault> faults;
  for (uint32_t node = 0; node < 3; ++node) {
    const auto more = DamageAndPowerLoss(kDamageUs + node * 300'000, {node},
                                         DamageKind::kBitRot, salt * 3 + node);
    faults.insert(faults.end(), more.begin(), more.end());
  }
  return faults;
}

TEST(DiskDamageTest, TheBudgetKeepsAMajority) {
  for (uint64_t salt = 1; salt <= 15; ++salt) {
    const Scenario scenario = ThreeNodes(salt, RotEverywhere(salt));
    const SimulationResult result = Simulate(scenario);
    ExpectNothingWrong(result, scenario);
    Sums sums;
    sums.Add(result);
    EXPECT_LE(sums["copies_refused"], 1u);
    EXPECT_EQ(sums["unrecoverable"], 0u);
  }
}

// Without its disks a cluster cannot get on, and nobody asks it to; but what it
// says until then, and what is left of it, is right.
TEST(DiskDamageTest, BeyondTheBudgetOnlySafetyIsDemanded) {
  Sums sums;
  for (uint64_t salt = 1; salt <= 15; ++salt) {
    Scenario scenario = ThreeNodes(salt, RotEverywhere(salt));
    scenario.config.beyond_minority = true;
    const SimulationResult result = Simulate(scenario);
    ExpectNothingWrong(result, scenario);
    sums.Add(result);
  }
  EXPECT_GT(sums["copies_refused"], 20u);
  EXPECT_GT(sums["unrecoverable"], 5u);
}

TEST(DiskDamageTest, AFullOrReadOnlyDiskHoldsItsNodeUpAndNobodyElse) {
  Sums sums;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    const Victim leader{Victim::kLeader};
    const Scenario scenario =
        ThreeNodes(seed, {{600'000, DiskFull{leader, 0, 500'000}},
                          {1'300'000, DiskReadOnly{leader, 400'000}}});
    const SimulationResult result = Simulate(scenario);
    ExpectNothingWrong(result, scenario);
    sums.Add(result);
  }
  EXPECT_GT(sums["operations_without_room"], 0u);
  EXPECT_GT(sums["operations_on_read_only"], 0u);
  EXPECT_GT(sums["nodes_halted"], 0u);
  EXPECT_GT(sums["boots_failed"], 0u) << "until there is room again";
}

TEST(DiskDamageTest, EveryFileOperationMayFail) {
  Sums sums;
  for (const OperationClass of :
       {OperationClass::kRead, OperationClass::kWrite, OperationClass::kSync,
        OperationClass::kOther}) {
    for (uint32_t skip = 0; skip < 12; ++skip) {
      const Victim victim{1};
      const Scenario scenario = ThreeNodes(
          skip,
          {{800'000, DiskFailure{victim, of, skip, skip % 3 == 0, kDownUs}},
           {kDamageUs, Crash{.victim = victim, .down_us = kDownUs}}});
      const SimulationResult result = Simulate(scenario);
      ExpectNothingWrong(result, scenario);
      sums.Add(result);
    }
  }
  EXPECT_GE(sums["reads_failed"], 5u);
  EXPECT_GT(sums["writes_failed"], 5u);
  EXPECT_GT(sums["syncs_failed"], 5u);
  EXPECT_GT(sums["other_operations_failed"], 5u);
  EXPECT_GT(sums["boots_failed"], 5u);
}

}  // namespace
}  // namespace sim
