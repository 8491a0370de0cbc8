// What a shrinker changes in a scenario, one thing at a time. Every change
// leaves the rest as it is.
#ifndef SIM_SCENARIO_EDIT_H_
#define SIM_SCENARIO_EDIT_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "sim/scenario.h"

namespace sim {

// The faults that befall a scenario: those of a time, then those that linger.
size_t FaultsOf(const Scenario& scenario);
// Removes the faults [begin, end) of these.
void RemoveFaults(Scenario* scenario, size_t begin, size_t end);
// Removes the operations [begin, end).
void RemoveOperations(Scenario* scenario, size_t begin, size_t end);

// With fewer nodes: what was done to those that are gone befalls others.
void SetNodes(Scenario* scenario, uint32_t nodes);
// With fewer clients: the others ask what those would have asked that are gone.
void SetClients(Scenario* scenario, uint32_t clients);

// When the first thing happens: a fault, an operation or the heal.
int64_t FirstUs(const Scenario& scenario);
// Everything that much earlier or later, so that the first thing is then.
void Begin(Scenario* scenario, int64_t first_us);

// A field that has a number, or something that is like one.
struct Knob {
  enum class Kind : uint8_t {
    kFlag,      // a flag or an enum: no order
    kVictim,    // a node, or the part that it plays
    kConfig,    // of the configuration: usual or not
    kStrength,  // of a fault: the less, the better
    kTime,      // when something happens
  };
  Kind kind = Kind::kFlag;
  int64_t value = 0;
  int64_t usual = 0;
};

// The knobs of the configuration (but for what decides about size and length),
// of the faults and, if `operations`, of the operations; always in the same
// order.
std::vector<Knob> KnobsOf(const Scenario& scenario, bool operations);
void SetKnob(Scenario* scenario, bool operations, size_t knob, int64_t value);

// 1, 2, 5, 10, 20, ... below `value`; empty if it is not above 1.
std::vector<int64_t> RoundNumbersBelow(int64_t value);
// The nearest number with at most so many digits before its zeros.
int64_t RoundTo(int64_t value, int digits);

}  // namespace sim

#endif  // SIM_SCENARIO_EDIT_H_
