// What is said of a sweep to people: a summary, and of each failure the line
// that repeats it. To programs: sweep_record.h.
#ifndef TOOLS_SIMULATE_REPORT_H_
#define TOOLS_SIMULATE_REPORT_H_

#include "tools/sweep_record.h"

namespace tools {

// To stdout; `details`: every count too.
void PrintSummary(const SweepResult& result, bool details);

// To stderr, with the command that repeats it. `options`: of the sweep's runs;
// `scenario`: the file that was run instead, or empty.
void PrintFailure(const SweepFailure& failure, const std::string& options,
                  const std::string& scenario);

}  // namespace tools

#endif  // TOOLS_SIMULATE_REPORT_H_
