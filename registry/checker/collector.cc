#include "registry/checker/collector.h"

#include <utility>
#include <variant>

namespace registry::checker {
namespace {

absl::Status Invalid(const char* what) {
  return absl::InvalidArgumentError(what);
}

// An answer under which the command was refused before anything was looked at:
// it tells neither of the session nor of the key.
bool RefusedUnseen(const CommandReply& reply) {
  return (reply.error == Error::kInvalid || reply.error == Error::kTooLarge) &&
         !reply.current.has_value();
}

}  // namespace

absl::Status Collector::Add(size_t line, const HistoryEntry& entry) {
  if (entry.return_ns.has_value() != entry.result.has_value()) {
    return Invalid("a return without a result, or a result without a return");
  }
  if (entry.return_ns.has_value() && *entry.return_ns < entry.call_ns) {
    return Invalid("it returned before it was called");
  }
  const Call call{line, &entry};
  const auto* operation = std::get_if<Operation>(&entry.operation);
  const auto* read = std::get_if<ReadOperation>(&entry.operation);
  if (!entry.result.has_value()) {
    if (operation != nullptr) AddOpenCommand(call, *operation);
    return absl::OkStatus();
  }
  if (const auto* failure = std::get_if<Failure>(&*entry.result)) {
    if (failure->error == Error::kOutcomeUnknown && operation != nullptr) {
      AddOpenCommand(call, *operation);
    } else {
      AddFailure(call, *failure);
    }
    return absl::OkStatus();
  }
  if (operation != nullptr) {
    const auto* reply = std::get_if<CommandReply>(&*entry.result);
    if (reply == nullptr) return Invalid("an answer to another kind of call");
    const bool outside = std::holds_alternative<OpenSession>(*operation) ||
                         std::holds_alternative<ExpireSessions>(*operation);
    if (!outside && entry.session == SessionId(0) && !RefusedUnseen(*reply)) {
      return Invalid("an answered command without its session");
    }
    AddCommand(call, *operation, *reply);
  } else if (read != nullptr) {
    const auto* reply = std::get_if<ReadReply>(&*entry.result);
    if (reply == nullptr) return Invalid("an answer to another kind of call");
    AddRead(call, *read, *reply);
  } else {
    const auto* reply = std::get_if<KeepAliveReply>(&*entry.result);
    if (reply == nullptr) return Invalid("an answer to another kind of call");
    AddKeepAlive(call, std::get<KeepAliveRequest>(entry.operation), *reply);
  }
  return absl::OkStatus();
}

void Collector::AddOpenCommand(const Call& call, const Operation& operation) {
  if (const auto* create = std::get_if<CreateRegistry>(&operation)) {
    NoteCreation(call, *create, nullptr);
    return;
  }
  // A command that never had a session was never sent.
  if (call.entry->session == SessionId(0) &&
      !std::holds_alternative<ExpireSessions>(operation)) {
    return;
  }
  if (NewKeyOp(call, operation) == nullptr) {
    AddSessionCommand(call, operation, nullptr);
  }
}

void Collector::AddCommand(const Call& call, const Operation& operation,
                           const CommandReply& reply) {
  const SessionId session = call.entry->session;
  if (RefusedUnseen(reply)) return;
  if (reply.error == Error::kCompacted) {
    AddOpenCommand(call, operation);
    return;
  }
  const bool open_session = std::holds_alternative<OpenSession>(operation);
  const auto* create = std::get_if<CreateRegistry>(&operation);
  // These two may be answered with a revision from before the call.
  if (!open_session && create == nullptr) {
    revisions_.Answered(reply.revision.value(), /*read=*/false,
                        call.entry->call_ns, call.returned());
  }
  if (reply.error == Error::kSessionExpired) {
    sessions_.Ended(session, call.returned());
    return;
  }
  if (session != SessionId(0)) sessions_.Alive(session, call.called());
  if (create != nullptr) {
    NoteCreation(call, *create, &reply);
    return;
  }
  const auto registry_of = [](const auto& op) -> const std::string* {
    if constexpr (requires { op.registry; }) return &op.registry;
    return nullptr;
  };
  if (const std::string* registry = std::visit(registry_of, operation)) {
    if (reply.error == Error::kNotFound && reply.detail == "registry") {
      registries_.Missing(*registry, call.called());
      return;
    }
    registries_.Stands(*registry, call.returned());
    if (reply.error == Error::kKindMismatch) {
      registries_.KindTold(*registry, RegistryKind::kDuplicate, call.line);
      return;
    }
    KeyOp* op = NewKeyOp(call, operation);
    SetAnswer(call, reply, op);
    NoteKind(*registry, *op);
    return;
  }
  AddSessionCommand(call, operation, &reply);
}

// OpenSession, EndSession, ExpireSessions and EndProcess; without an answer if
// `reply` is null.
void Collector::AddSessionCommand(const Call& call, const Operation& operation,
                                  const CommandReply* reply) {
  const HistoryEntry& entry = *call.entry;
  const bool ok = reply != nullptr && reply->error == Error::kOk;
  if (const auto* open = std::get_if<OpenSession>(&operation)) {
    if (!ok) return;
    sessions_.Opened(reply->session, open->ttl == raft::Duration(0));
    sessions_.Alive(reply->session, call.called());
  } else if (const auto* end = std::get_if<EndSession>(&operation)) {
    const SessionId target =
        end->target == SessionId(0) ? entry.session : end->target;
    if (ok) {
      sessions_.EndDone(target, entry.call_ns, call.returned(),
                        reply->revision.value());
    } else if (reply != nullptr) {
      sessions_.Ended(target, call.returned());
    } else {
      sessions_.EndAsked(target, entry.call_ns);
    }
  } else if (const auto* expire = std::get_if<ExpireSessions>(&operation)) {
    for (const SessionId session : expire->sessions) {
      sessions_.EndAsked(session, entry.call_ns);
      if (ok) sessions_.Ended(session, call.returned());
    }
  } else {
    AddEndProcess(call, std::get<EndProcess>(operation), reply);
  }
}

void Collector::AddEndProcess(const Call& call, const EndProcess& operation,
                              const CommandReply* reply) {
  KeyOp op;
  op.kind = KeyOpKind::kEndProcess;
  op.client = call.entry->client;
  op.line = call.line;
  op.pid = Pid{call.entry->session, operation.process};
  op.call_ns = call.entry->call_ns;
  if (reply != nullptr) {
    op.answered = true;
    op.return_ns = *call.entry->return_ns;
    if (use_revisions_) op.index = reply->revision.value();
  }
  process_ends_[op.pid].push_back(std::move(op));
}

void Collector::NoteCreation(const Call& call, const CreateRegistry& create,
                             const CommandReply* reply) {
  if (reply == nullptr || reply->error == Error::kOk) {
    registries_.CreateAsked(create.registry, call.entry->call_ns);
  }
  if (reply == nullptr) return;
  if (reply->error == Error::kOk) {
    registries_.Stands(create.registry, call.returned());
    registries_.KindTold(create.registry, create.kind, call.line);
  } else if (reply->error == Error::kKindMismatch) {
    registries_.Stands(create.registry, call.returned());
    registries_.KindTold(create.registry,
                         create.kind == RegistryKind::kUnique
                             ? RegistryKind::kDuplicate
                             : RegistryKind::kUnique,
                         call.line);
  }
}

// Answers that only one kind of registry gives.
void Collector::NoteKind(const std::string& registry, const KeyOp& op) {
  const bool refused = op.error == Error::kAlreadyRegistered ||
                       op.error == Error::kNotOwner ||
                       op.error == Error::kConflict;
  const bool updated = op.kind == KeyOpKind::kUpdate && op.current.has_value();
  if (refused || updated) {
    registries_.KindShown(registry, RegistryKind::kUnique);
  }
  const bool many = op.holders.size() > 1 ||
                    (op.kind == KeyOpKind::kCount && op.number > 1) ||
                    op.error == Error::kNoSpace;
  if (many) registries_.KindShown(registry, RegistryKind::kDuplicate);
}

void Collector::AddRead(const Call& call, const ReadOperation& operation,
                        const ReadReply& reply) {
  revisions_.Answered(reply.revision.value(), /*read=*/true,
                      call.entry->call_ns, call.returned());
  const bool refused =
      reply.error == Error::kInvalid ||
      (reply.error == Error::kTooLarge && reply.detail != "registrations");
  if (refused) return;
  const auto* list = std::get_if<ListRegistries>(&operation);
  if (list != nullptr) {
    for (const RegistryInfo& info : reply.registries) {
      registries_.Stands(info.name, call.returned());
      registries_.KindTold(info.name, info.kind, call.line);
    }
    ++left_out_;
    return;
  }
  const auto* lookup = std::get_if<Lookup>(&operation);
  const auto* count = std::get_if<Count>(&operation);
  const std::string& registry = lookup != nullptr ? lookup->registry
                                : count != nullptr
                                    ? count->registry
                                    : std::get<Keys>(operation).registry;
  if (reply.error == Error::kNotFound && reply.detail == "registry") {
    registries_.Missing(registry, call.called());
    return;
  }
  registries_.Stands(registry, call.returned());
  const bool of_key =
      lookup != nullptr || (count != nullptr && count->key.has_value());
  if (!of_key || reply.error == Error::kTooLarge) {
    ++left_out_;
    return;
  }
  KeyOp* op =
      NewKeyOp(call, registry, lookup != nullptr ? lookup->key : *count->key);
  op->kind = lookup != nullptr ? KeyOpKind::kLookup : KeyOpKind::kCount;
  op->error = reply.error;
  op->answered = true;
  op->return_ns = *call.entry->return_ns;
  op->number = reply.count;
  if (use_revisions_) op->index = reply.revision.value();
  for (const Registration& registration : reply.registrations) {
    op->holders.push_back(ToHolder(registration));
  }
  NoteKind(registry, *op);
}

void Collector::AddKeepAlive(const Call& call, const KeepAliveRequest& request,
                             const KeepAliveReply& reply) {
  if (reply.error == Error::kOk) {
    sessions_.Alive(request.session, call.called());
  } else if (reply.error == Error::kSessionExpired) {
    sessions_.Ended(request.session, call.returned());
  }
}

void Collector::AddFailure(const Call& call, const Failure& failure) {
  const auto* keep_alive =
      std::get_if<KeepAliveRequest>(&call.entry->operation);
  const SessionId session =
      keep_alive != nullptr ? keep_alive->session : call.entry->session;
  if (failure.error == Error::kSessionExpired && session != SessionId(0)) {
    sessions_.Ended(session, call.returned());
  }
}

KeyValue Collector::ToKeyValue(const Value& value) {
  const auto* text = std::get_if<std::string>(&value);
  if (text == nullptr) return {false, std::get<int64_t>(value)};
  const auto [found, fresh] =
      text_numbers_.try_emplace(*text, static_cast<int64_t>(texts_.size()));
  if (fresh) texts_.push_back(*text);
  return {true, found->second};
}

Holder Collector::ToHolder(const Registration& registration) {
  Holder holder{registration.pid, ToKeyValue(registration.value), 0, 0};
  if (use_revisions_) {
    holder.revision = registration.revision.value();
    holder.modified = registration.modified.value();
  }
  return holder;
}

KeyOp* Collector::NewKeyOp(const Call& call, const std::string& registry,
                           const std::string& key) {
  std::string place = registry;
  place.push_back('\0');
  place += key;
  const auto [found, fresh] =
      key_places_.try_emplace(std::move(place), keys_.size());
  if (fresh) keys_.push_back({registry, key, {}});
  KeyOp& op = keys_[found->second].ops.emplace_back();
  op.client = call.entry->client;
  op.line = call.line;
  op.call_ns = call.entry->call_ns;
  return &op;
}

KeyOp* Collector::NewKeyOp(const Call& call, const Operation& operation) {
  KeyOp* op = nullptr;
  uint64_t process = 0;
  if (const auto* add = std::get_if<Register>(&operation)) {
    op = NewKeyOp(call, add->registry, add->key);
    op->kind = KeyOpKind::kRegister;
    op->value = ToKeyValue(add->value);
    process = add->process;
  } else if (const auto* remove = std::get_if<Unregister>(&operation)) {
    op = NewKeyOp(call, remove->registry, remove->key);
    op->kind = KeyOpKind::kUnregister;
    op->any_owner = remove->any_owner;
    process = remove->process;
  } else if (const auto* update = std::get_if<UpdateValue>(&operation)) {
    op = NewKeyOp(call, update->registry, update->key);
    op->kind = KeyOpKind::kUpdate;
    op->any_owner = update->any_owner;
    if (const auto* sum = std::get_if<AddValue>(&update->change)) {
      op->add = true;
      op->amount = sum->amount;
    } else {
      op->value = ToKeyValue(std::get<SetValue>(update->change).value);
    }
    if (update->expected_modified.has_value()) {
      op->expected_modified = update->expected_modified->value();
    }
    process = update->process;
  } else {
    return nullptr;
  }
  op->pid = Pid{call.entry->session, process};
  return op;
}

void Collector::SetAnswer(const Call& call, const CommandReply& reply,
                          KeyOp* op) {
  op->answered = true;
  op->return_ns = *call.entry->return_ns;
  op->error = reply.error;
  op->number = reply.removed;
  if (use_revisions_) op->index = reply.revision.value();
  if (reply.current.has_value()) op->current = ToHolder(*reply.current);
  if (reply.previous.has_value()) op->previous = ToKeyValue(*reply.previous);
}

}  // namespace registry::checker
