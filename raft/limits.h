// Every bound in one place; relations between bounds are asserted here.
#ifndef RAFT_LIMITS_H_
#define RAFT_LIMITS_H_

#include <cstddef>
#include <cstdint>

namespace raft {

// FORMAT: part of the wire and disk formats. Both sides must agree.
inline constexpr size_t kFrameHeaderBytes = 16;
inline constexpr size_t kFrameBytesMax = 1 << 20;  // header included
inline constexpr size_t kEntryBytesMax = 256 << 10;

// A WAL segment as created; any size can be read.
inline constexpr size_t kWalSegmentBytes = 16 << 20;

// Cluster size (architecture, decisions table).
inline constexpr int kVotersMax = 7;
inline constexpr int kLearnersMax = 9;

// Replication. An append carries at least one entry and then as many as fit.
inline constexpr size_t kAppendBytesMax = 512 << 10;
inline constexpr size_t kAppendEntriesMax = 4096;
// Counted for every entry beside its payload: what its index, term and framing
// take, rounded up. Keeps a million empty commands from being free.
inline constexpr size_t kEntryOverheadBytes = 32;
inline constexpr int kInflightAppendsMax = 64;  // per follower
inline constexpr size_t kInflightBytesMax = 8 << 20;
inline constexpr size_t kUncommittedBytesMax = 64 << 20;  // then back-pressure

static_assert(kAppendBytesMax >= kEntryBytesMax + kEntryOverheadBytes,
              "an append must make progress past one large entry");
static_assert(kFrameBytesMax >= kAppendBytesMax + kEntryBytesMax,
              "an encoded append must fit into one frame");
static_assert(kInflightBytesMax >= 2 * kAppendBytesMax,
              "the window must hold more than one append");

}  // namespace raft

#endif  // RAFT_LIMITS_H_
