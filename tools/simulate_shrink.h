// Scenarios that are written: run, judged by what they expect, and made from a
// failing one that is shrunk.
#ifndef TOOLS_SIMULATE_SHRINK_H_
#define TOOLS_SIMULATE_SHRINK_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sim/scenario_text.h"
#include "sim/shrink.h"
#include "tools/simulate_sweep.h"

namespace tools {

// A scenario ended otherwise than its file expects: well, or by another rule.
inline constexpr int kExitUnexpected = 16;

// Files are named as the caller sees them. Errors name the file, and its line.
absl::StatusOr<sim::ScenarioFile> ReadScenario(const std::string& file);
absl::Status WriteScenario(const std::string& file,
                           const sim::ScenarioFile& scenario);

// How the one run of a sweep has ended. A CHECK that failed goes by its place:
// "crash raft.cc:12".
sim::Verdict VerdictOf(const SweepResult& result);

// Runs a scenario in a process of its own, so that a CHECK that fails is an
// outcome like others.
sim::Outcome RunAlone(const sim::Scenario& scenario);

// Tells stderr how the run has ended if that is not what was expected. 0 if it
// was, else the code of the failure, or kExitUnexpected if there was none.
int ExitCodeOf(const sim::Verdict& expected, const SweepResult& result);

struct ShrinkReport {
  sim::ScenarioFile file;  // expects the verdict
  sim::Shrunk shrunk;
  size_t faults_before = 0;
  size_t operations_before = 0;
  int64_t cpu_us = 0;
  // What was written and read again fails in the same way, run alone.
  bool fails_alone = false;
};
// FailedPrecondition if `failing` does not fail in a process of its own.
absl::StatusOr<ShrinkReport> ShrinkFailure(const sim::Scenario& failing);
// For people, with the command that repeats it; `out`: where the scenario is
// written to, or empty.
std::string ToText(const ShrinkReport& report, const std::string& out);
std::string ToJson(const ShrinkReport& report);

}  // namespace tools

#endif  // TOOLS_SIMULATE_SHRINK_H_
