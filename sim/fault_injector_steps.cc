// Graphs of links, and faults that happen again and again.
#include <algorithm>
#include <utility>
#include <variant>

#include "raft/check.h"
#include "sim/fault_injector.h"
#include "sim/random.h"

namespace sim {
namespace {

// No fault repeats faster, whatever a plan says.
constexpr int64_t kStepMinUs = 1'000;

// The numbers below `count` in an order of their own.
std::vector<size_t> Shuffled(size_t count, uint64_t order, uint64_t which) {
  Draws draws(order, Stream::kSwizzle, which);
  std::vector<size_t> numbers(count);
  for (size_t i = 0; i < count; ++i) {
    const size_t at = draws.Below(i + 1);
    numbers[i] = numbers[at];
    numbers[at] = i;
  }
  return numbers;
}

}  // namespace

void FaultInjector::Do(const Topology& fault) {
  const uint32_t first = Resolve(fault.first);
  const std::optional<uint32_t> leader = cluster_->leader();
  Active active{.block = fault.block};
  uint32_t lost = 0;
  for (uint32_t p = 0; p < cluster_->size(); ++p) {
    for (uint32_t q = 0; q < cluster_->size(); ++q) {
      if (p == q || (fault.cuts >> (8 * p + q) & 1) == 0) continue;
      const Process from = (first + p) % cluster_->size();
      const Process to = (first + q) % cluster_->size();
      active.blocked.push_back({from, to});
      links_cut_ += cluster_->up(from) && cluster_->up(to);
      lost += leader == from;
    }
  }
  leaders_half_cut_ += lost > 0 && lost < cluster_->size() - 1;
  BlockLinks(&active);
  Last(std::move(active), fault.length_us);
}

void FaultInjector::Do(const ClientCut& fault) {
  const Process client = cluster_->size() + fault.client % workload_->clients();
  Active active;
  for (Process node = 0; node < cluster_->size(); ++node) {
    if ((fault.members >> node & 1) == 0) continue;
    client_links_cut_ += cluster_->up(node);
    if (fault.way != Way::kIn) active.blocked.push_back({client, node});
    if (fault.way != Way::kOut) active.blocked.push_back({node, client});
  }
  BlockLinks(&active);
  Last(std::move(active), fault.length_us);
}

void FaultInjector::Do(const PathStall& fault) {
  const uint32_t node = Resolve(fault.victim);
  Last({.node = node, .stalled = network_->StallConnections(fault.first, node)},
       fault.length_us);
}

void FaultInjector::Do(const NodeWeather& fault) {
  Last({.node = Resolve(fault.victim)}, fault.length_us);
  SetLinks();
}

void FaultInjector::Do(const Flap& fault) {
  Step(Last({.node = Resolve(fault.victim), .block = fault.block},
            fault.length_us));
}

void FaultInjector::Do(const Swizzle& fault) {
  Step(Last({}, fault.length_us));
}

void FaultInjector::Do(const CrashLoop& fault) {
  Step(Last({.node = Resolve(fault.victim)}, fault.length_us));
}

void FaultInjector::Do(const ClientHop& fault) {
  Step(Last({}, fault.length_us));
}

void FaultInjector::Do(const SlowReader& fault) {
  const Process client = cluster_->size() + fault.client % workload_->clients();
  Active active;
  for (Process node = 0; node < cluster_->size(); ++node) {
    active.blocked.push_back({node, client});
  }
  BlockLinks(&active);
  Last(std::move(active), fault.length_us);
}

void FaultInjector::Do(const ClientsAway& fault) {
  for (uint32_t client = 0; client < workload_->clients(); ++client) {
    workload_->Pause(client, fault.length_us);
  }
}

void FaultInjector::Do(const WildClock& fault) {
  const uint32_t node = Resolve(fault.victim);
  cluster_->SetClockRate(node, fault.wild_ppm);
  Last({.node = node}, fault.length_us);
}

void FaultInjector::Do(const ClockJump& fault) {
  cluster_->JumpClock(Resolve(fault.victim), fault.ahead_us);
}

void FaultInjector::Do(const CoarseClock& fault) {
  const uint32_t node = Resolve(fault.victim);
  cluster_->SetClockGrain(node, fault.grain_us);
  Last({.node = node}, fault.length_us);
}

void FaultInjector::Do(const LateTimers& fault) {
  const uint32_t node = Resolve(fault.victim);
  cluster_->SetTimerLateness(node, fault.percent);
  Last({.node = node}, fault.length_us);
}

void FaultInjector::Do(const TimerStorm& fault) {
  for (uint32_t node = 0; node < cluster_->size(); ++node) {
    cluster_->HoldTimers(node, fault.length_us);
  }
}

void FaultInjector::Do(const ClientClock& fault) {
  workload_->SetClock(fault.client, fault.ahead_us, fault.wild_ppm);
  Last({}, fault.length_us);
}

void FaultInjector::Step(size_t index) {
  Active& active = active_.at(index);
  if (active.over) return;
  upsets_ += healed_;
  int64_t next_us = 0;
  if (const auto* flap = std::get_if<Flap>(active.fault)) {
    next_us = Step(&active, *flap);
  } else if (const auto* swizzle = std::get_if<Swizzle>(active.fault)) {
    next_us = Step(&active, *swizzle);
  } else if (const auto* loop = std::get_if<CrashLoop>(active.fault)) {
    next_us = Step(&active, *loop);
  } else if (const auto* hop = std::get_if<ClientHop>(active.fault)) {
    next_us = Step(&active, *hop);
  } else {
    CHECK(false);
  }
  ++active.steps;
  scheduler_->After(std::max(next_us, kStepMinUs),
                    {SimEvent::Kind::kFaultStep, 0, index});
}

int64_t FaultInjector::Step(Active* active, const Flap& fault) {
  if (!active->blocked.empty()) {
    UnblockLinks(active);
    return fault.whole_us;
  }
  active->blocked = LinksOf(uint32_t{1} << active->node, fault.way);
  BlockLinks(active);
  flaps_ += cluster_->up(active->node);
  return fault.cut_us;
}

int64_t FaultInjector::Step(Active* active, const Swizzle& fault) {
  const Process nodes = cluster_->size();
  const size_t links = size_t{nodes} * (nodes - 1);
  const size_t step = active->steps;
  if (step < links) {
    const size_t number = Shuffled(links, fault.order, 0)[step];
    const auto from = static_cast<Process>(number / (nodes - 1));
    auto to = static_cast<Process>(number % (nodes - 1));
    to += to >= from;
    network_->AddBlock(from, to, active->block);
    active->blocked.push_back({from, to});
    links_swizzled_ += cluster_->up(from) && cluster_->up(to);
  } else if (!active->blocked.empty()) {
    Draws draws(fault.order, Stream::kSwizzle, 1, step);
    const auto opened =
        active->blocked.begin() +
        static_cast<ptrdiff_t>(draws.Below(active->blocked.size()));
    network_->RemoveBlock(opened->first, opened->second, active->block);
    active->blocked.erase(opened);
  }
  return fault.length_us / static_cast<int64_t>(2 * links);
}

int64_t FaultInjector::Step(Active* active, const CrashLoop& fault) {
  loop_crashes_ += cluster_->up(active->node);
  cluster_->Crash(active->node, fault.power, fault.down_us);
  return fault.up_us + fault.down_us;
}

int64_t FaultInjector::Step(Active*, const ClientHop& fault) {
  const Process client = cluster_->size() + fault.client % workload_->clients();
  for (Process node = 0; node < cluster_->size(); ++node) {
    hops_ += network_->ResetConnections(client, node, SimNetwork::Reset::kBoth,
                                        false);
  }
  return fault.gap_us;
}

std::vector<std::pair<std::string, uint64_t>> FaultInjector::Effects() const {
  const TimeEffects nodes = cluster_->time_effects();
  const TimeEffects clients = workload_->time_effects();
  return {
      {"links_cut_by_topology", links_cut_},
      {"leaders_half_cut", leaders_half_cut_},
      {"node_flaps", flaps_},
      {"links_swizzled", links_swizzled_},
      {"client_links_cut", client_links_cut_},
      {"crashes_in_loops", loop_crashes_},
      {"turns_on_wild_clocks", nodes.turns_wild},
      {"turns_on_stopped_clocks", nodes.turns_stopped},
      {"turns_on_coarse_clocks", nodes.turns_coarse},
      {"turns_after_clock_jumps", nodes.turns_after_jump},
      {"timers_late", nodes.timers_late},
      {"timers_in_storms", nodes.timers_held},
      {"client_turns_on_wild_clocks", clients.turns_wild},
      {"client_turns_after_clock_jumps", clients.turns_after_jump},
      {"replies_left_unread", left_unread_},
      {"client_hops", hops_},
  };
}

}  // namespace sim
