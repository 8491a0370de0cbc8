#include "raft/storage/wal_recovery.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "raft/check.h"
#include "raft/storage/identity.h"

namespace raft::storage {
namespace {

constexpr Verdict A = Verdict::kAccept;
constexpr Verdict C = Verdict::kCut;
constexpr Verdict R = Verdict::kRefuse;
constexpr Verdict I = Verdict::kImpossible;

// A batch is acknowledged only after its sync, and the next one is written only
// after that. So an intact record behind the damage that belongs to a later
// batch proves that the damaged bytes were durable, hence perhaps acknowledged:
//
//   write B1, sync, ack B1; write B2 (its records say: all before B2 is
//   durable); power cut; B1 reads broken  =>  not torn, rotten: refuse.
//
// One of the same batch proves nothing: sectors reach the disk in any order.
// Not to be told apart from a torn batch is rot in the last batch of all.
//
// No crash puts a batch where it does not belong. Where a disk has, the batch
// is missing elsewhere, and what it overwrote may have been durable:
//   write B1, sync, ack B1; write B2, which lands on B1; sync, ack B2
//   B1 is gone, in its place stands B2, and where B2 should be are zeros:
//   without a look at B2 that is a torn B1, and two acknowledged batches would
//   be cut
// B2 may be the first of the next segment, which has no name yet: then B1 and
// the batch before it can be gone, as a header comes with it.
constexpr Verdict kVerdicts[4][3][2] = {
    // Later:       kNone           kFound          kMisplaced
    // Synced:  not beyond, beyond  (likewise)
    /* kEnd             */ {{A, R}, {I, I}, {I, I}},
    /* kUnfinishedBatch */ {{C, R}, {I, I}, {I, I}},
    /* kBroken          */ {{C, R}, {C, R}, {R, R}},
    /* kContradiction   */ {{R, R}, {R, R}, {R, R}},
};

// Reads records of one segment in order.
class SegmentReader {
 public:
  SegmentReader(std::string_view bytes, const SegmentHeader& header,
                ReplayedLog* log)
      : bytes_(bytes), header_(header), log_(log) {
    end_.offset = header.block_bytes;
  }

  SegmentEnd Read(uint64_t synced_mark) {
    while (ReadRecord()) {
    }
    if (end_.tail != Tail::kContradiction) ClassifyTail();
    if (end_.tail == Tail::kBroken) {
      synced_mark = std::max(synced_mark, FindLater());
    }
    end_.synced =
        end_.offset < synced_mark ? Synced::kBeyond : Synced::kNotBeyond;
    return std::move(end_);
  }

 private:
  // False at the end of what can be read.
  bool ReadRecord() {
    const uint64_t at = end_.offset;
    const auto record =
        ReadRecordHeader(bytes_, at, header_.owner, header_.sequence);
    if (!record.has_value() || !BodyIsIntact(bytes_, at, *record)) return false;
    absl::StatusOr<Persist> persist = DecodeRecord(bytes_, at, *record);
    if (!persist.ok())
      return Contradiction(std::string(persist.status().message()));
    if (!FitsBatch(*record)) return Contradiction("it is not of this batch");
    const std::string why_not = log_->WhyNotNext(*record, *persist);
    if (!why_not.empty()) return Contradiction(why_not);

    if (records_left_ == 0) {
      ++end_.batches;
      end_.batch_begin = at;
      end_.batch_records = 0;
      end_.state_before_batch = log_->state;
    }
    records_left_ = record->records_left;
    log_->Apply(*record, *std::move(persist));
    ++end_.records;
    ++end_.batch_records;
    end_.offset += record->size;
    if (records_left_ == 0) {
      end_.offset = RoundUp(end_.offset, header_.block_bytes);
    }
    return true;
  }

  bool FitsBatch(const RecordHeader& record) const {
    if (records_left_ == 0) return record.synced_end == end_.offset;
    return record.synced_end == end_.batch_begin &&
           record.records_left == records_left_ - 1;
  }

  bool Contradiction(std::string why) {
    end_.tail = Tail::kContradiction;
    end_.why = std::move(why);
    return false;
  }

  void ClassifyTail() {
    const std::string_view rest =
        bytes_.substr(std::min<uint64_t>(end_.offset, bytes_.size()));
    const size_t last = rest.find_last_not_of('\0');
    if (last != std::string_view::npos) {
      end_.tail = Tail::kBroken;
      end_.torn_bytes = last + 1;
    } else {
      end_.tail = records_left_ == 0 ? Tail::kEnd : Tail::kUnfinishedBatch;
    }
  }

  // Looks for intact record headers behind the end; returns the highest synced
  // mark among them. A header is enough: it was written, and says when. At the
  // end itself there may be a misplaced one.
  uint64_t FindLater() {
    uint64_t mark = 0;
    for (uint64_t at = end_.offset; at < bytes_.size();
         at += kRecordAlignment) {
      if (IsMisplaced(at) || IsNextSegment(at)) end_.later = Later::kMisplaced;
      if (at == end_.offset) continue;
      const auto record =
          ReadRecordHeader(bytes_, at, header_.owner, header_.sequence);
      if (!record.has_value()) continue;
      if (end_.later == Later::kNone) end_.later = Later::kFound;
      mark = std::max(mark, record->synced_end);
    }
    return mark;
  }

  // Of a record that has been read already, a payload may hold a copy.
  bool IsMisplaced(uint64_t at) const {
    const auto record =
        ReadMisplacedHeader(bytes_, at, header_.owner, header_.sequence);
    return record.has_value() && record->number >= log_->state.next_record;
  }

  // The header of the segment that follows this one stands here. (A disk writes
  // sectors.)
  bool IsNextSegment(uint64_t at) const {
    if (at % kBlockBytesMin != 0) return false;
    const absl::StatusOr<SegmentHeader> header =
        DecodeSegmentHeader(bytes_.substr(at));
    return header.ok() && header->owner == header_.owner &&
           header->sequence == header_.sequence + 1 &&
           header->state.next_record >= log_->state.next_record;
  }

  const std::string_view bytes_;
  const SegmentHeader& header_;
  ReplayedLog* const log_;
  SegmentEnd end_;
  uint32_t records_left_ = 0;  // of the current batch
};

std::string WhyRefused(const SegmentEnd& end) {
  switch (end.tail) {
    case Tail::kContradiction:
      return absl::StrCat("a record is intact but wrong: ", end.why);
    case Tail::kBroken:
      return end.later == Later::kMisplaced
                 ? "the disk has written a batch to the wrong place"
                 : "a damaged record, in bytes that were durable";
    case Tail::kEnd:
    case Tail::kUnfinishedBatch:
      break;
  }
  return "records are missing that were durable";
}

// The open segments of one directory.
class Recovery {
 public:
  Recovery(Vfs* vfs, const std::string& dir, const WalOwner& owner,
           const std::string& data_dir)
      : vfs_(vfs), dir_(dir), owner_(owner), data_dir_(data_dir) {}

  absl::StatusOr<RecoveredWal> Run() {
    absl::Status status = ListSegments();
    if (status.ok()) status = ReadHeaders();
    for (size_t i = 0; status.ok() && i < headers_.size(); ++i) {
      status = Replay(i);
    }
    if (!status.ok()) return status;
    wal_.segments = headers_.size();
    return std::move(wal_);
  }

 private:
  std::string PathOf(uint64_t sequence) const {
    return absl::StrCat(dir_, "/", SegmentName(sequence));
  }

  absl::Status DataLoss(const std::string& path, uint64_t offset,
                        const std::string& why) const {
    return absl::DataLossError(
        absl::StrCat(path, ": offset ", offset, ": ", why, ". ",
                     HowToComeBack(data_dir_, owner_.node)));
  }

  absl::Status ListSegments() {
    absl::StatusOr<std::vector<std::string>> names = vfs_->List(dir_);
    if (absl::IsNotFound(names.status())) {
      return DataLoss(dir_, 0, "the folder of the log is missing");
    }
    if (!names.ok()) return names.status();
    for (const std::string& name : *names) {
      const auto sequence = ParseSegmentName(name);
      if (!sequence.has_value()) continue;
      if (headers_.empty()) first_ = *sequence;
      if (*sequence != first_ + headers_.size()) {
        return DataLoss(PathOf(first_ + headers_.size()), 0,
                        "this segment is missing");
      }
      headers_.emplace_back();
    }
    if (headers_.empty()) {
      return DataLoss(PathOf(1), 0, "every segment of the log is missing");
    }
    return absl::OkStatus();
  }

  absl::Status ReadHeaders() {
    for (size_t i = 0; i < headers_.size(); ++i) {
      const std::string path = PathOf(first_ + i);
      absl::StatusOr<std::unique_ptr<File>> file =
          vfs_->Open(path, OpenMode::kRead);
      if (!file.ok()) return file.status();
      std::string bytes;
      absl::Status read = (*file)->Read(0, kSegmentHeaderBytes, &bytes);
      if (!read.ok()) return read;
      absl::StatusOr<SegmentHeader> header = DecodeSegmentHeader(bytes);
      if (absl::IsFailedPrecondition(header.status())) {
        return absl::FailedPreconditionError(
            absl::StrCat(path, ": offset 0: ", header.status().message()));
      }
      if (!header.ok())
        return DataLoss(path, 0, std::string(header.status().message()));
      if (header->owner != owner_) {
        return absl::FailedPreconditionError(absl::StrCat(
            path, ": offset 0: this segment is of cluster ",
            header->owner.cluster.value(), ", node ",
            ToString(header->owner.node), "; the identity file of ", data_dir_,
            " names cluster ", owner_.cluster.value(), ", node ",
            ToString(owner_.node), ": put the right files together"));
      }
      if (header->sequence != first_ + i) {
        return DataLoss(path, 0,
                        absl::StrCat("this is segment ", header->sequence,
                                     " by its "
                                     "header"));
      }
      headers_[i] = *header;
    }
    return absl::OkStatus();
  }

  absl::Status Replay(size_t i) {
    const SegmentHeader& header = headers_[i];
    const std::string path = PathOf(header.sequence);
    const bool last = i + 1 == headers_.size();
    if (!wal_.log.Enter(header, i == 0)) {
      return DataLoss(path, 0,
                      "the header does not continue the segment before it");
    }
    absl::StatusOr<std::unique_ptr<File>> file =
        vfs_->Open(path, OpenMode::kRead);
    if (!file.ok()) return file.status();
    std::string all;
    absl::Status read = ReadWhole(file->get(), &all);
    if (!read.ok()) return read;

    if (last && all.size() < header.segment_bytes) {
      return DataLoss(path, all.size(),
                      absl::StrCat("the file ends here; it was made ",
                                   header.segment_bytes, " bytes long"));
    }
    std::string_view bytes = all;
    uint64_t synced_mark = header.synced_end;
    if (!last) {
      synced_mark = headers_[i + 1].previous_end;
      bytes = bytes.substr(0, synced_mark);
    }
    const SegmentEnd end = ReadSegment(bytes, header, synced_mark, &wal_.log);
    const Verdict verdict = Decide(end.tail, end.later, end.synced);
    CHECK(verdict != Verdict::kImpossible);
    if (verdict == Verdict::kRefuse) {
      return DataLoss(path, end.offset, WhyRefused(end));
    }
    if (!last && (verdict != Verdict::kAccept || end.offset != synced_mark)) {
      return DataLoss(path, end.offset,
                      "the next segment does not begin where this one ends");
    }
    wal_.records += end.records;
    if (!last) {
      wal_.older.push_back({header.sequence, header.state.last_index});
      return absl::OkStatus();
    }
    wal_.torn_bytes_cut = end.torn_bytes;
    return PrepareNext(bytes, header, end);
  }

  // The last batch moves into a new segment; what lies before it stays where
  // it is, durable. If there is nothing before it, the new segment takes the
  // old one's place and number: a node that restarts again and again without
  // writing collects no files.
  absl::Status PrepareNext(std::string_view bytes, const SegmentHeader& header,
                           const SegmentEnd& end) {
    wal_.next = header;
    if (end.batches == 0) return absl::OkStatus();
    if (end.batches > 1) {
      wal_.older.push_back({header.sequence, header.state.last_index});
      wal_.next.sequence = header.sequence + 1;
      wal_.next.previous_end = end.batch_begin;
      wal_.next.state = end.state_before_batch;
    }
    CHECK(wal_.next.state == end.state_before_batch);
    uint64_t at = end.batch_begin;
    for (uint64_t i = 0; i < end.batch_records; ++i) {
      const auto record =
          ReadRecordHeader(bytes, at, header.owner, header.sequence);
      CHECK(record.has_value());  // it was read a moment ago
      absl::StatusOr<Persist> persist = DecodeRecord(bytes, at, *record);
      CHECK(persist.ok());
      wal_.last_batch.push_back(*std::move(persist));
      at += record->size;
    }
    return absl::OkStatus();
  }

  Vfs* const vfs_;
  const std::string& dir_;
  const WalOwner& owner_;
  const std::string& data_dir_;
  uint64_t first_ = 1;                  // the number of the first segment
  std::vector<SegmentHeader> headers_;  // by sequence - first_
  RecoveredWal wal_;
};

}  // namespace

Verdict Decide(Tail tail, Later later, Synced synced) {
  return kVerdicts[static_cast<int>(tail)][static_cast<int>(later)]
                  [static_cast<int>(synced)];
}

std::string ReplayedLog::WhyNotNext(const RecordHeader& header,
                                    const Persist& persist) {
  if (header.number != state.next_record) {
    return absl::StrCat("it is record ", header.number, " where ",
                        state.next_record, " is due");
  }
  if (header.previous != state.checksum) {
    return "it follows another record than the one before it";
  }
  if (const char* why = storage::WhyNotNext(state, persist)) return why;
  if (persist.truncate_from != Index(0) && persist.truncate_from <= base.index) {
    return "it removes what a snapshot covers";
  }
  if (!persist.entries.empty() && TermAt(persist.entries.front().index - 1) >
                                      persist.entries.front().term) {
    return "an entry's term falls";
  }
  return "";
}

bool ReplayedLog::Enter(const SegmentHeader& header, bool first) {
  if (first && header.sequence > 1) {
    state = header.state;
    before = header.state.last_index;
    base = header.base;
    return true;
  }
  if (header.base != base) {
    if (header.base.index != header.state.last_index ||
        header.base.term == Term(0) || header.state.term < state.term ||
        header.state.next_record != state.next_record ||
        header.state.checksum != state.checksum) {
      return false;
    }
    Reset(header.base);
    state = header.state;
  }
  return header.state == state;
}

Term ReplayedLog::TermAt(Index index) const {
  if (index == base.index) return base.term;
  if (index <= before || index - before > entries.size()) return Term(0);
  return entries[index - before - 1].term;
}

void ReplayedLog::Reset(EntryId new_base) {
  entries.clear();
  before = new_base.index;
  base = new_base;
  state.last_index = new_base.index;
}

void ReplayedLog::Apply(const RecordHeader& header, Persist persist) {
  Advance(persist, &state);
  ++state.next_record;
  state.checksum = header.checksum;
  if (persist.truncate_from != Index(0)) {
    // May go back into segments that are gone: what stood there was replaced,
    // in segments that are left, before it was covered by a snapshot.
    //   segment 1 ends at index 10, 6 to 10 of an old leader; segment 2 begins
    //   with {from 6 on: 6 to 20}; a snapshot covers 12: segment 1 goes
    before = std::min(before, persist.truncate_from - 1);
    entries.resize(persist.truncate_from - before - 1);
  }
  for (Entry& entry : persist.entries) entries.push_back(std::move(entry));
  CHECK_EQ(before + entries.size(), state.last_index);
}

absl::Status Reconcile(EntryId snapshot, const std::string& first_missing,
                       RecoveredWal* recovered) {
  ReplayedLog& log = recovered->log;
  if (log.before > snapshot.index) {
    return absl::DataLossError(absl::StrCat(
        first_missing, ": offset 0: the log begins behind index ",
        log.before.value(), ", and no snapshot covers what was before"));
  }
  if (snapshot.index == Index(0)) return absl::OkStatus();
  if (snapshot.index == log.before ||
      log.TermAt(snapshot.index) == snapshot.term) {
    if (snapshot.index == log.before) log.base = snapshot;
    if (log.before == Index(0)) log.base = {};
    if (log.before == log.base.index) return absl::OkStatus();
    // An entry is given up for its term: the leader's appends name it.
    log.base = {log.entries.front().index, log.entries.front().term};
    log.before = log.base.index;
    log.entries.erase(log.entries.begin());
    return absl::OkStatus();
  }
  // The last batch, if it was not durable, may go with the log; term and vote
  // may not.
  SegmentHeader& next = recovered->next;
  log.Reset(snapshot);
  // The snapshot may have overtaken the persist of the term in which it came:
  // then nothing was said in that term, for that waits for the persist.
  if (snapshot.term > log.state.term) {
    log.state.term = snapshot.term;
    log.state.vote = kNobody;
  }
  recovered->last_batch.clear();
  next.base = snapshot;
  next.state.last_index = snapshot.index;
  next.state.term = log.state.term;
  next.state.vote = log.state.vote;
  return absl::OkStatus();
}

SegmentEnd ReadSegment(std::string_view bytes, const SegmentHeader& header,
                       uint64_t synced_mark, ReplayedLog* log) {
  return SegmentReader(bytes, header, log).Read(synced_mark);
}

absl::StatusOr<RecoveredWal> RecoverWal(Vfs* vfs, const std::string& dir,
                                        const WalOwner& owner,
                                        const std::string& data_dir) {
  return Recovery(vfs, dir, owner, data_dir).Run();
}

}  // namespace raft::storage
