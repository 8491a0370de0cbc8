#include "sim/fault_plan.h"

#include <algorithm>
#include <initializer_list>
#include <iterator>

#include "raft/check.h"
#include "raft/digest.h"
#include "sim/fault_draw.h"

namespace sim {
namespace {

// Before the first election there is little to break.
constexpr int64_t kFirstFaultUs = 300 * kMillisecond;

// The classes of the swarm, in the order of FaultClass: how each is drawn, and
// which narrower profiles it belongs to.
struct ClassRow {
  FaultClass which;
  DrawFaults draw;
  uint32_t profiles;  // bit i: Profile i
  // A copy that is lost is lost for the rest of the run; most runs shall see
  // what a cluster does that has all of its nodes.
  bool rare = false;
};

constexpr uint32_t kMembership = uint32_t{1}
                                 << static_cast<uint32_t>(Profile::kMembership);
constexpr uint32_t In(std::initializer_list<Profile> profiles) {
  uint32_t bits = uint32_t{1} << static_cast<uint32_t>(Profile::kAll) |
                  uint32_t{1} << static_cast<uint32_t>(Profile::kStorm) |
                  kMembership;
  for (const Profile profile : profiles) {
    bits |= uint32_t{1} << static_cast<uint32_t>(profile);
  }
  return bits;
}
constexpr uint32_t kNet = In({Profile::kNet});
constexpr uint32_t kProcess = In({Profile::kProcess});
constexpr uint32_t kClock = In({Profile::kClock});
constexpr uint32_t kDisk = In({Profile::kDisk});
constexpr uint32_t kDiskAndProcess = kDisk | kProcess;

using C = FaultClass;
constexpr ClassRow kClasses[] = {
    {C::kKill, DrawCrashes, kProcess},
    {C::kPowerLoss, DrawCrashes, kDiskAndProcess},
    {C::kCrashAtEffect, DrawCrashes, kProcess},
    {C::kCrashInDiskJob, DrawCrashes, kDiskAndProcess},
    {C::kPowerCut, DrawCrashes, kDiskAndProcess},
    {C::kPause, DrawSlowness, kClock | kProcess},
    {C::kSlowNode, DrawSlowness, kClock},
    {C::kSlowDisk, DrawSlowness, kDisk},
    {C::kDiskStall, DrawSlowness, kDisk | kClock},
    {C::kSyncError, DrawCrashes, kDisk},
    {C::kClockRate, DrawSlowness, kClock},
    {C::kPartition, DrawPartitions, kNet},
    {C::kClog, DrawLinkFaults, kNet},
    {C::kReset, DrawLinkFaults, kNet},
    {C::kBlackHole, DrawLinkFaults, kNet},
    {C::kLoss, DrawWeather, kNet},
    {C::kDuplicate, DrawWeather, kNet},
    {C::kReorder, DrawWeather, kNet},
    {C::kCorrupt, DrawWeather, kNet},
    {C::kSplit, DrawWeather, kNet},
    {C::kLatency, DrawWeather, kNet | kClock},
    {C::kBandwidth, DrawWeather, kNet},
    {C::kClientCrash, DrawClientFaults, kProcess},
    {C::kClientPause, DrawClientFaults, kClock},
    {C::kDepose, DrawDepositions, kNet},
    {C::kFlap, DrawLeaderSeries, kNet},
    {C::kLeaderHunt, DrawLeaderSeries, kProcess},
    {C::kTopology, DrawTopologies, kNet},
    {C::kNodeFlap, DrawTopologies, kNet},
    {C::kSwizzle, DrawTopologies, kNet},
    {C::kNodeWeather, DrawWeather, kNet},
    {C::kClientCut, DrawTopologies, kNet},
    {C::kCrashLoop, DrawCrashLoops, kProcess},
    {C::kRestartStorm, DrawCrashLoops, kProcess},
    {C::kLongPause, DrawSlowness, kClock | kProcess},
    {C::kWildClock, DrawClockFaults, kClock},
    {C::kClockStop, DrawClockFaults, kClock},
    {C::kClockJump, DrawClockFaults, kClock},
    {C::kCoarseClock, DrawClockFaults, kClock},
    {C::kLateTimers, DrawClockFaults, kClock},
    {C::kTimerStorm, DrawClockFaults, kClock},
    {C::kClientClock, DrawClockFaults, kClock},
    {C::kSlowReader, DrawClientFaults, kNet},
    {C::kClientsAway, DrawClientFaults, kClock | kProcess},
    {C::kClientHop, DrawClientFaults, kNet},
    {C::kDiskFailure, DrawDiskErrors, kDisk},
    {C::kDiskFull, DrawDiskErrors, kDisk},
    {C::kDiskReadOnly, DrawDiskErrors, kDisk},
    {C::kBitRot, DrawDamage, kDisk, /*rare=*/true},
    {C::kLostWrite, DrawDamage, kDisk, /*rare=*/true},
    {C::kMisdirectedWrite, DrawDamage, kDisk, /*rare=*/true},
    {C::kPathStall, DrawPathStalls, kNet},
    {C::kCleanStop, DrawCrashes, kMembership},
};
static_assert(std::size(kClasses) == static_cast<size_t>(FaultClass::kCount));

// Chances, per million, that a class is on in a seed.
constexpr uint32_t kOnAmongAll = 280'000;
constexpr uint32_t kOnAmongFew = 600'000;
constexpr uint32_t kRareAmongAll = 90'000;
constexpr uint32_t kRareAmongFew = 200'000;
uint32_t ChanceOf(const ClassRow& row, Profile profile) {
  if (profile == Profile::kStorm) return 1'000'000;
  if (profile == Profile::kMembership && row.profiles == kMembership) {
    return 1'000'000;  // what it is for
  }
  if (profile == Profile::kAll || profile == Profile::kMembership)
    return row.rare ? kRareAmongAll : kOnAmongAll;
  return row.rare ? kRareAmongFew : kOnAmongFew;
}

void DrawClass(const ClassRow& row, int64_t mean_gap_us,
               const FaultDrawing& drawing) {
  int64_t at_us = kFirstFaultUs;
  for (uint64_t number = 1;; ++number) {
    Draws draws(drawing.options.seed, Stream::kFaults, row.which, number);
    at_us += draws.Exponential(mean_gap_us) + kMillisecond;
    if (at_us >= drawing.options.heal_at_us) return;
    at_us = row.draw(drawing, row.which, at_us, &draws);
  }
}

std::vector<TimedFault> DrawTimedFaults(const FaultPlanOptions& options) {
  std::vector<TimedFault> faults;
  const uint32_t profile = uint32_t{1}
                           << static_cast<uint32_t>(options.profile);
  for (size_t i = 0; i < std::size(kClasses); ++i) {
    const ClassRow& row = kClasses[i];
    CHECK_EQ(static_cast<size_t>(row.which), i);
    Draws draws(options.seed, Stream::kFaults, i);
    const bool on = draws.Chance(ChanceOf(row, options.profile));
    const int64_t mean_gap_us = draws.Between(600 * kMillisecond, 4 * kSecond);
    if (on && (row.profiles & profile) != 0) {
      DrawClass(row, mean_gap_us, {options, &faults});
    }
  }
  std::stable_sort(faults.begin(), faults.end(),
                   [](const TimedFault& a, const TimedFault& b) {
                     return a.at_us < b.at_us;
                   });
  return faults;
}

}  // namespace

Victim DrawVictim(uint32_t nodes, Draws* draws) {
  const uint64_t part = draws->Below(4);
  const uint64_t node = draws->Below(nodes);
  if (part == 0) return {Victim::kLeader};
  if (part == 1) return {Victim::kFollower};
  return {static_cast<uint32_t>(node)};
}

int64_t DrawNearElection(const FaultPlanOptions& options, Draws* draws) {
  return draws->Between(options.election_us / 5, options.election_us * 3);
}

SimNetwork::Block DrawBlock(Draws* draws) {
  return draws->Chance(500'000) ? SimNetwork::Block::kHold
                                : SimNetwork::Block::kLose;
}

Way DrawWay(Draws* draws) {
  const uint64_t way = draws->Below(4);
  return way < 2 ? Way::kBoth : way == 2 ? Way::kOut : Way::kIn;
}

int64_t DrawLength(Draws* draws, int64_t mean_us) {
  const bool longer = draws->Chance(150'000);
  const int64_t length = draws->Exponential(mean_us) + kMillisecond;
  return longer ? length * 4 : length;
}

std::string ToText(const FaultPlan& plan) {
  std::string text;
  for (const TimedFault& timed : plan.faults) {
    text += std::to_string(timed.at_us) + " us  " +
            raft::Describe(timed.fault) + "\n";
  }
  text += std::to_string(plan.heal_at_us) + " us  heal\n";
  for (const Fault& fault : plan.lingering) {
    text += "then  " + raft::Describe(fault) + "\n";
  }
  return text;
}

std::string_view ToString(Partition::Way way) {
  switch (way) {
    case Partition::Way::kBoth:
      return "both";
    case Partition::Way::kOut:
      return "out";
    case Partition::Way::kIn:
      return "in";
  }
  return "?";
}

std::string_view ToString(Profile profile) {
  switch (profile) {
    case Profile::kAll:
      return "all";
    case Profile::kNet:
      return "net";
    case Profile::kDisk:
      return "disk";
    case Profile::kClock:
      return "clock";
    case Profile::kProcess:
      return "process";
    case Profile::kHealthy:
      return "healthy";
    case Profile::kStorm:
      return "storm";
    case Profile::kMembership:
      return "membership";
  }
  return "?";
}

FaultPlan DrawFaultPlan(const FaultPlanOptions& options) {
  CHECK_GT(options.nodes, 2u);
  CHECK_GT(options.clients, 0u);
  FaultPlan plan;
  plan.heal_at_us = options.heal_at_us;
  if (options.profile == Profile::kHealthy) return plan;
  plan.faults = DrawTimedFaults(options);
  plan.lingering = DrawLingering(options);
  return plan;
}

}  // namespace sim
