// CutPoint: one place between two effects of a run, or between two file
// operations, at which a process or its machine dies.
#ifndef SIM_CUT_POINT_H_
#define SIM_CUT_POINT_H_

#include <cstdint>
#include <string_view>

namespace sim {

// Where a run is cut, for the enumeration of all such places (crash_points.h):
// node `node` dies at its `at`-th port call of the run, or at its `at`-th file
// operation, boots included; numbers go on over its lives. What would have been
// done there, and after it, is not done.
struct CutPoint {
  static constexpr std::string_view kName = "CutPoint";
  uint64_t at = 0;  // 0: nowhere
  uint32_t node = 0;
  bool in_file_operation = false;
  bool power = false;  // the machine with it
  int64_t down_us = 100'000;

  bool operator==(const CutPoint&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("at", at), f("node", node), f("in_file_operation", in_file_operation),
        f("power", power), f("down_us", down_us);
  }
};
// How far a node's numbers went.
struct PointsPassed {
  uint64_t port_calls = 0;
  uint64_t file_operations = 0;
};

}  // namespace sim

#endif  // SIM_CUT_POINT_H_
