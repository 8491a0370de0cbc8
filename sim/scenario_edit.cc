#include "sim/scenario_edit.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

#include "raft/check.h"
#include "raft/digest.h"

namespace sim {
namespace {

// ------------------------------------------------------------------- knobs

// Goes through the knobs of a scenario in order. With a target, sets that one.
class Knobs {
 public:
  Knobs() = default;
  Knobs(size_t target, int64_t value) : target_(target), value_(value) {}

  void Walk(Scenario* scenario, bool operations) {
    Fields(&scenario->config, Knob::Kind::kConfig);
    for (TimedFault& timed : scenario->plan.faults) {
      Time(&timed.at_us);
      std::visit([this](auto& fault) { Fault(&fault); }, timed.fault);
    }
    for (auto& lingering : scenario->plan.lingering) {
      std::visit([this](auto& fault) { Fault(&fault); }, lingering);
    }
    if (!operations) return;
    for (TimedOperation& operation : scenario->operations) {
      Time(&operation.at_us);
      Number(&operation.compare, false, Knob::Kind::kFlag);
      Alternative(&operation.body);
    }
  }

  std::vector<Knob> Take() { return std::move(knobs_); }

 private:
  template <typename T>
  void Number(T* field, T usual, Knob::Kind kind) {
    if (knobs_.size() == target_) *field = static_cast<T>(value_);
    knobs_.push_back({.kind = kind,
                      .value = static_cast<int64_t>(*field),
                      .usual = static_cast<int64_t>(usual)});
  }
  void Time(int64_t* at_us) { Number<int64_t>(at_us, 0, Knob::Kind::kTime); }

  template <typename T>
  void Fault(T* fault) {
    Fields(fault, Knob::Kind::kStrength);
  }

  // Sizes and the run's length have passes of their own; what a client or a
  // link is called has no order.
  static bool IsKnob(std::string_view name) {
    for (const std::string_view other :
         {"nodes", "clients", "length_us", "lying_disks"}) {
      if (name == other) return false;
    }
    return true;
  }

  // Beside each field the one of a default value.
  template <typename T>
  void Fields(T* value, Knob::Kind kind) {
    const bool is_config = kind == Knob::Kind::kConfig;
    std::vector<int64_t> usual;
    Usual(T(), &usual);
    size_t next = 0;
    Visit(value, [&](std::string_view name, auto* field) {
      using Field = std::remove_pointer_t<decltype(field)>;
      const int64_t was = usual.at(next++);
      if (is_config && !IsKnob(name)) return;
      if constexpr (std::is_same_v<Field, bool> || std::is_enum_v<Field>) {
        Number(field, static_cast<Field>(was), Knob::Kind::kFlag);
      } else if constexpr (std::is_same_v<Field, Victim>) {
        Number(&field->node, uint32_t{0}, Knob::Kind::kVictim);
      } else {
        Number(field, static_cast<Field>(was), kind);
      }
    });
  }

  template <typename T>
  static void Usual(T value, std::vector<int64_t>* usual) {
    Visit(&value, [usual](std::string_view, auto* field) {
      using Field = std::remove_pointer_t<decltype(field)>;
      if constexpr (std::is_same_v<Field, Victim>) {
        usual->push_back(field->node);
      } else {
        usual->push_back(static_cast<int64_t>(*field));
      }
    });
  }

  // Calls `f` for each field that is a number, a flag, an enum or a victim, at
  // any depth. The object is not constant, though its visitor is.
  template <typename T, typename F>
  static void Visit(T* value, F&& f) {
    value->Fields([&f](std::string_view name, const auto& field) {
      using Field = std::remove_cvref_t<decltype(field)>;
      auto* const mine = const_cast<Field*>(&field);
      if constexpr (std::is_integral_v<Field> || std::is_enum_v<Field> ||
                    std::is_same_v<Field, Victim>) {
        f(name, mine);
      } else if constexpr (raft::HasFields<Field>) {
        Visit(mine, f);
      }
    });
  }

  template <typename... Ts>
  void Alternative(std::variant<Ts...>* variant) {
    std::visit(
        [this](auto& one) {
          using T = std::remove_cvref_t<decltype(one)>;
          if constexpr (raft::HasFields<T>) {
            this->Fields(&one, Knob::Kind::kStrength);
          } else {
            this->Alternative(&one);
          }
        },
        *variant);
  }

  std::vector<Knob> knobs_;
  std::optional<size_t> target_;
  int64_t value_ = 0;
};

// Calls `f` with the name and every number of each fault.
template <typename F>
void ForEachNumber(FaultPlan* plan, F&& f) {
  const auto visit = [&f](auto& fault) {
    fault.Fields([&f](std::string_view name, const auto& field) {
      using Field = std::remove_cvref_t<decltype(field)>;
      if constexpr (std::is_same_v<Field, uint32_t>) {
        f(name, const_cast<uint32_t*>(&field));
      } else if constexpr (std::is_same_v<Field, Victim>) {
        f("node", const_cast<uint32_t*>(&field.node));
      }
    });
  };
  for (TimedFault& timed : plan->faults) std::visit(visit, timed.fault);
  for (Fault& fault : plan->lingering) std::visit(visit, fault);
}

template <typename T>
void Erase(std::vector<T>* list, size_t begin, size_t end) {
  list->erase(list->begin() + static_cast<ptrdiff_t>(begin),
              list->begin() + static_cast<ptrdiff_t>(end));
}

bool IsProcess(std::string_view name) {
  return name == "from" || name == "to" || name == "first" || name == "second";
}

}  // namespace

size_t FaultsOf(const Scenario& scenario) {
  return scenario.plan.faults.size() + scenario.plan.lingering.size();
}

void RemoveFaults(Scenario* scenario, size_t begin, size_t end) {
  std::vector<TimedFault>& faults = scenario->plan.faults;
  std::vector<Fault>& lingering = scenario->plan.lingering;
  const size_t timed = faults.size();
  CHECK_LE(end, timed + lingering.size());
  Erase(&lingering, std::max(begin, timed) - timed,
        std::max(end, timed) - timed);
  Erase(&faults, std::min(begin, timed), std::min(end, timed));
}

void RemoveOperations(Scenario* scenario, size_t begin, size_t end) {
  Erase(&scenario->operations, begin, end);
}

void SetNodes(Scenario* scenario, uint32_t nodes) {
  const uint32_t before = scenario->config.nodes;
  scenario->config.nodes = nodes;
  ForEachNumber(&scenario->plan, [=](std::string_view name, uint32_t* number) {
    if (name == "side") {
      *number &= (uint32_t{1} << nodes) - 1;
    } else if (name == "node" && *number < Victim::kLeader) {
      *number %= nodes;
    } else if (IsProcess(name)) {
      *number = *number < before ? *number % nodes : *number - before + nodes;
    }
  });
}

void SetClients(Scenario* scenario, uint32_t clients) {
  const uint32_t nodes = scenario->config.nodes;
  scenario->config.clients = clients;
  for (TimedOperation& operation : scenario->operations) {
    operation.client %= clients;
  }
  ForEachNumber(&scenario->plan, [=](std::string_view name, uint32_t* number) {
    if (name == "client") {
      *number %= clients;
    } else if (IsProcess(name) && *number >= nodes) {
      *number = nodes + (*number - nodes) % clients;
    }
  });
}

int64_t FirstUs(const Scenario& scenario) {
  int64_t first_us = scenario.plan.heal_at_us;
  for (const TimedFault& timed : scenario.plan.faults) {
    first_us = std::min(first_us, timed.at_us);
  }
  for (const TimedOperation& operation : scenario.operations) {
    first_us = std::min(first_us, operation.at_us);
  }
  return first_us;
}

void Begin(Scenario* scenario, int64_t first_us) {
  const int64_t later_us = first_us - FirstUs(*scenario);
  for (TimedFault& timed : scenario->plan.faults) timed.at_us += later_us;
  for (TimedOperation& operation : scenario->operations) {
    operation.at_us += later_us;
  }
  scenario->plan.heal_at_us += later_us;
}

std::vector<Knob> KnobsOf(const Scenario& scenario, bool operations) {
  Scenario copy = scenario;
  Knobs knobs;
  knobs.Walk(&copy, operations);
  return knobs.Take();
}

void SetKnob(Scenario* scenario, bool operations, size_t knob, int64_t value) {
  Knobs(knob, value).Walk(scenario, operations);
}

std::vector<int64_t> RoundNumbersBelow(int64_t value) {
  std::vector<int64_t> numbers;
  constexpr int64_t kMax = 1'000'000'000'000'000;
  for (int64_t power = 1; power < value && power <= kMax; power *= 10) {
    for (const int64_t digit : {1, 2, 5}) {
      if (digit * power < value) numbers.push_back(digit * power);
    }
  }
  return numbers;
}

int64_t RoundTo(int64_t value, int digits) {
  int64_t most = 1;
  for (int i = 0; i < digits; ++i) most *= 10;
  int64_t unit = 1;
  while (value / unit >= most || value / unit <= -most) unit *= 10;
  const int64_t half = value < 0 ? -unit / 2 : unit / 2;
  return (value + half) / unit * unit;
}

}  // namespace sim
