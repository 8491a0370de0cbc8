// StateDigest: one number for the whole replicated state.
#ifndef REGISTRY_STATE_DIGEST_H_
#define REGISTRY_STATE_DIGEST_H_

#include <cstdint>

#include "raft/digest.h"

namespace registry {

// An order-independent 128-bit sum of entry hashes over the whole state,
// maintained incrementally: equal states have equal digests, whatever way they
// were built. Each half is a sum modulo 2^64 of its own hash of each entry, so
// an entry is taken out by subtracting what was added.
struct StateDigest {
  uint64_t high = 0;
  uint64_t low = 0;
  bool operator==(const StateDigest&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("high", high), f("low", low);
  }

  StateDigest& operator+=(const StateDigest& other) {
    high += other.high;
    low += other.low;
    return *this;
  }
  StateDigest& operator-=(const StateDigest& other) {
    high -= other.high;
    low -= other.low;
    return *this;
  }
};

// What an entry of the state is; the same fields in two tables hash apart.
// FORMAT: replicas of different versions compare digests.
enum class DigestDomain : uint64_t {
  kRegistry = 1,
  kRegistration = 2,
  kSession = 3,
  kLowWater = 4,
  kReply = 5,
};

// The hash of one entry, field by field, in the order given.
template <typename... Fields>
StateDigest EntryDigest(DigestDomain domain, const Fields&... fields) {
  raft::Digest high;
  raft::Digest low;
  high.AddNumber(static_cast<uint64_t>(domain));
  low.AddNumber(~static_cast<uint64_t>(domain));
  (high.Add(fields), ...);
  (low.Add(fields), ...);
  return {high.value(), low.value()};
}

}  // namespace registry

#endif  // REGISTRY_STATE_DIGEST_H_
