// simulate: runs simulated clusters (sim/), one a seed, and judges them.
//
//   simulate --seed=7 --verbose          one run, told line by line
//   simulate --seed=7 --steps=100..120   and step by step
//   simulate --seeds=1..2000 --jobs=2    a sweep
//   simulate --seed=7 --shrink --scenario_out=FILE   the smallest that fails
//   simulate --scenario=FILE             a run that is written down
//
// Exit codes: 0 nothing wrong; 10 safety, 11 liveness, 12 not linearizable,
// 13 non-deterministic, 14 crash; 15 void (--require_effects); 16 a scenario
// ended well that should not; 2 usage. With several kinds of failure the code
// is that of the worst. A scenario that ends as its file expects is 0.
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
#include "tools/simulate_look.h"
#include "tools/simulate_report.h"
#include "tools/simulate_shrink.h"
#include "tools/simulate_sweep.h"

namespace tools {
namespace {

constexpr int kExitUsage = 2;
constexpr int64_t kSeedMax = std::numeric_limits<int64_t>::max();

struct Options {
  SweepOptions sweep;
  std::optional<int64_t> seed;
  std::optional<int64_t> nodes;
  int64_t jobs = 1;
  bool json = false;
  LookOptions look;
  bool require_effects = false;
  std::string history_out;
  std::string scenario_file;
  std::optional<sim::ScenarioFile> scenario;  // what was read there
  bool shrink = false;
  std::string scenario_out;

  // Not a sweep.
  bool one() const { return seed.has_value() || scenario.has_value(); }
};

absl::Status ParseSeeds(std::string_view text, Options* options) {
  std::optional<LookOptions::Range> seeds;
  const absl::Status status = ParseRange(text, &seeds);
  if (!status.ok()) return status;
  options->sweep.first_seed = seeds->first;
  options->sweep.last_seed = seeds->last;
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

// The one scenario that is asked for.
sim::Scenario ScenarioOf(const Options& options) {
  return options.scenario.has_value()
             ? options.scenario->scenario
             : sim::DrawScenario(FirstOf(options.sweep));
}

bool WriteHistory(const std::string& file, const sim::Scenario& scenario) {
  const sim::SimulationResult result = sim::Simulate(scenario);
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

int Usage(const absl::Status& status) {
  std::fprintf(stderr, "simulate: %s\n", std::string(status.message()).c_str());
  return kExitUsage;
}

// Of a run that has failed: the smallest scenario that fails like it.
int ShrinkAndTell(const Options& options, const SweepResult& result) {
  const ShrinkReport report = ShrinkFailure(ScenarioOf(options));
  if (!options.scenario_out.empty()) {
    const absl::Status status =
        WriteScenario(options.scenario_out, report.file);
    if (!status.ok()) return Usage(status);
  }
  const std::string told = options.json ? ToJson(report) + "\n"
                                        : ToText(report, options.scenario_out);
  std::fwrite(told.data(), 1, told.size(), stdout);
  return report.fails_alone ? ExitCode(result.failures) : kExitNonDeterministic;
}

int Run(const Options& options) {
  if (options.look.wanted()) {
    const absl::Status status = LookClosely(ScenarioOf(options), options.look);
    if (!status.ok()) return Usage(status);
  }
  const SweepResult result =
      Sweep(options.sweep, [&options](const SweepFailure& failure) {
        PrintFailure(failure, options.sweep.each, options.scenario_file);
      });
  if (options.shrink && !result.failures.empty()) {
    return ShrinkAndTell(options, result);
  }
  if (options.json) {
    std::printf("%s\n", ToJson(options.sweep, result).c_str());
  } else {
    PrintSummary(result, options.one());
  }
  if (!options.history_out.empty() &&
      !WriteHistory(options.history_out, ScenarioOf(options))) {
    return kExitUsage;
  }
  if (!options.scenario_out.empty()) {
    const absl::Status status = WriteScenario(
        options.scenario_out, {ScenarioOf(options), VerdictOf(result)});
    if (!status.ok()) return Usage(status);
  }
  if (options.scenario.has_value() && options.scenario->expect.has_value()) {
    return ExitCodeOf(*options.scenario->expect, result);
  }
  if (!result.failures.empty()) return ExitCode(result.failures);
  return options.require_effects && IsVoid(result) ? kExitVoid : 0;
}

// Which scenario a seed is made into.
void DeclareSeeds(Flags* flags, Options* options) {
  flags->Number("seed", &options->seed, 0, kSeedMax, "N", "one run");
  flags->Add(
      "seeds",
      [options](std::string_view text) { return ParseSeeds(text, options); },
      "A..B", "a run for each of these");
  sim::SeedOptions* each = &options->sweep.each;
  flags->Number("seconds", &each->seconds, 1, 3600, "S",
                "simulated length of a run");
  flags->Add(
      "profile",
      [each](std::string_view text) {
        return ParseProfile(text, &each->profile);
      },
      "NAME", "faults drawn: all, net, disk, clock, process, healthy");
  flags->Number("nodes", &options->nodes, 3, 7, "N",
                "nodes, instead of what is drawn");
  flags->Number("operations", &each->operations_per_second, 1, 100'000, "N",
                "a simulated second, instead of what is drawn");
  flags->Switch("standard", &each->standard,
                "default timers and disks, instead of what is drawn");
}

// How a sweep runs, and what is said of it.
void DeclareSweep(Flags* flags, Options* options) {
  flags->Number("jobs", &options->jobs, 1, 256, "J",
                "processes that run seeds");
  flags->Switch("check_determinism", &options->sweep.check_determinism,
                "run each seed twice and compare");
  flags->Switch("sealed", &options->sweep.sealed,
                "let runs reach nothing but memory (default)");
  flags->Switch("json", &options->json, "the result as JSON");
  flags->Switch("require_effects", &options->require_effects,
                "fail if a class of faults had no effect at all");
}

// What is said of one run.
void DeclareLook(Flags* flags, Options* options) {
  LookOptions* look = &options->look;
  flags->Switch("verbose", &look->narrative, "tell what happens (one seed)");
  flags->Add(
      "steps",
      [look](std::string_view text) { return ParseRange(text, &look->steps); },
      "FROM..TO", "print these steps in full (one seed)");
  flags->Add(
      "steps_us",
      [look](std::string_view text) {
        return ParseRange(text, &look->steps_us);
      },
      "FROM..TO", "print the steps of that simulated time (one seed)");
  flags->Text("trail_out", &look->trail_out, "FILE",
              "write the digest after every 64th step (one seed)");
  flags->Text("history_out", &options->history_out, "FILE",
              "write the clients' history (one seed)");
}

// Scenarios that are written down.
void DeclareScenario(Flags* flags, Options* options) {
  flags->Text("scenario", &options->scenario_file, "FILE",
              "run this scenario instead of a seed's");
  flags->Switch("shrink", &options->shrink,
                "of a run that fails, the smallest scenario that does so");
  flags->Text("scenario_out", &options->scenario_out, "FILE",
              "write the scenario (one seed), shrunk with --shrink");
}

// What is wrong with the command line, or empty.
std::string Check(const absl::StatusOr<std::vector<std::string>>& words,
                  const Options& options) {
  if (!words.ok()) return std::string(words.status().message());
  if (!words->empty()) {
    return "unexpected argument \"" + words->front() + "\"";
  }
  const bool one = options.look.wanted() || !options.history_out.empty() ||
                   options.shrink || !options.scenario_out.empty();
  if (one && !options.one() && options.sweep.last_seed == 1) {
    return "what is said of one run needs --seed or --scenario";
  }
  if (options.shrink && !options.one()) return "--shrink needs one run";
  if (options.seed.has_value() && options.scenario.has_value()) {
    return "a scenario has its seed in its file";
  }
  return "";
}

int Main(const std::vector<std::string>& args) {
  Options options;
  bool help = false;
  Flags flags;
  DeclareSeeds(&flags, &options);
  DeclareSweep(&flags, &options);
  DeclareLook(&flags, &options);
  DeclareScenario(&flags, &options);
  flags.Switch("help", &help, "this text");
  const absl::StatusOr<std::vector<std::string>> words = flags.Parse(args);
  if (words.ok() && !options.scenario_file.empty()) {
    absl::StatusOr<sim::ScenarioFile> read =
        ReadScenario(options.scenario_file);
    if (!read.ok()) return Usage(read.status());
    options.scenario = *std::move(read);
  }
  const std::string error = Check(words, options);
  if (help || !error.empty()) {
    std::fprintf(help ? stdout : stderr, "%s%susage: simulate [flags]\n%s",
                 error.c_str(), error.empty() ? "" : "\n",
                 flags.Help().c_str());
    return help ? 0 : kExitUsage;
  }
  options.sweep.jobs = static_cast<int>(options.jobs);
  if (options.nodes.has_value()) {
    options.sweep.each.nodes = static_cast<uint32_t>(*options.nodes);
  }
  if (options.seed.has_value()) {
    options.sweep.first_seed = options.sweep.last_seed =
        static_cast<uint64_t>(*options.seed);
  }
  if (options.scenario.has_value()) {
    const sim::Scenario& scenario = options.scenario->scenario;
    options.sweep.first_seed = options.sweep.last_seed = scenario.seed;
    options.sweep.simulate = [&scenario](const sim::SeedOptions&) {
      return sim::Simulate(scenario);
    };
  }
  return Run(options);
}

}  // namespace
}  // namespace tools

int main(int argc, char** argv) {
  return tools::Main(std::vector<std::string>(argv + 1, argv + argc));
}
