// Reads a snapshot file chunk by chunk; everything is verified before it is
// handed out, and memory is bounded by one chunk.
#ifndef RAFT_STORAGE_SNAPSHOT_READER_H_
#define RAFT_STORAGE_SNAPSHOT_READER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "raft/storage/snapshot_format.h"
#include "raft/storage/vfs.h"

namespace raft::storage {

// Not thread-safe. Errors name file and, for damage, the offset.
class SnapshotReader {
 public:
  // What is wrong with the file itself, as opposed to the disk under it.
  struct Damage {
    uint64_t offset = 0;  // of the part that is wrong
    std::string why;
    bool other_version = false;  // nothing is damaged
  };

  SnapshotReader(std::unique_ptr<File> file, std::string path)
      : file_(std::move(file)), path_(std::move(path)) {}
  // Opens the file and reads its header. The vfs may go, the file stays open.
  // *damage is set when the file itself is the reason of an error.
  static absl::StatusOr<std::unique_ptr<SnapshotReader>> Open(
      Vfs* vfs, const std::string& path, std::optional<Damage>* damage);

  // First call. DataLoss, FailedPrecondition (another format version).
  absl::Status ReadHeader();
  const SnapshotHeader& header() const { return header_; }

  // The next chunk; false at the end, which is only where an intact footer says
  // so. DataLoss on damage and on an unfinished file; then cursor() stands
  // behind the last good chunk.
  absl::StatusOr<bool> Next(SnapshotChunk* chunk);
  const SnapshotCursor& cursor() const { return cursor_; }
  // Goes on at a receiver's cursor. The chain of checksums makes Next refuse a
  // cursor into other bytes than this file's.
  void Seek(const SnapshotCursor& cursor) { cursor_ = cursor; }

  // Set after an error of ReadHeader or Next whose reason is the file.
  const std::optional<Damage>& damage() const { return damage_; }

 private:
  absl::Status Refuse(uint64_t offset, const absl::Status& why);

  const std::unique_ptr<File> file_;
  const std::string path_;
  SnapshotHeader header_;
  SnapshotCursor cursor_;
  std::optional<Damage> damage_;
  std::string buffer_;
};

}  // namespace raft::storage

#endif  // RAFT_STORAGE_SNAPSHOT_READER_H_
