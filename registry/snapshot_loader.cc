#include "registry/snapshot_loader.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "registry/registry.pb.h"
#include "registry/state_entries.h"
#include "registry/wire_values.h"

namespace registry {
namespace {

size_t LengthAt(std::string_view bytes) {
  size_t length = 0;
  for (size_t i = kSnapshotLengthBytes; i-- > 0;) {
    length = length << 8 | static_cast<unsigned char>(bytes[i]);
  }
  return length;
}

bool ValueFits(const Value& value) {
  const auto* text = std::get_if<std::string>(&value);
  return text == nullptr || text->size() <= kValueBytesMax;
}

}  // namespace

absl::Status SnapshotLoader::Wrong(std::string_view why) const {
  return absl::DataLossError(absl::StrCat(
      "record ", records_, " of the snapshot: ", std::string(why)));
}

absl::Status SnapshotLoader::Add(std::string_view bytes) {
  while (failed_.ok() && !bytes.empty()) {
    // As much as the record at hand needs, so that the rest is not copied.
    size_t wanted = kSnapshotLengthBytes;
    if (rest_.size() >= kSnapshotLengthBytes) wanted += LengthAt(rest_);
    const size_t more = std::min(bytes.size(), wanted - rest_.size());
    rest_.append(bytes.substr(0, more));
    bytes.remove_prefix(more);
    if (rest_.size() < kSnapshotLengthBytes) break;
    const size_t length = LengthAt(rest_);
    if (length == 0 || length > kSnapshotRecordBytesMax) {
      failed_ = Wrong("no record is that long");
    } else if (rest_.size() == kSnapshotLengthBytes + length) {
      failed_ = OnRecord(std::string_view(rest_).substr(kSnapshotLengthBytes));
      rest_.clear();
      ++records_;
    }
  }
  return failed_;
}

absl::Status SnapshotLoader::OnRecord(std::string_view bytes) {
  wire::SnapshotRecord record;
  if (!record.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Wrong("its bytes are damaged");
  }
  if (ended_) return Wrong("it stands behind the end");
  if (record.has_head() != (records_ == 0))
    return Wrong("the head comes first");
  switch (record.kind_case()) {
    case wire::SnapshotRecord::kHead:
      return On(record.head());
    case wire::SnapshotRecord::kRegistry:
      return On(record.mutable_registry());
    case wire::SnapshotRecord::kRegistration:
      return On(record.mutable_registration());
    case wire::SnapshotRecord::kSession:
      return On(record.mutable_session());
    case wire::SnapshotRecord::kReply:
      return On(record.mutable_reply());
    case wire::SnapshotRecord::kEnd:
      return On(record.end());
    case wire::SnapshotRecord::KIND_NOT_SET:
      break;
  }
  return Wrong("of no kind that is known here");
}

absl::Status SnapshotLoader::On(const wire::SnapshotHead& head) {
  if (head.version() != kSnapshotStateVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("the snapshot's state has version ", head.version(),
                     "; this build reads ", kSnapshotStateVersion));
  }
  state_.applied_ = raft::Index(head.index());
  digest_ = {.high = head.digest_high(), .low = head.digest_low()};
  return absl::OkStatus();
}

absl::Status SnapshotLoader::On(wire::SnapshotRegistry* registry) {
  const Revision created(registry->created());
  RegistryKind kind;
  if (created == Revision(0) || created > state_.applied_ ||
      registry->name().size() > kRegistryNameBytesMax ||
      !FromWire(registry->kind(), &kind)) {
    return Wrong("no such registry can be");
  }
  std::string& name = *registry->mutable_name();
  if (!state_.registry_of_name_.emplace(name, created).second ||
      !state_.registries_.try_emplace(created, std::move(name), kind, created)
           .second) {
    return Wrong("a registry twice");
  }
  return absl::OkStatus();
}

absl::Status SnapshotLoader::On(wire::SnapshotRegistration* in) {
  Loose loose{.registry = Revision(in->registry())};
  if (!FromWire(in->mutable_registration(), &loose.registration)) {
    return Wrong("no registration");
  }
  loose.key = std::move(*in->mutable_key());
  const Registration& registration = loose.registration;
  if (loose.key.size() > kKeyBytesMax || !ValueFits(registration.value) ||
      registration.revision <= loose.registry ||
      registration.modified < registration.revision ||
      registration.modified > state_.applied_) {
    return Wrong("no such registration can be");
  }
  if (!state_.registries_.contains(loose.registry)) {
    loose_.push_back(std::move(loose));
    return absl::OkStatus();
  }
  return Place(std::move(loose));
}

absl::Status SnapshotLoader::Place(Loose loose) {
  const auto registry = state_.registries_.find(loose.registry);
  if (registry == state_.registries_.end()) {
    return Wrong("a registration in no registry");
  }
  if (!registry->second.Restore(loose.key, std::move(loose.registration))) {
    return Wrong("a registration where another one stands");
  }
  ++state_.registrations_;
  return absl::OkStatus();
}

absl::Status SnapshotLoader::On(wire::SnapshotSession* in) {
  const SessionId id(in->id());
  if (id == SessionId(0) || id.value() > state_.applied_.value() ||
      in->nonce().size() > kNonceBytesMax || in->ttl_us() > INT64_MAX) {
    return Wrong("no such session can be");
  }
  std::string& nonce = *in->mutable_nonce();
  if (!state_.session_of_nonce_.emplace(nonce, id).second) {
    return Wrong("a session twice");
  }
  const auto [added, news] = state_.sessions_.try_emplace(
      id, std::move(nonce), raft::Duration(static_cast<int64_t>(in->ttl_us())));
  if (!news) return Wrong("a session twice");
  added->second.RaiseLowWater(Sequence(in->low_water()));
  return absl::OkStatus();
}

absl::Status SnapshotLoader::On(wire::SnapshotReplyKept* in) {
  LooseReply loose{.session = SessionId(in->session()),
                   .sequence = Sequence(in->sequence())};
  if (!FromWire(in->mutable_reply(), &loose.reply)) return Wrong("no reply");
  if (!state_.sessions_.contains(loose.session)) {
    loose_replies_.push_back(std::move(loose));
    return absl::OkStatus();
  }
  return Place(std::move(loose));
}

absl::Status SnapshotLoader::Place(LooseReply loose) {
  const auto found = state_.sessions_.find(loose.session);
  if (found == state_.sessions_.end()) return Wrong("a reply to no session");
  Session& session = found->second;
  if (loose.sequence < session.low_water() ||
      loose.sequence - session.low_water() >= kReplyWindow ||
      session.FindReply(loose.sequence) != nullptr) {
    return Wrong("no such reply can be kept");
  }
  session.KeepReply(loose.sequence, loose.reply,
                    DigestOf(loose.session, loose.sequence, loose.reply));
  return absl::OkStatus();
}

absl::Status SnapshotLoader::On(const wire::SnapshotEnd& end) {
  ended_ = true;
  if (end.records() == records_) return absl::OkStatus();
  return Wrong("records are missing");
}

// Each session's own list of what it holds is not written: it follows.
absl::Status SnapshotLoader::ConnectOwners() {
  absl::Status status;
  for (const auto& [created, registry] : state_.registries_) {
    registry.ForEachAfter(
        nullptr, Revision(0),
        [&, &created = created](const std::string& key,
                                const Registration& registration) {
          const auto owner = state_.sessions_.find(registration.pid.session);
          if (owner == state_.sessions_.end()) {
            status = Wrong("a registration of no session");
            return false;
          }
          owner->second.AddHolding(registration.pid.local,
                                   {.registry = created,
                                    .key = key,
                                    .revision = registration.revision});
          return true;
        });
  }
  return status;
}

absl::StatusOr<StateMachine> SnapshotLoader::Finish() {
  if (failed_.ok() && !ended_) failed_ = Wrong("the end is missing");
  for (Loose& loose : loose_) {
    if (failed_.ok()) failed_ = Place(std::move(loose));
  }
  for (LooseReply& loose : loose_replies_) {
    if (failed_.ok()) failed_ = Place(std::move(loose));
  }
  if (failed_.ok()) failed_ = ConnectOwners();
  if (!failed_.ok()) return failed_;
  state_.digest_ = state_.RecomputeDigest();
  if (state_.digest_ != digest_) {
    failed_ = absl::DataLossError("the state is not that of the snapshot");
    return failed_;
  }
  failed_ = absl::FailedPreconditionError("the state was taken already");
  return std::move(state_);
}

}  // namespace registry
