#include "sim/sim_disk.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "raft/check.h"
#include "sim/sim_disk_internal.h"

namespace sim {

using raft::Mix;
using raft::storage::File;
using raft::storage::OpenMode;
using Kind = FileOperation::Kind;

namespace {

std::string Normal(std::string path) {
  while (!path.empty() && path.back() == '/') path.pop_back();
  return path == "." ? "" : path;
}

absl::Status PowerIsOff() { return absl::AbortedError("power is off"); }

absl::Status NotFound(const char* call, const std::string& path) {
  return absl::NotFoundError(absl::StrCat(call, " ", path, ": no such entry"));
}

}  // namespace

std::string_view ToString(FileOperation::Kind kind) {
  switch (kind) {
    case Kind::kOpen:
      return "open";
    case Kind::kCreate:
      return "create";
    case Kind::kRead:
      return "read";
    case Kind::kWrite:
      return "write";
    case Kind::kSync:
      return "sync";
    case Kind::kPreallocate:
      return "preallocate";
    case Kind::kTruncate:
      return "truncate";
    case Kind::kSize:
      return "size";
    case Kind::kRename:
      return "rename";
    case Kind::kRemove:
      return "remove";
    case Kind::kMakeDir:
      return "mkdir";
    case Kind::kList:
      return "list";
    case Kind::kSyncDir:
      return "syncdir";
    case Kind::kLockDir:
      return "lockdir";
  }
  return "?";
}

// An open file of one process. Keeps the inode alive when its name goes.
class SimFile : public File {
 public:
  SimFile(SimDisk* disk, SimDisk::InodeId inode, std::string path,
          bool writable)
      : disk_(disk),
        epoch_(disk->epoch_),
        inode_(inode),
        path_(std::move(path)),
        writable_(writable) {
    ++disk_->inodes_.at(inode_).handles;
  }
  ~SimFile() override {
    if (Alive()) --disk_->inodes_.at(inode_).handles;
  }

  absl::Status Write(uint64_t offset, std::string_view data) override {
    if (!Alive()) return PowerIsOff();
    if (!writable_) return ReadOnly("write");
    return disk_->Write(inode_, path_, offset, data);
  }

  absl::Status Read(uint64_t offset, size_t size, std::string* out) override {
    out->clear();
    if (!Alive()) return PowerIsOff();
    absl::Status begun = disk_->Begin(
        {.kind = Kind::kRead, .path = path_, .offset = offset, .size = size});
    if (!begun.ok()) return begun;
    const std::string& current = disk_->inodes_.at(inode_).current;
    if (offset < current.size()) *out = current.substr(offset, size);
    return absl::OkStatus();
  }

  absl::Status Sync() override {
    if (!Alive()) return PowerIsOff();
    return disk_->Sync(inode_, path_);
  }

  absl::Status Preallocate(uint64_t size) override {
    if (!Alive()) return PowerIsOff();
    if (!writable_) return ReadOnly("preallocate");
    absl::Status begun =
        disk_->Begin({.kind = Kind::kPreallocate, .path = path_, .size = size});
    if (!begun.ok()) return begun;
    if (size <= disk_->inodes_.at(inode_).current.size()) {
      return absl::OkStatus();
    }
    return disk_->Resize(inode_, path_, size);
  }

  absl::Status Truncate(uint64_t size) override {
    if (!Alive()) return PowerIsOff();
    if (!writable_) return ReadOnly("truncate");
    absl::Status begun =
        disk_->Begin({.kind = Kind::kTruncate, .path = path_, .size = size});
    if (!begun.ok()) return begun;
    return disk_->Resize(inode_, path_, size);
  }

  absl::StatusOr<uint64_t> Size() override {
    if (!Alive()) return PowerIsOff();
    absl::Status begun = disk_->Begin({.kind = Kind::kSize, .path = path_});
    if (!begun.ok()) return begun;
    return disk_->inodes_.at(inode_).current.size();
  }

 private:
  bool Alive() const { return epoch_ == disk_->epoch_; }
  absl::Status ReadOnly(const char* call) const {
    return absl::UnknownError(
        absl::StrCat(call, " ", path_, ": not open for writing"));
  }

  SimDisk* const disk_;
  const uint64_t epoch_;
  const SimDisk::InodeId inode_;
  const std::string path_;
  const bool writable_;
};

class SimLock : public raft::storage::Vfs::Lock {
 public:
  SimLock(SimDisk* disk, std::string path)
      : disk_(disk), epoch_(disk->epoch_), path_(std::move(path)) {}
  ~SimLock() override {
    if (epoch_ == disk_->epoch_) disk_->locks_.erase(path_);
  }

 private:
  SimDisk* const disk_;
  const uint64_t epoch_;
  const std::string path_;
};

SimDisk::SimDisk(const SimDisk& other) { *this = other; }

SimDisk& SimDisk::operator=(const SimDisk& other) {
  if (this == &other) return *this;
  options_ = other.options_;
  effects_ = other.effects_;
  hook_ = other.hook_;
  errors_ = other.errors_;
  read_only_ = other.read_only_;
  dead_ = other.dead_;
  cache_cold_ = other.cache_cold_;
  last_write_ = other.last_write_;
  next_inode_ = other.next_inode_;
  inodes_ = other.inodes_;
  names_ = other.names_;
  durable_names_ = other.durable_names_;
  unsynced_names_ = other.unsynced_names_;
  ForgetProcess();
  return *this;
}

void SimDisk::ForgetProcess() {
  ++epoch_;
  locks_.clear();
  for (auto& [id, inode] : inodes_) inode.handles = 0;
  CollectGarbage();
}

absl::Status SimDisk::Begin(FileOperation operation) {
  if (dead_) return PowerIsOff();
  operation.number = ++effects_.operations;
  cache_cold_ = false;
  if (hook_) {
    absl::Status status = hook_(operation);
    if (absl::IsAborted(status)) dead_ = true;
    if (!status.ok()) {
      if (!dead_) CountFailure(operation.kind);
      return status;
    }
  }
  return FailureOf(operation);
}

// ------------------------------------------------------------------- names

bool SimDisk::FolderExists(const std::string& path) const {
  if (path.empty()) return true;
  const auto it = names_.find(path);
  return it != names_.end() && it->second == kFolder;
}

void SimDisk::ChangeNames(NameChange change) {
  if (!change.erased.empty()) names_.erase(change.erased);
  if (!change.set.empty()) names_[change.set] = change.inode;
  unsynced_names_.push_back(std::move(change));
}

absl::StatusOr<std::unique_ptr<File>> SimDisk::Open(const std::string& name,
                                                    OpenMode mode) {
  const std::string path = Normal(name);
  const bool create = mode == OpenMode::kCreate;
  absl::Status begun =
      Begin({.kind = create ? Kind::kCreate : Kind::kOpen, .path = path});
  if (!begun.ok()) return begun;
  if (!FolderExists(FolderOfPath(path))) return NotFound("open", path);
  const auto it = names_.find(path);
  if (!create) {
    if (it == names_.end()) return NotFound("open", path);
    if (it->second == kFolder) {
      return absl::UnknownError(absl::StrCat("open ", path, ": is a folder"));
    }
    if (read_only_ && mode == OpenMode::kReadWrite) {
      return RefuseReadOnly(Kind::kOpen, path);
    }
    return std::make_unique<SimFile>(this, it->second, path,
                                     mode == OpenMode::kReadWrite);
  }
  if (it != names_.end()) {
    return absl::AlreadyExistsError(absl::StrCat("open ", path, ": exists"));
  }
  ++effects_.files_created;
  const InodeId id = next_inode_++;
  inodes_[id];
  ChangeNames({.folder = FolderOfPath(path), .set = path, .inode = id});
  return std::make_unique<SimFile>(this, id, path, /*writable=*/true);
}

absl::Status SimDisk::Rename(const std::string& from_name,
                             const std::string& to_name) {
  const std::string from = Normal(from_name);
  const std::string to = Normal(to_name);
  if (FolderOfPath(from) != FolderOfPath(to)) {
    return absl::InvalidArgumentError(
        absl::StrCat("rename ", from, " to ", to, ": not in one folder"));
  }
  absl::Status begun = Begin({.kind = Kind::kRename, .path = from});
  if (!begun.ok()) return begun;
  const auto it = names_.find(from);
  if (it == names_.end()) return NotFound("rename", from);
  if (it->second == kFolder) {
    return absl::UnknownError(absl::StrCat("rename ", from, ": is a folder"));
  }
  if (FolderExists(to)) {
    return absl::UnknownError(absl::StrCat("rename to ", to, ": is a folder"));
  }
  if (from == to) return absl::OkStatus();
  ChangeNames({.folder = FolderOfPath(from),
               .erased = from,
               .set = to,
               .inode = it->second});
  return absl::OkStatus();
}

absl::Status SimDisk::Remove(const std::string& name) {
  const std::string path = Normal(name);
  absl::Status begun = Begin({.kind = Kind::kRemove, .path = path});
  if (!begun.ok()) return begun;
  const auto it = names_.find(path);
  if (it == names_.end()) return NotFound("remove", path);
  if (it->second == kFolder) {
    return absl::UnknownError(absl::StrCat("remove ", path, ": is a folder"));
  }
  ChangeNames({.folder = FolderOfPath(path), .erased = path});
  return absl::OkStatus();
}

absl::Status SimDisk::MakeDir(const std::string& name) {
  const std::string path = Normal(name);
  absl::Status begun = Begin({.kind = Kind::kMakeDir, .path = path});
  if (!begun.ok()) return begun;
  if (FolderExists(path)) return absl::OkStatus();
  if (names_.contains(path)) {
    return absl::AlreadyExistsError(absl::StrCat("mkdir ", path, ": a file"));
  }
  if (!FolderExists(FolderOfPath(path))) return NotFound("mkdir", path);
  ChangeNames({.folder = FolderOfPath(path), .set = path, .inode = kFolder});
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> SimDisk::List(
    const std::string& name) {
  const std::string path = Normal(name);
  // What is not there costs the disk nothing, so nothing befalls it.
  if (!dead_ && !FolderExists(path)) return NotFound("list", path);
  absl::Status begun = Begin({.kind = Kind::kList, .path = path});
  if (!begun.ok()) return begun;
  if (!FolderExists(path)) return NotFound("list", path);
  std::vector<std::string> names;
  for (const auto& [entry, inode] : names_) {
    if (FolderOfPath(entry) != path) continue;
    const size_t slash = entry.rfind('/');
    names.push_back(slash == std::string::npos ? entry
                                               : entry.substr(slash + 1));
  }
  std::sort(names.begin(), names.end());
  return names;
}

absl::Status SimDisk::SyncDir(const std::string& name) {
  const std::string path = Normal(name);
  absl::Status begun = Begin({.kind = Kind::kSyncDir, .path = path});
  if (!begun.ok()) return begun;
  if (!FolderExists(path)) return NotFound("syncdir", path);
  if (read_only_ && std::any_of(unsynced_names_.begin(), unsynced_names_.end(),
                                [&path](const NameChange& change) {
                                  return change.folder == path;
                                })) {
    return RefuseReadOnly(Kind::kSyncDir, path);
  }
  std::vector<NameChange> others;
  for (NameChange& change : unsynced_names_) {
    if (change.folder != path) {
      others.push_back(std::move(change));
      continue;
    }
    if (!change.erased.empty()) durable_names_.erase(change.erased);
    if (!change.set.empty()) durable_names_[change.set] = change.inode;
  }
  unsynced_names_ = std::move(others);
  CollectGarbage();
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<SimDisk::Lock>> SimDisk::LockDir(
    const std::string& name) {
  const std::string path = Normal(name);
  absl::Status begun = Begin({.kind = Kind::kLockDir, .path = path});
  if (!begun.ok()) return begun;
  if (!FolderExists(path)) return NotFound("lock", path);
  if (!locks_.insert(path).second) {
    return absl::FailedPreconditionError(
        absl::StrCat("lock ", path, ": another process has it"));
  }
  return std::make_unique<SimLock>(this, path);
}

void SimDisk::CollectGarbage() {
  std::set<InodeId> used;
  for (const auto& [path, inode] : names_) used.insert(inode);
  for (const auto& [path, inode] : durable_names_) used.insert(inode);
  for (const NameChange& change : unsynced_names_) used.insert(change.inode);
  std::erase_if(inodes_, [&](const auto& item) {
    return item.second.handles == 0 && !used.contains(item.first);
  });
}

// ------------------------------------------------------------------- files

absl::Status SimDisk::CheckRoom(const Inode& inode, const std::string& path,
                                uint64_t new_size) const {
  if (options_.capacity == 0 || new_size <= inode.current.size()) {
    return absl::OkStatus();
  }
  const uint64_t used = bytes_used() + new_size - inode.current.size();
  if (used <= options_.capacity) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(path, ": disk full"));
}

void SimDisk::ApplyWrite(Inode* inode, uint64_t offset, std::string_view data) {
  if (data.empty()) return;
  effects_.bytes_written += data.size();
  if (inode->current.size() < offset + data.size()) {
    inode->current.resize(offset + data.size(), '\0');
  }
  inode->current.replace(offset, data.size(), data);
  inode->unsynced.push_back({.offset = offset,
                             .data = std::string(data),
                             .size_after = inode->current.size()});
}

absl::Status SimDisk::Write(InodeId id, const std::string& path,
                            uint64_t offset, std::string_view data) {
  Inode& inode = inodes_.at(id);
  if (dead_) return PowerIsOff();
  absl::Status status = Begin({.kind = Kind::kWrite,
                               .path = path,
                               .offset = offset,
                               .size = data.size()});
  if (status.ok()) {
    status = CheckRoom(inode, path, offset + data.size());
    if (!status.ok()) CountFull(Kind::kWrite);
  }
  if (!status.ok()) {
    if (read_only_) return status;
    const uint64_t all = data.size();
    const uint64_t done =
        Mix(options_.seed, kFailedWrite, effects_.operations) % (all + 1);
    data = data.substr(0, done);
    if (!CheckRoom(inode, path, offset + done).ok()) data = {};
    if (!dead_ && !data.empty() && done < all) ++effects_.writes_short;
  }
  ApplyWrite(&inode, offset, data);
  return status;
}

absl::Status SimDisk::Resize(InodeId id, const std::string& path,
                             uint64_t size) {
  Inode& inode = inodes_.at(id);
  absl::Status room = CheckRoom(inode, path, size);
  if (!room.ok()) {
    CountFull(Kind::kPreallocate);
    return room;
  }
  inode.current.resize(size, '\0');
  inode.unsynced.push_back({.size_after = size});
  return absl::OkStatus();
}

absl::Status SimDisk::Sync(InodeId id, const std::string& path) {
  if (dead_) return PowerIsOff();
  Inode& inode = inodes_.at(id);
  absl::Status status = Begin({.kind = Kind::kSync, .path = path});
  if (dead_) return status;  // nothing is decided before Crash() or Kill()
  if (status.ok() && read_only_ && !inode.unsynced.empty()) {
    return RefuseReadOnly(Kind::kSync, path);
  }
  if (!status.ok()) {
    inode.durable = SurvivingSubset(
        inode, Mix(options_.seed, kFailedSync, effects_.operations));
    inode.unsynced.clear();
    return status;
  }
  ++effects_.syncs;
  if (options_.lie_about_fsync) return absl::OkStatus();
  // Replayed rather than copied from `current`: pages dropped by a failed sync
  // stay lost.
  const auto last =
      std::find_if(inode.unsynced.rbegin(), inode.unsynced.rend(),
                   [](const Change& change) { return !change.data.empty(); });
  for (const Change& change : inode.unsynced) {
    std::string before;
    const bool is_last = last != inode.unsynced.rend() && &change == &*last;
    if (is_last) {
      if (change.offset < inode.durable.size()) {
        before = inode.durable.substr(change.offset, change.data.size());
      }
      before.resize(change.data.size(), '\0');
    }
    ApplyChange(change, &inode.durable);
    if (is_last) {
      last_write_ = {id, change.offset, change.data, std::move(before)};
    }
  }
  inode.unsynced.clear();
  return absl::OkStatus();
}

}  // namespace sim
