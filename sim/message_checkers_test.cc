// Each message is true of its sender, or is found out.
#include "sim/message_checkers.h"

#include <vector>

#include "gtest/gtest.h"
#include "sim/checker_test_support.h"

namespace sim {
namespace {

using raft::AppendReply;
using raft::AppendRequest;
using raft::Heartbeat;
using raft::Index;
using raft::Message;
using raft::Term;
using raft::VoteReply;
using raft::VoteRequest;

// n1's disk has term 3, its vote for n2, and two entries.
class OnDiskTest : public testing::Test {
 protected:
  std::string Why(const Message& message, raft::NodeId to = kN2) {
    return WhyNotOnDisk(message, kN1, to, {Term(3), kN2, &log});
  }
  static Message Ack(uint64_t term, uint64_t match) {
    return AppendReply{
        .term = Term(term), .accepted = true, .match = Index(match)};
  }
  const std::vector<Mark> log = Marks({MakeEntry(1, 1), MakeEntry(2, 3)});
};

TEST_F(OnDiskTest, TheTermIsThere) {
  EXPECT_EQ(Why(Heartbeat{.term = Term(3)}), "");
  EXPECT_NE(Why(Heartbeat{.term = Term(4)}), "");
  // A pre-vote is about a term that nobody has adopted.
  EXPECT_EQ(Why(VoteRequest{.term = Term(4), .pre_vote = true}), "");
  EXPECT_EQ(Why(VoteReply{.term = Term(4), .pre_vote = true, .granted = true}),
            "");
}

TEST_F(OnDiskTest, TheVoteIsThere) {
  const VoteReply granted{.term = Term(3), .granted = true};
  EXPECT_EQ(Why(granted, kN2), "");
  EXPECT_EQ(Why(VoteReply{.term = Term(3)}, kN3), "");
  EXPECT_NE(Why(granted, kN3), "");
  EXPECT_NE(Why(VoteRequest{.term = Term(3)}), "");  // for itself
  // Overtaken by a later term in the same sync.
  EXPECT_EQ(Why(VoteReply{.term = Term(2), .granted = true}, kN3), "");
}

TEST_F(OnDiskTest, WhatIsAcknowledgedIsThere) {
  EXPECT_EQ(Why(Ack(3, 2)), "");
  EXPECT_EQ(Why(AppendReply{.term = Term(3), .match = Index(7)}), "");
  EXPECT_NE(Why(Ack(3, 3)), "");
  EXPECT_EQ(Why(Ack(2, 3)), "");
}

// A leader of term 3 with the terms 1, 1, 3; two committed.
class OfItsLogTest : public testing::Test {
 protected:
  std::string Why(const Message& message, uint64_t match = 1) {
    const std::vector<uint64_t> terms = {0, 1, 1, 3};
    return WhyNotOfItsLog(message, {.term = Term(3),
                                    .commit = Index(2),
                                    .last = Index(3),
                                    .match = Index(match),
                                    .term_at = [&terms](Index index) {
                                      return Term(terms.at(index.value()));
                                    }});
  }
  AppendRequest append{.term = Term(3),
                       .prev_index = Index(1),
                       .prev_term = Term(1),
                       .commit = Index(2),
                       .entries = {MakeEntry(2, 1), MakeEntry(3, 3)}};
};

TEST_F(OfItsLogTest, AnAppendShowsTheLog) {
  EXPECT_EQ(Why(append), "");
  AppendRequest lie = append;
  lie.entries[1].index = Index(4);  // a gap (M22)
  EXPECT_NE(Why(lie), "");
  lie = append;
  lie.entries[0].term = Term(2);
  EXPECT_NE(Why(lie), "");
  lie = append;
  lie.prev_term = Term(2);
  EXPECT_NE(Why(lie), "");
  lie = append;
  lie.commit = Index(3);
  EXPECT_NE(Why(lie), "");
  lie = append;
  lie.entries.push_back(MakeEntry(4, 3));
  EXPECT_NE(Why(lie), "");
  lie.term = Term(2);  // it has left that term
  EXPECT_EQ(Why(lie), "");
}

TEST_F(OfItsLogTest, AHeartbeatCommitsWhatWasAcknowledged) {
  Heartbeat heartbeat{
      .term = Term(3), .commit = Index(2), .commit_term = Term(1)};
  EXPECT_EQ(Why(heartbeat, 2), "");
  EXPECT_NE(Why(heartbeat, 1), "");
  heartbeat.commit_term = Term(3);
  EXPECT_NE(Why(heartbeat, 2), "");
  heartbeat.commit = Index(3);
  EXPECT_NE(Why(heartbeat, 3), "");
}

}  // namespace
}  // namespace sim
