// What is said of a sweep: as JSON, as a summary for people, and of each
// failure the line that repeats it.
#ifndef TOOLS_SIMULATE_REPORT_H_
#define TOOLS_SIMULATE_REPORT_H_

#include <string>

#include "tools/simulate_sweep.h"

namespace tools {

// A sweep in which faults had no effect says nothing.
bool IsVoid(const SweepResult& result);

// One JSON object, without a newline at its end.
std::string ToJson(const SweepOptions& options, const SweepResult& result);

// To stdout; `details`: every count too.
void PrintSummary(const SweepResult& result, bool details);

// To stderr, with the command that repeats it. `options`: of the sweep's runs;
// `scenario`: the file that was run instead, or empty.
void PrintFailure(const SweepFailure& failure, sim::SeedOptions options,
                  const std::string& scenario);

}  // namespace tools

#endif  // TOOLS_SIMULATE_REPORT_H_
