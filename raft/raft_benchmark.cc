// What one proposal costs the consensus core, in CPU time and allocations:
//
//   bazel run //raft:raft_benchmark [-- --proposals=N --nodes=N --repeats=N]
//
// Cores in lock step, in memory (lock_step.h); 64-byte payloads, whose making
// is part of it; the disk is done at once. Two ways to go on after a batch:
//
//   streaming  with the next batch, whose append tells the others what is
//              committed
//   settled    when everybody has applied the batch, told by a notice
//
// Prints JSON: per mode and batch size the CPU nanoseconds (the median of the
// repeats, and the least), the allocations and the bytes allocated, all per
// proposal and for all cores together. Allocations do not vary.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include "raft/allocation_count.h"
#include "raft/check.h"
#include "raft/limits.h"
#include "raft/lock_step.h"

namespace raft {
namespace {

constexpr size_t kPayloadBytes = 64;

struct Options {
  uint64_t proposals = 200'000;
  uint64_t nodes = 3;
  uint64_t repeats = 5;
};

struct Cost {
  double cpu_ns = 0;  // each per proposal
  double allocations = 0;
  double bytes = 0;
};

Cost Measure(const Options& options, uint64_t batch, bool settled) {
  LockStep cluster(static_cast<int>(options.nodes));
  const uint64_t batches = std::max<uint64_t>(options.proposals / batch, 1);
  const AllocationCount before = Allocations();
  const std::clock_t begin = std::clock();
  for (uint64_t i = 0; i < batches; ++i) {
    cluster.Propose(batch, kPayloadBytes);
    if (settled) cluster.TellCommit();
  }
  cluster.TellCommit();
  const std::clock_t end = std::clock();
  const AllocationCount after = Allocations();
  CHECK(cluster.AppliedAlike());
  for (size_t i = 0; i < cluster.size(); ++i) {
    CHECK_EQ(cluster.applied(i), batches * batch);
  }
  const auto all = static_cast<double>(batches * batch);
  return {
      .cpu_ns = static_cast<double>(end - begin) * (1e9 / CLOCKS_PER_SEC) / all,
      .allocations =
          static_cast<double>(after.allocations - before.allocations) / all,
      .bytes = static_cast<double>(after.bytes - before.bytes) / all};
}

void Print(const Options& options, uint64_t batch, bool settled, bool last) {
  std::vector<double> times;
  Cost cost;
  for (uint64_t i = 0; i < options.repeats; ++i) {
    cost = Measure(options, batch, settled);
    times.push_back(cost.cpu_ns);
  }
  std::sort(times.begin(), times.end());
  std::printf(
      "  {\"mode\": \"%s\", \"batch\": %llu, \"cpu_ns\": %.1f, "
      "\"cpu_ns_least\": %.1f, \"allocations\": %.3f, \"bytes\": %.1f}%s\n",
      settled ? "settled" : "streaming", static_cast<unsigned long long>(batch),
      times[times.size() / 2], times.front(), cost.allocations, cost.bytes,
      last ? "" : ",");
}

// False if the text is no such flag.
bool ReadFlag(std::string_view text, std::string_view name, uint64_t* value) {
  if (!text.starts_with(name)) return false;
  const std::string number(text.substr(name.size()));
  char* end = nullptr;
  *value = std::strtoull(number.c_str(), &end, 10);
  return !number.empty() && *end == '\0' && number[0] != '-' && *value > 0;
}

int Main(const std::vector<std::string_view>& args) {
  Options options;
  for (const std::string_view arg : args) {
    if (ReadFlag(arg, "--proposals=", &options.proposals) ||
        (ReadFlag(arg, "--nodes=", &options.nodes) &&
         options.nodes <= kVotersMax) ||
        ReadFlag(arg, "--repeats=", &options.repeats)) {
      continue;
    }
    std::fprintf(stderr,
                 "raft_benchmark: %s: not understood; --proposals=N, "
                 "--nodes=1..%d, --repeats=N\n",
                 std::string(arg).c_str(), kVotersMax);
    return 2;
  }
  std::printf(
      "{\"nodes\": %llu, \"payload_bytes\": %zu, \"proposals\": %llu, "
      "\"repeats\": %llu, \"costs\": [\n",
      static_cast<unsigned long long>(options.nodes), kPayloadBytes,
      static_cast<unsigned long long>(options.proposals),
      static_cast<unsigned long long>(options.repeats));
  for (const bool settled : {false, true}) {
    for (const uint64_t batch : {1, 64}) {
      Print(options, batch, settled, settled && batch == 64);
    }
  }
  std::printf("]}\n");
  return 0;
}

}  // namespace
}  // namespace raft

int main(int argc, char** argv) { return raft::Main({argv + 1, argv + argc}); }
