// The write-ahead log's writer: batches of records into preallocated segments.
// Layout and reasons: FORMAT.md; reading it back: wal_recovery.h.
#ifndef RAFT_STORAGE_WAL_H_
#define RAFT_STORAGE_WAL_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "raft/raft_io.h"
#include "raft/storage/storage.h"
#include "raft/storage/vfs.h"
#include "raft/storage/wal_format.h"

namespace raft::storage {

// Appends to the newest segment. Never writes below an offset that it has
// synced, never writes twice to one offset, never to a file that it did not
// create itself: what recovery read stays as it was, and bytes that a crash
// left behind can never be taken for records later.
class Wal {
 public:
  // Begins with a new segment in `dir` that starts with `first_batch` (may be
  // empty); all of it is durable on return. `header.synced_end` is filled in.
  // A file of that name is replaced atomically. `header.block_bytes` and sizes
  // come from `options`.
  static absl::StatusOr<std::unique_ptr<Wal>> Start(
      Vfs* vfs, std::string dir, const StorageOptions& options,
      SegmentHeader header, std::span<const Persist> first_batch,
      std::vector<SegmentStart> older = {});

  // See Storage::Append: one write, one sync; ResourceExhausted (only while
  // starting a new segment) leaves everything as it was. A persist with a base
  // begins a new segment: all of it, and of what follows it in the batch, or
  // nothing is there after a crash. What the batch holds before it is void.
  absl::Status Append(std::span<const Persist> batch);
  // See Storage::Release.
  absl::Status Release(Index through);

  const WalState& state() const { return state_; }
  uint64_t sequence() const { return header_.sequence; }
  uint64_t end() const { return end_; }  // offset of the next batch

 private:
  Wal(Vfs* vfs, std::string dir, const StorageOptions& options)
      : vfs_(vfs), dir_(std::move(dir)), options_(options) {}

  absl::Status StartSegment(SegmentHeader header,
                            std::span<const Persist> first_batch);
  absl::Status StartAfter(EntryId base, std::span<const Persist> batch);
  absl::Status WriteTemporary(const std::string& path, std::string_view bytes,
                              uint64_t size, std::unique_ptr<File>* file);
  absl::Status Halt(const absl::Status& why);
  void PadAndZeroAhead(uint64_t begin);

  Vfs* const vfs_;
  const std::string dir_;
  const StorageOptions options_;

  // All that are there, oldest first; the last one is being written.
  std::vector<SegmentStart> segments_;
  SegmentHeader header_;
  std::unique_ptr<File> file_;
  uint64_t size_ = 0;    // of the segment, preallocated
  uint64_t end_ = 0;     // everything below is durable
  uint64_t zeroed_ = 0;  // everything below was written, if only with zeros
  WalState state_;       // at end_
  absl::Status halted_;  // the first error after which nothing may be written
  std::string buffer_;   // kept for its capacity
};

// The first segment of a log, one block long, holding no record. For Format.
absl::Status CreateFirstSegment(Vfs* vfs, const std::string& dir,
                                const WalOwner& owner);

// The name under which a segment is prepared.
inline constexpr char kTemporarySegment[] = "next.tmp";

}  // namespace raft::storage

#endif  // RAFT_STORAGE_WAL_H_
