// Frames: how messages are cut out of a byte stream, for peers and clients
// alike. FORMAT, little-endian, 16 bytes and the payload:
//
//   u32 length   bytes of payload
//   u32 crc32c   over the twelve other header bytes and the payload
//   u16 type     FrameType
//   u16 flags    0
//   u32 group    0: one Raft group now; the room for partitions
//
// A whole frame is at most kFrameBytesMax. TCP's own checksum lets about one
// corrupted segment in 65,536 through; ours keeps those out of the log.
#ifndef RAFT_FRAME_H_
#define RAFT_FRAME_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "raft/limits.h"

namespace raft {

// FORMAT.
enum class FrameType : uint16_t {
  kHello = 1,           // codec.h; the first frame in each direction
  kPeer = 2,            // codec.h: one raft::Message
  kClientRequest = 3,   // registry/protocol_codec.h
  kClientResponse = 4,  // registry/protocol_codec.h
};

// Why a connection was refused. The first group is found by FrameDecoder, the
// second by whoever reads the frames. Every refusal closes that connection and
// is counted under ToString's name; the list is append-only.
enum class FrameError : uint8_t {
  kNone = 0,
  kFrameTooLarge = 1,
  kChecksum = 2,
  kUnknownType = 3,
  kBadFlags = 4,
  kBadGroup = 5,

  kBadHello = 6,   // absent, repeated, undecodable or without our magic
  kVersion = 7,    // no protocol version in common
  kCluster = 8,    // of another cluster
  kWrongNode = 9,  // not a member, or another incarnation, or not the dialled
  kUndecodable = 10,  // an intact frame whose payload makes no sense
  kUnexpected = 11,   // a frame type that does not belong on this connection
  kStalled = 12,      // a frame was begun and not ended for too long
};
inline constexpr int kFrameErrors = 13;

// "frame_too_large", "checksum", ...: the name of its counter.
std::string_view ToString(FrameError error);

// Appends one frame. Requires payload.size() <= kFramePayloadBytesMax.
void AppendFrame(FrameType type, std::string_view payload, std::string* out);

// The same without a copy of the payload: BeginFrame makes room for the header
// and returns where the frame starts; the caller appends the payload to *out;
// EndFrame fills in the header.
size_t BeginFrame(std::string* out);
void EndFrame(size_t begin, FrameType type, std::string* out);

inline constexpr size_t kFramePayloadBytesMax =
    kFrameBytesMax - kFrameHeaderBytes;
// A connection that has not said hello may not make us buffer more than this.
inline constexpr size_t kHelloFrameBytesMax = 1024;

struct Frame {
  FrameType type = FrameType::kHello;
  std::string_view payload;  // valid until the decoder's next Feed
};

// Cuts frames out of a stream that arrives in pieces of any size. Holds at most
// what was fed, never what a length field promises. After kBad the stream has
// no next frame: the connection must be closed.
class FrameDecoder {
 public:
  enum class Result { kFrame, kNeedMore, kBad };

  // Refuses frames (header included) above `frame_bytes_max` bytes.
  explicit FrameDecoder(size_t frame_bytes_max = kFrameBytesMax)
      : frame_bytes_max_(frame_bytes_max) {}

  // Applies to frames whose header has not been looked at yet.
  void set_frame_bytes_max(size_t bytes) { frame_bytes_max_ = bytes; }

  void Feed(std::string_view bytes);
  // Call until it does not return kFrame.
  Result Next(Frame* frame);

  FrameError error() const { return error_; }  // kNone unless kBad was returned
  size_t buffered_bytes() const { return buffer_.size() - consumed_; }

 private:
  Result Refuse(FrameError error);

  size_t frame_bytes_max_;
  FrameError error_ = FrameError::kNone;
  std::string buffer_;
  size_t consumed_ = 0;  // bytes of buffer_ that were given out as frames
};

}  // namespace raft

#endif  // RAFT_FRAME_H_
