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

 private:
  // Something that lasts, and is to be taken back.
  struct Active {
    const Fault* fault = nullptr;
    uint32_t node = 0;
    std::vector<std::pair<Process, Process>> blocked;
    SimNetwork::Block block = SimNetwork::Block::kHold;
    bool over = false;
  };

  uint32_t Resolve(const Victim& victim) const;
  void Last(Active active, int64_t length_us);
  void End(Active* active);
  void SetLinks();

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

  const FaultPlan plan_;
  const LinkProfile fair_;
  Scheduler* const scheduler_;
  SimNetwork* const network_;
  Cluster* const cluster_;
  Workload* const workload_;
  std::vector<Active> active_;  // also those that are over
  const Fault* doing_ = nullptr;
  uint64_t happened_ = 0;
};

}  // namespace sim

#endif  // SIM_FAULT_INJECTOR_H_
