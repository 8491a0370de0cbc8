// The bytes of the write-ahead log: segment headers and records. The layout,
// byte for byte, with its reasons: FORMAT.md. Pure functions; no I/O here.
#ifndef RAFT_STORAGE_WAL_FORMAT_H_
#define RAFT_STORAGE_WAL_FORMAT_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "raft/raft_io.h"
#include "raft/types.h"

namespace raft::storage {

// FORMAT
inline constexpr uint32_t kWalVersion = 1;
inline constexpr size_t kSegmentHeaderBytes = 128;
inline constexpr size_t kRecordHeaderBytes = 80;
inline constexpr size_t kEntryHeaderBytes = 16;
inline constexpr size_t kRecordAlignment = 8;
inline constexpr uint32_t kBlockBytesMin = 512;
static_assert(kSegmentHeaderBytes <= kBlockBytesMin);

// Whose log it is; part of every checksum.
struct WalOwner {
  ClusterId cluster;
  NodeId node;
  bool operator==(const WalOwner&) const = default;
};

// What the log amounts to at one point of it. A segment header repeats it; the
// writer carries it on from record to record; recovery compares the two.
struct WalState {
  Term term;
  NodeId vote;
  Index last_index;
  uint64_t next_record = 1;  // records are numbered over all segments
  uint32_t checksum = 0;     // of the last record's header: the chain
  bool operator==(const WalState&) const = default;
};

struct SegmentHeader {
  WalOwner owner;
  uint64_t sequence = 1;
  uint32_t block_bytes = 4096;
  // Where the log leaves segment `sequence - 1` and comes here. Bytes there
  // from this offset on are not part of the log. 0 in segment 1.
  uint64_t previous_end = 0;
  // This file's bytes before this offset were durable before it got its name.
  uint64_t synced_end = 0;
  // The file's size when it got its name. Only a segment that has a successor
  // may be shorter.
  uint64_t segment_bytes = 0;
  WalState state;  // at the beginning of this segment
  // Up to there a snapshot has taken the log's place, so entries before are no
  // part of it; {0, 0}: nowhere. If the segment before names another, this is
  // where that happened: `state.last_index` is the base's, whatever the log
  // held.
  EntryId base;
  bool operator==(const SegmentHeader&) const = default;
};

// Where a segment begins: behind the entry at `after`, if the log goes on
// without truncation.
struct SegmentStart {
  uint64_t sequence = 0;
  Index after;
  bool operator==(const SegmentStart&) const = default;
};

// A number as it stands in file names, filled up to `width` digits so that
// names sort by it.
std::string NumberInName(uint64_t number, size_t width);
// nullopt when `digits` are not exactly `width` digits.
std::optional<uint64_t> ParseNumberInName(std::string_view digits,
                                          size_t width);
// "000000000001.wal"; sorts by sequence.
std::string SegmentName(uint64_t sequence);
// nullopt when `name` is not a segment's.
std::optional<uint64_t> ParseSegmentName(std::string_view name);

std::string EncodeSegmentHeader(const SegmentHeader& header);
// DataLoss when damaged, FailedPrecondition when of another format version.
// `bytes` may be longer than the header.
absl::StatusOr<SegmentHeader> DecodeSegmentHeader(std::string_view bytes);

// A record's header, once its checksum is known to be right for its place.
struct RecordHeader {
  uint32_t checksum = 0;       // of this header; the next record repeats it
  uint32_t body_checksum = 0;  // of the bytes after the header
  uint64_t size = 0;           // bytes, header included
  uint32_t previous = 0;       // checksum of the record before
  uint32_t records_left = 0;   // after this one in its batch
  uint64_t number = 0;
  // Where its batch begins: all bytes before were durable when it was written.
  uint64_t synced_end = 0;
  Term term;
  NodeId vote;
  Index truncate_from;
  Index first_index;
  uint32_t entry_count = 0;
};

// The record header at `offset` of segment `sequence`, whose bytes up to the
// end of the log's possible range are `segment`; nullopt unless magic and
// checksum are right for exactly this place and the record fits.
std::optional<RecordHeader> ReadRecordHeader(std::string_view segment,
                                             uint64_t offset,
                                             const WalOwner& owner,
                                             uint64_t sequence);
// The same of a record that stands at `offset` of the segment but was written
// for another place, in it or in the next segment: as the first of a batch,
// which names that place.
std::optional<RecordHeader> ReadMisplacedHeader(std::string_view segment,
                                                uint64_t offset,
                                                const WalOwner& owner,
                                                uint64_t sequence);
bool BodyIsIntact(std::string_view segment, uint64_t offset,
                  const RecordHeader& header);
// Requires BodyIsIntact. DataLoss if the body contradicts its header. The
// token is not stored: it comes back as 0.
absl::StatusOr<Persist> DecodeRecord(std::string_view segment, uint64_t offset,
                                     const RecordHeader& header);

// Bytes that EncodeBatch appends, before rounding up to a block.
uint64_t BatchBytes(std::span<const Persist> batch);
// Appends one record per persist to *out, for a batch that begins at `offset`
// of segment `sequence`; advances *state past them. Dies (CHECK) on persists
// that do not continue `state`: term falls, entries not contiguous.
void EncodeBatch(std::span<const Persist> batch, uint64_t offset,
                 const WalOwner& owner, uint64_t sequence, WalState* state,
                 std::string* out);

// Why `persist` cannot follow `state`; nullptr when it can. The one rule that
// both the writer (CHECK) and recovery (refusal) apply.
const char* WhyNotNext(const WalState& state, const Persist& persist);
// `state` after `persist`, all but next_record and checksum.
void Advance(const Persist& persist, WalState* state);

constexpr uint64_t RoundUp(uint64_t n, uint64_t to) {
  return (n + to - 1) / to * to;
}

}  // namespace raft::storage

#endif  // RAFT_STORAGE_WAL_FORMAT_H_
