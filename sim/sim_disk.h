// SimDisk: a disk that can lose power. The real storage code runs on it byte
// for byte; what a crash may take is drawn from a seed.
//
// Fault model. Whatever storage survives here, it survives; nothing is
// promised about the rest.
//   lost writes     at Crash() every 512-byte sector of a file that was changed
//                   since the file's last Sync ends as any of the versions it
//                   had since then, independently of all other sectors, so
//                   writes are also reordered; the file's size likewise
//   torn write      or else the file's last write stops at any byte; with
//                   `garbage_in_torn_sectors` the sector cut in two, old bytes
//                   included, comes back as noise (a drive without power-safe
//                   overwrite)
//   lost names      creates, renames, removes and new folders not covered by
//                   SyncDir: any subset is lost; a file whose folder is lost
//                   goes with it
//   I/O error       FailLater: the n-th next read, write, sync or other call
//                   answers an error. Of a write, any prefix has happened (a
//                   short write, when some but not all has)
//   failed sync     of a file: any subset of the changed sectors is durable,
//                   the rest are lost, yet reads go on showing them and the
//                   next Sync says OK without writing them (Linux drops the
//                   dirty mark of pages that could not be written). Of a
//                   folder: nothing has become durable, all may still
//   full disk       set_capacity, which may shrink and grow: nothing grows
//                   beyond it; or FailLater, in any operation
//   read-only       set_read_only: whatever would change the disk is refused,
//                   syncs too if there is anything to sync
//   power cut inside a job        a hook that answers Aborted: the disk is dead
//                   from that operation on, until Crash() or Kill()
// Damage to what was synced. Nobody is told. It is dealt at rest, so whoever
// deals it can try on a copy first what it would do (fault_budget.h):
//   bit rot           RotBits: some bits, or all, of one sector change
//   lost write        LoseSyncedWrite: the last write that was synced, or some
//                     of its sectors, never reached the platter (a drive that
//                     acknowledges from a cache without power)
//   misdirected write MisdirectSyncedWrite: it reached the platter at another
//                     sector, of this file or another, over whatever was there,
//                     and not where it belongs
// The process goes on reading the right bytes as long as they are in the page
// cache: a loss of power shows the damage. Bit rot also hits sectors that were
// not in the cache.
//   lying sync      `lie_about_fsync`: Sync says OK and does nothing. Outside
//                   the model: a canary that checkers must catch
// Not modelled: damage to a folder or to a file's size; time (DiskQueue's
// matter); a misdirected read, because files are read at boot only, by a
// recovery that knows each record by its place, and to that it is bit rot which
// is gone the next time.
#ifndef SIM_SIM_DISK_H_
#define SIM_SIM_DISK_H_

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "raft/digest.h"
#include "raft/storage/vfs.h"

namespace sim {

inline constexpr uint64_t kSectorBytes = 512;

// One call on the disk, as a hook sees it before it happens.
struct FileOperation {
  enum class Kind : uint8_t {
    kOpen,
    kCreate,
    kRead,
    kWrite,
    kSync,
    kPreallocate,
    kTruncate,
    kSize,
    kRename,
    kRemove,
    kMakeDir,
    kList,
    kSyncDir,
    kLockDir,
  };
  Kind kind;
  uint64_t number = 0;  // from 1 over the disk's whole life
  std::string path;     // kRename: where from
  uint64_t offset = 0;
  uint64_t size = 0;  // kWrite, kRead; kPreallocate, kTruncate: the new size
};
std::string_view ToString(FileOperation::Kind kind);

// Operations as an error knows them.
enum class OperationClass : uint8_t {
  kRead = 0,
  kWrite = 1,
  kSync = 2,   // of a file or a folder
  kOther = 3,  // names, sizes, locks
};
inline constexpr size_t kOperationClasses = 4;
OperationClass ClassOf(FileOperation::Kind kind);
std::string_view ToString(OperationClass of);

// An error that waits for its operation.
struct DiskError {
  enum class Code : uint8_t { kIo = 0, kFull = 1 };
  OperationClass of = OperationClass::kWrite;
  uint32_t skip = 0;  // operations of the class that still go well
  Code code = Code::kIo;
  bool operator==(const DiskError&) const = default;
};

// Damage to what was synced.
enum class DamageKind : uint8_t {
  kBitRot = 0,
  kLostWrite = 1,
  kMisdirectedWrite = 2,
};
std::string_view ToString(DamageKind kind);

// OK lets the operation happen; Aborted cuts the power; any other status is
// what the caller gets.
using DiskHook = std::function<absl::Status(const FileOperation&)>;

struct SimDiskOptions {
  uint64_t seed = 0;      // of what failed operations leave behind
  uint64_t capacity = 0;  // bytes over all files; 0: no limit
  bool lie_about_fsync = false;
  bool garbage_in_torn_sectors = false;
};

// What really happened to the disk (effects, not draws).
struct SimDiskEffects {
  static constexpr std::string_view kName = "SimDiskEffects";
  uint64_t operations = 0;
  uint64_t bytes_written = 0;
  uint64_t syncs = 0;
  uint64_t reads_failed = 0;
  uint64_t writes_failed = 0;
  uint64_t writes_short = 0;  // of those: some bytes were taken, not all
  uint64_t syncs_failed = 0;
  uint64_t others_failed = 0;
  uint64_t full = 0;       // operations that found no room
  uint64_t read_only = 0;  // operations refused because of set_read_only
  uint64_t files_created = 0;
  uint64_t crashes = 0;
  uint64_t bytes_lost = 0;    // bytes that read otherwise after a crash
  uint64_t sectors_torn = 0;  // neither the old nor the new content
  uint64_t dir_ops_lost = 0;
  uint64_t sectors_rotted = 0;
  uint64_t synced_writes_lost = 0;
  uint64_t writes_misdirected = 0;

  // Errors that the caller was told of, of whatever kind.
  uint64_t failures() const {
    return reads_failed + writes_failed + syncs_failed + others_failed;
  }
  SimDiskEffects& operator+=(const SimDiskEffects& other);
  bool operator==(const SimDiskEffects&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("operations", operations), f("bytes_written", bytes_written),
        f("syncs", syncs), f("reads_failed", reads_failed),
        f("writes_failed", writes_failed), f("writes_short", writes_short),
        f("syncs_failed", syncs_failed), f("others_failed", others_failed),
        f("full", full), f("read_only", read_only),
        f("files_created", files_created), f("crashes", crashes),
        f("bytes_lost", bytes_lost), f("sectors_torn", sectors_torn),
        f("dir_ops_lost", dir_ops_lost), f("sectors_rotted", sectors_rotted),
        f("synced_writes_lost", synced_writes_lost),
        f("writes_misdirected", writes_misdirected);
  }
};

// Not thread-safe. Files and locks point into the disk and die with their
// process: after Crash() or Kill() every call on them answers Aborted, and they
// may be destroyed at any time before the disk is.
class SimDisk : public raft::storage::Vfs {
 public:
  explicit SimDisk(SimDiskOptions options = {}) : options_(options) {}
  // A copy is a fork of the bytes, synced and not, and of the hook; no file is
  // open in it and nothing is locked. Assignment kills the target's files.
  SimDisk(const SimDisk& other);
  SimDisk& operator=(const SimDisk& other);
  ~SimDisk() override = default;

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

  // Called before every operation; must not call the disk. nullptr: none.
  void set_hook(DiskHook hook) { hook_ = std::move(hook); }
  SimDiskOptions& options() { return options_; }
  // Takes the place of an error of the same class that still waits.
  void FailLater(const DiskError& error);
  void ForgetErrors() { errors_ = {}; }
  // 0: no limit. May be less than what is there: then nothing grows.
  void set_capacity(uint64_t bytes) { options_.capacity = bytes; }
  uint64_t bytes_used() const;
  void set_read_only(bool read_only) { read_only_ = read_only; }
  const SimDiskEffects& effects() const { return effects_; }

  enum class Loss : uint8_t {
    kDrawn,       // per file and folder one of: all, nothing, any subset, torn
    kEverything,  // only what was synced survives
    kNothing,     // everything had just reached the disk
  };
  // Power loss. What is lost is a function of the state and `draw`. The disk is
  // alive afterwards, with nothing open and nothing locked.
  void Crash(uint64_t draw, Loss loss = Loss::kDrawn);
  // The process dies, the machine does not: everything written can still be
  // read and is still not durable.
  void Kill();
  // True after a hook answered Aborted, until Crash() or Kill().
  bool dead() const { return dead_; }

  // Damage, as above. What happens is a function of the state and `draw`, so a
  // copy suffers the same. Says where and what; empty: there was nothing to
  // damage.
  std::string Damage(DamageKind kind, uint64_t draw);
  std::string RotBits(uint64_t draw);
  std::string LoseSyncedWrite(uint64_t draw);
  std::string MisdirectSyncedWrite(uint64_t draw);

  // For tests and checkers; no operation, no hook. Paths of all files, sorted.
  std::vector<std::string> Files() const;
  // What a read of the whole file would show now.
  std::optional<std::string> Peek(const std::string& path) const;
  // Overwrites (and extends) behind everyone's back, durably. The file must
  // exist.
  void Poke(const std::string& path, uint64_t offset, std::string_view data);
  // Digest of everything, synced and not.
  uint64_t StateDigest() const;

 private:
  friend class SimFile;
  friend class SimLock;

  // A change since the last Sync. A write carries data; Truncate and
  // Preallocate change the size only.
  struct Change {
    uint64_t offset = 0;
    std::string data;
    uint64_t size_after = 0;
  };
  struct Inode {
    std::string durable;  // what the platter holds
    std::string current;  // what reads show
    std::vector<Change> unsynced;
    int handles = 0;
  };
  using InodeId = uint64_t;
  static constexpr InodeId kFolder = 0;
  using Names = std::map<std::string, InodeId>;  // by path
  struct NameChange {
    std::string folder;  // whose SyncDir makes it durable
    std::string erased;  // path, or empty
    std::string set;     // path, or empty
    InodeId inode = kFolder;
  };

  // A sector of a file.
  struct Place {
    InodeId inode = kFolder;
    uint64_t offset = 0;
  };
  // The newest write that a Sync has covered.
  struct SyncedWrite {
    InodeId inode = kFolder;
    uint64_t offset = 0;
    std::string data;
    std::string before;  // what was there; as long as `data`
  };

  absl::Status Begin(FileOperation operation);
  bool FolderExists(const std::string& path) const;
  void ChangeNames(NameChange change);
  void CollectGarbage();
  void ForgetProcess();

  absl::Status Write(InodeId id, const std::string& path, uint64_t offset,
                     std::string_view data);
  absl::Status Resize(InodeId id, const std::string& path, uint64_t size);
  absl::Status Sync(InodeId id, const std::string& path);
  static void ApplyChange(const Change& change, std::string* image);
  void ApplyWrite(Inode* inode, uint64_t offset, std::string_view data);
  absl::Status CheckRoom(const Inode& inode, const std::string& path,
                         uint64_t new_size) const;

  // In sim_disk_faults.cc.
  absl::Status FailureOf(const FileOperation& operation);
  absl::Status RefuseReadOnly(FileOperation::Kind kind,
                              const std::string& path);
  void CountFailure(FileOperation::Kind kind);
  void CountFull(FileOperation::Kind kind);
  std::vector<Place> Places(bool zeros_too) const;
  bool LastWriteIsThere() const;
  std::string PathOf(InodeId id) const;
  void Overwrite(InodeId id, uint64_t offset, std::string_view data,
                 bool cached);

  // In sim_disk_crash.cc: what reaches the platter of one file, and of the
  // names.
  std::string Surviving(const Inode& inode, uint64_t draw, Loss loss);
  std::string SurvivingSubset(const Inode& inode, uint64_t draw) const;
  std::string SurvivingTorn(const Inode& inode, uint64_t draw);
  void LoseNames(uint64_t draw, Loss loss);

  SimDiskOptions options_;
  SimDiskEffects effects_;
  DiskHook hook_;
  std::array<std::optional<DiskError>, kOperationClasses> errors_;
  bool read_only_ = false;
  bool dead_ = false;
  bool cache_cold_ = false;  // nothing was read since the power was lost
  std::optional<SyncedWrite> last_write_;
  uint64_t epoch_ = 1;  // of processes; files and locks of older ones are dead
  InodeId next_inode_ = 1;
  std::map<InodeId, Inode> inodes_;
  Names names_;
  Names durable_names_;
  std::vector<NameChange> unsynced_names_;
  std::set<std::string> locks_;
};

}  // namespace sim

#endif  // SIM_SIM_DISK_H_
