// Many seeds of a small hostile world around bare Raft nodes (torture_world.h).
#include <cstdint>
#include <iterator>
#include <map>

#include "gtest/gtest.h"
#include "raft/raft_io.h"
#include "raft/torture_world.h"

namespace raft {
namespace {

constexpr size_t kSizes[] = {3, 5, 3, 2, 3, 1};

TEST(RaftTorture, KeepsItsRules) {
  std::map<ProbeId, int> probes;
  size_t committed = 0;
  int reads = 0;
  int transfers = 0;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    TortureWorld world(seed, kSizes[seed % std::size(kSizes)]);
    world.Torment(6000);
    ASSERT_EQ(world.problem(), "");
    EXPECT_TRUE(world.Recover()) << "seed " << seed << " does not recover";
    ASSERT_EQ(world.problem(), "");
    for (const auto& [id, count] : world.probes()) probes[id] += count;
    committed += world.committed();
    reads += world.reads_answered();
    transfers += world.transfers();
  }
  // The torment must be worth its name: work was done, rare paths were seen.
  EXPECT_GT(committed, 20'000u);
  EXPECT_GT(reads, 5'000);
  EXPECT_GT(transfers, 1'000);
  for (ProbeId id :
       {ProbeId::kTruncatedSuffix, ProbeId::kTruncatedTwoOrMore,
        ProbeId::kVoteWaitedForPersist, ProbeId::kAckWaitedForPersist,
        ProbeId::kLeaderSteppedDownByQuorum, ProbeId::kPreVoteRefusedSticky,
        ProbeId::kReadWaitedForTermCommit, ProbeId::kCommitWaitedForOwnTerm,
        ProbeId::kStaleRoundIgnored, ProbeId::kPeerClosedElection,
        ProbeId::kCommittedBeforeOwnPersist}) {
    EXPECT_GT(probes[id], 0) << ToString(id);
  }
}

// Logs lose their beginnings all the time, so whoever was away for a moment
// needs a snapshot.
TEST(RaftTorture, KeepsItsRulesWithSnapshots) {
  size_t committed = 0;
  int taken = 0;
  int installed = 0;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    TortureWorld world(seed, kSizes[seed % std::size(kSizes)],
                       /*snapshots=*/true);
    world.Torment(6000);
    ASSERT_EQ(world.problem(), "");
    EXPECT_TRUE(world.Recover()) << "seed " << seed << " does not recover";
    ASSERT_EQ(world.problem(), "");
    committed += world.committed();
    taken += world.snapshots_taken();
    installed += world.snapshots_installed();
  }
  EXPECT_GT(committed, 20'000u);
  EXPECT_GT(taken, 5'000);
  EXPECT_GT(installed, 200);
}

TEST(RaftTorture, SameSeedSameRun) {
  const auto run = [](uint64_t seed) {
    TortureWorld world(seed, 3);
    world.Torment(2000);
    world.Recover();
    return world.digest();
  };
  EXPECT_EQ(run(7), run(7));
  EXPECT_NE(run(7), run(8));
}

}  // namespace
}  // namespace raft
