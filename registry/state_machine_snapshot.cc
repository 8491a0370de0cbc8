// Taking a snapshot in slices: snapshot_cut.h.
#include <algorithm>
#include <utility>

#include "raft/check.h"
#include "registry/registry.pb.h"
#include "registry/snapshot_loader.h"
#include "registry/state_machine.h"
#include "registry/wire_values.h"

namespace registry {
namespace {

using Table = SnapshotCut::Table;

void Write(const wire::SnapshotRecord& record, SnapshotCut* cut) {
  std::string& out = cut->pending;
  const size_t at = out.size();
  out.append(kSnapshotLengthBytes, '\0');
  CHECK(record.AppendToString(&out));
  const size_t length = out.size() - at - kSnapshotLengthBytes;
  CHECK_LE(length, kSnapshotRecordBytesMax);
  for (size_t i = 0; i < kSnapshotLengthBytes; ++i) {
    out[at + i] = static_cast<char>(length >> (8 * i) & 0xff);
  }
  ++cut->records;
}

void WriteRegistration(Revision registry, std::string_view key,
                       const Registration& registration, SnapshotCut* cut) {
  wire::SnapshotRecord record;
  wire::SnapshotRegistration* out = record.mutable_registration();
  out->set_registry(registry.value());
  out->set_key(key.data(), key.size());
  ToWire(registration, out->mutable_registration());
  Write(record, cut);
}

}  // namespace

void StateMachine::BeginSnapshot() {
  CHECK(!cut_.has_value());
  cut_.emplace();
  cut_->index = applied_;
  cut_->digest = digest_;
  wire::SnapshotRecord record;
  wire::SnapshotHead* head = record.mutable_head();
  head->set_version(kSnapshotStateVersion);
  head->set_index(applied_.value());
  head->set_digest_high(digest_.high);
  head->set_digest_low(digest_.low);
  Write(record, &*cut_);
}

bool StateMachine::TakeSlice(size_t bytes_max, std::string* out) {
  SnapshotCut& cut = *cut_;
  while (cut.waiting() < bytes_max && cut.table != Table::kOver) {
    WalkOn(bytes_max);
  }
  const size_t bytes = std::min(bytes_max, cut.waiting());
  out->append(cut.pending, cut.taken, bytes);
  cut.taken += bytes;
  // Moves what is left once it is the smaller part.
  if (cut.taken * 2 > cut.pending.size()) {
    cut.pending.erase(0, cut.taken);
    cut.taken = 0;
  }
  if (cut.waiting() > 0 || cut.table != Table::kOver) return true;
  cut_.reset();
  return false;
}

// One step of the cursor; of registrations, until so many bytes wait.
void StateMachine::WalkOn(size_t bytes_wanted) {
  SnapshotCut& cut = *cut_;
  if (cut.table == Table::kRegistries) {
    const auto next = registries_.upper_bound(cut.registry);
    if (next == registries_.end() || next->first > cut.index) {
      cut.table = Table::kSessions;
      cut.registry = Revision(0);
      return;
    }
    cut.registry = next->first;
    wire::SnapshotRecord record;
    wire::SnapshotRegistry* registry = record.mutable_registry();
    registry->set_created(next->first.value());
    registry->set_name(next->second.name());
    registry->set_kind(static_cast<uint32_t>(next->second.kind()));
    Write(record, &cut);
    return;
  }
  if (cut.table == Table::kSessions) {
    const auto next = sessions_.upper_bound(cut.session);
    if (next == sessions_.end() || next->first.value() > cut.index.value()) {
      cut.table = Table::kRegistrations;
      cut.early.clear();
      return;
    }
    cut.session = next->first;
    if (cut.early.erase(next->first) == 0) {
      EmitSession(next->first, next->second);
    }
    return;
  }
  WalkRegistrations(bytes_wanted);
}

void StateMachine::WalkRegistrations(size_t bytes_wanted) {
  SnapshotCut& cut = *cut_;
  const auto next = registries_.lower_bound(cut.registry);
  if (next == registries_.end() || next->first > cut.index) {
    cut.table = Table::kOver;
    wire::SnapshotRecord record;
    record.mutable_end()->set_records(cut.records);
    Write(record, &cut);
    return;
  }
  if (next->first != cut.registry) cut.in_keys = false;
  cut.registry = next->first;
  const std::string* last_key = nullptr;
  Revision last_revision;
  bool whole = true;
  next->second.ForEachAfter(
      cut.in_keys ? &cut.key : nullptr, cut.revision,
      [&](const std::string& key, const Registration& registration) {
        if (registration.modified <= cut.index) {
          WriteRegistration(next->first, key, registration, &cut);
        }
        last_key = &key;
        last_revision = registration.revision;
        whole = cut.waiting() < bytes_wanted;
        return whole;
      });
  if (whole) {
    ++cut.registry;
    cut.in_keys = false;
  } else {
    cut.in_keys = true;
    cut.key = *last_key;
    cut.revision = last_revision;
  }
}

// Of one that was made or changed since, `modified` is above the snapshot.
void StateMachine::CutRegistration(const Registry& registry,
                                   std::string_view key,
                                   const Registration& registration) {
  SnapshotCut& cut = *cut_;
  if (registration.modified > cut.index ||
      cut.Passed(registry.created(), key, registration.revision)) {
    return;
  }
  WriteRegistration(registry.created(), key, registration, &cut);
}

void StateMachine::CutSession(SessionId id, const Session& session) {
  SnapshotCut& cut = *cut_;
  if (cut.table > Table::kSessions || id.value() > cut.index.value() ||
      id <= cut.session || !cut.early.insert(id).second) {
    return;
  }
  EmitSession(id, session);
}

void StateMachine::EmitSession(SessionId id, const Session& session) {
  wire::SnapshotRecord record;
  wire::SnapshotSession* out = record.mutable_session();
  out->set_id(id.value());
  out->set_nonce(session.nonce());
  out->set_ttl_us(static_cast<uint64_t>(session.ttl().value()));
  out->set_low_water(session.low_water().value());
  Write(record, &*cut_);
  session.ForEachReply(
      [&](Sequence sequence, const CommandReply& reply, const StateDigest&) {
        wire::SnapshotReplyKept* kept = record.mutable_reply();
        kept->Clear();
        kept->set_session(id.value());
        kept->set_sequence(sequence.value());
        ToWire(reply, kept->mutable_reply());
        Write(record, &*cut_);
      });
}

}  // namespace registry
