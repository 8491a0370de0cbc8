#include "raft/codec.h"

#include <utility>

#include "google/protobuf/arena.h"
#include "google/protobuf/io/coded_stream.h"
#include "raft/check.h"
#include "raft/raft.pb.h"

namespace raft {
namespace {

using google::protobuf::io::CodedOutputStream;

// Indexes from a peer are kept far from where adding to them overflows.
constexpr uint64_t kIndexMax = uint64_t{1} << 62;
// And terms: every member adopts the highest that it hears and keeps it on
// disk, so one frame with the last term there is would end all elections.
constexpr uint64_t kTermMax = uint64_t{1} << 62;

// The place before the first entry has term 0, and no other has.
bool IsPlace(uint64_t index, uint64_t term) {
  return index <= kIndexMax && (index == 0) == (term == 0);
}

// --------------------------------------------------------------- to the wire

void ToWire(const VoteRequest& m, wire::PeerMessage* out) {
  wire::VoteRequest* w = out->mutable_vote_request();
  w->set_term(m.term.value());
  w->set_pre_vote(m.pre_vote);
  w->set_last_index(m.last_index.value());
  w->set_last_term(m.last_term.value());
  w->set_transfer(m.transfer);
}

void ToWire(const VoteReply& m, wire::PeerMessage* out) {
  wire::VoteReply* w = out->mutable_vote_reply();
  w->set_term(m.term.value());
  w->set_pre_vote(m.pre_vote);
  w->set_granted(m.granted);
}

void ToWire(const AppendReply& m, wire::PeerMessage* out) {
  wire::AppendReply* w = out->mutable_append_reply();
  w->set_term(m.term.value());
  w->set_accepted(m.accepted);
  w->set_match(m.match.value());
  w->set_hint_index(m.hint_index.value());
  w->set_hint_term(m.hint_term.value());
  w->set_round(m.round.value());
}

void ToWire(const Heartbeat& m, wire::PeerMessage* out) {
  wire::Heartbeat* w = out->mutable_heartbeat();
  w->set_term(m.term.value());
  w->set_commit(m.commit.value());
  w->set_commit_term(m.commit_term.value());
  w->set_round(m.round.value());
}

void ToWire(const HeartbeatReply& m, wire::PeerMessage* out) {
  wire::HeartbeatReply* w = out->mutable_heartbeat_reply();
  w->set_term(m.term.value());
  w->set_round(m.round.value());
}

void ToWire(const ReadIndexRequest& m, wire::PeerMessage* out) {
  wire::ReadIndexRequest* w = out->mutable_read_index_request();
  w->set_term(m.term.value());
  w->set_id(m.id.value());
  w->set_boot(m.boot);
}

void ToWire(const ReadIndexReply& m, wire::PeerMessage* out) {
  wire::ReadIndexReply* w = out->mutable_read_index_reply();
  w->set_term(m.term.value());
  w->set_id(m.id.value());
  w->set_boot(m.boot);
  w->set_ok(m.ok);
  w->set_index(m.index.value());
}

void ToWire(const TimeoutNow& m, wire::PeerMessage* out) {
  out->mutable_timeout_now()->set_term(m.term.value());
}

void ToWire(const EntryId& id, wire::EntryId* w) {
  w->set_index(id.index.value());
  w->set_term(id.term.value());
}

void ToWire(const SnapshotPlace& place, wire::SnapshotPlace* w) {
  w->set_offset(place.offset);
  w->set_sequence(place.sequence);
  w->set_checksum(place.checksum);
}

void ToWire(const SnapshotRequest& m, wire::PeerMessage* out) {
  wire::SnapshotRequest* w = out->mutable_snapshot_request();
  w->set_term(m.term.value());
  wire::SnapshotName* name = w->mutable_snapshot();
  ToWire(m.snapshot.last, name->mutable_last());
  name->set_digest_high(m.snapshot.digest_high);
  name->set_digest_low(m.snapshot.digest_low);
  name->mutable_origin()->set_slot(m.snapshot.origin.slot);
  name->mutable_origin()->set_incarnation(m.snapshot.origin.incarnation);
  w->set_configuration(m.configuration.data(), m.configuration.size());
  ToWire(m.at, w->mutable_at());
  w->set_checksum(m.checksum);
  w->set_payload(m.payload.data(), m.payload.size());
  w->set_end(m.end);
}

void ToWire(const SnapshotReply& m, wire::PeerMessage* out) {
  wire::SnapshotReply* w = out->mutable_snapshot_reply();
  w->set_term(m.term.value());
  ToWire(m.snapshot, w->mutable_snapshot());
  ToWire(m.at, w->mutable_at());
  ToWire(m.next, w->mutable_next());
  w->set_installed(m.installed);
  w->set_match(m.match.value());
}

// An append is nearly all the bytes that a leader sends, so it is written
// straight into the output: no message object, one copy of each payload.
// codec_test compares with what the generated code reads and writes.
enum WireType : uint32_t { kVarint = 0, kBytes = 2 };

constexpr uint32_t Tag(int field, WireType type) {
  return static_cast<uint32_t>(field) << 3 | type;
}

size_t VarintBytes(uint64_t value) {
  return CodedOutputStream::VarintSize64(value);
}

void AppendVarint(uint64_t value, std::string* out) {
  uint8_t bytes[10];
  const uint8_t* end = CodedOutputStream::WriteVarint64ToArray(value, bytes);
  out->append(reinterpret_cast<const char*>(bytes),
              static_cast<size_t>(end - bytes));
}

// proto3 leaves out fields that are zero. Field numbers below 16 have one-byte
// tags.
size_t FieldBytes(uint64_t value) {
  return value == 0 ? 0 : 1 + VarintBytes(value);
}

void AppendField(int field, uint64_t value, std::string* out) {
  if (value == 0) return;
  AppendVarint(Tag(field, kVarint), out);
  AppendVarint(value, out);
}

size_t WireBytes(const Entry& entry) {
  const size_t payload = entry.payload.size();
  return FieldBytes(entry.term.value()) +
         FieldBytes(static_cast<uint64_t>(entry.kind)) +
         (payload == 0 ? 0 : 1 + VarintBytes(payload) + payload);
}

void AppendEntry(const Entry& entry, size_t bytes, std::string* out) {
  AppendVarint(Tag(wire::AppendRequest::kEntriesFieldNumber, kBytes), out);
  AppendVarint(bytes, out);
  AppendField(wire::Entry::kTermFieldNumber, entry.term.value(), out);
  AppendField(wire::Entry::kKindFieldNumber, static_cast<uint64_t>(entry.kind),
              out);
  if (!entry.payload.empty()) {
    AppendVarint(Tag(wire::Entry::kPayloadFieldNumber, kBytes), out);
    AppendVarint(entry.payload.size(), out);
    out->append(entry.payload.view());
  }
}

void EncodeAppend(const AppendRequest& m, std::string* out) {
  size_t body = FieldBytes(m.term.value()) + FieldBytes(m.prev_index.value()) +
                FieldBytes(m.prev_term.value()) + FieldBytes(m.commit.value()) +
                FieldBytes(m.round.value());
  for (const Entry& entry : m.entries) {
    const size_t bytes = WireBytes(entry);
    body += 1 + VarintBytes(bytes) + bytes;
  }
  AppendVarint(Tag(wire::PeerMessage::kAppendRequestFieldNumber, kBytes), out);
  AppendVarint(body, out);
  const size_t begin = out->size();
  AppendField(wire::AppendRequest::kTermFieldNumber, m.term.value(), out);
  AppendField(wire::AppendRequest::kPrevIndexFieldNumber, m.prev_index.value(),
              out);
  AppendField(wire::AppendRequest::kPrevTermFieldNumber, m.prev_term.value(),
              out);
  AppendField(wire::AppendRequest::kCommitFieldNumber, m.commit.value(), out);
  AppendField(wire::AppendRequest::kRoundFieldNumber, m.round.value(), out);
  for (const Entry& entry : m.entries) {
    AppendEntry(entry, WireBytes(entry), out);
  }
  CHECK_EQ(out->size() - begin, body);
}

// ------------------------------------------------------------- from the wire

bool FromWire(const wire::VoteRequest& w, VoteRequest* m) {
  m->term = Term(w.term());
  m->pre_vote = w.pre_vote();
  m->last_index = Index(w.last_index());
  m->last_term = Term(w.last_term());
  m->transfer = w.transfer();
  // A transfer has no pre-vote: the mark on one would unseat a leader in vain.
  if (m->pre_vote && m->transfer) return false;
  return IsPlace(w.last_index(), w.last_term()) && w.last_term() <= w.term();
}

bool FromWire(const wire::VoteReply& w, VoteReply* m) {
  m->term = Term(w.term());
  m->pre_vote = w.pre_vote();
  m->granted = w.granted();
  return true;
}

bool FromWire(wire::Entry* w, Index index, Entry* entry) {
  const auto kind = static_cast<EntryKind>(w->kind());
  const bool known = w->kind() >= static_cast<uint32_t>(EntryKind::kNoop) &&
                     w->kind() <= static_cast<uint32_t>(EntryKind::kConfig);
  if (!known || w->term() == 0 || w->payload().size() > kEntryBytesMax) {
    return false;
  }
  entry->index = index;
  entry->term = Term(w->term());
  entry->kind = kind;
  entry->payload = Bytes(std::move(*w->mutable_payload()));
  return true;
}

// Terms of a log never fall, and none is above the sender's: an append that
// says otherwise would make the receiver's log one that no leader can have.
bool FromWire(wire::AppendRequest* w, AppendRequest* m) {
  m->term = Term(w->term());
  m->prev_index = Index(w->prev_index());
  m->prev_term = Term(w->prev_term());
  m->commit = Index(w->commit());
  m->round = Round(w->round());
  const auto count = static_cast<size_t>(w->entries_size());
  if (!IsPlace(w->prev_index(), w->prev_term()) || w->commit() > kIndexMax ||
      count > kAppendEntriesMax) {
    return false;
  }
  m->entries.resize(count);
  Term last = m->prev_term;
  for (size_t i = 0; i < count; ++i) {
    if (!FromWire(w->mutable_entries(static_cast<int>(i)),
                  m->prev_index + 1 + i, &m->entries[i])) {
      return false;
    }
    if (m->entries[i].term < last) return false;
    last = m->entries[i].term;
  }
  return last <= m->term;
}

bool FromWire(const wire::AppendReply& w, AppendReply* m) {
  m->term = Term(w.term());
  m->accepted = w.accepted();
  m->match = Index(w.match());
  m->hint_index = Index(w.hint_index());
  m->hint_term = Term(w.hint_term());
  m->round = Round(w.round());
  return w.match() <= kIndexMax && w.hint_index() <= kIndexMax;
}

bool FromWire(const wire::Heartbeat& w, Heartbeat* m) {
  m->term = Term(w.term());
  m->commit = Index(w.commit());
  m->commit_term = Term(w.commit_term());
  m->round = Round(w.round());
  if (w.commit() > kIndexMax || m->commit_term > m->term) return false;
  return (m->commit == Index(0)) == (m->commit_term == Term(0));
}

bool FromWire(const wire::HeartbeatReply& w, HeartbeatReply* m) {
  m->term = Term(w.term());
  m->round = Round(w.round());
  return true;
}

bool FromWire(const wire::ReadIndexRequest& w, ReadIndexRequest* m) {
  m->term = Term(w.term());
  m->id = ReadId(w.id());
  m->boot = w.boot();
  return true;
}

bool FromWire(const wire::ReadIndexReply& w, ReadIndexReply* m) {
  m->term = Term(w.term());
  m->id = ReadId(w.id());
  m->boot = w.boot();
  m->ok = w.ok();
  m->index = Index(w.index());
  return w.index() <= kIndexMax;
}

bool FromWire(const wire::TimeoutNow& w, TimeoutNow* m) {
  m->term = Term(w.term());
  return true;
}

bool FromWire(const wire::EntryId& w, EntryId* id) {
  id->index = Index(w.index());
  id->term = Term(w.term());
  return IsPlace(w.index(), w.term());
}

SnapshotPlace FromWire(const wire::SnapshotPlace& w) {
  return {w.offset(), w.sequence(), w.checksum()};
}

// A piece holds so much and no more; what is in it, storage checks.
bool FromWire(wire::SnapshotRequest* w, SnapshotRequest* m) {
  m->term = Term(w->term());
  const wire::SnapshotName& name = w->snapshot();
  if (!FromWire(name.last(), &m->snapshot.last) ||
      m->snapshot.last == EntryId() || m->snapshot.last.term > m->term ||
      name.origin().slot() == 0 || name.origin().slot() > UINT8_MAX ||
      w->payload().size() > kSnapshotPieceBytesMax ||
      w->configuration().size() > kSnapshotConfigurationBytesMax) {
    return false;
  }
  m->snapshot.digest_high = name.digest_high();
  m->snapshot.digest_low = name.digest_low();
  m->snapshot.origin = {static_cast<uint8_t>(name.origin().slot()),
                        name.origin().incarnation()};
  m->configuration = Bytes(std::move(*w->mutable_configuration()));
  m->at = FromWire(w->at());
  m->checksum = w->checksum();
  m->payload = Bytes(std::move(*w->mutable_payload()));
  m->end = w->end();
  return !m->end || m->payload.empty();
}

bool FromWire(const wire::SnapshotReply& w, SnapshotReply* m) {
  m->term = Term(w.term());
  m->at = FromWire(w.at());
  m->next = FromWire(w.next());
  m->installed = w.installed();
  m->match = Index(w.match());
  return FromWire(w.snapshot(), &m->snapshot) && w.match() <= kIndexMax;
}

// An append that is refused half-way has been emptied: the caller drops it.
bool FromWire(wire::PeerMessage* w, Message* m) {
  switch (w->body_case()) {
    case wire::PeerMessage::kVoteRequest:
      return FromWire(w->vote_request(), &m->emplace<VoteRequest>());
    case wire::PeerMessage::kVoteReply:
      return FromWire(w->vote_reply(), &m->emplace<VoteReply>());
    case wire::PeerMessage::kAppendRequest:
      return FromWire(w->mutable_append_request(),
                      &m->emplace<AppendRequest>());
    case wire::PeerMessage::kAppendReply:
      return FromWire(w->append_reply(), &m->emplace<AppendReply>());
    case wire::PeerMessage::kHeartbeat:
      return FromWire(w->heartbeat(), &m->emplace<Heartbeat>());
    case wire::PeerMessage::kHeartbeatReply:
      return FromWire(w->heartbeat_reply(), &m->emplace<HeartbeatReply>());
    case wire::PeerMessage::kReadIndexRequest:
      return FromWire(w->read_index_request(), &m->emplace<ReadIndexRequest>());
    case wire::PeerMessage::kReadIndexReply:
      return FromWire(w->read_index_reply(), &m->emplace<ReadIndexReply>());
    case wire::PeerMessage::kTimeoutNow:
      return FromWire(w->timeout_now(), &m->emplace<TimeoutNow>());
    case wire::PeerMessage::kSnapshotRequest:
      return FromWire(w->mutable_snapshot_request(),
                      &m->emplace<SnapshotRequest>());
    case wire::PeerMessage::kSnapshotReply:
      return FromWire(w->snapshot_reply(), &m->emplace<SnapshotReply>());
    case wire::PeerMessage::BODY_NOT_SET:
      return false;
  }
  return false;
}

bool Parse(std::string_view payload, google::protobuf::MessageLite* message) {
  return payload.size() <= kFramePayloadBytesMax &&
         message->ParseFromArray(payload.data(),
                                 static_cast<int>(payload.size()));
}

}  // namespace

void EncodeHello(const Hello& hello, std::string* out) {
  wire::Hello w;
  w.set_magic(kHelloMagic);
  w.set_version_min(hello.version_min);
  w.set_version_max(hello.version_max);
  w.set_cluster(hello.cluster.value());
  if (hello.node.valid()) {
    w.mutable_node()->set_slot(hello.node.slot);
    w.mutable_node()->set_incarnation(hello.node.incarnation);
  }
  w.set_boot(hello.boot);
  CHECK(w.AppendToString(out));
}

FrameError DecodeHello(std::string_view payload, Hello* hello) {
  wire::Hello w;
  if (!Parse(payload, &w) || w.magic() != kHelloMagic) {
    return FrameError::kBadHello;
  }
  if (w.version_min() > kProtocolVersion ||
      w.version_max() < kProtocolVersion) {
    return FrameError::kVersion;
  }
  hello->version_min = w.version_min();
  hello->version_max = w.version_max();
  hello->cluster = ClusterId(w.cluster());
  hello->node = kNobody;
  if (w.has_node()) {
    if (w.node().slot() == 0 || w.node().slot() > UINT8_MAX) {
      return FrameError::kBadHello;
    }
    hello->node =
        NodeId{static_cast<uint8_t>(w.node().slot()), w.node().incarnation()};
  }
  hello->boot = w.boot();
  return FrameError::kNone;
}

void EncodeMessage(const Message& message, std::string* out) {
  std::visit(
      [out](const auto& m) {
        using Kind = std::decay_t<decltype(m)>;
        if constexpr (std::is_same_v<Kind, AppendRequest>) {
          EncodeAppend(m, out);
        } else {
          wire::PeerMessage w;
          ToWire(m, &w);
          CHECK(w.AppendToString(out));
        }
      },
      message);
}

bool DecodeMessage(std::string_view payload, Message* message) {
  // Small messages decode without an allocation for their parts.
  alignas(8) char block[1024];
  google::protobuf::ArenaOptions options;
  options.initial_block = block;
  options.initial_block_size = sizeof(block);
  google::protobuf::Arena arena(options);
  auto* w = google::protobuf::Arena::CreateMessage<wire::PeerMessage>(&arena);
  return Parse(payload, w) && FromWire(w, message) &&
         TermOf(*message).value() <= kTermMax;
}

}  // namespace raft
