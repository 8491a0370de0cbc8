#include "sim/lease_oracle.h"

namespace sim {

LeaseVerdict JudgeLeaseEnd(const BelievedLease& lease, Instant now,
                           Instant leader_beyond) {
  if (lease.until <= lease.clock.Read(now)) return LeaseVerdict::kInTime;
  // A lease that is still believed in, by a clock that kept to its rate since,
  // began no longer ago than its length and the rate's error.
  const Instant since = now - lease.ttl.value() * 11 / 10;
  return lease.clock.LastBeyond(now) >= since || leader_beyond >= since
             ? LeaseVerdict::kNotJudged
             : LeaseVerdict::kEarly;
}

}  // namespace sim
