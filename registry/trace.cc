#include "registry/trace.h"

#include <memory>
#include <utility>
#include <variant>

#include "raft/check.h"
#include "raft/codec.h"
#include "raft/crc32c.h"
#include "raft/digest.h"
#include "raft/limits.h"

namespace registry {
namespace {

constexpr size_t kRecordHeaderBytes = 8;
// Above the largest frame, far below what would hurt to read.
constexpr size_t kRecordBytesMax = 16 << 20;
constexpr size_t kEntriesBytesPerRecord = 1 << 20;

void AppendU32(uint32_t value, std::string* out) {
  for (int i = 0; i < 4; ++i) {
    out->push_back(static_cast<char>(value >> (8 * i) & 0xff));
  }
}

uint32_t LoadU32(std::string_view bytes) {
  uint32_t value = 0;
  for (int i = 3; i >= 0; --i) {
    value = value << 8 | static_cast<unsigned char>(bytes[i]);
  }
  return value;
}

void SetEntryId(raft::EntryId id, raft::wire::EntryId* out) {
  out->set_index(id.index.value());
  out->set_term(id.term.value());
}

void SetPeer(raft::NodeId peer, wire::TraceBulkDone* done) {
  done->mutable_peer()->set_slot(peer.slot);
  done->mutable_peer()->set_incarnation(peer.incarnation);
}

void SetMessage(const raft::Message& message, wire::TraceBulkDone* done) {
  raft::EncodeMessage(message, done->mutable_peer_message());
}

// No message speaks of a later term than its own; a piece has none yet.
void SetPiece(raft::SnapshotRequest piece, wire::TraceBulkDone* done) {
  piece.term = piece.snapshot.last.term;
  SetMessage(piece, done);
}

void SetAnswer(const Event& event, wire::TraceBulkDone* done) {
  if (const auto* written = std::get_if<SnapshotWritten>(&event)) {
    done->set_kind(wire::TraceBulkDone::WRITTEN);
    done->set_failed(written->failed);
    SetPiece({.snapshot = written->snapshot}, done);
  } else if (const auto* read = std::get_if<raft::SnapshotRead>(&event)) {
    done->set_kind(wire::TraceBulkDone::READ);
    done->set_failed(read->failed);
    SetPeer(read->to, done);
    if (!read->failed) SetPiece(read->piece, done);
  } else if (const auto* stored = std::get_if<raft::SnapshotStored>(&event)) {
    done->set_kind(wire::TraceBulkDone::STORED);
    SetPeer(stored->from, done);
    SetMessage(raft::SnapshotReply{.snapshot = stored->snapshot,
                                   .at = stored->at,
                                   .next = stored->next},
               done);
  } else {
    const auto& received = std::get<StateReceived>(event);
    done->set_kind(wire::TraceBulkDone::RECEIVED);
    SetPeer(received.received.from, done);
    SetMessage(raft::SnapshotReply{.snapshot = received.received.snapshot,
                                   .at = received.received.at},
               done);
  }
}

absl::StatusOr<BulkResult> Received(const raft::SnapshotReply& told,
                                    raft::NodeId from,
                                    std::string_view state_bytes,
                                    size_t leases_per_check, raft::Time now) {
  absl::StatusOr<LoadedState> loaded =
      LoadState(state_bytes, leases_per_check, now);
  if (!loaded.ok()) return loaded.status();
  return BulkResult{
      .event = MakeStateReceived(
          {.from = from, .snapshot = told.snapshot, .at = told.at},
          *std::move(loaded))};
}

}  // namespace

absl::StatusOr<BulkResult> BulkResultOf(const wire::TraceBulkDone& done,
                                        std::string_view state_bytes,
                                        size_t leases_per_check) {
  if (done.kind() == wire::TraceBulkDone::NOTHING) return BulkResult();
  const raft::NodeId peer{static_cast<uint8_t>(done.peer().slot()),
                          done.peer().incarnation()};
  if (done.kind() == wire::TraceBulkDone::READ && done.failed()) {
    return BulkResult{.event = raft::SnapshotRead{.to = peer, .failed = true}};
  }
  raft::Message message;
  const bool decoded = raft::DecodeMessage(done.peer_message(), &message);
  auto* piece = std::get_if<raft::SnapshotRequest>(&message);
  if (piece != nullptr) piece->term = raft::Term(0);
  const auto* reply = std::get_if<raft::SnapshotReply>(&message);
  if (decoded && piece != nullptr &&
      done.kind() == wire::TraceBulkDone::WRITTEN) {
    return BulkResult{.event = SnapshotWritten{.snapshot = piece->snapshot,
                                               .failed = done.failed()}};
  }
  if (decoded && piece != nullptr && done.kind() == wire::TraceBulkDone::READ) {
    return BulkResult{.event = raft::SnapshotRead{.to = peer,
                                                  .failed = done.failed(),
                                                  .piece = *piece}};
  }
  if (decoded && reply != nullptr &&
      done.kind() == wire::TraceBulkDone::STORED) {
    return BulkResult{.event = raft::SnapshotStored{.from = peer,
                                                    .snapshot = reply->snapshot,
                                                    .at = reply->at,
                                                    .next = reply->next}};
  }
  if (decoded && reply != nullptr &&
      done.kind() == wire::TraceBulkDone::RECEIVED) {
    return Received(*reply, peer, state_bytes, leases_per_check,
                    raft::Time(done.asked_at()));
  }
  return absl::DataLossError("a job of the bulk lane answered nonsense");
}

void AppendTraceRecord(std::string_view record, std::string* file) {
  CHECK_LE(record.size(), kRecordBytesMax);
  AppendU32(static_cast<uint32_t>(record.size()), file);
  AppendU32(raft::Crc32c(record), file);
  file->append(record);
}

uint64_t StepDigest(const Event& event, const Effects& effects) {
  raft::Digest digest;
  digest.Add(event);
  digest.Add(effects);
  return digest.value();
}

uint64_t RecoveredDigest(const raft::storage::Recovered& recovered) {
  raft::Digest digest;
  digest.Add(recovered.term);
  digest.Add(recovered.vote);
  digest.Add(recovered.log);
  if (recovered.base != raft::EntryId()) digest.Add(recovered.base);
  return digest.value();
}

void TraceWriter::Append() {
  bytes_.clear();
  CHECK(record_.AppendToString(&bytes_));
  sink_->Append(bytes_);
}

void TraceWriter::Begin(wire::TraceHeader header,
                        const raft::storage::Recovered& recovered,
                        std::string_view state_bytes) {
  header.set_version(kTraceVersion);
  header.set_term(recovered.term.value());
  header.mutable_vote()->set_slot(recovered.vote.slot);
  header.mutable_vote()->set_incarnation(recovered.vote.incarnation);
  header.set_log_entries(recovered.log.size());
  header.set_recovered_digest(RecoveredDigest(recovered));
  if (recovered.snapshot.has_value()) {
    const raft::storage::SnapshotId& id = recovered.snapshot->id;
    SetEntryId({id.index, id.term}, header.mutable_snapshot());
    SetEntryId(recovered.base, header.mutable_base());
    header.set_state_bytes(state_bytes.size());
  }
  *record_.mutable_header() = std::move(header);
  Append();
  size_t next = 0;
  while (next < recovered.log.size()) {
    wire::TraceEntries* entries = record_.mutable_entries();
    entries->Clear();
    for (size_t bytes = 0;
         next < recovered.log.size() && bytes < kEntriesBytesPerRecord;
         ++next) {
      const raft::Entry& entry = recovered.log[next];
      raft::wire::Entry* added = entries->add_entries();
      added->set_term(entry.term.value());
      added->set_kind(static_cast<uint32_t>(entry.kind));
      added->set_payload(entry.payload.data(), entry.payload.size());
      bytes += raft::EntryBytes(entry);
    }
    Append();
  }
  AppendState(state_bytes);
}

void TraceWriter::AppendState(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::string_view part = bytes.substr(0, kEntriesBytesPerRecord);
    record_.mutable_state()->set_bytes(part.data(), part.size());
    Append();
    bytes.remove_prefix(part.size());
  }
}

void TraceWriter::BulkDone(uint64_t job, const absl::Status& status,
                           const BulkResult& result) {
  AppendState(result.state_bytes);
  wire::TraceBulkDone* done = record_.mutable_bulk_done();
  done->Clear();
  done->set_job(job);
  done->set_code(static_cast<uint32_t>(status.code()));
  done->set_message(std::string(status.message()));
  done->set_state_bytes(result.state_bytes.size());
  done->set_asked_at(result.asked_at.micros());
  if (result.event.has_value()) SetAnswer(*result.event, done);
  Append();
}

void TraceWriter::Time(raft::Time now) {
  record_.set_time(now.micros());
  Append();
}

void TraceWriter::Accepted(ConnectionId connection, Listener listener) {
  record_.mutable_accepted()->set_connection(connection.value());
  record_.mutable_accepted()->set_listener(static_cast<uint32_t>(listener));
  Append();
}

void TraceWriter::Opened(ConnectionId connection) {
  record_.set_opened(connection.value());
  Append();
}

void TraceWriter::Bytes(ConnectionId connection, std::string_view bytes) {
  record_.mutable_bytes()->set_connection(connection.value());
  record_.mutable_bytes()->set_bytes(bytes.data(), bytes.size());
  Append();
}

void TraceWriter::Closed(ConnectionId connection) {
  record_.set_closed(connection.value());
  Append();
}

void TraceWriter::DiskDone(uint64_t job, const absl::Status& status) {
  wire::TraceDiskDone* done = record_.mutable_disk_done();
  done->set_job(job);
  done->set_code(static_cast<uint32_t>(status.code()));
  done->set_message(std::string(status.message()));
  Append();
}

void TraceWriter::TurnEnd() {
  record_.set_turn_end(true);
  Append();
}

void TraceWriter::HandOver(raft::NodeId to) {
  wire::Member* member = record_.mutable_hand_over()->mutable_to();
  member->set_slot(to.slot);
  member->set_incarnation(to.incarnation);
  Append();
}

void TraceWriter::Connected(ConnectionId connection) {
  record_.set_connected(connection.value());
  Append();
}

void TraceWriter::Queued(size_t bytes) {
  record_.set_queued(bytes);
  Append();
}

void TraceWriter::Step(const Event& event, const Effects& effects) {
  record_.set_step(StepDigest(event, effects));
  Append();
}

absl::StatusOr<bool> TraceReader::Next(wire::TraceRecord* record) {
  const std::string_view rest = file_.substr(offset_);
  if (rest.size() < kRecordHeaderBytes) return false;
  const size_t length = LoadU32(rest);
  const auto damaged = [this](const std::string& what) {
    return absl::DataLossError("the record at offset " +
                               std::to_string(offset_) + " " + what);
  };
  if (length > kRecordBytesMax) return damaged("is too long to be one");
  if (rest.size() - kRecordHeaderBytes < length) return false;
  const std::string_view bytes = rest.substr(kRecordHeaderBytes, length);
  if (LoadU32(rest.substr(4)) != raft::Crc32c(bytes)) {
    return damaged("does not match its checksum");
  }
  if (!record->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return damaged("is no record of a trace");
  }
  offset_ += kRecordHeaderBytes + length;
  return true;
}

}  // namespace registry
