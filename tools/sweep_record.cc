#include "tools/sweep_record.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <utility>

#include "raft/check.h"
#include "raft/digest.h"
#include "raft/raft_io.h"
#include "registry/checker/json_scanner.h"
#include "tools/args.h"
#include "tools/json.h"

namespace tools {
namespace {

using registry::checker::JsonScanner;

constexpr int64_t kMicros = 1'000'000;
constexpr size_t kProbes = 64;

std::string Hex(uint64_t number) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx",
                static_cast<unsigned long long>(number));
  return text;
}

// Empty where the list of probes has ended.
std::string_view ProbeName(size_t probe) {
  static const std::string_view nameless = raft::ToString(raft::ProbeId{0});
  const std::string_view name =
      raft::ToString(static_cast<raft::ProbeId>(probe));
  return name == nameless ? std::string_view() : name;
}

// Runs that saw each probe.
std::vector<sim::Count> Probes(const SweepResult& result) {
  std::vector<sim::Count> probes;
  for (size_t i = 1; i < kProbes && !ProbeName(i).empty(); ++i) {
    const uint64_t runs = i < result.probes.size() ? result.probes[i] : 0;
    probes.push_back({std::string(ProbeName(i)), runs});
  }
  return probes;
}

std::vector<std::string> Zeros(const std::vector<sim::Count>& counts) {
  std::vector<std::string> names;
  for (const auto& [name, value] : counts) {
    if (value == 0) names.push_back(name);
  }
  return names;
}

void Write(std::string_view key, const std::vector<sim::Count>& counts,
           JsonWriter* json) {
  json->Key(key).BeginObject();
  for (const auto& [name, value] : counts) json->Key(name).Unsigned(value);
  json->EndObject();
}

void Write(std::string_view key, const std::vector<std::string>& texts,
           JsonWriter* json) {
  json->Key(key).BeginArray();
  for (const std::string& text : texts) json->Text(text);
  json->EndArray();
}

// Speed is three numbers or none: an idle cluster makes many seconds of few
// events, and looks fast.
void WriteSpeed(const SweepResult& result, JsonWriter* json) {
  const auto events = static_cast<int64_t>(result.events);
  json->Key("events").Unsigned(result.events);
  json->Key("simulated_us").Number(result.simulated_us);
  json->Key("cpu_us").Number(result.cpu_us);
  json->Key("cpu_seconds").Number((result.cpu_us + kMicros - 1) / kMicros);
  json->Key("events_per_cpu_second")
      .Number(events * 1000 / (result.cpu_us / 1000 + 1));
  json->Key("events_per_simulated_second")
      .Number(events * 1000 / (result.simulated_us / 1000 + 1));
  json->Key("cluster_seconds_per_cpu_second")
      .Number(result.simulated_us / (result.cpu_us + 1));
}

void WriteFailures(const SweepRecord& record, JsonWriter* json) {
  json->Key("failures").BeginArray();
  for (const SweepFailure& failure : record.result.failures) {
    json->BeginObject();
    json->Key("seed").Unsigned(failure.seed);
    json->Key("kind").Text(failure.kind);
    json->Key("checker").Text(failure.checker);
    json->Key("text").Text(failure.text);
    json->Key("reproduce").Text(ReproduceLine(failure.seed, record.options));
    json->EndObject();
  }
  json->EndArray();
}

// ----------------------------------------------------------------- reading

bool ReadTexts(JsonScanner* in, std::vector<std::string>* texts) {
  return in->ParseArray(
      [in, texts] { return in->ParseString(&texts->emplace_back()); });
}

bool ReadCounts(JsonScanner* in, std::vector<sim::Count>* counts) {
  return in->ParseObject([in, counts](const std::string& name) {
    return in->ParseUint(&counts->emplace_back(name, 0).second);
  });
}

bool ReadProbes(JsonScanner* in, std::vector<uint64_t>* probes) {
  std::vector<sim::Count> counts;
  if (!ReadCounts(in, &counts)) return false;
  probes->assign(kProbes, 0);
  for (const auto& [name, value] : counts) {
    size_t i = 1;
    while (i < kProbes && ProbeName(i) != name) ++i;
    if (i == kProbes) return in->Fail("unknown probe " + name);
    (*probes)[i] = value;
  }
  return true;
}

bool ReadFailures(JsonScanner* in, std::vector<SweepFailure>* failures) {
  return in->ParseArray([in, failures] {
    SweepFailure& failure = failures->emplace_back();
    return in->ParseObject([in, &failure](const std::string& name) {
      std::string ignored;
      if (name == "seed") return in->ParseUint(&failure.seed);
      if (name == "kind") return in->ParseString(&failure.kind);
      if (name == "checker") return in->ParseString(&failure.checker);
      if (name == "text") return in->ParseString(&failure.text);
      if (name == "reproduce") return in->ParseString(&ignored);
      return in->Fail("unknown member " + name);
    });
  });
}

bool ReadSeeds(JsonScanner* in, std::vector<NumberRange>* seeds) {
  std::vector<std::string> texts;
  if (!ReadTexts(in, &texts)) return false;
  for (const std::string& text : texts) {
    const absl::StatusOr<NumberRange> range = ParseNumberRange(text);
    if (!range.ok()) return in->Fail(std::string(range.status().message()));
    seeds->push_back(*range);
  }
  return true;
}

bool ReadDigest(JsonScanner* in, uint64_t* digest) {
  std::string hex;
  if (!in->ParseString(&hex)) return false;
  const char* const end = hex.data() + hex.size();
  const auto [at, error] = std::from_chars(hex.data(), end, *digest, 16);
  return (error == std::errc() && at == end) ||
         in->Fail("a digest is a hexadecimal number");
}

bool ReadMember(const std::string& name, JsonScanner* in, SweepRecord* record) {
  SweepResult& result = record->result;
  std::vector<std::string> names;
  uint64_t number = 0;
  bool yes = false;
  if (name == "options") return in->ParseString(&record->options);
  if (name == "build") return in->ParseString(&record->build);
  if (name == "seeds") return ReadSeeds(in, &record->seeds);
  if (name == "runs") return in->ParseUint(&result.runs);
  if (name == "events") return in->ParseUint(&result.events);
  if (name == "simulated_us") return in->ParseInt(&result.simulated_us);
  if (name == "cpu_us") return in->ParseInt(&result.cpu_us);
  if (name == "digest") return ReadDigest(in, &result.digest);
  if (name == "runs_that_lost_a_leader_or_unsynced_bytes") {
    return in->ParseUint(&result.runs_hurt);
  }
  if (name == "runs_not_judged_by_search") {
    return in->ParseUint(&result.runs_unknown);
  }
  if (name == "operations_of_the_shortest_run") {
    return in->ParseUint(&result.operations_min);
  }
  if (name == "not_sealed") return in->ParseString(&result.unsealed);
  if (name == "fault_effects") return ReadCounts(in, &result.faults);
  if (name == "counts") return ReadCounts(in, &result.counts);
  if (name == "probes") return ReadProbes(in, &result.probes);
  if (name == "failures") return ReadFailures(in, &result.failures);
  // What follows from the rest.
  if (name == "void") return in->ParseBool(&yes);
  if (name == "faults_without_effect" || name == "probes_never_fired") {
    return ReadTexts(in, &names);
  }
  if (name == "failed" || name == "cpu_seconds" ||
      name == "events_per_cpu_second" ||
      name == "events_per_simulated_second" ||
      name == "cluster_seconds_per_cpu_second") {
    return in->ParseUint(&number);
  }
  return in->Fail("unknown member " + name);
}

// ----------------------------------------------------------------- merging

void AddCounts(const std::vector<sim::Count>& from,
               std::vector<sim::Count>* into) {
  for (const sim::Count& count : from) {
    const auto known = std::find_if(
        into->begin(), into->end(),
        [&count](const sim::Count& sum) { return sum.first == count.first; });
    if (known == into->end()) {
      into->push_back(count);
    } else {
      known->second += count.second;
    }
  }
}

void AddResult(const SweepResult& from, SweepResult* into) {
  if (from.runs > 0) {
    into->operations_min =
        into->runs == 0 ? from.operations_min
                        : std::min(into->operations_min, from.operations_min);
  }
  into->runs += from.runs;
  into->events += from.events;
  into->simulated_us += from.simulated_us;
  into->cpu_us += from.cpu_us;
  into->digest += from.digest;
  into->runs_hurt += from.runs_hurt;
  into->runs_unknown += from.runs_unknown;
  if (into->unsealed.empty()) into->unsealed = from.unsealed;
  AddCounts(from.faults, &into->faults);
  AddCounts(from.counts, &into->counts);
  into->probes.resize(kProbes);
  for (size_t i = 0; i < from.probes.size(); ++i) {
    into->probes[i] += from.probes[i];
  }
  into->failures.insert(into->failures.end(), from.failures.begin(),
                        from.failures.end());
  std::stable_sort(into->failures.begin(), into->failures.end(),
                   [](const SweepFailure& a, const SweepFailure& b) {
                     return a.seed < b.seed;
                   });
}

// By seed, and neighbours as one. Requires that none overlap.
std::vector<NumberRange> Joined(std::vector<NumberRange> ranges) {
  std::sort(ranges.begin(), ranges.end(),
            [](const NumberRange& a, const NumberRange& b) {
              return a.first < b.first;
            });
  std::vector<NumberRange> joined;
  for (const NumberRange& range : ranges) {
    if (!joined.empty() && joined.back().last + 1 == range.first) {
      joined.back().last = range.last;
    } else {
      joined.push_back(range);
    }
  }
  return joined;
}

}  // namespace

std::string ToText(const NumberRange& range) {
  return std::to_string(range.first) + ".." + std::to_string(range.last);
}

SweepRecord RecordOf(const SweepOptions& options, SweepResult result) {
  return {.options = OptionsText(options.each),
          .build = BuildId(),
          .seeds = {{options.first_seed, options.last_seed}},
          .result = std::move(result)};
}

std::string ToJson(const SweepRecord& record) {
  const SweepResult& result = record.result;
  std::vector<std::string> seeds;
  for (const NumberRange& range : record.seeds) seeds.push_back(ToText(range));
  JsonWriter json;
  json.BeginObject();
  json.Key("options").Text(record.options);
  json.Key("build").Text(record.build);
  Write("seeds", seeds, &json);
  json.Key("runs").Unsigned(result.runs);
  json.Key("failed").Unsigned(FailedRuns(result.failures));
  WriteSpeed(result, &json);
  json.Key("digest").Text(Hex(result.digest));
  json.Key("runs_that_lost_a_leader_or_unsynced_bytes")
      .Unsigned(result.runs_hurt);
  json.Key("runs_not_judged_by_search").Unsigned(result.runs_unknown);
  json.Key("operations_of_the_shortest_run").Unsigned(result.operations_min);
  json.Key("not_sealed").Text(result.unsealed);
  json.Key("void").Bool(IsVoid(result));
  Write("faults_without_effect", FaultsWithoutEffect(result), &json);
  Write("probes_never_fired", ProbesNeverFired(result), &json);
  Write("fault_effects", result.faults, &json);
  Write("counts", result.counts, &json);
  Write("probes", Probes(result), &json);
  WriteFailures(record, &json);
  json.EndObject();
  return json.Take();
}

absl::StatusOr<SweepRecord> ParseRecord(std::string_view json) {
  JsonScanner in(json);
  SweepRecord record;
  const bool read = in.ParseObject([&](const std::string& name) {
    return ReadMember(name, &in, &record);
  }) && in.ParseEnd();
  if (!read) return absl::InvalidArgumentError(in.error());
  if (record.seeds.empty() || record.build.empty()) {
    return absl::InvalidArgumentError("no result of a sweep");
  }
  return record;
}

absl::Status Merge(const SweepRecord& from, SweepRecord* into) {
  if (into->seeds.empty()) {
    *into = from;
    return absl::OkStatus();
  }
  if (from.options != into->options) {
    return absl::FailedPreconditionError("other options: \"" + from.options +
                                         "\" and \"" + into->options + "\"");
  }
  if (from.build != into->build) {
    return absl::FailedPreconditionError("other code: build " + from.build +
                                         " and build " + into->build);
  }
  for (const NumberRange& a : from.seeds) {
    for (const NumberRange& b : into->seeds) {
      const NumberRange both{std::max(a.first, b.first),
                             std::min(a.last, b.last)};
      if (both.first > both.last) continue;
      return absl::FailedPreconditionError("seeds " + ToText(both) +
                                           " are in both");
    }
  }
  into->seeds.insert(into->seeds.end(), from.seeds.begin(), from.seeds.end());
  into->seeds = Joined(std::move(into->seeds));
  AddResult(from.result, &into->result);
  return absl::OkStatus();
}

std::vector<NumberRange> Missing(const NumberRange& wanted,
                                 const std::vector<NumberRange>& done) {
  std::vector<NumberRange> missing;
  uint64_t next = wanted.first;
  for (const NumberRange& range : done) {
    if (range.last < next) continue;
    if (range.first > wanted.last) break;
    if (range.first > next) missing.push_back({next, range.first - 1});
    next = range.last + 1;
  }
  if (next <= wanted.last) missing.push_back({next, wanted.last});
  return missing;
}

std::string BuildId() {
  std::ifstream file("/proc/self/exe", std::ios::binary);
  const std::string code((std::istreambuf_iterator<char>(file)),
                         std::istreambuf_iterator<char>());
  CHECK(!code.empty());
  raft::Digest digest;
  digest.AddText(code);
  return Hex(digest.value());
}

std::vector<std::string> ProbesNeverFired(const SweepResult& result) {
  return Zeros(Probes(result));
}

std::vector<std::string> FaultsWithoutEffect(const SweepResult& result) {
  return Zeros(result.faults);
}

bool IsVoid(const SweepResult& result) {
  return !FaultsWithoutEffect(result).empty() ||
         result.runs_hurt * 2 < result.runs;
}

}  // namespace tools
