// What the hot path takes from the heap, per proposal and for three cores
// together (raft_benchmark prints the same). Where it goes:
//
//   2 for a payload: its bytes, and the count of who shares them
//   3 for a batch: the entries of a Persist, at each core
//   2 for a batch: the entries of an append, to each follower
//   and a block for every ten entries of each log
//
// Nothing for ticks, heartbeats, answers and what waits: their memory is kept.
#include <cstdint>

#include "gtest/gtest.h"
#include "raft/allocation_count.h"
#include "raft/lock_step.h"

namespace raft {
namespace {

double PerProposal(size_t batch) {
  constexpr size_t kBatches = 500;
  LockStep cluster(3);
  for (size_t i = 0; i < 10; ++i) cluster.Propose(batch, 64);
  const uint64_t before = Allocations().allocations;
  for (size_t i = 0; i < kBatches; ++i) {
    cluster.Propose(batch, 64);
    cluster.TellCommit();
  }
  const uint64_t after = Allocations().allocations;
  EXPECT_TRUE(cluster.AppliedAlike());
  return static_cast<double>(after - before) /
         static_cast<double>(kBatches * batch);
}

TEST(Allocations, OfOneProposalAtATime) {
  const double allocations = PerProposal(1);
  EXPECT_LE(allocations, 7.5);
  EXPECT_GE(allocations, 7.0) << "fewer than were explained: count again";
}

TEST(Allocations, OfSixtyFourAtATime) {
  const double allocations = PerProposal(64);
  EXPECT_LE(allocations, 2.5);
  EXPECT_GE(allocations, 2.0) << "fewer than were explained: count again";
}

}  // namespace
}  // namespace raft
