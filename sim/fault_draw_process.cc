#include "sim/fault_draw.h"

namespace sim {
namespace {

Fault DrawCrash(FaultClass which, uint32_t nodes, Draws* draws) {
  const Victim victim = DrawVictim(nodes, draws);
  const int64_t down = DrawLength(draws, 300 * kMillisecond);
  const uint64_t in_boot = draws->Below(8);
  const uint64_t steps = draws->Below(24);
  const bool power = draws->Chance(500'000);
  switch (which) {
    case FaultClass::kKill:
      return Crash{.victim = victim, .down_us = down};
    case FaultClass::kPowerLoss:
      return Crash{.victim = victim,
                   .power = true,
                   .down_us = down,
                   .crashes_in_boot =
                       static_cast<uint32_t>(in_boot < 2 ? in_boot + 1 : 0)};
    case FaultClass::kCrashAtEffect:
      return CrashAtEffect{victim, static_cast<uint32_t>(steps), power, down};
    case FaultClass::kCrashInDiskJob:
      return CrashInDiskJob{victim, static_cast<uint32_t>(steps), down};
    case FaultClass::kSyncError:
      return SyncError{victim, down};
    case FaultClass::kCleanStop:
      return CleanStop{victim, down};
    default:
      return PowerCut{down};
  }
}

}  // namespace

int64_t DrawCrashes(const FaultDrawing& drawing, FaultClass which,
                    int64_t at_us, Draws* draws) {
  drawing.Add(at_us, DrawCrash(which, drawing.options.nodes, draws));
  return at_us;
}

// Of one node, or of all at once.
int64_t DrawCrashLoops(const FaultDrawing& drawing, FaultClass which,
                       int64_t at_us, Draws* draws) {
  const Victim victim = DrawVictim(drawing.options.nodes, draws);
  const bool power = draws->Chance(300'000);
  const int64_t times = draws->Between(2, 8);
  const int64_t up = draws->Between(5, 800) * kMillisecond;
  const int64_t down = draws->Between(5, 300) * kMillisecond;
  if (which == FaultClass::kCrashLoop) {
    drawing.Add(at_us, CrashLoop{victim, power, up, down, times * (up + down)});
    return at_us;
  }
  for (uint32_t node = 0; node < drawing.options.nodes; ++node) {
    const int64_t late = draws->Between(0, 50) * kMillisecond;
    drawing.Add(at_us + late,
                CrashLoop{{node}, power, up, down, times * (up + down)});
  }
  return at_us;
}

int64_t DrawLeaderSeries(const FaultDrawing& drawing, FaultClass which,
                         int64_t at_us, Draws* draws) {
  const int64_t times = draws->Between(2, 6);
  for (int64_t i = 0; i < times && at_us < drawing.options.heal_at_us; ++i) {
    const int64_t length = draws->Between(100, 900) * kMillisecond;
    const int64_t pause = draws->Between(50, 600) * kMillisecond;
    const bool both = draws->Chance(500'000);
    const bool power = draws->Chance(500'000);
    const bool lose = draws->Chance(500'000);
    if (which == FaultClass::kFlap) {
      drawing.Add(at_us, Partition{.with = {Victim::kLeader},
                                   .way = both ? Partition::Way::kBoth
                                               : Partition::Way::kOut,
                                   .block = lose ? SimNetwork::Block::kLose
                                                 : SimNetwork::Block::kHold,
                                   .length_us = length});
    } else {
      drawing.Add(at_us, Crash{.victim = {Victim::kLeader},
                               .power = power,
                               .down_us = length});
    }
    at_us += pause;
  }
  return at_us;
}

}  // namespace sim
