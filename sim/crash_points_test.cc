// A short run of three nodes, cut at every place there is.
#include "sim/crash_points.h"

#include <set>
#include <string>
#include <tuple>

#include "gtest/gtest.h"
#include "raft/digest.h"
#include "sim/simulation.h"

namespace sim {
namespace {

constexpr uint64_t kSeed = 7;

// The places are dealt out to so many tests, which Bazel's shards share.
constexpr uint64_t kParts = 8;

uint64_t CountOf(const SimulationResult& result, std::string_view name) {
  for (const auto& [known, value] : result.faults) {
    if (known == name) return value;
  }
  ADD_FAILURE() << "no count " << name;
  return 0;
}

TEST(CrashPointsTest, NamesEveryPlaceOnce) {
  const CrashPoints points(kSeed);
  std::set<std::tuple<uint32_t, bool, uint64_t, bool>> seen;
  uint64_t in_files = 0;
  for (uint64_t i = 0; i < points.size(); ++i) {
    const CutPoint cut = points.PointAt(i);
    EXPECT_GT(cut.at, 0u);
    seen.insert({cut.node, cut.in_file_operation, cut.at, cut.power});
    in_files += cut.in_file_operation;
  }
  EXPECT_EQ(seen.size(), points.size());
  // Boots, elections, writes, reads, rolls: fewer would not hold them.
  EXPECT_GT(in_files, 400u);
  EXPECT_GT(points.size() - in_files, 1000u);
}

class CrashPointsPart : public testing::TestWithParam<uint64_t> {};

TEST_P(CrashPointsPart, EveryPlaceIsSurvived) {
  const CrashPoints points(kSeed);
  for (uint64_t i = GetParam(); i < points.size(); i += kParts) {
    const SimulationResult result = Simulate(points.At(i));
    // (A crash between effects may leave a disk job half done as well.)
    EXPECT_GE(CountOf(result, "crashes_between_effects") +
                  CountOf(result, "crashes_in_disk_jobs") +
                  CountOf(result, "crashes_in_boot"),
              1u)
        << "the run was not cut at " << raft::Describe(points.PointAt(i));
    for (const Violation& violation : result.violations) {
      ADD_FAILURE() << raft::Describe(points.PointAt(i)) << ": "
                    << ToString(violation.kind) << ", " << violation.checker
                    << ": " << violation.text
                    << "\nreproduce: ./bazelw run //tools:simulate -- "
                       "--crash_points="
                    << kSeed << " --seed=" << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, CrashPointsPart,
                         testing::Range<uint64_t>(0, kParts));

}  // namespace
}  // namespace sim
