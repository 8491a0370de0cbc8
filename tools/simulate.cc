// simulate: runs simulated clusters (sim/), one a seed, and judges them.
//
//   simulate --seed=7 --verbose          one run, told line by line
//   simulate --seeds=1..2000 --jobs=2    a sweep
//
// Exit codes: 0 nothing wrong; 10 safety, 11 liveness, 12 not linearizable,
// 13 non-deterministic, 14 crash; 15 void (--require_effects); 2 usage. With
// several kinds of failure the code is that of the worst.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "registry/checker/history.h"
#include "sim/simulation.h"
#include "tools/args.h"
#include "tools/caller_path.h"
#include "tools/simulate_report.h"
#include "tools/simulate_sweep.h"

namespace tools {
namespace {

constexpr int kExitUsage = 2;
constexpr int64_t kSeedMax = std::numeric_limits<int64_t>::max();

struct Options {
  SweepOptions sweep;
  bool one = false;  // --seed
  bool json = false;
  bool verbose = false;
  bool require_effects = false;
  std::string history_out;
};

absl::Status ParseSeeds(std::string_view text, Options* options) {
  const size_t dots = text.find("..");
  if (dots == std::string_view::npos) {
    return absl::InvalidArgumentError("a range of seeds is FIRST..LAST");
  }
  const absl::StatusOr<int64_t> first = ParseInteger(text.substr(0, dots));
  const absl::StatusOr<int64_t> last = ParseInteger(text.substr(dots + 2));
  if (!first.ok()) return first.status();
  if (!last.ok()) return last.status();
  if (*first < 0 || *last < *first) {
    return absl::InvalidArgumentError("a range of seeds rises from 0");
  }
  options->sweep.first_seed = static_cast<uint64_t>(*first);
  options->sweep.last_seed = static_cast<uint64_t>(*last);
  return absl::OkStatus();
}

absl::Status ParseProfile(std::string_view text, sim::Profile* profile) {
  std::string names;
  for (const sim::Profile known : sim::kProfiles) {
    if (text == sim::ToString(known)) {
      *profile = known;
      return absl::OkStatus();
    }
    names += (names.empty() ? "" : ", ") + std::string(sim::ToString(known));
  }
  return absl::InvalidArgumentError("a profile is one of " + names);
}

// The options of the one seed that is asked for, or of the first.
sim::SeedOptions FirstOf(const SweepOptions& sweep) {
  sim::SeedOptions first = sweep.each;
  first.seed = sweep.first_seed;
  return first;
}

bool WriteHistory(const std::string& file, const sim::SeedOptions& options) {
  const sim::SimulationResult result =
      sim::Simulate(sim::DrawScenario(options));
  std::ofstream out(CallerPath(file), std::ios::binary);
  for (const auto& entry : result.history) {
    std::string line;
    registry::checker::AppendHistoryLine(entry, &line);
    out << line;
  }
  out.close();
  if (!out) std::fprintf(stderr, "simulate: cannot write %s\n", file.c_str());
  return static_cast<bool>(out);
}

// The narrative, in this process: what it says last is what it was at.
void Narrate(const sim::SeedOptions& options) {
  const sim::Observers observers{.narrator = [](std::string_view line) {
    std::printf("%.*s\n", static_cast<int>(line.size()), line.data());
  }};
  sim::Simulate(sim::DrawScenario(options), observers);
  std::fflush(stdout);
}

int Run(const Options& options) {
  if (options.verbose) {
    Narrate(FirstOf(options.sweep));
  }
  const SweepResult result =
      Sweep(options.sweep, [&options](const SweepFailure& failure) {
        PrintFailure(failure, options.sweep.each);
      });
  if (options.json) {
    std::printf("%s\n", ToJson(options.sweep, result).c_str());
  } else {
    PrintSummary(result, options.one);
  }
  if (!options.history_out.empty() &&
      !WriteHistory(options.history_out, FirstOf(options.sweep))) {
    return kExitUsage;
  }
  if (!result.failures.empty()) return ExitCode(result.failures);
  return options.require_effects && IsVoid(result) ? kExitVoid : 0;
}

int Main(const std::vector<std::string>& args) {
  Options options;
  std::optional<int64_t> seed;
  int64_t jobs = 1;
  bool help = false;
  Flags flags;
  flags.Number("seed", &seed, 0, kSeedMax, "N", "one run");
  flags.Add(
      "seeds",
      [&options](std::string_view text) { return ParseSeeds(text, &options); },
      "A..B", "a run for each of these");
  flags.Number("jobs", &jobs, 1, 256, "J", "processes that run seeds");
  sim::SeedOptions& each = options.sweep.each;
  flags.Number("seconds", &each.seconds, 1, 3600, "S",
               "simulated length of a run");
  flags.Add(
      "profile",
      [&each](std::string_view text) {
        return ParseProfile(text, &each.profile);
      },
      "NAME", "faults drawn: all, net, disk, clock, process, healthy");
  std::optional<int64_t> nodes;
  flags.Number("nodes", &nodes, 3, 7, "N", "nodes, instead of what is drawn");
  flags.Number("operations", &each.operations_per_second, 1, 100'000, "N",
               "a simulated second, instead of what is drawn");
  flags.Switch("standard", &each.standard,
               "default timers and disks, instead of what is drawn");
  flags.Switch("check_determinism", &options.sweep.check_determinism,
               "run each seed twice and compare");
  flags.Switch("json", &options.json, "the result as JSON");
  flags.Switch("verbose", &options.verbose, "tell what happens (one seed)");
  flags.Switch("require_effects", &options.require_effects,
               "fail if a class of faults had no effect at all");
  flags.Text("history_out", &options.history_out, "FILE",
             "write the clients' history (one seed)");
  flags.Switch("help", &help, "this text");
  const absl::StatusOr<std::vector<std::string>> words = flags.Parse(args);
  std::string error;
  if (!words.ok()) {
    error = std::string(words.status().message());
  } else if (!words->empty()) {
    error = "unexpected argument \"" + words->front() + "\"";
  } else if (!seed.has_value() && options.sweep.last_seed == 1 &&
             (options.verbose || !options.history_out.empty())) {
    error = "--verbose and --history_out need --seed";
  }
  if (help || !error.empty()) {
    std::fprintf(help ? stdout : stderr, "%s%susage: simulate [flags]\n%s",
                 error.c_str(), error.empty() ? "" : "\n",
                 flags.Help().c_str());
    return help ? 0 : kExitUsage;
  }
  options.sweep.jobs = static_cast<int>(jobs);
  if (nodes.has_value()) each.nodes = static_cast<uint32_t>(*nodes);
  if (seed.has_value()) {
    options.one = true;
    options.sweep.first_seed = options.sweep.last_seed =
        static_cast<uint64_t>(*seed);
  }
  return Run(options);
}

}  // namespace
}  // namespace tools

int main(int argc, char** argv) {
  return tools::Main(std::vector<std::string>(argv + 1, argv + argc));
}
