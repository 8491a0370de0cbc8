// Shrinking: a scenario that fails becomes a smallest one that fails in the
// same way, for a person to read and for a test to keep.
//
// Everything in a scenario is tried: whether a fault or an operation matters
// (delta debugging: large pieces first, then smaller ones), how late the run
// must end, how many nodes and clients it takes, how long and strong a fault
// must be (round numbers: 1, 2 or 5 and zeros), and each knob of the
// configuration that is not as it ships. Draws are keyed by what they are for
// (random.h), so what is taken out leaves the rest of the run as it was.
//
// The oracle is the verdict: the same kind and the same checker as the first
// run's. A change after which another rule fires is another bug, and refused.
#ifndef SIM_SHRINK_H_
#define SIM_SHRINK_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "sim/scenario.h"
#include "sim/scenario_text.h"
#include "sim/simulation.h"

namespace sim {

// What a shrinker must know of a run.
struct Outcome {
  Verdict verdict;
  uint64_t events = 0;  // what it has cost (CostOf); 0 if nobody could tell
  int64_t end_us = 0;   // when it ended, simulated; 0 if nobody could tell
};
Outcome OutcomeOf(const SimulationResult& result);
// In events: those of the run, and for the bytes sent, since a bug that sends
// the whole log again and again makes few events long.
uint64_t CostOf(uint64_t events, const std::vector<Count>& counts);

// Runs a scenario: Simulate, here or in another process, which may die.
using RunScenario = std::function<Outcome(const Scenario&)>;

// Bounds that do not depend on the machine: the result is the same everywhere.
struct ShrinkOptions {
  uint64_t runs_max = 4'000;
  uint64_t events_max = 20'000'000;  // some 30 s of CPU
};

struct Shrunk {
  Scenario scenario;
  Verdict verdict;
  uint64_t runs = 0;
  uint64_t remembered = 0;  // candidates that had been tried before
  uint64_t events = 0;
  bool gave_up = false;  // at a bound; what stands is valid, not smallest
};

// `failing` must fail; its verdict is what is kept.
Shrunk Shrink(const Scenario& failing, const RunScenario& run,
              const ShrinkOptions& options = {});

}  // namespace sim

#endif  // SIM_SHRINK_H_
