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

}  // namespace sim
