#include "raft/storage/snapshot_store.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "raft/check.h"
#include "raft/storage/identity.h"

namespace raft::storage {
namespace {

constexpr char kLocal[] = "local.tmp";

}  // namespace

// ------------------------------------------------------------------ writing

SnapshotWriter::SnapshotWriter(SnapshotStore* store, SnapshotHeader header,
                               bool received)
    : store_(store),
      header_(std::move(header)),
      received_(received),
      cursor_(FirstChunk(header_)),
      syncs_(cursor_) {
  store_->writing_[received_] = true;
}

SnapshotWriter::~SnapshotWriter() { store_->writing_[received_] = false; }

std::string SnapshotWriter::path() const {
  return store_->PathOf(received_ ? kReceivedSnapshot : kLocal);
}

absl::Status SnapshotWriter::Usable() const {
  if (ended_.ok()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      path(), ": nothing is written any more: ", ended_.message()));
}

// A local file is of no use any more. A received one waits for the next start,
// unless the disk is full: the log needs the room more.
absl::Status SnapshotWriter::Fail(const absl::Status& why) {
  ended_ = why;
  file_.reset();
  if (!received_ || absl::IsResourceExhausted(why)) {
    (void)store_->vfs_->Remove(path());
  }
  return why;
}

absl::Status SnapshotWriter::Begin() {
  absl::Status status = RemoveIfThere(store_->vfs_, path());
  if (!status.ok()) return Fail(status);
  absl::StatusOr<std::unique_ptr<File>> file =
      store_->vfs_->Open(path(), OpenMode::kCreate);
  if (!file.ok()) return Fail(file.status());
  file_ = *std::move(file);
  status = file_->Write(0, EncodeSnapshotHeader(header_));
  // So that there is something to continue after a crash.
  if (status.ok() && received_) status = file_->Sync();
  if (status.ok() && received_) status = store_->vfs_->SyncDir(store_->dir_);
  return status.ok() ? status : Fail(status);
}

// False: there is nothing that can be continued.
absl::StatusOr<bool> SnapshotWriter::Continue() {
  std::optional<SnapshotReader::Damage> damage;
  absl::StatusOr<std::unique_ptr<SnapshotReader>> reader =
      SnapshotReader::Open(store_->vfs_, path(), &damage);
  if (absl::IsNotFound(reader.status()) || damage.has_value()) return false;
  if (!reader.ok()) return Fail(reader.status());
  if ((*reader)->header() != header_) return false;
  // The syncs that the writer had behind it when it wrote each chunk.
  for (;;) {
    const SnapshotCursor at = (*reader)->cursor();
    SnapshotChunk chunk;
    absl::StatusOr<bool> more = (*reader)->Next(&chunk);
    if (!more.ok() && !(*reader)->damage().has_value()) {
      return Fail(more.status());
    }
    if (!more.ok() || !*more) break;
    if (syncs_.DueBefore(at)) syncs_.Synced(at);
  }
  cursor_ = syncs_.synced();
  if (cursor_.sequence == 0) return false;
  absl::StatusOr<std::unique_ptr<File>> file =
      store_->vfs_->Open(path(), OpenMode::kReadWrite);
  if (!file.ok()) return Fail(file.status());
  file_ = *std::move(file);
  absl::Status status = file_->Truncate(cursor_.offset);
  if (status.ok()) status = file_->Sync();
  if (!status.ok()) return Fail(status);
  return true;
}

absl::Status SnapshotWriter::Append(std::string_view payload) {
  absl::Status status = Usable();
  if (!status.ok()) return status;
  if (syncs_.DueBefore(cursor_)) {
    status = file_->Sync();
    if (!status.ok()) return Fail(status);
    syncs_.Synced(cursor_);
  }
  const SnapshotChunk chunk = {
      .at = cursor_,
      .checksum = ChunkChecksum(header_.owner, header_.id, cursor_, payload),
      .payload = std::string(payload)};
  status = file_->Write(cursor_.offset, EncodeSnapshotChunk(chunk));
  if (!status.ok()) return Fail(status);
  cursor_ = After(chunk);
  return status;
}

absl::Status SnapshotWriter::AppendReceived(const SnapshotChunk& chunk) {
  absl::Status status = Usable();
  if (!status.ok()) return status;
  if (chunk.at != cursor_) {
    return absl::FailedPreconditionError(absl::StrCat(
        path(), ": chunk ", chunk.at.sequence, " at offset ", chunk.at.offset,
        " is not the next: chunk ", cursor_.sequence, " at offset ",
        cursor_.offset, " is, after the one received"));
  }
  if (chunk.payload.empty() || chunk.payload.size() > kSnapshotChunkBytesMax ||
      chunk.checksum !=
          ChunkChecksum(header_.owner, header_.id, chunk.at, chunk.payload)) {
    return absl::InvalidArgumentError(absl::StrCat(
        path(), ": chunk ", chunk.at.sequence, " was damaged on its way"));
  }
  return Append(chunk.payload);
}

absl::Status SnapshotWriter::Finish() {
  absl::Status status = Usable();
  if (!status.ok()) return status;
  status = file_->Write(cursor_.offset, EncodeSnapshotFooter(header_, cursor_));
  if (status.ok()) status = file_->Sync();
  if (!status.ok()) return Fail(status);
  file_.reset();
  status = store_->vfs_->Rename(path(),
                                store_->PathOf(SnapshotName(header_.id.index)));
  if (!status.ok()) return Fail(status);
  ended_ = absl::FailedPreconditionError("it is finished");
  store_->damaged_.erase(header_.id.index);
  return store_->vfs_->SyncDir(store_->dir_);
}

absl::Status SnapshotWriter::FinishReceived(const SnapshotCursor& end) {
  absl::Status status = Usable();
  if (!status.ok()) return status;
  if (end != cursor_) {
    return absl::FailedPreconditionError(absl::StrCat(path(), ": received ",
                                                      cursor_.sequence, " of ",
                                                      end.sequence, " chunks"));
  }
  return Finish();
}

absl::Status SnapshotWriter::Abort() {
  absl::Status status = Usable();
  if (!status.ok()) return status;
  ended_ = absl::FailedPreconditionError("it was aborted");
  file_.reset();
  return RemoveIfThere(store_->vfs_, path());
}

// -------------------------------------------------------------------- store

SnapshotStore::SnapshotStore(Vfs* vfs, const std::string& data_dir,
                             const WalOwner& owner)
    : vfs_(vfs),
      data_dir_(data_dir),
      dir_(data_dir + "/" + kSnapshotFolder),
      owner_(owner) {}

std::string SnapshotStore::PathOf(const std::string& name) const {
  return absl::StrCat(dir_, "/", name);
}

absl::StatusOr<std::unique_ptr<SnapshotStore>> SnapshotStore::Open(
    Vfs* vfs, const std::string& data_dir, const WalOwner& owner) {
  auto store =
      std::unique_ptr<SnapshotStore>(new SnapshotStore(vfs, data_dir, owner));
  absl::Status status = vfs->MakeDir(store->dir_);
  if (status.ok()) status = vfs->SyncDir(data_dir);
  if (status.ok()) status = RemoveIfThere(vfs, store->PathOf(kLocal));
  // Also a name that a process killed in Finish has not made durable.
  if (status.ok()) status = vfs->SyncDir(store->dir_);
  if (!status.ok()) return status;
  return store;
}

std::unique_ptr<SnapshotStore> SnapshotStore::OpenToRead(
    Vfs* vfs, const std::string& data_dir, const WalOwner& owner) {
  return std::unique_ptr<SnapshotStore>(
      new SnapshotStore(vfs, data_dir, owner));
}

absl::StatusOr<std::vector<Index>> SnapshotStore::List() const {
  absl::StatusOr<std::vector<std::string>> names = vfs_->List(dir_);
  if (!names.ok()) return names.status();
  std::vector<Index> indexes;
  for (const std::string& name : *names) {
    if (const auto index = ParseSnapshotName(name)) indexes.push_back(*index);
  }
  return indexes;  // in the order of their names, which is theirs
}

absl::StatusOr<std::unique_ptr<SnapshotReader>> SnapshotStore::Read(
    Index index) const {
  std::optional<SnapshotReader::Damage> damage;
  return SnapshotReader::Open(vfs_, PathOf(SnapshotName(index)), &damage);
}

absl::Status SnapshotStore::Verify(
    Index index, SnapshotHeader* header,
    std::optional<SnapshotReader::Damage>* damage) const {
  const std::string path = PathOf(SnapshotName(index));
  auto reader = SnapshotReader::Open(vfs_, path, damage);
  if (!reader.ok()) return reader.status();
  *header = (*reader)->header();
  if (header->owner != owner_ || header->id.index != index) {
    return absl::FailedPreconditionError(absl::StrCat(
        path, ": offset 0: this snapshot is of cluster ",
        header->owner.cluster.value(), ", node ", ToString(header->owner.node),
        ", index ", header->id.index.value()));
  }
  SnapshotChunk chunk;
  for (;;) {
    absl::StatusOr<bool> more = (*reader)->Next(&chunk);
    *damage = (*reader)->damage();
    if (!more.ok()) return more.status();
    if (!*more) return absl::OkStatus();
  }
}

absl::StatusOr<SnapshotRecovery> SnapshotStore::Recover(Index log_first,
                                                        Index log_last) {
  absl::StatusOr<std::vector<Index>> indexes = List();
  if (!indexes.ok()) return indexes.status();
  SnapshotRecovery recovery;
  absl::Status refusal;  // of the newest damaged one
  Index must_reach;      // its index
  while (!indexes->empty() && !recovery.newest.has_value()) {
    const Index index = indexes->back();
    indexes->pop_back();
    SnapshotHeader header;
    std::optional<SnapshotReader::Damage> damage;
    absl::Status status = Verify(index, &header, &damage);
    if (status.ok()) {
      recovery.newest = std::move(header);
      break;
    }
    if (!damage.has_value() || damage->other_version) return status;
    damaged_.insert(index);
    recovery.passed_over.push_back(std::string(status.message()));
    if (refusal.ok()) {
      refusal = absl::DataLossError(absl::StrCat(
          status.message(), ". ", HowToComeBack(data_dir_, owner_.node)));
      must_reach = index;
    }
  }
  if (refusal.ok()) return recovery;
  const uint64_t covered =
      recovery.newest.has_value() ? recovery.newest->id.index.value() : 0;
  if (log_first.value() > covered + 1 || log_last < must_reach) return refusal;
  return recovery;
}

absl::StatusOr<std::unique_ptr<SnapshotWriter>> SnapshotStore::Start(
    const SnapshotId& id, const std::string& configuration, bool received) {
  CHECK_LE(configuration.size(), kSnapshotConfigurationBytesMax);
  if (writing_[received]) {
    return absl::FailedPreconditionError(
        absl::StrCat(PathOf(received ? kReceivedSnapshot : kLocal),
                     ": another one is being written"));
  }
  auto writer = std::unique_ptr<SnapshotWriter>(new SnapshotWriter(
      this, {.owner = owner_, .id = id, .configuration = configuration},
      received));
  if (received) {
    absl::StatusOr<bool> continued = writer->Continue();
    if (!continued.ok()) return continued.status();
    if (*continued) return writer;
  }
  absl::Status begun = writer->Begin();
  if (!begun.ok()) return begun;
  return writer;
}

absl::StatusOr<std::unique_ptr<SnapshotWriter>> SnapshotStore::Create(
    const SnapshotId& id, const std::string& configuration) {
  return Start(id, configuration, /*received=*/false);
}

absl::StatusOr<std::unique_ptr<SnapshotWriter>> SnapshotStore::Receive(
    const SnapshotId& id, const std::string& configuration) {
  return Start(id, configuration, /*received=*/true);
}

absl::Status SnapshotStore::Retain(size_t keep) {
  CHECK_GE(keep, 1u);
  // Nothing older goes before the names of what replaces it are durable.
  absl::Status status = vfs_->SyncDir(dir_);
  absl::StatusOr<std::vector<Index>> indexes =
      status.ok() ? List() : absl::StatusOr<std::vector<Index>>(status);
  if (!indexes.ok()) return indexes.status();
  size_t kept = 0;
  for (auto at = indexes->rbegin(); at != indexes->rend(); ++at) {
    const bool damaged = damaged_.contains(*at);
    if (damaged ? kept == 0 : kept < keep) {
      kept += !damaged;
      continue;
    }
    status = vfs_->Remove(PathOf(SnapshotName(*at)));
    if (!status.ok()) return status;
    damaged_.erase(*at);
  }
  if (!writing_[false]) status = RemoveIfThere(vfs_, PathOf(kLocal));
  if (status.ok() && !writing_[true] && !indexes->empty()) {
    std::optional<SnapshotReader::Damage> damage;
    auto part = SnapshotReader::Open(vfs_, PathOf(kReceivedSnapshot), &damage);
    if (damage.has_value() ||
        (part.ok() && (*part)->header().id.index <= indexes->back())) {
      status = RemoveIfThere(vfs_, PathOf(kReceivedSnapshot));
    } else if (!part.ok() && !absl::IsNotFound(part.status())) {
      status = part.status();
    }
  }
  return status.ok() ? vfs_->SyncDir(dir_) : status;
}

}  // namespace raft::storage
