// The log that loses its beginning, and the snapshot that takes its place: a
// power cut at every file operation of a life in which both happen, and what
// recovery makes of each.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "raft/check.h"
#include "raft/storage/snapshot_store.h"
#include "raft/storage/storage.h"
#include "sim/sim_disk.h"
#include "sim/storage_life.h"

namespace sim {
namespace {

using raft::Entry;
using raft::EntryId;
using raft::Index;
using raft::Persist;
using raft::Term;
using raft::storage::OpenResult;
using raft::storage::Recovered;
using raft::storage::SnapshotStore;

const raft::storage::WalOwner kOwner{TheIdentity().cluster, TheIdentity().node};

// What a node may be after a crash.
struct State {
  Term term;
  EntryId floor;           // a received snapshot: nothing is known of before
  std::vector<Entry> log;  // behind `floor`
  EntryId snapshot;        // the newest

  Index last() const { return floor.index + log.size(); }
  Term TermAt(Index index) const {
    if (index == floor.index) return floor.term;
    return log.at(index - floor.index - 1).term;
  }
};

// Why `recovered` is not `state`; empty if it is.
std::string WhyNot(const State& state, const Recovered& recovered) {
  if (recovered.term != state.term) return "another term";
  const EntryId snapshot =
      recovered.snapshot.has_value()
          ? EntryId{recovered.snapshot->id.index, recovered.snapshot->id.term}
          : EntryId();
  if (snapshot != state.snapshot) return "another snapshot";
  const Index base = recovered.base.index;
  if (base < state.floor.index || base > snapshot.index) {
    return "a base that nothing covers";
  }
  if (base + recovered.log.size() != state.last()) return "another length";
  if (base > Index(0) && recovered.base.term != state.TermAt(base)) {
    return "another term at the base";
  }
  for (const Entry& entry : recovered.log) {
    if (entry != state.log.at(entry.index - state.floor.index - 1)) {
      return "another entry";
    }
  }
  return "";
}

// One life: it appends, takes a snapshot and lets the log go, appends, is given
// a snapshot that is ahead of its log (or of another term than its end), and
// goes on behind it.
class Keeper {
 public:
  explicit Keeper(uint64_t seed) : disk_({.seed = seed}), seed_(seed) {
    CHECK(disk_.MakeDir("data").ok());
    CHECK(disk_.SyncDir(".").ok());
    CHECK(raft::storage::Format(&disk_, kDataDir, TheIdentity()).ok());
    disk_.set_hook([this](const FileOperation&) {
      ++operations_;
      return fatal_ != 0 && operations_ >= fatal_
                 ? absl::AbortedError("power cut")
                 : absl::OkStatus();
    });
  }

  uint64_t operations() const { return operations_; }
  void CutAt(uint64_t operation) { fatal_ = operation; }
  SimDisk& disk() { return disk_; }

  // False: the power failed. What the node may be then is in `may_be_`.
  bool Run() {
    const bool conflict = seed_ % 2 == 0;
    return Open() && Appends(14) && TakeSnapshot(9) && Release(7) &&
           Appends(6) && Reopen() && Appends(2) && TakeSnapshot(16) &&
           Release(16) && Reopen() && Appends(3) &&
           Receive(conflict ? now_.last().value() - 1
                            : now_.last().value() + 5) &&
           Appends(4) && Release(now_.snapshot.index.value()) && Reopen() &&
           Appends(9) && Reopen();
  }

  // 0 for a folder.
  uint64_t SizeOf(const std::string& file) {
    auto opened = disk_.Open(file, raft::storage::OpenMode::kRead);
    return opened.ok() ? (*opened)->Size().value_or(0) : 0;
  }

  // On a copy of the disk: what recovery says. OK only if it is this node.
  absl::Status OpenWithFlippedBit(const std::string& file, uint64_t at,
                                  uint64_t bit) {
    SimDisk copy = disk_;
    copy.set_hook(nullptr);
    copy.Kill();
    {
      auto opened = copy.Open(file, raft::storage::OpenMode::kReadWrite);
      if (!opened.ok()) return opened.status();
      std::string byte;
      absl::Status status = (*opened)->Read(at, 1, &byte);
      byte[0] = static_cast<char>(byte[0] ^ (1 << bit));
      if (status.ok()) status = (*opened)->Write(at, byte);
      if (status.ok()) status = (*opened)->Sync();
      if (!status.ok()) return status;
    }
    auto opened = raft::storage::Open(&copy, kDataDir,
                                      raft::storage::StorageOptions::Tiny());
    if (!opened.ok()) return opened.status();
    const std::string why = WhyNot(now_, opened->recovered);
    EXPECT_EQ(why, "") << file << ", bit " << bit << " at " << at;
    return absl::OkStatus();
  }

  // After the crash: one of the states that may be, and it can go on.
  std::string Recover(uint64_t draw) {
    store_.reset();
    storage_.reset();
    fatal_ = 0;
    draw % 3 == 0 ? disk_.Kill() : disk_.Crash(draw);
    std::string why = OpenAs();
    if (!why.empty()) return why;
    // Twice: what the first recovery wrote must say the same.
    if (!Reopen()) return wrong_;
    if (!Appends(3) || !Reopen()) return "it cannot go on: " + wrong_;
    return wrong_;
  }

 private:
  // Opens, and finds out which of may_be_ it is.
  std::string OpenAs() {
    absl::StatusOr<OpenResult> opened = raft::storage::Open(
        &disk_, kDataDir, raft::storage::StorageOptions::Tiny());
    if (!opened.ok()) return opened.status().ToString();
    std::string all;
    for (const State& state : may_be_) {
      const std::string why = WhyNot(state, opened->recovered);
      all += (all.empty() ? "" : "; ") + why;
      if (!why.empty()) continue;
      now_ = state;
      may_be_ = {now_};
      storage_ = std::move(opened->storage);
      store_ = std::move(opened->snapshots);
      return "";
    }
    return "it is no state that it may be in: " + all;
  }
  bool Open() {
    wrong_ = OpenAs();
    return wrong_.empty();
  }
  bool Reopen() {
    store_.reset();
    storage_.reset();
    disk_.Kill();
    return Open();
  }

  bool Do(const absl::Status& status, const State& after) {
    may_be_ = {now_, after};
    if (!status.ok()) return false;
    now_ = after;
    may_be_ = {now_};
    return true;
  }

  Entry Next(const State& state) const {
    return {.index = state.last() + 1,
            .term = state.term,
            .payload = raft::Bytes(std::string(700, 'e'))};
  }

  bool Appends(int batches) {
    for (int i = 0; i < batches; ++i) {
      State after = now_;
      if (i % 4 == 0) ++after.term;
      Persist persist{.term = after.term};
      persist.entries.push_back(Next(after));
      after.log.push_back(persist.entries.back());
      may_be_ = {now_, after};
      if (!Do(storage_->Append({persist}), after)) return false;
    }
    return true;
  }

  absl::Status Write(EntryId last) {
    if (store_ == nullptr) {
      auto store = SnapshotStore::Open(&disk_, kDataDir, kOwner);
      if (!store.ok()) return store.status();
      store_ = *std::move(store);
    }
    auto writer = store_->Create(
        {.index = last.index, .term = last.term, .origin = kOwner.node}, "cfg");
    if (!writer.ok()) return writer.status();
    absl::Status status = (*writer)->Append(std::string(2000, 's'));
    if (status.ok()) status = (*writer)->Finish();
    return status;
  }

  bool TakeSnapshot(uint64_t index) {
    State after = now_;
    after.snapshot = {Index(index), now_.TermAt(Index(index))};
    may_be_ = {now_, after};
    if (!Do(Write(after.snapshot), after)) return false;
    return Do(store_->Retain(1), after);
  }

  bool Release(uint64_t through) {
    return Do(storage_->Release(Index(through)), now_);
  }

  // A snapshot from a leader: durable first, then the log gives way to it.
  bool Receive(uint64_t index) {
    State installed = now_;
    installed.snapshot = installed.floor = {Index(index), now_.term + 1};
    installed.log.clear();
    // Its term is ahead of the node's own until the log has given way; the
    // node has heard of it.
    ++installed.term;
    Persist heard{.term = installed.term};
    State before = now_;
    before.term = installed.term;
    may_be_ = {now_, before};
    if (!Do(storage_->Append({heard}), before)) return false;
    may_be_ = {before, installed};
    if (!Do(Write(installed.snapshot), installed)) return false;
    State after = installed;
    Persist reset{.term = after.term, .base = after.snapshot};
    Persist more{.term = after.term};
    reset.entries.push_back(Next(after));
    after.log.push_back(reset.entries.back());
    more.entries.push_back(Next(after));
    after.log.push_back(more.entries.back());
    // What the batch holds before the base is void.
    Persist void_one{.term = after.term};
    void_one.entries.push_back(Next(before));
    return Do(storage_->Append({void_one, reset, more}), after);
  }

  SimDisk disk_;
  const uint64_t seed_;
  uint64_t operations_ = 0;
  uint64_t fatal_ = 0;
  std::unique_ptr<raft::storage::Storage> storage_;
  std::unique_ptr<SnapshotStore> store_;
  State now_;
  std::vector<State> may_be_ = {State()};
  std::string wrong_;
};

TEST(WalRetention, PowerCutAtEveryOperation) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    Keeper whole(seed);
    ASSERT_TRUE(whole.Run()) << whole.Recover(1);
    const uint64_t operations = whole.operations();
    EXPECT_GT(operations, 250u);
    uint64_t finished = 0;
    for (uint64_t fatal = 1; fatal <= operations; ++fatal) {
      Keeper life(seed);
      life.CutAt(fatal);
      // True only where what failed was a courtesy: to give room back.
      finished += life.Run();
      ASSERT_EQ(life.Recover(raft::Mix(seed, fatal)), "")
          << "seed " << seed << ", power cut at operation " << fatal << " of "
          << operations;
    }
    EXPECT_LT(finished, 5u);
  }
}

// The first record that is left may remove entries that stood in segments which
// are gone (simulate --seed=133 --profile=membership, before it could).
TEST(WalRetention, ARecordMayGoBackIntoSegmentsThatAreGone) {
  SimDisk disk(SimDiskOptions{});
  ASSERT_TRUE(disk.MakeDir("data").ok());
  ASSERT_TRUE(raft::storage::Format(&disk, kDataDir, TheIdentity()).ok());
  const auto options = raft::storage::StorageOptions::Tiny();
  auto opened = raft::storage::Open(&disk, kDataDir, options);
  ASSERT_TRUE(opened.ok()) << opened.status();
  const auto entry = [](uint64_t index, uint64_t term) {
    return Entry{.index = Index(index),
                 .term = Term(term),
                 .payload = raft::Bytes(std::string(10'000, 'x'))};
  };
  const Persist old_leaders{.token = raft::PersistToken(1),
                            .term = Term(1),
                            .entries = {entry(1, 1), entry(2, 1)}};
  const Persist new_leaders{.token = raft::PersistToken(2),
                            .term = Term(2),
                            .truncate_from = Index(2),
                            .entries = {entry(2, 2), entry(3, 2)}};
  ASSERT_TRUE(opened->storage->Append({old_leaders}).ok());
  ASSERT_TRUE(opened->storage->Append({new_leaders}).ok());
  auto store = SnapshotStore::Open(&disk, kDataDir, kOwner);
  ASSERT_TRUE(store.ok());
  auto writer = (*store)->Create(
      {.index = Index(3), .term = Term(2), .origin = kOwner.node}, "");
  ASSERT_TRUE(writer.ok() && (*writer)->Append("state").ok() &&
              (*writer)->Finish().ok());
  ASSERT_TRUE(opened->storage->Release(Index(3)).ok());
  const auto names = disk.List(absl::StrCat(kDataDir, "/wal"));
  ASSERT_TRUE(names.ok());
  // The first batch began the second segment, for it was too large for the
  // first one; the third one begins with the batch that goes back.
  ASSERT_EQ(names->front(), "000000000003.wal");
  opened->storage.reset();
  opened = raft::storage::Open(&disk, kDataDir, options);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->recovered.base, (EntryId{Index(2), Term(2)}));
  EXPECT_EQ(opened->recovered.log, std::vector<Entry>{entry(3, 2)});
}

// Segments that hold nothing needed are gone, and the log begins later.
TEST(WalRetention, GivesRoomBack) {
  Keeper life(1);
  ASSERT_TRUE(life.Run());
  const auto names = life.disk().List(absl::StrCat(kDataDir, "/wal"));
  ASSERT_TRUE(names.ok());
  EXPECT_LE(names->size(), 3u);
  EXPECT_NE(names->front(), "000000000001.wal");
}

// One bit in each block of each file, in turn: it is refused with the file's
// name, or nothing hangs on it.
TEST(WalRetention, AFlippedBitIsRefusedOrHarmless) {
  int refused = 0;
  int harmless = 0;
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    Keeper life(seed);
    ASSERT_TRUE(life.Run());
    for (const char* folder : {"", "/wal", "/snapshots"}) {
      const std::string path = kDataDir + std::string(folder);
      const auto names = life.disk().List(path);
      ASSERT_TRUE(names.ok());
      for (const std::string& name : *names) {
        const std::string file = absl::StrCat(path, "/", name);
        const uint64_t size = life.SizeOf(file);
        for (uint64_t block = 0; block * 512 < size; ++block) {
          const uint64_t draw = raft::Mix(seed, block, size);
          const uint64_t at = std::min(block * 512 + draw % 512, size - 1);
          const absl::Status status =
              life.OpenWithFlippedBit(file, at, draw / 512 % 8);
          ++(status.ok() ? harmless : refused);
          if (status.ok()) continue;
          EXPECT_TRUE(absl::IsDataLoss(status) ||
                      absl::IsFailedPrecondition(status))
              << file << " at " << at << ": " << status;
          EXPECT_NE(status.ToString().find(path), std::string::npos)
              << file << " at " << at << ": " << status;
        }
      }
    }
  }
  EXPECT_GT(refused, 30);
  EXPECT_GT(harmless, 30);
}

// Without what covers its beginning, a log is refused, never taken for whole.
TEST(WalRetention, ALogWithoutItsSnapshotIsRefused) {
  Keeper life(1);
  ASSERT_TRUE(life.Run());
  const std::string folder = absl::StrCat(kDataDir, "/snapshots/");
  const auto names = life.disk().List(folder);
  ASSERT_TRUE(names.ok());
  for (const std::string& name : *names) {
    ASSERT_TRUE(life.disk().Remove(folder + name).ok());
  }
  SimDisk copy = life.disk();
  copy.Kill();
  const auto opened = raft::storage::Open(
      &copy, kDataDir, raft::storage::StorageOptions::Tiny());
  EXPECT_TRUE(absl::IsDataLoss(opened.status())) << opened.status();
  EXPECT_NE(opened.status().ToString().find("no snapshot covers"),
            std::string::npos)
      << opened.status();
}

}  // namespace
}  // namespace sim
