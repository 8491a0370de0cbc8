#include "raft/storage/snapshot_reader.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace raft::storage {

absl::StatusOr<std::unique_ptr<SnapshotReader>> SnapshotReader::Open(
    Vfs* vfs, const std::string& path, std::optional<Damage>* damage) {
  absl::StatusOr<std::unique_ptr<File>> file = vfs->Open(path, OpenMode::kRead);
  if (!file.ok()) return file.status();
  auto reader = std::make_unique<SnapshotReader>(*std::move(file), path);
  absl::Status status = reader->ReadHeader();
  *damage = reader->damage();
  if (!status.ok()) return status;
  return reader;
}

absl::Status SnapshotReader::Refuse(uint64_t offset, const absl::Status& why) {
  damage_ = {.offset = offset,
             .why = std::string(why.message()),
             .other_version = absl::IsFailedPrecondition(why)};
  return absl::Status(why.code(), absl::StrCat(path_, ": offset ", offset, ": ",
                                               why.message()));
}

absl::Status SnapshotReader::ReadHeader() {
  absl::Status read = file_->Read(
      0, kSnapshotHeaderBytes + kSnapshotConfigurationBytesMax, &buffer_);
  if (!read.ok()) return read;
  absl::StatusOr<SnapshotHeader> header = DecodeSnapshotHeader(buffer_);
  if (!header.ok()) return Refuse(0, header.status());
  header_ = *std::move(header);
  cursor_ = FirstChunk(header_);
  return absl::OkStatus();
}

absl::StatusOr<bool> SnapshotReader::Next(SnapshotChunk* chunk) {
  absl::Status read =
      file_->Read(cursor_.offset, kSnapshotFooterBytes + 1, &buffer_);
  if (!read.ok()) return read;
  switch (PartAt(buffer_)) {
    case SnapshotPart::kNeither:
      return Refuse(cursor_.offset,
                    absl::DataLossError("neither a chunk nor the footer"));
    case SnapshotPart::kFooter: {
      absl::Status footer = CheckSnapshotFooter(buffer_, header_, cursor_);
      if (!footer.ok()) return Refuse(cursor_.offset, footer);
      return false;
    }
    case SnapshotPart::kChunk:
      break;
  }
  const size_t payload = AnnouncedPayloadBytes(buffer_);
  read = file_->Read(cursor_.offset, kSnapshotChunkHeaderBytes + payload,
                     &buffer_);
  if (!read.ok()) return read;
  absl::StatusOr<SnapshotChunk> next =
      DecodeSnapshotChunk(buffer_, header_, cursor_);
  if (!next.ok()) return Refuse(cursor_.offset, next.status());
  *chunk = *std::move(next);
  cursor_ = After(*chunk);
  return true;
}

}  // namespace raft::storage
