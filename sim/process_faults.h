// Faults of processes that come and go more than once, and stops in good order.
#ifndef SIM_PROCESS_FAULTS_H_
#define SIM_PROCESS_FAULTS_H_

#include <cstdint>
#include <string_view>

#include "sim/victim.h"

namespace sim {

// A node comes up and dies again, and again: every `up_us + down_us` it is
// killed (or loses power) and stays down for `down_us`. At the end it is
// started for good.
struct CrashLoop {
  static constexpr std::string_view kName = "CrashLoop";
  Victim victim;
  bool power = false;
  int64_t up_us = 0;
  int64_t down_us = 0;
  int64_t length_us = 0;
  bool operator==(const CrashLoop&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("victim", victim), f("power", power), f("up_us", up_us),
        f("down_us", down_us), f("length_us", length_us);
  }
};

// SIGTERM: a leader hands over first, then the process ends, and comes back
// after `down_us`.
struct CleanStop {
  static constexpr std::string_view kName = "CleanStop";
  Victim victim;
  int64_t down_us = 0;
  bool operator==(const CleanStop&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("victim", victim), f("down_us", down_us);
  }
};

}  // namespace sim

#endif  // SIM_PROCESS_FAULTS_H_
