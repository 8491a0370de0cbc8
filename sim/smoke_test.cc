// Two hundred seeds of the swarm, and what they must have met: a sweep in which
// a fault had no effect, or a rare situation never came, proves nothing.
#include <algorithm>
#include <iterator>
#include <map>
#include <string>

#include "gtest/gtest.h"
#include "raft/raft_io.h"
#include "sim/simulation.h"

namespace sim {
namespace {

constexpr uint64_t kSeeds = 200;
constexpr uint64_t kOperationsMin = 200;

// Too rare for so few seeds; long sweeps must have met them all the same.
constexpr raft::ProbeId kRare[] = {
    raft::ProbeId::kVoteOfEarlierLife,
    raft::ProbeId::kVoteReplyTooLate,
    raft::ProbeId::kDeposedBeforeTermCommit,
    raft::ProbeId::kDeposedWhilePersisting,
    raft::ProbeId::kTruncatedWhilePersisting,
    raft::ProbeId::kAckTooLate,
    raft::ProbeId::kReadReplyOfEarlierLife,
    raft::ProbeId::kRepeatAnsweredCompacted,
    raft::ProbeId::kKeepAliveWaitedForExpiry,
};

TEST(SmokeTest, TwoHundredSeeds) {
  std::map<std::string, uint64_t> faults;
  uint64_t probes = 0;
  uint64_t hurt = 0;
  uint64_t unknown = 0;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const SimulationResult result = Simulate(DrawScenario({.seed = seed}));
    for (const Violation& violation : result.violations) {
      ADD_FAILURE() << ToString(violation.kind) << ", " << violation.checker
                    << ": " << violation.text
                    << "\nreproduce: ./bazelw run //tools:simulate -- --seed="
                    << seed;
    }
    EXPECT_GE(result.operations, kOperationsMin) << "seed " << seed;
    hurt += result.leaders_lost() > 0 || result.unsynced_bytes_lost > 0;
    unknown += result.linearizability_unknown;
    probes |= result.probes;
    for (const auto& [name, count] : result.faults) faults[name] += count;
  }
  for (const auto& [name, count] : faults) {
    EXPECT_GT(count, 0u) << name << " never happened";
  }
  for (uint64_t i = 1; i < 64; ++i) {
    const auto id = static_cast<raft::ProbeId>(i);
    if (raft::ToString(id) == raft::ToString(raft::ProbeId{0})) break;
    if (std::find(std::begin(kRare), std::end(kRare), id) != std::end(kRare)) {
      continue;
    }
    EXPECT_TRUE(probes >> i & 1) << "never seen: " << raft::ToString(id);
  }
  EXPECT_GE(hurt, kSeeds / 2);
  EXPECT_LE(unknown, kSeeds / 50);
}

// Leadership that is moved about all the time, among all other faults.
TEST(SmokeTest, FortySeedsOfMembership) {
  std::map<std::string, uint64_t> counts;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    const SimulationResult result =
        Simulate(DrawScenario({.seed = seed, .profile = Profile::kMembership}));
    for (const Violation& violation : result.violations) {
      ADD_FAILURE() << ToString(violation.kind) << ", " << violation.checker
                    << ": " << violation.text
                    << "\nreproduce: ./bazelw run //tools:simulate -- --seed="
                    << seed << " --profile=membership";
    }
    for (const auto& [name, count] : result.counts) counts[name] += count;
  }
  for (const std::string_view name :
       {"clean_stops", "transfers_begun", "campaigns_asked", "transfers_done",
        "snapshots_taken", "snapshots_installed", "log_releases"}) {
    EXPECT_GT(counts[std::string(name)], 0u) << name << " never happened";
  }
}

}  // namespace
}  // namespace sim
