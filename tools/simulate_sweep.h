// A sweep over seeds in worker processes. A worker that dies (a CHECK, a
// signal) is a failure of the seed that it was at; another one goes on after
// it.
#ifndef TOOLS_SIMULATE_SWEEP_H_
#define TOOLS_SIMULATE_SWEEP_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sim/simulation.h"

namespace tools {

struct SweepOptions {
  uint64_t first_seed = 1;
  uint64_t last_seed = 1;
  int jobs = 1;
  sim::SeedOptions each;           // of every run, but for its seed
  bool check_determinism = false;  // run each seed twice
  // A seed that takes longer, in seconds of real time, is given up as crashed.
  unsigned patience_seconds = 120;
  // Let workers reach nothing but their memory (seal.h), where that can be had.
  bool sealed = true;
  bool keep_digests = false;  // of each seed, in the result
  // What a worker does with a seed; the default runs its scenario. For tests.
  std::function<sim::SimulationResult(const sim::SeedOptions&)> simulate;
};

struct SweepFailure {
  uint64_t seed = 0;
  std::string kind;  // "safety", "liveness", "linearizability",
                     // "non-determinism" or "crash"
  std::string checker;
  std::string text;
};

// Sums over all runs.
struct SweepResult {
  uint64_t runs = 0;
  uint64_t events = 0;
  int64_t simulated_us = 0;
  int64_t cpu_us = 0;  // of all workers
  // Of the digests of all runs, whatever order they ended in.
  uint64_t digest = 0;
  uint64_t runs_hurt = 0;     // lost a leader or unsynced bytes
  uint64_t runs_unknown = 0;  // whose search for an order was given up
  uint64_t operations_min = 0;
  std::vector<sim::Count> faults;
  std::vector<sim::Count> counts;
  std::vector<uint64_t> probes;        // runs that saw probe i
  std::vector<SweepFailure> failures;  // by seed
  std::string unsealed;                // why workers were not sealed, or empty
  std::map<uint64_t, uint64_t> digests;  // by seed
};

// Tells of every failure as it happens.
using OnFailure = std::function<void(const SweepFailure&)>;
SweepResult Sweep(const SweepOptions& options, const OnFailure& on_failure);

// Runs among them: one may break several rules.
uint64_t FailedRuns(const std::vector<SweepFailure>& failures);
// The exit code that tells the worst of the failures; 0 without any.
int ExitCode(const std::vector<SweepFailure>& failures);
inline constexpr int kExitSafety = 10;
inline constexpr int kExitLiveness = 11;
inline constexpr int kExitNotLinearizable = 12;
inline constexpr int kExitNonDeterministic = 13;
inline constexpr int kExitCrash = 14;
inline constexpr int kExitVoid = 15;  // a class of faults had no effect

// The flags that give a run these options, its seed apart: "" if all are usual.
std::string OptionsText(const sim::SeedOptions& options);
// The command that repeats a failing seed.
std::string ReproduceLine(uint64_t seed, const std::string& options);

}  // namespace tools

#endif  // TOOLS_SIMULATE_SWEEP_H_
