#include "raft/frame.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "raft/digest.h"

namespace raft {
namespace {

using Result = FrameDecoder::Result;
using Frames = std::vector<std::pair<FrameType, std::string>>;

// What a decoder makes of a whole stream; `error` kNone if it wants more.
struct Decoded {
  Frames frames;
  FrameError error = FrameError::kNone;
};

Decoded Drain(FrameDecoder* decoder, Decoded decoded = {}) {
  Frame frame;
  while (true) {
    const Result result = decoder->Next(&frame);
    if (result == Result::kFrame) {
      decoded.frames.emplace_back(frame.type, frame.payload);
      continue;
    }
    EXPECT_EQ(result == Result::kBad, decoder->error() != FrameError::kNone);
    decoded.error = decoder->error();
    return decoded;
  }
}

Decoded DecodeWhole(std::string_view stream) {
  FrameDecoder decoder;
  decoder.Feed(stream);
  return Drain(&decoder);
}

const Frames& Samples() {
  static const Frames frames = {{FrameType::kHello, "hello"},
                                {FrameType::kPeer, ""},
                                {FrameType::kClientRequest, std::string(3, 0)},
                                {FrameType::kClientResponse, "four"}};
  return frames;
}

std::string Encode(const Frames& frames) {
  std::string stream;
  for (const auto& [type, payload] : frames) {
    AppendFrame(type, payload, &stream);
  }
  return stream;
}

// A frame whose header field at `offset` (2 or 4 bytes) was set to `value` and
// whose checksum is right, so that only the field itself can be the reason.
std::string FrameWith(size_t offset, size_t size, uint32_t value) {
  std::string frame;
  AppendFrame(FrameType::kPeer, "payload", &frame);
  for (size_t i = 0; i < size; ++i) {
    frame[offset + i] = static_cast<char>(value >> (8 * i) & 0xff);
  }
  return frame;
}

TEST(FrameTest, LayoutIsTheFormat) {
  std::string frame;
  AppendFrame(FrameType::kClientRequest, "ab", &frame);
  ASSERT_EQ(frame.size(), kFrameHeaderBytes + 2);
  EXPECT_EQ(frame.substr(0, 4), std::string("\x02\x00\x00\x00", 4));
  EXPECT_EQ(frame.substr(8, 8), std::string("\x03\0\0\0\0\0\0\0", 8));
  EXPECT_EQ(frame.substr(16), "ab");
}

TEST(FrameTest, BeginAndEndWriteWhatAppendWrites) {
  std::string appended = "before";
  AppendFrame(FrameType::kPeer, "payload", &appended);
  std::string built = "before";
  const size_t begin = BeginFrame(&built);
  built += "payload";
  EndFrame(begin, FrameType::kPeer, &built);
  EXPECT_EQ(built, appended);
}

TEST(FrameTest, ArrivesWholeWhereverTheStreamIsSplit) {
  const std::string stream = Encode(Samples());
  for (size_t split = 0; split <= stream.size(); ++split) {
    FrameDecoder decoder;
    decoder.Feed(stream.substr(0, split));
    Decoded decoded = Drain(&decoder);
    decoder.Feed(stream.substr(split));
    decoded = Drain(&decoder, std::move(decoded));
    EXPECT_EQ(decoded.frames, Samples()) << "split at " << split;
    EXPECT_EQ(decoded.error, FrameError::kNone);
    EXPECT_EQ(decoder.buffered_bytes(), 0u);
  }
}

TEST(FrameTest, ArrivesByteByByte) {
  FrameDecoder decoder;
  Decoded decoded;
  for (const char byte : Encode(Samples())) {
    decoder.Feed(std::string_view(&byte, 1));
    decoded = Drain(&decoder, std::move(decoded));
  }
  EXPECT_EQ(decoded.frames, Samples());
}

// Whatever bit is flipped, nothing of the damaged frame or after it comes out:
// at the latest when the bytes that a damaged length asks for have come.
TEST(FrameTest, EveryFlippedBitIsRefused) {
  const std::string good = Encode({{FrameType::kPeer, "some payload"}});
  const std::string filler(kFrameBytesMax, '\x5a');
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string stream = good;
    stream[bit / 8] = static_cast<char>(stream[bit / 8] ^ 1 << bit % 8);
    const Decoded decoded = DecodeWhole(stream + filler);
    EXPECT_TRUE(decoded.frames.empty()) << "bit " << bit;
    EXPECT_NE(decoded.error, FrameError::kNone) << "bit " << bit;
  }
}

TEST(FrameTest, NamesTheReason) {
  std::string damaged = FrameWith(0, 0, 0);
  damaged.back() = static_cast<char>(damaged.back() ^ 1);
  EXPECT_EQ(DecodeWhole(damaged).error, FrameError::kChecksum);
  EXPECT_EQ(DecodeWhole(FrameWith(0, 4, kFramePayloadBytesMax + 1)).error,
            FrameError::kFrameTooLarge);
  EXPECT_EQ(DecodeWhole(FrameWith(0, 4, UINT32_MAX)).error,
            FrameError::kFrameTooLarge);
  EXPECT_EQ(DecodeWhole(FrameWith(8, 2, 0)).error, FrameError::kUnknownType);
  EXPECT_EQ(DecodeWhole(FrameWith(8, 2, 5)).error, FrameError::kUnknownType);
  EXPECT_EQ(DecodeWhole(FrameWith(10, 2, 1)).error, FrameError::kBadFlags);
  EXPECT_EQ(DecodeWhole(FrameWith(12, 4, 1)).error, FrameError::kBadGroup);
  EXPECT_EQ(DecodeWhole("GET / HTTP/1.1\r\n\r\n").error,
            FrameError::kFrameTooLarge);
}

TEST(FrameTest, AHeaderIsEnoughToRefuseAndEverythingAfterIsRefused) {
  FrameDecoder decoder;
  decoder.Feed(FrameWith(8, 2, 77).substr(0, kFrameHeaderBytes));
  Frame frame;
  EXPECT_EQ(decoder.Next(&frame), Result::kBad);
  decoder.Feed(Encode(Samples()));
  EXPECT_EQ(decoder.Next(&frame), Result::kBad);
  EXPECT_EQ(decoder.error(), FrameError::kUnknownType);
}

TEST(FrameTest, ALengthIsNotAReasonToAllocate) {
  FrameDecoder decoder;
  decoder.Feed(FrameWith(0, 4, kFramePayloadBytesMax));
  Frame frame;
  EXPECT_EQ(decoder.Next(&frame), Result::kNeedMore);
  EXPECT_EQ(decoder.buffered_bytes(), kFrameHeaderBytes + 7);
}

TEST(FrameTest, TheLargestFramePassesAndItsLimitMayBeLower) {
  const Frames largest = {
      {FrameType::kPeer, std::string(kFramePayloadBytesMax, 'x')}};
  EXPECT_EQ(DecodeWhole(Encode(largest)).frames, largest);

  FrameDecoder decoder(kHelloFrameBytesMax);
  decoder.Feed(Encode({{FrameType::kHello, std::string(1008, 'h')}}));
  decoder.Feed(Encode({{FrameType::kPeer, std::string(1009, 'p')}}));
  Frame frame;
  EXPECT_EQ(decoder.Next(&frame), Result::kFrame);
  FrameDecoder raised = decoder;
  EXPECT_EQ(decoder.Next(&frame), Result::kBad);
  EXPECT_EQ(decoder.error(), FrameError::kFrameTooLarge);
  raised.set_frame_bytes_max(kFrameBytesMax);
  EXPECT_EQ(raised.Next(&frame), Result::kFrame);
}

TEST(FrameTest, GarbageNeverBecomesAFrame) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    std::string garbage;
    for (uint64_t i = 0; i < 512; ++i) {
      garbage.push_back(static_cast<char>(Mix(seed, i)));
    }
    EXPECT_TRUE(DecodeWhole(garbage).frames.empty()) << "seed " << seed;
  }
}

// A megabyte of the smallest frames, always with half a frame left over: what
// was consumed must not be moved again and again.
TEST(FrameTest, ManySmallFramesInLargePieces) {
  std::string stream;
  const size_t count = (1 << 20) / kFrameHeaderBytes;
  for (size_t i = 0; i < count; ++i) AppendFrame(FrameType::kPeer, "", &stream);
  FrameDecoder decoder;
  size_t frames = 0;
  Frame frame;
  constexpr size_t kPiece = 8 * kFrameHeaderBytes + 8;
  for (size_t at = 0; at < stream.size(); at += kPiece) {
    decoder.Feed(std::string_view(stream).substr(at, kPiece));
    while (decoder.Next(&frame) == Result::kFrame) ++frames;
    EXPECT_LT(decoder.buffered_bytes(), kFrameHeaderBytes);
  }
  EXPECT_EQ(frames, count);
}

TEST(FrameTest, EveryReasonHasItsOwnName) {
  std::vector<std::string_view> names;
  for (int i = 0; i < kFrameErrors; ++i) {
    names.push_back(ToString(static_cast<FrameError>(i)));
  }
  EXPECT_EQ(ToString(FrameError::kUnexpected), "unexpected");
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
}

}  // namespace
}  // namespace raft
