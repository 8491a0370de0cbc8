// SnapshotWorker: what a node asks to be done with snapshots, done on the bulk
// lane. Each call is the body of one disk job and leaves behind the event that
// answers the effect.
#ifndef REGISTRY_SNAPSHOT_WORKER_H_
#define REGISTRY_SNAPSHOT_WORKER_H_

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "raft/storage/snapshot_store.h"
#include "raft/storage/storage.h"
#include "registry/node.h"
#include "registry/node_io.h"

namespace registry {

// An effect that a job of the bulk lane performs.
using BulkWork = std::variant<WriteSnapshot, AbandonSnapshot,
                              raft::ReadSnapshot, raft::StoreSnapshot>;

// What came of it.
struct BulkResult {
  std::optional<Event> event;  // nothing: nobody waits for an answer
  raft::Time asked_at;         // what loaded leases count from
  // If asked for: the bytes that the event's state was loaded from.
  std::string state_bytes;
};

// How many finished snapshots a node keeps; see Node::OnSnapshotWritten.
inline constexpr size_t kSnapshotsKept = 2;

// Loads the state of a snapshot, verified against its digest, with leases that
// count from `now`. `bytes`: if not null, gets what it was loaded from.
// DataLoss: the bytes are of no state, or of another one than the header says.
absl::StatusOr<LoadedState> LoadState(raft::storage::SnapshotReader* reader,
                                      size_t leases_per_check, raft::Time now,
                                      std::string* bytes);
// The same from the bytes, verified against the digest in them.
absl::StatusOr<LoadedState> LoadState(std::string_view bytes,
                                      size_t leases_per_check, raft::Time now);
// The event that gives a node the state of what it received.
StateReceived MakeStateReceived(const raft::SnapshotReceived& received,
                                LoadedState loaded);

// Not thread-safe: belongs to the bulk lane. Does nothing in its destructor
// that a killed process would not have done.
class SnapshotWorker {
 public:
  struct Options {
    std::string data_dir;
    raft::storage::WalOwner owner;
    size_t leases_per_check = kLeasesPerCheckMax;
    bool tell_state_bytes = false;
  };
  // `store` may be null: the folder is made with the first snapshot. The vfs
  // must outlive this.
  SnapshotWorker(Options options, raft::storage::Vfs* vfs,
                 std::unique_ptr<raft::storage::SnapshotStore> store);

  // result->asked_at is given. An error means that the node must halt, as one
  // of the log's does; no room is none.
  absl::Status Do(const BulkWork& work, BulkResult* result);

 private:
  using Writer = std::unique_ptr<raft::storage::SnapshotWriter>;
  using Reader = std::unique_ptr<raft::storage::SnapshotReader>;

  absl::Status Do(const WriteSnapshot& write, BulkResult* result);
  absl::Status Do(const AbandonSnapshot& abandon, BulkResult* result);
  absl::Status Do(const raft::ReadSnapshot& read, BulkResult* result);
  absl::Status Do(const raft::StoreSnapshot& store, BulkResult* result);

  absl::Status EnsureStore();
  absl::Status WriteLocal(const WriteSnapshot& write);
  absl::StatusOr<Reader> OpenToSend(raft::EntryId snapshot);
  absl::StatusOr<raft::SnapshotRequest> ReadPiece(
      const raft::ReadSnapshot& read);
  absl::Status TakeOffer(const raft::SnapshotRequest& offer);
  absl::Status TakeEnd(const raft::StoreSnapshot& store, BulkResult* result);

  const Options options_;
  raft::storage::Vfs* const vfs_;
  std::unique_ptr<raft::storage::SnapshotStore> store_;

  raft::SnapshotName local_name_;
  Writer local_;
  raft::SnapshotName received_name_;
  Writer received_;
  std::map<raft::NodeId, Reader> readers_;  // by follower
};

}  // namespace registry

#endif  // REGISTRY_SNAPSHOT_WORKER_H_
