#include "raft/storage/wal.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "raft/check.h"
#include "raft/storage/identity.h"

namespace raft::storage {
namespace {

// A buffer larger than this is given back after use.
constexpr size_t kBufferKeptBytes = 4 << 20;

}  // namespace

absl::StatusOr<std::unique_ptr<Wal>> Wal::Start(
    Vfs* vfs, std::string dir, const StorageOptions& options,
    SegmentHeader header, std::span<const Persist> first_batch,
    std::vector<SegmentStart> older) {
  CHECK_GE(options.block_bytes, kBlockBytesMin);
  CHECK_EQ(options.block_bytes % kBlockBytesMin, 0u);
  auto wal = std::unique_ptr<Wal>(new Wal(vfs, std::move(dir), options));
  wal->segments_ = std::move(older);
  absl::Status started = wal->StartSegment(header, first_batch);
  if (!started.ok()) return started;
  return wal;
}

absl::Status Wal::Append(std::span<const Persist> batch) {
  if (!halted_.ok()) {
    return absl::FailedPreconditionError(absl::StrCat(
        dir_, ": nothing is written after an error: ", halted_.message()));
  }
  if (batch.empty()) return absl::OkStatus();
  for (size_t i = batch.size(); i-- > 0;) {
    if (batch[i].base != EntryId()) {
      return StartAfter(batch[i].base, batch.subspan(i));
    }
  }

  const uint64_t batch_end =
      end_ + RoundUp(BatchBytes(batch), options_.block_bytes);
  if (batch_end > size_) {
    SegmentHeader next = header_;
    next.sequence = header_.sequence + 1;
    next.previous_end = end_;
    next.state = state_;
    return StartSegment(next, batch);
  }

  WalState state = state_;
  buffer_.clear();
  EncodeBatch(batch, end_, header_.owner, header_.sequence, &state, &buffer_);
  PadAndZeroAhead(end_);
  absl::Status status = file_->Write(end_, buffer_);
  if (status.ok()) status = file_->Sync();
  if (!status.ok()) return Halt(status);
  end_ = batch_end;
  zeroed_ = std::max(zeroed_, end_);
  state_ = state;
  if (buffer_.capacity() > kBufferKeptBytes) std::string().swap(buffer_);
  return absl::OkStatus();
}

absl::Status Wal::StartAfter(EntryId base, std::span<const Persist> batch) {
  std::vector<Persist> records(batch.begin(), batch.end());
  records.front().base = {};
  SegmentHeader next = header_;
  next.sequence = header_.sequence + 1;
  next.previous_end = end_;
  next.state = state_;
  next.state.last_index = base.index;
  next.base = base;
  return StartSegment(next, records);
}

// A segment is not needed any more when the next one begins behind no more than
// `through`: what it holds up to there is covered, and what it held beyond was
// removed again before the next one began. (What is removed later is beyond
// `through`, which is committed.) Oldest first, and each removal durable before
// the next: else a crash could bring back an older one alone, and the log would
// have a gap.
absl::Status Wal::Release(Index through) {
  while (segments_.size() >= 2 && segments_[1].after <= through) {
    absl::Status status = vfs_->Remove(
        absl::StrCat(dir_, "/", SegmentName(segments_.front().sequence)));
    if (status.ok()) status = vfs_->SyncDir(dir_);
    if (!status.ok()) return status;
    segments_.erase(segments_.begin());
  }
  return absl::OkStatus();
}

// Ends buffer_, which is to be written at `begin`, on a block boundary; and
// when it reaches into blocks never written before, goes on with zeros for a
// stretch. Preallocated blocks must be marked as written in the file system's
// own journal at their first sync, which makes that sync slower by a third;
// this way one sync in many pays for all of them.
void Wal::PadAndZeroAhead(uint64_t begin) {
  buffer_.resize(RoundUp(buffer_.size(), options_.block_bytes), '\0');
  const uint64_t end = begin + buffer_.size();
  if (end <= zeroed_) return;
  zeroed_ = std::min(size_, end + options_.zero_ahead_bytes);
  buffer_.resize(zeroed_ - begin, '\0');
}

// The new segment is complete and durable, first batch included, before it gets
// a name that recovery looks at; the name is durable before anyone hears of the
// batch. So a crash leaves either no new segment or a whole one.
absl::Status Wal::StartSegment(SegmentHeader header,
                               std::span<const Persist> first_batch) {
  const uint64_t block = options_.block_bytes;
  const uint64_t end = block + RoundUp(BatchBytes(first_batch), block);
  header.block_bytes = options_.block_bytes;
  header.synced_end = end;
  const uint64_t old_size = size_;
  const uint64_t old_zeroed = zeroed_;
  size_ = std::max(RoundUp(options_.segment_bytes, block), end);
  header.segment_bytes = size_;
  zeroed_ = 0;

  WalState state = header.state;
  buffer_ = EncodeSegmentHeader(header);
  buffer_.resize(block, '\0');
  EncodeBatch(first_batch, block, header.owner, header.sequence, &state,
              &buffer_);
  PadAndZeroAhead(0);

  const std::string temporary = absl::StrCat(dir_, "/", kTemporarySegment);
  std::unique_ptr<File> file;
  absl::Status status = WriteTemporary(temporary, buffer_, size_, &file);
  if (absl::IsResourceExhausted(status)) {
    // The disk is full, and nothing has happened to the log.
    file.reset();
    (void)vfs_->Remove(temporary);
    size_ = old_size;
    zeroed_ = old_zeroed;
    return status;
  }
  const std::string path =
      absl::StrCat(dir_, "/", SegmentName(header.sequence));
  if (status.ok()) status = vfs_->Rename(temporary, path);
  if (status.ok()) status = vfs_->SyncDir(dir_);
  if (!status.ok()) return Halt(status);

  // Gives back what the old segment did not use. If this is lost or fails, the
  // loss is disk space; the log ends at previous_end whatever lies behind it.
  if (file_ != nullptr) (void)file_->Truncate(end_);
  file_ = std::move(file);
  if (segments_.empty() || segments_.back().sequence != header.sequence) {
    segments_.push_back({header.sequence, header.state.last_index});
  }
  header_ = header;
  end_ = end;
  state_ = state;
  return absl::OkStatus();
}

absl::Status Wal::WriteTemporary(const std::string& path,
                                 std::string_view bytes, uint64_t size,
                                 std::unique_ptr<File>* file) {
  absl::Status status = RemoveIfThere(vfs_, path);
  if (!status.ok()) return status;
  absl::StatusOr<std::unique_ptr<File>> created =
      vfs_->Open(path, OpenMode::kCreate);
  if (!created.ok()) return created.status();
  *file = *std::move(created);
  status = (*file)->Preallocate(size);
  if (status.ok()) status = (*file)->Write(0, bytes);
  if (status.ok()) status = (*file)->Sync();
  return status;
}

// No error of a write or sync is survivable, disk full included: the state of
// the bytes is unknown, and a second sync would say OK whatever happened.
absl::Status Wal::Halt(const absl::Status& why) {
  halted_ = absl::IsResourceExhausted(why)
                ? absl::UnknownError(
                      absl::StrCat("in the middle of a write: ", why.message()))
                : why;
  return halted_;
}

absl::Status CreateFirstSegment(Vfs* vfs, const std::string& dir,
                                const WalOwner& owner) {
  StorageOptions options;
  options.segment_bytes = options.block_bytes;
  options.zero_ahead_bytes = 0;
  return Wal::Start(vfs, dir, options, SegmentHeader{.owner = owner}, {})
      .status();
}

}  // namespace raft::storage
