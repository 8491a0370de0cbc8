// What a data directory holds and what recovery would say of it. Only reads:
// no lock, no cut, no file. For wal_dump.
#ifndef TOOLS_WAL_REPORT_H_
#define TOOLS_WAL_REPORT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "raft/message.h"
#include "raft/storage/storage.h"
#include "raft/storage/vfs.h"
#include "raft/storage/wal_format.h"
#include "raft/storage/wal_recovery.h"
#include "raft/types.h"

namespace tools {

struct EntryReport {
  raft::Index index;
  raft::Term term;
  raft::EntryKind kind = raft::EntryKind::kNoop;
  uint64_t bytes = 0;   // of the payload
  uint32_t crc32c = 0;  // of the payload
};

struct RecordReport {
  uint64_t offset = 0;
  uint64_t batch = 0;  // from 1 in each segment
  raft::storage::RecordHeader header;
  std::vector<EntryReport> entries;
};

struct SegmentReport {
  std::string file;  // "wal/000000000001.wal"
  uint64_t sequence = 0;
  uint64_t file_bytes = 0;
  absl::StatusOr<raft::storage::SegmentHeader> header;
  // Nothing when its records were not read: the log does not lead here.
  std::optional<raft::storage::SegmentEnd> end;
  // Nothing, too, when the segment behind it does not tell where this one ends.
  std::optional<raft::storage::Verdict> verdict;
  uint64_t bytes_used = 0;  // header and records, without padding
  std::vector<RecordReport> records;
};

struct SnapshotReport {
  std::string file;  // "snapshots/snapshot-..."
  uint64_t file_bytes = 0;
  bool unfinished = false;  // being received, or was when its node died
  absl::StatusOr<raft::storage::SnapshotHeader> header;
  uint64_t chunks = 0;  // that are whole, from the first on
  uint64_t payload_bytes = 0;
  // Of a finished one; nothing: every byte is as it was written.
  std::optional<raft::storage::SnapshotReader::Damage> damage;
};

// Why recovery refuses the directory, in its own words.
struct Refusal {
  std::string file;  // within the directory
  uint64_t offset = 0;
  std::string why;
  std::string what_to_do;
  bool other_version = false;  // of the format: nothing is damaged
};

struct WalReport {
  std::string directory;
  std::optional<raft::storage::Identity> identity;  // nothing: damaged
  std::vector<SegmentReport> segments;
  std::vector<SnapshotReport> snapshots;
  std::optional<Refusal> refusal;
  // What recovery would say of damaged snapshots that it can do without.
  std::vector<std::string> passed_over;

  // What the log amounts to; when refused, as far as it could be read.
  raft::storage::WalState state;
  raft::EntryId base;  // a snapshot covers everything up to it
  raft::Term last_term;
  uint64_t records = 0;
  uint64_t torn_bytes = 0;
};

// NotFound: not a data directory. Other errors: it cannot be read. Damage is no
// error but a refusal in the report. All files are read once, before anything
// is judged. Records are listed when `with_records`.
absl::StatusOr<WalReport> ReadDataDirectory(raft::storage::Vfs* disk,
                                            const std::string& directory,
                                            bool with_records);

}  // namespace tools

#endif  // TOOLS_WAL_REPORT_H_
