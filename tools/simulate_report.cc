#include "tools/simulate_report.h"

#include <cstdio>

namespace tools {

void PrintSummary(const SweepResult& result, bool details) {
  std::printf(
      "%llu runs, %llu failed; %llu events in %lld simulated and %lld CPU "
      "seconds; %llu runs lost a leader or unsynced bytes; digest %016llx\n",
      static_cast<unsigned long long>(result.runs),
      static_cast<unsigned long long>(FailedRuns(result.failures)),
      static_cast<unsigned long long>(result.events),
      static_cast<long long>(result.simulated_us / 1'000'000),
      static_cast<long long>((result.cpu_us + 999'999) / 1'000'000),
      static_cast<unsigned long long>(result.runs_hurt),
      static_cast<unsigned long long>(result.digest));
  if (!result.unsealed.empty()) {
    std::printf("  not sealed: %s\n", result.unsealed.c_str());
  }
  if (details) {
    for (const auto* counts : {&result.faults, &result.counts}) {
      for (const auto& [name, value] : *counts) {
        std::printf("  %-32s %llu\n", name.c_str(),
                    static_cast<unsigned long long>(value));
      }
    }
    return;
  }
  for (const std::string& name : FaultsWithoutEffect(result)) {
    std::printf("  never happened: %s\n", name.c_str());
  }
  for (const std::string& name : ProbesNeverFired(result)) {
    std::printf("  never seen: %s\n", name.c_str());
  }
}

void PrintFailure(const SweepFailure& failure, const std::string& options,
                  const std::string& scenario) {
  const std::string command =
      scenario.empty()
          ? ReproduceLine(failure.seed, options)
          : "reproduce: ./bazelw run //tools:simulate -- --scenario=" +
                scenario;
  std::fprintf(stderr,
               "seed %llu: %s, %s: %s\n%s\n"
               "(--shrink: the smallest scenario that fails like it)\n",
               static_cast<unsigned long long>(failure.seed),
               failure.kind.c_str(), failure.checker.c_str(),
               failure.text.c_str(), command.c_str());
}

}  // namespace tools
