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

// All but CleanStop, which only Profile::kMembership draws.
constexpr size_t kFaultsOfAll = std::variant_size_v<Fault> - 1;

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
  EXPECT_EQ(seeds_with.size(), kFaultsOfAll);
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
  EXPECT_EQ(kinds(Profile::kAll).size(), kFaultsOfAll);
  EXPECT_EQ(kinds(Profile::kStorm).size(), kFaultsOfAll);
  EXPECT_EQ(kinds(Profile::kAll).count("CleanStop"), 0u);
  EXPECT_EQ(kinds(Profile::kMembership).size(), std::variant_size_v<Fault>);
  EXPECT_EQ(kinds(Profile::kNet).count("Crash"), 0u);
  EXPECT_EQ(kinds(Profile::kNet).count("Partition"), 1u);
  EXPECT_EQ(kinds(Profile::kDisk).count("Partition"), 0u);
  EXPECT_EQ(kinds(Profile::kDisk).count("SyncError"), 1u);
  EXPECT_EQ(kinds(Profile::kClock).count("ClockRate"), 1u);
  EXPECT_EQ(kinds(Profile::kProcess).count("ClientCrash"), 1u);
  EXPECT_EQ(kinds(Profile::kProcess).count("Weather"), 0u);
}

// In about half the seeds a minority stays faulty, and never more than that.
TEST(FaultPlanTest, AMinorityLingers) {
  int lingering = 0;
  int two = 0;
  std::set<size_t> kinds;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    const FaultPlan three = Draw(seed, 3);
    EXPECT_LE(three.lingering.size(), 1u);
    const FaultPlan five = Draw(seed, 5);
    EXPECT_LE(five.lingering.size(), 2u);
    lingering += !five.lingering.empty();
    two += five.lingering.size() == 2;
    for (const Fault& fault : five.lingering) kinds.insert(fault.index());
  }
  EXPECT_GT(lingering, 120);
  EXPECT_LT(lingering, 200);
  EXPECT_GT(two, 40);
  EXPECT_GE(kinds.size(), 7u);
}

// Which of `nodes` are reached from `from` over links that are not cut.
uint32_t ReachedFrom(uint32_t from, uint32_t nodes, uint64_t cuts) {
  uint32_t reached = uint32_t{1} << from;
  for (uint32_t round = 0; round < nodes; ++round) {
    for (uint32_t p = 0; p < nodes; ++p) {
      if ((reached >> p & 1) == 0) continue;
      for (uint32_t q = 0; q < nodes; ++q) {
        if ((cuts >> (8 * p + q) & 1) == 0) reached |= uint32_t{1} << q;
      }
    }
  }
  return reached;
}

TEST(TopologyTest, ShapesAreWhatTheirNamesSay) {
  for (uint32_t nodes = 3; nodes <= 7; ++nodes) {
    const uint32_t all = (uint32_t{1} << nodes) - 1;
    for (uint64_t seed = 0; seed < 20; ++seed) {
      const auto cuts = [&](Shape shape) {
        Draws draws(seed, Stream::kFaults, nodes);
        const uint64_t drawn = CutsOf(shape, nodes, &draws);
        EXPECT_NE(drawn, 0u);
        return drawn;
      };
      EXPECT_EQ(ReachedFrom(0, nodes, cuts(Shape::kIsolateOne)), 1u);
      EXPECT_NE(ReachedFrom(0, nodes, cuts(Shape::kHalves)), all);
      EXPECT_EQ(ReachedFrom(1, nodes, cuts(Shape::kBridge)), all);
      EXPECT_EQ(ReachedFrom(0, nodes, cuts(Shape::kRing)), all);
      EXPECT_EQ(ReachedFrom(0, nodes, cuts(Shape::kChain)), all);
      EXPECT_EQ(ReachedFrom(1, nodes, cuts(Shape::kStar)), all);
      const uint64_t one_way = cuts(Shape::kOneWayStar);
      EXPECT_NE(ReachedFrom(0, nodes, one_way) == all,
                ReachedFrom(1, nodes, one_way) == 3u);
      EXPECT_EQ(__builtin_popcountll(cuts(Shape::kTriangle)), 2);
      EXPECT_EQ(__builtin_popcountll(cuts(Shape::kOneWayTriangle)), 1);
      cuts(Shape::kRandom);
    }
  }
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
