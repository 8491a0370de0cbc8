// What a sweep has done, as a line of JSON that can be read again and added to
// others: a campaign is a file of such lines, on one machine or on many.
#ifndef TOOLS_SWEEP_RECORD_H_
#define TOOLS_SWEEP_RECORD_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tools/args.h"
#include "tools/simulate_sweep.h"

namespace tools {

// As ParseNumberRange reads it.
std::string ToText(const NumberRange& range);

struct SweepRecord {
  std::string options;             // of every run, as flags
  std::string build;               // what code ran: see BuildId()
  std::vector<NumberRange> seeds;  // disjoint, by seed
  SweepResult result;
};

SweepRecord RecordOf(const SweepOptions& options, SweepResult result);

// One JSON object, without a newline at its end.
std::string ToJson(const SweepRecord& record);
// InvalidArgument says what is wrong, and where.
absl::StatusOr<SweepRecord> ParseRecord(std::string_view json);

// Adds `from` to `into`, which may be empty (no seeds). FailedPrecondition if
// they ran with other options or other code, or have seeds in common; `into` is
// unchanged then.
absl::Status Merge(const SweepRecord& from, SweepRecord* into);

// What of `wanted` is not in `done` (disjoint, by seed).
std::vector<NumberRange> Missing(const NumberRange& wanted,
                                 const std::vector<NumberRange>& done);

// A digest of this program's file: two that agree run the same code, but for
// the shared libraries.
std::string BuildId();

// The rare situations that no run saw, and the classes of faults that did
// nothing.
std::vector<std::string> ProbesNeverFired(const SweepResult& result);
std::vector<std::string> FaultsWithoutEffect(const SweepResult& result);
// A sweep in which faults had no effect says nothing.
bool IsVoid(const SweepResult& result);

}  // namespace tools

#endif  // TOOLS_SWEEP_RECORD_H_
