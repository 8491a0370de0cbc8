// raft::Message and Hello <-> their wire form (raft.proto). Decoding trusts
// nothing: whatever it accepts is a message that a correct peer could have
// sent, as far as one message can tell.
#ifndef RAFT_CODEC_H_
#define RAFT_CODEC_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "raft/frame.h"
#include "raft/message.h"
#include "raft/types.h"

namespace raft {

// FORMAT: "RARG". Tells our port from any other protocol's.
inline constexpr uint32_t kHelloMagic = 0x47524152;
inline constexpr uint32_t kProtocolVersion = 1;

// The first frame of every connection, in both directions.
struct Hello {
  static constexpr std::string_view kName = "Hello";
  uint32_t version_min = kProtocolVersion;
  uint32_t version_max = kProtocolVersion;
  ClusterId cluster;  // 0 from a client that does not know it
  NodeId node;        // kNobody from a client
  uint64_t boot = 0;  // differs in every life of the sender
  bool operator==(const Hello&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("version_min", version_min), f("version_max", version_max),
        f("cluster", cluster), f("node", node), f("boot", boot);
  }
};

// Appends the payload of a kHello frame.
void EncodeHello(const Hello& hello, std::string* out);
// kNone, kBadHello, or kVersion when no version is common with ours.
FrameError DecodeHello(std::string_view payload, Hello* hello);

// Appends the payload of a kPeer frame. An append whose entries keep within
// kAppendBytesMax (or a single entry) fits into one frame.
void EncodeMessage(const Message& message, std::string* out);
// False when undecodable; *message is then unspecified.
bool DecodeMessage(std::string_view payload, Message* message);

}  // namespace raft

#endif  // RAFT_CODEC_H_
