// PosixVfs: the real disk behind the storage port. What the simulated disk
// promises, this one keeps: vfs_conformance runs on both.
#ifndef NET_POSIX_VFS_H_
#define NET_POSIX_VFS_H_

#include <memory>
#include <string>
#include <vector>

#include "raft/storage/vfs.h"

namespace net {

// Stateless; any number of threads may use one, each File from one at a time.
// Sync is fdatasync, SyncDir is fsync of the folder, LockDir is flock on the
// folder itself, so nothing is left behind by a process that was killed.
//
// errno becomes a code: ENOENT NotFound, EEXIST AlreadyExists, ENOSPC and
// EDQUOT ResourceExhausted, EIO DataLoss, EACCES, EPERM and EROFS
// PermissionDenied, all others Unknown. Messages name the call, the path and
// errno's text.
class PosixVfs : public raft::storage::Vfs {
 public:
  absl::StatusOr<std::unique_ptr<raft::storage::File>> Open(
      const std::string& path, raft::storage::OpenMode mode) override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status Remove(const std::string& path) override;
  absl::Status MakeDir(const std::string& path) override;
  absl::StatusOr<std::vector<std::string>> List(
      const std::string& path) override;
  absl::Status SyncDir(const std::string& path) override;
  absl::StatusOr<std::unique_ptr<Lock>> LockDir(
      const std::string& path) override;
};

}  // namespace net

#endif  // NET_POSIX_VFS_H_
