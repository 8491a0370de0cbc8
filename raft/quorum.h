// What a majority of one voter set agrees on. Joint consensus (issue 4) asks
// both of its halves and takes the smaller value, or the worse result.
#ifndef RAFT_QUORUM_H_
#define RAFT_QUORUM_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "raft/check.h"
#include "raft/limits.h"

namespace raft {

constexpr size_t MajorityOf(size_t voters) { return voters / 2 + 1; }

// The highest value that a majority of the voters has reached, given the value
// of every voter. For match indexes it is what may be committed; for rounds,
// what is confirmed; for times of last contact, since when the leader is alone.
// Requires 1..kVotersMax values.
template <typename T>
T ReachedByMajority(std::span<const T> values) {
  CHECK_GE(values.size(), size_t{1});
  CHECK_LE(values.size(), size_t{kVotersMax});
  std::array<T, kVotersMax> sorted;
  // Insertion, falling: voter sets are tiny, and this runs on every reply.
  for (size_t i = 0; i < values.size(); ++i) {
    size_t at = i;
    for (; at > 0 && sorted[at - 1] < values[i]; --at) {
      sorted[at] = sorted[at - 1];
    }
    sorted[at] = values[i];
  }
  return sorted[MajorityOf(values.size()) - 1];
}

enum class Ballot : uint8_t { kSilent = 0, kGranted = 1, kRefused = 2 };
enum class VoteResult : uint8_t { kPending = 0, kWon = 1, kLost = 2 };

// The result of a campaign given the ballot of every voter. Lost: the silent
// ones cannot turn it any more.
VoteResult CountBallots(std::span<const Ballot> ballots);

}  // namespace raft

#endif  // RAFT_QUORUM_H_
