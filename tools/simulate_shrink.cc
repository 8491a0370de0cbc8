#include "tools/simulate_shrink.h"

#include <sys/resource.h>

#include <cstdio>
#include <fstream>
#include <iterator>

#include "sim/scenario_edit.h"
#include "sim/simulation.h"
#include "tools/caller_path.h"
#include "tools/json.h"

namespace tools {
namespace {

// A candidate that takes longer turns in a circle.
constexpr unsigned kPatienceSeconds = 20;

// Of this process and of those that it has waited for.
int64_t CpuMicros() {
  int64_t sum = 0;
  for (const int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage usage;
    getrusage(who, &usage);
    for (const timeval& time : {usage.ru_utime, usage.ru_stime}) {
      sum += int64_t{time.tv_sec} * 1'000'000 + time.tv_usec;
    }
  }
  return sum;
}

}  // namespace

absl::StatusOr<sim::ScenarioFile> ReadScenario(const std::string& file) {
  std::ifstream in(CallerPath(file), std::ios::binary);
  if (!in) return absl::NotFoundError("cannot read " + file);
  const std::string text{std::istreambuf_iterator<char>(in),
                         std::istreambuf_iterator<char>()};
  absl::StatusOr<sim::ScenarioFile> scenario = sim::ParseScenario(text);
  if (scenario.ok()) return scenario;
  return absl::InvalidArgumentError(file + ": " +
                                    std::string(scenario.status().message()));
}

absl::Status WriteScenario(const std::string& file,
                           const sim::ScenarioFile& scenario) {
  std::ofstream out(CallerPath(file), std::ios::binary);
  out << sim::ToText(scenario);
  out.close();
  if (out) return absl::OkStatus();
  return absl::UnavailableError("cannot write " + file);
}

sim::Verdict VerdictOf(const SweepResult& result) {
  if (result.failures.empty()) return {};
  const SweepFailure& failure = result.failures.front();
  const size_t check = failure.text.find(": CHECK failed");
  if (failure.kind != "crash" || check == std::string::npos) {
    return {failure.kind, failure.checker};
  }
  const std::string place = failure.text.substr(0, check);
  const size_t slash = place.rfind('/');
  return {failure.kind,
          slash == std::string::npos ? place : place.substr(slash + 1)};
}

sim::Outcome RunAlone(const sim::Scenario& scenario) {
  // Not sealed: a process for each of hundreds of runs.
  const SweepOptions options{.patience_seconds = kPatienceSeconds,
                             .sealed = false,
                             .simulate = [&scenario](const sim::SeedOptions&) {
                               // What a CHECK says is in the outcome.
                               if (!std::freopen("/dev/null", "w", stderr)) {
                                 return sim::SimulationResult();
                               }
                               return sim::Simulate(scenario);
                             }};
  const SweepResult result = Sweep(options, nullptr);
  return {.verdict = VerdictOf(result),
          .events = sim::CostOf(result.events, result.counts),
          .end_us = result.simulated_us};
}

int ExitCodeOf(const sim::Verdict& expected, const SweepResult& result) {
  const sim::Verdict verdict = VerdictOf(result);
  if (verdict == expected) return 0;
  std::fprintf(stderr, "expected %s, but it was %s\n",
               sim::ToString(expected).c_str(), sim::ToString(verdict).c_str());
  return verdict.ok() ? kExitUnexpected : ExitCode(result.failures);
}

absl::StatusOr<ShrinkReport> ShrinkFailure(const sim::Scenario& failing) {
  if (RunAlone(failing).verdict.ok()) {
    return absl::FailedPreconditionError(
        "it does not fail when it is run alone: what failed depends on more "
        "than the scenario");
  }
  ShrinkReport report;
  report.faults_before = sim::FaultsOf(failing);
  report.operations_before = failing.operations.size();
  const int64_t before_us = CpuMicros();
  report.shrunk = sim::Shrink(failing, RunAlone);
  report.cpu_us = CpuMicros() - before_us;
  report.file = {report.shrunk.scenario, report.shrunk.verdict};
  const absl::StatusOr<sim::ScenarioFile> read =
      sim::ParseScenario(sim::ToText(report.file));
  report.fails_alone =
      read.ok() && RunAlone(read->scenario).verdict == report.file.expect;
  return report;
}

std::string ToText(const ShrinkReport& report, const std::string& out) {
  char counts[256];
  std::snprintf(
      counts, sizeof counts,
      "# %zu faults (of %zu), %zu operations (of %zu); %llu runs, %lld.%lld "
      "CPU seconds%s\n",
      sim::FaultsOf(report.file.scenario), report.faults_before,
      report.file.scenario.operations.size(), report.operations_before,
      static_cast<unsigned long long>(report.shrunk.runs),
      static_cast<long long>(report.cpu_us / 1'000'000),
      static_cast<long long>(report.cpu_us / 100'000 % 10),
      report.shrunk.gave_up ? "; gave up before it was smallest" : "");
  std::string text = sim::ToText(report.file) + counts;
  if (!report.fails_alone) {
    text +=
        "# it does not fail like that when it is run alone: a bug of ours\n";
  }
  return text + "reproduce: ./bazelw run //tools:simulate -- --scenario=" +
         (out.empty() ? "FILE   (--scenario_out=FILE writes it)" : out) + "\n";
}

std::string ToJson(const ShrinkReport& report) {
  JsonWriter json;
  json.BeginObject();
  json.Key("kind").Text(report.shrunk.verdict.kind);
  json.Key("checker").Text(report.shrunk.verdict.checker);
  json.Key("faults_before").Unsigned(report.faults_before);
  json.Key("faults").Unsigned(sim::FaultsOf(report.file.scenario));
  json.Key("operations_before").Unsigned(report.operations_before);
  json.Key("operations").Unsigned(report.file.scenario.operations.size());
  json.Key("runs").Unsigned(report.shrunk.runs);
  json.Key("cpu_ms").Number(report.cpu_us / 1000);
  json.Key("gave_up").Bool(report.shrunk.gave_up);
  json.Key("fails_alone").Bool(report.fails_alone);
  json.Key("scenario").Text(sim::ToText(report.file));
  json.EndObject();
  return json.Take();
}

}  // namespace tools
