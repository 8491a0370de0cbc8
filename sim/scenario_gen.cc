#include "sim/scenario_gen.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "raft/check.h"
#include "raft/digest.h"
#include "sim/scenario_text.h"

namespace sim {
namespace {

constexpr int64_t kHealUs = 2'000'000;
constexpr int64_t kLengthUs = 4'000'000;
constexpr int64_t kFaultUsMax = 800'000;
// What lingers ends after the last call that must be answered in spite of it.
constexpr int64_t kLingerMarginUs = 300'000;
// The smallest world: faults of links name processes that are in every one.
constexpr uint32_t kNodesMin = 3;
constexpr uint32_t kClientsMin = 2;

// The raw material: numbers below a million, which shrink towards 0.
constexpr uint32_t kRaw = 1'000'000;
using Raw = std::vector<uint32_t>;
rc::Gen<Raw> AnyRaw(size_t count) {
  return rc::gen::container<Raw>(count, rc::gen::inRange<uint32_t>(0, kRaw));
}

// Makes values of raw numbers, taken in turn.
class Maker {
 public:
  explicit Maker(const Raw& raw) : raw_(raw) {}

  // In [low, high]; low for 0.
  int64_t Between(int64_t low, int64_t high) {
    const auto width = static_cast<uint64_t>(high - low + 1);
    return low + static_cast<int64_t>(Next() * width / kRaw);
  }
  bool Flag() { return Next() >= kRaw / 2; }
  template <typename T>
  T OneOf(const std::vector<T>& values) {
    return values[static_cast<size_t>(
        Between(0, static_cast<int64_t>(values.size()) - 1))];
  }

  // Sets every field of a fault, by its type and its unit.
  template <typename T>
  void Fields(T* value) {
    value->Fields([this](std::string_view name, const auto& field) {
      this->Field(name,
                  const_cast<std::remove_cvref_t<decltype(field)>*>(&field));
    });
  }

 private:
  uint64_t Next() { return next_ < raw_.size() ? raw_[next_++] : 0; }

  template <typename T>
  void Field(std::string_view name, T* field) {
    if constexpr (std::is_same_v<T, bool>) {
      *field = Flag();
    } else if constexpr (std::is_enum_v<T>) {
      *field = static_cast<T>(Between(0, LastOf<T>()));
    } else if constexpr (std::is_same_v<T, Victim>) {
      field->node =
          OneOf<uint32_t>({Victim::kLeader, Victim::kFollower, 0, 1, 2});
    } else if constexpr (std::is_integral_v<T>) {
      *field = static_cast<T>(Number(name));
    } else {
      Fields(field);
    }
  }

  int64_t Number(std::string_view name) {
    if (name == "delay_us" || name == "tail_us") return Between(0, 20'000);
    if (name == "jitter_us") return Between(0, 5'000);
    if (name == "ahead_us") return Between(1, 100 * kFaultUsMax);
    if (name.ends_with("_us")) return Between(1, kFaultUsMax);
    if (name == "percent") return Between(100, 20'000);
    if (name == "rate_ppm") return Between(-kClockRateMaxPpm, kClockRateMaxPpm);
    if (name == "wild_ppm") return Between(-1'000'000, 9'000'000);
    if (name == "bytes_per_second") {
      return Flag() ? Between(2'000, 200'000) : 0;
    }
    if (name == "side") return Between(0, (1 << kNodesMin) - 1);
    if (name == "members") return Between(1, (1 << kNodesMin) - 1);
    if (name == "cuts") return Between(1, 1 << 19);  // positions 0 to 2
    if (name == "client") return Between(0, kClientsMin - 1);
    if (name == "corrupt") return Between(0, 3'000);
    for (const std::string_view chance :
         {"tail", "split", "drop", "duplicate", "reorder"}) {
      if (name == chance) return Between(0, 100'000);
    }
    for (const std::string_view process : {"from", "to", "first", "second"}) {
      if (name == process) return Between(0, kNodesMin + kClientsMin - 1);
    }
    if (name == "crashes_in_boot") return Between(0, 3);
    if (name == "room") return Between(0, 24 << 10);
    if (name == "salt") return Between(0, kRaw);
    return Between(0, 30);  // steps until something happens
  }

  // The last value of an enum that has a name.
  template <typename E>
  static int64_t LastOf() {
    int64_t last = 0;
    while (ToString(static_cast<E>(last + 1)) != "?") ++last;
    return last;
  }

  const Raw& raw_;
  size_t next_ = 0;
};

// ------------------------------------------------------------------ faults

// The names of a profile's faults; empty: all that there are.
std::vector<std::string_view> NamesOf(Profile profile) {
  switch (profile) {
    case Profile::kNet:
      return {"ResetLink", "Clog",      "BlackHole",   "Partition",
              "Depose",    "Weather",   "Topology",    "Flap",
              "Swizzle",   "ClientCut", "NodeWeather", "SlowReader",
              "ClientHop", "PathStall"};
    case Profile::kDisk:
      return {"PowerCut",     "Crash",     "CrashInDiskJob", "SlowDisk",
              "DiskStall",    "SyncError", "DiskFailure",    "DiskFull",
              "DiskReadOnly", "DamageDisk"};
    case Profile::kClock:
      return {"Pause",       "SlowNode",   "ClockRate",  "DiskStall",
              "ClientPause", "WildClock",  "ClockJump",  "CoarseClock",
              "LateTimers",  "TimerStorm", "ClientClock"};
    case Profile::kProcess:
      return {"Crash",     "CrashAtEffect", "CrashInDiskJob",
              "PowerCut",  "Pause",         "ClientCrash",
              "CrashLoop", "ClientsAway",   "CleanStop"};
    default:
      return {};
  }
}

template <size_t kIndex = 0>
void AppendFaults(const std::vector<std::string_view>& names,
                  std::vector<Fault>* faults) {
  if constexpr (kIndex < std::variant_size_v<Fault>) {
    using T = std::variant_alternative_t<kIndex, Fault>;
    if (names.empty() ||
        std::find(names.begin(), names.end(), T::kName) != names.end()) {
      faults->push_back(T());
    }
    AppendFaults<kIndex + 1>(names, faults);
  }
}

rc::Gen<std::vector<TimedFault>> AnyFaults(Profile profile) {
  if (profile == Profile::kHealthy) {
    return rc::gen::just(std::vector<TimedFault>());
  }
  std::vector<Fault> types;
  const std::vector<std::string_view> names = NamesOf(profile);
  AppendFaults(names, &types);
  CHECK(names.empty() || names.size() == types.size());  // no such fault
  constexpr size_t kFieldsMax = 20;
  return rc::gen::scale(
      0.5, rc::gen::container<std::vector<TimedFault>>(
               rc::gen::map(AnyRaw(kFieldsMax), [types](const Raw& raw) {
                 Maker maker(raw);
                 TimedFault timed;
                 timed.at_us = maker.Between(1, kHealUs - 1);
                 timed.fault = maker.OneOf(types);
                 std::visit([&maker](auto& one) { maker.Fields(&one); },
                            timed.fault);
                 return timed;
               })));
}

// What stays wrong after the heal, mostly nothing.
std::vector<Fault> MakeLingering(Profile profile, const Raw& raw,
                                 int64_t length_us) {
  Maker maker(raw);
  const int64_t which = maker.Between(0, 9);
  const Victim leader{Victim::kLeader};
  const bool net = profile == Profile::kAll || profile == Profile::kNet;
  const bool disk = profile == Profile::kAll || profile == Profile::kDisk;
  if (net && which == 7) {
    return {Partition{.with = leader,
                      .way = Partition::Way::kIn,
                      .block = SimNetwork::Block::kLose,
                      .length_us = length_us}};
  }
  if (net && which == 8) {
    return {Partition{
        .with = leader, .way = Partition::Way::kOut, .length_us = length_us}};
  }
  if (disk && which == 9) {
    return {SlowDisk{leader, 100 * maker.Between(10, 60), length_us}};
  }
  return {};
}

// -------------------------------------------------- configuration, workload

WorldConfig MakeConfig(const Raw& raw) {
  Maker maker(raw);
  WorldConfig config;
  config.length_us = kLengthUs;
  config.nodes = maker.Flag() ? 5 : kNodesMin;
  config.clients = static_cast<uint32_t>(maker.Between(kClientsMin, 6));
  config.election_us = 1000 * maker.OneOf<int64_t>({300, 150, 200, 400});
  config.heartbeat_us = config.election_us / 6;
  config.segment_bytes = maker.OneOf<uint64_t>({16, 2, 4, 64}) << 10;
  config.disk.job_us = maker.Between(50, 400);
  config.disk.jitter_us = maker.Between(10, 200);
  config.links.delay_us = maker.Between(30, 1'500);
  config.links.jitter_us = maker.Between(10, 300);
  raft::Limits& limits = config.bounds.raft;
  limits.append_entries =
      maker.OneOf<uint64_t>({raft::kAppendEntriesMax, 1, 3});
  limits.inflight_appends =
      maker.OneOf<uint64_t>({raft::kInflightAppendsMax, 1, 3});
  limits.uncommitted_bytes =
      maker.OneOf<uint64_t>({raft::kUncommittedBytesMax, 500, 5'000});
  config.bounds.inputs_per_turn = maker.OneOf<uint64_t>({0, 1, 3});
  return config;
}

registry::CallBody MakeBody(Maker* maker) {
  using registry::Operation;
  using registry::ReadOperation;
  const int64_t what = maker->Between(0, 9);
  const std::string key = "key-" + std::to_string(maker->Between(0, 3));
  const std::string registry =
      maker->Flag() ? kDuplicateRegistry : kUniqueRegistry;
  const auto process = static_cast<uint64_t>(maker->Between(0, 2));
  const int64_t number = maker->Between(0, 1000);
  const bool any_owner = maker->Flag();
  switch (what) {
    case 0:
    case 1:
    case 2:
      return Operation(registry::Register{registry, key, number, process});
    case 3:
      return Operation(registry::Unregister{registry, key, process, any_owner});
    case 4:
    case 5:
      return Operation(
          registry::UpdateValue{.registry = kUniqueRegistry,
                                .key = key,
                                .change = registry::AddValue{number},
                                .process = process,
                                .any_owner = any_owner});
    case 6:
      return Operation(registry::EndProcess{process});
    case 7:
      return ReadOperation(registry::Count{registry, key});
    case 8:
      return number < 950
                 ? registry::CallBody(ReadOperation(registry::Keys{registry}))
                 : Operation(registry::EndSession{});
    default:
      return number < 950 ? registry::CallBody(
                                ReadOperation(registry::Lookup{registry, key}))
                          : registry::TransferRequest{};
  }
}

rc::Gen<std::vector<TimedOperation>> AnyOperations() {
  constexpr size_t kNumbers = 9;
  return rc::gen::container<std::vector<TimedOperation>>(
      rc::gen::map(AnyRaw(kNumbers), [](const Raw& raw) {
        Maker maker(raw);
        TimedOperation operation;
        operation.at_us = maker.Between(0, kLengthUs * 85 / 100);
        operation.client = static_cast<uint32_t>(maker.Between(0, 5));
        operation.compare = maker.Flag();
        operation.body = MakeBody(&maker);
        return operation;
      }));
}

}  // namespace

rc::Gen<Scenario> AnyScenario(Profile profile) {
  constexpr size_t kConfigNumbers = 13;
  return rc::gen::map(
      rc::gen::tuple(rc::gen::inRange<uint64_t>(0, 1'000),
                     AnyRaw(kConfigNumbers), AnyFaults(profile),
                     AnyOperations(), AnyRaw(2)),
      [profile](const auto& parts) {
        const auto& [seed, config, faults, operations, lingering] = parts;
        Scenario scenario{.seed = seed, .config = MakeConfig(config)};
        scenario.plan = {faults, kHealUs, {}};
        scenario.plan.lingering = MakeLingering(
            profile, lingering,
            scenario.LeaderDueUs() - kHealUs + kProgressUs + kLingerMarginUs);
        scenario.operations = operations;
        for (TimedOperation& operation : scenario.operations) {
          operation.client %= scenario.config.clients;
        }
        SortByTime(&scenario);
        CHECK(Validate(scenario).ok());
        return scenario;
      });
}

void showValue(const Scenario& scenario, std::ostream& os) {
  os << "\n" << ToText(scenario);
}

}  // namespace sim
