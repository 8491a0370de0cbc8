// The snapshots of one node: written whole or not at all, received in pieces
// that may be continued after a restart, read back verified, old ones removed.
// Layout: FORMAT.md.
//
//   <dir>/snapshots/snapshot-<index>  finished: synced before it got its name
//   <dir>/snapshots/local.tmp         being taken; removed at Open
//   <dir>/snapshots/received.part     being received; may be continued
#ifndef RAFT_STORAGE_SNAPSHOT_STORE_H_
#define RAFT_STORAGE_SNAPSHOT_STORE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "raft/storage/snapshot_format.h"
#include "raft/storage/snapshot_reader.h"
#include "raft/storage/vfs.h"
#include "raft/types.h"

namespace raft::storage {

// In the data directory; made with the first snapshot.
inline constexpr char kReceivedSnapshot[] = "received.part";
inline constexpr char kSnapshotFolder[] = "snapshots";

class SnapshotStore;

// Writes one snapshot; the store must outlive it. After any error but those
// that AppendReceived names, every call is refused with FailedPrecondition. An
// error other than ResourceExhausted means that a node must halt, as one of the
// log's; the finished snapshots are never touched. Destruction without Finish
// leaves the file as it is, as a killed process does: a local one is removed at
// the next Open or Create, a received one may be continued.
class SnapshotWriter {
 public:
  ~SnapshotWriter();
  const SnapshotCursor& cursor() const { return cursor_; }

  // One chunk of 1 to kSnapshotChunkBytesMax bytes.
  absl::Status Append(std::string_view payload);
  // A chunk as a sender's reader gave it. InvalidArgument: its bytes are not
  // what its checksum says; FailedPrecondition: it is not the next one of this
  // snapshot (a duplicate, a gap, another sender's). Both change nothing, and
  // the writer waits for the chunk at cursor().
  absl::Status AppendReceived(const SnapshotChunk& chunk);
  // Footer, sync, name, sync of the folder. OK: durable under its name, in
  // place of one of that index. Error: it is there whole or not at all.
  absl::Status Finish();
  // The same, only if the sender's end is this cursor; else FailedPrecondition
  // and nothing has changed.
  absl::Status FinishReceived(const SnapshotCursor& end);
  // Gives up and removes the file.
  absl::Status Abort();

 private:
  friend class SnapshotStore;
  SnapshotWriter(SnapshotStore* store, SnapshotHeader header, bool received);
  std::string path() const;
  absl::Status Begin();
  absl::StatusOr<bool> Continue();
  absl::Status Usable() const;
  absl::Status Fail(const absl::Status& why);

  SnapshotStore* const store_;
  const SnapshotHeader header_;
  const bool received_;
  std::unique_ptr<File> file_;
  SnapshotCursor cursor_;
  SnapshotSyncs syncs_;
  absl::Status ended_;  // why nothing may be written any more
};

// What a boot finds.
struct SnapshotRecovery {
  std::optional<SnapshotHeader> newest;  // verified; nothing: there is none
  // Damaged newer ones that the log stands in for: to be told to an operator.
  std::vector<std::string> passed_over;
};

// Runs on one lane; not thread-safe. The caller holds the directory's lock.
class SnapshotStore {
 public:
  // Creates the folder, makes its names durable, removes an unfinished local
  // snapshot. The vfs must outlive it.
  static absl::StatusOr<std::unique_ptr<SnapshotStore>> Open(
      Vfs* vfs, const std::string& data_dir, const WalOwner& owner);

  // Does nothing at all: for Recover and Read by a program that only looks.
  static std::unique_ptr<SnapshotStore> OpenToRead(Vfs* vfs,
                                                   const std::string& data_dir,
                                                   const WalOwner& owner);

  // Indexes of the finished ones, ascending. Nothing is verified.
  absl::StatusOr<std::vector<Index>> List() const;
  // Verifies the newest, every byte. `log_first` and `log_last` say which
  // entries the log holds (log_last = log_first - 1: none).
  //
  // Decision: a damaged snapshot is passed over only when the log holds every
  // entry after the older one that takes its place (or from 1 on, if there is
  // none) up to the damaged one's index: then the same state comes of it, and
  // passed_over says so. Otherwise DataLoss, with file, offset and what to do:
  // an older snapshot alone would make the node forget what it acknowledged. A
  // disk that cannot be read (no damage seen) and another format version are
  // never passed over.
  absl::StatusOr<SnapshotRecovery> Recover(Index log_first, Index log_last);
  absl::StatusOr<std::unique_ptr<SnapshotReader>> Read(Index index) const;

  // FailedPrecondition while another of its kind is being written.
  absl::StatusOr<std::unique_ptr<SnapshotWriter>> Create(
      const SnapshotId& id, const std::string& configuration);
  // Continues an unfinished file of the same id and configuration, else begins
  // anew: chunks of two snapshots never meet (raft-conformance 6.7). Go on at
  // the writer's cursor(). What is continued is what a later chunk proves to
  // have been synced: at most 1 MiB and two chunks are received twice. (A
  // process killed after a failed sync leaves pages that reads show and the
  // disk does not have; see FORMAT.md, rules of writing, 4.)
  absl::StatusOr<std::unique_ptr<SnapshotWriter>> Receive(
      const SnapshotId& id, const std::string& configuration);

  // Removes all but the newest `keep` (>= 1) finished ones, and temporary files
  // that nobody can use any more. One that Recover found damaged does not
  // count; it goes when a newer one is there.
  absl::Status Retain(size_t keep);

 private:
  friend class SnapshotWriter;
  SnapshotStore(Vfs* vfs, const std::string& data_dir, const WalOwner& owner);
  std::string PathOf(const std::string& name) const;
  absl::StatusOr<std::unique_ptr<SnapshotWriter>> Start(
      const SnapshotId& id, const std::string& configuration, bool received);
  absl::Status Verify(Index index, SnapshotHeader* header,
                      std::optional<SnapshotReader::Damage>* damage) const;

  Vfs* const vfs_;
  const std::string data_dir_;
  const std::string dir_;
  const WalOwner owner_;
  std::set<Index> damaged_;
  bool writing_[2] = {false, false};  // local, received
};

}  // namespace raft::storage

#endif  // RAFT_STORAGE_SNAPSHOT_STORE_H_
