#include "raft/storage/wal_format.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "raft/crc32c.h"
#include "raft/storage/identity.h"
#include "raft/storage/little_endian.h"

namespace raft::storage {
namespace {

const WalOwner kOwner = {.cluster = ClusterId(7), .node = {1, 1}};

std::string Hex(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i > 0 && i % 8 == 0) text += ' ';
    text += kDigits[static_cast<uint8_t>(bytes[i]) >> 4];
    text += kDigits[static_cast<uint8_t>(bytes[i]) & 15];
  }
  return text;
}

std::vector<Persist> TwoPersists() {
  return {
      {.term = Term(2),
       .vote = {3, 1},
       .entries =
           {{.index = Index(1), .term = Term(1), .kind = EntryKind::kNoop},
            {.index = Index(2), .term = Term(2), .payload = Bytes("hello")}}},
      {.term = Term(3),
       .truncate_from = Index(2),
       .entries = {{.index = Index(2),
                    .term = Term(3),
                    .kind = EntryKind::kConfig,
                    .payload = Bytes("x")}}}};
}

// The two persists as a batch at `offset` of a file of otherwise zeros.
std::string FileWithBatch(uint64_t offset, uint64_t sequence) {
  std::string file(offset, '\0');
  WalState state;
  EncodeBatch(TwoPersists(), offset, kOwner, sequence, &state, &file);
  file.resize(offset + 1024, '\0');
  return file;
}

// FORMAT: these bytes are on people's disks.
TEST(WalFormat, SegmentHeaderByteForByte) {
  const SegmentHeader header = {
      .owner = {.cluster = ClusterId(0x1122334455667788),
                .node = {.slot = 2, .incarnation = 0x01020304}},
      .sequence = 5,
      .block_bytes = 4096,
      .previous_end = 0x3000,
      .synced_end = 0x2000,
      .segment_bytes = 0x1000000,
      .state = {.term = Term(9),
                .vote = {.slot = 1, .incarnation = 6},
                .last_index = Index(16),
                .next_record = 33,
                .checksum = 0xaabbccdd},
  };
  const std::string bytes = EncodeSegmentHeader(header);
  EXPECT_EQ(
      Hex(bytes),
      "526152656757414c 0100000069cc0e80 8000000000100000 00000000ddccbbaa "
      "8877665544332211 0200000004030201 0500000000000000 0030000000000000 "
      "0020000000000000 2100000000000000 1100000000000000 0900000000000000 "
      "0100000006000000 0000000000000000 0000000000000000 0000000100000000");
  ASSERT_TRUE(DecodeSegmentHeader(bytes).ok());
  EXPECT_EQ(*DecodeSegmentHeader(bytes), header);
  EXPECT_EQ(*DecodeSegmentHeader(bytes + std::string(100, 'x')), header);
}

TEST(WalFormat, RecordByteForByte) {
  const std::string file = FileWithBatch(512, 5);
  EXPECT_EQ(
      Hex(file.substr(512, 120)),
      "57524543d510d253 638c391d78000000 0000000001000000 0100000000000000 "
      "0002000000000000 0200000000000000 0300000001000000 0000000000000000 "
      "0100000000000000 0200000000000000 0100000000000000 0000000001000000 "
      "0200000000000000 0500000002000000 68656c6c6f000000");
}

TEST(WalFormat, SegmentHeadersAreCheckedInFull) {
  const std::string bytes = EncodeSegmentHeader({.owner = kOwner});
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      EXPECT_TRUE(absl::IsDataLoss(DecodeSegmentHeader(damaged).status()));
    }
    EXPECT_TRUE(
        absl::IsDataLoss(DecodeSegmentHeader(bytes.substr(0, at)).status()));
  }
}

TEST(WalFormat, ANewerVersionIsNotDamage) {
  std::string bytes = EncodeSegmentHeader({.owner = kOwner});
  PutAt<uint32_t>(8, kWalVersion + 1, &bytes);
  PutAt<uint32_t>(12, Crc32c(bytes.substr(16), Crc32c(bytes.substr(0, 12))),
                  &bytes);
  EXPECT_TRUE(absl::IsFailedPrecondition(DecodeSegmentHeader(bytes).status()));
}

TEST(WalFormat, RecordsComeBack) {
  const std::string file = FileWithBatch(512, 5);
  uint64_t at = 512;
  for (size_t i = 0; i < 2; ++i) {
    const auto header = ReadRecordHeader(file, at, kOwner, 5);
    ASSERT_TRUE(header.has_value());
    EXPECT_TRUE(BodyIsIntact(file, at, *header));
    EXPECT_EQ(header->records_left, 1 - i);
    EXPECT_EQ(header->number, 1 + i);
    EXPECT_EQ(header->synced_end, 512u);
    const auto persist = DecodeRecord(file, at, *header);
    ASSERT_TRUE(persist.ok()) << persist.status();
    EXPECT_EQ(*persist, TwoPersists()[i]);
    at += header->size;
  }
  EXPECT_EQ(at, 512 + BatchBytes(TwoPersists()));
}

// [Fault M44] The right bytes in the wrong place are no record.
TEST(WalFormat, ARecordIsGoodInOnePlaceOnly) {
  const std::string file = FileWithBatch(512, 5);
  ASSERT_TRUE(ReadRecordHeader(file, 512, kOwner, 5).has_value());
  EXPECT_FALSE(ReadRecordHeader(file, 512, kOwner, 6).has_value());
  EXPECT_FALSE(ReadRecordHeader("8 bytes " + file, 520, kOwner, 5).has_value());
  WalOwner other = kOwner;
  other.cluster = ClusterId(8);
  EXPECT_FALSE(ReadRecordHeader(file, 512, other, 5).has_value());
  other = kOwner;
  other.node.slot = 2;
  EXPECT_FALSE(ReadRecordHeader(file, 512, other, 5).has_value());
  other = kOwner;
  other.node.incarnation = 2;
  EXPECT_FALSE(ReadRecordHeader(file, 512, other, 5).has_value());
}

TEST(WalFormat, EveryBitOfARecordIsCovered) {
  const std::string file = FileWithBatch(512, 5);
  const uint64_t size = ReadRecordHeader(file, 512, kOwner, 5)->size;
  for (uint64_t at = 512; at < 512 + size; ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = file;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      const auto header = ReadRecordHeader(damaged, 512, kOwner, 5);
      EXPECT_FALSE(header.has_value() && BodyIsIntact(damaged, 512, *header))
          << "byte " << at - 512 << " bit " << bit;
    }
  }
}

// A record whose header and body do not fit each other, checksums or not, is
// refused without reading beyond it.
TEST(WalFormat, LyingCountsAreRefused) {
  const std::string file = FileWithBatch(512, 5);
  const RecordHeader good = *ReadRecordHeader(file, 512, kOwner, 5);
  for (uint32_t count : {0u, 1u, 3u, 1000u, 0xffffffffu}) {
    RecordHeader header = good;
    header.entry_count = count;
    EXPECT_TRUE(absl::IsDataLoss(DecodeRecord(file, 512, header).status()))
        << count;
  }
  for (uint32_t size : {4u, 14u, 1000u, 0xffffffffu}) {
    std::string lying = file;
    PutAt<uint32_t>(512 + kRecordHeaderBytes + kEntryHeaderBytes + 8, size,
                    &lying);
    const bool fits_padding = size == 4;  // 5 bytes and 3 of padding
    EXPECT_EQ(DecodeRecord(lying, 512, good).ok(), fits_padding) << size;
  }
}

TEST(WalFormat, WhatMayFollow) {
  const WalState state = {
      .term = Term(5), .vote = {1, 1}, .last_index = Index(10)};
  const auto why = [&](const Persist& persist) {
    const char* text = WhyNotNext(state, persist);
    return std::string(text == nullptr ? "" : text);
  };
  const auto entry = [](uint64_t index, uint64_t term) {
    return Entry{.index = Index(index), .term = Term(term)};
  };
  const NodeId n1 = {1, 1};
  const NodeId n2 = {2, 1};
  EXPECT_EQ(why({.term = Term(5), .vote = n1}), "");
  EXPECT_EQ(why({.term = Term(6)}), "");
  EXPECT_EQ(why({.term = Term(6), .vote = n2}), "");
  EXPECT_EQ(why({.term = Term(4), .vote = n1}), "the term falls");
  // Two votes in one term are what elects two leaders.
  EXPECT_EQ(why({.term = Term(5), .vote = n2}),
            "the vote changes within a term");
  EXPECT_EQ(why({.term = Term(5)}), "the vote changes within a term");
  EXPECT_EQ(why({.term = Term(6), .entries = {entry(11, 5), entry(12, 6)}}),
            "");
  EXPECT_EQ(why({.term = Term(6), .entries = {entry(12, 6)}}),
            "entries are not contiguous");
  EXPECT_EQ(why({.term = Term(6), .entries = {entry(11, 6), entry(11, 6)}}),
            "entries are not contiguous");
  EXPECT_EQ(why({.term = Term(6), .entries = {entry(11, 6), entry(12, 5)}}),
            "an entry's term falls");
  EXPECT_EQ(why({.term = Term(6), .entries = {entry(11, 7)}}),
            "an entry is newer than the term");
  EXPECT_EQ(why({.term = Term(6),
                 .truncate_from = Index(8),
                 .entries = {entry(8, 6)}}),
            "");
  EXPECT_EQ(why({.term = Term(6),
                 .truncate_from = Index(8),
                 .entries = {entry(11, 6)}}),
            "entries are not contiguous");
  EXPECT_EQ(why({.term = Term(6), .truncate_from = Index(12)}),
            "it truncates past the end");
}

TEST(WalFormatDeathTest, TheWriterChecksWhatItWrites) {
  WalState state = {.term = Term(5)};
  std::string out;
  const std::vector<Persist> batch = {{.term = Term(4)}};
  EXPECT_DEATH(EncodeBatch(batch, 512, kOwner, 1, &state, &out),
               "the term falls");
}

TEST(WalFormat, SegmentNames) {
  EXPECT_EQ(SegmentName(1), "000000000001.wal");
  EXPECT_EQ(ParseSegmentName("000000000001.wal"), 1u);
  EXPECT_EQ(ParseSegmentName(SegmentName(999999999999)), 999999999999u);
  for (const char* other :
       {"", "1.wal", "next.tmp", "00000000000x.wal", "000000000001.wax",
        "0000000000001.wal", "000000000001.wal~"}) {
    EXPECT_EQ(ParseSegmentName(other), std::nullopt) << other;
  }
}

TEST(IdentityFormat, ByteForByte) {
  const Identity identity = {.cluster = ClusterId(0x0807060504030201),
                             .node = {.slot = 2, .incarnation = 3},
                             .initial_voters = {{1, 1}, {2, 3}}};
  const std::string bytes = EncodeIdentity(identity);
  EXPECT_EQ(
      Hex(bytes),
      "526152656749440a 0100000034fd72ea 3800000002000000 0300000002000000 "
      "0102030405060708 0100000001000000 0200000003000000");
  ASSERT_TRUE(DecodeIdentity(bytes).ok());
  EXPECT_EQ(*DecodeIdentity(bytes), identity);
  for (size_t at = 0; at < bytes.size(); ++at) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    EXPECT_TRUE(absl::IsDataLoss(DecodeIdentity(damaged).status()));
    EXPECT_TRUE(absl::IsDataLoss(DecodeIdentity(bytes.substr(0, at)).status()));
  }
  EXPECT_TRUE(absl::IsDataLoss(DecodeIdentity(bytes + "x").status()));
}

}  // namespace
}  // namespace raft::storage
