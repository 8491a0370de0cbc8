#include "raft/storage/wal_format.h"

#include <algorithm>
#include <cstdio>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "raft/check.h"
#include "raft/crc32c.h"
#include "raft/storage/little_endian.h"

namespace raft::storage {
namespace {

constexpr std::string_view kSegmentMagic = "RaRegWAL";
constexpr uint32_t kRecordMagic = 0x43455257;  // "WREC"
constexpr std::string_view kSegmentSuffix = ".wal";
constexpr size_t kNameDigits = 12;

// Where the checksums lie. A header's does not cover itself; a record header's
// covers the body's.
constexpr size_t kHeaderChecksumAt = 12;
constexpr size_t kRecordChecksumAt = 4;
constexpr size_t kRecordCoveredAt = 8;
constexpr size_t kBodyChecksumAt = 8;
constexpr size_t kBatchOffsetAt = 32;

// What a record's checksum covers besides its bytes. A block written to the
// wrong place, or left there by another node, never passes for a record.
uint32_t PlaceChecksum(const WalOwner& owner, uint64_t sequence,
                       uint64_t offset) {
  std::string place;
  place.reserve(32);
  Put<uint64_t>(owner.cluster.value(), &place);
  PutNode(owner.node, &place);
  Put<uint64_t>(sequence, &place);
  Put<uint64_t>(offset, &place);
  return Crc32c(place);
}

uint64_t RecordBytes(const Persist& persist) {
  uint64_t bytes = kRecordHeaderBytes;
  for (const Entry& entry : persist.entries) {
    bytes += kEntryHeaderBytes + entry.payload.size();
  }
  return RoundUp(bytes, kRecordAlignment);
}

// Appends the record with both checksums zero.
void AppendRecord(const Persist& persist, size_t records_left,
                  uint64_t synced_end, const WalState& state,
                  std::string* out) {
  const uint64_t size = RecordBytes(persist);
  CHECK_LE(size, std::numeric_limits<uint32_t>::max());
  const size_t begin = out->size();
  Put<uint32_t>(kRecordMagic, out);
  Put<uint32_t>(0, out);  // header checksum
  Put<uint32_t>(0, out);  // body checksum
  Put<uint32_t>(static_cast<uint32_t>(size), out);
  Put<uint32_t>(state.checksum, out);
  Put<uint32_t>(static_cast<uint32_t>(records_left), out);
  Put<uint64_t>(state.next_record, out);
  Put<uint64_t>(synced_end, out);
  Put<uint64_t>(persist.term.value(), out);
  PutNode(persist.vote, out);
  Put<uint64_t>(persist.truncate_from.value(), out);
  Put<uint64_t>(
      persist.entries.empty() ? 0 : persist.entries.front().index.value(), out);
  Put<uint32_t>(static_cast<uint32_t>(persist.entries.size()), out);
  Put<uint32_t>(0, out);
  CHECK_EQ(out->size() - begin, kRecordHeaderBytes);
  for (const Entry& entry : persist.entries) {
    Put<uint64_t>(entry.term.value(), out);
    Put<uint32_t>(static_cast<uint32_t>(entry.payload.size()), out);
    Put<uint32_t>(static_cast<uint8_t>(entry.kind), out);
    out->append(entry.payload.view());
  }
  PutZeros(begin + size - out->size(), out);
}

// Fills in the checksums of the record that starts at (*out)[begin] and ends
// the string; returns the header's.
uint32_t SealRecord(size_t begin, uint32_t place_checksum, std::string* out) {
  const std::string_view record = std::string_view(*out).substr(begin);
  PutAt<uint32_t>(begin + kBodyChecksumAt,
                  Crc32c(record.substr(kRecordHeaderBytes)), out);
  const uint32_t checksum = Crc32c(
      record.substr(kRecordCoveredAt, kRecordHeaderBytes - kRecordCoveredAt),
      place_checksum);
  PutAt<uint32_t>(begin + kRecordChecksumAt, checksum, out);
  return checksum;
}

// The record header at `offset` of `segment`, if its checksum is that of one
// written for `place`.
std::optional<RecordHeader> ParseHeader(std::string_view segment,
                                        uint64_t offset, const WalOwner& owner,
                                        uint64_t sequence, uint64_t place) {
  if (offset > segment.size() || segment.size() - offset < kRecordHeaderBytes) {
    return std::nullopt;
  }
  const std::string_view bytes = segment.substr(offset, kRecordHeaderBytes);
  if (Get<uint32_t>(bytes, 0) != kRecordMagic) return std::nullopt;
  RecordHeader header;
  header.checksum = Get<uint32_t>(bytes, kRecordChecksumAt);
  if (header.checksum != Crc32c(bytes.substr(kRecordCoveredAt),
                                PlaceChecksum(owner, sequence, place))) {
    return std::nullopt;
  }
  header.body_checksum = Get<uint32_t>(bytes, kBodyChecksumAt);
  header.size = Get<uint32_t>(bytes, 12);
  header.previous = Get<uint32_t>(bytes, 16);
  header.records_left = Get<uint32_t>(bytes, 20);
  header.number = Get<uint64_t>(bytes, 24);
  header.synced_end = Get<uint64_t>(bytes, kBatchOffsetAt);
  header.term = Term(Get<uint64_t>(bytes, 40));
  header.vote = GetNode(bytes, 48);
  header.truncate_from = Index(Get<uint64_t>(bytes, 56));
  header.first_index = Index(Get<uint64_t>(bytes, 64));
  header.entry_count = Get<uint32_t>(bytes, 72);
  if (header.size < kRecordHeaderBytes || header.size % kRecordAlignment != 0) {
    return std::nullopt;
  }
  return header;
}

absl::Status Contradicts(const char* what) {
  return absl::DataLossError(
      absl::StrCat("the record's checksum is right but ", what));
}

}  // namespace

std::string NumberInName(uint64_t number, size_t width) {
  std::string digits = std::to_string(number);
  if (digits.size() < width) digits.insert(0, width - digits.size(), '0');
  return digits;
}

std::optional<uint64_t> ParseNumberInName(std::string_view digits,
                                          size_t width) {
  if (digits.size() != width) return std::nullopt;
  uint64_t number = 0;
  for (char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    number = number * 10 + static_cast<uint64_t>(c - '0');
  }
  return number;
}

std::string SegmentName(uint64_t sequence) {
  return NumberInName(sequence, kNameDigits) + std::string(kSegmentSuffix);
}

std::optional<uint64_t> ParseSegmentName(std::string_view name) {
  if (!name.ends_with(kSegmentSuffix)) return std::nullopt;
  name.remove_suffix(kSegmentSuffix.size());
  return ParseNumberInName(name, kNameDigits);
}

std::string EncodeSegmentHeader(const SegmentHeader& header) {
  std::string out(kSegmentMagic);
  Put<uint32_t>(kWalVersion, &out);
  Put<uint32_t>(0, &out);  // checksum, below
  Put<uint32_t>(kSegmentHeaderBytes, &out);
  Put<uint32_t>(header.block_bytes, &out);
  Put<uint32_t>(0, &out);  // Raft group
  Put<uint32_t>(header.state.checksum, &out);
  Put<uint64_t>(header.owner.cluster.value(), &out);
  PutNode(header.owner.node, &out);
  Put<uint64_t>(header.sequence, &out);
  Put<uint64_t>(header.previous_end, &out);
  Put<uint64_t>(header.synced_end, &out);
  Put<uint64_t>(header.state.next_record, &out);
  Put<uint64_t>(header.state.last_index.value() + 1, &out);
  Put<uint64_t>(header.state.term.value(), &out);
  PutNode(header.state.vote, &out);
  Put<uint64_t>(header.base.index.value(), &out);
  Put<uint64_t>(header.base.term.value(), &out);
  Put<uint64_t>(header.segment_bytes, &out);
  CHECK_EQ(out.size(), kSegmentHeaderBytes);
  std::string_view all = out;
  PutAt<uint32_t>(kHeaderChecksumAt,
                  Crc32c(all.substr(kHeaderChecksumAt + 4),
                         Crc32c(all.substr(0, kHeaderChecksumAt))),
                  &out);
  return out;
}

absl::StatusOr<SegmentHeader> DecodeSegmentHeader(std::string_view bytes) {
  if (bytes.size() < kSegmentHeaderBytes) {
    return absl::DataLossError("the segment header is cut short");
  }
  bytes = bytes.substr(0, kSegmentHeaderBytes);
  const uint32_t checksum = Crc32c(bytes.substr(kHeaderChecksumAt + 4),
                                   Crc32c(bytes.substr(0, kHeaderChecksumAt)));
  const uint32_t version = Get<uint32_t>(bytes, 8);
  const bool intact = bytes.starts_with(kSegmentMagic) &&
                      checksum == Get<uint32_t>(bytes, kHeaderChecksumAt);
  if (!intact) return absl::DataLossError("the segment header is damaged");
  // Every version keeps magic, version, checksum and the header's first 128
  // bytes where they are, so this is a newer one and not damage.
  if (version != kWalVersion) {
    return absl::FailedPreconditionError(absl::StrCat(
        "format version ", version, "; this program reads ", kWalVersion));
  }
  SegmentHeader header;
  header.block_bytes = Get<uint32_t>(bytes, 20);
  header.state.checksum = Get<uint32_t>(bytes, 28);
  header.owner.cluster = ClusterId(Get<uint64_t>(bytes, 32));
  header.owner.node = GetNode(bytes, 40);
  header.sequence = Get<uint64_t>(bytes, 48);
  header.previous_end = Get<uint64_t>(bytes, 56);
  header.synced_end = Get<uint64_t>(bytes, 64);
  header.state.next_record = Get<uint64_t>(bytes, 72);
  header.state.last_index = Index(Get<uint64_t>(bytes, 80) - 1);
  header.state.term = Term(Get<uint64_t>(bytes, 88));
  header.state.vote = GetNode(bytes, 96);
  header.base.index = Index(Get<uint64_t>(bytes, 104));
  header.base.term = Term(Get<uint64_t>(bytes, 112));
  header.segment_bytes = Get<uint64_t>(bytes, 120);
  if (header.block_bytes < kBlockBytesMin ||
      header.block_bytes % kBlockBytesMin != 0) {
    return absl::DataLossError("the segment header's block size is impossible");
  }
  return header;
}

std::optional<RecordHeader> ReadRecordHeader(std::string_view segment,
                                             uint64_t offset,
                                             const WalOwner& owner,
                                             uint64_t sequence) {
  const std::optional<RecordHeader> header =
      ParseHeader(segment, offset, owner, sequence, offset);
  if (!header.has_value() || header->size > segment.size() - offset) {
    return std::nullopt;
  }
  return header;
}

std::optional<RecordHeader> ReadMisplacedHeader(std::string_view segment,
                                                uint64_t offset,
                                                const WalOwner& owner,
                                                uint64_t sequence) {
  if (offset > segment.size() || segment.size() - offset < kRecordHeaderBytes) {
    return std::nullopt;
  }
  const uint64_t place = Get<uint64_t>(segment, offset + kBatchOffsetAt);
  if (place != offset) {
    const auto moved = ParseHeader(segment, offset, owner, sequence, place);
    if (moved.has_value()) return moved;
  }
  return ParseHeader(segment, offset, owner, sequence + 1, place);
}

bool BodyIsIntact(std::string_view segment, uint64_t offset,
                  const RecordHeader& header) {
  return Crc32c(segment.substr(offset + kRecordHeaderBytes,
                               header.size - kRecordHeaderBytes)) ==
         header.body_checksum;
}

absl::StatusOr<Persist> DecodeRecord(std::string_view segment, uint64_t offset,
                                     const RecordHeader& header) {
  Persist persist{.term = header.term,
                  .vote = header.vote,
                  .truncate_from = header.truncate_from};
  // One buffer per record: entries share it, and it goes when they go.
  const Bytes body = Bytes::Copy(segment.substr(
      offset + kRecordHeaderBytes, header.size - kRecordHeaderBytes));
  if (uint64_t{header.entry_count} * kEntryHeaderBytes > body.size()) {
    return Contradicts("it is too short for its entries");
  }
  persist.entries.reserve(header.entry_count);
  size_t at = 0;
  for (uint32_t i = 0; i < header.entry_count; ++i) {
    if (body.size() - at < kEntryHeaderBytes) {
      return Contradicts("it is too short for its entries");
    }
    const auto term = Term(Get<uint64_t>(body.view(), at));
    const uint64_t size = Get<uint32_t>(body.view(), at + 8);
    const auto kind =
        static_cast<EntryKind>(Get<uint8_t>(body.view(), at + 12));
    at += kEntryHeaderBytes;
    if (size > body.size() - at) {
      return Contradicts("an entry reaches beyond it");
    }
    persist.entries.push_back(
        {.index = header.first_index + i,
         .term = term,
         .kind = kind,
         .payload = size == 0 ? Bytes() : body.Slice(at, size)});
    at += size;
  }
  if (body.size() - at >= kRecordAlignment) {
    return Contradicts("it is too long for its entries");
  }
  return persist;
}

uint64_t BatchBytes(std::span<const Persist> batch) {
  uint64_t bytes = 0;
  for (const Persist& persist : batch) bytes += RecordBytes(persist);
  return bytes;
}

void EncodeBatch(std::span<const Persist> batch, uint64_t offset,
                 const WalOwner& owner, uint64_t sequence, WalState* state,
                 std::string* out) {
  const size_t base = out->size();
  for (size_t i = 0; i < batch.size(); ++i) {
    const char* why_not = WhyNotNext(*state, batch[i]);
    CHECK_EQ(std::string(why_not == nullptr ? "" : why_not), "");
    const size_t begin = out->size();
    AppendRecord(batch[i], /*records_left=*/batch.size() - 1 - i,
                 /*synced_end=*/offset, *state, out);
    state->checksum = SealRecord(
        begin, PlaceChecksum(owner, sequence, offset + begin - base), out);
    ++state->next_record;
    Advance(batch[i], state);
  }
}

const char* WhyNotNext(const WalState& state, const Persist& persist) {
  if (persist.term < state.term) return "the term falls";
  if (persist.term == state.term && state.vote.valid() &&
      persist.vote != state.vote) {
    return "the vote changes within a term";
  }
  Index last = state.last_index;
  if (persist.truncate_from != Index(0)) {
    if (persist.truncate_from > last + 1) return "it truncates past the end";
    last = persist.truncate_from - 1;
  }
  Term previous(0);
  for (const Entry& entry : persist.entries) {
    if (entry.index != last + 1) return "entries are not contiguous";
    if (entry.term < previous) return "an entry's term falls";
    if (entry.term > persist.term) return "an entry is newer than the term";
    previous = entry.term;
    last = entry.index;
  }
  return nullptr;
}

void Advance(const Persist& persist, WalState* state) {
  state->term = persist.term;
  state->vote = persist.vote;
  if (persist.truncate_from != Index(0)) {
    state->last_index = persist.truncate_from - 1;
  }
  if (!persist.entries.empty()) {
    state->last_index = persist.entries.back().index;
  }
}

}  // namespace raft::storage
