// A close look at one simulated run: the narrative, the trail of its digests,
// and every step of a window, with what a process was given and what it did.
#ifndef TOOLS_SIMULATE_LOOK_H_
#define TOOLS_SIMULATE_LOOK_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "sim/scenario.h"
#include "tools/args.h"

namespace tools {

// A digest of a trail covers this many steps more than the one before it.
inline constexpr uint64_t kStepsPerDigest = 64;

struct LookOptions {
  bool narrative = false;
  std::optional<NumberRange> steps;     // by number, from 1
  std::optional<NumberRange> steps_us;  // by simulated time
  std::string trail_out;                // file; empty: none

  bool wanted() const {
    return narrative || steps.has_value() || steps_us.has_value() ||
           !trail_out.empty();
  }
};

// Runs the scenario in this process and tells stdout what is wanted, as it
// happens: what it says last is what it was at. The trail's file has a line
// "STEP DIGEST" every 64 steps and one for the last. Fails if it cannot be
// written.
absl::Status LookClosely(const sim::Scenario& scenario,
                         const LookOptions& options);

}  // namespace tools

#endif  // TOOLS_SIMULATE_LOOK_H_
