#include "sim/fault_injector.h"

#include <algorithm>
#include <type_traits>
#include <utility>
#include <variant>

#include "raft/check.h"

namespace sim {
namespace {

// The links of a storm: chances add up, delays too, the narrowest wire counts.
LinkProfile Together(LinkProfile a, const LinkProfile& b) {
  a.delay_us += b.delay_us;
  a.jitter_us += b.jitter_us;
  a.tail += b.tail;
  a.tail_us = std::max(a.tail_us, b.tail_us);
  if (a.bytes_per_second == 0 ||
      (b.bytes_per_second != 0 && b.bytes_per_second < a.bytes_per_second)) {
    a.bytes_per_second = b.bytes_per_second;
  }
  a.split += b.split;
  a.corrupt += b.corrupt;
  a.drop += b.drop;
  a.duplicate += b.duplicate;
  a.reorder += b.reorder;
  return a;
}

}  // namespace

FaultInjector::FaultInjector(const FaultPlan& plan, const LinkProfile& fair,
                             Scheduler* scheduler, SimNetwork* network,
                             Cluster* cluster, Workload* workload)
    : plan_(plan),
      fair_(fair),
      scheduler_(scheduler),
      network_(network),
      cluster_(cluster),
      workload_(workload) {}

void FaultInjector::Start() {
  SetLinks();
  for (size_t i = 0; i < plan_.faults.size(); ++i) {
    const TimedFault& timed = plan_.faults[i];
    if (timed.at_us >= plan_.heal_at_us) continue;
    scheduler_->At(Instant(timed.at_us), {SimEvent::Kind::kFault, 0, i});
  }
}

void FaultInjector::OnEvent(const SimEvent& event) {
  if (event.kind == SimEvent::Kind::kFaultStep) return Step(event.arg);
  if (event.kind == SimEvent::Kind::kFaultEnd) {
    return End(&active_.at(event.arg));
  }
  CHECK(event.kind == SimEvent::Kind::kFault);
  ++happened_;
  doing_ = &plan_.faults.at(event.arg).fault;
  std::visit([this](const auto& fault) { Do(fault); }, *doing_);
}

void FaultInjector::Heal() {
  for (Active& active : active_) End(&active);
  cluster_->Heal();
  workload_->Heal();
  healed_ = true;
  upsets_ = 1;
  // Whoever leads when the first of them begins may not when the second does.
  lingering_ = plan_.lingering;
  for (Fault& fault : lingering_) {
    sick_ |= std::visit([this](auto& one) { return Pin(&one); }, fault);
  }
  // A minority may stay faulty; copies that are lost are part of it.
  if (!cluster_->CanSpare(sick_)) {
    lingering_.clear();
    sick_ = 0;
  }
  for (const Fault& fault : lingering_) {
    ++happened_;
    ++upsets_;
    restless_ |= std::holds_alternative<Flap>(fault) ||
                 std::holds_alternative<CrashLoop>(fault);
    doing_ = &fault;
    std::visit([this](const auto& one) { Do(one); }, fault);
  }
}

uint32_t FaultInjector::Resolve(const Victim& victim) const {
  const uint32_t leader = cluster_->leader().value_or(0);
  if (victim.node == Victim::kLeader) return leader;
  if (victim.node == Victim::kFollower) return (leader + 1) % cluster_->size();
  return victim.node % cluster_->size();
}

// Names the victim by its number. Gives a bit for each node that the fault
// touches.
template <typename T>
uint32_t FaultInjector::Pin(T* fault) const {
  if constexpr (requires { fault->victim; }) {
    fault->victim.node = Resolve(fault->victim);
    return uint32_t{1} << fault->victim.node;
  } else if constexpr (std::is_same_v<T, Partition>) {
    fault->with.node = Resolve(fault->with);
    return fault->side | uint32_t{1} << fault->with.node;
  } else if constexpr (requires { fault->client; }) {
    return 0;
  } else {
    return (uint32_t{1} << cluster_->size()) - 1;
  }
}

size_t FaultInjector::Last(Active active, int64_t length_us) {
  active.fault = doing_;
  active_.push_back(std::move(active));
  const size_t index = active_.size() - 1;
  scheduler_->After(length_us, {SimEvent::Kind::kFaultEnd, 0, index});
  return index;
}

void FaultInjector::BlockLinks(Active* active) {
  for (const auto& [from, to] : active->blocked) {
    network_->AddBlock(from, to, active->block);
  }
}

void FaultInjector::UnblockLinks(Active* active) {
  for (const auto& [from, to] : std::exchange(active->blocked, {})) {
    network_->RemoveBlock(from, to, active->block);
  }
}

// The links between the nodes of `side` and the other nodes.
std::vector<std::pair<Process, Process>> FaultInjector::LinksOf(uint32_t side,
                                                                Way way) const {
  std::vector<std::pair<Process, Process>> links;
  for (Process a = 0; a < cluster_->size(); ++a) {
    for (Process b = 0; b < cluster_->size(); ++b) {
      if ((side >> a & 1) == 0 || (side >> b & 1) != 0) continue;
      if (way != Way::kIn) links.push_back({a, b});
      if (way != Way::kOut) links.push_back({b, a});
    }
  }
  return links;
}

void FaultInjector::End(Active* active) {
  if (active->over) return;
  active->over = true;
  upsets_ += healed_;
  if (std::holds_alternative<SlowReader>(*active->fault)) {
    for (const auto& [from, to] : active->blocked) {
      left_unread_ += network_->HeldOn(from, to);
    }
  }
  UnblockLinks(active);
  network_->EndStalls(active->stalled);
  if (std::holds_alternative<SlowNode>(*active->fault)) {
    cluster_->SetSlowness(active->node, 100);
  } else if (std::holds_alternative<SlowDisk>(*active->fault)) {
    cluster_->SetDiskSlowness(active->node, 100);
  } else if (std::holds_alternative<DiskFull>(*active->fault)) {
    cluster_->FreeDisk(active->node);
  } else if (std::holds_alternative<DiskReadOnly>(*active->fault)) {
    cluster_->SetReadOnly(active->node, false);
  } else if (std::holds_alternative<ClockRate>(*active->fault)) {
    cluster_->SetClockRate(active->node, 0);
  } else if (std::holds_alternative<Weather>(*active->fault) ||
             std::holds_alternative<NodeWeather>(*active->fault)) {
    SetLinks();
  } else if (std::holds_alternative<WildClock>(*active->fault)) {
    cluster_->SetClockRate(active->node, 0);
  } else if (std::holds_alternative<CoarseClock>(*active->fault)) {
    cluster_->SetClockGrain(active->node, 1);
  } else if (std::holds_alternative<LateTimers>(*active->fault)) {
    cluster_->SetTimerLateness(active->node, 100);
  } else if (const auto* clock = std::get_if<ClientClock>(active->fault)) {
    workload_->ResetClock(clock->client);
  } else if (std::holds_alternative<CrashLoop>(*active->fault)) {
    cluster_->Revive(active->node);
  } else if (const auto* hole = std::get_if<BlackHole>(active->fault)) {
    network_->GiveUpBlackHoles(hole->first, hole->second);
  }
}

void FaultInjector::SetLinks() {
  const Process processes = cluster_->size() + workload_->clients();
  for (Process from = 0; from < processes; ++from) {
    for (Process to = 0; to < processes; ++to) {
      LinkProfile profile = fair_;
      for (const Active& active : active_) {
        if (active.over) continue;
        if (const auto* weather = std::get_if<Weather>(active.fault)) {
          profile = Together(profile, weather->profile);
        } else if (const auto* own = std::get_if<NodeWeather>(active.fault)) {
          if (active.node != from && active.node != to) continue;
          profile = Together(profile, own->profile);
        }
      }
      network_->SetProfile(from, to, profile);
    }
  }
}

// ------------------------------------------------------------------ faults

void FaultInjector::Do(const Crash& fault) {
  cluster_->Crash(Resolve(fault.victim), fault.power, fault.down_us,
                  fault.crashes_in_boot);
}

void FaultInjector::Do(const CrashAtEffect& fault) {
  cluster_->CrashAtEffect(Resolve(fault.victim), fault.effects, fault.power,
                          fault.down_us);
}

void FaultInjector::Do(const CrashInDiskJob& fault) {
  cluster_->CrashInDiskJob(Resolve(fault.victim), fault.operations,
                           fault.down_us);
}

void FaultInjector::Do(const CleanStop& fault) {
  cluster_->CleanStop(Resolve(fault.victim), fault.down_us);
}

void FaultInjector::Do(const PowerCut& fault) {
  for (uint32_t node = 0; node < cluster_->size(); ++node) {
    // They come back one by one.
    cluster_->Crash(node, true, fault.down_us + fault.down_us * node / 4);
  }
}

void FaultInjector::Do(const Pause& fault) {
  cluster_->Pause(Resolve(fault.victim), fault.length_us);
}

void FaultInjector::Do(const SlowNode& fault) {
  const uint32_t node = Resolve(fault.victim);
  cluster_->SetSlowness(node, fault.percent);
  Last({.node = node}, fault.length_us);
}

void FaultInjector::Do(const SlowDisk& fault) {
  const uint32_t node = Resolve(fault.victim);
  cluster_->SetDiskSlowness(node, fault.percent);
  Last({.node = node}, fault.length_us);
}

void FaultInjector::Do(const DiskStall& fault) {
  cluster_->StallDisk(Resolve(fault.victim), fault.length_us);
}

void FaultInjector::Do(const SyncError& fault) {
  cluster_->FailOperation(Resolve(fault.victim), {.of = OperationClass::kSync},
                          fault.down_us);
}

void FaultInjector::Do(const ClockRate& fault) {
  const uint32_t node = Resolve(fault.victim);
  cluster_->SetClockRate(
      node, std::clamp(fault.rate_ppm, -kClockRateMaxPpm, kClockRateMaxPpm));
  Last({.node = node}, fault.length_us);
}

void FaultInjector::Do(const Partition& fault) {
  const uint32_t side = fault.side | uint32_t{1} << Resolve(fault.with);
  Active active{.blocked = LinksOf(side, fault.way), .block = fault.block};
  BlockLinks(&active);
  Last(std::move(active), fault.length_us);
}

void FaultInjector::Do(const Clog& fault) {
  Active active{.blocked = {{fault.from, fault.to}}};
  network_->AddBlock(fault.from, fault.to, active.block);
  Last(std::move(active), fault.length_us);
}

void FaultInjector::Do(const ResetLink& fault) {
  network_->ResetConnections(fault.first, fault.second, fault.reset, fault.cut);
}

void FaultInjector::Do(const BlackHole& fault) {
  network_->BlackHole(fault.first, fault.second);
  Last({}, fault.length_us);
}

void FaultInjector::Do(const Weather& fault) {
  Last({}, fault.length_us);
  SetLinks();
}

void FaultInjector::Do(const ClientCrash& fault) {
  workload_->Crash(fault.client, fault.down_us);
}

void FaultInjector::Do(const Depose& fault) {
  const uint32_t victim = Resolve(fault.victim);
  Active active;
  for (Process other = 0; other < cluster_->size(); ++other) {
    if (other == victim) continue;
    active.blocked.push_back({other, victim});
    network_->AddBlock(other, victim, active.block);
    network_->ResetConnections(victim, other, SimNetwork::Reset::kSecondOnly,
                               false);
  }
  Last(std::move(active), fault.length_us);
}

void FaultInjector::Do(const ClientPause& fault) {
  workload_->Pause(fault.client, fault.length_us);
}

void FaultInjector::Do(const DiskFailure& fault) {
  cluster_->FailOperation(
      Resolve(fault.victim),
      {.of = fault.of,
       .skip = fault.skip,
       .code = fault.full ? DiskError::Code::kFull : DiskError::Code::kIo},
      fault.down_us);
}

void FaultInjector::Do(const DiskFull& fault) {
  const uint32_t node = Resolve(fault.victim);
  cluster_->FillDisk(node, fault.room);
  Last({.node = node}, fault.length_us);
}

void FaultInjector::Do(const DiskReadOnly& fault) {
  const uint32_t node = Resolve(fault.victim);
  cluster_->SetReadOnly(node, true);
  Last({.node = node}, fault.length_us);
}

void FaultInjector::Do(const DamageDisk& fault) {
  cluster_->DamageDisk(Resolve(fault.victim), fault.kind, fault.salt);
}

}  // namespace sim
