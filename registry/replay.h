// Replay: runs a replica again on what a node trace (trace.h) says it was fed,
// and compares what its node does, step by step, with what was recorded. A
// difference means: another build, another machine's mistake, or state that
// hides from the trace. Pure, like the replica itself: no disk, no network.
#ifndef REGISTRY_REPLAY_H_
#define REGISTRY_REPLAY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "raft/types.h"
#include "registry/state_machine.h"

namespace registry {

// The first step that went another way.
struct ReplayMismatch {
  uint64_t step = 0;  // from 1
  size_t offset = 0;  // in the file, of the record that disagrees
  std::string what;   // what was recorded, and what happened instead
};

struct ReplayReport {
  raft::NodeId node;
  uint64_t boot = 0;
  uint64_t inputs = 0;
  uint64_t steps = 0;  // that agreed
  std::optional<ReplayMismatch> mismatch;
  size_t cut_off_bytes = 0;  // of a last record that was not written whole
  // Of the replica at the end.
  raft::Term term;
  raft::Index applied;
  StateDigest digest;
};

// `file`: the bytes of a trace file. DataLoss for a damaged file (with the
// offset), InvalidArgument for one that is no trace or of another version. A
// trace that ends in the middle, as that of a killed process does, is replayed
// as far as it goes.
absl::StatusOr<ReplayReport> ReplayTrace(std::string_view file);

}  // namespace registry

#endif  // REGISTRY_REPLAY_H_
