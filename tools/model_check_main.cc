// Exhaustive search over the consensus core that ships.
//
//   bazel run //tools:model_check [-- --bounds=elections=2,crashes=1,...]
//
// Every order of deliveries, timers, disk completions, crashes, commands and
// reads of a small cluster, within bounds on how often each may happen, and
// every state once (state_hash.h says what makes two states one). Checked in
// each: the rules of raft/invariants.h, election safety, log matching, leader
// completeness, state-machine safety, that what is committed is durable at a
// majority, and that no read misses what was committed before it.
//
// Exit codes: 0 nothing is broken, 1 a rule is (the way there is printed), 2
// usage, 3 the bound on states was reached first.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "raft/limits.h"
#include "tools/args.h"
#include "tools/json.h"
#include "tools/model_check.h"

namespace tools {
namespace {

std::map<std::string, uint64_t*> FieldsOf(ModelBounds* bounds) {
  return {
      {"nodes", &bounds->nodes},           {"elections", &bounds->elections},
      {"heartbeats", &bounds->heartbeats}, {"crashes", &bounds->crashes},
      {"proposals", &bounds->proposals},   {"reads", &bounds->reads},
      {"duplicates", &bounds->duplicates}, {"messages", &bounds->messages},
      {"transfers", &bounds->transfers}};
}

// "name=number,..."; what is not named stays as it is.
absl::Status ReadBounds(std::string_view text, ModelBounds* bounds) {
  const std::map<std::string, uint64_t*> fields = FieldsOf(bounds);
  const absl::StatusOr<std::vector<std::string>> parts = ParseList(text);
  if (!parts.ok()) return parts.status();
  for (const std::string& part : *parts) {
    const size_t equals = std::min(part.find('='), part.size());
    const std::string name = part.substr(0, equals);
    const auto field = fields.find(name);
    if (field == fields.end()) {
      std::vector<std::string> names;
      for (const auto& [known, value] : fields) names.push_back(known);
      return absl::InvalidArgumentError(name + " is no bound" +
                                        Hint("", name, names));
    }
    const absl::StatusOr<int64_t> number = ParseInteger(
        std::string_view(part).substr(std::min(equals + 1, part.size())));
    if (!number.ok() || *number < 0 || *number > 1'000) {
      return absl::InvalidArgumentError(part + ": 0 to 1000 is wanted");
    }
    *field->second = static_cast<uint64_t>(*number);
  }
  if (bounds->nodes < 1 || bounds->nodes > raft::kVotersMax) {
    return absl::InvalidArgumentError(
        "1 to " + std::to_string(raft::kVotersMax) + " nodes are wanted");
  }
  return absl::OkStatus();
}

std::string BoundsText(ModelBounds bounds) {
  std::string text;
  for (const auto& [name, value] : FieldsOf(&bounds)) {
    if (!text.empty()) text += ',';
    text += name + "=" + std::to_string(*value);
  }
  return text;
}

void PrintJson(const ModelCheckOptions& options, const ModelCheckResult& result,
               int64_t cpu_ms) {
  JsonWriter json;
  json.BeginObject();
  json.Key("bounds").Text(BoundsText(options.bounds));
  json.Key("from_elected").Bool(options.bounds.elected);
  json.Key("slow_disks").Bool(options.bounds.slow_disks);
  json.Key("states").Unsigned(result.states);
  json.Key("transitions").Unsigned(result.transitions);
  json.Key("depth").Unsigned(result.depth);
  json.Key("cpu_ms").Number(cpu_ms);
  json.Key("exhausted").Bool(result.exhausted);
  json.Key("broken").Text(result.broken);
  json.EndObject();
  std::printf("%s\n", json.Take().c_str());
}

int Main(const std::vector<std::string>& args) {
  ModelCheckOptions options;
  auto states_max = static_cast<int64_t>(options.states_max);
  bool json = false;
  bool quiet = false;
  Flags flags;
  flags.Add(
      "bounds",
      [&](std::string_view text) { return ReadBounds(text, &options.bounds); },
      "NAME=N,...", "how often each may happen: " + BoundsText(options.bounds));
  flags.Switch("elected", &options.bounds.elected,
               "start with a leader whose first entry is committed");
  flags.Switch("slow_disks", &options.bounds.slow_disks,
               "disks finish whenever they like, not at once");
  flags.Number("states_max", &states_max, 1, INT64_MAX, "N", "then give up");
  flags.Switch("json", &json, "the result as one JSON object");
  flags.Switch("quiet", &quiet, "no progress");
  const absl::StatusOr<std::vector<std::string>> words = flags.Parse(args);
  if (!words.ok() || !words->empty()) {
    std::fprintf(stderr, "model_check: %s\n%s",
                 words.ok() ? (words->front() + " is no flag").c_str()
                            : std::string(words.status().message()).c_str(),
                 flags.Help().c_str());
    return 2;
  }
  options.states_max = static_cast<uint64_t>(states_max);
  const auto tell = [](const ModelCheckResult& result) {
    std::fprintf(stderr, "%llu states, %llu transitions, depth %llu\n",
                 static_cast<unsigned long long>(result.states),
                 static_cast<unsigned long long>(result.transitions),
                 static_cast<unsigned long long>(result.depth));
  };
  const std::clock_t begin = std::clock();
  std::function<void(const ModelCheckResult&)> progress;
  if (!quiet) progress = tell;
  const ModelCheckResult result = CheckModel(options, progress);
  const auto cpu_ms =
      static_cast<int64_t>((std::clock() - begin) / (CLOCKS_PER_SEC / 1000));
  for (const std::string& line : result.way) std::printf("%s\n", line.c_str());
  if (!result.broken.empty())
    std::printf("broken: %s\n", result.broken.c_str());
  if (json) {
    PrintJson(options, result, cpu_ms);
  } else {
    std::printf(
        "%llu states, %llu transitions, depth %llu, %lld.%03lld s of CPU: %s\n",
        static_cast<unsigned long long>(result.states),
        static_cast<unsigned long long>(result.transitions),
        static_cast<unsigned long long>(result.depth),
        static_cast<long long>(cpu_ms / 1000),
        static_cast<long long>(cpu_ms % 1000),
        !result.broken.empty() ? "broken"
        : result.exhausted     ? "all states, nothing broken"
                               : "not all states, nothing broken so far");
  }
  if (!result.broken.empty()) return 1;
  return result.exhausted ? 0 : 3;
}

}  // namespace
}  // namespace tools

int main(int argc, char** argv) { return tools::Main({argv + 1, argv + argc}); }
