// How the faults of a seed are drawn, a file for each family; fault_plan.cc
// puts them together. Every class has draws of its own, so that one more or
// less of another class changes nothing in it.
#ifndef SIM_FAULT_DRAW_H_
#define SIM_FAULT_DRAW_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "sim/fault_plan.h"
#include "sim/random.h"

namespace sim {

inline constexpr int64_t kMillisecond = 1'000;
inline constexpr int64_t kSecond = 1'000'000;

// The classes of the swarm, in the order of their draws. Append-only.
enum class FaultClass : uint64_t {
  kKill = 0,
  kPowerLoss,
  kCrashAtEffect,
  kCrashInDiskJob,
  kPowerCut,
  kPause,
  kSlowNode,
  kSlowDisk,
  kDiskStall,
  kSyncError,
  kClockRate,
  kPartition,
  kClog,
  kReset,
  kBlackHole,
  kLoss,
  kDuplicate,
  kReorder,
  kCorrupt,
  kSplit,
  kLatency,
  kBandwidth,
  kClientCrash,
  kClientPause,
  kDepose,
  kFlap,
  kLeaderHunt,
  kTopology,
  kNodeFlap,
  kSwizzle,
  kNodeWeather,
  kClientCut,
  kCrashLoop,
  kRestartStorm,
  kLongPause,
  kWildClock,
  kClockStop,
  kClockJump,
  kCoarseClock,
  kLateTimers,
  kTimerStorm,
  kClientClock,
  kSlowReader,
  kClientsAway,
  kClientHop,
  kDiskFailure,
  kDiskFull,
  kDiskReadOnly,
  kBitRot,
  kLostWrite,
  kMisdirectedWrite,
  kPathStall,
  kCleanStop,
  kCount,
};

// What one class appends to a plan each time: its faults from `at_us` on. Gives
// the time from which the next gap counts.
struct FaultDrawing {
  const FaultPlanOptions& options;
  std::vector<TimedFault>* faults;

  void Add(int64_t at_us, Fault fault) const {
    faults->push_back({at_us, std::move(fault)});
  }
};
using DrawFaults = int64_t (*)(const FaultDrawing& drawing, FaultClass which,
                               int64_t at_us, Draws* draws);

// fault_draw_net.cc: links and topology.
int64_t DrawPartitions(const FaultDrawing& drawing, FaultClass which,
                       int64_t at_us, Draws* draws);
int64_t DrawLinkFaults(const FaultDrawing& drawing, FaultClass which,
                       int64_t at_us, Draws* draws);
int64_t DrawWeather(const FaultDrawing& drawing, FaultClass which,
                    int64_t at_us, Draws* draws);
int64_t DrawTopologies(const FaultDrawing& drawing, FaultClass which,
                       int64_t at_us, Draws* draws);
int64_t DrawPathStalls(const FaultDrawing& drawing, FaultClass which,
                       int64_t at_us, Draws* draws);
int64_t DrawDepositions(const FaultDrawing& drawing, FaultClass which,
                        int64_t at_us, Draws* draws);
// fault_draw_process.cc: processes that end, and disks that fail them.
int64_t DrawCrashes(const FaultDrawing& drawing, FaultClass which,
                    int64_t at_us, Draws* draws);
int64_t DrawCrashLoops(const FaultDrawing& drawing, FaultClass which,
                       int64_t at_us, Draws* draws);
// Leader after leader is cut off, or killed, with just enough time between for
// the next one: logs grow apart term by term.
int64_t DrawLeaderSeries(const FaultDrawing& drawing, FaultClass which,
                         int64_t at_us, Draws* draws);
// fault_draw_disk.cc: disks that refuse, and disks that lose what they had.
int64_t DrawDiskErrors(const FaultDrawing& drawing, FaultClass which,
                       int64_t at_us, Draws* draws);
int64_t DrawDamage(const FaultDrawing& drawing, FaultClass which, int64_t at_us,
                   Draws* draws);
// fault_draw_clock.cc: time that passes unevenly.
int64_t DrawSlowness(const FaultDrawing& drawing, FaultClass which,
                     int64_t at_us, Draws* draws);
int64_t DrawClockFaults(const FaultDrawing& drawing, FaultClass which,
                        int64_t at_us, Draws* draws);
// fault_draw_client.cc
int64_t DrawClientFaults(const FaultDrawing& drawing, FaultClass which,
                         int64_t at_us, Draws* draws);

// fault_draw_linger.cc: what a minority still suffers from after the heal.
std::vector<Fault> DrawLingering(const FaultPlanOptions& options);

// For all families.
Victim DrawVictim(uint32_t nodes, Draws* draws);
// Mostly short, sometimes several election timeouts.
int64_t DrawLength(Draws* draws, int64_t mean_us);
// From a fifth of the election timeout to three of them.
int64_t DrawNearElection(const FaultPlanOptions& options, Draws* draws);
SimNetwork::Block DrawBlock(Draws* draws);
Way DrawWay(Draws* draws);

}  // namespace sim

#endif  // SIM_FAULT_DRAW_H_
