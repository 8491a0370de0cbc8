// Storage: a node's durable state in one data directory over a Vfs: identity,
// hard state and log (WAL), snapshots.
//
//   <dir>/identity              cluster id, node id, incarnation, voters
//   <dir>/wal/000000000001.wal  segments, numbered
//   <dir>/snapshots/            see SnapshotStore; made with the first one
//
// Byte for byte: FORMAT.md.
//
// Threading: Format and Open run before the node does; afterwards Append runs
// on the WAL lane only, one call at a time.
#ifndef RAFT_STORAGE_STORAGE_H_
#define RAFT_STORAGE_STORAGE_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "raft/limits.h"
#include "raft/raft_io.h"
#include "raft/storage/snapshot_format.h"
#include "raft/storage/snapshot_store.h"
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
  // Size of a new segment; a larger batch gets a larger one.
  uint64_t segment_bytes = kWalSegmentBytes;
  // Batches begin at multiples of this, a multiple of 512. Blocks of the file
  // system's size mean that no block with durable bytes is ever written again.
  uint32_t block_bytes = 4096;
  // Zeros written ahead of the log in one go (see Wal::PadAndZeroAhead).
  uint64_t zero_ahead_bytes = 256 << 10;

  // For the simulator: segments roll all the time and cost little memory.
  static StorageOptions Tiny() {
    return {.segment_bytes = 16 << 10,
            .block_bytes = 512,
            .zero_ahead_bytes = 1024};
  }
};

// What a directory held at boot, after the torn tail (if any) was cut.
struct Recovered {
  Identity identity;
  Term term;
  NodeId vote;
  std::vector<Entry> log;  // contiguous from behind `base`
  // A snapshot covers everything up to it ({0, 0}: the log is whole).
  EntryId base;
  // The newest one, verified; at `base` or, where log was kept, behind it.
  std::optional<SnapshotHeader> snapshot;
  // Damaged newer ones that the log stands in for, to be told to an operator.
  std::vector<std::string> snapshots_passed_over;
  uint64_t torn_bytes_cut = 0;  // bytes of an unfinished last batch removed
  uint64_t records = 0;         // over all segments
  uint64_t segments = 0;
};

// Creates `dir` (its parent must exist) with `identity`. FailedPrecondition if
// it is formatted already or holds a log; a crash in the middle leaves either a
// directory that Format accepts again or one that Open accepts.
absl::Status Format(Vfs* vfs, const std::string& dir, const Identity& identity);

class Storage {
 public:
  virtual ~Storage() = default;

  // Appends the persists in order, one record each, and makes them durable
  // with one sync. ResourceExhausted: a new segment did not fit on the disk,
  // nothing has happened, the same batch may come again later. After any other
  // error the caller must halt the node: it is not known what is durable, and
  // every further Append is refused with FailedPrecondition.
  virtual absl::Status Append(const std::vector<Persist>& batch) = 0;

  // Entries up to `through`, which is committed and at most what a durable
  // snapshot covers, are not needed any more: gives their room back as far as
  // whole segments hold nothing else. An error leaves the log as good as it was
  // and need not stop the node; a later call tries again.
  virtual absl::Status Release(Index through) = 0;
};

struct OpenResult {
  std::unique_ptr<Storage> storage;
  Recovered recovered;
  // For the bulk lane; nullptr if the directory has none yet: see
  // SnapshotStore::Open. The Storage holds the directory's lock for it.
  std::unique_ptr<SnapshotStore> snapshots;
};

// Opens a formatted directory, locks it for the life of the Storage, recovers
// the log. Everything in Recovered is durable on return, also what a process
// killed before its sync left in the page cache. Errors name file, offset and
// what to do: NotFound (not formatted), FailedPrecondition (locked; of a newer
// format; segments of another cluster or node than the identity),
// ResourceExhausted (no room for a segment; nothing was changed), DataLoss
// (corruption anywhere but in the torn tail: never silently truncated). The
// host compares Recovered::identity with its configuration.
absl::StatusOr<OpenResult> Open(Vfs* vfs, const std::string& dir,
                                const StorageOptions& options);

}  // namespace raft::storage

#endif  // RAFT_STORAGE_STORAGE_H_
