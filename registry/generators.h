// RapidCheck generators and printing for the registry's values. Test only.
#ifndef REGISTRY_GENERATORS_H_
#define REGISTRY_GENERATORS_H_

#include <rapidcheck.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <ostream>
#include <string>
#include <variant>
#include <vector>

#include "raft/digest.h"
#include "registry/protocol.h"

namespace registry {

// How RapidCheck prints a counterexample (found by argument).
template <typename T>
requires raft::HasFields<T>
void showValue(const T& value, std::ostream& out) {
  out << raft::Describe(value);
}

namespace testing {

template <typename T>
struct Tag {};

// Draws a T inside rc::gen::exec. Every number may have any value that its
// field can hold, every text any bytes.
template <typename T>
T Draw() {
  return DrawOf(Tag<T>());
}

inline uint64_t DrawNumber() {
  return *rc::gen::oneOf(rc::gen::inRange<uint64_t>(0, 5),
                         rc::gen::arbitrary<uint64_t>(),
                         rc::gen::just(std::numeric_limits<uint64_t>::max()));
}
inline bool DrawBool() { return *rc::gen::arbitrary<bool>(); }
inline std::string DrawBytes() {
  return *rc::gen::container<std::string>(rc::gen::arbitrary<char>());
}
template <typename Strong>
Strong DrawStrong() {
  return Strong(static_cast<typename Strong::rep>(DrawNumber()));
}
template <typename T>
std::vector<T> DrawSome() {
  const int size = *rc::gen::inRange(0, 5);
  std::vector<T> some;
  for (int i = 0; i < size; ++i) some.push_back(Draw<T>());
  return some;
}
template <typename T>
std::optional<T> DrawMaybe() {
  if (!DrawBool()) return std::nullopt;
  return Draw<T>();
}

inline SessionId DrawOf(Tag<SessionId>) { return DrawStrong<SessionId>(); }
inline Revision DrawOf(Tag<Revision>) { return DrawStrong<Revision>(); }
inline std::string DrawOf(Tag<std::string>) { return DrawBytes(); }
inline Error DrawOf(Tag<Error>) {
  return static_cast<Error>(*rc::gen::inRange(0, 18));
}
inline RegistryKind DrawOf(Tag<RegistryKind>) {
  return DrawBool() ? RegistryKind::kUnique : RegistryKind::kDuplicate;
}
inline Value DrawOf(Tag<Value>) {
  if (DrawBool()) return DrawBytes();
  return *rc::gen::arbitrary<int64_t>();
}
inline Pid DrawOf(Tag<Pid>) {
  const auto session = DrawStrong<SessionId>();
  return {.session = session, .local = DrawNumber()};
}
inline Registration DrawOf(Tag<Registration>) {
  Registration registration;
  registration.pid = Draw<Pid>();
  registration.value = Draw<Value>();
  registration.revision = DrawStrong<Revision>();
  registration.modified = DrawStrong<Revision>();
  return registration;
}

inline UpdateValue DrawOf(Tag<UpdateValue>) {
  UpdateValue update;
  update.registry = DrawBytes();
  update.key = DrawBytes();
  if (DrawBool()) {
    update.change = SetValue{.value = Draw<Value>()};
  } else {
    update.change = AddValue{.amount = *rc::gen::arbitrary<int64_t>()};
  }
  update.expected_modified = DrawMaybe<Revision>();
  update.process = DrawNumber();
  update.any_owner = DrawBool();
  return update;
}

inline Operation DrawOf(Tag<Operation>) {
  const int kind = *rc::gen::inRange(0, 8);
  const std::string a = DrawBytes();
  const std::string b = DrawBytes();
  const uint64_t n = DrawNumber();
  switch (kind) {
    case 0:
      return OpenSession{.nonce = a,
                         .ttl = raft::Micros(static_cast<int64_t>(n >> 1))};
    case 1:
      return EndSession{.target = SessionId(n)};
    case 2:
      return ExpireSessions{.sessions = DrawSome<SessionId>()};
    case 3:
      return CreateRegistry{.registry = a, .kind = Draw<RegistryKind>()};
    case 4:
      return Register{
          .registry = a, .key = b, .value = Draw<Value>(), .process = n};
    case 5:
      return Unregister{
          .registry = a, .key = b, .process = n, .any_owner = DrawBool()};
    case 6:
      return Draw<UpdateValue>();
    default:
      return EndProcess{.process = n};
  }
}
inline Command DrawOf(Tag<Command>) {
  Command command;
  command.session = DrawStrong<SessionId>();
  command.sequence = DrawStrong<Sequence>();
  command.acknowledged = DrawStrong<Sequence>();
  command.operation = Draw<Operation>();
  return command;
}

inline CommandReply DrawOf(Tag<CommandReply>) {
  CommandReply reply;
  reply.error = Draw<Error>();
  reply.detail = DrawBytes();
  reply.revision = DrawStrong<Revision>();
  reply.session = DrawStrong<SessionId>();
  reply.current = DrawMaybe<Registration>();
  reply.previous = DrawMaybe<Value>();
  reply.removed = DrawNumber();
  return reply;
}

inline ReadOperation DrawOf(Tag<ReadOperation>) {
  const std::string registry = DrawBytes();
  switch (*rc::gen::inRange(0, 4)) {
    case 0:
      return Lookup{.registry = registry, .key = DrawBytes()};
    case 1:
      return Count{.registry = registry, .key = DrawMaybe<std::string>()};
    case 2: {
      Keys keys{.registry = registry};
      keys.process = DrawMaybe<Pid>();
      keys.after = DrawMaybe<std::string>();
      keys.limit = *rc::gen::arbitrary<uint32_t>();
      return keys;
    }
    default:
      return ListRegistries();
  }
}
inline RegistryInfo DrawOf(Tag<RegistryInfo>) {
  RegistryInfo info;
  info.name = DrawBytes();
  info.kind = Draw<RegistryKind>();
  info.registrations = DrawNumber();
  info.created = DrawStrong<Revision>();
  return info;
}
inline ReadReply DrawOf(Tag<ReadReply>) {
  ReadReply reply;
  reply.error = Draw<Error>();
  reply.detail = DrawBytes();
  reply.revision = DrawStrong<Revision>();
  reply.registrations = DrawSome<Registration>();
  reply.count = DrawNumber();
  reply.keys = DrawSome<std::string>();
  reply.more = DrawBool();
  reply.registries = DrawSome<RegistryInfo>();
  return reply;
}

inline raft::NodeId DrawOf(Tag<raft::NodeId>) {
  const uint8_t slot = *rc::gen::arbitrary<uint8_t>();
  return {.slot = slot, .incarnation = *rc::gen::arbitrary<uint32_t>()};
}
inline MemberStatus DrawOf(Tag<MemberStatus>) {
  MemberStatus member;
  member.node = Draw<raft::NodeId>();
  member.peer_address = DrawBytes();
  member.client_address = DrawBytes();
  return member;
}
inline StatusReply DrawOf(Tag<StatusReply>) {
  StatusReply status;
  status.cluster = DrawStrong<raft::ClusterId>();
  status.node = Draw<raft::NodeId>();
  status.role = static_cast<raft::Role>(*rc::gen::inRange(0, 4));
  status.leader = Draw<raft::NodeId>();
  status.term = DrawStrong<raft::Term>();
  status.commit = DrawStrong<raft::Index>();
  status.applied = DrawStrong<raft::Index>();
  status.last_index = DrawStrong<raft::Index>();
  status.state_digest_high = DrawNumber();
  status.state_digest_low = DrawNumber();
  status.sessions = DrawNumber();
  status.registrations = DrawNumber();
  status.members = DrawSome<MemberStatus>();
  for (std::string& name : DrawSome<std::string>()) {
    status.counters.emplace_back(std::move(name), DrawNumber());
  }
  return status;
}

inline ClientRequest DrawOf(Tag<ClientRequest>) {
  ClientRequest request;
  request.id = DrawNumber();
  switch (*rc::gen::inRange(0, 5)) {
    case 0:
      request.body = CommandRequest{.command = raft::Bytes(DrawBytes())};
      break;
    case 1:
      request.body = ReadRequest{.operation = Draw<ReadOperation>()};
      break;
    case 2:
      request.body = KeepAliveRequest{.session = DrawStrong<SessionId>()};
      break;
    case 3:
      request.body = TransferRequest{.to = Draw<raft::NodeId>()};
      break;
    default:
      request.body = StatusRequest();
  }
  return request;
}
inline Failure DrawOf(Tag<Failure>) {
  Failure failure;
  failure.error = Draw<Error>();
  failure.detail = DrawBytes();
  failure.leader_address = DrawBytes();
  return failure;
}
inline ClientResponse DrawOf(Tag<ClientResponse>) {
  ClientResponse response;
  response.id = DrawNumber();
  switch (*rc::gen::inRange(0, 6)) {
    case 0:
      response.body = Draw<Failure>();
      break;
    case 1:
      response.body = Draw<CommandReply>();
      break;
    case 2:
      response.body = Draw<ReadReply>();
      break;
    case 3:
      response.body = KeepAliveReply{.error = Draw<Error>()};
      break;
    case 4:
      response.body = TransferReply{.leader = Draw<raft::NodeId>()};
      break;
    default:
      response.body = Draw<StatusReply>();
  }
  return response;
}

template <typename T>
rc::Gen<T> Any() {
  return rc::gen::exec([] { return Draw<T>(); });
}

}  // namespace testing
}  // namespace registry

#endif  // REGISTRY_GENERATORS_H_
