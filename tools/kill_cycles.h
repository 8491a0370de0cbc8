// Kill cycles: three registryd processes under load; again and again one of
// them is killed with SIGKILL, or its disk fails, and it is started again. At
// the end every acknowledged write must be there, nothing may have been applied
// twice, and what the clients saw must be linearizable.
#ifndef TOOLS_KILL_CYCLES_H_
#define TOOLS_KILL_CYCLES_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "raft/types.h"

namespace tools {

struct KillCyclesOptions {
  std::string registryd;  // path of the program
  size_t nodes = 3;
  size_t cycles = 5;
  size_t clients = 6;
  size_t in_flight = 2;     // a client
  uint64_t seed = 1;        // of what is asked and of who is killed
  std::string history_out;  // the history, one JSON object a line
  bool verbose = false;     // a line a cycle on standard output
  // Instead of being killed, the node is told by its disk that a sync failed
  // (strace puts EIO into one of its next fdatasync calls; needs the right to
  // trace). It must end by itself, and say why by its exit code.
  bool fail_syncs = false;
  // Believe in a write that was never made: must be reported as lost.
  bool plant_loss = false;
};

struct KillCyclesReport {
  size_t kills = 0;  // or syncs failed
  uint64_t calls = 0;
  uint64_t acknowledged = 0;  // writes
  uint64_t open = 0;          // calls whose outcome is unknown
  // For each leader killed: the longest time between two acknowledged writes,
  // over all clients, from the kill on. Sorted.
  std::vector<raft::Duration> gaps;
};

// DataLoss: a write is lost, doubled, or the history is not linearizable; the
// text says which. Other errors: it could not be run to the end.
absl::StatusOr<KillCyclesReport> RunKillCycles(
    const KillCyclesOptions& options);

}  // namespace tools

#endif  // TOOLS_KILL_CYCLES_H_
