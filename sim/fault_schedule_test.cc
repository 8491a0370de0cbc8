// Property tests of whole worlds: any schedule of faults, under any workload
// and configuration, is survived, one property for each subsystem that faults
// befall. A failure prints a scenario, shrunk by RapidCheck; written to a file,
// `simulate --scenario=FILE --shrink` goes on from there.
//
// Seeds are fixed. To roam:
//   ./bazelw test //sim:fault_schedule_test --test_env=RC_PARAMS="seed=7
//   max_success=2000"
#include <cstdio>
#include <string>

#include "gtest/gtest.h"
#include "raft/check.h"
#include "sim/scenario_gen.h"
#include "sim/scenario_text.h"
#include "sim/shrink.h"
#include "sim/simulation.h"
// After gtest.h, which it needs.
#include "rapidcheck/gtest.h"

namespace sim {
namespace {

// The scenario that runs: after a CHECK there is no shrinking here.
const Scenario* running = nullptr;

void PrintRunning(const char*) {
  std::fprintf(stderr, "in the scenario\n%s", ToText(*running).c_str());
}

SimulationResult RunHere(const Scenario& scenario) {
  running = &scenario;
  raft::SetCheckFailureHook(PrintRunning);
  SimulationResult result = Simulate(scenario);
  raft::SetCheckFailureHook(nullptr);
  return result;
}

std::string First(const SimulationResult& result) {
  if (result.violations.empty()) return "";
  return result.violations[0].checker + ": " + result.violations[0].text;
}

void Survives(Profile profile) {
  const Scenario scenario = *AnyScenario(profile).as("scenario");
  RC_ASSERT(First(RunHere(scenario)) == "");
}

RC_GTEST_PROP(FaultScheduleTest, AnyIsSurvived, ()) { Survives(Profile::kAll); }
RC_GTEST_PROP(FaultScheduleTest, OfTheNetworkIsSurvived, ()) {
  Survives(Profile::kNet);
}
RC_GTEST_PROP(FaultScheduleTest, OfDisksIsSurvived, ()) {
  Survives(Profile::kDisk);
}
RC_GTEST_PROP(FaultScheduleTest, OfClocksIsSurvived, ()) {
  Survives(Profile::kClock);
}
RC_GTEST_PROP(FaultScheduleTest, OfProcessesIsSurvived, ()) {
  Survives(Profile::kProcess);
}
RC_GTEST_PROP(FaultScheduleTest, OfNothingIsSurvived, ()) {
  Survives(Profile::kHealthy);
}

// Draws are keyed by what they are for, so taking a fault out leaves the rest
// of the run as it was, and a failure survives most steps of shrinking: those
// of RapidCheck and then our own. One loss of power finds a disk out.
TEST(ShrinkingTest, LyingDisksTakeOneLossOfPower) {
  Scenario smallest;
  size_t first_size = 0;
  const auto result = rc::detail::checkTestable([&] {
    Scenario scenario = *AnyScenario(Profile::kAll);
    scenario.config.lying_disks = true;
    RC_PRE(scenario.plan.faults.size() >= 1u);
    if (First(RunHere(scenario)) == "") return;
    if (first_size == 0) first_size = scenario.plan.faults.size();
    smallest = scenario;
    RC_FAIL("an acknowledged write was lost");
  });
  rc::detail::FailureResult failure;
  ASSERT_TRUE(result.match(failure)) << "lying disks were not noticed";
  EXPECT_LE(smallest.plan.faults.size(), 2u)
      << "from " << first_size << " faults:\n"
      << ToText(smallest);
  const Shrunk shrunk = Shrink(smallest, [](const Scenario& scenario) {
    return OutcomeOf(RunHere(scenario));
  });
  EXPECT_LE(shrunk.scenario.plan.faults.size(), 1u) << ToText(shrunk.scenario);
}

}  // namespace
}  // namespace sim
