#include "raft/storage/identity.h"

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "raft/check.h"
#include "raft/crc32c.h"
#include "raft/storage/little_endian.h"

namespace raft::storage {
namespace {

// FORMAT
constexpr std::string_view kMagic = "RaRegID\n";
constexpr uint32_t kVersion = 1;
constexpr size_t kChecksumAt = 12;
constexpr size_t kFixedBytes = 40;
constexpr size_t kVoterBytes = 8;
constexpr size_t kIdentityBytesMax = 4096;

uint32_t ChecksumOf(std::string_view bytes) {
  return Crc32c(bytes.substr(kChecksumAt + 4),
                Crc32c(bytes.substr(0, kChecksumAt)));
}

std::string PathOf(const std::string& dir) { return dir + "/identity"; }

}  // namespace

std::string EncodeIdentity(const Identity& identity) {
  std::string out(kMagic);
  Put<uint32_t>(kVersion, &out);
  Put<uint32_t>(0, &out);  // checksum, below
  Put<uint32_t>(static_cast<uint32_t>(
                    kFixedBytes + kVoterBytes * identity.initial_voters.size()),
                &out);
  PutNode(identity.node, &out);
  Put<uint32_t>(static_cast<uint32_t>(identity.initial_voters.size()), &out);
  Put<uint64_t>(identity.cluster.value(), &out);
  CHECK_EQ(out.size(), kFixedBytes);
  for (NodeId voter : identity.initial_voters) PutNode(voter, &out);
  PutAt<uint32_t>(kChecksumAt, ChecksumOf(out), &out);
  return out;
}

absl::StatusOr<Identity> DecodeIdentity(std::string_view bytes) {
  if (bytes.size() < kFixedBytes || !bytes.starts_with(kMagic) ||
      Get<uint32_t>(bytes, 16) != bytes.size() ||
      Get<uint32_t>(bytes, kChecksumAt) != ChecksumOf(bytes)) {
    return absl::DataLossError("the identity is damaged");
  }
  if (const uint32_t version = Get<uint32_t>(bytes, 8); version != kVersion) {
    return absl::FailedPreconditionError(absl::StrCat(
        "format version ", version, "; this program reads ", kVersion));
  }
  Identity identity;
  identity.node = GetNode(bytes, 20);
  identity.cluster = ClusterId(Get<uint64_t>(bytes, 32));
  const uint32_t voters = Get<uint32_t>(bytes, 28);
  if (kFixedBytes + kVoterBytes * uint64_t{voters} != bytes.size()) {
    return absl::DataLossError("the identity's voters do not fill it");
  }
  for (uint32_t i = 0; i < voters; ++i) {
    identity.initial_voters.push_back(
        GetNode(bytes, kFixedBytes + kVoterBytes * i));
  }
  return identity;
}

absl::StatusOr<Identity> ReadIdentity(Vfs* vfs, const std::string& dir) {
  const std::string path = PathOf(dir);
  absl::StatusOr<std::unique_ptr<File>> file = vfs->Open(path, OpenMode::kRead);
  if (!file.ok()) return file.status();
  std::string bytes;
  absl::Status read = (*file)->Read(0, kIdentityBytesMax, &bytes);
  if (!read.ok()) return read;
  absl::StatusOr<Identity> identity = DecodeIdentity(bytes);
  if (identity.ok()) return identity;
  return absl::Status(
      identity.status().code(),
      absl::StrCat(path, ": offset 0: ", identity.status().message()));
}

absl::Status WriteIdentity(Vfs* vfs, const std::string& dir,
                           const Identity& identity) {
  const std::string temporary = PathOf(dir) + ".tmp";
  absl::Status status = RemoveIfThere(vfs, temporary);
  if (!status.ok()) return status;
  absl::StatusOr<std::unique_ptr<File>> file =
      vfs->Open(temporary, OpenMode::kCreate);
  if (!file.ok()) return file.status();
  status = (*file)->Write(0, EncodeIdentity(identity));
  if (status.ok()) status = (*file)->Sync();
  if (status.ok()) status = vfs->Rename(temporary, PathOf(dir));
  if (status.ok()) status = vfs->SyncDir(dir);
  return status;
}

std::string HowToComeBack(const std::string& dir, NodeId node) {
  return absl::StrCat(
      "This copy is not trusted any more and was left as it is. Move ", dir,
      " away and bring the node back as a new incarnation: registryd format "
      "--data_dir=",
      dir, " --node=", static_cast<int>(node.slot),
      " --incarnation=", node.incarnation + 1,
      " --cluster_token=... --cluster=... (both as before), then have the "
      "cluster replace ",
      ToString(node), " by it");
}

absl::Status RemoveIfThere(Vfs* vfs, const std::string& path) {
  absl::Status status = vfs->Remove(path);
  return absl::IsNotFound(status) ? absl::OkStatus() : status;
}

absl::Status ReadWhole(File* file, std::string* out) {
  absl::StatusOr<uint64_t> size = file->Size();
  if (!size.ok()) return size.status();
  return file->Read(0, *size, out);
}

}  // namespace raft::storage
