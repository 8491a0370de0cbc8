// Vfs: the file system as the storage layer sees it. One of the four ports
// that differ between worlds: sim::SimDisk (bytes, sectors, crashes) and
// net::PosixVfs (a real disk). Both pass the same conformance suite.
//
// Calls block and return Status; asynchrony lives one level up, in DiskQueue.
// What a crash may forget: everything not covered by File::Sync (data and
// size), and every create, rename and remove not covered by SyncDir. A crash
// in the middle of a Write may leave any subset of its 512-byte sectors.
// Durability is promised for a file's bytes only when both its own Sync and,
// once after its creation, the SyncDir of its folder have returned OK.
#ifndef RAFT_STORAGE_VFS_H_
#define RAFT_STORAGE_VFS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace raft::storage {

// An open file. Not thread-safe. Closed by its destructor.
class File {
 public:
  virtual ~File() = default;

  // Writes all of `data` at `offset`, extending the file when needed. On error
  // any part of it may have been written.
  virtual absl::Status Write(uint64_t offset, std::string_view data) = 0;

  // Reads up to `size` bytes at `offset` into *out (replacing it); fewer only
  // at the end of the file. Takes memory for what is there, however much is
  // asked for.
  virtual absl::Status Read(uint64_t offset, size_t size, std::string* out) = 0;

  // Makes the file's bytes and size durable (fdatasync). After an error the
  // state of un-synced bytes is unknown: the caller must halt, never retry
  // (the kernel may have dropped the dirty pages and would now report success).
  virtual absl::Status Sync() = 0;

  // Reserves `size` bytes from offset 0, reading as zeros where nothing was
  // written; the file's size becomes at least `size`. ResourceExhausted when
  // the disk is full.
  virtual absl::Status Preallocate(uint64_t size) = 0;

  // Cuts or extends (with zeros) the file; durable after Sync.
  virtual absl::Status Truncate(uint64_t size) = 0;
  virtual absl::StatusOr<uint64_t> Size() = 0;
};

enum class OpenMode {
  kRead,       // must exist
  kReadWrite,  // must exist
  kCreate,     // read-write; AlreadyExists if it exists
};

// Paths are absolute or relative to the host's own root; '/' separates. Error
// codes: NotFound, AlreadyExists, ResourceExhausted (disk full), DataLoss (I/O
// error), PermissionDenied, Unknown (any other). Messages name the path.
class Vfs {
 public:
  virtual ~Vfs() = default;

  virtual absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path,
                                                     OpenMode mode) = 0;
  // Atomically replaces `to` in the eyes of every later Open; durable after
  // SyncDir of the folder. Both names lie in one folder (InvalidArgument):
  // then one SyncDir covers the whole change. Neither is a folder (Unknown).
  virtual absl::Status Rename(const std::string& from,
                              const std::string& to) = 0;
  virtual absl::Status Remove(const std::string& path) = 0;
  // Creates one folder; OK if it already is one.
  virtual absl::Status MakeDir(const std::string& path) = 0;
  // Names (not paths) of the files and folders in `path`, sorted.
  virtual absl::StatusOr<std::vector<std::string>> List(
      const std::string& path) = 0;
  // Makes creates, renames and removes in `path` durable.
  virtual absl::Status SyncDir(const std::string& path) = 0;
  // Takes the folder's exclusive lock for the life of the returned object;
  // FailedPrecondition when another process (or another live holder) has it.
  class Lock {
   public:
    virtual ~Lock() = default;
  };
  virtual absl::StatusOr<std::unique_ptr<Lock>> LockDir(
      const std::string& path) = 0;
};

}  // namespace raft::storage

#endif  // RAFT_STORAGE_VFS_H_
