#include "sim/fault_plan.h"

#include <algorithm>
#include <set>

#include "gtest/gtest.h"
#include "raft/digest.h"

namespace sim {
namespace {

constexpr int64_t kHealUs = 6'000'000;
constexpr int64_t kLingerUs = 2'000'000;

TEST(FaultPlanTest, IsAFunctionOfTheSeed) {
  EXPECT_EQ(DrawFaultPlan(3, 5, 4, kHealUs, kLingerUs),
            DrawFaultPlan(3, 5, 4, kHealUs, kLingerUs));
  EXPECT_NE(DrawFaultPlan(3, 5, 4, kHealUs, kLingerUs),
            DrawFaultPlan(4, 5, 4, kHealUs, kLingerUs));
}

TEST(FaultPlanTest, RisesInTimeAndEndsBeforeTheHeal) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    const FaultPlan plan = DrawFaultPlan(seed, 3, 6, kHealUs, kLingerUs);
    EXPECT_TRUE(std::is_sorted(
        plan.faults.begin(), plan.faults.end(),
        [](const auto& a, const auto& b) { return a.at_us < b.at_us; }));
    for (const TimedFault& timed : plan.faults) {
      EXPECT_GT(timed.at_us, 0);
      EXPECT_LT(timed.at_us, kHealUs);
    }
    EXPECT_EQ(plan.heal_at_us, kHealUs);
  }
}

// Swarm: every class is on in some seeds and off in others.
TEST(FaultPlanTest, EverySeedHasOtherClasses) {
  std::map<size_t, int> seeds_with;
  int empty = 0;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    std::set<size_t> kinds;
    for (const TimedFault& timed :
         DrawFaultPlan(seed, 5, 6, kHealUs, kLingerUs).faults) {
      kinds.insert(timed.fault.index());
    }
    for (const size_t kind : kinds) ++seeds_with[kind];
    empty += kinds.empty();
  }
  EXPECT_EQ(seeds_with.size(), std::variant_size_v<Fault>);
  for (const auto& [kind, seeds] : seeds_with) {
    EXPECT_GT(seeds, 20) << kind;
    EXPECT_LT(seeds, 290) << kind;
  }
  EXPECT_LT(empty, 30);
}

TEST(FaultPlanTest, TextNamesEveryFault) {
  FaultPlan plan;
  plan.heal_at_us = 900;
  plan.lingering = {Pause{{2}, 7}};
  plan.faults = {{100, Pause{{1}, 50}}, {200, Clog{0, 2, 30}}};
  EXPECT_EQ(ToText(plan),
            "100 us  Pause{victim={node=1} length_us=50}\n"
            "200 us  Clog{from=0 to=2 length_us=30}\n"
            "900 us  heal\n"
            "then  Pause{victim={node=2} length_us=7}\n");
}

}  // namespace
}  // namespace sim
