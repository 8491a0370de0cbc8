// What rot, misdirected writes, lost writes and mixed-up files do to a log:
// nothing, or a refusal that names file, offset and the way back, or at worst
// (not to be told from a torn write) the loss of the last batch. Never a wrong
// state.
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "raft/digest.h"
#include "raft/storage/storage.h"
#include "raft/storage/wal_format.h"
#include "sim/sim_disk.h"
#include "sim/storage_life.h"

namespace sim {
namespace {

using raft::Mix;
using raft::storage::OpenMode;

struct Outcomes {
  uint64_t harmless = 0;
  uint64_t last_batch_cut = 0;
  uint64_t refused = 0;
};

bool Contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

class WalCorruption : public ::testing::Test {
 protected:
  // Three boots, several segments; stopped cleanly.
  WalCorruption() : node_(7, {.seed = 7}, TinySegments()) {
    for (int boot = 0; boot < 3; ++boot) {
      EXPECT_EQ(node_.Boot(6), "");
      node_.Kill();
    }
    node_.disk().Crash(0, SimDisk::Loss::kNothing);
    EXPECT_GT(node_.disk().Files().size(), 4u);
  }

  static std::string Segment(uint64_t sequence) {
    return absl::StrCat(kDataDir, "/wal/",
                        raft::storage::SegmentName(sequence));
  }
  uint64_t last_sequence() {
    return node_.disk().Files().size() - 1;  // all but the identity
  }

  // Opens `disk`, whose file `path` was damaged, and judges what comes of it.
  void Judge(SimDisk* disk, const std::string& path, Outcomes* outcomes) {
    JudgeOf(node_, disk, path, outcomes);
  }
  static void JudgeOf(const Survivor& node, SimDisk* disk,
                      const std::string& path, Outcomes* outcomes) {
    const auto opened = raft::storage::Open(disk, kDataDir, TinySegments());
    if (!opened.ok()) {
      const std::string text(opened.status().message());
      EXPECT_TRUE(absl::IsDataLoss(opened.status())) << opened.status();
      EXPECT_TRUE(Contains(text, path)) << text;
      EXPECT_TRUE(Contains(text, ": offset ")) << text;
      EXPECT_TRUE(Contains(text, "registryd format --data_dir=data/n1"))
          << text;
      EXPECT_TRUE(Contains(text, "--incarnation=2")) << text;
      ++outcomes->refused;
      return;
    }
    const auto kept = node.life().Find(ModelOf(opened->recovered));
    ASSERT_TRUE(kept.has_value()) << "a state that never was";
    ASSERT_GE(*kept, node.before_last_batch());
    if (*kept == node.acknowledged()) {
      ++outcomes->harmless;
    } else {
      ++outcomes->last_batch_cut;
    }
  }

  Survivor node_;
};

TEST_F(WalCorruption, OneBitInEveryByteOfEveryFile) {
  Outcomes outcomes;
  const SimDisk& disk = node_.disk();
  for (const std::string& path : disk.Files()) {
    const std::string content = *disk.Peek(path);
    Outcomes here;
    for (size_t at = 0; at < content.size(); ++at) {
      SimDisk copy = disk;
      const char flipped =
          static_cast<char>(content[at] ^ (1 << Mix(at, 1) % 8));
      copy.Poke(path, at, std::string(1, flipped));
      SCOPED_TRACE(absl::StrCat(path, " byte ", at));
      Judge(&copy, path, &here);
      if (HasFatalFailure()) return;
    }
    // Only the last segment may lose its last batch.
    if (path != Segment(last_sequence())) {
      EXPECT_EQ(here.last_batch_cut, 0u);
    }
    EXPECT_GT(here.refused, 0u) << path;
    outcomes.harmless += here.harmless;
    outcomes.last_batch_cut += here.last_batch_cut;
    outcomes.refused += here.refused;
  }
  EXPECT_GT(outcomes.harmless, 0u) << "padding";
  EXPECT_GT(outcomes.last_batch_cut, 0u);
  EXPECT_GT(outcomes.refused, 1000u);
}

// What a boot has read it writes anew and knows to be durable; the last batch
// is in doubt only until then.
TEST_F(WalCorruption, WhatABootHasSeenIsNeverCut) {
  ASSERT_EQ(node_.Boot(0), "");
  node_.Kill();
  const std::string path = Segment(last_sequence());
  const std::string content = *node_.disk().Peek(path);
  Outcomes outcomes;
  for (size_t at = 0; at < content.size(); ++at) {
    SimDisk copy = node_.disk();
    copy.Poke(path, at, std::string(1, static_cast<char>(content[at] ^ 4)));
    SCOPED_TRACE(absl::StrCat("byte ", at));
    Judge(&copy, path, &outcomes);
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(outcomes.refused, 100u);
  EXPECT_EQ(outcomes.last_batch_cut, 0u);
}

// An acknowledged write that never reached the platter: its sectors hold what
// was there before, zeros.
TEST_F(WalCorruption, EverySectorLost) {
  Outcomes outcomes;
  const SimDisk& disk = node_.disk();
  for (uint64_t sequence = 1; sequence <= last_sequence(); ++sequence) {
    const std::string path = Segment(sequence);
    for (size_t at = 0; at < disk.Peek(path)->size(); at += kSectorBytes) {
      SimDisk copy = disk;
      copy.Poke(path, at, std::string(kSectorBytes, '\0'));
      SCOPED_TRACE(absl::StrCat(path, " sector at ", at));
      Judge(&copy, path, &outcomes);
      if (HasFatalFailure()) return;
    }
  }
  EXPECT_GT(outcomes.refused, 10u);
}

// [Fault M44] A block meant for one place lands on another, of the same file or
// of any other.
TEST_F(WalCorruption, EverySectorMisdirected) {
  Outcomes outcomes;
  const SimDisk& disk = node_.disk();
  for (uint64_t from = 1; from <= last_sequence(); ++from) {
    const std::string source = *disk.Peek(Segment(from));
    for (uint64_t to = 1; to <= last_sequence(); ++to) {
      const std::string target = *disk.Peek(Segment(to));
      for (size_t s = 0; s + kSectorBytes <= source.size(); s += kSectorBytes) {
        for (size_t t = 0; t < target.size(); t += kSectorBytes) {
          SimDisk copy = disk;
          copy.Poke(Segment(to), t, source.substr(s, kSectorBytes));
          SCOPED_TRACE(absl::StrCat(from, " at ", s, " onto ", to, " at ", t));
          Judge(&copy, Segment(to), &outcomes);
          if (HasFatalFailure()) return;
        }
      }
    }
  }
  EXPECT_GT(outcomes.refused, 100u);
}

// The same of the last write, which is missing where it belongs. Where it lands
// on the batch before it, recovery must not take both for one torn batch.
TEST_F(WalCorruption, TheLastWriteMisdirected) {
  ASSERT_EQ(node_.Boot(6), "");
  Outcomes outcomes;
  std::set<uint64_t> results;
  for (uint64_t draw = 0; draw < 1'000; ++draw) {
    SimDisk copy = node_.disk();
    const std::string what = copy.MisdirectSyncedWrite(draw);
    ASSERT_NE(what, "");
    copy.Crash(0, SimDisk::Loss::kEverything);
    if (!results.insert(copy.StateDigest()).second) continue;
    SCOPED_TRACE(what);
    Judge(&copy, kDataDir, &outcomes);
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(outcomes.refused, 10u);
  EXPECT_GT(outcomes.last_batch_cut, 0u) << "it landed in an older segment";
  EXPECT_EQ(outcomes.harmless, 0u);
}

// The same of a new segment that has no name yet: its header and first batch
// land on two batches of the segment before it, acknowledged both. Recovery
// must not take what it finds for one torn batch (seed 304828 of
// --profile=storm).
TEST_F(WalCorruption, ASegmentWithoutANameMisdirected) {
  Outcomes outcomes;
  std::set<uint64_t> results;
  uint64_t unnamed = 0;
  for (uint64_t n = 1; n < 120; ++n) {
    Survivor node(11, {.seed = 11}, TinySegments());
    ASSERT_EQ(node.Boot(4), "");
    node.FailAfter(n, absl::AbortedError("the power failed"));
    (void)node.Write(20);
    if (!node.disk().Peek(absl::StrCat(kDataDir, "/wal/next.tmp"))) {
      continue;
    }
    ++unnamed;
    for (uint64_t draw = 0; draw < 200; ++draw) {
      SimDisk copy = node.disk();
      const std::string what = copy.MisdirectSyncedWrite(draw);
      if (!Contains(what, "next.tmp: offset 0: a write")) continue;
      copy.Crash(0, SimDisk::Loss::kEverything);
      if (!results.insert(copy.StateDigest()).second) continue;
      SCOPED_TRACE(absl::StrCat("operation ", n, ": ", what));
      JudgeOf(node, &copy, kDataDir, &outcomes);
      if (HasFatalFailure()) return;
    }
  }
  EXPECT_GT(unnamed, 3u);
  EXPECT_GT(outcomes.refused, 10u);
  EXPECT_GT(outcomes.harmless, 0u) << "it landed behind the log";
}

TEST_F(WalCorruption, EveryFileCutShort) {
  Outcomes outcomes;
  const SimDisk& disk = node_.disk();
  for (const std::string& path : disk.Files()) {
    const size_t size = disk.Peek(path)->size();
    for (size_t left = 0; left < size; left += 8) {
      SimDisk copy = disk;
      ASSERT_TRUE(
          (*copy.Open(path, OpenMode::kReadWrite))->Truncate(left).ok());
      SCOPED_TRACE(absl::StrCat(path, " cut to ", left));
      Judge(&copy, path, &outcomes);
      if (HasFatalFailure()) return;
    }
  }
  EXPECT_GT(outcomes.refused, 100u);
}

// [Fault M41] A gap in the log is never stepped over.
TEST_F(WalCorruption, AMissingSegmentIsRefused) {
  for (uint64_t sequence = 1; sequence < last_sequence(); ++sequence) {
    SimDisk copy = node_.disk();
    ASSERT_TRUE(copy.Remove(Segment(sequence)).ok());
    Outcomes outcomes;
    Judge(&copy, Segment(sequence), &outcomes);
    EXPECT_EQ(outcomes.refused, 1u);
  }
  SimDisk none = node_.disk();
  for (uint64_t s = 1; s <= last_sequence(); ++s) {
    ASSERT_TRUE(none.Remove(Segment(s)).ok());
  }
  Outcomes outcomes;
  Judge(&none, Segment(1), &outcomes);
  EXPECT_EQ(outcomes.refused, 1u);
}

TEST_F(WalCorruption, SwappedSegmentsAreRefused) {
  SimDisk copy = node_.disk();
  ASSERT_TRUE(copy.Rename(Segment(1), Segment(0)).ok());
  ASSERT_TRUE(copy.Rename(Segment(2), Segment(1)).ok());
  ASSERT_TRUE(copy.Rename(Segment(0), Segment(2)).ok());
  Outcomes outcomes;
  Judge(&copy, Segment(1), &outcomes);
  EXPECT_EQ(outcomes.refused, 1u);
}

// A folder put together from two nodes, or from two clusters.
TEST_F(WalCorruption, ForeignFilesAreRefused) {
  raft::storage::Identity other_node = TheIdentity();
  other_node.node = {.slot = 2, .incarnation = 1};
  raft::storage::Identity other_cluster = TheIdentity();
  other_cluster.cluster = raft::ClusterId(0xc2);
  raft::storage::Identity other_incarnation = TheIdentity();
  other_incarnation.node.incarnation = 2;
  for (const auto& other : {other_node, other_cluster, other_incarnation}) {
    SimDisk disk;
    ASSERT_TRUE(disk.MakeDir("data").ok());
    ASSERT_TRUE(raft::storage::Format(&disk, kDataDir, other).ok());
    SimDisk copy = node_.disk();
    copy.Poke(absl::StrCat(kDataDir, "/identity"), 0,
              *disk.Peek(absl::StrCat(kDataDir, "/identity")));
    const auto opened = raft::storage::Open(&copy, kDataDir, TinySegments());
    EXPECT_TRUE(absl::IsFailedPrecondition(opened.status())) << opened.status();
    EXPECT_TRUE(Contains(std::string(opened.status().message()),
                         absl::StrCat(Segment(1),
                                      ": offset 0: this segment is of "
                                      "cluster 193, node n1")))
        << opened.status();
  }
}

TEST_F(WalCorruption, ALogWithoutIdentityIsNotFormattedOver) {
  SimDisk copy = node_.disk();
  ASSERT_TRUE(copy.Remove(absl::StrCat(kDataDir, "/identity")).ok());
  const absl::Status status =
      raft::storage::Format(&copy, kDataDir, TheIdentity());
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
}

}  // namespace
}  // namespace sim
