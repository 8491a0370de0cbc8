// FaultInjector: carries out a FaultPlan on a cluster, its network and its
// clients, and takes everything back when the plan heals.
#ifndef SIM_FAULT_INJECTOR_H_
#define SIM_FAULT_INJECTOR_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "sim/cluster.h"
#include "sim/fault_plan.h"
#include "sim/scheduler.h"
#include "sim/sim_network.h"
#include "sim/workload.h"

namespace sim {

class FaultInjector {
 public:
  // Everything outlives the injector. `fair` is how links are without weather.
  FaultInjector(const FaultPlan& plan, const LinkProfile& fair,
                Scheduler* scheduler, SimNetwork* network, Cluster* cluster,
                Workload* workload);

  // Schedules the plan's faults (not its healing).
  void Start();
  // kFault and kFaultEnd events.
  void OnEvent(const SimEvent& event);
  // Takes everything back, and begins what lingers.
  void Heal();

  uint64_t happened() const { return happened_; }
  // What topologies, flaps and loops did, by name.
  std::vector<std::pair<std::string, uint64_t>> Effects() const;
  // Bit i: what lingers touches node i. Nothing else is wrong after Heal.
  uint32_t sick() const { return sick_; }
  // What lingers comes and goes: a node that leads may be gone at any moment.
  bool restless() const { return restless_; }
  // How often since Heal something began or ended that may cost a leader.
  uint64_t upsets() const { return upsets_; }

 private:
  // Something that lasts, and is to be taken back.
  struct Active {
    const Fault* fault = nullptr;
    uint32_t node = 0;
    std::vector<std::pair<Process, Process>> blocked;
    SimNetwork::Block block = SimNetwork::Block::kHold;
    std::vector<uint32_t> stalled;  // connections
    bool over = false;
    uint64_t steps = 0;  // of a fault that happens again and again
  };

  uint32_t Resolve(const Victim& victim) const;
  template <typename T>
  uint32_t Pin(T* fault) const;
  size_t Last(Active active, int64_t length_us);
  void End(Active* active);
  void SetLinks();
  void BlockLinks(Active* active);
  void UnblockLinks(Active* active);
  std::vector<std::pair<Process, Process>> LinksOf(uint32_t side,
                                                   Way way) const;

  // fault_injector_steps.cc: faults that happen again and again.
  void Step(size_t index);
  int64_t Step(Active* active, const Flap& fault);
  int64_t Step(Active* active, const Swizzle& fault);
  int64_t Step(Active* active, const CrashLoop& fault);
  int64_t Step(Active* active, const ClientHop& fault);

  void Do(const Crash& fault);
  void Do(const CrashAtEffect& fault);
  void Do(const CrashInDiskJob& fault);
  void Do(const PowerCut& fault);
  void Do(const Pause& fault);
  void Do(const SlowNode& fault);
  void Do(const SlowDisk& fault);
  void Do(const DiskStall& fault);
  void Do(const SyncError& fault);
  void Do(const ClockRate& fault);
  void Do(const Partition& fault);
  void Do(const Clog& fault);
  void Do(const ResetLink& fault);
  void Do(const BlackHole& fault);
  void Do(const Weather& fault);
  void Do(const ClientCrash& fault);
  void Do(const ClientPause& fault);
  void Do(const Depose& fault);
  void Do(const Topology& fault);
  void Do(const Flap& fault);
  void Do(const Swizzle& fault);
  void Do(const NodeWeather& fault);
  void Do(const ClientCut& fault);
  void Do(const CrashLoop& fault);
  void Do(const WildClock& fault);
  void Do(const ClockJump& fault);
  void Do(const CoarseClock& fault);
  void Do(const LateTimers& fault);
  void Do(const TimerStorm& fault);
  void Do(const ClientClock& fault);
  void Do(const SlowReader& fault);
  void Do(const ClientsAway& fault);
  void Do(const ClientHop& fault);
  void Do(const DiskFailure& fault);
  void Do(const DiskFull& fault);
  void Do(const DiskReadOnly& fault);
  void Do(const DamageDisk& fault);
  void Do(const PathStall& fault);
  void Do(const CleanStop& fault);

  const FaultPlan plan_;
  const LinkProfile fair_;
  Scheduler* const scheduler_;
  SimNetwork* const network_;
  Cluster* const cluster_;
  Workload* const workload_;
  std::vector<Active> active_;    // also those that are over
  std::vector<Fault> lingering_;  // the plan's, victims by number
  const Fault* doing_ = nullptr;
  uint64_t happened_ = 0;
  bool healed_ = false;
  uint32_t sick_ = 0;
  bool restless_ = false;
  uint64_t upsets_ = 0;
  uint64_t links_cut_ = 0;  // by a topology
  uint64_t leaders_half_cut_ = 0;
  uint64_t flaps_ = 0;
  uint64_t links_swizzled_ = 0;
  uint64_t client_links_cut_ = 0;
  uint64_t loop_crashes_ = 0;
  uint64_t left_unread_ = 0;
  uint64_t hops_ = 0;
};

}  // namespace sim

#endif  // SIM_FAULT_INJECTOR_H_
