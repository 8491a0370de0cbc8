// simulate: runs simulated clusters (sim/), one a seed, and judges them.
//
//   simulate --seed=7 --verbose          one run, told line by line
//   simulate --seed=7 --steps=100..120   and step by step
//   simulate --seeds=1..2000 --jobs=2    a sweep
//   simulate --seeds=1..1000000 --json_out=FILE    a campaign, which goes on
//   simulate --merge FILE...             what campaigns add up to
//   simulate --crash_points=7            a short run, cut at every place
//   simulate --seed=7 --shrink --scenario_out=FILE   the smallest that fails
//   simulate --scenario=FILE             a run that is written down
//
// Exit codes: 0 nothing wrong; 10 safety, 11 liveness, 12 not linearizable,
// 13 non-deterministic, 14 crash; 15 void (--require_effects); 16 a scenario
// ended well that should not; 2 usage. With several kinds of failure the code
// is that of the worst. A scenario that ends as its file expects is 0.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "registry/checker/history.h"
#include "sim/crash_points.h"
#include "sim/simulation.h"
#include "tools/args.h"
#include "tools/caller_path.h"
#include "tools/campaign.h"
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
  NumberRange seeds{1, 1};
  NumberRange shard{0, 1};  // part .first of .last
  std::string json_out;     // a campaign's file
  int64_t chunk = 1000;
  std::string digests_out;
  bool merge = false;
  std::vector<std::string> words;  // files, to be merged
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

  bool seeds_given = false;

  // Not a sweep.
  bool one() const { return seed.has_value() || scenario.has_value(); }
};

template <typename Range>
absl::Status ParseRange(std::string_view text, Range* range) {
  const absl::StatusOr<NumberRange> parsed = ParseNumberRange(text);
  if (parsed.ok()) *range = *parsed;
  return parsed.status();
}

// "I/N", I from 0.
absl::Status ParseShard(std::string_view text, NumberRange* shard) {
  const size_t slash = std::min(text.find('/'), text.size());
  const absl::StatusOr<int64_t> index = ParseInteger(text.substr(0, slash));
  const absl::StatusOr<int64_t> count =
      ParseInteger(text.substr(std::min(slash + 1, text.size())));
  if (!index.ok() || !count.ok() || *index < 0 || *index >= *count) {
    return absl::InvalidArgumentError("a shard is I/N, from 0/N to N-1/N");
  }
  *shard = {static_cast<uint64_t>(*index), static_cast<uint64_t>(*count)};
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
  return options.scenario.has_value() ? options.scenario->scenario
                                      : sim::ScenarioOf(FirstOf(options.sweep));
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
  const absl::StatusOr<ShrinkReport> shrunk =
      ShrinkFailure(ScenarioOf(options));
  if (!shrunk.ok()) {
    std::fprintf(stderr, "simulate: %s\n",
                 std::string(shrunk.status().message()).c_str());
    return kExitNonDeterministic;
  }
  const ShrinkReport& report = *shrunk;
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

absl::Status WriteDigests(const std::string& file, const SweepResult& result) {
  std::ofstream out(CallerPath(file), std::ios::binary);
  for (const auto& [seed, digest] : result.digests) {
    char line[48];
    std::snprintf(line, sizeof line, "%llu %016llx\n",
                  static_cast<unsigned long long>(seed),
                  static_cast<unsigned long long>(digest));
    out << line;
  }
  out.close();
  return out ? absl::OkStatus()
             : absl::UnavailableError("cannot write " + file);
}

absl::StatusOr<SweepRecord> RunSweep(const Options& options) {
  const std::string each = OptionsText(options.sweep.each);
  const OnFailure on_failure = [&](const SweepFailure& failure) {
    PrintFailure(failure, each, options.scenario_file);
  };
  if (!options.json_out.empty()) {
    return RunCampaign({.sweep = options.sweep,
                        .file = CallerPath(options.json_out),
                        .chunk = static_cast<uint64_t>(options.chunk)},
                       on_failure, [](const NumberRange& chunk) {
                         std::fprintf(stderr, "seeds %s are done\n",
                                      ToText(chunk).c_str());
                       });
  }
  SweepRecord record =
      RecordOf(options.sweep, Sweep(options.sweep, on_failure));
  if (!options.digests_out.empty()) {
    const absl::Status status =
        WriteDigests(options.digests_out, record.result);
    if (!status.ok()) return status;
  }
  return record;
}

// Prints what was found; the exit code that tells it.
int Tell(const Options& options, const SweepRecord& record) {
  if (options.json) {
    std::printf("%s\n", ToJson(record).c_str());
  } else {
    PrintSummary(record.result, options.one());
  }
  const SweepResult& result = record.result;
  if (!result.failures.empty()) return ExitCode(result.failures);
  return options.require_effects && IsVoid(result) ? kExitVoid : 0;
}

int RunMerge(const Options& options) {
  std::vector<std::string> files;
  for (const std::string& word : options.words) {
    files.push_back(CallerPath(word));
  }
  const absl::StatusOr<SweepRecord> sum = MergeFiles(files);
  if (!sum.ok()) return Usage(sum.status());
  for (const SweepFailure& failure : sum->result.failures) {
    PrintFailure(failure, sum->options, "");
  }
  return Tell(options, *sum);
}

int Run(Options options) {
  if (options.merge) return RunMerge(options);
  const std::vector<NumberRange> part =
      Shard(options.seeds, options.shard.first, options.shard.last);
  if (part.empty()) return 0;  // more shards than seeds
  options.sweep.first_seed = part.front().first;
  options.sweep.last_seed = part.front().last;
  if (options.look.wanted()) {
    const absl::Status status = LookClosely(ScenarioOf(options), options.look);
    if (!status.ok()) return Usage(status);
  }
  const absl::StatusOr<SweepRecord> record = RunSweep(options);
  if (!record.ok()) return Usage(record.status());
  if (options.shrink && !record->result.failures.empty()) {
    return ShrinkAndTell(options, record->result);
  }
  if (!options.history_out.empty() &&
      !WriteHistory(options.history_out, ScenarioOf(options))) {
    return kExitUsage;
  }
  if (!options.scenario_out.empty()) {
    const absl::Status status = WriteScenario(
        options.scenario_out, {ScenarioOf(options), VerdictOf(record->result)});
    if (!status.ok()) return Usage(status);
  }
  const int code = Tell(options, *record);
  if (options.scenario.has_value() && options.scenario->expect.has_value()) {
    return ExitCodeOf(*options.scenario->expect, record->result);
  }
  return code;
}

// Which scenario a seed is made into.
void DeclareSeeds(Flags* flags, Options* options) {
  flags->Number("seed", &options->seed, 0, kSeedMax, "N", "one run");
  flags->Add(
      "seeds",
      [options](std::string_view text) {
        options->seeds_given = true;
        return ParseRange(text, &options->seeds);
      },
      "A..B", "a run for each of these");
  sim::SeedOptions* each = &options->sweep.each;
  flags->Number("seconds", &each->seconds, 1, 3600, "S",
                "simulated length of a run");
  flags->Add(
      "profile",
      [each](std::string_view text) {
        return ParseProfile(text, &each->profile);
      },
      "NAME", "faults drawn: all, net, disk, clock, process, healthy, storm");
  flags->Number("nodes", &options->nodes, 3, 7, "N",
                "nodes, instead of what is drawn");
  flags->Number("operations", &each->operations_per_second, 1, 100'000, "N",
                "a simulated second, instead of what is drawn");
  flags->Switch("standard", &each->standard,
                "default timers and disks, instead of what is drawn");
  flags->Number("crash_points", &each->crash_points, 0, kSeedMax, "S",
                "cut the short run of seed S; --seed and --seeds are places");
}

// How a sweep runs, and what is said of it.
void DeclareSweep(Flags* flags, Options* options) {
  flags->Number("jobs", &options->jobs, 1, 256, "J",
                "processes that run seeds");
  flags->Add(
      "shard",
      [options](std::string_view text) {
        return ParseShard(text, &options->shard);
      },
      "I/N", "part I of N of the seeds, from 0");
  flags->Text("json_out", &options->json_out, "FILE",
              "record chunks of seeds there, and skip those recorded");
  flags->Number("chunk", &options->chunk, 1, 1'000'000'000, "N",
                "seeds of a chunk");
  flags->Switch("merge", &options->merge,
                "add up the FILEs that --json_out or --json wrote");
  flags->Text("digests_out", &options->digests_out, "FILE",
              "write each seed with the digest of its run");
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

// The places of --crash_points: those asked for, or all.
absl::Status ChoosePlaces(Options* options) {
  const int64_t seed = *options->sweep.each.crash_points;
  const uint64_t places = sim::CrashPoints(static_cast<uint64_t>(seed)).size();
  if (!options->seeds_given && !options->seed.has_value()) {
    options->seeds = {0, places - 1};
  }
  if (options->seeds.last < places) return absl::OkStatus();
  return absl::InvalidArgumentError("the run has places 0.." +
                                    std::to_string(places - 1));
}

// What is wrong with the command line, or empty.
std::string Check(const absl::StatusOr<std::vector<std::string>>& words,
                  const Options& options) {
  if (!words.ok()) return std::string(words.status().message());
  if (!words->empty() && !options.merge) {
    return "unexpected argument \"" + words->front() + "\"";
  }
  const bool one = options.look.wanted() || !options.history_out.empty() ||
                   options.shrink || !options.scenario_out.empty();
  if (one && !options.one()) {
    return "what is said of one run needs --seed or --scenario";
  }
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
    std::fprintf(help ? stdout : stderr,
                 "%s%susage: simulate [flags] [FILE...]\n%s", error.c_str(),
                 error.empty() ? "" : "\n", flags.Help().c_str());
    return help ? 0 : kExitUsage;
  }
  options.sweep.jobs = static_cast<int>(options.jobs);
  if (options.nodes.has_value()) {
    options.sweep.each.nodes = static_cast<uint32_t>(*options.nodes);
  }
  if (options.seed.has_value()) {
    options.seeds.first = options.seeds.last =
        static_cast<uint64_t>(*options.seed);
  }
  if (options.sweep.each.crash_points.has_value()) {
    const absl::Status status = ChoosePlaces(&options);
    if (!status.ok()) return Usage(status);
  }
  if (options.scenario.has_value()) {
    const sim::Scenario& scenario = options.scenario->scenario;
    options.seeds = {scenario.seed, scenario.seed};
    options.sweep.simulate = [scenario](const sim::SeedOptions&) {
      return sim::Simulate(scenario);
    };
  }
  options.sweep.keep_digests = !options.digests_out.empty();
  options.words = *words;
  return Run(std::move(options));
}

}  // namespace
}  // namespace tools

int main(int argc, char** argv) {
  return tools::Main(std::vector<std::string>(argv + 1, argv + argc));
}
