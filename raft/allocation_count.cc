#include "raft/allocation_count.h"

#include <cstddef>
#include <cstdlib>
#include <new>

namespace {

raft::AllocationCount count;

}  // namespace

namespace raft {

AllocationCount Allocations() { return count; }

}  // namespace raft

// The forms for arrays and with sizes come to these two.
void* operator new(size_t bytes) {
  ++count.allocations;
  count.bytes += bytes;
  void* memory = std::malloc(bytes);
  if (memory == nullptr) std::abort();
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
