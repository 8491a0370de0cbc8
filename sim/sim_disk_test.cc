#include "sim/sim_disk.h"

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "raft/storage/vfs_conformance.h"

namespace raft::storage {
namespace {

VfsUnderTest MakeSimDiskUnderTest() {
  auto disk = std::make_unique<sim::SimDisk>();
  EXPECT_TRUE(disk->MakeDir("root").ok());
  return {std::move(disk), "root"};
}

INSTANTIATE_TEST_SUITE_P(SimDisk, VfsConformance,
                         ::testing::Values(MakeSimDiskUnderTest));
INSTANTIATE_TEST_SUITE_P(SimDisk, StorageConformance,
                         ::testing::Values(MakeSimDiskUnderTest));

}  // namespace
}  // namespace raft::storage

namespace sim {
namespace {

using raft::storage::File;
using raft::storage::OpenMode;
using Loss = SimDisk::Loss;

std::unique_ptr<File> Create(SimDisk* disk, const std::string& path) {
  auto file = disk->Open(path, OpenMode::kCreate);
  EXPECT_TRUE(file.ok()) << file.status();
  return *std::move(file);
}

void WriteDurably(SimDisk* disk, const std::string& path,
                  const std::string& content) {
  auto file = Create(disk, path);
  ASSERT_TRUE(file->Write(0, content).ok());
  ASSERT_TRUE(file->Sync().ok());
  ASSERT_TRUE(disk->SyncDir("").ok());
}

std::string Sectors(int count, char fill) {
  return std::string(count * kSectorBytes, fill);
}

// What `path` holds after a crash, over many draws ("-": no such file).
std::set<std::string> Outcomes(const SimDisk& disk, const std::string& path) {
  std::set<std::string> outcomes;
  for (uint64_t draw = 0; draw < 400; ++draw) {
    SimDisk copy = disk;
    copy.Crash(draw);
    outcomes.insert(copy.Peek(path).value_or("-"));
  }
  return outcomes;
}

TEST(SimDisk, SyncedBytesSurviveUnsyncedMayNot) {
  SimDisk disk;
  WriteDurably(&disk, "f", "old");
  auto file = *disk.Open("f", OpenMode::kReadWrite);
  ASSERT_TRUE(file->Write(0, "newer").ok());
  SimDisk lucky = disk;
  lucky.Crash(1, Loss::kNothing);
  EXPECT_EQ(lucky.Peek("f"), "newer");
  EXPECT_EQ(lucky.effects().bytes_lost, 0u);
  disk.Crash(1, Loss::kEverything);
  EXPECT_EQ(disk.Peek("f"), "old");
  EXPECT_EQ(disk.effects().bytes_lost, 5u);
  EXPECT_EQ(disk.effects().crashes, 1u);
}

TEST(SimDisk, AnySubsetOfUnsyncedSectorsIsLost) {
  SimDisk disk;
  WriteDurably(&disk, "f", Sectors(4, 'a'));
  auto file = *disk.Open("f", OpenMode::kReadWrite);
  ASSERT_TRUE(file->Write(0, Sectors(4, 'b')).ok());
  std::set<std::string> whole;
  bool torn = false;
  for (const std::string& outcome : Outcomes(disk, "f")) {
    std::string sectors;
    for (int s = 0; s < 4; ++s) {
      const std::string sector = outcome.substr(s * kSectorBytes, kSectorBytes);
      const bool mixed = sector != Sectors(1, sector[0]);
      torn |= mixed;
      sectors += mixed ? '?' : sector[0];
    }
    if (sectors.find('?') == std::string::npos) whole.insert(sectors);
  }
  EXPECT_EQ(whole.size(), 16u) << "all subsets of four sectors";
  EXPECT_TRUE(torn);
}

TEST(SimDisk, ASectorMayHoldAnyVersionSinceTheLastSync) {
  SimDisk disk;
  WriteDurably(&disk, "f", Sectors(1, 'a'));
  auto file = *disk.Open("f", OpenMode::kReadWrite);
  ASSERT_TRUE(file->Write(0, Sectors(1, 'b')).ok());
  ASSERT_TRUE(file->Write(0, Sectors(1, 'c')).ok());
  const std::set<std::string> outcomes = Outcomes(disk, "f");
  for (char version : {'a', 'b', 'c'}) {
    EXPECT_TRUE(outcomes.contains(Sectors(1, version))) << version;
  }
}

TEST(SimDisk, TornSectorsKeepTheirOldBytesUnlessGarbage) {
  for (bool garbage : {false, true}) {
    SimDisk disk({.garbage_in_torn_sectors = garbage});
    WriteDurably(&disk, "f", Sectors(1, 'a'));
    auto file = *disk.Open("f", OpenMode::kReadWrite);
    ASSERT_TRUE(file->Write(100, std::string(50, 'b')).ok());
    bool head_destroyed = false;
    for (const std::string& outcome : Outcomes(disk, "f")) {
      ASSERT_EQ(outcome.size(), kSectorBytes);
      head_destroyed |= outcome.substr(0, 100) != std::string(100, 'a');
    }
    EXPECT_EQ(head_destroyed, garbage);
  }
}

TEST(SimDisk, SizesAreLostToo) {
  SimDisk disk;
  WriteDurably(&disk, "f", "12345678");
  auto file = *disk.Open("f", OpenMode::kReadWrite);
  ASSERT_TRUE(file->Truncate(4).ok());
  ASSERT_TRUE(file->Preallocate(6).ok());
  std::set<size_t> sizes;
  for (const std::string& outcome : Outcomes(disk, "f")) {
    sizes.insert(outcome.size());
  }
  EXPECT_EQ(sizes, (std::set<size_t>{4, 6, 8}));
}

TEST(SimDisk, NamesAreLostUntilTheFolderIsSynced) {
  SimDisk disk;
  WriteDurably(&disk, "f", "old");
  auto file = Create(&disk, "f.tmp");
  ASSERT_TRUE(file->Write(0, "new").ok());
  ASSERT_TRUE(file->Sync().ok());
  ASSERT_TRUE(disk.Rename("f.tmp", "f").ok());
  // Atomic: the old or the new, never neither.
  EXPECT_EQ(Outcomes(disk, "f"), (std::set<std::string>{"old", "new"}));
  EXPECT_EQ(Outcomes(disk, "f.tmp"), (std::set<std::string>{"-", "new"}));
  ASSERT_TRUE(disk.SyncDir("/").ok());
  EXPECT_EQ(Outcomes(disk, "f"), (std::set<std::string>{"new"}));
  ASSERT_TRUE(disk.Remove("f").ok());
  EXPECT_EQ(Outcomes(disk, "f"), (std::set<std::string>{"-", "new"}));
}

TEST(SimDisk, ALostFolderTakesItsFilesAlong) {
  SimDisk disk;
  ASSERT_TRUE(disk.MakeDir("d").ok());
  auto file = Create(&disk, "d/f");
  ASSERT_TRUE(file->Sync().ok());
  ASSERT_TRUE(disk.SyncDir("d").ok());
  EXPECT_TRUE(Outcomes(disk, "d/f").contains("-"));
  ASSERT_TRUE(disk.SyncDir("").ok());
  EXPECT_EQ(Outcomes(disk, "d/f"), (std::set<std::string>{""}));
}

// Linux after a failed fsync: the pages count as clean, reads show them, the
// next fsync has nothing to do and says OK.
TEST(SimDisk, AFailedSyncDropsPagesSilently) {
  bool lost = false;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    SimDisk disk({.seed = seed});
    WriteDurably(&disk, "f", "old");
    auto file = *disk.Open("f", OpenMode::kReadWrite);
    ASSERT_TRUE(file->Write(0, "new").ok());
    disk.set_hook([](const FileOperation& operation) {
      return operation.kind == FileOperation::Kind::kSync
                 ? absl::DataLossError("EIO")
                 : absl::OkStatus();
    });
    EXPECT_TRUE(absl::IsDataLoss(file->Sync()));
    disk.set_hook(nullptr);
    EXPECT_TRUE(file->Sync().ok());
    EXPECT_EQ(disk.Peek("f"), "new");
    EXPECT_EQ(disk.effects().syncs_failed, 1u);
    disk.Crash(seed, Loss::kNothing);
    lost |= disk.Peek("f") == "old";
  }
  EXPECT_TRUE(lost);
}

TEST(SimDisk, AFailedWriteLeavesAPrefix) {
  std::set<std::string> left;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SimDisk disk({.seed = seed});
    auto file = Create(&disk, "f");
    disk.set_hook(
        [](const FileOperation&) { return absl::DataLossError("EIO"); });
    EXPECT_FALSE(file->Write(0, "abc").ok());
    left.insert(*disk.Peek("f"));
  }
  EXPECT_EQ(left, (std::set<std::string>{"", "a", "ab", "abc"}));
}

TEST(SimDisk, PowerIsOffAfterAborted) {
  SimDisk disk;
  auto file = Create(&disk, "f");
  auto lock = disk.LockDir("");
  ASSERT_TRUE(lock.ok());
  ASSERT_TRUE(file->Write(0, "abc").ok());
  disk.set_hook([](const FileOperation& operation) {
    return operation.kind == FileOperation::Kind::kSync
               ? absl::AbortedError("power cut")
               : absl::OkStatus();
  });
  EXPECT_TRUE(absl::IsAborted(file->Sync()));
  EXPECT_TRUE(disk.dead());
  std::string out;
  EXPECT_TRUE(absl::IsAborted(file->Read(0, 1, &out)));
  EXPECT_TRUE(absl::IsAborted(disk.List("").status()));
  disk.set_hook(nullptr);
  disk.Kill();
  EXPECT_FALSE(disk.dead());
  EXPECT_TRUE(absl::IsAborted(file->Write(0, "x"))) << "of a dead process";
  EXPECT_TRUE(disk.LockDir("").ok()) << "its lock is gone";
  EXPECT_EQ(disk.Peek("f"), "abc") << "still in the page cache";
  disk.Crash(0, Loss::kEverything);
  EXPECT_EQ(disk.Peek("f"), std::nullopt);
  EXPECT_EQ(disk.effects().dir_ops_lost, 1u);
}

TEST(SimDisk, ACopyIsAFork) {
  SimDisk disk;
  auto file = Create(&disk, "f");
  ASSERT_TRUE(file->Write(0, "one").ok());
  SimDisk fork = disk;
  EXPECT_EQ(fork.StateDigest(), disk.StateDigest());
  ASSERT_TRUE(file->Write(0, "two").ok());
  EXPECT_EQ(fork.Peek("f"), "one");
  EXPECT_NE(fork.StateDigest(), disk.StateDigest());
  EXPECT_TRUE(fork.LockDir("").ok());
  disk = fork;
  EXPECT_EQ(disk.Peek("f"), "one");
  EXPECT_TRUE(absl::IsAborted(file->Write(0, "x"))) << "of the state before";
}

TEST(SimDisk, CapacityIsOverAllFiles) {
  SimDisk disk({.capacity = 1000});
  auto a = Create(&disk, "a");
  auto b = Create(&disk, "b");
  EXPECT_TRUE(a->Preallocate(600).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(b->Preallocate(401)));
  EXPECT_TRUE(b->Write(0, std::string(400, 'b')).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(b->Write(400, "x")));
  EXPECT_TRUE(a->Write(0, std::string(600, 'a')).ok()) << "was reserved";
  a.reset();
  EXPECT_TRUE(disk.Remove("a").ok());
  EXPECT_TRUE(disk.SyncDir("").ok());
  EXPECT_TRUE(b->Write(400, std::string(600, 'b')).ok());
}

TEST(SimDisk, CapacityShrinksAndGrows) {
  SimDisk disk;
  auto file = Create(&disk, "f");
  ASSERT_TRUE(file->Write(0, std::string(600, 'a')).ok());
  EXPECT_EQ(disk.bytes_used(), 600u);
  disk.set_capacity(500);
  EXPECT_TRUE(file->Write(0, std::string(600, 'b')).ok()) << "does not grow";
  EXPECT_TRUE(absl::IsResourceExhausted(file->Write(599, "xy")));
  EXPECT_EQ(disk.effects().full, 1u);
  EXPECT_EQ(disk.Peek("f"), std::string(600, 'b'));
  disk.set_capacity(0);
  EXPECT_TRUE(file->Write(599, "xy").ok());
  EXPECT_EQ(disk.effects().failures(), 1u);
}

// Each class of operations waits for its own error.
TEST(SimDisk, TheNthOperationOfAClassFails) {
  using Class = OperationClass;
  for (const Class which :
       {Class::kRead, Class::kWrite, Class::kSync, Class::kOther}) {
    SimDisk disk;
    auto file = Create(&disk, "f");
    std::string out;
    disk.FailLater({.of = which, .skip = 1});
    for (int round = 0; round < 3; ++round) {
      const bool due = round == 1;
      EXPECT_EQ(absl::IsDataLoss(file->Read(0, 1, &out)),
                due && which == Class::kRead);
      EXPECT_EQ(absl::IsDataLoss(file->Write(0, "x")),
                due && which == Class::kWrite);
      EXPECT_EQ(absl::IsDataLoss(file->Sync()), due && which == Class::kSync);
      EXPECT_EQ(absl::IsDataLoss(file->Size().status()),
                due && which == Class::kOther);
    }
    const SimDiskEffects& effects = disk.effects();
    EXPECT_EQ(effects.reads_failed, which == Class::kRead);
    EXPECT_EQ(effects.writes_failed, which == Class::kWrite);
    EXPECT_EQ(effects.syncs_failed, which == Class::kSync);
    EXPECT_EQ(effects.others_failed, which == Class::kOther);
  }
}

TEST(SimDisk, EveryKindOfOperationHasItsClass) {
  using Kind = FileOperation::Kind;
  std::map<OperationClass, int> members;
  for (int i = 0; i <= static_cast<int>(Kind::kLockDir); ++i) {
    ++members[ClassOf(static_cast<Kind>(i))];
  }
  EXPECT_EQ(members[OperationClass::kRead], 1);
  EXPECT_EQ(members[OperationClass::kWrite], 1);
  EXPECT_EQ(members[OperationClass::kSync], 2) << "files and folders";
  EXPECT_EQ(members[OperationClass::kOther], 10);
}

TEST(SimDisk, AnErrorThatWaitsCanBeForgotten) {
  SimDisk disk;
  auto file = Create(&disk, "f");
  disk.FailLater({.of = OperationClass::kWrite});
  disk.ForgetErrors();
  EXPECT_TRUE(file->Write(0, "x").ok());
}

TEST(SimDisk, AFullDiskMayBeMetInAnyWrite) {
  SimDisk disk;
  auto file = Create(&disk, "f");
  disk.FailLater(
      {.of = OperationClass::kWrite, .code = DiskError::Code::kFull});
  EXPECT_TRUE(absl::IsResourceExhausted(file->Write(0, "x")));
  EXPECT_EQ(disk.effects().full, 1u);
  EXPECT_EQ(disk.effects().writes_failed, 1u);
}

TEST(SimDisk, AWriteMayBeShort) {
  uint64_t short_writes = 0;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SimDisk disk({.seed = seed});
    auto file = Create(&disk, "f");
    disk.FailLater({.of = OperationClass::kWrite});
    EXPECT_TRUE(absl::IsDataLoss(file->Write(0, "abc")));
    const size_t taken = disk.Peek("f")->size();
    EXPECT_EQ(disk.effects().writes_short, taken == 1 || taken == 2);
    short_writes += disk.effects().writes_short;
  }
  EXPECT_GT(short_writes, 10u);
}

TEST(SimDisk, ReadOnlyRefusesWhateverChangesTheDisk) {
  SimDisk disk;
  WriteDurably(&disk, "f", "abc");
  auto file = *disk.Open("f", OpenMode::kReadWrite);
  ASSERT_TRUE(file->Write(0, "x").ok());
  const uint64_t digest = disk.StateDigest();
  disk.set_read_only(true);
  const std::vector<absl::Status> refused = {
      file->Write(0, "y"),
      file->Sync(),
      file->Truncate(1),
      file->Preallocate(100),
      disk.Rename("f", "g"),
      disk.Remove("f"),
      disk.MakeDir("d"),
      disk.Open("g", OpenMode::kCreate).status(),
      disk.Open("f", OpenMode::kReadWrite).status(),
  };
  for (const absl::Status& status : refused) {
    EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
  }
  EXPECT_EQ(disk.effects().read_only, refused.size());
  EXPECT_EQ(disk.StateDigest(), digest);
  std::string out;
  EXPECT_TRUE(file->Read(0, 3, &out).ok());
  EXPECT_EQ(out, "xbc");
  EXPECT_TRUE(disk.SyncDir("").ok()) << "there is nothing to sync";
  disk.set_read_only(false);
  EXPECT_TRUE(file->Sync().ok());
}

// What the disk holds after a loss of power that takes nothing else.
std::string AfterPowerLoss(SimDisk disk, const std::string& path) {
  disk.Crash(0, Loss::kEverything);
  return disk.Peek(path).value_or("-");
}

TEST(SimDisk, BitsRotAtRest) {
  const std::string content = Sectors(4, 'a');
  int seen_at_once = 0;
  std::set<size_t> sectors;
  for (uint64_t draw = 0; draw < 100; ++draw) {
    SimDisk disk;
    WriteDurably(&disk, "f", content);
    EXPECT_NE(disk.RotBits(draw), "");
    EXPECT_EQ(disk.effects().sectors_rotted, 1u);
    seen_at_once += disk.Peek("f") != content;  // it was not in the cache
    const std::string left = AfterPowerLoss(disk, "f");
    ASSERT_EQ(left.size(), content.size());
    std::set<size_t> changed;
    for (size_t i = 0; i < left.size(); ++i) {
      if (left[i] != content[i]) changed.insert(i / kSectorBytes);
    }
    EXPECT_EQ(changed.size(), 1u);
    sectors.insert(changed.begin(), changed.end());
  }
  EXPECT_EQ(sectors.size(), 4u);
  EXPECT_GT(seen_at_once, 20);
  EXPECT_LT(seen_at_once, 80);
  SimDisk empty;
  EXPECT_EQ(empty.RotBits(1), "");
}

TEST(SimDisk, ASyncedWriteIsLostWithThePower) {
  std::set<std::string> left;
  for (uint64_t draw = 0; draw < 100; ++draw) {
    SimDisk disk;
    WriteDurably(&disk, "f", Sectors(3, 'a'));
    auto file = *disk.Open("f", OpenMode::kReadWrite);
    ASSERT_TRUE(file->Write(kSectorBytes, Sectors(2, 'b')).ok());
    ASSERT_TRUE(file->Sync().ok());
    EXPECT_NE(disk.LoseSyncedWrite(draw), "");
    EXPECT_EQ(disk.effects().synced_writes_lost, 1u);
    EXPECT_EQ(disk.Peek("f"), Sectors(1, 'a') + Sectors(2, 'b'))
        << "the cache knows nothing of it";
    EXPECT_EQ(disk.LoseSyncedWrite(draw), "") << "only the newest, and once";
    left.insert(AfterPowerLoss(disk, "f"));
  }
  EXPECT_EQ(left, (std::set<std::string>{
                      Sectors(3, 'a'),
                      Sectors(2, 'a') + Sectors(1, 'b'),
                      Sectors(1, 'a') + Sectors(1, 'b') + Sectors(1, 'a'),
                  }));
}

TEST(SimDisk, AWriteThatWasNotSyncedIsNotLostThisWay) {
  SimDisk disk;
  auto file = Create(&disk, "f");
  ASSERT_TRUE(file->Write(0, "abc").ok());
  EXPECT_EQ(disk.LoseSyncedWrite(1), "");
  EXPECT_EQ(disk.MisdirectSyncedWrite(1), "");
  EXPECT_EQ(disk.effects().synced_writes_lost, 0u);
}

TEST(SimDisk, AMisdirectedWriteLandsOnAnotherSector) {
  std::set<std::pair<std::string, size_t>> landed;
  for (uint64_t draw = 0; draw < 200; ++draw) {
    SimDisk disk;
    WriteDurably(&disk, "f", Sectors(3, 'a'));
    WriteDurably(&disk, "g", Sectors(2, 'c'));
    auto file = *disk.Open("f", OpenMode::kReadWrite);
    ASSERT_TRUE(file->Write(0, Sectors(1, 'b')).ok());
    ASSERT_TRUE(file->Sync().ok());
    EXPECT_NE(disk.MisdirectSyncedWrite(draw), "");
    EXPECT_EQ(disk.effects().writes_misdirected, 1u);
    EXPECT_EQ(disk.Peek("f"), Sectors(1, 'b') + Sectors(2, 'a'));
    EXPECT_EQ(disk.Peek("g"), Sectors(2, 'c'));
    for (const std::string path : {"f", "g"}) {
      const std::string left = AfterPowerLoss(disk, path);
      const size_t at = left.find('b');
      if (at == std::string::npos) continue;
      EXPECT_EQ(left.substr(at, kSectorBytes), Sectors(1, 'b'));
      landed.emplace(path, at / kSectorBytes);
    }
    EXPECT_EQ(AfterPowerLoss(disk, "f")[0], 'a') << "not where it belongs";
  }
  EXPECT_EQ(landed, (std::set<std::pair<std::string, size_t>>{
                        {"f", 1}, {"f", 2}, {"g", 0}, {"g", 1}}));
}

// With the power the cache is gone, so the damage is there to be read.
TEST(SimDisk, DamageToADiskWithoutPowerShowsAtOnce) {
  SimDisk disk;
  WriteDurably(&disk, "f", "abc");
  disk.Crash(0, Loss::kEverything);
  EXPECT_NE(disk.LoseSyncedWrite(1), "");
  EXPECT_EQ(disk.Peek("f"), std::string(3, '\0'));
}

TEST(SimDisk, ACopySuffersTheSameDamage) {
  for (uint64_t draw = 0; draw < 50; ++draw) {
    SimDisk disk({.seed = 3});
    WriteDurably(&disk, "f", Sectors(3, 'a'));
    WriteDurably(&disk, "g", Sectors(3, 'c'));
    SimDisk copy = disk;
    for (SimDisk* one : {&disk, &copy}) {
      one->RotBits(draw);
      draw % 2 == 0 ? one->LoseSyncedWrite(draw)
                    : one->MisdirectSyncedWrite(draw);
    }
    EXPECT_EQ(copy.StateDigest(), disk.StateDigest());
  }
}

TEST(SimDisk, ALyingSyncLosesBytes) {
  SimDisk disk({.lie_about_fsync = true});
  WriteDurably(&disk, "f", "abc");
  disk.Crash(0, Loss::kEverything);
  EXPECT_EQ(disk.Peek("f"), "");
}

TEST(SimDisk, TheSameDrawLosesTheSame) {
  std::set<uint64_t> digests;
  for (uint64_t draw = 0; draw < 50; ++draw) {
    uint64_t first = 0;
    for (int run = 0; run < 2; ++run) {
      SimDisk disk({.seed = 9});
      WriteDurably(&disk, "f", Sectors(8, 'a'));
      auto file = *disk.Open("f", OpenMode::kReadWrite);
      ASSERT_TRUE(file->Write(300, Sectors(5, 'b')).ok());
      disk.Crash(draw);
      if (run == 0) first = disk.StateDigest();
      EXPECT_EQ(disk.StateDigest(), first);
    }
    digests.insert(first);
  }
  EXPECT_GT(digests.size(), 10u);
}

}  // namespace
}  // namespace sim
