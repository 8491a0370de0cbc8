#include "sim/fault_draw.h"

namespace sim {

int64_t DrawDiskErrors(const FaultDrawing& drawing, FaultClass which,
                       int64_t at_us, Draws* draws) {
  const Victim victim = DrawVictim(drawing.options.nodes, draws);
  const int64_t length = DrawLength(draws, 300 * kMillisecond);
  const uint64_t of = draws->Below(kOperationClasses);
  const uint64_t skip = draws->Below(12);
  const bool full = draws->Chance(250'000);
  const uint64_t room = draws->Below(24) << 10;  // a segment fits, or not
  switch (which) {
    case FaultClass::kDiskFailure:
      drawing.Add(at_us, DiskFailure{.victim = victim,
                                     .of = static_cast<OperationClass>(of),
                                     .skip = static_cast<uint32_t>(skip),
                                     .full = full,
                                     .down_us = length});
      break;
    case FaultClass::kDiskFull:
      drawing.Add(at_us,
                  DiskFull{victim, static_cast<uint32_t>(room), length * 2});
      break;
    default:
      drawing.Add(at_us, DiskReadOnly{victim, length});
      break;
  }
  return at_us;
}

// Damage shows at a boot. So mostly a loss of power comes soon after it, before
// more is written, or the disk is damaged while the node is down and the others
// go on.
int64_t DrawDamage(const FaultDrawing& drawing, FaultClass which, int64_t at_us,
                   Draws* draws) {
  DamageDisk damage{.victim = DrawVictim(drawing.options.nodes, draws)};
  damage.kind = which == FaultClass::kBitRot ? DamageKind::kBitRot
                : which == FaultClass::kLostWrite
                    ? DamageKind::kLostWrite
                    : DamageKind::kMisdirectedWrite;
  damage.salt = draws->Below(1'000'000);
  const uint64_t shape = draws->Below(3);
  const int64_t down = DrawLength(draws, 300 * kMillisecond);
  const int64_t within = draws->Between(1, down);
  const auto node = static_cast<uint32_t>(draws->Below(drawing.options.nodes));
  if (shape == 0) {
    drawing.Add(at_us, damage);
  } else if (shape == 1) {
    drawing.Add(at_us, damage);
    drawing.Add(at_us,
                Crash{.victim = damage.victim, .power = true, .down_us = down});
  } else {
    damage.victim = {node};
    drawing.Add(at_us, Crash{.victim = {node}, .power = true, .down_us = down});
    if (at_us + within < drawing.options.heal_at_us) {
      drawing.Add(at_us + within, damage);
    }
  }
  return at_us;
}

}  // namespace sim
