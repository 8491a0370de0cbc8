// kill_cycles: by hand, and longer than in the test.
//
//   ./bazelw run //tools:kill_cycles -- --cycles=100 --history_out=/tmp/h.jsonl
//   RAREGISTRY_WITH=strace ./bazelw run //tools:kill_cycles -- --fail_syncs
#include <signal.h>

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "tools/args.h"
#include "tools/caller_path.h"
#include "tools/child_process.h"
#include "tools/kill_cycles.h"

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  tools::KillCyclesOptions options;
  options.registryd = tools::SiblingProgram(argv[0], "registryd");
  options.verbose = true;
  int64_t cycles = 100, clients = 6, in_flight = 2, seed = 1;
  tools::Flags flags;
  flags.Number("cycles", &cycles, 1, 1'000'000, "N", "kills");
  flags.Number("clients", &clients, 1, 1000, "N", "clients");
  flags.Number("in_flight", &in_flight, 1, 1000, "N", "calls of a client");
  flags.Number("seed", &seed, 0, INT64_MAX, "N", "of what is asked and killed");
  flags.Switch("fail_syncs", &options.fail_syncs,
               "do not kill: a sync of the node fails (needs strace)");
  flags.Text("history_out", &options.history_out, "FILE",
             "write what the clients saw there, as lincheck reads it");
  const auto words = flags.Parse({argv + 1, argv + argc});
  if (!words.ok() || !words->empty()) {
    std::fprintf(stderr, "%s\n%s",
                 std::string(words.status().message()).c_str(),
                 flags.Help().c_str());
    return 2;
  }
  options.history_out = tools::CallerPath(options.history_out);
  options.cycles = static_cast<size_t>(cycles);
  options.clients = static_cast<size_t>(clients);
  options.in_flight = static_cast<size_t>(in_flight);
  options.seed = static_cast<uint64_t>(seed);
  const auto report = tools::RunKillCycles(options);
  if (!report.ok()) {
    std::printf("FAILED: %s\n", report.status().ToString().c_str());
    return 1;
  }
  std::printf(
      "%zu %s; %llu calls, %llu writes acknowledged, %llu of unknown "
      "outcome\n",
      report->kills, options.fail_syncs ? "failed syncs" : "kills",
      static_cast<unsigned long long>(report->calls),
      static_cast<unsigned long long>(report->acknowledged),
      static_cast<unsigned long long>(report->open));
  const std::vector<raft::Duration>& gaps = report->gaps;
  if (!gaps.empty()) {
    const auto ms = [](raft::Duration gap) {
      return static_cast<double>(gap.value()) / 1000;
    };
    std::printf(
        "%zu were leaders; without an acknowledged write for %.1f ms "
        "(median; %.1f to %.1f)\n",
        gaps.size(), ms(gaps[gaps.size() / 2]), ms(gaps.front()),
        ms(gaps.back()));
  }
  std::printf("nothing lost, nothing twice, linearizable\n");
  return 0;
}
