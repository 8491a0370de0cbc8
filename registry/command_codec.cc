#include "registry/command_codec.h"

#include <google/protobuf/arena.h>

#include <utility>
#include <variant>

#include "raft/limits.h"
#include "registry/wire_values.h"

namespace registry {
namespace {

// ---------------------------------------------------------------- encoding

void ToWire(const OpenSession& in, wire::Command* out) {
  auto* operation = out->mutable_open_session();
  operation->set_nonce(in.nonce);
  operation->set_ttl_us(static_cast<uint64_t>(in.ttl.value()));
}
void ToWire(const EndSession& in, wire::Command* out) {
  out->mutable_end_session()->set_target(in.target.value());
}
void ToWire(const ExpireSessions& in, wire::Command* out) {
  auto* operation = out->mutable_expire_sessions();
  for (const SessionId id : in.sessions) operation->add_sessions(id.value());
}
void ToWire(const CreateRegistry& in, wire::Command* out) {
  auto* operation = out->mutable_create_registry();
  operation->set_registry(in.registry);
  operation->set_kind(static_cast<uint32_t>(in.kind));
}
void ToWire(const Register& in, wire::Command* out) {
  auto* operation = out->mutable_register_();
  operation->set_registry(in.registry);
  operation->set_key(in.key);
  registry::ToWire(in.value, operation->mutable_value());
  operation->set_process(in.process);
}
void ToWire(const Unregister& in, wire::Command* out) {
  auto* operation = out->mutable_unregister();
  operation->set_registry(in.registry);
  operation->set_key(in.key);
  operation->set_process(in.process);
  operation->set_any_owner(in.any_owner);
}
void ToWire(const UpdateValue& in, wire::Command* out) {
  auto* operation = out->mutable_update_value();
  operation->set_registry(in.registry);
  operation->set_key(in.key);
  if (const auto* set = std::get_if<SetValue>(&in.change)) {
    registry::ToWire(set->value, operation->mutable_set());
  } else {
    operation->set_add(std::get<AddValue>(in.change).amount);
  }
  if (in.expected_modified) {
    operation->set_expected_modified(in.expected_modified->value());
  }
  operation->set_process(in.process);
  operation->set_any_owner(in.any_owner);
}
void ToWire(const EndProcess& in, wire::Command* out) {
  out->mutable_end_process()->set_process(in.process);
}

// ---------------------------------------------------------------- decoding

bool FromWire(wire::OpenSession* in, OpenSession* out) {
  if (in->ttl_us() > INT64_MAX) return false;
  out->nonce = std::move(*in->mutable_nonce());
  out->ttl = raft::Micros(static_cast<int64_t>(in->ttl_us()));
  return true;
}
bool FromWire(wire::EndSession* in, EndSession* out) {
  out->target = SessionId(in->target());
  return true;
}
bool FromWire(wire::ExpireSessions* in, ExpireSessions* out) {
  out->sessions.reserve(static_cast<size_t>(in->sessions_size()));
  for (const uint64_t id : in->sessions()) out->sessions.emplace_back(id);
  return true;
}
bool FromWire(wire::CreateRegistry* in, CreateRegistry* out) {
  out->registry = std::move(*in->mutable_registry());
  return registry::FromWire(in->kind(), &out->kind);
}
bool FromWire(wire::Register* in, Register* out) {
  out->registry = std::move(*in->mutable_registry());
  out->key = std::move(*in->mutable_key());
  out->process = in->process();
  return registry::FromWire(in->mutable_value(), &out->value);
}
bool FromWire(wire::Unregister* in, Unregister* out) {
  out->registry = std::move(*in->mutable_registry());
  out->key = std::move(*in->mutable_key());
  out->process = in->process();
  out->any_owner = in->any_owner();
  return true;
}
bool FromWire(wire::UpdateValue* in, UpdateValue* out) {
  out->registry = std::move(*in->mutable_registry());
  out->key = std::move(*in->mutable_key());
  out->process = in->process();
  out->any_owner = in->any_owner();
  if (in->has_expected_modified()) {
    out->expected_modified = Revision(in->expected_modified());
  }
  switch (in->change_case()) {
    case wire::UpdateValue::kSet:
      return registry::FromWire(in->mutable_set(),
                                &out->change.emplace<SetValue>().value);
    case wire::UpdateValue::kAdd:
      out->change = AddValue{.amount = in->add()};
      return true;
    case wire::UpdateValue::CHANGE_NOT_SET:
      return false;
  }
  return false;
}
bool FromWire(wire::EndProcess* in, EndProcess* out) {
  out->process = in->process();
  return true;
}

template <typename T, typename Wire>
bool OperationFromWire(Wire* in, Operation* out) {
  return FromWire(in, &out->emplace<T>());
}

bool OperationFromWire(wire::Command* in, Operation* out) {
  switch (in->operation_case()) {
    case wire::Command::kOpenSession:
      return OperationFromWire<OpenSession>(in->mutable_open_session(), out);
    case wire::Command::kEndSession:
      return OperationFromWire<EndSession>(in->mutable_end_session(), out);
    case wire::Command::kExpireSessions:
      return OperationFromWire<ExpireSessions>(in->mutable_expire_sessions(),
                                               out);
    case wire::Command::kCreateRegistry:
      return OperationFromWire<CreateRegistry>(in->mutable_create_registry(),
                                               out);
    case wire::Command::kRegister:
      return OperationFromWire<Register>(in->mutable_register_(), out);
    case wire::Command::kUnregister:
      return OperationFromWire<Unregister>(in->mutable_unregister(), out);
    case wire::Command::kUpdateValue:
      return OperationFromWire<UpdateValue>(in->mutable_update_value(), out);
    case wire::Command::kEndProcess:
      return OperationFromWire<EndProcess>(in->mutable_end_process(), out);
    case wire::Command::OPERATION_NOT_SET:
      return false;  // nothing, or an operation of a later version
  }
  return false;
}

// -------------------------------------------------------------- validation

// The verdict of one check after another: the first that fails stays.
class Checks {
 public:
  void Require(bool holds, Error error, std::string_view detail) {
    if (holds || error_ != Error::kOk) return;
    error_ = error;
    detail_ = detail;
  }
  void Registry(const std::string& name) {
    Require(!name.empty(), Error::kInvalid, "registry");
    Require(name.size() <= kRegistryNameBytesMax, Error::kTooLarge, "registry");
  }
  void Key(const std::string& key) {
    Require(!key.empty(), Error::kInvalid, "key");
    Require(key.size() <= kKeyBytesMax, Error::kTooLarge, "key");
  }
  void Value(const registry::Value& value) {
    const auto* text = std::get_if<std::string>(&value);
    Require(text == nullptr || text->size() <= kValueBytesMax, Error::kTooLarge,
            "value");
  }
  Error Result(std::string* detail) const {
    if (error_ != Error::kOk) *detail = detail_;
    return error_;
  }

 private:
  Error error_ = Error::kOk;
  std::string_view detail_;
};

void Check(const OpenSession& operation, Checks* checks) {
  checks->Require(operation.nonce.size() >= kNonceBytesMin &&
                      operation.nonce.size() <= kNonceBytesMax,
                  Error::kInvalid, "nonce");
  const raft::Duration ttl = operation.ttl;
  checks->Require(
      ttl == raft::Duration(0) || (ttl >= kTtlMin && ttl <= kTtlMax),
      Error::kInvalid, "ttl");
}
void Check(const EndSession&, Checks*) {}
void Check(const ExpireSessions&, Checks*) {}
void Check(const CreateRegistry& operation, Checks* checks) {
  checks->Registry(operation.registry);
  checks->Require(operation.kind == RegistryKind::kUnique ||
                      operation.kind == RegistryKind::kDuplicate,
                  Error::kInvalid, "kind");
}
void Check(const Register& operation, Checks* checks) {
  checks->Registry(operation.registry);
  checks->Key(operation.key);
  checks->Value(operation.value);
}
void Check(const Unregister& operation, Checks* checks) {
  checks->Registry(operation.registry);
  checks->Key(operation.key);
}
void Check(const UpdateValue& operation, Checks* checks) {
  checks->Registry(operation.registry);
  checks->Key(operation.key);
  if (const auto* set = std::get_if<SetValue>(&operation.change)) {
    checks->Value(set->value);
  }
}
void Check(const EndProcess&, Checks*) {}

void Check(const Lookup& operation, Checks* checks) {
  checks->Registry(operation.registry);
  checks->Key(operation.key);
}
void Check(const Count& operation, Checks* checks) {
  checks->Registry(operation.registry);
  if (operation.key) checks->Key(*operation.key);
}
void Check(const Keys& operation, Checks* checks) {
  checks->Registry(operation.registry);
  checks->Require(!operation.after || operation.after->size() <= kKeyBytesMax,
                  Error::kTooLarge, "after");
}
void Check(const ListRegistries&, Checks*) {}

}  // namespace

std::string EncodeCommand(const Command& command) {
  wire::Command out;
  out.set_session(command.session.value());
  out.set_sequence(command.sequence.value());
  out.set_acknowledged(command.acknowledged.value());
  std::visit([&](const auto& operation) { ToWire(operation, &out); },
             command.operation);
  return out.SerializeAsString();
}

std::optional<Command> DecodeCommand(std::string_view payload) {
  // Small commands decode without an allocation for their messages.
  alignas(8) char block[1024];
  google::protobuf::ArenaOptions options;
  options.initial_block = block;
  options.initial_block_size = sizeof(block);
  google::protobuf::Arena arena(options);
  auto* in = google::protobuf::Arena::CreateMessage<wire::Command>(&arena);
  if (payload.size() > INT32_MAX ||
      !in->ParseFromArray(payload.data(), static_cast<int>(payload.size()))) {
    return std::nullopt;
  }
  std::optional<Command> command(std::in_place);
  command->session = SessionId(in->session());
  command->sequence = Sequence(in->sequence());
  command->acknowledged = Sequence(in->acknowledged());
  if (!OperationFromWire(in, &command->operation)) return std::nullopt;
  return command;
}

Error ValidateEntry(const Command& command, std::string* detail) {
  // Sessionless commands are deduplicated by what they say, not by a number.
  const bool sessionless =
      std::holds_alternative<OpenSession>(command.operation) ||
      std::holds_alternative<ExpireSessions>(command.operation);
  Checks checks;
  checks.Require((command.session == SessionId(0)) == sessionless,
                 Error::kInvalid, "session");
  checks.Require((command.sequence == Sequence(0)) == sessionless,
                 Error::kInvalid, "sequence");
  // A client cannot have the answer of a command that it still sends.
  checks.Require(command.acknowledged <= command.sequence, Error::kInvalid,
                 "acknowledged");
  std::visit([&](const auto& operation) { Check(operation, &checks); },
             command.operation);
  return checks.Result(detail);
}

Error ValidateCommand(const Command& command, std::string* detail) {
  if (std::holds_alternative<ExpireSessions>(command.operation)) {
    *detail = "operation";
    return Error::kInvalid;
  }
  return ValidateEntry(command, detail);
}

Error ParseClientCommand(std::string_view payload, Command* command,
                         std::string* detail) {
  if (payload.size() > raft::kEntryBytesMax) {
    *detail = "command";
    return Error::kTooLarge;
  }
  std::optional<Command> decoded = DecodeCommand(payload);
  if (!decoded) {
    *detail = "command";
    return Error::kInvalid;
  }
  const Error error = ValidateCommand(*decoded, detail);
  if (error == Error::kOk) *command = *std::move(decoded);
  return error;
}

Error ValidateRead(const ReadOperation& operation, std::string* detail) {
  Checks checks;
  std::visit([&](const auto& read) { Check(read, &checks); }, operation);
  return checks.Result(detail);
}

}  // namespace registry
