#include "sim/shrink.h"

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "raft/check.h"
#include "raft/digest.h"
#include "sim/scenario_edit.h"

namespace sim {
namespace {

// What a run is taken to cost that could not tell.
constexpr uint64_t kEventsOfACrash = 20'000;
// An event takes as long as so many bytes on their way through both sides.
constexpr uint64_t kBytesOfAnEvent = 256;
// Passes over everything, until nothing gets smaller.
constexpr int kRoundsMax = 12;
// Other seeds under which a fault may turn out not to be needed.
constexpr uint64_t kOtherSeeds = 20;
// Of more operations than this, times and values are left alone.
constexpr size_t kOperationsPolished = 24;

class Shrinker {
 public:
  Shrinker(const Scenario& failing, const RunScenario& run,
           const ShrinkOptions& options)
      : run_(run), options_(options) {
    shrunk_.scenario = failing;
    last_ = Execute(failing);
    shrunk_.verdict = last_.verdict;
    CHECK(!last_.verdict.ok());
  }

  Shrunk Run() {
    for (int round = 0; round < kRoundsMax && !shrunk_.gave_up; ++round) {
      const std::string before = ToText(now());
      Cut();
      UsualConfig();
      FewerFaults();
      FewerOperations();
      FewerProcesses();
      ShorterRun();
      Polish();
      if (ToText(now()) == before && !OtherSeeds()) break;
    }
    return std::move(shrunk_);
  }

 private:
  const Scenario& now() const { return shrunk_.scenario; }

  Outcome Execute(const Scenario& scenario) {
    ++shrunk_.runs;
    const Outcome outcome = run_(scenario);
    shrunk_.events += outcome.events == 0 ? kEventsOfACrash : outcome.events;
    return outcome;
  }

  // True if the candidate fails in the same way; then it is what stands.
  bool Try(Scenario candidate) {
    SortByTime(&candidate);
    if (candidate == now() || !Validate(candidate).ok()) return false;
    raft::Digest digest;
    digest.AddText(ToText(candidate));
    if (!tried_.insert(digest.value()).second) {
      ++shrunk_.remembered;
      return false;
    }
    if (shrunk_.runs >= options_.runs_max ||
        shrunk_.events >= options_.events_max) {
      shrunk_.gave_up = true;
      return false;
    }
    const Outcome outcome = Execute(candidate);
    if (outcome.verdict != shrunk_.verdict) return false;
    last_ = outcome;
    shrunk_.scenario = std::move(candidate);
    return true;
  }
  template <typename Edit>
  bool TryWith(Edit&& edit) {
    Scenario candidate = now();
    edit(&candidate);
    return Try(std::move(candidate));
  }

  // Delta debugging over a list: removes pieces of it, from the back, each half
  // as long as those of the pass before; single ones until none can go.
  template <typename Count, typename Remove>
  void Reduce(Count&& count, Remove&& remove) {
    const size_t all = count(now());
    if (all == 0) return;
    const auto try_without = [&](size_t begin, size_t end) {
      return TryWith([&](Scenario* s) { remove(s, begin, end); });
    };
    if (try_without(0, all)) return;
    for (size_t piece = (all + 1) / 2;;
         piece = std::max<size_t>(piece / 2, 1)) {
      bool removed = false;
      for (size_t end = count(now()); end > 0;) {
        const size_t begin = end > piece ? end - piece : 0;
        removed = try_without(begin, end) || removed;
        end = begin;
      }
      if (piece == 1 && !removed) return;
    }
  }

  // What comes after the end of the failing run did not bring it about.
  void Cut() {
    if (last_.end_us == 0) return;
    const int64_t end_us = last_.end_us;
    TryWith([end_us](Scenario* s) {
      std::erase_if(s->plan.faults, [end_us](const TimedFault& timed) {
        return timed.at_us > end_us;
      });
      std::erase_if(s->operations, [end_us](const TimedOperation& operation) {
        return operation.at_us > end_us;
      });
      if (s->plan.heal_at_us > end_us) s->plan.lingering.clear();
    });
  }

  void UsualConfig() {
    TryWith([](Scenario* s) {
      s->config = {.nodes = s->config.nodes,
                   .clients = s->config.clients,
                   .length_us = s->config.length_us,
                   .lying_disks = s->config.lying_disks};
    });
  }

  void FewerFaults() {
    // A class at a time, then piece by piece.
    std::set<size_t> classes;
    for (const TimedFault& timed : now().plan.faults) {
      classes.insert(timed.fault.index());
    }
    for (const size_t index : classes) {
      TryWith([index](Scenario* s) {
        std::erase_if(s->plan.faults, [index](const TimedFault& timed) {
          return timed.fault.index() == index;
        });
      });
    }
    Reduce(FaultsOf, RemoveFaults);
    Cut();
  }

  void FewerOperations() {
    for (uint32_t client = 0; client < now().config.clients; ++client) {
      TryWith([client](Scenario* s) {
        std::erase_if(s->operations, [client](const TimedOperation& operation) {
          return operation.client == client;
        });
      });
    }
    Reduce([](const Scenario& s) { return s.operations.size(); },
           RemoveOperations);
    Cut();
  }

  void FewerProcesses() {
    for (const uint32_t nodes : {3u, 4u}) {
      if (nodes >= now().config.nodes) break;
      if (TryWith([nodes](Scenario* s) { SetNodes(s, nodes); })) break;
    }
    for (uint32_t clients = 1; clients < now().config.clients; ++clients) {
      if (TryWith([clients](Scenario* s) { SetClients(s, clients); })) break;
    }
  }

  void ShorterRun() {
    const auto heal = [](Scenario* to, int64_t us) {
      to->plan.heal_at_us = us;
      std::erase_if(to->plan.faults, [us](const TimedFault& timed) {
        return timed.at_us >= us;
      });
    };
    const int64_t heal_us = now().plan.heal_at_us;
    if (!Smallest(heal_us, heal)) Rounder(heal_us, heal);
    Smallest(FirstUs(now()), Begin);
    // It lasts until a leader is due after the heal anyway.
    if (now().config.length_us > now().plan.heal_at_us) {
      const int64_t length = now().config.length_us;
      const auto set = [](Scenario* to, int64_t us) {
        to->config.length_us = us;
      };
      if (!TryWith([&](Scenario* to) { set(to, to->plan.heal_at_us); })) {
        Smallest(length, set);
      }
    }
  }

  // The smallest of 1, 2, 5, 10, 20, ... below `value` that still fails, if
  // larger ones do; true if one was found.
  template <typename Set>
  bool Smallest(int64_t value, Set&& set) {
    const std::vector<int64_t> round = RoundNumbersBelow(value);
    size_t good = round.size(), bad = 0;
    while (bad < good) {
      const size_t middle = (bad + good) / 2;
      const bool fails = TryWith([&](Scenario* s) { set(s, round[middle]); });
      (fails ? good : bad) = fails ? middle : middle + 1;
    }
    return good < round.size();
  }

  // `value` with one, two or three digits that are not zeros at the end.
  template <typename Set>
  void Rounder(int64_t value, Set&& set) {
    for (int digits = 1; digits <= 3; ++digits) {
      const int64_t rounded = RoundTo(value, digits);
      if (rounded == value) return;
      if (TryWith([&](Scenario* s) { set(s, rounded); })) return;
    }
  }

  // Every field on its own: what it usually is, else smaller, else rounder.
  void Polish() {
    const bool with_operations = now().operations.size() <= kOperationsPolished;
    const size_t count = KnobsOf(now(), with_operations).size();
    // Nothing here changes how many there are.
    for (size_t i = 0; i < count; ++i) {
      const Knob knob = KnobsOf(now(), with_operations)[i];
      const auto set = [i, with_operations](Scenario* s, int64_t value) {
        SetKnob(s, with_operations, i, value);
      };
      const auto try_value = [&](int64_t value) {
        return TryWith([&](Scenario* s) { set(s, value); });
      };
      switch (knob.kind) {
        case Knob::Kind::kFlag:
          try_value(knob.usual);
          break;
        case Knob::Kind::kVictim:
          if (knob.value < Victim::kLeader && !try_value(Victim::kLeader)) {
            try_value(Victim::kFollower);
          }
          break;
        case Knob::Kind::kStrength:
          if (knob.value == knob.usual || try_value(knob.usual)) break;
          if (!Smallest(knob.value, set)) Rounder(knob.value, set);
          break;
        case Knob::Kind::kConfig:
          if (knob.value == knob.usual || try_value(knob.usual)) break;
          Rounder(knob.value, set);
          break;
        case Knob::Kind::kTime:
          Rounder(knob.value, set);
          break;
      }
    }
  }

  // A fault or an operation may be needed only because the luck of this seed
  // is: who wins a race is not listed in a scenario. True if one less will do
  // with another seed.
  bool OtherSeeds() {
    for (size_t i = FaultsOf(now()); i-- > 0;) {
      if (AnySeed([i](Scenario* s) { RemoveFaults(s, i, i + 1); })) return true;
    }
    const size_t operations = now().operations.size();
    const size_t least = operations / kOperationsPolished + 1;
    for (size_t piece = (operations + 1) / 2; piece >= least; piece /= 2) {
      for (size_t end = operations; end >= piece; end -= piece) {
        const size_t begin = end - piece;
        if (AnySeed([=](Scenario* s) { RemoveOperations(s, begin, end); })) {
          return true;
        }
      }
    }
    return false;
  }

  template <typename Edit>
  bool AnySeed(Edit&& edit) {
    for (uint64_t seed = 1; seed <= kOtherSeeds; ++seed) {
      const bool fails = TryWith([&](Scenario* s) {
        s->seed = seed;
        edit(s);
      });
      if (fails) return true;
    }
    return false;
  }

  const RunScenario& run_;
  const ShrinkOptions options_;
  Shrunk shrunk_;
  Outcome last_;  // of what stands
  std::set<uint64_t> tried_;
};

}  // namespace

uint64_t CostOf(uint64_t events, const std::vector<Count>& counts) {
  for (const auto& [name, value] : counts) {
    if (name == "network_bytes") return events + value / kBytesOfAnEvent;
  }
  return events;
}

Outcome OutcomeOf(const SimulationResult& result) {
  Outcome outcome{.events = CostOf(result.events, result.counts),
                  .end_us = result.simulated_us};
  if (!result.violations.empty()) {
    const Violation& first = result.violations.front();
    outcome.verdict = {std::string(ToString(first.kind)), first.checker};
  }
  return outcome;
}

Shrunk Shrink(const Scenario& failing, const RunScenario& run,
              const ShrinkOptions& options) {
  return Shrinker(failing, run, options).Run();
}

}  // namespace sim
