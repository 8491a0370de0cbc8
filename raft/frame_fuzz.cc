// Bytes from the network, in pieces: the first byte says how large. Whatever
// comes, the decoder gives frames that pass their checksum or ends the stream,
// and a peer message that is accepted can be said again.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "raft/check.h"
#include "raft/codec.h"
#include "raft/frame.h"

namespace {

void Decode(const raft::Frame& frame) {
  raft::Hello hello;
  raft::DecodeHello(frame.payload, &hello);
  raft::Message message;
  if (!raft::DecodeMessage(frame.payload, &message)) return;
  std::string encoded;
  raft::EncodeMessage(message, &encoded);
  raft::Message again;
  CHECK(raft::DecodeMessage(encoded, &again));
  CHECK(again == message);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const size_t piece = data[0] + size_t{1};
  std::string_view stream(reinterpret_cast<const char*>(data) + 1, size - 1);
  // Checksums keep a fuzzer out: it may also have its bytes framed for it.
  if (piece % 2 == 0) {
    Decode(raft::Frame{raft::FrameType::kPeer, stream});
  }
  raft::FrameDecoder decoder;
  raft::Frame frame;
  while (!stream.empty()) {
    const std::string_view fed = stream.substr(0, piece);
    stream.remove_prefix(fed.size());
    decoder.Feed(fed);
    raft::FrameDecoder::Result result;
    while ((result = decoder.Next(&frame)) ==
           raft::FrameDecoder::Result::kFrame) {
      std::string again;
      raft::AppendFrame(frame.type, frame.payload, &again);
      Decode(frame);
    }
    if (result == raft::FrameDecoder::Result::kBad) {
      CHECK(decoder.error() != raft::FrameError::kNone);
      CHECK_EQ(decoder.buffered_bytes(), size_t{0});
      break;
    }
  }
  return 0;
}
