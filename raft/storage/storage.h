// Storage: a node's durable state in one data directory over a Vfs: identity,
// hard state and log (WAL). Snapshots come with issue 4.
//
//   <dir>/identity      cluster id, node id, incarnation, initial voters
//   <dir>/wal/<first-index>-<sequence>.wal   segments (names: author's choice)
//
// Threading: Format and Open run before the node does; afterwards Append runs
// on the WAL lane only, one call at a time.
#ifndef RAFT_STORAGE_STORAGE_H_
#define RAFT_STORAGE_STORAGE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "raft/raft_io.h"
#include "raft/storage/vfs.h"
#include "raft/types.h"

namespace raft::storage {

// Written once by Format; who this directory belongs to.
struct Identity {
  ClusterId cluster;
  NodeId node;
  std::vector<NodeId> initial_voters;  // sorted
  bool operator==(const Identity&) const = default;
};

struct StorageOptions {
  uint64_t segment_bytes = 64 << 20;  // simulator: tiny, so segments roll
};

// What a directory held at boot, after the torn tail (if any) was cut.
struct Recovered {
  Identity identity;
  Term term;
  NodeId vote;
  std::vector<Entry> log;       // contiguous from index 1
  uint64_t torn_bytes_cut = 0;  // bytes of an unfinished last batch removed
};

// Creates `dir` with `identity`. FailedPrecondition if it is formatted
// already; a crash in the middle leaves a directory that Format accepts again.
absl::Status Format(Vfs* vfs, const std::string& dir, const Identity& identity);

class Storage {
 public:
  virtual ~Storage() = default;

  // Appends the persists in order, one record each, and makes them durable
  // with one sync. After any error but ResourceExhausted-at-preallocation the
  // caller must halt the node; nothing may be retried.
  virtual absl::Status Append(const std::vector<Persist>& batch) = 0;
};

struct OpenResult {
  std::unique_ptr<Storage> storage;
  Recovered recovered;
};

// Opens a formatted directory, locks it, recovers the log. Errors name file,
// offset and what to do: NotFound (not formatted), FailedPrecondition (locked,
// or of another cluster or node than `expected`, where given), DataLoss
// (corruption anywhere but in the torn tail: never silently truncated).
absl::StatusOr<OpenResult> Open(Vfs* vfs, const std::string& dir,
                                const StorageOptions& options);

}  // namespace raft::storage

#endif  // RAFT_STORAGE_STORAGE_H_
