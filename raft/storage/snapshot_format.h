// The bytes of a snapshot file: a header, chunks, a footer. The layout, byte
// for byte, with its reasons: FORMAT.md. Pure functions; no I/O here.
//
// What a chunk holds is opaque: the state machine's business.
#ifndef RAFT_STORAGE_SNAPSHOT_FORMAT_H_
#define RAFT_STORAGE_SNAPSHOT_FORMAT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "raft/limits.h"
#include "raft/storage/wal_format.h"
#include "raft/types.h"

namespace raft::storage {

// FORMAT
inline constexpr uint32_t kSnapshotVersion = 1;
inline constexpr size_t kSnapshotHeaderBytes = 128;  // configuration excluded
inline constexpr size_t kSnapshotChunkHeaderBytes = 24;
inline constexpr size_t kSnapshotFooterBytes = 40;
inline constexpr size_t kSnapshotChunkBytesMax = kSnapshotPieceBytesMax;
// A writer syncs before it writes a chunk when at least so many bytes wait for
// it. Part of the format: see SnapshotSyncs.
inline constexpr uint64_t kSnapshotSyncBytes = 1 << 20;
static_assert(kSnapshotChunkHeaderBytes + kSnapshotChunkBytesMax <
                  kFrameBytesMax,
              "a chunk must fit into one frame of the network");

// Digest of the whole state, 128 bits; this layer only compares it.
struct SnapshotDigest {
  uint64_t low = 0;
  uint64_t high = 0;
  bool operator==(const SnapshotDigest&) const = default;
};

// Which snapshot: what it covers, and who took it. A snapshot is a set, so two
// nodes write the same state as different bytes; therefore the origin belongs
// to it.
struct SnapshotId {
  Index index;  // the last that the snapshot includes
  Term term;    // of the entry at `index`
  SnapshotDigest digest;
  NodeId origin;  // who took it; of one that was received not its receiver
  bool operator==(const SnapshotId&) const = default;
};

struct SnapshotHeader {
  WalOwner owner;  // whose data directory the file lies in
  SnapshotId id;
  std::string configuration;  // in force at id.index; opaque here
  bool operator==(const SnapshotHeader&) const = default;
  // Bytes in the file, the configuration included: where chunk 0 begins.
  uint64_t bytes() const { return kSnapshotHeaderBytes + configuration.size(); }
};

// Where the next chunk goes, and after which one. The same of equal snapshots
// on every node, so a receiver's cursor tells a sender where to go on.
struct SnapshotCursor {
  uint64_t offset = 0;    // in the file
  uint64_t sequence = 0;  // of the next chunk, from 0
  uint32_t checksum = 0;  // of the chunk before, which covers all before it
  bool operator==(const SnapshotCursor&) const = default;
};

// As it stands in a file and goes over the network.
struct SnapshotChunk {
  SnapshotCursor at;  // its own place; at.checksum is the chunk's before it
  uint32_t checksum = 0;
  std::string payload;  // 1 to kSnapshotChunkBytesMax bytes
  bool operator==(const SnapshotChunk&) const = default;
};

// "snapshot-00000000000000000042"; sorts by index.
std::string SnapshotName(Index index);
// nullopt when `name` is not a finished snapshot's.
std::optional<Index> ParseSnapshotName(std::string_view name);

// Dies (CHECK) on a configuration larger than its bound.
std::string EncodeSnapshotHeader(const SnapshotHeader& header);
// `bytes` begins with the header and may be longer. DataLoss when damaged or
// cut short, FailedPrecondition when of another format version.
absl::StatusOr<SnapshotHeader> DecodeSnapshotHeader(std::string_view bytes);

// Where chunk 0 goes. Its "chunk before" is the configuration, so that no chunk
// follows a configuration that it was not sent with.
SnapshotCursor FirstChunk(const SnapshotHeader& header);
// Where the chunk after `chunk` goes.
SnapshotCursor After(const SnapshotChunk& chunk);

// The checksum of a chunk of `id` with this place and payload: that of
// everything which a bit could be wrong in.
uint32_t ChunkChecksum(WalOwner owner, const SnapshotId& id,
                       const SnapshotCursor& at, std::string_view payload);
// The bytes of `chunk`, whose checksum must be right, as they stand in a file.
std::string EncodeSnapshotChunk(const SnapshotChunk& chunk);
// The bytes of a footer at `end`.
std::string EncodeSnapshotFooter(const SnapshotHeader& header,
                                 const SnapshotCursor& end);

// What stands at a place of a file, as far as its first bytes tell.
enum class SnapshotPart : uint8_t { kChunk, kFooter, kNeither };
SnapshotPart PartAt(std::string_view bytes);
// Payload bytes of the chunk whose header `bytes` begins with; 0 when it cannot
// be right. Nothing is verified.
size_t AnnouncedPayloadBytes(std::string_view bytes);

// The chunk at `at`, of which `bytes` are exactly header and payload. DataLoss,
// with the reason, unless it is right for this place.
absl::StatusOr<SnapshotChunk> DecodeSnapshotChunk(std::string_view bytes,
                                                  const SnapshotHeader& header,
                                                  const SnapshotCursor& at);
// OK if `bytes`, all that follow `end` in the file, are the right footer.
absl::Status CheckSnapshotFooter(std::string_view bytes,
                                 const SnapshotHeader& header,
                                 const SnapshotCursor& end);

// When a writer syncs: a function of the chunks' places alone. So whoever reads
// an unfinished file knows which syncs its writer had behind it: a chunk is
// written only after the sync that is due before it has ended well.
class SnapshotSyncs {
 public:
  explicit SnapshotSyncs(SnapshotCursor first) : synced_(first) {}
  // True when a sync must end well before the chunk at `next` is written.
  bool DueBefore(const SnapshotCursor& next) const {
    return next.offset - synced_.offset >= kSnapshotSyncBytes;
  }
  void Synced(const SnapshotCursor& up_to) { synced_ = up_to; }
  const SnapshotCursor& synced() const { return synced_; }

 private:
  SnapshotCursor synced_;
};

}  // namespace raft::storage

#endif  // RAFT_STORAGE_SNAPSHOT_FORMAT_H_
