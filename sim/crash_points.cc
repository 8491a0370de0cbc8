#include "sim/crash_points.h"

#include "raft/check.h"
#include "sim/simulation.h"

namespace sim {
namespace {

constexpr int64_t kHealUs = 1'200'000;
constexpr int64_t kSeconds = 2;
constexpr int64_t kElectionUs = 100'000;
constexpr int64_t kOperationsPerSecond = 30;
constexpr uint32_t kNodes = 3;
constexpr uint32_t kClients = 3;

// With the machine, and without.
constexpr uint64_t kWays = 2;

}  // namespace

CrashPoints::CrashPoints(uint64_t seed)
    : base_(DrawScenario({.seed = seed,
                          .seconds = kSeconds,
                          .nodes = kNodes,
                          .operations_per_second = kOperationsPerSecond,
                          .standard = true,
                          .plan = FaultPlan{.heal_at_us = kHealUs}})) {
  base_.config.clients = kClients;
  base_.config.election_us = kElectionUs;
  base_.config.heartbeat_us = kElectionUs / 6;
  base_.config.segment_bytes = 2 << 10;  // so that some rolls are among them
  const SimulationResult uncut = Simulate(base_);
  passed_ = uncut.points_passed;
  for (const PointsPassed& node : passed_) {
    size_ += kWays * (node.port_calls + node.file_operations);
  }
}

CutPoint CrashPoints::PointAt(uint64_t point) const {
  CHECK_LT(point, size_);
  CutPoint cut{.power = point % kWays == 0};
  uint64_t left = point / kWays;
  for (cut.node = 0;; ++cut.node) {
    const PointsPassed& node = passed_.at(cut.node);
    if (left < node.port_calls) break;
    left -= node.port_calls;
    if (left < node.file_operations) {
      cut.in_file_operation = true;
      break;
    }
    left -= node.file_operations;
  }
  cut.at = left + 1;
  return cut;
}

Scenario CrashPoints::At(uint64_t point) const {
  Scenario scenario = base_;
  scenario.config.cut = PointAt(point);
  return scenario;
}

Scenario ScenarioOf(const SeedOptions& options) {
  if (!options.crash_points.has_value()) return DrawScenario(options);
  return CrashPoints(static_cast<uint64_t>(*options.crash_points))
      .At(options.seed);
}

}  // namespace sim
