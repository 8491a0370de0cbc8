// Scenario: everything that a run depends on, as one plain value: the world's
// configuration, the faults that befall it, and what its clients ask. A seed is
// the compressed form of one (DrawScenario); a scenario can be written as text,
// read, edited, shrunk and run again (scenario_text.h, shrink.h).
//
// The seed stays part of a scenario: it decides what is too small to be listed
// (latencies, who wins a race). Those draws are keyed by what they are for, so
// that taking a fault or an operation out leaves the rest of the run alone.
#ifndef SIM_SCENARIO_H_
#define SIM_SCENARIO_H_

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "registry/client.h"
#include "sim/bounds.h"
#include "sim/cut_point.h"
#include "sim/fault_plan.h"
#include "sim/sim_disk_queue.h"
#include "sim/sim_network.h"

namespace sim {

// What a world is like when nothing is wrong. The defaults are what ships,
// except that WAL segments are small, so that they roll.
struct WorldConfig {
  static constexpr std::string_view kName = "config";
  uint32_t nodes = 3;
  uint32_t clients = 6;
  int64_t length_us = 10'000'000;
  int64_t heartbeat_us = 50'000;
  int64_t election_us = 300'000;
  uint64_t segment_bytes = 16 << 10;
  DiskProfile disk;
  LinkProfile links;
  int64_t call_deadline_us = 1'500'000;
  Bounds bounds;
  CutPoint cut;
  // Outside the fault model: disks that say OK to a sync and do nothing. The
  // canary that the checkers must catch.
  bool lying_disks = false;
  // Damage to disks may take more copies than the cluster can spare
  // (fault_budget.h): then safety alone is demanded.
  bool beyond_minority = false;

  bool operator==(const WorldConfig&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("nodes", nodes), f("clients", clients), f("length_us", length_us),
        f("heartbeat_us", heartbeat_us), f("election_us", election_us),
        f("segment_bytes", segment_bytes), f("disk", disk), f("links", links),
        f("call_deadline_us", call_deadline_us), f("bounds", bounds),
        f("cut", cut), f("lying_disks", lying_disks),
        f("beyond_minority", beyond_minority);
  }
};

// A client is asked to make a call. If it is down then, the call is not made.
struct TimedOperation {
  int64_t at_us = 0;
  uint32_t client = 0;
  registry::CallBody body;
  // An UpdateValue expects the newest revision that its client has seen of the
  // key, if it has seen one.
  bool compare = false;

  bool operator==(const TimedOperation&) const = default;
};

struct Scenario {
  uint64_t seed = 0;
  WorldConfig config;
  FaultPlan plan;
  std::vector<TimedOperation> operations;  // by time

  bool operator==(const Scenario&) const = default;

  // When a leader must have been found again, and the clients are asked for
  // progress. This and the two below are put off while late copies of frames
  // arrive and nobody leads (World::PutOff).
  int64_t LeaderDueUs() const;
  // When the clients must have got it, and every node that is healthy must have
  // what was committed by LeaderDueUs().
  int64_t ProgressDueUs() const;
  // How long a call that must be answered may take, from LeaderDueUs() on.
  // Where frames get lost, a call has the time after that as well: a request or
  // its answer may be lost each time that it is sent again, once in a second
  // (seed 918088 of --profile=all: twice, at a leader that lost two of five).
  int64_t ProgressUs() const;
  // The run ends here if everything is answered and equal, else later.
  int64_t EndUs() const;
};

// From the heal, or the last late copy, to a leader: this many of the longest
// election timeouts.
inline constexpr int64_t kElectionsToLeader = 4;

// How long a call that must be answered after the heal may take.
inline constexpr int64_t kProgressUs = 3'000'000;

// No livelock: terms begun after the heal, for each thing that began or ended
// since and may have cost a leader (the heal itself among them).
inline constexpr uint64_t kTermsPerUpset = 4;

// What a seed is made of beside itself.
struct SeedOptions {
  uint64_t seed = 0;
  int64_t seconds = 10;  // simulated
  Profile profile = Profile::kAll;
  // Instead of what the seed draws.
  std::optional<uint32_t> nodes;
  std::optional<int64_t> operations_per_second;
  bool standard = false;  // the timers and disks that WorldConfig has
  std::optional<FaultPlan> plan;
  // Not a drawn run at all: the short run of this seed, cut at place `seed`
  // (crash_points.h; ScenarioOf there).
  std::optional<int64_t> crash_points;
};

Scenario DrawScenario(const SeedOptions& options);

// The registries that every client creates when its life begins.
inline constexpr char kUniqueRegistry[] = "unique";
inline constexpr char kDuplicateRegistry[] = "duplicate";

// What the clients of a seed ask for: registrations, removals, updates and
// reads on a few hot keys and some cold ones, until `last_us`.
// By time.
std::vector<TimedOperation> DrawOperations(uint64_t seed, uint32_t clients,
                                           int64_t operations, int64_t last_us);

// Now and then one of the clients asks for another leader, until `last_us`:
// for one of `nodes`, or whichever.
std::vector<TimedOperation> DrawTransfers(uint64_t seed, uint32_t nodes,
                                          uint32_t clients, int64_t last_us);

}  // namespace sim

#endif  // SIM_SCENARIO_H_
