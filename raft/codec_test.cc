#include "raft/codec.h"

#include <cstdint>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "raft/digest.h"
#include "raft/limits.h"
#include "raft/raft.pb.h"

namespace raft {
namespace {

std::string Encode(const Message& message) {
  std::string bytes;
  EncodeMessage(message, &bytes);
  return bytes;
}

AppendRequest SampleAppend() {
  AppendRequest append{.term = Term(9),
                       .prev_index = Index(300),
                       .prev_term = Term(7),
                       .commit = Index(299),
                       .round = Round(5)};
  append.entries = {
      {Index(301), Term(7), EntryKind::kCommand, Bytes::Copy("first")},
      {Index(302), Term(9), EntryKind::kNoop, Bytes()},
      {Index(303), Term(9), EntryKind::kCommand, Bytes(std::string(200, 'x'))},
      {Index(304), Term(9), EntryKind::kConfig, Bytes::Copy("\0\xff")}};
  return append;
}

std::vector<Message> Samples() {
  return {
      VoteRequest{Term(3), true, Index(4), Term(2)},
      VoteRequest{Term(3), false, Index(4), Term(2), true},
      TimeoutNow{Term(3)},
      VoteReply{Term(3), false, true},
      AppendRequest{.term = Term(1)},
      SampleAppend(),
      AppendReply{Term(8), true, Index(7), Index(6), Term(5), Round(4)},
      Heartbeat{Term(1), Index(2), Term(1), Round(3)},
      HeartbeatReply{Term(uint64_t{1} << 62), Round(UINT64_MAX)},
      ReadIndexRequest{Term(1), ReadId(2), 3},
      ReadIndexReply{Term(1), ReadId(2), UINT64_MAX, true, Index(9)},
      SnapshotRequest{.term = Term(5),
                      .snapshot = {{Index(9), Term(4)}, 1, UINT64_MAX, {3, 2}},
                      .configuration = Bytes::Copy("voters")},
      SnapshotRequest{.term = Term(5),
                      .snapshot = {{Index(9), Term(4)}, 1, 2, {3, 2}},
                      .at = {300, 4, 0xffffffff},
                      .checksum = 7,
                      .payload = Bytes(std::string(300, 's'))},
      SnapshotRequest{.term = Term(5),
                      .snapshot = {{Index(9), Term(4)}, 1, 2, {3, 2}},
                      .at = {300, 4, 5},
                      .end = true},
      SnapshotReply{.term = Term(5),
                    .snapshot = {Index(9), Term(4)},
                    .at = {1, 2, 3},
                    .next = {4, 5, 6}},
      SnapshotReply{.term = Term(5),
                    .snapshot = {Index(9), Term(4)},
                    .installed = true,
                    .match = Index(9)},
  };
}

TEST(CodecTest, EveryMessageComesBackAsItWas) {
  for (const Message& message : Samples()) {
    Message decoded;
    ASSERT_TRUE(DecodeMessage(Encode(message), &decoded)) << Describe(message);
    EXPECT_EQ(decoded, message) << Describe(decoded);
  }
}

// Appends are written by hand; raft.proto is the format.
TEST(CodecTest, AppendsAreWhatTheGeneratedCodeWrites) {
  const AppendRequest append = SampleAppend();
  wire::PeerMessage message;
  wire::AppendRequest* body = message.mutable_append_request();
  body->set_term(append.term.value());
  body->set_prev_index(append.prev_index.value());
  body->set_prev_term(append.prev_term.value());
  body->set_commit(append.commit.value());
  body->set_round(append.round.value());
  for (const Entry& entry : append.entries) {
    wire::Entry* added = body->add_entries();
    added->set_term(entry.term.value());
    added->set_kind(static_cast<uint32_t>(entry.kind));
    added->set_payload(std::string(entry.payload.view()));
  }
  EXPECT_EQ(Encode(append), message.SerializeAsString());
}

TEST(CodecTest, TheLargestPieceOfASnapshotFitsIntoAFrame) {
  SnapshotRequest piece{.term = Term(5),
                        .snapshot = {{Index(9), Term(4)}, 1, 2, {3, 2}}};
  piece.payload = Bytes(std::string(kSnapshotPieceBytesMax, 's'));
  piece.configuration = Bytes(std::string(kSnapshotConfigurationBytesMax, 'c'));
  const std::string bytes = Encode(piece);
  EXPECT_LE(bytes.size(), kFramePayloadBytesMax);
  Message decoded;
  ASSERT_TRUE(DecodeMessage(bytes, &decoded));
  EXPECT_EQ(decoded, Message(piece));
  piece.payload = Bytes(std::string(kSnapshotPieceBytesMax + 1, 's'));
  EXPECT_FALSE(DecodeMessage(Encode(piece), &decoded));
}

TEST(CodecTest, TheLargestAppendsFitIntoAFrame) {
  const Term large(uint64_t{1} << 62);
  AppendRequest append{.term = large, .prev_term = large};
  append.prev_index = Index((uint64_t{1} << 62) - 1);
  append.commit = append.prev_index;
  append.round = Round(UINT64_MAX);
  const size_t count = kAppendBytesMax / kEntryOverheadBytes;
  ASSERT_LE(count, 4 * kAppendEntriesMax);
  for (size_t i = 0; i < kAppendEntriesMax; ++i) {
    // As many bytes as the sender's bound lets into one message.
    const size_t payload =
        kAppendBytesMax / kAppendEntriesMax - kEntryOverheadBytes;
    append.entries.push_back({append.prev_index + 1 + i, large,
                              EntryKind::kCommand,
                              Bytes(std::string(payload, 'x'))});
  }
  EXPECT_LE(Encode(append).size(), kAppendBytesMax + 100);
  append.entries = {{append.prev_index + 1, large, EntryKind::kCommand,
                     Bytes(std::string(kEntryBytesMax, 'x'))}};
  const std::string one = Encode(append);
  EXPECT_LE(one.size(), kFramePayloadBytesMax);
  Message decoded;
  EXPECT_TRUE(DecodeMessage(one, &decoded));
  EXPECT_EQ(decoded, Message(append));
}

TEST(CodecTest, OnlyAVoteCarriesTheMarkOfATransfer) {
  Message decoded;
  EXPECT_FALSE(DecodeMessage(
      Encode(VoteRequest{Term(3), true, Index(4), Term(2), true}), &decoded));
}

TEST(CodecTest, RefusesWhatNoPeerCouldMean) {
  const auto refused = [](auto change) {
    wire::PeerMessage message;
    EXPECT_TRUE(message.ParseFromString(Encode(SampleAppend())));
    change(message.mutable_append_request());
    Message decoded;
    return !DecodeMessage(message.SerializeAsString(), &decoded);
  };
  EXPECT_FALSE(refused([](wire::AppendRequest*) {}));
  EXPECT_TRUE(refused([](wire::AppendRequest* append) {
    append->mutable_entries(1)->set_kind(0);
  }));
  EXPECT_TRUE(refused([](wire::AppendRequest* append) {
    append->mutable_entries(1)->set_kind(4);
  }));
  EXPECT_TRUE(refused([](wire::AppendRequest* append) {
    append->mutable_entries(1)->set_term(0);
  }));
  // A log's terms do not fall, and none is above the leader's.
  EXPECT_TRUE(refused([](wire::AppendRequest* append) {
    append->mutable_entries(0)->set_term(6);
  }));
  EXPECT_TRUE(refused([](wire::AppendRequest* append) {
    append->mutable_entries(3)->set_term(10);
  }));
  EXPECT_TRUE(
      refused([](wire::AppendRequest* append) { append->set_prev_term(10); }));
  // Only the place before the first entry has term 0: a follower that finds
  // neither there nor elsewhere what this names would have to be wrong itself.
  EXPECT_TRUE(
      refused([](wire::AppendRequest* append) { append->set_prev_index(0); }));
  EXPECT_TRUE(
      refused([](wire::AppendRequest* append) { append->set_prev_term(0); }));
  // The last term there is would be adopted by all, and no election follow it.
  EXPECT_TRUE(refused(
      [](wire::AppendRequest* append) { append->set_term(UINT64_MAX); }));
  // Indexes must not overflow.
  EXPECT_TRUE(refused(
      [](wire::AppendRequest* append) { append->set_prev_index(UINT64_MAX); }));
  EXPECT_TRUE(refused(
      [](wire::AppendRequest* append) { append->set_commit(UINT64_MAX); }));
  EXPECT_TRUE(refused([](wire::AppendRequest* append) {
    append->mutable_entries(0)->set_payload(
        std::string(kEntryBytesMax + 1, 'x'));
  }));
  EXPECT_TRUE(refused([](wire::AppendRequest* append) {
    const wire::Entry last = append->entries(3);
    while (append->entries_size() <= static_cast<int>(kAppendEntriesMax)) {
      *append->add_entries() = last;
    }
  }));
  Message decoded;
  for (const Message& message : std::vector<Message>{
           Heartbeat{.term = Term(UINT64_MAX)},
           Heartbeat{.term = Term(3), .commit = Index(1)},
           Heartbeat{.term = Term(3), .commit_term = Term(1)},
           Heartbeat{
               .term = Term(3), .commit = Index(1), .commit_term = Term(4)},
           HeartbeatReply{.term = Term(UINT64_MAX)},
           VoteReply{.term = Term(UINT64_MAX)},
           VoteRequest{.term = Term(3), .last_index = Index(1)},
           VoteRequest{.term = Term(3),
           .last_index = Index(1),
           .last_term = Term(4)}}) {
    EXPECT_FALSE(DecodeMessage(Encode(message), &decoded)) << Describe(message);
  }
  EXPECT_FALSE(DecodeMessage("", &decoded));
  EXPECT_FALSE(DecodeMessage("no message", &decoded));
}

TEST(CodecTest, DamagedBytesNeverCrash) {
  for (const Message& message : Samples()) {
    const std::string good = Encode(message);
    for (size_t bit = 0; bit < good.size() * 8; ++bit) {
      std::string bytes = good;
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
      Message decoded;
      // What is accepted is a message, so it can be said again.
      if (DecodeMessage(bytes, &decoded)) {
        Message again;
        ASSERT_TRUE(DecodeMessage(Encode(decoded), &again));
        EXPECT_EQ(again, decoded);
      }
    }
    for (size_t size = 0; size < good.size(); ++size) {
      Message decoded;
      DecodeMessage(good.substr(0, size), &decoded);
    }
  }
}

TEST(CodecTest, HelloComesBackAsItWas) {
  const Hello member{.cluster = ClusterId(7), .node = {2, 5}, .boot = 99};
  const Hello client{.boot = 1};
  for (const Hello& hello : {member, client}) {
    std::string bytes;
    EncodeHello(hello, &bytes);
    EXPECT_LE(bytes.size() + kFrameHeaderBytes, kHelloFrameBytesMax);
    Hello decoded;
    ASSERT_EQ(DecodeHello(bytes, &decoded), FrameError::kNone);
    EXPECT_EQ(decoded, hello);
  }
}

TEST(CodecTest, HelloOfAnotherProtocolOrVersionIsRefused) {
  const auto decode = [](auto change) {
    std::string bytes;
    EncodeHello(Hello{.cluster = ClusterId(7), .node = {2, 5}}, &bytes);
    wire::Hello hello;
    EXPECT_TRUE(hello.ParseFromString(bytes));
    change(&hello);
    Hello decoded;
    return DecodeHello(hello.SerializeAsString(), &decoded);
  };
  EXPECT_EQ(decode([](wire::Hello*) {}), FrameError::kNone);
  EXPECT_EQ(decode([](wire::Hello* hello) { hello->set_version_max(9); }),
            FrameError::kNone);
  EXPECT_EQ(decode([](wire::Hello* hello) {
              hello->set_version_min(2);
              hello->set_version_max(9);
            }),
            FrameError::kVersion);
  EXPECT_EQ(decode([](wire::Hello* hello) {
              hello->set_version_min(0);
              hello->set_version_max(0);
            }),
            FrameError::kVersion);
  EXPECT_EQ(decode([](wire::Hello* hello) { hello->set_magic(1); }),
            FrameError::kBadHello);
  EXPECT_EQ(
      decode([](wire::Hello* hello) { hello->mutable_node()->set_slot(256); }),
      FrameError::kBadHello);
  EXPECT_EQ(
      decode([](wire::Hello* hello) { hello->mutable_node()->set_slot(0); }),
      FrameError::kBadHello);
  Hello decoded;
  EXPECT_EQ(DecodeHello("", &decoded), FrameError::kBadHello);
  EXPECT_EQ(DecodeHello("\xff\xff", &decoded), FrameError::kBadHello);
}

}  // namespace
}  // namespace raft
