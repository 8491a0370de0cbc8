#include "registry/state_machine.h"

#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "raft/check.h"
#include "registry/command_codec.h"
#include "registry/state_entries.h"

namespace registry {
namespace {

CommandReply Reply(raft::Index index, Error error = Error::kOk,
                   std::string_view detail = {}) {
  CommandReply reply;
  reply.error = error;
  reply.detail = detail;
  reply.revision = index;
  return reply;
}

CommandReply Removed(raft::Index index, uint64_t removed) {
  CommandReply reply = Reply(index);
  reply.removed = removed;
  return reply;
}

// An answer about a registration: itself, or its holder.
CommandReply Shown(raft::Index index, const Registration& current,
                   Error error = Error::kOk, std::string_view detail = {}) {
  CommandReply reply = Reply(index, error, detail);
  reply.current = current;
  return reply;
}

// The value after `change`, or why there is none.
std::variant<Value, Error> Changed(
    const Value& before, const std::variant<SetValue, AddValue>& change) {
  if (const auto* set = std::get_if<SetValue>(&change)) return set->value;
  const auto* integer = std::get_if<int64_t>(&before);
  if (integer == nullptr) return Error::kInvalid;
  int64_t sum;
  if (__builtin_add_overflow(*integer, std::get<AddValue>(change).amount,
                             &sum)) {
    return Error::kOutOfRange;
  }
  return Value(sum);
}

}  // namespace

// ------------------------------------------------------------------- entries

CommandReply StateMachine::Apply(raft::Index index, std::string_view payload) {
  std::optional<Command> command = DecodeCommand(payload);
  if (command) return ApplyDecoded(index, std::move(*command));
  Advance(index);
  return Reply(index, Error::kInvalid, "command");
}

CommandReply StateMachine::Apply(raft::Index index, const Command& command) {
  return ApplyDecoded(index, Command(command));
}

void StateMachine::ApplyNoop(raft::Index index) { Advance(index); }

void StateMachine::Advance(raft::Index index) {
  // An entry applied twice, or one left out, is a write that is not what its
  // client was told.
  CHECK_EQ(index, applied_ + 1);
  applied_ = index;
  not_executed_ = NotExecuted::kNo;
}

CommandReply StateMachine::ApplyDecoded(raft::Index index, Command&& command) {
  Advance(index);
  // The member that proposed this has asked the same, but it may be of another
  // version, or not ours at all: what counts is that every replica refuses it.
  std::string detail;
  if (const Error error = ValidateEntry(command, &detail);
      error != Error::kOk) {
    return Reply(index, error, detail);
  }
  if (command.session != SessionId(0)) {
    return ApplyOnce(index, std::move(command));
  }
  return Execute({.index = index}, std::move(command.operation));
}

CommandReply StateMachine::ApplyOnce(raft::Index index, Command&& command) {
  const SessionId id = command.session;
  const Sequence sequence = command.sequence;
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) {
    not_executed_ = NotExecuted::kSessionOver;
    return Reply(index, Error::kSessionExpired);
  }
  Session& session = found->second;
  // Whether a forgotten sequence was ever applied cannot be told any more. To
  // apply it would be the double write that sessions exist to prevent:
  //   Add(1) is applied, its reply is lost, the client gives up on it and
  //   acknowledges past it; then its second copy arrives from a slow member.
  if (sequence < session.low_water()) {
    not_executed_ = NotExecuted::kCompacted;
    return Reply(index, Error::kCompacted);
  }

  // The mark rises before the reply is looked for, for a retry may carry a
  // newer acknowledgement; it cannot rise above `sequence` itself.
  RaiseLowWater(id, &session, command.acknowledged);
  if (sequence.value() >= kReplyWindow) {
    RaiseLowWater(id, &session, sequence - (kReplyWindow - 1));
  }
  if (const CommandReply* kept = session.FindReply(sequence)) {
    not_executed_ = NotExecuted::kRepeated;
    return *kept;
  }

  CommandReply reply =
      Execute({.index = index, .session = id}, std::move(command.operation));
  // The command may have ended its own session, and the kept replies with it.
  if (const auto open = sessions_.find(id); open != sessions_.end()) {
    KeepReply(id, &open->second, sequence, reply);
  }
  return reply;
}

CommandReply StateMachine::Execute(const Context& at, Operation&& operation) {
  return std::visit([&](auto&& kind) { return Decide(at, std::move(kind)); },
                    std::move(operation));
}

std::vector<SessionChange> StateMachine::TakeSessionChanges() {
  return std::exchange(session_changes_, {});
}

// ------------------------------------------------------------------ sessions

CommandReply StateMachine::Decide(const Context& at, OpenSession&& operation) {
  const auto found = session_of_nonce_.find(operation.nonce);
  const bool known = found != session_of_nonce_.end();
  const SessionId id = known ? found->second : SessionId(at.index.value());
  if (!known) AddSession(id, std::move(operation));
  // A session's id is the index that opened it, and so the revision of both
  // the first answer and its repetition.
  CommandReply reply = Reply(raft::Index(id.value()));
  reply.session = id;
  return reply;
}

CommandReply StateMachine::Decide(const Context& at, EndSession&& operation) {
  const SessionId target =
      operation.target == SessionId(0) ? at.session : operation.target;
  if (!HasSession(target)) {
    return Reply(at.index, Error::kNotFound, "session");
  }
  return Removed(at.index, RemoveSession(target));
}

CommandReply StateMachine::Decide(const Context& at,
                                  ExpireSessions&& operation) {
  uint64_t removed = 0;
  for (const SessionId id : operation.sessions) {
    // It may have ended since the leader proposed this.
    if (HasSession(id)) removed += RemoveSession(id);
  }
  return Removed(at.index, removed);
}

// ---------------------------------------------------------------- registries

CommandReply StateMachine::Decide(const Context& at,
                                  CreateRegistry&& operation) {
  if (const Registry* registry = FindRegistry(operation.registry)) {
    if (registry->kind() == operation.kind) return Reply(registry->created());
    return Reply(at.index, Error::kKindMismatch, ToString(registry->kind()));
  }
  if (registries_.size() >= kRegistriesMax) {
    return Reply(at.index, Error::kNoSpace, "registries");
  }
  registry_of_name_.emplace(operation.registry, at.index);
  const auto added = registries_.try_emplace(
      at.index, std::move(operation.registry), operation.kind, at.index);
  digest_ += DigestOf(added.first->second);
  return Reply(at.index);
}

// ------------------------------------------------------------- registrations

CommandReply StateMachine::Decide(const Context& at, Register&& operation) {
  Registry* registry = FindRegistry(operation.registry);
  if (registry == nullptr) {
    return Reply(at.index, Error::kNotFound, "registry");
  }
  const Pid self{.session = at.session, .local = operation.process};
  if (registry->kind() == RegistryKind::kDuplicate) {
    const size_t repeats =
        sessions_.at(at.session)
            .RevisionsUnder(self.local, registry->created(), operation.key)
            .size();
    if (repeats >= kRepeatsMax) return Reply(at.index, Error::kNoSpace, "key");
  } else if (const Registration* held = registry->FindUnique(operation.key)) {
    if (held->pid != self) {
      return Shown(at.index, *held, Error::kAlreadyRegistered);
    }
    // The same process again: it keeps its fencing token.
    if (held->value != operation.value) {
      ChangeValue(registry, operation.key, held->revision,
                  std::move(operation.value), at.index);
    }
    return Shown(at.index, *registry->FindUnique(operation.key));
  }
  CommandReply reply = Shown(at.index, {.pid = self,
                                        .value = std::move(operation.value),
                                        .revision = at.index,
                                        .modified = at.index});
  AddRegistration(registry, operation.key, *reply.current);
  return reply;
}

CommandReply StateMachine::Decide(const Context& at, Unregister&& operation) {
  Registry* registry = FindRegistry(operation.registry);
  if (registry == nullptr) {
    return Reply(at.index, Error::kNotFound, "registry");
  }
  const Registry::Holders* holders = registry->Find(operation.key);
  if (holders == nullptr) return Reply(at.index, Error::kNotFound, "key");

  const Pid self{.session = at.session, .local = operation.process};
  std::vector<std::pair<Pid, Revision>> leaving;
  if (operation.any_owner) {
    for (const auto& [revision, registration] : *holders) {
      leaving.emplace_back(registration.pid, revision);
    }
  } else {
    // Not the holders but the process's own index: one of a million holders
    // leaves in O(log n).
    for (const Revision revision :
         sessions_.at(at.session)
             .RevisionsUnder(self.local, registry->created(), operation.key)) {
      leaving.emplace_back(self, revision);
    }
  }
  if (leaving.empty()) {
    if (registry->kind() == RegistryKind::kDuplicate) {
      return Reply(at.index, Error::kNotFound, "key");
    }
    return Shown(at.index, *registry->FindUnique(operation.key),
                 Error::kNotOwner);
  }
  for (const auto& [pid, revision] : leaving) {
    RemoveRegistration(registry, operation.key, pid, revision);
  }
  return Removed(at.index, leaving.size());
}

CommandReply StateMachine::Decide(const Context& at, UpdateValue&& operation) {
  Registry* registry = FindRegistry(operation.registry);
  if (registry == nullptr) {
    return Reply(at.index, Error::kNotFound, "registry");
  }
  if (registry->kind() != RegistryKind::kUnique) {
    return Reply(at.index, Error::kKindMismatch, ToString(registry->kind()));
  }
  const Registration* held = registry->FindUnique(operation.key);
  if (held == nullptr) return Reply(at.index, Error::kNotFound, "key");

  const Pid self{.session = at.session, .local = operation.process};
  if (held->pid != self && !operation.any_owner) {
    return Shown(at.index, *held, Error::kNotOwner);
  }
  if (operation.expected_modified &&
      *operation.expected_modified != held->modified) {
    return Shown(at.index, *held, Error::kConflict, "modified");
  }
  std::variant<Value, Error> changed = Changed(held->value, operation.change);
  if (const auto* error = std::get_if<Error>(&changed)) {
    return Shown(at.index, *held, *error, "value");
  }
  CommandReply reply = Reply(at.index);
  reply.previous = held->value;
  ChangeValue(registry, operation.key, held->revision,
              std::get<Value>(std::move(changed)), at.index);
  reply.current = *registry->FindUnique(operation.key);
  return reply;
}

CommandReply StateMachine::Decide(const Context& at, EndProcess&& operation) {
  Session& session = sessions_.at(at.session);
  return Removed(at.index, RemoveProcess(&session, operation.process));
}

// ------------------------------------------------------------------ mutators

Registry* StateMachine::FindRegistry(std::string_view name) {
  const auto found = registry_of_name_.find(name);
  if (found == registry_of_name_.end()) return nullptr;
  return &registries_.at(found->second);
}

const Registry* StateMachine::FindRegistry(std::string_view name) const {
  const auto found = registry_of_name_.find(name);
  if (found == registry_of_name_.end()) return nullptr;
  return &registries_.at(found->second);
}

void StateMachine::AddRegistration(Registry* registry, std::string_view key,
                                   const Registration& registration) {
  digest_ += DigestOf(*registry, key, registration);
  ++registrations_;
  sessions_.at(registration.pid.session)
      .AddHolding(registration.pid.local, {.registry = registry->created(),
                                           .key = std::string(key),
                                           .revision = registration.revision});
  registry->Add(key, registration);
}

void StateMachine::RemoveRegistration(Registry* registry, std::string_view key,
                                      Pid pid, Revision revision) {
  sessions_.at(pid.session)
      .RemoveHolding(pid.local, {.registry = registry->created(),
                                 .key = std::string(key),
                                 .revision = revision});
  DropFromRegistry(registry, key, revision);
}

void StateMachine::ChangeValue(Registry* registry, std::string_view key,
                               Revision revision, Value value,
                               Revision modified) {
  // Taken out of the digest as it was, put back as it is. The caller's view of
  // the registration changes with it.
  const Registration& registration = registry->Find(key)->at(revision);
  if (cut_) CutRegistration(*registry, key, registration);
  digest_ -= DigestOf(*registry, key, registration);
  registry->SetValue(key, revision, std::move(value), modified);
  digest_ += DigestOf(*registry, key, registration);
}

void StateMachine::DropFromRegistry(Registry* registry, std::string_view key,
                                    Revision revision) {
  if (cut_) CutRegistration(*registry, key, registry->Find(key)->at(revision));
  digest_ -= DigestOf(*registry, key, registry->Remove(key, revision));
  --registrations_;
}

uint64_t StateMachine::RemoveProcess(Session* session, uint64_t process) {
  const Session::Holdings holdings = session->TakeHoldings(process);
  for (const Holding& holding : holdings) {
    DropFromRegistry(&registries_.at(holding.registry), holding.key,
                     holding.revision);
  }
  return holdings.size();
}

void StateMachine::AddSession(SessionId id, OpenSession&& operation) {
  session_of_nonce_.emplace(operation.nonce, id);
  const auto added =
      sessions_.try_emplace(id, std::move(operation.nonce), operation.ttl);
  const Session& session = added.first->second;
  digest_ += DigestOf(id, session);
  digest_ += LowWaterDigest(id, session.low_water());
  session_changes_.push_back(
      {.session = id, .ttl = session.ttl(), .opened = true});
}

uint64_t StateMachine::RemoveSession(SessionId id) {
  const auto found = sessions_.find(id);
  CHECK(found != sessions_.end());
  Session& session = found->second;
  if (cut_) CutSession(id, session);

  std::vector<uint64_t> processes;
  session.ForEachProcess([&](uint64_t local) { processes.push_back(local); });
  uint64_t removed = 0;
  for (const uint64_t local : processes) {
    removed += RemoveProcess(&session, local);
  }
  session.ForEachReply([this](Sequence, const CommandReply&,
                              const StateDigest& share) { digest_ -= share; });
  digest_ -= LowWaterDigest(id, session.low_water());
  digest_ -= DigestOf(id, session);
  session_changes_.push_back({.session = id, .ttl = session.ttl()});
  session_of_nonce_.erase(session.nonce());
  sessions_.erase(found);
  return removed;
}

void StateMachine::KeepReply(SessionId id, Session* session, Sequence sequence,
                             const CommandReply& reply) {
  if (cut_) CutSession(id, *session);
  const StateDigest share = DigestOf(id, sequence, reply);
  digest_ += share;
  session->KeepReply(sequence, reply, share);
}

void StateMachine::RaiseLowWater(SessionId id, Session* session,
                                 Sequence mark) {
  if (mark <= session->low_water()) return;
  if (cut_) CutSession(id, *session);
  digest_ -= LowWaterDigest(id, session->low_water());
  digest_ += LowWaterDigest(id, mark);
  digest_ -= session->RaiseLowWater(mark);
}

StateDigest StateMachine::RecomputeDigest() const {
  StateDigest sum;
  for (const auto& [created, registry] : registries_) {
    sum += DigestOf(registry);
    registry.ForEachKeyAfter(
        nullptr, [&, &registry = registry](const std::string& key,
                                           const Registry::Holders& holders) {
          for (const auto& [revision, registration] : holders) {
            sum += DigestOf(registry, key, registration);
          }
          return true;
        });
  }
  for (const auto& [id, session] : sessions_) {
    sum += DigestOf(id, session);
    sum += LowWaterDigest(id, session.low_water());
    session.ForEachReply([&, id = id](Sequence sequence,
                                      const CommandReply& reply,
                                      const StateDigest&) {
      sum += DigestOf(id, sequence, reply);
    });
  }
  return sum;
}

}  // namespace registry
