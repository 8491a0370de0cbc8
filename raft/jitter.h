// Dispersion in time as a pure hash: a trace needs no generator's state, and
// two nodes with the same seed still differ (architecture decision 5).
#ifndef RAFT_JITTER_H_
#define RAFT_JITTER_H_

#include <cstdint>

#include "raft/digest.h"
#include "raft/types.h"

namespace raft {

// Domain marks, so that two uses never share their draws.
inline constexpr uint64_t kElectionJitter = 1;
inline constexpr uint64_t kClosedJitter = 2;

// Uniform in [from, from + width), by hash. Requires width > 0.
constexpr Duration Jittered(Duration from, Duration width, uint64_t hash) {
  return from +
         static_cast<int64_t>(hash % static_cast<uint64_t>(width.value()));
}

constexpr uint64_t JitterHash(uint64_t domain, uint64_t seed, NodeId self,
                              Term term, uint32_t attempt) {
  return Mix(domain, seed, uint64_t{self.slot} << 32 | self.incarnation,
             term.value(), attempt);
}

// Election timeout in [election, 2 * election), drawn anew for every attempt
// (conformance 1.9; thesis 3.4).
constexpr Duration ElectionTimeout(uint64_t seed, NodeId self, Term term,
                                   uint32_t attempt, Duration election) {
  return Jittered(election, election,
                  JitterHash(kElectionJitter, seed, self, term, attempt));
}

// How long a follower whose leader's connection closed waits before it asks
// for pre-votes: 1 to 15 ms, so that one is usually first.
constexpr Duration ClosedTimeout(uint64_t seed, NodeId self, Term term,
                                 uint32_t attempt) {
  return Jittered(Millis(1), Millis(14),
                  JitterHash(kClosedJitter, seed, self, term, attempt));
}

}  // namespace raft

#endif  // RAFT_JITTER_H_
