#include "tools/wal_report.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <map>
#include <memory>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "raft/check.h"
#include "raft/crc32c.h"
#include "raft/storage/identity.h"
#include "raft/storage/snapshot_store.h"

namespace tools {
namespace {

using raft::storage::File;
using raft::storage::OpenMode;
using raft::storage::RecordHeader;
using raft::storage::SegmentHeader;
using raft::storage::Vfs;
using raft::storage::WalOwner;

constexpr char kIdentity[] = "identity";
constexpr char kWal[] = "wal";

absl::Status OnlyRead(const std::string& path) {
  return absl::PermissionDeniedError(path + ": this program only reads");
}

class ReadOnlyFile : public File {
 public:
  explicit ReadOnlyFile(std::string_view bytes) : bytes_(bytes) {}
  absl::Status Read(uint64_t offset, size_t size, std::string* out) override {
    *out = bytes_.substr(std::min<uint64_t>(offset, bytes_.size()), size);
    return absl::OkStatus();
  }
  absl::StatusOr<uint64_t> Size() override { return bytes_.size(); }
  absl::Status Write(uint64_t, std::string_view) override {
    return OnlyRead("a file");
  }
  absl::Status Sync() override { return OnlyRead("a file"); }
  absl::Status Preallocate(uint64_t) override { return OnlyRead("a file"); }
  absl::Status Truncate(uint64_t) override { return OnlyRead("a file"); }

 private:
  const std::string_view bytes_;
};

// The files of a data directory, each read once: recovery and the report see
// the same bytes, also when a node is writing them. Takes no change.
class FilesAsRead : public Vfs {
 public:
  static absl::StatusOr<std::unique_ptr<FilesAsRead>> Take(
      Vfs* disk, const std::string& directory) {
    auto files = std::make_unique<FilesAsRead>();
    const absl::Status folder = disk->List(directory).status();
    if (!folder.ok()) return folder;
    const absl::Status identity =
        files->Load(disk, absl::StrCat(directory, "/", kIdentity));
    if (!identity.ok() && !absl::IsNotFound(identity)) return identity;
    absl::Status status = files->LoadFolder(
        disk, absl::StrCat(directory, "/", kWal), [](const std::string& name) {
          return raft::storage::ParseSegmentName(name).has_value();
        });
    if (status.ok()) {
      status = files->LoadFolder(
          disk, absl::StrCat(directory, "/", raft::storage::kSnapshotFolder),
          [](const std::string& name) {
            return name == raft::storage::kReceivedSnapshot ||
                   raft::storage::ParseSnapshotName(name).has_value();
          });
    }
    if (!status.ok()) return status;
    return files;
  }

  const std::string& BytesOf(const std::string& path) const {
    return files_.at(path);
  }

  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path,
                                             OpenMode mode) override {
    if (mode != OpenMode::kRead) return OnlyRead(path);
    const auto file = files_.find(path);
    if (file == files_.end()) return absl::NotFoundError(path);
    return std::make_unique<ReadOnlyFile>(file->second);
  }
  absl::StatusOr<std::vector<std::string>> List(
      const std::string& path) override {
    const auto folder = folders_.find(path);
    if (folder == folders_.end()) return absl::NotFoundError(path);
    return folder->second;
  }
  absl::Status Rename(const std::string& from, const std::string&) override {
    return OnlyRead(from);
  }
  absl::Status Remove(const std::string& path) override {
    return OnlyRead(path);
  }
  absl::Status MakeDir(const std::string& path) override {
    return OnlyRead(path);
  }
  absl::Status SyncDir(const std::string& path) override {
    return OnlyRead(path);
  }
  absl::StatusOr<std::unique_ptr<Lock>> LockDir(
      const std::string& path) override {
    return OnlyRead(path);
  }

 private:
  absl::Status Load(Vfs* disk, const std::string& path) {
    const absl::StatusOr<std::unique_ptr<File>> file =
        disk->Open(path, OpenMode::kRead);
    if (!file.ok()) return file.status();
    return raft::storage::ReadWhole(file->get(), &files_[path]);
  }

  // Those of its files that `wanted` names; of no folder nothing.
  absl::Status LoadFolder(
      Vfs* disk, const std::string& folder,
      const std::function<bool(const std::string&)>& wanted) {
    const absl::StatusOr<std::vector<std::string>> names = disk->List(folder);
    if (absl::IsNotFound(names.status())) return absl::OkStatus();
    if (!names.ok()) return names.status();
    std::vector<std::string>& loaded = folders_[folder];
    for (const std::string& name : *names) {
      if (!wanted(name)) continue;
      const absl::Status status = Load(disk, absl::StrCat(folder, "/", name));
      if (!status.ok()) return status;
      loaded.push_back(name);
    }
    return absl::OkStatus();
  }

  std::map<std::string, std::string> files_;  // by path
  std::map<std::string, std::vector<std::string>> folders_;
};

// Takes apart what recovery says: "FILE: offset N: WHY. WHAT TO DO".
Refusal RefusalOf(const absl::Status& status, const std::string& directory,
                  const std::string& what_to_do) {
  Refusal refusal;
  std::string_view text(status.message().data(), status.message().size());
  const std::string root = directory + "/";
  if (text.starts_with(root)) text.remove_prefix(root.size());
  const std::string end = ". " + what_to_do;
  if (!what_to_do.empty() && text.ends_with(end)) {
    text.remove_suffix(end.size());
    refusal.what_to_do = what_to_do;
  }
  constexpr std::string_view kOffset = ": offset ";
  if (const size_t at = text.find(kOffset); at != std::string_view::npos) {
    refusal.file = text.substr(0, at);
    text.remove_prefix(at + kOffset.size());
    const auto [rest, error] =
        std::from_chars(text.data(), text.data() + text.size(), refusal.offset);
    text.remove_prefix(static_cast<size_t>(rest - text.data()));
    if (text.starts_with(": ")) text.remove_prefix(2);
  }
  refusal.why = text;
  return refusal;
}

class Reader {
 public:
  Reader(FilesAsRead* files, const std::string& directory, bool with_records)
      : files_(files), with_records_(with_records) {
    report_.directory = directory;
  }

  absl::StatusOr<WalReport> Read() {
    ListSegments();
    ReadSnapshots();
    const absl::StatusOr<raft::storage::Identity> identity =
        raft::storage::ReadIdentity(files_, report_.directory);
    if (absl::IsNotFound(identity.status())) {
      return absl::NotFoundError(absl::StrCat(
          report_.directory, ": is not formatted: it has no identity file",
          report_.segments.empty() ? "" : ", though there is a log here"));
    }
    if (!identity.ok()) {
      RefuseIdentity(identity.status());
      return std::move(report_);
    }
    report_.identity = *identity;
    owner_ = {.cluster = identity->cluster, .node = identity->node};
    Recover();
    return std::move(report_);
  }

 private:
  std::string PathOf(const std::string& file) const {
    return absl::StrCat(report_.directory, "/", file);
  }

  void ListSegments() {
    const auto names = files_->List(PathOf(kWal));
    if (!names.ok()) return;
    for (const std::string& name : *names) {
      SegmentReport segment;
      segment.file = absl::StrCat(kWal, "/", name);
      segment.sequence = *raft::storage::ParseSegmentName(name);
      const std::string& bytes = files_->BytesOf(PathOf(segment.file));
      segment.file_bytes = bytes.size();
      segment.header = raft::storage::DecodeSegmentHeader(bytes);
      report_.segments.push_back(std::move(segment));
    }
  }

  void ReadSnapshots() {
    const auto names = files_->List(PathOf(raft::storage::kSnapshotFolder));
    if (!names.ok()) return;
    for (const std::string& name : *names) {
      SnapshotReport report;
      report.file = absl::StrCat(raft::storage::kSnapshotFolder, "/", name);
      report.unfinished = name == raft::storage::kReceivedSnapshot;
      const std::string path = PathOf(report.file);
      report.file_bytes = files_->BytesOf(path).size();
      std::optional<raft::storage::SnapshotReader::Damage> damage;
      auto reader = raft::storage::SnapshotReader::Open(files_, path, &damage);
      raft::storage::SnapshotChunk chunk;
      if (!reader.ok()) {
        report.header = reader.status();
      } else {
        report.header = (*reader)->header();
        absl::StatusOr<bool> more = (*reader)->Next(&chunk);
        for (; more.ok() && *more; more = (*reader)->Next(&chunk)) {
          ++report.chunks;
          report.payload_bytes += chunk.payload.size();
        }
        damage = (*reader)->damage();
      }
      if (!report.unfinished) report.damage = damage;
      report_.snapshots.push_back(std::move(report));
    }
  }

  // Recovery does not come to the log, so neither does the report. The node's
  // name, which the advice needs, is in the first segment too.
  void RefuseIdentity(const absl::Status& status) {
    Refusal refusal = RefusalOf(status, report_.directory, "");
    refusal.other_version = absl::IsFailedPrecondition(status);
    if (!refusal.other_version && !report_.segments.empty() &&
        report_.segments.front().header.ok()) {
      refusal.what_to_do = raft::storage::HowToComeBack(
          report_.directory, report_.segments.front().header->owner.node);
    } else if (!refusal.other_version) {
      refusal.what_to_do =
          absl::StrCat("Move ", report_.directory,
                       " away and bring the node back with a higher "
                       "incarnation: registryd format --incarnation=N");
    }
    report_.refusal = std::move(refusal);
  }

  // The verdict is recovery's own; the segments are then read again one by one
  // to show how each of them ends.
  void Recover() {
    auto recovered = raft::storage::RecoverWal(files_, PathOf(kWal), owner_,
                                               report_.directory);
    if (!recovered.ok()) {
      Refuse(recovered.status());
      for (const SegmentReport& segment : report_.segments) {
        if (IsRefused(segment)) {
          report_.refusal->other_version =
              absl::IsFailedPrecondition(segment.header.status());
        }
      }
    }
    // Records may only be replayed onto the log that they were written for.
    for (size_t i = 0; i < report_.segments.size() && IsOurs(i) &&
                       log_.Enter(*report_.segments[i].header, i == 0);
         ++i) {
      ReadRecords(i);
      if (IsRefused(report_.segments[i])) break;
    }
    report_.state = log_.state;
    if (!log_.entries.empty()) report_.last_term = log_.entries.back().term;
    if (!recovered.ok()) return;
    CHECK(log_.state == recovered->log.state);
    CHECK_EQ(report_.records, recovered->records);
    CHECK_EQ(report_.torn_bytes, recovered->torn_bytes_cut);
    WithSnapshots(&*recovered);
  }

  void Refuse(const absl::Status& status) {
    report_.refusal =
        RefusalOf(status, report_.directory,
                  raft::storage::HowToComeBack(report_.directory, owner_.node));
  }

  // What Open does with both.
  void WithSnapshots(raft::storage::RecoveredWal* wal) {
    raft::EntryId newest;
    if (!report_.snapshots.empty()) {
      const auto found =
          raft::storage::SnapshotStore::OpenToRead(files_, report_.directory,
                                                   owner_)
              ->Recover(wal->log.before + 1, wal->log.state.last_index);
      if (!found.ok()) {
        Refuse(found.status());
        report_.refusal->other_version =
            absl::IsFailedPrecondition(found.status());
        return;
      }
      report_.passed_over = found->passed_over;
      if (found->newest.has_value()) {
        newest = {found->newest->id.index, found->newest->id.term};
      }
    }
    const uint64_t first = report_.segments.front().sequence;
    const absl::Status status = raft::storage::Reconcile(
        newest,
        PathOf(absl::StrCat(kWal, "/", raft::storage::SegmentName(first - 1))),
        wal);
    if (!status.ok()) {
      Refuse(status);
      report_.refusal->what_to_do =
          raft::storage::HowToComeBack(report_.directory, owner_.node);
      return;
    }
    report_.base = wal->log.base;
    report_.state.last_index = wal->log.state.last_index;
    report_.last_term = wal->log.entries.empty() ? wal->log.base.term
                                                 : wal->log.entries.back().term;
  }

  bool IsRefused(const SegmentReport& segment) const {
    return report_.refusal.has_value() && report_.refusal->file == segment.file;
  }

  bool IsOurs(size_t i) const {
    const SegmentReport& segment = report_.segments[i];
    const uint64_t sequence = report_.segments.front().sequence + i;
    return segment.header.ok() && segment.header->owner == owner_ &&
           segment.header->sequence == sequence && segment.sequence == sequence;
  }

  void ReadRecords(size_t i) {
    SegmentReport& segment = report_.segments[i];
    const SegmentHeader& header = *segment.header;
    std::string_view bytes = files_->BytesOf(PathOf(segment.file));
    const bool last = i + 1 == report_.segments.size();
    const bool next_is_known = !last && IsOurs(i + 1);
    uint64_t mark = header.synced_end;
    if (next_is_known) {
      mark = report_.segments[i + 1].header->previous_end;
      bytes = bytes.substr(0, mark);
    }
    segment.end = raft::storage::ReadSegment(bytes, header, mark, &log_);
    if (last || next_is_known) {
      segment.verdict = raft::storage::Decide(
          segment.end->tail, segment.end->later, segment.end->synced);
    }
    report_.records += segment.end->records;
    if (last) report_.torn_bytes = segment.end->torn_bytes;
    ListRecords(bytes, &segment);
  }

  // Those that ReadSegment took.
  void ListRecords(std::string_view bytes, SegmentReport* segment) const {
    const SegmentHeader& header = *segment->header;
    segment->bytes_used = raft::storage::kSegmentHeaderBytes;
    RecordReport record{.offset = header.block_bytes};
    uint64_t left = 0;
    for (uint64_t i = 0; i < segment->end->records; ++i) {
      const auto found = raft::storage::ReadRecordHeader(
          bytes, record.offset, header.owner, header.sequence);
      CHECK(found.has_value());  // it was read a moment ago
      record.header = *found;
      if (left == 0) ++record.batch;
      left = found->records_left;
      segment->bytes_used += found->size;
      if (with_records_) {
        record.entries = EntriesOf(bytes, record);
        segment->records.push_back(record);
      }
      record.offset += found->size;
      if (left == 0) {
        record.offset =
            raft::storage::RoundUp(record.offset, header.block_bytes);
      }
    }
  }

  static std::vector<EntryReport> EntriesOf(std::string_view bytes,
                                            const RecordReport& record) {
    const absl::StatusOr<raft::Persist> persist =
        raft::storage::DecodeRecord(bytes, record.offset, record.header);
    CHECK(persist.ok());
    std::vector<EntryReport> entries;
    for (const raft::Entry& entry : persist->entries) {
      entries.push_back({.index = entry.index,
                         .term = entry.term,
                         .kind = entry.kind,
                         .bytes = entry.payload.size(),
                         .crc32c = raft::Crc32c(entry.payload.view())});
    }
    return entries;
  }

  FilesAsRead* const files_;
  const bool with_records_;
  WalOwner owner_;
  raft::storage::ReplayedLog log_;
  WalReport report_;
};

}  // namespace

absl::StatusOr<WalReport> ReadDataDirectory(Vfs* disk,
                                            const std::string& directory,
                                            bool with_records) {
  const absl::StatusOr<std::unique_ptr<FilesAsRead>> files =
      FilesAsRead::Take(disk, directory);
  if (!files.ok()) return files.status();
  return Reader(files->get(), directory, with_records).Read();
}

}  // namespace tools
