// Scenarios as text: what a person reads, edits, commits and runs again. One
// line a thing, in any order; `#` begins a comment; fields as in field_text.h,
// times in microseconds.
//
//   seed 7                                        what is too small to be
//   listed config nodes=3 clients=4 links.delay_us=900   WorldConfig at 900000
//   Crash victim=leader power=yes down_us=300000 heal 6000000 then SlowDisk
//   victim=leader percent=3000 length_us=2000000    lingers op 120000 client=2
//   Register registry="unique" key="hot-1" process=1 expect safety
//   committed_is_durable            or: expect ok
//
// A victim is `leader`, `follower` or a node: `n1` is the first, as in
// narratives. Clients and processes (nodes, then clients) count from 0.
#ifndef SIM_SCENARIO_TEXT_H_
#define SIM_SCENARIO_TEXT_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sim/scenario.h"

namespace sim {

// How a run ends: well, or with a first violation. Two failures are the same
// bug if their verdicts are equal.
struct Verdict {
  std::string kind;     // of sim::Violation; empty: nothing was wrong
  std::string checker;  // of a CHECK: FILE:LINE
  bool ok() const { return kind.empty(); }
  bool operator==(const Verdict&) const = default;
};
// "ok", or "KIND CHECKER".
std::string ToString(const Verdict& verdict);

struct ScenarioFile {
  Scenario scenario;
  std::optional<Verdict> expect;
  bool operator==(const ScenarioFile&) const = default;
};

// What is read again is equal.
std::string ToText(const Scenario& scenario);
std::string ToText(const ScenarioFile& file);
// One line of it: "Crash victim=leader down_us=300000".
std::string ToText(const Fault& fault);

// InvalidArgument names the line, the field and what it may be; a scenario that
// cannot be run is refused as well (Validate).
absl::StatusOr<ScenarioFile> ParseScenario(std::string_view text);

// InvalidArgument for what no world can be made of: no nodes, a link of a
// process that is not there, a time before the start.
absl::Status Validate(const Scenario& scenario);

// As a scenario is to be: faults and operations by time, equal times as they
// stand.
void SortByTime(Scenario* scenario);

}  // namespace sim

#endif  // SIM_SCENARIO_TEXT_H_
