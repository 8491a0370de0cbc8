#include "sim/scenario.h"

#include <algorithm>

#include "raft/check.h"
#include "sim/random.h"

namespace sim {
namespace {

constexpr int64_t kSecond = 1'000'000;
// What lingers ends after the last call that must be answered in spite of it.
constexpr int64_t kLingerMarginUs = 300'000;

// Chance, per million, that damage to disks may take a majority.
constexpr uint32_t kBeyondMinority = 60'000;

uint32_t DrawNodes(uint64_t seed) {
  return Draws(seed, Stream::kShape, 1).Chance(500'000) ? 3 : 5;
}

WorldConfig DrawConfig(const SeedOptions& options) {
  Draws draws(options.seed, Stream::kShape);
  WorldConfig config;
  config.length_us = options.seconds * kSecond;
  config.nodes = options.nodes.value_or(DrawNodes(options.seed));
  config.clients = static_cast<uint32_t>(draws.Between(4, 8));
  if (options.standard) return config;
  // Mostly what ships.
  const int64_t elections_ms[] = {300, 300, 300, 150, 200, 400};
  config.election_us = elections_ms[draws.Below(6)] * 1000;
  config.heartbeat_us = config.election_us / 6;
  const uint64_t segment_kib[] = {2, 4, 16, 64};
  config.segment_bytes = segment_kib[draws.Below(4)] << 10;
  config.disk.job_us = draws.Between(50, 400);
  config.disk.jitter_us = draws.Between(10, 200);
  config.disk.tail = static_cast<uint32_t>(draws.Between(0, 5'000));
  config.disk.tail_us = draws.Between(1'000, 50'000);
  config.links.delay_us = draws.Between(30, 1'500);
  config.links.jitter_us = draws.Between(10, 300);
  return config;
}

}  // namespace

int64_t Scenario::LeaderDueUs() const {
  return plan.heal_at_us + kElectionsToLeader * 2 * config.election_us;
}

int64_t Scenario::ProgressDueUs() const { return LeaderDueUs() + kProgressUs; }

int64_t Scenario::EndUs() const {
  return std::max(config.length_us,
                  plan.lingering.empty() ? LeaderDueUs() : ProgressDueUs());
}

Scenario DrawScenario(const SeedOptions& options) {
  Scenario scenario;
  scenario.seed = options.seed;
  scenario.config = DrawConfig(options);
  scenario.config.beyond_minority =
      !options.plan.has_value() &&
      Draws(options.seed, Stream::kShape, 3).Chance(kBeyondMinority);
  if (options.plan.has_value()) {
    scenario.plan = *options.plan;
  } else {
    scenario.plan.heal_at_us = scenario.config.length_us * 60 / 100;
    scenario.plan = DrawFaultPlan({.seed = options.seed,
                                   .profile = options.profile,
                                   .nodes = scenario.config.nodes,
                                   .clients = scenario.config.clients,
                                   .election_us = scenario.config.election_us,
                                   .heal_at_us = scenario.plan.heal_at_us,
                                   .linger_us = scenario.LeaderDueUs() -
                                                scenario.plan.heal_at_us +
                                                kProgressUs + kLingerMarginUs});
  }
  Draws draws(options.seed, Stream::kShape, 2);
  const int64_t drawn = draws.Between(40, 70);
  const int64_t operations =
      options.operations_per_second.value_or(drawn) * options.seconds;
  scenario.operations = DrawOperations(options.seed, scenario.config.clients,
                                       operations, scenario.EndUs() * 85 / 100);
  return scenario;
}

}  // namespace sim
