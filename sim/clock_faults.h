// Faults of clocks and timers, beyond what the product is promised of them.
#ifndef SIM_CLOCK_FAULTS_H_
#define SIM_CLOCK_FAULTS_H_

#include <cstdint>
#include <string_view>

#include "sim/victim.h"

namespace sim {

// The clock runs at any rate, also beyond the declared error; -1,000,000: it
// stands still.
struct WildClock {
  static constexpr std::string_view kName = "WildClock";
  Victim victim;
  int64_t wild_ppm = 0;
  int64_t length_us = 0;
  bool operator==(const WildClock&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("victim", victim), f("wild_ppm", wild_ppm), f("length_us", length_us);
  }
};
// The clock is ahead at once: a machine that was suspended goes on.
struct ClockJump {
  static constexpr std::string_view kName = "ClockJump";
  Victim victim;
  int64_t ahead_us = 0;
  bool operator==(const ClockJump&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("victim", victim), f("ahead_us", ahead_us);
  }
};
// The clock is read in steps.
struct CoarseClock {
  static constexpr std::string_view kName = "CoarseClock";
  Victim victim;
  int64_t grain_us = 1;
  int64_t length_us = 0;
  bool operator==(const CoarseClock&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("victim", victim), f("grain_us", grain_us), f("length_us", length_us);
  }
};
// Timers fire after `percent` of the time that they were set for.
struct LateTimers {
  static constexpr std::string_view kName = "LateTimers";
  Victim victim;
  int64_t percent = 100;
  int64_t length_us = 0;
  bool operator==(const LateTimers&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("victim", victim), f("percent", percent), f("length_us", length_us);
  }
};
// No timer of any node fires for a while, and then all do at one instant.
struct TimerStorm {
  static constexpr std::string_view kName = "TimerStorm";
  int64_t length_us = 0;
  bool operator==(const TimerStorm&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("length_us", length_us);
  }
};
// A client's clock jumps ahead, and then runs at another rate for a while.
struct ClientClock {
  static constexpr std::string_view kName = "ClientClock";
  uint32_t client = 0;
  int64_t ahead_us = 0;
  int64_t wild_ppm = 0;
  int64_t length_us = 0;
  bool operator==(const ClientClock&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("client", client), f("ahead_us", ahead_us), f("wild_ppm", wild_ppm),
        f("length_us", length_us);
  }
};

}  // namespace sim

#endif  // SIM_CLOCK_FAULTS_H_
