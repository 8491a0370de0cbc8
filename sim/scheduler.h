// Virtual time: what happens next, in the order (time, sequence). Nothing in a
// simulation waits; the clock jumps to the next event.
#ifndef SIM_SCHEDULER_H_
#define SIM_SCHEDULER_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "raft/types.h"

namespace sim {

// True time of the simulated world, in microseconds since the run began. No
// process sees it; a process sees its own clock (NodeClock).
using Instant = raft::StrongNumber<struct InstantTag, int64_t>;

// Index of a process: nodes first, then clients.
using Process = uint32_t;

// What is due. Plain numbers: the meaning of `who` and `arg` is with the one
// who scheduled it, who is told by the kind.
struct SimEvent {
  enum class Kind : uint8_t {
    kFlight = 1,   // SimNetwork: something arrives
    kRead,         // SimNetwork: the rest of a split stream is read
    kDialTimeout,  // SimNetwork
    kTurn,         // a process's loop turn
    kWake,         // a process's deadline
    kDiskJob,      // SimDiskQueue: the job at the head of a lane is due
    kFault,        // the plan's next fault
    kFaultEnd,     // a fault with a length ends
    kFaultStep,    // a fault that repeats goes on
    kRestart,      // a process comes back
    kPhase,        // heal, quiet, end
    kClient,       // the workload's next step of a client
  };
  Kind kind = Kind::kTurn;
  uint32_t who = 0;
  uint64_t arg = 0;
};

class Scheduler {
 public:
  Instant now() const { return now_; }
  bool empty() const { return heap_.empty(); }
  uint64_t scheduled() const { return sequence_; }

  // `at` is not before now(). Events of one instant happen in the order in
  // which they were scheduled.
  void At(Instant at, SimEvent event);
  void After(int64_t micros, SimEvent event) { At(now_ + micros, event); }
  // The next event; moves now() to its time. Requires !empty().
  SimEvent Pop();
  // When the next event is due. Requires !empty().
  Instant next() const { return TimeOf(heap_.front().place); }

 private:
  // Time above, sequence below: one comparison orders two of them.
  __extension__ using Place = unsigned __int128;
  struct Due {
    Place place = 0;
    SimEvent event;
  };
  static Instant TimeOf(Place place) {
    return Instant(static_cast<int64_t>(place >> 64));
  }

  Instant now_;
  uint64_t sequence_ = 0;
  // A heap of four children a parent: half as deep as one of two, and the four
  // lie side by side.
  static constexpr size_t kChildren = 4;
  std::vector<Due> heap_;
};

// Rates of simulated clocks stay within this, so that two of them together stay
// within the declared clock-rate error of 5 %.
inline constexpr int64_t kClockRateMaxPpm = 25'000;

// The clock of one machine: never falls, runs at its own rate. Production reads
// CLOCK_BOOTTIME, so it starts anew with the machine and goes on over a restart
// of the process and over a pause. Steps back are outside the model: no clock
// adjustment touches CLOCK_BOOTTIME, and a host whose kernel broke that would
// meet `now_ = max(now_, now)` in every layer: a step back is a freeze there.
//
// Beyond the declared clock-rate error (then leases promise nothing, all else
// holds): another rate, standing still, a jump ahead (a machine that was
// suspended), and readings in coarse steps. The clock remembers when it was
// beyond, for whoever judges leases.
class NodeClock {
 public:
  // `rate_ppm`: how much faster than true time; not below -1,000,000.
  NodeClock(Instant start, int64_t offset_us, int64_t rate_ppm)
      : base_(start), offset_us_(offset_us), rate_ppm_(rate_ppm) {}

  raft::Time Read(Instant now) const;
  // The first instant at which Read() gives `local` or more; not before `now`.
  // A clock that stands still gives kNever.
  Instant WhenReads(raft::Time local, Instant now) const;
  static constexpr Instant kNever{INT64_MAX};
  // From `now` on the clock runs at another rate, without a jump.
  void SetRate(Instant now, int64_t rate_ppm);
  // Not back: a negative `ahead_us` does nothing.
  void Jump(Instant now, int64_t ahead_us);
  // Readings are whole multiples of it from now on; 1: none.
  void SetGrain(Instant now, int64_t grain_us);
  int64_t rate_ppm() const { return rate_ppm_; }
  bool stands() const { return rate_ppm_ == -1'000'000; }

  // When the clock was last beyond the bound; kNeverBeyond if it never was.
  Instant LastBeyond(Instant now) const;
  static constexpr Instant kNeverBeyond{INT64_MIN};
  // Of the clock that the machine had before it lost power.
  void InheritBeyond(const NodeClock& older, Instant now);

  // What is wrong with a reading, for whoever counts effects. Wild: since its
  // rate was set the clock went further, or less far, than any clock within
  // the bound would have. Stopped: true time went on without it. Coarse: the
  // grain took something away.
  bool ReadsWild(Instant now) const;
  bool ReadsStopped(Instant now) const;
  bool ReadsCoarse(Instant now) const;
  // Whether it jumped since this was last asked.
  bool TakeJump() { return std::exchange(jumped_, false); }

 private:
  int64_t Raw(Instant now) const;
  bool Beyond() const;
  void NoteBeyond(Instant now);

  Instant base_;
  int64_t offset_us_;  // reading at base_
  int64_t rate_ppm_;
  int64_t grain_us_ = 1;
  int64_t floor_us_ = 0;  // what was read before the grain changed
  Instant beyond_until_ = kNeverBeyond;
  bool jumped_ = false;
};

}  // namespace sim

#endif  // SIM_SCHEDULER_H_
