#include "raft/storage/snapshot_format.h"

#include "absl/strings/str_cat.h"
#include "raft/check.h"
#include "raft/crc32c.h"
#include "raft/storage/little_endian.h"

namespace raft::storage {
namespace {

constexpr std::string_view kMagic = "RaRegSNP";
constexpr uint32_t kChunkMagic = 0x48434e53;   // "SNCH"
constexpr uint32_t kFooterMagic = 0x444e4553;  // "SEND"
constexpr std::string_view kNamePrefix = "snapshot-";
constexpr size_t kNameDigits = 20;  // any Index

constexpr size_t kHeaderChecksumAt = 12;
constexpr size_t kConfigurationChecksumAt = 28;
constexpr size_t kReservedAt = 88;
constexpr size_t kPartChecksumAt = 4;  // of a chunk and of a footer
constexpr size_t kPartCoveredAt = 8;

uint32_t HeaderChecksum(std::string_view bytes) {
  return Crc32c(bytes.substr(kHeaderChecksumAt + 4,
                             kSnapshotHeaderBytes - kHeaderChecksumAt - 4),
                Crc32c(bytes.substr(0, kHeaderChecksumAt)));
}

// What a chunk's checksum covers besides its bytes: of which snapshot it is and
// where it stands. Not the file's owner, who differs between the nodes that
// hold the same snapshot.
uint32_t PlaceChecksum(ClusterId cluster, const SnapshotId& id,
                       uint64_t offset) {
  std::string place;
  place.reserve(56);
  Put<uint64_t>(cluster.value(), &place);
  PutNode(id.origin, &place);
  Put<uint64_t>(id.index.value(), &place);
  Put<uint64_t>(id.term.value(), &place);
  Put<uint64_t>(id.digest.low, &place);
  Put<uint64_t>(id.digest.high, &place);
  Put<uint64_t>(offset, &place);
  return Crc32c(place);
}

// A chunk without its payload; its checksum is `checksum`.
std::string ChunkHeader(const SnapshotCursor& at, size_t payload_bytes,
                        uint32_t checksum) {
  CHECK_GE(payload_bytes, 1u);
  CHECK_LE(payload_bytes, kSnapshotChunkBytesMax);
  std::string out;
  Put<uint32_t>(kChunkMagic, &out);
  Put<uint32_t>(checksum, &out);
  Put<uint32_t>(static_cast<uint32_t>(payload_bytes), &out);
  Put<uint32_t>(at.checksum, &out);
  Put<uint64_t>(at.sequence, &out);
  CHECK_EQ(out.size(), kSnapshotChunkHeaderBytes);
  return out;
}

}  // namespace

std::string SnapshotName(Index index) {
  return std::string(kNamePrefix) + NumberInName(index.value(), kNameDigits);
}

std::optional<Index> ParseSnapshotName(std::string_view name) {
  if (!name.starts_with(kNamePrefix)) return std::nullopt;
  const auto number =
      ParseNumberInName(name.substr(kNamePrefix.size()), kNameDigits);
  // Twenty digits can say more than 64 bits: then it is not one of ours.
  if (!number.has_value() || SnapshotName(Index(*number)) != name) {
    return std::nullopt;
  }
  return Index(*number);
}

std::string EncodeSnapshotHeader(const SnapshotHeader& header) {
  CHECK_LE(header.configuration.size(), kSnapshotConfigurationBytesMax);
  std::string out(kMagic);
  Put<uint32_t>(kSnapshotVersion, &out);
  Put<uint32_t>(0, &out);  // checksum, below
  Put<uint32_t>(kSnapshotHeaderBytes, &out);
  Put<uint32_t>(static_cast<uint32_t>(header.configuration.size()), &out);
  Put<uint32_t>(0, &out);  // Raft group
  Put<uint32_t>(Crc32c(header.configuration), &out);
  Put<uint64_t>(header.owner.cluster.value(), &out);
  PutNode(header.owner.node, &out);
  Put<uint64_t>(header.id.index.value(), &out);
  Put<uint64_t>(header.id.term.value(), &out);
  Put<uint64_t>(header.id.digest.low, &out);
  Put<uint64_t>(header.id.digest.high, &out);
  PutNode(header.id.origin, &out);
  CHECK_EQ(out.size(), kReservedAt);
  PutZeros(kSnapshotHeaderBytes - kReservedAt, &out);
  PutAt<uint32_t>(kHeaderChecksumAt, HeaderChecksum(out), &out);
  return out + header.configuration;
}

absl::StatusOr<SnapshotHeader> DecodeSnapshotHeader(std::string_view bytes) {
  if (bytes.size() < kSnapshotHeaderBytes) {
    return absl::DataLossError("the snapshot header is cut short");
  }
  if (!bytes.starts_with(kMagic) ||
      HeaderChecksum(bytes) != Get<uint32_t>(bytes, kHeaderChecksumAt)) {
    return absl::DataLossError("the snapshot header is damaged");
  }
  // As in a segment: every version keeps magic, version, checksum and the first
  // 128 bytes where they are, so this is a newer one and not damage.
  if (const uint32_t version = Get<uint32_t>(bytes, 8);
      version != kSnapshotVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("snapshot format version ", version,
                     "; this program reads ", kSnapshotVersion));
  }
  SnapshotHeader header;
  header.owner.cluster = ClusterId(Get<uint64_t>(bytes, 32));
  header.owner.node = GetNode(bytes, 40);
  header.id.index = Index(Get<uint64_t>(bytes, 48));
  header.id.term = Term(Get<uint64_t>(bytes, 56));
  header.id.digest.low = Get<uint64_t>(bytes, 64);
  header.id.digest.high = Get<uint64_t>(bytes, 72);
  header.id.origin = GetNode(bytes, 80);
  const uint32_t configuration = Get<uint32_t>(bytes, 20);
  if (configuration > kSnapshotConfigurationBytesMax) {
    return absl::DataLossError("the configuration is impossibly large");
  }
  if (bytes.size() - kSnapshotHeaderBytes < configuration) {
    return absl::DataLossError("the configuration is cut short");
  }
  header.configuration = bytes.substr(kSnapshotHeaderBytes, configuration);
  if (Crc32c(header.configuration) !=
      Get<uint32_t>(bytes, kConfigurationChecksumAt)) {
    return absl::DataLossError("the configuration is damaged");
  }
  return header;
}

SnapshotCursor FirstChunk(const SnapshotHeader& header) {
  return {.offset = header.bytes(),
          .sequence = 0,
          .checksum = Crc32c(header.configuration)};
}

SnapshotCursor After(const SnapshotChunk& chunk) {
  return {.offset = chunk.at.offset + kSnapshotChunkHeaderBytes +
                    chunk.payload.size(),
          .sequence = chunk.at.sequence + 1,
          .checksum = chunk.checksum};
}

uint32_t ChunkChecksum(WalOwner owner, const SnapshotId& id,
                       const SnapshotCursor& at, std::string_view payload) {
  const std::string header = ChunkHeader(at, payload.size(), 0);
  return Crc32c(payload, Crc32c(std::string_view(header).substr(kPartCoveredAt),
                                PlaceChecksum(owner.cluster, id, at.offset)));
}

std::string EncodeSnapshotChunk(const SnapshotChunk& chunk) {
  return ChunkHeader(chunk.at, chunk.payload.size(), chunk.checksum) +
         chunk.payload;
}

std::string EncodeSnapshotFooter(const SnapshotHeader& header,
                                 const SnapshotCursor& end) {
  std::string out;
  Put<uint32_t>(kFooterMagic, &out);
  Put<uint32_t>(0, &out);  // checksum, below
  Put<uint32_t>(kSnapshotFooterBytes, &out);
  Put<uint32_t>(end.checksum, &out);
  Put<uint64_t>(end.sequence, &out);  // the number of chunks
  Put<uint64_t>(
      end.offset - header.bytes() - kSnapshotChunkHeaderBytes * end.sequence,
      &out);
  Put<uint64_t>(end.offset + kSnapshotFooterBytes, &out);
  CHECK_EQ(out.size(), kSnapshotFooterBytes);
  PutAt<uint32_t>(
      kPartChecksumAt,
      Crc32c(std::string_view(out).substr(kPartCoveredAt),
             PlaceChecksum(header.owner.cluster, header.id, end.offset)),
      &out);
  return out;
}

SnapshotPart PartAt(std::string_view bytes) {
  if (bytes.size() < sizeof(uint32_t)) return SnapshotPart::kNeither;
  const uint32_t magic = Get<uint32_t>(bytes, 0);
  if (magic == kChunkMagic) return SnapshotPart::kChunk;
  if (magic == kFooterMagic) return SnapshotPart::kFooter;
  return SnapshotPart::kNeither;
}

size_t AnnouncedPayloadBytes(std::string_view bytes) {
  if (bytes.size() < kSnapshotChunkHeaderBytes) return 0;
  const size_t size = Get<uint32_t>(bytes, 8);
  return size <= kSnapshotChunkBytesMax ? size : 0;
}

absl::StatusOr<SnapshotChunk> DecodeSnapshotChunk(std::string_view bytes,
                                                  const SnapshotHeader& header,
                                                  const SnapshotCursor& at) {
  const size_t size = AnnouncedPayloadBytes(bytes);
  if (size == 0) return absl::DataLossError("a chunk's size is impossible");
  if (bytes.size() != kSnapshotChunkHeaderBytes + size) {
    return absl::DataLossError("a chunk is cut short");
  }
  SnapshotChunk chunk;
  chunk.at = {.offset = at.offset,
              .sequence = Get<uint64_t>(bytes, 16),
              .checksum = Get<uint32_t>(bytes, 12)};
  chunk.checksum = Get<uint32_t>(bytes, kPartChecksumAt);
  const std::string_view payload = bytes.substr(kSnapshotChunkHeaderBytes);
  if (PartAt(bytes) != SnapshotPart::kChunk ||
      chunk.checksum !=
          ChunkChecksum(header.owner, header.id, chunk.at, payload)) {
    return absl::DataLossError("a chunk's checksum is wrong");
  }
  if (chunk.at != at) {
    return absl::DataLossError(absl::StrCat(
        "chunk ", chunk.at.sequence, " does not follow the chunk before it (",
        at.sequence, " is due)"));
  }
  chunk.payload = payload;
  return chunk;
}

absl::Status CheckSnapshotFooter(std::string_view bytes,
                                 const SnapshotHeader& header,
                                 const SnapshotCursor& end) {
  if (bytes.size() < kSnapshotFooterBytes) {
    return absl::DataLossError("the footer is cut short");
  }
  if (!bytes.starts_with(EncodeSnapshotFooter(header, end))) {
    return absl::DataLossError("the footer is damaged");
  }
  if (bytes.size() > kSnapshotFooterBytes) {
    return absl::DataLossError("there are bytes behind the footer");
  }
  return absl::OkStatus();
}

}  // namespace raft::storage
