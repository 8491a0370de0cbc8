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
  std::vector<Entry> entries;  // contiguous from behind `before`
  // 0, or the segments that held these and earlier entries are gone, or a
  // snapshot has taken their place. The term of the entry there is known only
  // if it is the base's.
  Index before;
  EntryId base;  // of the newest segment

  // Of the entry at `index`; Term(0) if it is not known.
  Term TermAt(Index index) const;
  // A snapshot takes the place of everything.
  void Reset(EntryId new_base);
  // Whether the segment goes on where the log stands; the first that is left
  // says itself where that is.
  bool Enter(const SegmentHeader& header, bool first);

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
  // The segments before `next`, oldest first.
  std::vector<SegmentStart> older;

  // The writer must begin a new segment with this header and batch. The batch
  // is the log's last one: nothing on disk tells whether its sync ever ended
  // well, and after a failed one the page cache shows bytes that the platter
  // does not have. Written anew it is durable for certain.
  SegmentHeader next;
  std::vector<Persist> last_batch;
};

// `recovered`, as it must go on when the newest snapshot is `snapshot`, durable
// and verified ({0, 0}: there is none). Decision, by what the log holds:
//
//   no snapshot           begins at 1                   the log
//                         begins later                  refuse: DataLoss
//   snapshot up to S      begins behind S + 1           refuse: DataLoss
//                         holds S, of its term          the log, what follows S
//                                                       included
//                         ends before S                 the snapshot alone: the
//                                                       log's change was lost
//                                                       in a crash
//                         holds S, of another term      the snapshot alone:
//                         what
//                                                       it holds is not
//                                                       committed
//
// Afterwards the term of log.base is known, log.before is its index, and where
// the snapshot stands alone, `next` is a segment that says so.
absl::Status Reconcile(EntryId snapshot, const std::string& first_missing,
                       RecoveredWal* recovered);

// Reads the segments in `dir`. Errors as Open's, with file, offset and what to
// do; `data_dir` is for the latter. The first segments may be gone
// (Wal::Release): whether what is left makes a log, Reconcile tells.
absl::StatusOr<RecoveredWal> RecoverWal(Vfs* vfs, const std::string& dir,
                                        const WalOwner& owner,
                                        const std::string& data_dir);

}  // namespace raft::storage

#endif  // RAFT_STORAGE_WAL_RECOVERY_H_
