// Victim: whom a fault befalls.
#ifndef SIM_VICTIM_H_
#define SIM_VICTIM_H_

#include <cstdint>

namespace sim {

// A node by its number, or by the part that it plays when the fault happens
// (then any node, if nobody plays it).
struct Victim {
  static constexpr uint32_t kLeader = 1000;
  static constexpr uint32_t kFollower = 1001;
  uint32_t node = 0;
  bool operator==(const Victim&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("node", node);
  }
};

// Which of two directions is cut, seen from the victim.
enum class Way : uint8_t { kBoth = 0, kOut = 1, kIn = 2 };

}  // namespace sim

#endif  // SIM_VICTIM_H_
