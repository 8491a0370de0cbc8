#include "raft/storage/wal_recovery.h"

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "raft/storage/wal_format.h"

namespace raft::storage {
namespace {

const WalOwner kOwner = {.cluster = ClusterId(7), .node = {1, 1}};
constexpr uint64_t kBlock = 512;
constexpr uint64_t kFileBytes = 16 * kBlock;

// A segment of three batches of two records each, a block to a batch, and where
// its records lie.
struct Sample {
  SegmentHeader header = {.owner = kOwner,
                          .block_bytes = kBlock,
                          .synced_end = kBlock,
                          .segment_bytes = kFileBytes};
  std::string bytes;
  std::vector<uint64_t> records;

  Sample() {
    bytes = EncodeSegmentHeader(header);
    WalState state;
    for (uint64_t batch = 0; batch < 3; ++batch) {
      bytes.resize((1 + batch) * kBlock, '\0');
      std::vector<Persist> persists(2);
      for (uint64_t i = 0; i < 2; ++i) {
        persists[i] = {.term = Term(1),
                       .entries = {{.index = Index(1 + 2 * batch + i),
                                    .term = Term(1),
                                    .payload = Bytes("payload")}}};
        records.push_back(bytes.size() + i * BatchBytes({persists.data(), 1}));
      }
      EncodeBatch(persists, bytes.size(), kOwner, 1, &state, &bytes);
    }
    bytes.resize(kFileBytes, '\0');
  }

  void Damage(uint64_t offset) { bytes[offset + 20] ^= 1; }
  void ZeroFrom(uint64_t offset) {
    bytes.replace(offset, std::string::npos, kFileBytes - offset, '\0');
  }
  void Copy(uint64_t from, uint64_t to) {
    bytes.replace(to, kBlock, bytes.substr(from, kBlock));
  }
  void Move(uint64_t from, uint64_t to) {
    Copy(from, to);
    bytes.replace(from, kBlock, kBlock, '\0');
  }
  SegmentEnd Read(uint64_t synced_mark = 0) const {
    ReplayedLog log = {.state = header.state};
    const SegmentEnd end = ReadSegment(bytes, header, synced_mark, &log);
    EXPECT_EQ(log.entries.size(), end.records);
    return end;
  }
};

// One way to come into each cell of the table that can be come into.
struct Case {
  const char* name;
  Tail tail;
  Later later;
  Synced synced;
  Verdict verdict;
  uint64_t records;  // intact ones before the tail
  std::function<SegmentEnd()> read;
};

SegmentEnd After(const std::function<void(Sample*)>& damage,
                 uint64_t synced_mark = 0) {
  Sample sample;
  damage(&sample);
  return sample.Read(synced_mark);
}

std::vector<Case> Cases() {
  constexpr uint64_t kAll = kFileBytes;  // a mark beyond everything
  return {
      {"a clean stop", Tail::kEnd, Later::kNone, Synced::kNotBeyond,
       Verdict::kAccept, 6, [] { return After([](Sample*) {}); }},
      {"durable batches read as zeros", Tail::kEnd, Later::kNone,
       Synced::kBeyond, Verdict::kRefuse, 4,
       [] {
         return After([](Sample* s) { s->ZeroFrom(s->records[4]); }, kAll);
       }},
      {"the second record of the last batch never arrived",
       Tail::kUnfinishedBatch, Later::kNone, Synced::kNotBeyond, Verdict::kCut,
       5, [] { return After([](Sample* s) { s->ZeroFrom(s->records[5]); }); }},
      {"the same, though it was durable", Tail::kUnfinishedBatch, Later::kNone,
       Synced::kBeyond, Verdict::kRefuse, 5,
       [] {
         return After([](Sample* s) { s->ZeroFrom(s->records[5]); }, kAll);
       }},
      {"the last record is torn", Tail::kBroken, Later::kNone,
       Synced::kNotBeyond, Verdict::kCut, 5,
       [] { return After([](Sample* s) { s->Damage(s->records[5]); }); }},
      {"the last record is damaged, though it was durable", Tail::kBroken,
       Later::kNone, Synced::kBeyond, Verdict::kRefuse, 5,
       [] { return After([](Sample* s) { s->Damage(s->records[5]); }, kAll); }},
      {"the last batch arrived without its beginning", Tail::kBroken,
       Later::kFound, Synced::kNotBeyond, Verdict::kCut, 4,
       [] { return After([](Sample* s) { s->Damage(s->records[4]); }); }},
      {"a record before the last batch is damaged", Tail::kBroken,
       Later::kFound, Synced::kBeyond, Verdict::kRefuse, 3,
       [] { return After([](Sample* s) { s->Damage(s->records[3]); }); }},
      {"the last batch stands on the one before it", Tail::kBroken,
       Later::kMisplaced, Synced::kNotBeyond, Verdict::kRefuse, 2,
       [] {
         return After([](Sample* s) { s->Move(s->records[4], s->records[2]); });
       }},
      {"the last batch stands behind its place", Tail::kBroken,
       Later::kMisplaced, Synced::kNotBeyond, Verdict::kRefuse, 4,
       [] {
         return After([](Sample* s) { s->Move(s->records[4], 7 * kBlock); });
       }},
      {"a batch stands on another, and one behind it is right", Tail::kBroken,
       Later::kMisplaced, Synced::kBeyond, Verdict::kRefuse, 0,
       [] {
         return After([](Sample* s) { s->Move(s->records[2], s->records[0]); });
       }},
      {"a torn batch holds a copy of one before it", Tail::kBroken,
       Later::kNone, Synced::kNotBeyond, Verdict::kCut, 4,
       [] {
         return After([](Sample* s) {
           s->ZeroFrom(s->records[4]);
           s->Copy(s->records[2], s->records[4]);
         });
       }},
      {"a record of another log", Tail::kContradiction, Later::kNone,
       Synced::kNotBeyond, Verdict::kRefuse, 0,
       [] {
         return After([](Sample* s) { s->header.state.next_record = 2; });
       }},
      {"a record of another log in durable bytes", Tail::kContradiction,
       Later::kNone, Synced::kBeyond, Verdict::kRefuse, 0,
       [] {
         return After([](Sample* s) { s->header.state.checksum = 2; }, kAll);
       }},
  };
}

TEST(WalRecovery, TheTableCellByCell) {
  bool reached[4][3][2] = {};
  for (const Case& c : Cases()) {
    SCOPED_TRACE(c.name);
    const SegmentEnd end = c.read();
    EXPECT_EQ(end.tail, c.tail);
    EXPECT_EQ(end.later, c.later);
    EXPECT_EQ(end.synced, c.synced);
    EXPECT_EQ(end.records, c.records);
    EXPECT_EQ(Decide(end.tail, end.later, end.synced), c.verdict);
    reached[static_cast<int>(c.tail)][static_cast<int>(c.later)]
           [static_cast<int>(c.synced)] = true;
  }
  // Every other cell is impossible, or (behind a contradiction nobody looks
  // further) refused.
  for (int tail = 0; tail < 4; ++tail) {
    for (int later = 0; later < 3; ++later) {
      for (int synced = 0; synced < 2; ++synced) {
        if (reached[tail][later][synced]) continue;
        EXPECT_EQ(Decide(Tail{static_cast<uint8_t>(tail)},
                         Later{static_cast<uint8_t>(later)},
                         Synced{static_cast<uint8_t>(synced)}),
                  tail == static_cast<int>(Tail::kContradiction)
                      ? Verdict::kRefuse
                      : Verdict::kImpossible)
            << tail << later << synced;
      }
    }
  }
}

// Damage to any byte of any record, by the place of the record: everything
// before the last batch is refused, the last batch is cut.
TEST(WalRecovery, OnlyTheLastBatchIsEverCut) {
  const Sample whole;
  for (uint64_t at = kBlock; at < whole.records[5] + 104; ++at) {
    Sample sample;
    sample.bytes[at] = static_cast<char>(sample.bytes[at] ^ 0x40);
    const SegmentEnd end = sample.Read();
    const Verdict verdict = Decide(end.tail, end.later, end.synced);
    if (end.records == 6) {
      EXPECT_EQ(verdict, Verdict::kAccept) << "padding";
    } else if (at < whole.records[4]) {
      EXPECT_EQ(verdict, Verdict::kRefuse) << at;
    } else {
      EXPECT_EQ(verdict, Verdict::kCut) << at;
      EXPECT_GE(end.records, 4u);
      EXPECT_GT(end.torn_bytes, 0u);
    }
  }
}

TEST(WalRecovery, TheLastBatchIsKnown) {
  const Sample sample;
  const SegmentEnd end = sample.Read();
  EXPECT_EQ(end.batches, 3u);
  EXPECT_EQ(end.batch_begin, 3 * kBlock);
  EXPECT_EQ(end.batch_records, 2u);
  EXPECT_EQ(end.offset, 4 * kBlock);
  EXPECT_EQ(end.state_before_batch.last_index, Index(4));
  EXPECT_EQ(end.state_before_batch.next_record, 5u);
}

}  // namespace
}  // namespace raft::storage
