// Counter-based randomness. A draw is a pure function of (seed, stream, keys,
// number of the draw): there is no generator whose state one draw takes from
// the next. So a fault that is taken out of a schedule changes what follows
// from it and nothing else, and a failing schedule can be shrunk.
//
// Integers only. Never two draws in one argument list: C++ leaves the order of
// arguments open, and gcc and clang differ.
#ifndef SIM_RANDOM_H_
#define SIM_RANDOM_H_

#include <array>
#include <cstdint>

#include "raft/check.h"
#include "raft/digest.h"

namespace sim {

// What a draw is for. Append-only: a number that changes its meaning changes
// every seed.
enum class Stream : uint64_t {
  kShape = 1,        // nodes, timers, limits of the run
  kFaults = 2,       // which faults, how strong, when
  kLink = 3,         // (from, to): what this link is like
  kFlight = 4,       // (from, to, number): one message on a link
  kRead = 5,         // (connection, side, number): how a stream is split
  kTurn = 6,         // (process, life, number): latency of one loop turn
  kDiskJob = 7,      // (node, lane, number): how long a disk job takes
  kCrash = 8,        // (node, number): where a crash hits and what it takes
  kClock = 9,        // (node, number): offset and rate
  kBoot = 10,        // (node, life): the boot id, other seeds of that life
  kClient = 11,      // (client, life): a client's configuration
  kOperation = 12,   // (client, number): one operation of the workload
  kConnection = 13,  // (connection): dialling, resets
  kFrame = 14,       // (from, to, number): the fate of one frame
  kCorrupt = 15,     // (salt): where a bit changes
  kSwizzle = 16,     // (order, step): which link is next
};

// The draws of one purpose. Cheap to make: make one where it is needed, keyed
// by what it is for, instead of keeping one.
class Draws {
 public:
  template <typename... Keys>
  constexpr Draws(uint64_t seed, Stream stream, Keys... keys)
      : key_(raft::Mix(seed, static_cast<uint64_t>(stream),
                       static_cast<uint64_t>(keys)...)) {}

  constexpr uint64_t Next() { return raft::Mix(key_ ^ ++count_); }

  // Uniform in [0, n). Requires n > 0.
  uint64_t Below(uint64_t n) {
    CHECK_GT(n, 0u);
    return static_cast<uint64_t>(static_cast<unsigned __int128>(Next()) * n >>
                                 64);
  }
  // Uniform in [low, high].
  int64_t Between(int64_t low, int64_t high) {
    CHECK_LE(low, high);
    const auto width = static_cast<uint64_t>(high - low) + 1;
    return low + static_cast<int64_t>(Below(width));
  }
  // True in `per_million` of a million cases. Always takes one draw.
  bool Chance(uint32_t per_million) { return Below(1'000'000) < per_million; }

  // Exponentially distributed, with about this mean: a table of 64 quantiles,
  // and for the last of them another draw further out, as the exponential has
  // no memory.
  int64_t Exponential(int64_t mean) {
    // -ln(1 - (i + 1/2) / 64) and, for a draw beyond, ln(64); in 1/1024.
    static constexpr std::array<int64_t, 63> kQuantile = {
        8,    24,   41,   58,   75,   92,   110,  128,  146,  165,  184,
        203,  223,  243,  263,  284,  305,  327,  349,  372,  395,  419,
        444,  469,  494,  520,  547,  575,  603,  633,  663,  694,  726,
        759,  793,  828,  865,  903,  942,  983,  1026, 1070, 1117, 1166,
        1217, 1271, 1328, 1388, 1452, 1520, 1594, 1672, 1758, 1851, 1953,
        2067, 2195, 2342, 2513, 2719, 2976, 3320, 3844};
    static constexpr int64_t kBeyond = 4259;
    int64_t value = 0;
    uint64_t i = Below(64);
    while (i == 63) {
      value += kBeyond;
      i = Below(64);
    }
    value += kQuantile[i];
    return mean * value / 1024;
  }

 private:
  uint64_t key_;
  uint64_t count_ = 0;
};

}  // namespace sim

#endif  // SIM_RANDOM_H_
