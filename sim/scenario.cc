#include "sim/scenario.h"

#include <algorithm>
#include <initializer_list>

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

// Swarm: in most seeds what ships, in the others a random few made small.
constexpr uint32_t kTinyBounds = 400'000;

Bounds DrawBounds(uint64_t seed) {
  Draws draws(seed, Stream::kShape, 4);
  Bounds bounds;
  if (!draws.Chance(kTinyBounds)) return bounds;
  const auto shrink = [&draws](uint64_t* bound,
                               std::initializer_list<uint64_t> values) {
    const bool small = draws.Chance(300'000);
    const uint64_t which = draws.Below(values.size());
    if (small) *bound = values.begin()[which];
  };
  // Small appends or a small window, not both: a leader that has a single entry
  // on its way at a time brings about one through in a round trip and, where
  // every third message is lost, a few in a second. That is no fault to survive
  // but less than what the clients ask for.
  raft::Limits& raft = bounds.raft;
  if (draws.Chance(500'000)) {
    shrink(&raft.append_bytes, {1, 200, 2'000});
    shrink(&raft.append_entries, {1, 2, 5});
  } else {
    shrink(&raft.inflight_appends, {1, 2, 4});
    shrink(&raft.inflight_bytes, {1, 500, 4'000});
  }
  shrink(&raft.uncommitted_bytes, {200, 1'000, 5'000});
  shrink(&bounds.node.waiting_reads, {2, 4, 8});
  shrink(&bounds.node.leases_per_check, {1, 2});
  // Not less: what a queue drops is the end of what a window sent, and only the
  // next heartbeat finds out. With room for one entry a follower gets two of
  // them a heartbeat, fewer than the clients write.
  shrink(&bounds.peer_queue_bytes, {2'000, 8'000});
  shrink(&bounds.client_queue_bytes, {500, 4'000});
  shrink(&bounds.inputs_per_turn, {1, 2, 3});
  return bounds;
}

// Snapshots every few commands, in slices of a few bytes.
void DrawSnapshotBounds(uint64_t seed, registry::Limits* limits) {
  Draws draws(seed, Stream::kShape, 4);
  const uint64_t every[] = {200, 1'000, 4'000, 16'000};
  limits->snapshot_bytes = every[draws.Below(4)];
  const uint64_t slices[] = {40, 300, 2'000, registry::kSnapshotSliceBytes};
  limits->snapshot_slice_bytes = slices[draws.Below(4)];
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
  config.bounds = DrawBounds(options.seed);
  return config;
}

}  // namespace

int64_t Scenario::LeaderDueUs() const {
  return plan.heal_at_us + kElectionsToLeader * 2 * config.election_us;
}

int64_t Scenario::ProgressDueUs() const { return LeaderDueUs() + kProgressUs; }

int64_t Scenario::ProgressUs() const {
  int64_t progress_us = kProgressUs;
  for (const Fault& fault : plan.lingering) {
    const auto* weather = std::get_if<NodeWeather>(&fault);
    if (weather == nullptr || weather->profile.drop == 0) continue;
    const int64_t ends_us = plan.heal_at_us + weather->length_us;
    progress_us = std::max(progress_us, ends_us - LeaderDueUs() + kProgressUs);
  }
  return progress_us;
}

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
  if (options.profile == Profile::kMembership) {
    if (!options.standard) {
      DrawSnapshotBounds(options.seed, &scenario.config.bounds.node);
    }
    std::vector<TimedOperation>& all = scenario.operations;
    const auto transfers =
        DrawTransfers(options.seed, scenario.config.nodes,
                      scenario.config.clients, scenario.plan.heal_at_us);
    const auto middle = static_cast<ptrdiff_t>(all.size());
    all.insert(all.end(), transfers.begin(), transfers.end());
    std::inplace_merge(all.begin(), all.begin() + middle, all.end(),
                       [](const TimedOperation& a, const TimedOperation& b) {
                         return a.at_us < b.at_us;
                       });
  }
  return scenario;
}

}  // namespace sim
