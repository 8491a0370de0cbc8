// The snapshot store through every crash, every disk error and every damaged
// block: the old snapshot or the new one, never neither, never a mix.
#include "raft/storage/snapshot_store.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "raft/digest.h"
#include "sim/sim_disk.h"
#include "sim/storage_life.h"

namespace sim {
namespace {

using raft::Index;
using raft::Mix;
using raft::Term;
using raft::storage::SnapshotChunk;
using raft::storage::SnapshotId;
using raft::storage::SnapshotRecovery;
using raft::storage::SnapshotStore;
using raft::storage::SnapshotWriter;
using Loss = SimDisk::Loss;

constexpr raft::storage::WalOwner kOwner = {raft::ClusterId(0xc1), {1, 1}};
constexpr uint64_t kOld = 10, kNew = 20;
constexpr int kChunks = 7;

SnapshotId IdOf(uint64_t index) {
  return {Index(index), Term(3), {index * 3, index * 5}, {2, 1}};
}
// Large, so that the syncs within a snapshot are met.
std::string Payload(uint64_t index, int chunk) {
  return std::string((200 << 10) + Mix(index, chunk) % 1000,
                     static_cast<char>('a' + Mix(index, chunk) % 26));
}

SimDisk NewDisk() {
  SimDisk disk;
  EXPECT_TRUE(disk.MakeDir("data").ok());
  EXPECT_TRUE(disk.MakeDir(kDataDir).ok());
  EXPECT_TRUE(disk.SyncDir("").ok());
  EXPECT_TRUE(disk.SyncDir("data").ok());
  return disk;
}

absl::StatusOr<std::unique_ptr<SnapshotStore>> OpenStore(SimDisk* disk) {
  return SnapshotStore::Open(disk, kDataDir, kOwner);
}

absl::Status WriteLocal(SimDisk* disk, uint64_t index) {
  auto store = OpenStore(disk);
  if (!store.ok()) return store.status();
  auto writer = (*store)->Create(IdOf(index), "configuration");
  if (!writer.ok()) return writer.status();
  for (int i = 0; i < kChunks; ++i) {
    absl::Status status = (*writer)->Append(Payload(index, i));
    if (!status.ok()) return status;
  }
  absl::Status status = (*writer)->Finish();
  return status.ok() ? (*store)->Retain(1) : status;
}

// Receives kNew from `sender`'s disk, going on wherever it can.
absl::Status ReceiveFrom(SimDisk* sender, SimDisk* disk,
                         uint64_t* resumed_at = nullptr) {
  auto from = OpenStore(sender);
  auto store = OpenStore(disk);
  if (!store.ok()) return store.status();
  auto reader = (*from)->Read(Index(kNew));
  EXPECT_TRUE(reader.ok()) << reader.status();
  auto writer = (*store)->Receive((*reader)->header().id,
                                  (*reader)->header().configuration);
  if (!writer.ok()) return writer.status();
  if (resumed_at != nullptr) *resumed_at = (*writer)->cursor().sequence;
  (*reader)->Seek((*writer)->cursor());
  SnapshotChunk chunk;
  for (;;) {
    auto more = (*reader)->Next(&chunk);
    EXPECT_TRUE(more.ok()) << more.status();
    if (!more.ok()) return more.status();
    if (!*more) break;
    absl::Status status = (*writer)->AppendReceived(chunk);
    if (!status.ok()) return status;
  }
  absl::Status status = (*writer)->FinishReceived((*reader)->cursor());
  return status.ok() ? (*store)->Retain(1) : status;
}

// The index of the snapshot that is there, all of its content compared.
uint64_t WholeSnapshot(SimDisk* disk) {
  auto store = OpenStore(disk);
  EXPECT_TRUE(store.ok()) << store.status();
  if (!store.ok()) return 0;
  auto recovery = (*store)->Recover(Index(1000), Index(999));
  EXPECT_TRUE(recovery.ok()) << recovery.status();
  if (!recovery.ok() || !recovery->newest.has_value()) return 0;
  const uint64_t index = recovery->newest->id.index.value();
  EXPECT_EQ(recovery->newest->id, IdOf(index));
  auto reader = (*store)->Read(Index(index));
  EXPECT_TRUE(reader.ok());
  SnapshotChunk chunk;
  for (int i = 0; i < kChunks; ++i) {
    EXPECT_TRUE(*(*reader)->Next(&chunk));
    EXPECT_TRUE(chunk.payload == Payload(index, i)) << "chunk " << i;
  }
  EXPECT_FALSE(*(*reader)->Next(&chunk));
  return index;
}

class SnapshotStoreTest : public ::testing::TestWithParam<bool> {
 protected:
  SnapshotStoreTest() : sender_(NewDisk()), disk_(NewDisk()) {
    EXPECT_EQ(WriteLocal(&sender_, kNew), absl::OkStatus());
    EXPECT_EQ(WriteLocal(&disk_, kOld), absl::OkStatus());
  }
  absl::Status WriteNew(SimDisk* disk) {
    return GetParam() ? ReceiveFrom(&sender_, disk) : WriteLocal(disk, kNew);
  }
  uint64_t Operations() {
    SimDisk copy = disk_;
    EXPECT_EQ(WriteNew(&copy), absl::OkStatus());
    return copy.effects().operations - disk_.effects().operations;
  }
  void FailAt(SimDisk* disk, uint64_t n, const absl::Status& status) {
    const uint64_t fatal = disk->effects().operations + n;
    disk->set_hook([fatal, status](const FileOperation& operation) {
      return operation.number == fatal ? status : absl::OkStatus();
    });
  }

  SimDisk sender_;
  SimDisk disk_;
};
INSTANTIATE_TEST_SUITE_P(LocalAndReceived, SnapshotStoreTest,
                         ::testing::Bool());

TEST_P(SnapshotStoreTest, PowerCutAtEveryOperation) {
  int old = 0, fresh = 0;
  const uint64_t operations = Operations();
  EXPECT_GT(operations, 15u);
  for (uint64_t fatal = 1; fatal <= operations; ++fatal) {
    for (uint64_t draw = 0; draw < 12; ++draw) {
      SCOPED_TRACE(absl::StrCat("operation ", fatal, ", draw ", draw));
      SimDisk disk = disk_;
      disk.options().garbage_in_torn_sectors = draw % 2 == 0;
      FailAt(&disk, fatal, absl::AbortedError("power cut"));
      (void)WriteNew(&disk);
      draw % 4 == 3 ? disk.Kill() : disk.Crash(Mix(fatal, draw));
      const uint64_t found = WholeSnapshot(&disk);
      ASSERT_TRUE(found == kOld || found == kNew) << found;
      found == kOld ? ++old : ++fresh;
      // A second power cut, in the repair of the first.
      FailAt(&disk, 1 + Mix(draw, fatal) % operations,
             absl::AbortedError("power cut"));
      (void)WriteNew(&disk);
      disk.Crash(Mix(fatal, draw, 1));
      ASSERT_EQ(WriteNew(&disk), absl::OkStatus());
      disk.Crash(0, Loss::kEverything);
      ASSERT_EQ(WholeSnapshot(&disk), kNew);
      if (HasFailure()) return;
    }
  }
  EXPECT_GT(old, 50);
  EXPECT_GT(fresh, 10);
}

TEST_P(SnapshotStoreTest, AnErrorAtEveryOperation) {
  const uint64_t operations = Operations();
  for (uint64_t fatal = 1; fatal <= operations; ++fatal) {
    for (const absl::Status& error :
         {absl::DataLossError("injected EIO"),
          absl::ResourceExhaustedError("injected ENOSPC")}) {
      SCOPED_TRACE(absl::StrCat(error.ToString(), " at operation ", fatal));
      SimDisk disk = disk_;
      FailAt(&disk, fatal, error);
      const absl::Status status = WriteNew(&disk);
      EXPECT_TRUE(status.ok() || status == error) << status;
      // On the same page cache, which after a failed sync shows what the
      // platter does not have.
      disk.Kill();
      uint64_t found = WholeSnapshot(&disk);
      ASSERT_TRUE(found == kOld || found == kNew) << found;
      ASSERT_EQ(WriteNew(&disk), absl::OkStatus());
      disk.Crash(0, Loss::kEverything);
      ASSERT_EQ(WholeSnapshot(&disk), kNew);
      if (HasFailure()) return;
    }
  }
}

TEST_P(SnapshotStoreTest, ALyingSyncIsCaught) {
  SimDisk disk = disk_;
  disk.options().lie_about_fsync = true;
  ASSERT_EQ(WriteNew(&disk), absl::OkStatus());
  disk.Crash(0, Loss::kEverything);
  auto recovery = (*OpenStore(&disk))->Recover(Index(1000), Index(999));
  EXPECT_TRUE(absl::IsDataLoss(recovery.status())) << recovery.status();
}

// One bit of every block, and of every byte of headers and footer.
TEST_P(SnapshotStoreTest, AFlippedBitIsRefused) {
  ASSERT_EQ(WriteNew(&disk_), absl::OkStatus());
  const std::string path =
      absl::StrCat(kDataDir, "/snapshots/snapshot-00000000000000000020");
  const std::string content = *disk_.Peek(path);
  int tried = 0;
  for (size_t at = 0; at < content.size();
       at += at < 200 || at + 60 > content.size() ? 1 : 509) {
    SimDisk copy = disk_;
    const char flipped = static_cast<char>(content[at] ^ (1 << Mix(at) % 8));
    copy.Poke(path, at, std::string(1, flipped));
    auto store = *OpenStore(&copy);
    const absl::Status status = store->Recover(Index(21), Index(30)).status();
    ASSERT_TRUE(absl::IsDataLoss(status)) << at << ": " << status;
    const std::string text(status.message());
    EXPECT_NE(text.find(path + ": offset "), std::string::npos) << text;
    EXPECT_NE(text.find("registryd format --data_dir=data/n1"),
              std::string::npos)
        << text;
    // A log that holds everything stands in for it, and it is told.
    auto recovery = store->Recover(Index(1), Index(20));
    ASSERT_TRUE(recovery.ok()) << recovery.status();
    EXPECT_FALSE(recovery->newest.has_value());
    EXPECT_EQ(recovery->passed_over.size(), 1u);
    ++tried;
  }
  EXPECT_GT(tried, 2000);
}

TEST(SnapshotStore, AnOlderOneTakesTheDamagedOnesPlaceOnlyWithTheLog) {
  SimDisk disk = NewDisk();
  ASSERT_EQ(WriteLocal(&disk, kOld), absl::OkStatus());
  auto store = *OpenStore(&disk);
  {
    auto writer = *store->Create(IdOf(kNew), "configuration");
    ASSERT_TRUE(writer->Append("x").ok());
    ASSERT_TRUE(writer->Finish().ok());
  }
  EXPECT_EQ(*store->List(), (std::vector<Index>{Index(kOld), Index(kNew)}));
  disk.Poke(absl::StrCat(kDataDir, "/snapshots/snapshot-00000000000000000020"),
            150, "!");
  const auto may = [&](uint64_t first, uint64_t last) {
    auto recovery = store->Recover(Index(first), Index(last));
    return recovery.ok() && recovery->newest->id.index == Index(kOld);
  };
  EXPECT_TRUE(may(11, 20));
  EXPECT_TRUE(may(1, 25));
  EXPECT_FALSE(may(12, 25)) << "entry 11 is nowhere";
  EXPECT_FALSE(may(1, 19)) << "entry 20 is nowhere";
  // The damaged one does not count, and goes when a newer one is there.
  ASSERT_TRUE(store->Retain(1).ok());
  EXPECT_EQ(store->List()->size(), 2u);
  {
    auto writer = *store->Create(IdOf(30), "");
    ASSERT_TRUE(writer->Finish().ok());
  }
  ASSERT_TRUE(store->Retain(2).ok());
  EXPECT_EQ(*store->List(), (std::vector<Index>{Index(kOld), Index(30)}));
}

// [Raft conformance 6.7] Duplicates, gaps, damage and other senders.
TEST(SnapshotStore, ChunksOfTwoSendersNeverMix) {
  SimDisk disk = NewDisk();
  SimDisk sender = NewDisk();
  ASSERT_EQ(WriteLocal(&sender, kNew), absl::OkStatus());
  auto reader = *(*OpenStore(&sender))->Read(Index(kNew));
  auto store = *OpenStore(&disk);
  auto writer = *store->Receive(IdOf(kNew), "configuration");
  SnapshotChunk first, second;
  ASSERT_TRUE(*reader->Next(&first));
  ASSERT_TRUE(*reader->Next(&second));
  EXPECT_TRUE(absl::IsFailedPrecondition(writer->AppendReceived(second)));
  SnapshotChunk damaged = first;
  damaged.payload[5] ^= 1;
  EXPECT_TRUE(absl::IsInvalidArgument(writer->AppendReceived(damaged)));
  ASSERT_EQ(writer->AppendReceived(first), absl::OkStatus());
  EXPECT_TRUE(absl::IsFailedPrecondition(writer->AppendReceived(first)));
  EXPECT_TRUE(
      absl::IsFailedPrecondition(writer->FinishReceived(reader->cursor())));
  // Of the same id, with the same place, behind other bytes.
  SnapshotChunk other = second;
  ++other.at.checksum;
  EXPECT_TRUE(absl::IsFailedPrecondition(writer->AppendReceived(other)));
  EXPECT_EQ(writer->cursor(), After(first));
  EXPECT_FALSE(store->Receive(IdOf(kNew), "configuration").ok());
}

TEST(SnapshotStore, AReceiverGoesOnWhereSyncsWereProven) {
  SimDisk disk = NewDisk();
  SimDisk sender = NewDisk();
  ASSERT_EQ(WriteLocal(&sender, kNew), absl::OkStatus());
  {
    auto reader = *(*OpenStore(&sender))->Read(Index(kNew));
    auto store = *OpenStore(&disk);
    auto writer = *store->Receive(IdOf(kNew), "configuration");
    SnapshotChunk chunk;
    for (int i = 0; i < kChunks; ++i) {
      ASSERT_TRUE(*reader->Next(&chunk));
      ASSERT_EQ(writer->AppendReceived(chunk), absl::OkStatus());
    }
  }
  SimDisk other = disk;
  uint64_t resumed_at = 0;
  ASSERT_EQ(ReceiveFrom(&sender, &disk, &resumed_at), absl::OkStatus());
  EXPECT_EQ(resumed_at, 6u) << "1 MiB is six of these chunks";
  EXPECT_EQ(WholeSnapshot(&disk), kNew);
  // Another origin of the same state: begun anew.
  auto store = *OpenStore(&other);
  SnapshotId id = IdOf(kNew);
  id.origin = {3, 1};
  EXPECT_EQ((*store->Receive(id, "configuration"))->cursor().sequence, 0u);
}

}  // namespace
}  // namespace sim
