// Each limit, passed; and each thing that may be left over.
#include "sim/load_checkers.h"

#include <functional>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "raft/limits.h"

namespace sim {
namespace {

using testing::HasSubstr;

// At every limit.
Load Full() {
  return {.raft = {.uncommitted_bytes = raft::kUncommittedBytesMax},
          .node = {.commands = 20, .reads = registry::kWaitingReadsMax},
          .appends_in_flight = raft::kInflightAppendsMax,
          .append_bytes_in_flight = raft::kInflightBytesMax,
          .unapplied = 20};
}

TEST(LoadTest, EveryLimit) {
  EXPECT_EQ(WhyTooMuch(Load{}), "");
  EXPECT_EQ(WhyTooMuch(Full()), "");
  const std::function<void(Load*)> spoils[] = {
      [](Load* load) { ++load->appends_in_flight; },
      [](Load* load) { load->append_bytes_in_flight *= 2; },
      [](Load* load) { load->raft.uncommitted_bytes *= 3; },
      [](Load* load) { ++load->node.reads; },
      [](Load* load) { ++load->node.commands; },
  };
  for (const auto& spoil : spoils) {
    Load load = Full();
    spoil(&load);
    EXPECT_THAT(WhyTooMuch(load), HasSubstr("at most"));
  }
}

TEST(LoadTest, TheLimitsAreTheNodes) {
  Load load{.raft = {.uncommitted_bytes = 400},
            .node = {.reads = 2},
            .appends_in_flight = 3,
            .append_bytes_in_flight = 300,
            .unapplied = 20};
  EXPECT_EQ(WhyTooMuch(load), "");
  load.raft_limits.inflight_appends = 3;
  load.limits.waiting_reads = 2;
  EXPECT_EQ(WhyTooMuch(load), "");
  load.raft_limits.inflight_appends = 2;
  EXPECT_EQ(WhyTooMuch(load), "3 appends in flight, at most 2");
  load.raft_limits.inflight_appends = 3;
  load.limits.waiting_reads = 1;
  EXPECT_EQ(WhyTooMuch(load), "2 reads wait, at most 1");
}

TEST(LoadTest, TheCountOfUncommittedBytesIsTrue) {
  Load load{.raft = {.uncommitted_bytes = 100},
            .unapplied = 3,
            .unapplied_bytes = 100};
  EXPECT_EQ(WhyTooMuch(load), "");
  ++load.raft.uncommitted_bytes;
  EXPECT_THAT(WhyTooMuch(load), HasSubstr("counted as not committed"));
}

TEST(LoadTest, NothingStays) {
  EXPECT_EQ(WhatWaits(Load{.unapplied = 5}), "");
  const std::function<void(Load*)> leaves[] = {
      [](Load* load) { load->node.commands = 1; },
      [](Load* load) { load->node.reads = 1; },
      [](Load* load) { load->raft.reads = 1; },
      [](Load* load) { load->raft.reads_forwarded = 1; },
      [](Load* load) { load->raft.messages = 1; },
      [](Load* load) { load->raft.persists = 1; },
      [](Load* load) { load->raft.uncommitted_bytes = 1; },
      [](Load* load) { load->appends_in_flight = 1; },
  };
  for (const auto& leave : leaves) {
    Load load;
    leave(&load);
    EXPECT_THAT(WhatWaits(load), HasSubstr("1 "));
  }
  EXPECT_EQ(WhatWaits({.raft = {.persists = 2}, .node = {.reads = 3}}),
            "3 reads, 2 persists");
}

}  // namespace
}  // namespace sim
