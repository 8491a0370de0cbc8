#include "tools/simulate_sweep.h"

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "raft/check.h"

namespace tools {
namespace {

// A run that goes as its seed says; nothing is simulated.
sim::SimulationResult Pretend(const sim::SeedOptions& options) {
  static uint64_t runs = 0;
  ++runs;
  sim::SimulationResult result;
  result.digest = options.seed * 1000;
  result.events = 10;
  result.simulated_us = options.seconds * 1'000'000;
  result.operations = 200 + options.seed;
  result.leaders = options.seed % 2 + 1;
  result.faults = {{"frames_dropped", options.seed}, {"never", 0}};
  result.counts = {{"committed", 1}};
  result.probes = uint64_t{1} << 3;
  const auto fail = [&result](sim::Violation::Kind kind) {
    result.violations.push_back({kind, "rule", "two\nlines"});
  };
  switch (options.seed) {
    case 103:
      std::abort();
    case 104:
      CHECK_EQ(1 + 1, 3);
      break;
    case 105:
      fail(sim::Violation::Kind::kSafety);
      break;
    case 106:
      fail(sim::Violation::Kind::kLiveness);
      fail(sim::Violation::Kind::kLiveness);
      break;
    case 107:
      fail(sim::Violation::Kind::kLinearizability);
      break;
    case 108:
      result.digest += runs;
      break;
    case 109:
      _exit(7);
    case 110:
      while (true) std::atomic_signal_fence(std::memory_order_seq_cst);
    default:
      break;
  }
  return result;
}

SweepOptions Seeds(uint64_t first, uint64_t last, int jobs) {
  return {.first_seed = first,
          .last_seed = last,
          .jobs = jobs,
          .patience_seconds = 1,
          .simulate = Pretend};
}

TEST(SweepTest, AddsUpWhateverTheJobs) {
  const SweepResult one = Sweep(Seeds(1, 20, 1), nullptr);
  EXPECT_EQ(one.runs, 20u);
  EXPECT_EQ(one.events, 200u);
  EXPECT_EQ(one.simulated_us, 200'000'000);
  EXPECT_EQ(one.runs_hurt, 10u);
  EXPECT_EQ(one.operations_min, 201u);
  EXPECT_EQ(one.faults,
            (std::vector<sim::Count>{{"frames_dropped", 210}, {"never", 0}}));
  EXPECT_EQ(one.counts, (std::vector<sim::Count>{{"committed", 20}}));
  EXPECT_EQ(one.probes.at(3), 20u);
  EXPECT_EQ(one.probes.at(4), 0u);
  EXPECT_TRUE(one.failures.empty());
  EXPECT_EQ(ExitCode(one.failures), 0);
  for (const int jobs : {2, 7, 50}) {
    const SweepResult many = Sweep(Seeds(1, 20, jobs), nullptr);
    EXPECT_EQ(many.runs, 20u);
    EXPECT_EQ(many.digest, one.digest);
    EXPECT_EQ(many.faults, one.faults);
  }
  EXPECT_NE(Sweep(Seeds(1, 19, 1), nullptr).digest, one.digest);
}

TEST(SweepTest, GoesOnAfterAWorkerThatDied) {
  for (const int jobs : {1, 3}) {
    std::vector<uint64_t> told;
    const SweepResult result =
        Sweep(Seeds(100, 115, jobs),
              [&told](const SweepFailure& f) { told.push_back(f.seed); });
    EXPECT_EQ(result.runs, 16u);
    std::vector<std::string> failures;
    for (const SweepFailure& failure : result.failures) {
      failures.push_back(std::to_string(failure.seed) + " " + failure.kind);
    }
    EXPECT_EQ(failures,
              (std::vector<std::string>{"103 crash", "104 crash", "105 safety",
                                        "106 liveness", "107 linearizability",
                                        "109 crash", "110 crash"}));
    EXPECT_EQ(told.size(), failures.size());
    EXPECT_EQ(FailedRuns(result.failures), 7u);
    EXPECT_NE(result.failures[1].text.find("CHECK failed"), std::string::npos);
    EXPECT_EQ(result.failures[2].text, "two lines");
    EXPECT_NE(result.failures[6].text.find("longer than 1 s"),
              std::string::npos);
  }
}

TEST(SweepTest, RunsThatDiedAreNotTheShortest) {
  EXPECT_EQ(Sweep(Seeds(103, 106, 1), nullptr).operations_min, 305u);
}

TEST(SweepTest, RunsEachSeedTwiceWhenAsked) {
  SweepOptions options = Seeds(107, 108, 1);
  options.first_seed = 108;
  EXPECT_TRUE(Sweep(options, nullptr).failures.empty());
  options.check_determinism = true;
  const SweepResult result = Sweep(options, nullptr);
  ASSERT_EQ(result.failures.size(), 1u);
  EXPECT_EQ(result.failures[0].kind, "non-determinism");
}

TEST(SweepTest, TheWorstFailureNamesTheExitCode) {
  const auto code = [](std::vector<std::string> kinds) {
    std::vector<SweepFailure> failures;
    for (std::string& kind : kinds) failures.push_back({.kind = kind});
    return ExitCode(failures);
  };
  EXPECT_EQ(code({"safety"}), 10);
  EXPECT_EQ(code({"liveness"}), 11);
  EXPECT_EQ(code({"linearizability"}), 12);
  EXPECT_EQ(code({"non-determinism"}), 13);
  EXPECT_EQ(code({"crash"}), 14);
  EXPECT_EQ(code({"liveness", "crash", "safety"}), 10);
  EXPECT_EQ(code({"liveness", "crash"}), 14);
}

TEST(SweepTest, ARunThatBreaksTwoRulesFailsOnce) {
  EXPECT_EQ(FailedRuns({}), 0u);
  EXPECT_EQ(FailedRuns({{.seed = 7, .kind = "safety"},
                        {.seed = 7, .kind = "liveness"},
                        {.seed = 9, .kind = "safety"}}),
            2u);
}

TEST(SweepTest, SaysHowToRepeat) {
  EXPECT_EQ(OptionsText({.seed = 7}), "");
  const std::string options = OptionsText({.seed = 7,
                                           .seconds = 30,
                                           .profile = sim::Profile::kNet,
                                           .nodes = 5,
                                           .operations_per_second = 100,
                                           .standard = true});
  EXPECT_EQ(options,
            "--seconds=30 --profile=net --nodes=5 --operations=100 "
            "--standard");
  const std::string command = "reproduce: ./bazelw run //tools:simulate -- ";
  EXPECT_EQ(ReproduceLine(7, ""), command + "--seed=7");
  EXPECT_EQ(ReproduceLine(7, options), command + "--seed=7 " + options);
}

}  // namespace
}  // namespace tools
