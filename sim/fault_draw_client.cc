#include "sim/fault_draw.h"

namespace sim {

int64_t DrawClientFaults(const FaultDrawing& drawing, FaultClass which,
                         int64_t at_us, Draws* draws) {
  const auto client =
      static_cast<uint32_t>(draws->Below(drawing.options.clients));
  switch (which) {
    case FaultClass::kClientCrash:
      drawing.Add(at_us,
                  ClientCrash{client, DrawLength(draws, 200 * kMillisecond)});
      break;
    case FaultClass::kSlowReader:
      drawing.Add(at_us,
                  SlowReader{client, DrawLength(draws, 500 * kMillisecond)});
      break;
    case FaultClass::kClientsAway: {
      // Longer than most leases. Often the leader stops meanwhile: the next
      // one gives every lease its full length again, so that all of one length
      // end at once.
      drawing.Add(at_us, ClientsAway{draws->Between(1, 6) * kSecond});
      const bool leaderless = draws->Chance(600'000);
      const int64_t later = draws->Between(0, 500) * kMillisecond;
      const int64_t elections = draws->Between(2, 6);
      if (leaderless && at_us + later < drawing.options.heal_at_us) {
        drawing.Add(
            at_us + later,
            Pause{{Victim::kLeader}, drawing.options.election_us * elections});
      }
      break;
    }
    case FaultClass::kClientHop: {
      const int64_t gap = draws->Between(20, 400) * kMillisecond;
      drawing.Add(at_us, ClientHop{client, gap, gap * draws->Between(2, 10)});
      break;
    }
    default:
      drawing.Add(at_us,
                  ClientPause{client, DrawLength(draws, 500 * kMillisecond)});
      break;
  }
  return at_us;
}

}  // namespace sim
