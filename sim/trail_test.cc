#include "sim/trail.h"

#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "sim/simulation.h"

namespace sim {
namespace {

using Digests = std::vector<std::pair<uint64_t, uint64_t>>;

TEST(TrailTest, TellsOfWhatIsAskedFor) {
  Digests digests;
  std::vector<Step> steps;
  TrailObserver observer{
      .every = 2,
      .on_digest =
          [&](uint64_t step, uint64_t digest) {
            digests.push_back({step, digest});
          },
      .on_step = [&](const Step& step) { steps.push_back(step); },
      .first = 2,
      .last = 4,
      .last_us = 30};
  Trail trail(observer);
  for (uint64_t i = 1; i <= 5; ++i) {
    trail.OnStep(Instant(static_cast<int64_t>(i) * 10), 1, std::string("in"),
                 std::vector<uint64_t>{i, i + 1}, [] { return "idle"; });
  }
  EXPECT_EQ(trail.steps(), 5u);
  ASSERT_EQ(digests.size(), 2u);
  EXPECT_EQ(digests[0].first, 2u);
  EXPECT_EQ(digests[1].first, 4u);
  // Step 4 is inside by its number and too late by its time.
  ASSERT_EQ(steps.size(), 2u);
  EXPECT_EQ(steps[0].number, 2u);
  EXPECT_EQ(steps[0].digest, digests[0].second);
  EXPECT_EQ(steps[1].at, Instant(30));
  EXPECT_EQ(steps[1].process, 1u);
  EXPECT_EQ(steps[1].event, "\"in\"");
  EXPECT_EQ(steps[1].effects, (std::vector<std::string>{"3", "4"}));
  EXPECT_EQ(steps[1].state, "idle");
}

TEST(TrailTest, EveryPartOfAStepCounts) {
  const TrailObserver nobody;
  const auto digest = [&nobody](int64_t at, Process process, uint64_t event,
                                std::vector<uint64_t> effects) {
    Trail trail(nobody);
    trail.OnStep(Instant(at), process, event, effects, [] { return ""; });
    return trail.digest();
  };
  const uint64_t one = digest(1, 2, 3, {4});
  EXPECT_EQ(digest(1, 2, 3, {4}), one);
  EXPECT_NE(digest(2, 2, 3, {4}), one);
  EXPECT_NE(digest(1, 3, 3, {4}), one);
  EXPECT_NE(digest(1, 2, 4, {4}), one);
  EXPECT_NE(digest(1, 2, 3, {5}), one);
  EXPECT_NE(digest(1, 2, 3, {}), one);
}

TEST(TrailTest, OfAWholeRun) {
  const Scenario scenario = DrawScenario({.seed = 1003, .seconds = 2});
  Digests digests;
  std::vector<Step> steps;
  Observers observers;
  observers.trail = {
      .every = 64,
      .on_digest =
          [&](uint64_t step, uint64_t digest) {
            digests.push_back({step, digest});
          },
      .on_step = [&](const Step& step) { steps.push_back(step); }};
  const SimulationResult watched = Simulate(scenario, observers);
  EXPECT_EQ(watched.digest, Simulate(scenario).digest);
  ASSERT_EQ(steps.size(), watched.steps);
  EXPECT_EQ(digests.size(), watched.steps / 64);
  for (const auto& [step, digest] : digests) {
    EXPECT_EQ(steps.at(step - 1).number, step);
    EXPECT_EQ(steps.at(step - 1).digest, digest);
  }
  // What closes the run is a digest of everything's state, disks included.
  EXPECT_EQ(steps.back().process, Step::kWorld);
  EXPECT_EQ(steps.back().digest, watched.digest);
  EXPECT_NE(steps.back().event.find("NodeDigest{"), std::string::npos);
}

}  // namespace
}  // namespace sim
