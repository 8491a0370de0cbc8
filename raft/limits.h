// Every bound in one place; relations between bounds are asserted here.
#ifndef RAFT_LIMITS_H_
#define RAFT_LIMITS_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace raft {

// FORMAT: part of the wire and disk formats. Both sides must agree.
inline constexpr size_t kFrameHeaderBytes = 16;
inline constexpr size_t kFrameBytesMax = 1 << 20;  // header included
inline constexpr size_t kEntryBytesMax = 256 << 10;

// A snapshot's pieces, as they stand in its file and in messages.
inline constexpr size_t kSnapshotPieceBytesMax = 256 << 10;
inline constexpr size_t kSnapshotConfigurationBytesMax = 64 << 10;
static_assert(kSnapshotPieceBytesMax + kSnapshotConfigurationBytesMax + 1024 <
                  kFrameBytesMax,
              "a piece must fit into one frame");

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

// How much of a leader's bounds is used. What ships is what stands here; the
// simulator makes them tiny, so that a run of seconds meets what a production
// leader meets under load (faults.md 1.2, "internal").
struct Limits {
  static constexpr std::string_view kName = "Limits";
  uint64_t append_bytes = kAppendBytesMax;
  uint64_t append_entries = kAppendEntriesMax;
  uint64_t inflight_appends = kInflightAppendsMax;
  uint64_t inflight_bytes = kInflightBytesMax;
  uint64_t uncommitted_bytes = kUncommittedBytesMax;

  // Each is at least 1, and at most the constant: receivers, frames and the
  // window's memory rely on that.
  constexpr bool valid() const {
    const auto in = [](uint64_t limit, uint64_t most) {
      return limit >= 1 && limit <= most;
    };
    return in(append_bytes, kAppendBytesMax) &&
           in(append_entries, kAppendEntriesMax) &&
           in(inflight_appends, kInflightAppendsMax) &&
           in(inflight_bytes, kInflightBytesMax) &&
           in(uncommitted_bytes, kUncommittedBytesMax);
  }
  bool operator==(const Limits&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("append_bytes", append_bytes), f("append_entries", append_entries),
        f("inflight_appends", inflight_appends),
        f("inflight_bytes", inflight_bytes),
        f("uncommitted_bytes", uncommitted_bytes);
  }
};

}  // namespace raft

#endif  // RAFT_LIMITS_H_
