// Simulation: one run of a whole world. A pure function: the same scenario
// gives the same result, to the bit of its digest.
//
//   0 ....... faults happen, clients work ....... heal ... last operation ..
//   end
//
// After `heal` nothing is wrong any more, and then progress is demanded: a
// leader within some election timeouts (of the heal, or of the last frame that
// the faults had doubled and that came late), an answer to every client, and in
// the end every node with the same state.
#ifndef SIM_SIMULATION_H_
#define SIM_SIMULATION_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "registry/checker/history.h"
#include "sim/cluster_checker.h"
#include "sim/scenario.h"
#include "sim/trail.h"

namespace sim {

// Who watches a run; nobody changes it.
struct Observers {
  // Told what happens, a line at a time, as it happens.
  std::function<void(std::string_view line)> narrator;
  TrailObserver trail;
};

// A number with its name.
using Count = std::pair<std::string, uint64_t>;

struct SimulationResult {
  std::vector<Violation> violations;  // empty: nothing was wrong
  uint64_t digest = 0;  // over every (time, process, event, effects)
  uint64_t steps = 0;   // of nodes and clients, and digests of the whole state
  uint64_t events = 0;  // of the scheduler
  int64_t simulated_us = 0;
  uint32_t nodes = 0;
  uint64_t operations = 0;
  uint64_t leaders = 0;  // elected; all but the last were lost
  uint64_t unsynced_bytes_lost = 0;
  uint64_t committed = 0;
  bool linearizability_unknown = false;  // the search was given up
  std::vector<Count> faults;             // what each class of faults has done
  std::vector<Count> counts;             // the rest
  uint64_t probes = 0;                   // bit i: raft::ProbeId i was seen
  std::vector<PointsPassed> points_passed;  // by node, until the heal
  std::vector<registry::checker::HistoryEntry> history;

  uint64_t leaders_lost() const { return leaders > 0 ? leaders - 1 : 0; }
};

SimulationResult Simulate(const Scenario& scenario,
                          const Observers& observers = {});

}  // namespace sim

#endif  // SIM_SIMULATION_H_
