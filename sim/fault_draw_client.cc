#include "sim/fault_draw.h"

namespace sim {

int64_t DrawClientFaults(const FaultDrawing& drawing, FaultClass which,
                         int64_t at_us, Draws* draws) {
  const auto client =
      static_cast<uint32_t>(draws->Below(drawing.options.clients));
  if (which == FaultClass::kClientCrash) {
    drawing.Add(at_us,
                ClientCrash{client, DrawLength(draws, 200 * kMillisecond)});
  } else {
    drawing.Add(at_us,
                ClientPause{client, DrawLength(draws, 500 * kMillisecond)});
  }
  return at_us;
}

}  // namespace sim
