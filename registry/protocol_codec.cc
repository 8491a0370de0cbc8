#include "registry/protocol_codec.h"

#include <climits>
#include <utility>

#include "registry/wire_values.h"

namespace registry {
namespace {

// ---------------------------------------------------------------- requests

void ToWire(const Lookup& in, wire::Read* out) {
  out->mutable_lookup()->set_registry(in.registry);
  out->mutable_lookup()->set_key(in.key);
}
void ToWire(const Count& in, wire::Read* out) {
  out->mutable_count()->set_registry(in.registry);
  if (in.key) out->mutable_count()->set_key(*in.key);
}
void ToWire(const Keys& in, wire::Read* out) {
  auto* keys = out->mutable_keys();
  keys->set_registry(in.registry);
  if (in.process) registry::ToWire(*in.process, keys->mutable_process());
  if (in.after) keys->set_after(*in.after);
  keys->set_limit(in.limit);
}
void ToWire(const ListRegistries&, wire::Read* out) {
  out->mutable_list_registries();
}

void ToWire(const CommandRequest& in, wire::ClientRequest* out) {
  out->set_command(in.command.data(), in.command.size());
}
void ToWire(const ReadRequest& in, wire::ClientRequest* out) {
  std::visit([&](const auto& read) { ToWire(read, out->mutable_read()); },
             in.operation);
}
void ToWire(const KeepAliveRequest& in, wire::ClientRequest* out) {
  out->mutable_keep_alive()->set_session(in.session.value());
}
void ToWire(const StatusRequest&, wire::ClientRequest* out) {
  out->mutable_status();
}

void ToWire(raft::NodeId in, wire::Member* out) {
  out->set_slot(in.slot);
  out->set_incarnation(in.incarnation);
}
bool FromWire(const wire::Member& in, raft::NodeId* out) {
  if (in.slot() > UINT8_MAX) return false;
  out->slot = static_cast<uint8_t>(in.slot());
  out->incarnation = in.incarnation();
  return true;
}

void ToWire(const TransferRequest& in, wire::ClientRequest* out) {
  auto* transfer = out->mutable_transfer();
  if (in.to.valid()) ToWire(in.to, transfer->mutable_to());
}

bool FromWire(wire::Read* in, ReadOperation* out) {
  switch (in->operation_case()) {
    case wire::Read::kLookup:
      *out = Lookup{
          .registry = std::move(*in->mutable_lookup()->mutable_registry()),
          .key = std::move(*in->mutable_lookup()->mutable_key())};
      return true;
    case wire::Read::kCount: {
      auto& count = out->emplace<Count>();
      count.registry = std::move(*in->mutable_count()->mutable_registry());
      if (in->count().has_key()) count.key = in->count().key();
      return true;
    }
    case wire::Read::kKeys: {
      auto& keys = out->emplace<Keys>();
      keys.registry = std::move(*in->mutable_keys()->mutable_registry());
      if (in->keys().has_process()) {
        keys.process = registry::FromWire(in->keys().process());
      }
      if (in->keys().has_after()) keys.after = in->keys().after();
      keys.limit = in->keys().limit();
      return true;
    }
    case wire::Read::kListRegistries:
      *out = ListRegistries();
      return true;
    case wire::Read::OPERATION_NOT_SET:
      return false;
  }
  return false;
}

// --------------------------------------------------------------- responses

void ToWire(const MemberStatus& in, wire::Member* out) {
  ToWire(in.node, out);
  out->set_peer_address(in.peer_address);
  out->set_client_address(in.client_address);
}
bool FromWire(wire::Member* in, MemberStatus* out) {
  out->peer_address = std::move(*in->mutable_peer_address());
  out->client_address = std::move(*in->mutable_client_address());
  return FromWire(*in, &out->node);
}

void ToWire(const Failure& in, wire::ClientResponse* out) {
  auto* failure = out->mutable_failure();
  failure->set_error(static_cast<uint32_t>(in.error));
  failure->set_detail(in.detail);
  failure->set_leader_address(in.leader_address);
}
void ToWire(const CommandReply& in, wire::ClientResponse* out) {
  registry::ToWire(in, out->mutable_command());
}
void ToWire(const ReadReply& in, wire::ClientResponse* out) {
  auto* reply = out->mutable_read();
  reply->set_error(static_cast<uint32_t>(in.error));
  reply->set_detail(in.detail);
  reply->set_revision(in.revision.value());
  for (const Registration& registration : in.registrations) {
    registry::ToWire(registration, reply->add_registrations());
  }
  reply->set_count(in.count);
  for (const std::string& key : in.keys) reply->add_keys(key);
  reply->set_more(in.more);
  for (const RegistryInfo& info : in.registries) {
    auto* registry = reply->add_registries();
    registry->set_name(info.name);
    registry->set_kind(static_cast<uint32_t>(info.kind));
    registry->set_registrations(info.registrations);
    registry->set_created(info.created.value());
  }
}
void ToWire(const KeepAliveReply& in, wire::ClientResponse* out) {
  out->mutable_keep_alive()->set_error(static_cast<uint32_t>(in.error));
}
void ToWire(const StatusReply& in, wire::ClientResponse* out) {
  auto* status = out->mutable_status();
  status->set_cluster(in.cluster.value());
  ToWire(in.node, status->mutable_node());
  status->set_role(static_cast<uint32_t>(in.role));
  ToWire(in.leader, status->mutable_leader());
  status->set_term(in.term.value());
  status->set_commit(in.commit.value());
  status->set_applied(in.applied.value());
  status->set_last_index(in.last_index.value());
  status->set_state_digest_high(in.state_digest_high);
  status->set_state_digest_low(in.state_digest_low);
  status->set_sessions(in.sessions);
  status->set_registrations(in.registrations);
  for (const MemberStatus& member : in.members) {
    ToWire(member, status->add_members());
  }
  for (const auto& [name, value] : in.counters) {
    auto* counter = status->add_counters();
    counter->set_name(name);
    counter->set_value(value);
  }
}

void ToWire(const TransferReply& in, wire::ClientResponse* out) {
  ToWire(in.leader, out->mutable_transfer()->mutable_leader());
}

bool FromWire(wire::Failure* in, Failure* out) {
  out->detail = std::move(*in->mutable_detail());
  out->leader_address = std::move(*in->mutable_leader_address());
  return registry::FromWire(in->error(), &out->error);
}
bool FromWire(wire::ReadReply* in, ReadReply* out) {
  if (!registry::FromWire(in->error(), &out->error)) return false;
  out->detail = std::move(*in->mutable_detail());
  out->revision = Revision(in->revision());
  for (wire::Registration& registration : *in->mutable_registrations()) {
    if (!registry::FromWire(&registration, &out->registrations.emplace_back()))
      return false;
  }
  out->count = in->count();
  for (std::string& key : *in->mutable_keys()) {
    out->keys.push_back(std::move(key));
  }
  out->more = in->more();
  for (wire::RegistryInfo& info : *in->mutable_registries()) {
    RegistryInfo& registry = out->registries.emplace_back();
    registry.name = std::move(*info.mutable_name());
    registry.registrations = info.registrations();
    registry.created = Revision(info.created());
    if (!registry::FromWire(info.kind(), &registry.kind)) return false;
  }
  return true;
}
bool FromWire(wire::StatusReply* in, StatusReply* out) {
  if (in->role() > static_cast<uint32_t>(raft::Role::kLeader)) return false;
  out->cluster = raft::ClusterId(in->cluster());
  out->role = static_cast<raft::Role>(in->role());
  out->term = raft::Term(in->term());
  out->commit = raft::Index(in->commit());
  out->applied = raft::Index(in->applied());
  out->last_index = raft::Index(in->last_index());
  out->state_digest_high = in->state_digest_high();
  out->state_digest_low = in->state_digest_low();
  out->sessions = in->sessions();
  out->registrations = in->registrations();
  for (wire::Member& member : *in->mutable_members()) {
    if (!FromWire(&member, &out->members.emplace_back())) return false;
  }
  for (wire::Counter& counter : *in->mutable_counters()) {
    out->counters.emplace_back(std::move(*counter.mutable_name()),
                               counter.value());
  }
  return FromWire(in->node(), &out->node) &&
         FromWire(in->leader(), &out->leader);
}

template <typename Message>
bool Parse(std::string_view bytes, Message* message) {
  return bytes.size() <= INT_MAX &&
         message->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

}  // namespace

std::string EncodeClientRequest(const ClientRequest& request) {
  wire::ClientRequest out;
  out.set_id(request.id);
  std::visit([&](const auto& body) { ToWire(body, &out); }, request.body);
  return out.SerializeAsString();
}

std::string EncodeClientResponse(const ClientResponse& response) {
  wire::ClientResponse out;
  out.set_id(response.id);
  std::visit([&](const auto& body) { ToWire(body, &out); }, response.body);
  return out.SerializeAsString();
}

bool DecodeClientRequest(std::string_view bytes, ClientRequest* request) {
  wire::ClientRequest in;
  if (!Parse(bytes, &in)) return false;
  request->id = in.id();
  switch (in.body_case()) {
    case wire::ClientRequest::kCommand:
      request->body = CommandRequest{
          .command = raft::Bytes(std::move(*in.mutable_command()))};
      return true;
    case wire::ClientRequest::kRead:
      return FromWire(in.mutable_read(),
                      &request->body.emplace<ReadRequest>().operation);
    case wire::ClientRequest::kKeepAlive:
      request->body =
          KeepAliveRequest{.session = SessionId(in.keep_alive().session())};
      return true;
    case wire::ClientRequest::kStatus:
      request->body = StatusRequest();
      return true;
    case wire::ClientRequest::kTransfer:
      return FromWire(in.transfer().to(),
                      &request->body.emplace<TransferRequest>().to);
    case wire::ClientRequest::BODY_NOT_SET:
      return false;
  }
  return false;
}

bool DecodeClientResponse(std::string_view bytes, ClientResponse* response) {
  wire::ClientResponse in;
  if (!Parse(bytes, &in)) return false;
  response->id = in.id();
  switch (in.body_case()) {
    case wire::ClientResponse::kFailure:
      return FromWire(in.mutable_failure(), &response->body.emplace<Failure>());
    case wire::ClientResponse::kCommand:
      return registry::FromWire(in.mutable_command(),
                                &response->body.emplace<CommandReply>());
    case wire::ClientResponse::kRead:
      return FromWire(in.mutable_read(), &response->body.emplace<ReadReply>());
    case wire::ClientResponse::kKeepAlive:
      return registry::FromWire(
          in.keep_alive().error(),
          &response->body.emplace<KeepAliveReply>().error);
    case wire::ClientResponse::kStatus:
      return FromWire(in.mutable_status(),
                      &response->body.emplace<StatusReply>());
    case wire::ClientResponse::kTransfer:
      return FromWire(in.transfer().leader(),
                      &response->body.emplace<TransferReply>().leader);
    case wire::ClientResponse::BODY_NOT_SET:
      return false;
  }
  return false;
}

}  // namespace registry
