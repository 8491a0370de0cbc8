// The identity file: whose data directory this is. Layout: FORMAT.md.
#ifndef RAFT_STORAGE_IDENTITY_H_
#define RAFT_STORAGE_IDENTITY_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "raft/storage/storage.h"
#include "raft/storage/vfs.h"

namespace raft::storage {

std::string EncodeIdentity(const Identity& identity);
// DataLoss when damaged, FailedPrecondition when of another format version.
absl::StatusOr<Identity> DecodeIdentity(std::string_view bytes);

// NotFound when `dir` holds none; messages name the file.
absl::StatusOr<Identity> ReadIdentity(Vfs* vfs, const std::string& dir);
// Durable and all or nothing. Replaces a file that a crash left half written.
absl::Status WriteIdentity(Vfs* vfs, const std::string& dir,
                           const Identity& identity);

// How to bring a node back whose directory cannot be trusted any more: the end
// of every refusal.
std::string HowToComeBack(const std::string& dir, NodeId node);

// Removes `path` if it is there.
absl::Status RemoveIfThere(Vfs* vfs, const std::string& path);
// Reads the whole file into *out.
absl::Status ReadWhole(File* file, std::string* out);

}  // namespace raft::storage

#endif  // RAFT_STORAGE_IDENTITY_H_
