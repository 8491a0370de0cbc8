#include "tools/simulate_look.h"

#include <cstdio>
#include <fstream>
#include <string_view>

#include "sim/simulation.h"
#include "tools/caller_path.h"

namespace tools {
namespace {

void PrintLine(std::string_view line) {
  std::printf("%.*s\n", static_cast<int>(line.size()), line.data());
}

std::string NameOf(sim::Process process, uint32_t nodes) {
  if (process == sim::Step::kWorld) return "world";
  return process < nodes ? "n" + std::to_string(process + 1)
                         : "c" + std::to_string(process - nodes + 1);
}

void PrintStep(const sim::Step& step, uint32_t nodes) {
  std::printf("%9lld us  step %llu  [%016llx]  %s\n",
              static_cast<long long>(step.at.value()),
              static_cast<unsigned long long>(step.number),
              static_cast<unsigned long long>(step.digest),
              NameOf(step.process, nodes).c_str());
  PrintLine("    event   " + step.event);
  for (const std::string& effect : step.effects) {
    PrintLine("    effect  " + effect);
  }
  PrintLine("    now     " + step.state);
}

void AppendDigest(std::ofstream* out, uint64_t step, uint64_t digest) {
  char line[64];
  std::snprintf(line, sizeof line, "%llu %016llx\n",
                static_cast<unsigned long long>(step),
                static_cast<unsigned long long>(digest));
  *out << line << std::flush;  // a run that dies leaves its trail behind
}

}  // namespace

absl::Status LookClosely(const sim::Scenario& scenario,
                         const LookOptions& options) {
  sim::Observers observers;
  if (options.narrative) observers.narrator = PrintLine;
  const uint32_t nodes = scenario.config.nodes;
  if (options.steps.has_value() || options.steps_us.has_value()) {
    observers.trail.on_step = [nodes](const sim::Step& step) {
      PrintStep(step, nodes);
    };
  }
  if (options.steps.has_value()) {
    observers.trail.first = options.steps->first;
    observers.trail.last = options.steps->last;
  }
  if (options.steps_us.has_value()) {
    observers.trail.first_us = static_cast<int64_t>(options.steps_us->first);
    observers.trail.last_us = static_cast<int64_t>(options.steps_us->last);
  }
  std::ofstream trail;
  if (!options.trail_out.empty()) {
    trail.open(CallerPath(options.trail_out), std::ios::binary);
    observers.trail.every = kStepsPerDigest;
    observers.trail.on_digest = [&trail](uint64_t step, uint64_t digest) {
      AppendDigest(&trail, step, digest);
    };
  }
  const sim::SimulationResult result = sim::Simulate(scenario, observers);
  std::fflush(stdout);
  if (options.trail_out.empty()) return absl::OkStatus();
  if (result.steps % kStepsPerDigest != 0) {
    AppendDigest(&trail, result.steps, result.digest);
  }
  trail.close();
  if (trail) return absl::OkStatus();
  return absl::UnavailableError("cannot write " + options.trail_out);
}

}  // namespace tools
