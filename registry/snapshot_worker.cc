#include "registry/snapshot_worker.h"

#include <utility>
#include <vector>

#include "raft/check.h"
#include "registry/snapshot_loader.h"

namespace registry {
namespace {

using raft::SnapshotPlace;
using raft::storage::SnapshotChunk;
using raft::storage::SnapshotCursor;
using raft::storage::SnapshotHeader;
using raft::storage::SnapshotId;
using raft::storage::SnapshotReader;
using raft::storage::SnapshotStore;

SnapshotId IdOf(const raft::SnapshotName& name) {
  return {.index = name.last.index,
          .term = name.last.term,
          .digest = {.low = name.digest_low, .high = name.digest_high},
          .origin = name.origin};
}

raft::SnapshotName NameOf(const SnapshotId& id) {
  return {.last = {id.index, id.term},
          .digest_high = id.digest.high,
          .digest_low = id.digest.low,
          .origin = id.origin};
}

SnapshotPlace PlaceOf(const SnapshotCursor& cursor) {
  return {cursor.offset, cursor.sequence, cursor.checksum};
}

SnapshotCursor CursorAt(const SnapshotPlace& place) {
  return {place.offset, place.sequence, place.checksum};
}

absl::StatusOr<LoadedState> Finish(SnapshotLoader* loader,
                                   size_t leases_per_check, raft::Time now) {
  absl::StatusOr<StateMachine> state = loader->Finish();
  if (!state.ok()) return state.status();
  LoadedState loaded(leases_per_check);
  loaded.state = *std::move(state);
  loaded.state.ForEachLeasedSession(
      [&loaded, now](SessionId session, raft::Duration ttl) {
        loaded.leases.Add(session, ttl, now);
      });
  return loaded;
}

}  // namespace

absl::StatusOr<LoadedState> LoadState(SnapshotReader* reader,
                                      size_t leases_per_check, raft::Time now,
                                      std::string* bytes) {
  SnapshotLoader loader;
  SnapshotChunk chunk;
  for (;;) {
    const absl::StatusOr<bool> more = reader->Next(&chunk);
    if (!more.ok()) return more.status();
    if (!*more) break;
    if (bytes != nullptr) bytes->append(chunk.payload);
    absl::Status added = loader.Add(chunk.payload);
    if (!added.ok()) return added;
  }
  absl::StatusOr<LoadedState> loaded = Finish(&loader, leases_per_check, now);
  if (!loaded.ok()) return loaded;
  const SnapshotId& id = reader->header().id;
  const StateDigest digest = loaded->state.digest();
  if (loaded->state.applied() != id.index || digest.low != id.digest.low ||
      digest.high != id.digest.high) {
    return absl::DataLossError(
        "the state in the snapshot is another one than its header says");
  }
  return loaded;
}

absl::StatusOr<LoadedState> LoadState(std::string_view bytes,
                                      size_t leases_per_check, raft::Time now) {
  SnapshotLoader loader;
  absl::Status added = loader.Add(bytes);
  if (!added.ok()) return added;
  return Finish(&loader, leases_per_check, now);
}

StateReceived MakeStateReceived(const raft::SnapshotReceived& received,
                                LoadedState loaded) {
  const StateDigest digest = loaded.state.digest();
  return {.received = received,
          .digest_high = digest.high,
          .digest_low = digest.low,
          .state = std::make_shared<LoadedState>(std::move(loaded))};
}

SnapshotWorker::SnapshotWorker(Options options, raft::storage::Vfs* vfs,
                               std::unique_ptr<SnapshotStore> store)
    : options_(std::move(options)), vfs_(vfs), store_(std::move(store)) {}

absl::Status SnapshotWorker::Do(const BulkWork& work, BulkResult* result) {
  return std::visit([this, result](const auto& one) { return Do(one, result); },
                    work);
}

absl::Status SnapshotWorker::EnsureStore() {
  if (store_ != nullptr) return absl::OkStatus();
  absl::StatusOr<std::unique_ptr<SnapshotStore>> store =
      SnapshotStore::Open(vfs_, options_.data_dir, options_.owner);
  if (store.ok()) store_ = *std::move(store);
  return store.status();
}

// ------------------------------------------------------------- its own

absl::Status SnapshotWorker::WriteLocal(const WriteSnapshot& write) {
  absl::Status status = EnsureStore();
  if (!status.ok()) return status;
  if (local_ == nullptr || local_name_ != write.snapshot) {
    local_.reset();
    local_name_ = write.snapshot;
    absl::StatusOr<Writer> writer = store_->Create(IdOf(write.snapshot), "");
    if (!writer.ok()) return writer.status();
    local_ = *std::move(writer);
  }
  if (!write.slice.empty()) status = local_->Append(write.slice.view());
  if (!status.ok() || !write.end) return status;
  status = local_->Finish();
  local_.reset();
  return status.ok() ? store_->Retain(kSnapshotsKept) : status;
}

absl::Status SnapshotWorker::Do(const WriteSnapshot& write,
                                BulkResult* result) {
  const absl::Status status = WriteLocal(write);
  if (!status.ok()) local_.reset();
  if (!status.ok() && !absl::IsResourceExhausted(status)) return status;
  result->event =
      SnapshotWritten{.snapshot = write.snapshot, .failed = !status.ok()};
  return absl::OkStatus();
}

absl::Status SnapshotWorker::Do(const AbandonSnapshot&, BulkResult*) {
  if (local_ == nullptr) return absl::OkStatus();
  const absl::Status status = local_->Abort();
  local_.reset();
  return status;
}

// ------------------------------------------------------------- for a follower

// That snapshot, or, if it is gone, the newest.
absl::StatusOr<SnapshotWorker::Reader> SnapshotWorker::OpenToSend(
    raft::EntryId snapshot) {
  absl::Status status = EnsureStore();
  if (!status.ok()) return status;
  absl::StatusOr<Reader> reader = store_->Read(snapshot.index);
  if (!absl::IsNotFound(reader.status())) return reader;
  const absl::StatusOr<std::vector<raft::Index>> indexes = store_->List();
  if (!indexes.ok()) return indexes.status();
  if (indexes->empty()) return absl::NotFoundError("there is no snapshot");
  return store_->Read(indexes->back());
}

absl::StatusOr<raft::SnapshotRequest> SnapshotWorker::ReadPiece(
    const raft::ReadSnapshot& read) {
  Reader& reader = readers_[read.to];
  const bool offer = read.at == SnapshotPlace();
  if (offer || reader == nullptr) {
    absl::StatusOr<Reader> opened = OpenToSend(read.snapshot);
    if (!opened.ok()) return opened.status();
    reader = *std::move(opened);
  }
  const SnapshotHeader& header = reader->header();
  raft::SnapshotRequest piece{.snapshot = NameOf(header.id)};
  if (offer || piece.snapshot.last != read.snapshot) {
    piece.configuration = raft::Bytes(header.configuration);
    return piece;
  }
  piece.at = read.at;
  reader->Seek(CursorAt(read.at));
  SnapshotChunk chunk;
  const absl::StatusOr<bool> more = reader->Next(&chunk);
  if (!more.ok()) return more.status();
  if (*more) {
    piece.checksum = chunk.checksum;
    piece.payload = raft::Bytes(std::move(chunk.payload));
  } else {
    piece.end = true;
  }
  return piece;
}

// Reading changes nothing, so no error of it need stop the node.
absl::Status SnapshotWorker::Do(const raft::ReadSnapshot& read,
                                BulkResult* result) {
  absl::StatusOr<raft::SnapshotRequest> piece = ReadPiece(read);
  raft::SnapshotRead answer{.to = read.to, .failed = !piece.ok()};
  if (piece.ok()) answer.piece = *std::move(piece);
  // An end is rarely asked for twice; a removed file's room should come back.
  if (answer.failed || answer.piece.end) readers_.erase(read.to);
  result->event = std::move(answer);
  return absl::OkStatus();
}

// ------------------------------------------------------------- from a leader

absl::Status SnapshotWorker::TakeOffer(const raft::SnapshotRequest& offer) {
  if (received_ != nullptr && received_name_ == offer.snapshot) {
    return absl::OkStatus();
  }
  absl::Status status = EnsureStore();
  if (!status.ok()) return status;
  received_.reset();
  absl::StatusOr<Writer> writer = store_->Receive(
      IdOf(offer.snapshot), std::string(offer.configuration.view()));
  if (!writer.ok()) return writer.status();
  received_ = *std::move(writer);
  received_name_ = offer.snapshot;
  return status;
}

// All is there: its name first, then its state. A crash between the two is as
// good as one after both, for a boot loads it.
absl::Status SnapshotWorker::TakeEnd(const raft::StoreSnapshot& store,
                                     BulkResult* result) {
  const raft::SnapshotRequest& piece = store.piece;
  absl::Status status = received_->FinishReceived(CursorAt(piece.at));
  if (!status.ok()) return status;
  received_.reset();
  absl::StatusOr<Reader> reader = store_->Read(piece.snapshot.last.index);
  if (!reader.ok()) return reader.status();
  absl::StatusOr<LoadedState> loaded =
      LoadState(reader->get(), options_.leases_per_check, result->asked_at,
                options_.tell_state_bytes ? &result->state_bytes : nullptr);
  if (!loaded.ok()) return loaded.status();
  status = store_->Retain(kSnapshotsKept);
  if (!status.ok()) return status;
  result->event = MakeStateReceived(
      {.from = store.from, .snapshot = piece.snapshot.last, .at = piece.at},
      *std::move(loaded));
  return status;
}

absl::Status SnapshotWorker::Do(const raft::StoreSnapshot& store,
                                BulkResult* result) {
  const raft::SnapshotRequest& piece = store.piece;
  const bool offer = piece.at == SnapshotPlace();
  // Nowhere: the sender begins with the offer again.
  raft::SnapshotStored stored{
      .from = store.from, .snapshot = piece.snapshot.last, .at = piece.at};
  absl::Status status;
  if (offer) {
    status = TakeOffer(piece);
  } else if (received_ == nullptr || received_name_ != piece.snapshot) {
    result->event = stored;
    return status;
  } else if (piece.end) {
    status = TakeEnd(store, result);
    if (status.ok()) return status;
  } else {
    status = received_->AppendReceived(
        SnapshotChunk{.at = CursorAt(piece.at),
                      .checksum = piece.checksum,
                      .payload = std::string(piece.payload.view())});
  }
  const bool refused =
      absl::IsInvalidArgument(status) || absl::IsFailedPrecondition(status);
  if (!status.ok() && !refused) received_.reset();
  if (!status.ok() && !refused && !absl::IsResourceExhausted(status)) {
    return status;
  }
  if (received_ != nullptr) stored.next = PlaceOf(received_->cursor());
  result->event = stored;
  return absl::OkStatus();
}

}  // namespace registry
