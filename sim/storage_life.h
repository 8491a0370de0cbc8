// A node's life as the storage layer sees it, drawn from a seed, and the
// promise that storage makes about it. For the storage tests.
#ifndef SIM_STORAGE_LIFE_H_
#define SIM_STORAGE_LIFE_H_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "raft/digest.h"
#include "raft/raft_io.h"
#include "raft/storage/storage.h"
#include "sim/sim_disk.h"

namespace sim {

inline constexpr char kDataDir[] = "data/n1";

inline const raft::storage::Identity& TheIdentity() {
  static const auto* const identity = new raft::storage::Identity{
      .cluster = raft::ClusterId(0xc1),
      .node = {.slot = 1, .incarnation = 1},
      .initial_voters = {{1, 1}, {2, 1}, {3, 1}},
  };
  return *identity;
}

// What a node believes after some number of persists.
struct LogModel {
  raft::Term term;
  raft::NodeId vote;
  std::vector<raft::Entry> log;
  bool operator==(const LogModel&) const = default;

  void Apply(const raft::Persist& persist) {
    term = persist.term;
    vote = persist.vote;
    if (persist.truncate_from != raft::Index(0)) {
      log.resize(persist.truncate_from.value() - 1);
    }
    log.insert(log.end(), persist.entries.begin(), persist.entries.end());
  }
};

inline LogModel ModelOf(const raft::storage::Recovered& recovered) {
  return {recovered.term, recovered.vote, recovered.log};
}

// The persists of one life, a function of the seed: hard state changes, entries
// of all sizes, truncations; one to three to a batch.
class Life {
 public:
  explicit Life(uint64_t seed) : seed_(seed), states_(1) {}

  std::vector<raft::Persist> NextBatch() {
    std::vector<raft::Persist> batch(1 + Draw() % 3);
    for (raft::Persist& persist : batch) persist = Next();
    return batch;
  }
  // Only the first `kept` persists ever happened.
  void ForgetAfter(size_t kept) { states_.resize(kept + 1); }
  size_t persists() const { return states_.size() - 1; }
  // The state after `n` persists.
  const LogModel& state(size_t n) const { return states_.at(n); }
  // The number of persists after which the state is `model`: the highest.
  std::optional<size_t> Find(const LogModel& model) const {
    for (size_t n = states_.size(); n-- > 0;) {
      if (states_[n] == model) return n;
    }
    return std::nullopt;
  }

 private:
  uint64_t Draw() { return raft::Mix(seed_, ++draws_); }

  raft::Persist Next() {
    LogModel now = states_.back();
    raft::Persist persist{.term = now.term, .vote = now.vote};
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
      persist.truncate_from = raft::Index(last);
      --last;
    }
    const uint64_t count = persist.term == raft::Term(0) ? 0 : Draw() % 4;
    for (uint64_t i = 0; i < count; ++i) {
      uint64_t size = Draw() % 60;
      if (Draw() % 8 == 0) size = Draw() % 3000;
      std::string payload;
      for (uint64_t b = 0; b < size; ++b) {
        payload.push_back(static_cast<char>(raft::Mix(seed_, draws_, b)));
      }
      persist.entries.push_back({.index = raft::Index(++last),
                                 .term = persist.term,
                                 .payload = raft::Bytes(payload)});
    }
    now.Apply(persist);
    states_.push_back(std::move(now));
    return persist;
  }

  const uint64_t seed_;
  uint64_t draws_ = 0;
  std::vector<LogModel> states_;
};

// Runs the storage of one node over many boots on a disk that fails it in
// every way, and says when a promise is broken. Methods that boot return what
// is wrong, or "".
class Survivor {
 public:
  Survivor(uint64_t seed, const SimDiskOptions& disk,
           const raft::storage::StorageOptions& storage)
      : seed_(seed), options_(storage), disk_(disk), life_(seed) {
    (void)disk_.MakeDir("data");
    (void)disk_.SyncDir("");
  }

  SimDisk& disk() { return disk_; }
  const Life& life() const { return life_; }
  uint64_t operations() const { return disk_.effects().operations; }
  // Persists that must not be lost, with and without the last batch.
  size_t acknowledged() const { return acknowledged_; }
  size_t before_last_batch() const { return before_last_batch_; }

  // The `n`-th operation from now answers `status`, once, or if that is
  // Aborted, the power is gone.
  void FailAfter(uint64_t n, const absl::Status& status) {
    const uint64_t fatal = operations() + n;
    disk_.set_hook([fatal, status](const FileOperation& operation) {
      return operation.number == fatal ? status : absl::OkStatus();
    });
  }

  // Formats (if it must), opens, writes. Ends early when the disk fails.
  std::string Boot(int batches) {
    storage_.reset();
    // What a format that never returned has left may be opened at once, or
    // formatted again: either must do.
    if (!formatted_ && (seed_ % 2 == 0 || !MayOpen())) {
      const absl::Status status =
          raft::storage::Format(&disk_, kDataDir, TheIdentity());
      formatted_ = status.ok() || absl::IsFailedPrecondition(status);
      if (!formatted_) return Excuse("format", status);
    }
    auto opened = raft::storage::Open(&disk_, kDataDir, options_);
    if (!opened.ok()) return Excuse("open", opened.status());
    formatted_ = true;
    std::string wrong = Check(opened->recovered);
    if (!wrong.empty()) return wrong;
    storage_ = std::move(opened->storage);
    return Write(batches);
  }

  std::string Write(int batches) {
    for (int i = 0; i < batches; ++i) {
      const size_t before = life_.persists();
      const std::vector<raft::Persist> batch = life_.NextBatch();
      absl::Status status = storage_->Append(batch);
      if (absl::IsResourceExhausted(status)) {  // survivable: once more
        ++disk_full_;
        status = storage_->Append(batch);
      }
      if (absl::IsResourceExhausted(status)) {
        life_.ForgetAfter(before);
        return "";
      }
      if (!status.ok()) {
        // After any other error nothing may be written.
        const absl::Status again = storage_->Append(batch);
        if (again.ok()) return "wrote on after an error";
        return Excuse("append", status);
      }
      before_last_batch_ = before;
      acknowledged_ = life_.persists();
    }
    return "";
  }

  void Crash(uint64_t draw) {
    disk_.Crash(draw);
    disk_.set_hook(nullptr);
  }
  void Kill() {
    disk_.Kill();
    disk_.set_hook(nullptr);
  }
  uint64_t disk_full() const { return disk_full_; }

  // [A Persist is all or nothing, they are durable in order.] What was found is
  // the state after n persists, for one n that is not below what was
  // acknowledged.
  std::string Check(const raft::storage::Recovered& recovered) {
    if (recovered.identity != TheIdentity()) return "another identity";
    const std::optional<size_t> kept = life_.Find(ModelOf(recovered));
    if (!kept.has_value()) return "a state that never was";
    if (*kept < acknowledged_) {
      return absl::StrCat("acknowledged: ", acknowledged_,
                          " persists; found: ", *kept);
    }
    // A node acts on what it finds: from here on it is acknowledged.
    life_.ForgetAfter(*kept);
    acknowledged_ = *kept;
    return "";
  }

 private:
  bool MayOpen() const {
    SimDisk copy = disk_;
    copy.set_hook(nullptr);
    return !absl::IsNotFound(
        raft::storage::Open(&copy, kDataDir, options_).status());
  }

  // An error is right only if the disk made one.
  std::string Excuse(const char* what, const absl::Status& status) const {
    const std::string message(status.message());
    const bool injected = message.find("injected") != std::string::npos;
    if (disk_.dead() || injected) return "";
    return absl::StrCat(what, ": ", status.ToString());
  }

  const uint64_t seed_;
  const raft::storage::StorageOptions options_;
  SimDisk disk_;
  Life life_;
  bool formatted_ = false;
  size_t acknowledged_ = 0;
  size_t before_last_batch_ = 0;
  uint64_t disk_full_ = 0;
  std::unique_ptr<raft::storage::Storage> storage_;
};

// Segments of a dozen sectors: they roll every few batches.
inline raft::storage::StorageOptions TinySegments() {
  return {
      .segment_bytes = 6 << 10, .block_bytes = 512, .zero_ahead_bytes = 1024};
}

}  // namespace sim

#endif  // SIM_STORAGE_LIFE_H_
