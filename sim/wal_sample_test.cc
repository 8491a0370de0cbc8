// Data directories of older format versions still open to what was in them.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "raft/digest.h"
#include "raft/storage/storage.h"
#include "sim/sim_disk.h"
#include "sim/storage_life.h"
#include "sim/storage_sample.h"

namespace sim {
namespace {

using raft::Bytes;
using raft::EntryKind;
using raft::Index;
using raft::Persist;
using raft::Term;

constexpr char kSample[] = "testdata/wal/v1";

const std::vector<std::string>& SampleFiles() {
  static const auto* const files = new std::vector<std::string>{
      "identity", "wal/000000000001.wal", "wal/000000000002.wal",
      "wal/000000000003.wal"};
  return *files;
}

raft::Entry SampleEntry(uint64_t index, uint64_t term, EntryKind kind,
                        const std::string& payload) {
  return {.index = Index(index),
          .term = Term(term),
          .kind = kind,
          .payload = Bytes(payload)};
}

// What the sample holds: every feature of a record, three segments, a batch of
// two, and (added by hand, see below) a torn one.
std::vector<std::vector<Persist>> SampleBatches() {
  std::string large;
  for (int i = 0; i < 700; ++i) large.push_back(static_cast<char>(i * 7));
  return {
      {{.term = Term(1), .vote = {1, 1}}},
      {{.term = Term(1),
        .vote = {1, 1},
        .entries = {SampleEntry(1, 1, EntryKind::kNoop, ""),
                    SampleEntry(2, 1, EntryKind::kCommand, "lost command"),
                    SampleEntry(3, 1, EntryKind::kCommand, "another")}},
       {.term = Term(2), .vote = {2, 4}}},
      {{.term = Term(2),
        .vote = {2, 4},
        .truncate_from = Index(2),
        .entries = {SampleEntry(2, 2, EntryKind::kNoop, ""),
                    SampleEntry(3, 2, EntryKind::kCommand, large)}}},
      {{.term = Term(5),
        .entries = {SampleEntry(4, 5, EntryKind::kConfig, "config")}}},
      {{.term = Term(5), .vote = {3, 1}}},
  };
}

TEST(WalSample, Version1) {
  SimDisk disk;
  for (const char* folder : {"data", "data/n1", "data/n1/wal"}) {
    ASSERT_TRUE(disk.MakeDir(folder).ok());
  }
  LoadSample(kSample, SampleFiles(), &disk);
  auto opened = raft::storage::Open(&disk, kDataDir, {});
  ASSERT_TRUE(opened.ok()) << opened.status();
  const raft::storage::Recovered& recovered = opened->recovered;
  LogModel expected;
  for (const auto& batch : SampleBatches()) {
    for (const Persist& persist : batch) expected.Apply(persist);
  }
  EXPECT_EQ(recovered.identity, TheIdentity());
  EXPECT_EQ(recovered.term, expected.term);
  EXPECT_EQ(recovered.vote, expected.vote);
  EXPECT_EQ(recovered.log, expected.log);
  EXPECT_EQ(recovered.records, 6u);
  EXPECT_EQ(recovered.segments, 3u);
  EXPECT_EQ(recovered.torn_bytes_cut, 9u);
  // And can be written on.
  EXPECT_TRUE(
      opened->storage
          ->Append({{.term = Term(6),
                     .entries = {SampleEntry(5, 6, EntryKind::kNoop, "")}}})
          .ok());
}

// How the sample was made; for the sample of the next version. Writes into the
// source tree:
//   bazel run //sim:storage_test -- --gtest_also_run_disabled_tests
//       --gtest_filter=WalSample.DISABLED_Write
TEST(WalSample, DISABLED_Write) {
  SimDisk disk;
  ASSERT_TRUE(disk.MakeDir("data").ok());
  ASSERT_TRUE(raft::storage::Format(&disk, kDataDir, TheIdentity()).ok());
  {
    auto opened = raft::storage::Open(
        &disk, kDataDir,
        {.segment_bytes = 2048, .block_bytes = 512, .zero_ahead_bytes = 0});
    ASSERT_TRUE(opened.ok());
    for (const auto& batch : SampleBatches()) {
      ASSERT_TRUE(opened->storage->Append(batch).ok());
    }
  }
  // A record that was cut after a few bytes.
  disk.Poke(absl::StrCat(kDataDir, "/", SampleFiles().back()), 1024,
            "WREC torn");
  SaveSample(kSample, SampleFiles(), disk);
}

}  // namespace
}  // namespace sim
