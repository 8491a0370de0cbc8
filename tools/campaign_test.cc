#include "tools/campaign.h"

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "raft/raft_io.h"
#include "tools/sweep_record.h"

namespace tools {
namespace {

// A run that goes as its seed says; nothing is simulated.
sim::SimulationResult Pretend(const sim::SeedOptions& options) {
  sim::SimulationResult result;
  result.digest = options.seed * 1000;
  result.events = 10;
  result.simulated_us = options.seconds * 1'000'000;
  result.operations = 200 + options.seed;
  result.leaders = 2;
  result.faults = {{"frames_dropped", options.seed}, {"never", 0}};
  result.counts = {{"committed", 1}};
  result.probes = uint64_t{1} << 3;
  result.linearizability_unknown = options.seed == 4;
  if (options.seed % 10 == 7) {
    result.violations.push_back(
        {sim::Violation::Kind::kLiveness, "rule", "\"\xff\" is slow"});
  }
  return result;
}

std::string FileName(const std::string& name) {
  return std::string(std::getenv("TEST_TMPDIR")) + "/" + name;
}

std::string Contents(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return std::string((std::istreambuf_iterator<char>(in)),
                     std::istreambuf_iterator<char>());
}

CampaignOptions Campaign(const std::string& name, uint64_t first,
                         uint64_t last) {
  return {
      .sweep = {.first_seed = first, .last_seed = last, .simulate = Pretend},
      .file = FileName(name),
      .chunk = 10};
}

absl::StatusOr<SweepRecord> Go(const CampaignOptions& options,
                               std::vector<std::string>* chunks = nullptr) {
  return RunCampaign(options, nullptr, [chunks](const NumberRange& chunk) {
    if (chunks != nullptr) chunks->push_back(ToText(chunk));
  });
}

using Texts = std::vector<std::string>;

// A record but for its CPU time, which differs from run to run.
std::string Timeless(SweepRecord record) {
  record.result.cpu_us = 0;
  return ToJson(record);
}

TEST(SweepRecordTest, IsReadAsItWasWritten) {
  SweepOptions options{.first_seed = 1, .last_seed = 30, .simulate = Pretend};
  options.each.nodes = 5;
  const SweepRecord record = RecordOf(options, Sweep(options, nullptr));
  EXPECT_EQ(record.options, "--nodes=5");
  EXPECT_EQ(record.result.failures.size(), 3u);
  const std::string json = ToJson(record);
  const absl::StatusOr<SweepRecord> read = ParseRecord(json);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->result.faults, record.result.faults);
  EXPECT_EQ(read->result.probes, record.result.probes);
  EXPECT_EQ(read->result.digest, record.result.digest);
  EXPECT_EQ(read->result.runs_unknown, 1u);
  EXPECT_EQ(read->result.failures.at(0).text, "\"?\" is slow");
  EXPECT_EQ(ToJson(*read), json);
}

TEST(SweepRecordTest, RefusesWhatIsNone) {
  for (const char* text :
       {"", "{}", "[]", "{\"seeds\":[\"1..2\"]}", "{\"seeds\":[\"2..1\"]}",
        "{\"other\":1}", "{\"digest\":\"xyz\"}",
        "{\"probes\":{\"no such\":1}}"}) {
    EXPECT_FALSE(ParseRecord(text).ok()) << text;
  }
}

TEST(SweepRecordTest, TellsWhatNeverHappened) {
  SweepResult result;
  EXPECT_FALSE(ProbesNeverFired(result).empty());
  EXPECT_TRUE(FaultsWithoutEffect(result).empty());
  result.faults = {{"some", 1}, {"none", 0}};
  EXPECT_EQ(FaultsWithoutEffect(result), Texts{"none"});
  EXPECT_TRUE(IsVoid(result));
  result.probes.assign(64, 1);
  EXPECT_EQ(ProbesNeverFired(result), Texts{});
  result.probes[2] = 0;
  EXPECT_EQ(ProbesNeverFired(result),
            Texts{std::string(raft::ToString(raft::ProbeId{2}))});
}

TEST(MergeTest, WhatIsApartAddsUpToTheWhole) {
  const auto sweep = [](uint64_t first, uint64_t last) {
    const SweepOptions options{
        .first_seed = first, .last_seed = last, .simulate = Pretend};
    return RecordOf(options, Sweep(options, nullptr));
  };
  SweepRecord sum;
  for (const SweepRecord& part :
       {sweep(21, 30), sweep(1, 3), sweep(11, 20), sweep(4, 10)}) {
    ASSERT_TRUE(Merge(part, &sum).ok());
  }
  EXPECT_EQ(Timeless(sum), Timeless(sweep(1, 30)));
  EXPECT_EQ(Merge(sweep(8, 12), &sum).message(), "seeds 8..12 are in both");
  SweepRecord other = sweep(40, 41);
  other.options = "--nodes=5";
  EXPECT_TRUE(absl::IsFailedPrecondition(Merge(other, &sum)));
  other = sweep(40, 41);
  other.build = "another";
  EXPECT_TRUE(absl::IsFailedPrecondition(Merge(other, &sum)));
  EXPECT_EQ(Timeless(sum), Timeless(sweep(1, 30)));
}

TEST(MissingTest, IsWhatIsNotDone) {
  const auto missing = [](NumberRange wanted, std::vector<NumberRange> done) {
    std::string text;
    for (const NumberRange& range : Missing(wanted, done)) {
      text += ToText(range) + " ";
    }
    return text;
  };
  EXPECT_EQ(missing({1, 9}, {}), "1..9 ");
  EXPECT_EQ(missing({1, 9}, {{1, 9}}), "");
  EXPECT_EQ(missing({1, 9}, {{0, 20}}), "");
  EXPECT_EQ(missing({5, 9}, {{1, 4}, {10, 12}}), "5..9 ");
  EXPECT_EQ(missing({1, 9}, {{1, 2}, {5, 5}, {9, 11}}), "3..4 6..8 ");
}

TEST(ShardTest, PartsAreDisjointAndWhole) {
  for (const uint64_t count : {1, 3, 7, 10, 16}) {
    uint64_t next = 5;
    for (uint64_t i = 0; i < count; ++i) {
      for (const NumberRange& part : Shard({5, 14}, i, count)) {
        EXPECT_EQ(part.first, next);
        next = part.last + 1;
      }
    }
    EXPECT_EQ(next, 15u);
  }
}

TEST(CampaignTest, GoesOnWhereItStopped) {
  const CampaignOptions whole = Campaign("whole", 1, 45);
  Texts chunks;
  const absl::StatusOr<SweepRecord> all = Go(whole, &chunks);
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_EQ(chunks, (Texts{"1..10", "11..20", "21..30", "31..40", "41..45"}));
  EXPECT_EQ(all->seeds, (std::vector<NumberRange>{{1, 45}}));
  EXPECT_EQ(all->result.failures.size(), 4u);

  // Stopped after 20 seeds, in the middle of a line.
  CampaignOptions stopped = Campaign("stopped", 1, 20);
  ASSERT_TRUE(Go(stopped).ok());
  std::ofstream(stopped.file, std::ios::app)
      << Contents(whole.file).substr(0, 99);
  stopped.sweep.last_seed = 45;
  chunks.clear();
  const absl::StatusOr<SweepRecord> both = Go(stopped, &chunks);
  ASSERT_TRUE(both.ok()) << both.status();
  EXPECT_EQ(chunks, (Texts{"21..30", "31..40", "41..45"}));
  EXPECT_EQ(Timeless(*both), Timeless(*all));

  // Done: nothing runs, the file stays as it is.
  const std::string before = Contents(stopped.file);
  chunks.clear();
  ASSERT_TRUE(Go(stopped, &chunks).ok());
  EXPECT_EQ(chunks, Texts{});
  EXPECT_EQ(Contents(stopped.file), before);
  // And it is what others can be added to.
  EXPECT_EQ(Timeless(*MergeFiles({stopped.file})), Timeless(*all));
  EXPECT_FALSE(MergeFiles({stopped.file, whole.file}).ok());
}

TEST(CampaignTest, RefusesAFileOfOthers) {
  CampaignOptions options = Campaign("refused", 1, 5);
  const SweepRecord mine = *Go(options);
  const std::string before = Contents(options.file);
  options.sweep.last_seed = 9;
  options.sweep.each.standard = true;
  EXPECT_TRUE(absl::IsFailedPrecondition(Go(options).status()));
  EXPECT_EQ(Contents(options.file), before);

  options.sweep.each.standard = false;
  SweepRecord other = mine;
  other.build = "another";
  std::ofstream(options.file) << ToJson(other) << "\n";
  EXPECT_TRUE(absl::IsFailedPrecondition(Go(options).status()));

  std::ofstream(options.file) << "what is this?\n";
  const absl::Status status = Go(options).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_EQ(Contents(options.file), "what is this?\n");
  EXPECT_FALSE(MergeFiles({FileName("no such file")}).ok());
}

}  // namespace
}  // namespace tools
