#include "tools/simulate_report.h"

#include <cstdio>
#include <string_view>
#include <vector>

#include "raft/raft_io.h"
#include "tools/json.h"

namespace tools {
namespace {

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

}  // namespace

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
  json.Key("sealed").Bool(options.sealed && result.unsealed.empty());
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
  } else {
    for (const std::string& name : Unseen(result.faults)) {
      std::printf("  never happened: %s\n", name.c_str());
    }
  }
}

void PrintFailure(const SweepFailure& failure, sim::SeedOptions options,
                  const std::string& scenario) {
  options.seed = failure.seed;
  const std::string command =
      scenario.empty()
          ? ReproduceLine(options)
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
