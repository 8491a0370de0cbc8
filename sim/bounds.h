// Bounds: how much a node may send, queue and take at once.
#ifndef SIM_BOUNDS_H_
#define SIM_BOUNDS_H_

#include <cstdint>
#include <string_view>

#include "raft/limits.h"
#include "registry/node.h"
#include "registry/replica.h"

namespace sim {

// Bounds that a run of seconds would not meet as they ship, made small (the row
// "internal" of faults.md 1.2). The core has no sites for this: it is its
// ordinary configuration.
struct Bounds {
  static constexpr std::string_view kName = "Bounds";
  raft::Limits raft;
  registry::Limits node;
  uint64_t peer_queue_bytes = registry::kPeerQueueBytesMax;
  uint64_t client_queue_bytes = registry::kClientQueueBytesMax;
  // A turn ends after so many inputs, and the next begins at once; 0: it takes
  // whatever has arrived.
  uint64_t inputs_per_turn = 0;

  bool operator==(const Bounds&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("raft", raft), f("node", node), f("peer_queue_bytes", peer_queue_bytes),
        f("client_queue_bytes", client_queue_bytes),
        f("inputs_per_turn", inputs_per_turn);
  }
};

}  // namespace sim

#endif  // SIM_BOUNDS_H_
