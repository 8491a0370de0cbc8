// Counts what the program takes from the heap: linking this replaces operator
// new. One thread only. For benchmarks and tests of what a hot path allocates,
// which is steadier than time.
#ifndef RAFT_ALLOCATION_COUNT_H_
#define RAFT_ALLOCATION_COUNT_H_

#include <cstdint>

namespace raft {

struct AllocationCount {
  uint64_t allocations = 0;
  uint64_t bytes = 0;  // as asked for
};
// Since the program began.
AllocationCount Allocations();

}  // namespace raft

#endif  // RAFT_ALLOCATION_COUNT_H_
