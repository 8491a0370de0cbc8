// The storage layer through every crash and every disk error: at each file
// operation of format, open, append, roll and recovery, with the losses that
// SimDisk draws. What was acknowledged is there afterwards; what was not is
// there or not, in order; a directory that only crashed always opens.
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "raft/digest.h"
#include "raft/storage/storage.h"
#include "sim/sim_disk.h"
#include "sim/storage_life.h"

namespace sim {
namespace {

using raft::Mix;

constexpr int kBatches = 12;

// How many operations a life of kBatches takes when nothing fails.
uint64_t CountOperations(uint64_t seed) {
  Survivor whole(seed, {.seed = seed}, TinySegments());
  EXPECT_EQ(whole.Boot(kBatches), "");
  EXPECT_GT(whole.operations(), 50u);
  return whole.operations();
}

// The power goes at operation `fatal`; then two more boots die at drawn places,
// most of them in recovery; the last two must find everything.
std::string DieAt(uint64_t fatal, uint64_t seed, SimDiskOptions options,
                  SimDiskEffects* effects) {
  Survivor node(seed, options, TinySegments());
  std::string wrong;
  for (uint64_t boot = 0; boot < 3 && wrong.empty(); ++boot) {
    const uint64_t draw = Mix(seed, fatal, boot);
    node.FailAfter(boot == 0 ? fatal : 1 + draw % 40,
                   absl::AbortedError("power cut"));
    wrong = node.Boot(kBatches);
    // Every third death leaves the page cache as it is.
    draw % 3 == 0 ? node.Kill() : node.Crash(draw);
  }
  if (wrong.empty()) wrong = node.Boot(3);
  node.disk().Crash(fatal, SimDisk::Loss::kEverything);
  if (wrong.empty()) wrong = node.Boot(0);
  *effects = node.disk().effects();
  return wrong;
}

TEST(WalCrash, PowerCutAtEveryOperation) {
  uint64_t bytes_lost = 0, sectors_torn = 0, dir_ops_lost = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    const uint64_t operations = CountOperations(seed);
    for (uint64_t fatal = 1; fatal <= operations; ++fatal) {
      SimDiskEffects effects;
      ASSERT_EQ(DieAt(fatal, seed,
                      {.seed = seed, .garbage_in_torn_sectors = seed % 2 == 0},
                      &effects),
                "")
          << "seed " << seed << ", power cut at operation " << fatal;
      bytes_lost += effects.bytes_lost;
      sectors_torn += effects.sectors_torn;
      dir_ops_lost += effects.dir_ops_lost;
    }
  }
  EXPECT_GT(bytes_lost, 100000u);
  EXPECT_GT(sectors_torn, 100u);
  EXPECT_GT(dir_ops_lost, 100u);
}

// The alarm rings: a disk that lies about its syncs loses what was
// acknowledged, and the test above would say so.
TEST(WalCrash, ALyingSyncIsCaught) {
  int caught = 0;
  for (uint64_t fatal = 20; fatal <= 100; ++fatal) {
    SimDiskEffects effects;
    caught += !DieAt(fatal, 1, {.seed = 1, .lie_about_fsync = true}, &effects)
                   .empty();
  }
  EXPECT_GT(caught, 20);
}

// Each operation fails once, as an I/O error and as a full disk. The node
// halts, is started again on the same page cache (which after a failed sync
// shows what the platter does not have), and then loses power.
TEST(WalCrash, AnErrorAtEveryOperation) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const uint64_t operations = CountOperations(seed);
    for (uint64_t fatal = 1; fatal <= operations; ++fatal) {
      for (const absl::Status& error :
           {absl::DataLossError("injected EIO"),
            absl::ResourceExhaustedError("injected ENOSPC")}) {
        SCOPED_TRACE(absl::StrCat("seed ", seed, ", ", error.ToString(),
                                  " at operation ", fatal));
        Survivor node(seed, {.seed = seed}, TinySegments());
        node.FailAfter(fatal, error);
        ASSERT_EQ(node.Boot(kBatches), "");
        node.Kill();
        ASSERT_EQ(node.Boot(2), "");
        node.disk().Crash(fatal, SimDisk::Loss::kEverything);
        ASSERT_EQ(node.Boot(2), "");
        node.Crash(fatal);
        ASSERT_EQ(node.Boot(0), "");
      }
    }
  }
}

// A disk full for a while: appends that need a new segment say so and change
// nothing; when there is room again the same storage goes on.
TEST(WalCrash, ADiskThatIsFullForAWhile) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    for (uint64_t capacity = 12000; capacity < 36000; capacity += 1111) {
      SCOPED_TRACE(absl::StrCat("seed ", seed, ", capacity ", capacity));
      Survivor node(seed, {.seed = seed, .capacity = capacity}, TinySegments());
      ASSERT_EQ(node.Boot(60), "");
      EXPECT_GT(node.disk_full(), 0u);
      const size_t acknowledged = node.acknowledged();
      node.disk().options().capacity = 0;
      ASSERT_EQ(node.Write(5), "");
      EXPECT_GT(node.acknowledged(), acknowledged);
      node.Crash(Mix(seed, capacity));
      ASSERT_EQ(node.Boot(5), "");
    }
  }
}

// On a disk without room for even one more segment nothing can be opened, and
// nothing is harmed by trying.
TEST(WalCrash, OpenOnAFullDisk) {
  Survivor node(3, {.seed = 3}, TinySegments());
  ASSERT_EQ(node.Boot(10), "");
  node.Kill();
  node.disk().options().capacity = 1;
  const auto opened =
      raft::storage::Open(&node.disk(), kDataDir, TinySegments());
  EXPECT_TRUE(absl::IsResourceExhausted(opened.status())) << opened.status();
  node.disk().options().capacity = 0;
  node.Crash(1);
  EXPECT_EQ(node.Boot(5), "");
}

}  // namespace
}  // namespace sim
