// The storage layer through every crash: at each file operation of format,
// open, append, roll and recovery, with the losses that SimDisk draws. What was
// acknowledged is there afterwards; what was not is there or not, in order; and
// a directory that only crashed always opens.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "raft/digest.h"
#include "raft/raft_io.h"
#include "raft/storage/storage.h"
#include "sim/sim_disk.h"

namespace sim {
namespace {

using raft::Bytes;
using raft::Entry;
using raft::EntryKind;
using raft::Index;
using raft::Mix;
using raft::NodeId;
using raft::Persist;
using raft::Term;
using raft::storage::Identity;
using raft::storage::OpenResult;
using raft::storage::Recovered;
using raft::storage::Storage;
using raft::storage::StorageOptions;

constexpr char kDir[] = "data/n1";

const Identity& TheIdentity() {
  static const Identity* const identity = new Identity{
      .cluster = raft::ClusterId(0xc1),
      .node = {.slot = 1, .incarnation = 1},
      .initial_voters = {{1, 1}, {2, 1}, {3, 1}},
  };
  return *identity;
}

// What a node believes: the state after some number of persists.
struct LogModel {
  Term term;
  NodeId vote;
  std::vector<Entry> log;
  bool operator==(const LogModel&) const = default;

  void Apply(const Persist& persist) {
    term = persist.term;
    vote = persist.vote;
    if (persist.truncate_from != Index(0)) {
      log.resize(persist.truncate_from.value() - 1);
    }
    log.insert(log.end(), persist.entries.begin(), persist.entries.end());
  }
};

LogModel ModelOf(const Recovered& recovered) {
  return {recovered.term, recovered.vote, recovered.log};
}

// The persists of a node's life, a function of the seed alone: hard state
// changes, entries of all sizes, truncations, one or several to a batch.
class Life {
 public:
  explicit Life(uint64_t seed) : seed_(seed) { states_.emplace_back(); }

  std::vector<Persist> NextBatch() {
    std::vector<Persist> batch(1 + Draw() % 3);
    for (Persist& persist : batch) persist = Next();
    return batch;
  }
  // The node came back with `kept` of all persists.
  void ForgetAfter(size_t kept) { states_.resize(kept + 1); }
  // The state after each number of persists.
  const std::vector<LogModel>& states() const { return states_; }

 private:
  uint64_t Draw() { return Mix(seed_, ++draws_); }

  Persist Next() {
    LogModel now = states_.back();
    Persist persist{.term = now.term, .vote = now.vote};
    if (Draw() % 4 == 0) {
      ++persist.term;
      persist.vote = {};
    }
    if (!persist.vote.valid() && Draw() % 2 == 0) {
      persist.vote = {.slot = static_cast<uint8_t>(1 + Draw() % 3),
                      .incarnation = 1};
    }
    uint64_t last = now.log.size();
    if (last > 0 && Draw() % 5 == 0) {
      last -= Draw() % std::min<uint64_t>(last, 4);
      persist.truncate_from = Index(last);
      --last;
    }
    const uint64_t count = persist.term == Term(0) ? 0 : Draw() % 4;
    for (uint64_t i = 0; i < count; ++i) {
      const uint64_t size = Draw() % 8 == 0 ? Draw() % 3000 : Draw() % 60;
      std::string payload;
      for (uint64_t b = 0; b < size; ++b) {
        payload.push_back(static_cast<char>(Mix(seed_, draws_, b)));
      }
      persist.entries.push_back({.index = Index(++last),
                                 .term = persist.term,
                                 .kind = EntryKind::kCommand,
                                 .payload = Bytes(payload)});
    }
    now.Apply(persist);
    states_.push_back(std::move(now));
    return persist;
  }

  const uint64_t seed_;
  uint64_t draws_ = 0;
  std::vector<LogModel> states_;
};

// Runs a node's storage on a disk that may die at any operation, over any
// number of boots, and holds it to its promise.
class Survivor {
 public:
  Survivor(uint64_t seed, SimDiskOptions options, StorageOptions storage)
      : seed_(seed), options_(storage), disk_(options), life_(seed) {
    EXPECT_TRUE(disk_.MakeDir("data").ok());
    EXPECT_TRUE(disk_.SyncDir("").ok());
  }

  SimDisk& disk() { return disk_; }
  uint64_t operations() const { return disk_.effects().operations; }
  size_t acknowledged() const { return acknowledged_; }

  // The power goes at the `n`-th operation from now (0: never).
  void CutPowerAfter(uint64_t n) {
    if (n == 0) return disk_.set_hook(nullptr);
    const uint64_t fatal = operations() + n;
    disk_.set_hook([fatal](const FileOperation& operation) {
      return operation.number >= fatal ? absl::AbortedError("power cut")
                                       : absl::OkStatus();
    });
  }

  // Formats (if it must), opens and writes `batches`; ends early when the
  // power goes. Fails the test on any other error and on any broken promise.
  void Boot(int batches) {
    storage_.reset();
    if (!formatted_ && !Formats()) return;
    absl::StatusOr<OpenResult> opened =
        raft::storage::Open(&disk_, kDir, options_);
    if (disk_.dead()) return;
    ASSERT_TRUE(opened.ok()) << opened.status();
    ASSERT_NO_FATAL_FAILURE(CheckPromise(opened->recovered));
    storage_ = std::move(opened->storage);
    for (int i = 0; i < batches && !disk_.dead(); ++i) {
      const absl::Status status = storage_->Append(life_.NextBatch());
      if (status.ok()) {
        acknowledged_ = life_.states().size() - 1;
      } else {
        ASSERT_TRUE(disk_.dead()) << status;
      }
    }
  }

  void Crash(uint64_t draw) {
    disk_.Crash(draw);
    disk_.set_hook(nullptr);
  }
  void Kill() {
    disk_.Kill();
    disk_.set_hook(nullptr);
  }

 private:
  bool Formats() {
    absl::Status status = raft::storage::Format(&disk_, kDir, TheIdentity());
    // Only an acknowledged format must have survived.
    if (status.ok() || absl::IsFailedPrecondition(status)) formatted_ = true;
    EXPECT_TRUE(formatted_ || disk_.dead()) << status;
    return formatted_ && !disk_.dead();
  }

  // [Persist: all or nothing, in order; thesis 3.8] The log is the state after
  // `kept` persists for some kept >= acknowledged.
  void CheckPromise(const Recovered& recovered) {
    ASSERT_EQ(recovered.identity, TheIdentity());
    const LogModel found = ModelOf(recovered);
    std::optional<size_t> kept;
    for (size_t n = life_.states().size(); n-- > 0 && !kept.has_value();) {
      if (life_.states()[n] == found) kept = n;
    }
    ASSERT_TRUE(kept.has_value())
        << "seed " << seed_ << ": a state that never was";
    ASSERT_GE(*kept, acknowledged_)
        << "seed " << seed_ << ": an acknowledged persist is lost";
    // What a node has seen at boot it acts on: it is acknowledged from now on.
    life_.ForgetAfter(*kept);
    acknowledged_ = *kept;
  }

  const uint64_t seed_;
  const StorageOptions options_;
  SimDisk disk_;
  Life life_;
  bool formatted_ = false;
  size_t acknowledged_ = 0;
  std::unique_ptr<Storage> storage_;
};

constexpr int kBatches = 12;

// Every operation of a life is a place to die at; then two more boots die at
// drawn places, most of them in recovery; the last one must find everything.
void DieEverywhere(uint64_t seed, bool garbage) {
  SCOPED_TRACE(absl::StrCat("seed ", seed, garbage ? " garbage" : ""));
  const SimDiskOptions options = {.seed = seed,
                                  .garbage_in_torn_sectors = garbage};
  const StorageOptions tiny = {
      .segment_bytes = 6 << 10, .block_bytes = 512, .zero_ahead_bytes = 1024};
  uint64_t operations;
  {
    Survivor whole(seed, options, tiny);
    whole.Boot(kBatches);
    operations = whole.operations();
  }
  ASSERT_GT(operations, 50u);
  for (uint64_t fatal = 1; fatal <= operations; ++fatal) {
    SCOPED_TRACE(absl::StrCat("power cut at operation ", fatal));
    Survivor node(seed, options, tiny);
    for (uint64_t boot = 0; boot < 3; ++boot) {
      const uint64_t draw = Mix(seed, fatal, boot);
      node.CutPowerAfter(boot == 0 ? fatal : 1 + draw % 40);
      node.Boot(kBatches);
      if (::testing::Test::HasFatalFailure()) return;
      // Every third death leaves the page cache as it is.
      draw % 3 == 0 ? node.Kill() : node.Crash(draw);
    }
    node.Boot(3);
    if (::testing::Test::HasFatalFailure()) return;
    node.disk().Crash(fatal, SimDisk::Loss::kEverything);
    node.Boot(0);
    if (::testing::Test::HasFatalFailure()) return;
  }
}

TEST(WalCrash, AcknowledgedSurvivesAPowerCutAtEveryOperation) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    DieEverywhere(seed, /*garbage=*/seed % 2 == 0);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace sim
