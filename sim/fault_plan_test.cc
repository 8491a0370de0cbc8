#include "sim/fault_plan.h"

#include <algorithm>
#include <set>

#include "gtest/gtest.h"
#include "raft/digest.h"

namespace sim {
namespace {

constexpr int64_t kHealUs = 6'000'000;
constexpr int64_t kLingerUs = 2'000'000;

FaultPlan Draw(uint64_t seed, uint32_t nodes, Profile profile = Profile::kAll) {
  return DrawFaultPlan({.seed = seed,
                        .profile = profile,
                        .nodes = nodes,
                        .clients = 6,
                        .heal_at_us = kHealUs,
                        .linger_us = kLingerUs});
}

TEST(FaultPlanTest, IsAFunctionOfTheSeed) {
  EXPECT_EQ(Draw(3, 5), Draw(3, 5));
  EXPECT_NE(Draw(3, 5), Draw(4, 5));
}

TEST(FaultPlanTest, RisesInTimeAndEndsBeforeTheHeal) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    const FaultPlan plan = Draw(seed, 3);
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
    for (const TimedFault& timed : Draw(seed, 5).faults) {
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

// A profile draws what its name says and nothing else.
TEST(FaultPlanTest, ProfilesNarrow) {
  const auto kinds = [](Profile profile) {
    std::set<std::string> names;
    for (uint64_t seed = 0; seed < 100; ++seed) {
      for (const TimedFault& timed : Draw(seed, 5, profile).faults) {
        names.insert(std::string(std::visit(
            [](const auto& fault) { return fault.kName; }, timed.fault)));
      }
    }
    return names;
  };
  EXPECT_TRUE(kinds(Profile::kHealthy).empty());
  EXPECT_EQ(kinds(Profile::kAll).size(), std::variant_size_v<Fault>);
  EXPECT_EQ(kinds(Profile::kNet).count("Crash"), 0u);
  EXPECT_EQ(kinds(Profile::kNet).count("Partition"), 1u);
  EXPECT_EQ(kinds(Profile::kDisk).count("Partition"), 0u);
  EXPECT_EQ(kinds(Profile::kDisk).count("SyncError"), 1u);
  EXPECT_EQ(kinds(Profile::kClock).count("ClockRate"), 1u);
  EXPECT_EQ(kinds(Profile::kProcess).count("ClientCrash"), 1u);
  EXPECT_EQ(kinds(Profile::kProcess).count("Weather"), 0u);
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
