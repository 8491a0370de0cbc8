// Reading the write-ahead log back after a clean stop, a kill, a loss of power
// or worse. What may be cut and what must be refused: the table in Decide().
#ifndef RAFT_STORAGE_WAL_RECOVERY_H_
#define RAFT_STORAGE_WAL_RECOVERY_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "raft/raft_io.h"
#include "raft/storage/storage.h"
#include "raft/storage/vfs.h"
#include "raft/storage/wal_format.h"

namespace raft::storage {

// What stands where the records of a segment stop.
enum class Tail : uint8_t {
  kEnd,              // zeros to the end of the file, at the end of a batch
  kUnfinishedBatch,  // the same, but the batch announced more records
  kBroken,           // bytes that are no record of this place
  kContradiction,    // a record with right checksums that cannot follow
};
// Is there an intact record header behind it? Or, there or behind, that of a
// later record which was written for another place?
enum class Later : uint8_t { kNone, kFound, kMisplaced };
// How far is the log known to have been durable? Every record names the offset
// below which all was durable when it was written, every segment header the
// same for its own file and for the segment before.
enum class Synced : uint8_t { kNotBeyond, kBeyond };

enum class Verdict : uint8_t {
  kAccept,      // the log ends here
  kCut,         // a batch that was never acknowledged: the log ends here
  kRefuse,      // durable bytes are damaged
  kImpossible,  // cannot be observed: a defect of the reader
};

// The rule, one cell per situation (conformance 12.8).
Verdict Decide(Tail tail, Later later, Synced synced);

// The log so far, while records are replayed onto it.
struct ReplayedLog {
  WalState state;
  std::vector<Entry> entries;  // contiguous from index 1

  // Why the record cannot follow; empty when it can.
  std::string WhyNotNext(const RecordHeader& header, const Persist& persist);
  void Apply(const RecordHeader& header, Persist persist);
};

// How one segment ended.
struct SegmentEnd {
  Tail tail = Tail::kEnd;
  Later later = Later::kNone;
  Synced synced = Synced::kNotBeyond;
  uint64_t offset = 0;      // where its records stop
  uint64_t torn_bytes = 0;  // from there to the last byte that is not zero
  std::string why;          // for kContradiction
  uint64_t records = 0;
  uint64_t batches = 0;
  uint64_t batch_begin = 0;     // of the last batch, when there is one
  uint64_t batch_records = 0;   // of it
  WalState state_before_batch;  // at batch_begin
};

// Replays the records of one segment onto *log; stops at the first that is not
// intact or cannot follow. `bytes` is the whole file, or for a segment that has
// a successor what lies before the successor's previous_end. `synced_mark`:
// bytes before this offset were durable.
SegmentEnd ReadSegment(std::string_view bytes, const SegmentHeader& header,
                       uint64_t synced_mark, ReplayedLog* log);

// The log and how to go on writing. Nothing on disk has been changed.
struct RecoveredWal {
  ReplayedLog log;
  uint64_t torn_bytes_cut = 0;
  uint64_t records = 0;
  uint64_t segments = 0;

  // The writer must begin a new segment with this header and batch. The batch
  // is the log's last one: nothing on disk tells whether its sync ever ended
  // well, and after a failed one the page cache shows bytes that the platter
  // does not have. Written anew it is durable for certain.
  SegmentHeader next;
  std::vector<Persist> last_batch;
};

// Reads the segments in `dir`. Errors as Open's, with file, offset and what to
// do; `data_dir` is for the latter.
absl::StatusOr<RecoveredWal> RecoverWal(Vfs* vfs, const std::string& dir,
                                        const WalOwner& owner,
                                        const std::string& data_dir);

}  // namespace raft::storage

#endif  // RAFT_STORAGE_WAL_RECOVERY_H_
