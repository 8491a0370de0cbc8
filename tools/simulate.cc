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

#include "raft/raft_io.h"
#include "registry/checker/history.h"
#include "sim/simulation.h"
#include "tools/args.h"
#include "tools/caller_path.h"
#include "tools/json.h"
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

void PrintFailure(const SweepFailure& failure, sim::SeedOptions options) {
  options.seed = failure.seed;
  std::fprintf(stderr, "seed %llu: %s, %s: %s\n%s\n",
               static_cast<unsigned long long>(failure.seed),
               failure.kind.c_str(), failure.checker.c_str(),
               failure.text.c_str(), ReproduceLine(options).c_str());
}

std::string Hex(uint64_t number) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx",
                static_cast<unsigned long long>(number));
  return text;
}

void Add(std::string_view key, const std::vector<sim::Count>& counts,
         JsonWriter* json) {
  json->Key(key).BeginObject();
  for (const auto& [name, value] : counts) json->Key(name).Unsigned(value);
  json->EndObject();
}

std::vector<std::string> Unseen(const std::vector<sim::Count>& counts) {
  std::vector<std::string> names;
  for (const auto& [name, value] : counts) {
    if (value == 0) names.push_back(name);
  }
  return names;
}

// Runs that saw each probe; the list ends where the names do.
std::vector<sim::Count> Probes(const SweepResult& result) {
  std::vector<sim::Count> probes;
  const std::string_view nameless = raft::ToString(raft::ProbeId{0});
  for (size_t i = 1; i < result.probes.size(); ++i) {
    const std::string_view name = raft::ToString(static_cast<raft::ProbeId>(i));
    if (name == nameless) break;
    probes.push_back({std::string(name), result.probes[i]});
  }
  return probes;
}

// A sweep in which faults had no effect says nothing.
bool IsVoid(const SweepResult& result) {
  return !Unseen(result.faults).empty() || result.runs_hurt * 2 < result.runs;
}

std::string ToJson(const SweepOptions& options, const SweepResult& result) {
  JsonWriter json;
  json.BeginObject();
  json.Key("first_seed").Unsigned(options.first_seed);
  json.Key("last_seed").Unsigned(options.last_seed);
  json.Key("runs").Unsigned(result.runs);
  json.Key("failed").Unsigned(result.failures.size());
  json.Key("events").Unsigned(result.events);
  json.Key("simulated_seconds").Number(result.simulated_us / 1'000'000);
  json.Key("cpu_seconds").Number((result.cpu_us + 999'999) / 1'000'000);
  json.Key("events_per_cpu_second")
      .Number(static_cast<int64_t>(result.events) * 1000 /
              (result.cpu_us / 1000 + 1));
  json.Key("cluster_seconds_per_cpu_second")
      .Number(result.simulated_us / (result.cpu_us + 1));
  json.Key("digest").Text(Hex(result.digest));
  json.Key("runs_that_lost_a_leader_or_unsynced_bytes")
      .Unsigned(result.runs_hurt);
  json.Key("runs_not_judged_by_search").Unsigned(result.runs_unknown);
  json.Key("operations_of_the_shortest_run").Unsigned(result.operations_min);
  json.Key("void").Bool(IsVoid(result));
  Add("fault_effects", result.faults, &json);
  Add("counts", result.counts, &json);
  Add("probes", Probes(result), &json);
  json.Key("failures").BeginArray();
  for (const SweepFailure& failure : result.failures) {
    json.BeginObject();
    json.Key("seed").Unsigned(failure.seed);
    json.Key("kind").Text(failure.kind);
    json.Key("checker").Text(failure.checker);
    json.Key("text").Text(failure.text);
    sim::SeedOptions one = options.each;
    one.seed = failure.seed;
    json.Key("reproduce").Text(ReproduceLine(one));
    json.EndObject();
  }
  json.EndArray();
  json.EndObject();
  return json.Take();
}

void PrintSummary(const SweepResult& result, bool details) {
  std::printf(
      "%llu runs, %zu failed; %llu events in %lld simulated and %lld CPU "
      "seconds; %llu runs lost a leader or unsynced bytes; digest %s\n",
      static_cast<unsigned long long>(result.runs), result.failures.size(),
      static_cast<unsigned long long>(result.events),
      static_cast<long long>(result.simulated_us / 1'000'000),
      static_cast<long long>((result.cpu_us + 999'999) / 1'000'000),
      static_cast<unsigned long long>(result.runs_hurt),
      Hex(result.digest).c_str());
  if (details) {
    for (const auto* counts : {&result.faults, &result.counts}) {
      for (const auto& [name, value] : *counts) {
        std::printf("  %-32s %llu\n", name.c_str(),
                    static_cast<unsigned long long>(value));
      }
    }
  } else {
    for (const std::string& name : Unseen(result.faults)) {
      std::printf("  never happened: %s\n", name.c_str());
    }
  }
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
