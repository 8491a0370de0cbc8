// CrashPoints: every place at which a short run can be cut, one by one. Random
// crashes rarely meet a window of one instruction; here there is no luck in it:
// each port call and each file operation of each node of the run, boots
// included, is once the last thing that it did, with its machine and without.
// (faults.md 1.1: crash at every effect boundary is enumerable, not sampled.)
//
// Up to the cut the run is the one without it, to the bit, so the numbers of
// the uncut run are the places of all.
#ifndef SIM_CRASH_POINTS_H_
#define SIM_CRASH_POINTS_H_

#include <cstdint>
#include <vector>

#include "sim/cut_point.h"
#include "sim/scenario.h"

namespace sim {

class CrashPoints {
 public:
  // Runs the uncut run of `seed` once. (What is wrong with it is wrong with the
  // cut ones too, and told there.)
  explicit CrashPoints(uint64_t seed);

  uint64_t size() const { return size_; }
  // Requires point < size().
  CutPoint PointAt(uint64_t point) const;
  // The run that is cut there.
  Scenario At(uint64_t point) const;

 private:
  Scenario base_;
  std::vector<PointsPassed> passed_;
  uint64_t size_ = 0;
};

// The scenario that the options name: drawn, or one of the crash points.
Scenario ScenarioOf(const SeedOptions& options);

}  // namespace sim

#endif  // SIM_CRASH_POINTS_H_
