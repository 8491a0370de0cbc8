// Judges the end of a lease: it never ends while its client believes in it, as
// long as the clocks that decide keep to the declared clock-rate error.
#ifndef SIM_LEASE_ORACLE_H_
#define SIM_LEASE_ORACLE_H_

#include <cstdint>
#include <functional>

#include "raft/types.h"
#include "sim/scheduler.h"

namespace sim {

enum class LeaseVerdict : uint8_t {
  kInTime = 1,  // its client stopped to believe in it before
  kEarly,
  kNotJudged,  // early, but a clock was beyond the declared error
};

// A lease as its client sees it.
struct BelievedLease {
  raft::Time until;  // by the client's clock
  raft::Duration ttl;
  const NodeClock& clock;
};

// When the clock of who led in a term was last beyond the declared error; see
// NodeClock::LastBeyond.
using LeaderClocks = std::function<Instant(raft::Term)>;
// Without LeaderClocks all clocks keep to the bound.
inline Instant LastBeyond(const LeaderClocks& clocks, raft::Term term) {
  return clocks == nullptr ? NodeClock::kNeverBeyond : clocks(term);
}

// Of a lease whose end is applied at `now` for the first time, as a leader
// decided whose clock was last beyond the bound at `leader_beyond`. What a
// clock did before the lease was last renewed excuses nothing.
LeaseVerdict JudgeLeaseEnd(const BelievedLease& lease, Instant now,
                           Instant leader_beyond);

}  // namespace sim

#endif  // SIM_LEASE_ORACLE_H_
