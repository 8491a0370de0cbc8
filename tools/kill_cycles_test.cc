#include "tools/kill_cycles.h"

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>

#include "gtest/gtest.h"
#include "registry/checker/history.h"

namespace tools {
namespace {

constexpr char kRegistryd[] = "tools/registryd";  // in the runfiles

TEST(KillCycles, FiveKillsUnderLoadLoseNothing) {
  const std::string history =
      std::string(std::getenv("TEST_TMPDIR")) + "/history.jsonl";
  const auto report = RunKillCycles({.registryd = kRegistryd,
                                     .cycles = 5,
                                     .history_out = history,
                                     .verbose = true});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->kills, 5u);
  EXPECT_GE(report->acknowledged, 1000u);

  // What was written is what was seen: it reads back, call by call.
  std::ifstream in(history);
  uint64_t calls = 0;
  const absl::Status read = registry::checker::ReadHistory(
      &in, [&](size_t, registry::checker::HistoryEntry&&) {
        ++calls;
        return absl::OkStatus();
      });
  EXPECT_TRUE(read.ok()) << read;
  EXPECT_EQ(calls, report->calls);
}

TEST(KillCycles, ALostWriteIsReported) {
  const auto report =
      RunKillCycles({.registryd = kRegistryd, .cycles = 1, .plant_loss = true});
  EXPECT_EQ(report.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_NE(report.status().message().find("own-planted"), std::string::npos);
}

}  // namespace
}  // namespace tools
