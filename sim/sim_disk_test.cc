#include "sim/sim_disk.h"

#include <memory>
#include <set>
#include <string>
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
