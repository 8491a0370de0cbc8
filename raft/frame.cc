#include "raft/frame.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "raft/check.h"
#include "raft/crc32c.h"

namespace raft {
namespace {

constexpr size_t kLengthAt = 0;
constexpr size_t kCrcAt = 4;
constexpr size_t kTypeAt = 8;
constexpr size_t kFlagsAt = 10;
constexpr size_t kGroupAt = 12;
static_assert(kGroupAt + 4 == kFrameHeaderBytes);

template <typename Number>
void Store(Number value, char* at) {
  for (size_t i = 0; i < sizeof(Number); ++i) {
    at[i] = static_cast<char>(value >> (8 * i) & 0xff);
  }
}

template <typename Number>
Number Load(const char* at) {
  Number value = 0;
  for (size_t i = 0; i < sizeof(Number); ++i) {
    const auto byte = static_cast<unsigned char>(at[i]);
    value = static_cast<Number>(value | static_cast<Number>(byte) << (8 * i));
  }
  return value;
}

// Over everything but the field that holds it.
uint32_t FrameCrc(std::string_view frame) {
  const uint32_t crc = Crc32c(frame.substr(kLengthAt, kCrcAt));
  return Crc32c(frame.substr(kTypeAt), crc);
}

bool IsKnown(uint16_t type) {
  return type >= static_cast<uint16_t>(FrameType::kHello) &&
         type <= static_cast<uint16_t>(FrameType::kClientResponse);
}

// Heartbeats, answers and an append of one small entry fit in.
constexpr size_t kSmallFrameBytes = 128;

// In the order of the enum's numbers.
constexpr std::array<std::string_view, kFrameErrors> kErrorNames = {
    "none",        "frame_too_large", "checksum", "unknown_type", "bad_flags",
    "bad_group",   "bad_hello",       "version",  "cluster",      "wrong_node",
    "undecodable", "unexpected",      "stalled",
};

}  // namespace

std::string_view ToString(FrameError error) {
  const auto number = static_cast<size_t>(error);
  return number < kErrorNames.size() ? kErrorNames[number] : "unknown_error";
}

size_t BeginFrame(std::string* out) {
  const size_t begin = out->size();
  if (begin == 0) out->reserve(kSmallFrameBytes);
  out->append(kFrameHeaderBytes, '\0');
  return begin;
}

void EndFrame(size_t begin, FrameType type, std::string* out) {
  CHECK_LE(begin + kFrameHeaderBytes, out->size());
  const size_t length = out->size() - begin - kFrameHeaderBytes;
  CHECK_LE(length, kFramePayloadBytesMax);
  char* header = out->data() + begin;
  Store(static_cast<uint32_t>(length), header + kLengthAt);
  Store(static_cast<uint16_t>(type), header + kTypeAt);
  Store(uint16_t{0}, header + kFlagsAt);
  Store(uint32_t{0}, header + kGroupAt);
  Store(FrameCrc(std::string_view(*out).substr(begin)), header + kCrcAt);
}

void AppendFrame(FrameType type, std::string_view payload, std::string* out) {
  const size_t begin = BeginFrame(out);
  out->append(payload);
  EndFrame(begin, type, out);
}

void FrameDecoder::Feed(std::string_view bytes) {
  // What was given out is moved away only when it is the larger part: then a
  // byte is moved at most once for each byte that was consumed, and a peer that
  // sends many small frames cannot make the buffer quadratic.
  if (consumed_ > 0 && consumed_ * 2 >= buffer_.size()) {
    buffer_.erase(0, consumed_);
    consumed_ = 0;
  }
  buffer_.append(bytes);
}

FrameDecoder::Result FrameDecoder::Refuse(FrameError error) {
  error_ = error;
  buffer_.clear();
  consumed_ = 0;
  return Result::kBad;
}

FrameDecoder::Result FrameDecoder::Next(Frame* frame) {
  if (error_ != FrameError::kNone) return Result::kBad;
  const std::string_view rest = std::string_view(buffer_).substr(consumed_);
  if (rest.size() < kFrameHeaderBytes) return Result::kNeedMore;
  // The header alone can condemn the stream; nothing waits for a payload that
  // will not be accepted.
  const size_t length = Load<uint32_t>(rest.data() + kLengthAt);
  if (length > frame_bytes_max_ - kFrameHeaderBytes) {
    return Refuse(FrameError::kFrameTooLarge);
  }
  const uint16_t type = Load<uint16_t>(rest.data() + kTypeAt);
  if (!IsKnown(type)) return Refuse(FrameError::kUnknownType);
  if (Load<uint16_t>(rest.data() + kFlagsAt) != 0) {
    return Refuse(FrameError::kBadFlags);
  }
  if (Load<uint32_t>(rest.data() + kGroupAt) != 0) {
    return Refuse(FrameError::kBadGroup);
  }
  if (rest.size() < kFrameHeaderBytes + length) return Result::kNeedMore;
  const std::string_view whole = rest.substr(0, kFrameHeaderBytes + length);
  if (Load<uint32_t>(whole.data() + kCrcAt) != FrameCrc(whole)) {
    return Refuse(FrameError::kChecksum);
  }
  frame->type = static_cast<FrameType>(type);
  frame->payload = whole.substr(kFrameHeaderBytes);
  consumed_ += whole.size();
  return Result::kFrame;
}

}  // namespace raft
