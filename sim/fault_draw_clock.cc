#include "sim/fault_draw.h"

namespace sim {

int64_t DrawSlowness(const FaultDrawing& drawing, FaultClass which,
                     int64_t at_us, Draws* draws) {
  const Victim victim = DrawVictim(drawing.options.nodes, draws);
  const int64_t length = DrawLength(draws, 300 * kMillisecond);
  const int64_t node_percent = 100 * draws->Between(2, 300);
  const int64_t disk_percent = 100 * draws->Between(2, 60);
  const int64_t rate = draws->Between(-kClockRateMaxPpm, kClockRateMaxPpm);
  switch (which) {
    case FaultClass::kPause:
      drawing.Add(at_us, Pause{victim, length});
      break;
    case FaultClass::kLongPause:
      // Longer than any timeout: leases run out, links are given up.
      drawing.Add(at_us, Pause{victim, kSecond + length * 8});
      break;
    case FaultClass::kSlowNode:
      drawing.Add(at_us, SlowNode{victim, node_percent, length});
      break;
    case FaultClass::kSlowDisk:
      drawing.Add(at_us, SlowDisk{victim, disk_percent, length});
      break;
    case FaultClass::kDiskStall:
      drawing.Add(at_us, DiskStall{victim, length});
      break;
    default:
      drawing.Add(at_us, ClockRate{victim, rate, length * 4});
      break;
  }
  return at_us;
}

int64_t DrawClockFaults(const FaultDrawing& drawing, FaultClass which,
                        int64_t at_us, Draws* draws) {
  const Victim victim = DrawVictim(drawing.options.nodes, draws);
  const auto client =
      static_cast<uint32_t>(draws->Below(drawing.options.clients));
  const int64_t length = DrawLength(draws, 600 * kMillisecond);
  // From a tenth of its speed to ten times that.
  const bool fast = draws->Chance(500'000);
  const int64_t faster = draws->Between(50'000, 9'000'000);
  const int64_t slower = -draws->Between(50'000, 900'000);
  const int64_t rate = fast ? faster : slower;
  const bool minutes = draws->Chance(300'000);
  const int64_t seconds = draws->Between(1, minutes ? 600 : 5);
  const int64_t ahead = seconds * kSecond / 4;
  const int64_t grain = draws->Between(10, 50) * kMillisecond;
  const int64_t percent = draws->Between(120, 1'000);
  switch (which) {
    case FaultClass::kWildClock:
      drawing.Add(at_us, WildClock{victim, rate, length});
      break;
    case FaultClass::kClockStop:
      drawing.Add(at_us, WildClock{victim, -1'000'000, length});
      break;
    case FaultClass::kClockJump:
      drawing.Add(at_us, ClockJump{victim, ahead});
      break;
    case FaultClass::kCoarseClock:
      drawing.Add(at_us, CoarseClock{victim, grain, length * 2});
      break;
    case FaultClass::kLateTimers:
      drawing.Add(at_us, LateTimers{victim, percent, length * 2});
      break;
    case FaultClass::kTimerStorm:
      drawing.Add(at_us, TimerStorm{DrawNearElection(drawing.options, draws)});
      break;
    default:
      drawing.Add(at_us,
                  ClientClock{client, minutes ? ahead : 0, rate, length});
      break;
  }
  return at_us;
}

}  // namespace sim
