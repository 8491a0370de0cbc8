#include "raft/storage/storage.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "raft/check.h"
#include "raft/storage/identity.h"
#include "raft/storage/snapshot_store.h"
#include "raft/storage/wal.h"
#include "raft/storage/wal_recovery.h"

namespace raft::storage {
namespace {

std::string WalDir(const std::string& dir) { return dir + "/wal"; }

std::string ParentOf(std::string dir) {
  while (dir.size() > 1 && dir.back() == '/') dir.pop_back();
  const size_t slash = dir.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : dir.substr(0, slash);
}

// Makes the names of the directory and of all in it durable.
absl::Status SyncNames(Vfs* vfs, const std::string& dir) {
  absl::Status status = vfs->SyncDir(dir);
  return status.ok() ? vfs->SyncDir(ParentOf(dir)) : status;
}

class DirectoryStorage : public Storage {
 public:
  DirectoryStorage(std::unique_ptr<Vfs::Lock> lock, std::unique_ptr<Wal> wal)
      : lock_(std::move(lock)), wal_(std::move(wal)) {}

  absl::Status Append(const std::vector<Persist>& batch) override {
    return wal_->Append(batch);
  }
  absl::Status Release(Index through) override {
    return wal_->Release(through);
  }

 private:
  const std::unique_ptr<Vfs::Lock> lock_;
  const std::unique_ptr<Wal> wal_;
};

// A log without an identity is what a crash in Format leaves when it is empty,
// and an accident when it is not.
absl::Status CheckNoRecords(Vfs* vfs, const std::string& wal_dir) {
  absl::StatusOr<std::vector<std::string>> names = vfs->List(wal_dir);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    const auto sequence = ParseSegmentName(name);
    if (!sequence.has_value()) continue;
    const std::string path = absl::StrCat(wal_dir, "/", name);
    absl::StatusOr<std::unique_ptr<File>> file =
        vfs->Open(path, OpenMode::kRead);
    if (!file.ok()) return file.status();
    absl::StatusOr<uint64_t> size = (*file)->Size();
    if (!size.ok()) return size.status();
    if (*sequence != 1 || *size > StorageOptions().block_bytes) {
      return absl::FailedPreconditionError(absl::StrCat(
          path,
          ": there is a log here but no identity file; format another "
          "folder, or restore the identity file"));
    }
  }
  return absl::OkStatus();
}

// Frees the part of the segment before `next` that is not of the log any more.
// Only disk space hangs on it.
void TrimPrevious(Vfs* vfs, const std::string& wal_dir,
                  const SegmentHeader& next) {
  if (next.sequence == 1) return;
  auto file =
      vfs->Open(absl::StrCat(wal_dir, "/", SegmentName(next.sequence - 1)),
                OpenMode::kReadWrite);
  if (file.ok()) (void)(*file)->Truncate(next.previous_end);
}

// Adds what to do. The node's name is read from the first segment, because it
// decides the incarnation that the command must ask for.
absl::Status ExplainDamagedIdentity(Vfs* vfs, const std::string& dir,
                                    const absl::Status& status) {
  if (!absl::IsDataLoss(status)) return status;
  auto file = vfs->Open(absl::StrCat(WalDir(dir), "/", SegmentName(1)),
                        OpenMode::kRead);
  std::string bytes;
  if (file.ok() && (*file)->Read(0, kSegmentHeaderBytes, &bytes).ok()) {
    absl::StatusOr<SegmentHeader> header = DecodeSegmentHeader(bytes);
    if (header.ok()) {
      return absl::DataLossError(absl::StrCat(
          status.message(), ". ", HowToComeBack(dir, header->owner.node)));
    }
  }
  return absl::DataLossError(absl::StrCat(
      status.message(), ". Move ", dir,
      " away and bring the node back with a higher incarnation: registryd "
      "format --data_dir=",
      dir, " --incarnation=N"));
}

// The newest snapshot, and the log as it goes with it.
absl::Status RecoverSnapshots(Vfs* vfs, const std::string& dir,
                              const WalOwner& owner, RecoveredWal* wal,
                              OpenResult* result) {
  EntryId newest;
  const absl::StatusOr<std::vector<std::string>> names =
      vfs->List(absl::StrCat(dir, "/", kSnapshotFolder));
  if (!names.ok() && !absl::IsNotFound(names.status())) return names.status();
  if (names.ok()) {
    absl::StatusOr<std::unique_ptr<SnapshotStore>> store =
        SnapshotStore::Open(vfs, dir, owner);
    if (!store.ok()) return store.status();
    result->snapshots = *std::move(store);
    absl::StatusOr<SnapshotRecovery> found = result->snapshots->Recover(
        wal->log.before + 1, wal->log.state.last_index);
    if (!found.ok()) return found.status();
    result->recovered.snapshot = std::move(found->newest);
    result->recovered.snapshots_passed_over = std::move(found->passed_over);
    if (result->recovered.snapshot.has_value()) {
      newest = {result->recovered.snapshot->id.index,
                result->recovered.snapshot->id.term};
    }
  }
  const uint64_t first =
      wal->older.empty() ? wal->next.sequence : wal->older.front().sequence;
  absl::Status status = Reconcile(
      newest, absl::StrCat(WalDir(dir), "/", SegmentName(first - 1)), wal);
  if (status.ok()) return status;
  return absl::DataLossError(
      absl::StrCat(status.message(), ". ", HowToComeBack(dir, owner.node)));
}

}  // namespace

absl::Status Format(Vfs* vfs, const std::string& dir,
                    const Identity& identity) {
  CHECK(identity.node.valid());
  CHECK(std::is_sorted(identity.initial_voters.begin(),
                       identity.initial_voters.end()));
  absl::Status status = vfs->MakeDir(dir);
  if (!status.ok()) return status;
  absl::StatusOr<std::unique_ptr<Vfs::Lock>> lock = vfs->LockDir(dir);
  if (!lock.ok()) return lock.status();
  absl::StatusOr<Identity> present = ReadIdentity(vfs, dir);
  if (present.ok()) {
    // Who hears "already" may rely on it: a killed Format may have left it so.
    status = SyncNames(vfs, dir);
    if (!status.ok()) return status;
    return absl::FailedPreconditionError(absl::StrCat(
        dir, ": is formatted already, for cluster ", present->cluster.value(),
        ", node ", ToString(present->node)));
  }
  if (!absl::IsNotFound(present.status())) return present.status();

  // The identity comes last: where it is, all the rest is.
  const std::string wal_dir = WalDir(dir);
  status = vfs->MakeDir(wal_dir);
  if (status.ok()) status = CheckNoRecords(vfs, wal_dir);
  if (status.ok()) {
    status = CreateFirstSegment(
        vfs, wal_dir, {.cluster = identity.cluster, .node = identity.node});
  }
  if (status.ok()) status = SyncNames(vfs, dir);
  if (status.ok()) status = WriteIdentity(vfs, dir, identity);
  return status;
}

absl::StatusOr<OpenResult> Open(Vfs* vfs, const std::string& dir,
                                const StorageOptions& options) {
  absl::StatusOr<std::unique_ptr<Vfs::Lock>> lock = vfs->LockDir(dir);
  absl::StatusOr<Identity> identity =
      lock.ok() ? ReadIdentity(vfs, dir) : lock.status();
  if (absl::IsNotFound(identity.status())) {
    return absl::NotFoundError(absl::StrCat(
        dir,
        ": is not formatted; a new node begins with: registryd format "
        "--data_dir=",
        dir, " (", identity.status().message(), ")"));
  }
  if (!identity.ok())
    return ExplainDamagedIdentity(vfs, dir, identity.status());
  // Format may have been killed between its last rename and its last sync.
  absl::Status status = SyncNames(vfs, dir);
  if (!status.ok()) return status;

  const std::string wal_dir = WalDir(dir);
  const WalOwner owner = {.cluster = identity->cluster, .node = identity->node};
  absl::StatusOr<RecoveredWal> recovered = RecoverWal(vfs, wal_dir, owner, dir);
  if (!recovered.ok()) return recovered.status();
  OpenResult result;
  status = RecoverSnapshots(vfs, dir, owner, &*recovered, &result);
  if (!status.ok()) return status;
  absl::StatusOr<std::unique_ptr<Wal>> wal =
      Wal::Start(vfs, wal_dir, options, recovered->next, recovered->last_batch,
                 recovered->older);
  if (!wal.ok()) return wal.status();
  CHECK((*wal)->state().last_index == recovered->log.state.last_index);
  TrimPrevious(vfs, wal_dir, recovered->next);

  result.recovered.identity = *std::move(identity);
  result.recovered.term = recovered->log.state.term;
  result.recovered.vote = recovered->log.state.vote;
  result.recovered.log = std::move(recovered->log.entries);
  result.recovered.base = recovered->log.base;
  result.recovered.torn_bytes_cut = recovered->torn_bytes_cut;
  result.recovered.records = recovered->records;
  result.recovered.segments = recovered->segments;
  result.storage =
      std::make_unique<DirectoryStorage>(*std::move(lock), *std::move(wal));
  return result;
}

}  // namespace raft::storage
