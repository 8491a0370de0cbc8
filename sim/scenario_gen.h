// Scenarios made by RapidCheck: any configuration, any list of typed faults of
// a profile, any list of operations. What they are made of are plain numbers,
// so that RapidCheck shrinks them: fewer faults and operations, smaller values.
#ifndef SIM_SCENARIO_GEN_H_
#define SIM_SCENARIO_GEN_H_

#include <ostream>

#include "gtest/gtest.h"
#include "sim/scenario.h"
// After gtest.h, which it needs.
#include "rapidcheck.h"

namespace sim {

// Four simulated seconds, healed after two. Every type of fault is in kAll by
// itself; the narrower profiles name theirs.
rc::Gen<Scenario> AnyScenario(Profile profile);

// As a file of testdata/scenarios: what RapidCheck prints of a failure can be
// run alone, shrunk further and kept.
void showValue(const Scenario& scenario, std::ostream& os);

}  // namespace sim

#endif  // SIM_SCENARIO_GEN_H_
