// Fault schedules made by RapidCheck: any list of typed faults is survived; and
// one that is not (the disks lie) shrinks to the few faults that matter.
#include <ostream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "raft/digest.h"
#include "sim/fault_plan.h"
#include "sim/simulation.h"
// After gtest.h, which it needs.
#include "rapidcheck.h"
#include "rapidcheck/gtest.h"

namespace sim {

void showValue(const TimedFault& timed, std::ostream& os) {
  os << timed.at_us << " us  " << raft::Describe(timed.fault);
}

namespace {

constexpr uint32_t kNodes = 3;
constexpr uint32_t kClients = 4;  // every seed has so many at least
constexpr int64_t kHealUs = 2'000'000;
constexpr int64_t kSeconds = 4;

rc::Gen<int64_t> Micros(int64_t max) {
  return rc::gen::inRange<int64_t>(1, max);
}
rc::Gen<int64_t> Length() { return Micros(800'000); }
rc::Gen<Victim> AnyVictim() {
  return rc::gen::construct<Victim>(
      rc::gen::element<uint32_t>(0, 1, 2, Victim::kFollower, Victim::kLeader));
}
rc::Gen<uint32_t> Number(uint32_t max) {
  return rc::gen::inRange<uint32_t>(0, max);
}
rc::Gen<int64_t> Percent() { return rc::gen::inRange<int64_t>(100, 20'000); }
rc::Gen<LinkProfile> AnyWeather() {
  const auto chance = rc::gen::inRange<uint32_t>(0, 100'000);
  return rc::gen::build<LinkProfile>(
      rc::gen::set(&LinkProfile::delay_us, Micros(20'000)),
      rc::gen::set(&LinkProfile::jitter_us, Micros(5'000)),
      rc::gen::set(&LinkProfile::split, chance),
      rc::gen::set(&LinkProfile::corrupt, rc::gen::inRange<uint32_t>(0, 3'000)),
      rc::gen::set(&LinkProfile::drop, chance),
      rc::gen::set(&LinkProfile::duplicate, chance),
      rc::gen::set(&LinkProfile::reorder, chance));
}

template <typename T, typename... Gens>
rc::Gen<Fault> Make(Gens... gens) {
  return rc::gen::map(rc::gen::construct<T>(std::move(gens)...),
                      [](const T& fault) { return Fault(fault); });
}

rc::Gen<Fault> AnyFault() {
  const auto process = Number(kNodes);
  const auto node = AnyVictim();
  const auto flag = rc::gen::arbitrary<bool>();
  return rc::gen::oneOf(
      Make<Crash>(node, flag, Length(), Number(3)),
      Make<CrashAtEffect>(node, Number(30), flag, Length()),
      Make<CrashInDiskJob>(node, Number(30), Length()),
      Make<PowerCut>(Length()), Make<Pause>(node, Length()),
      Make<SlowNode>(node, Percent(), Length()),
      Make<SlowDisk>(node, Percent(), Length()),
      Make<DiskStall>(node, Length()), Make<SyncError>(node, Length()),
      Make<ClockRate>(
          node,
          rc::gen::inRange<int64_t>(-kClockRateMaxPpm, kClockRateMaxPpm + 1),
          Length()),
      Make<Partition>(
          Number(1 << kNodes), node,
          rc::gen::element(Partition::Way::kBoth, Partition::Way::kOut,
                           Partition::Way::kIn),
          rc::gen::element(SimNetwork::Block::kHold, SimNetwork::Block::kLose),
          Length()),
      Make<Clog>(process, process, Length()),
      Make<ResetLink>(process, process,
                      rc::gen::element(SimNetwork::Reset::kBoth,
                                       SimNetwork::Reset::kFirstOnly,
                                       SimNetwork::Reset::kSecondOnly),
                      flag),
      Make<BlackHole>(process, process, Length()),
      Make<Weather>(AnyWeather(), Length()),
      Make<ClientCrash>(Number(kClients), Length()),
      Make<ClientPause>(Number(kClients), Length()),
      Make<Depose>(node, Length()));
}

rc::Gen<std::vector<TimedFault>> AnySchedule() {
  return rc::gen::container<std::vector<TimedFault>>(
      rc::gen::construct<TimedFault>(Micros(kHealUs), AnyFault()));
}

SimulationResult RunSchedule(uint64_t seed,
                             const std::vector<TimedFault>& faults,
                             bool lying_disks) {
  Scenario scenario = DrawScenario({.seed = seed,
                                    .seconds = kSeconds,
                                    .nodes = kNodes,
                                    .plan = FaultPlan{faults, kHealUs, {}}});
  scenario.config.lying_disks = lying_disks;
  return Simulate(scenario);
}

std::string First(const SimulationResult& result) {
  if (result.violations.empty()) return "";
  return result.violations[0].checker + ": " + result.violations[0].text;
}

RC_GTEST_PROP(FaultScheduleTest, AnyScheduleIsSurvived, ()) {
  const auto seed = *rc::gen::inRange<uint64_t>(0, 1'000);
  const auto faults = *AnySchedule().as("faults");
  RC_ASSERT(First(RunSchedule(seed, faults, false)) == "");
}

// Draws are keyed by what they are for, so taking a fault out leaves the rest
// of the run as it was, and a failure survives most steps of shrinking.
TEST(FaultScheduleTest, AFailingScheduleShrinks) {
  std::vector<TimedFault> smallest;
  size_t first_size = 0;
  const auto result = rc::detail::checkTestable([&] {
    const auto faults = *AnySchedule();
    RC_PRE(faults.size() >= 1u);
    if (First(RunSchedule(7, faults, true)) == "") return;
    if (smallest.empty()) first_size = faults.size();
    smallest = faults;
    RC_FAIL("an acknowledged write was lost");
  });
  rc::detail::FailureResult failure;
  ASSERT_TRUE(result.match(failure)) << "lying disks were not noticed";
  // One loss of power is enough to find a disk out.
  EXPECT_LE(smallest.size(), 2u) << "from " << first_size << " faults:\n"
                                 << ToText({smallest, kHealUs, {}});
}

}  // namespace
}  // namespace sim
