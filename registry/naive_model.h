// A model of the state machine that is nothing but API.md read aloud: flat
// lists, no index, no digest, no bound that a small test cannot reach (the
// table tests reach those). Test only.
#ifndef REGISTRY_NAIVE_MODEL_H_
#define REGISTRY_NAIVE_MODEL_H_

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "registry/command_codec.h"

namespace registry {

struct NaiveSession {
  std::string nonce;
  uint64_t low_water = 0;
  std::map<uint64_t, CommandReply> replies;
};
struct NaiveRegistry {
  RegistryKind kind;
  Revision created;
};
struct NaiveEntry {
  std::string registry;
  std::string key;
  Registration registration;
};

class NaiveModel {
 public:
  Revision applied() const { return Revision(index_); }
  const std::map<uint64_t, NaiveSession>& sessions() const { return sessions_; }
  const std::vector<NaiveEntry>& entries() const { return entries_; }
  // For generating commands: every session ever opened, every command applied.
  const std::vector<SessionId>& opened() const { return opened_; }
  const std::vector<Command>& history() const { return history_; }

  CommandReply Apply(const Command& command) {
    ++index_;
    history_.push_back(command);
    if (std::string detail; ValidateEntry(command, &detail) != Error::kOk) {
      return Now(ValidateEntry(command, &detail), detail);
    }
    if (const auto* open = std::get_if<OpenSession>(&command.operation)) {
      return Decide(*open);
    }
    if (const auto* expire = std::get_if<ExpireSessions>(&command.operation)) {
      uint64_t removed = 0;
      for (const SessionId id : expire->sessions) removed += End(id);
      return Removed(removed);
    }
    return InSession(command);
  }

  ReadReply Read(const ReadOperation& operation) const {
    ReadReply reply =
        std::visit([&](const auto& o) { return Answer(o); }, operation);
    reply.revision = applied();
    return reply;
  }

 private:
  CommandReply Now(Error error, std::string detail = "") const {
    return {.error = error,
            .detail = std::move(detail),
            .revision = Revision(index_)};
  }
  CommandReply Held(Error error, const Registration& current,
                    std::string detail = "") const {
    CommandReply reply = Now(error, std::move(detail));
    reply.current = current;
    return reply;
  }
  CommandReply Removed(uint64_t removed) const {
    CommandReply reply = Now(Error::kOk);
    reply.removed = removed;
    return reply;
  }

  CommandReply InSession(const Command& command) {
    const auto found = sessions_.find(command.session.value());
    if (found == sessions_.end()) return Now(Error::kSessionExpired);
    NaiveSession& session = found->second;
    const uint64_t n = command.sequence.value();
    if (n < session.low_water) return Now(Error::kCompacted);
    session.low_water =
        std::max({session.low_water, command.acknowledged.value(),
                  n >= 1023 ? n - 1023 : 0});
    std::erase_if(session.replies, [&](const auto& kept) {
      return kept.first < session.low_water;
    });
    if (session.replies.contains(n)) return session.replies[n];
    self_.session = command.session;
    const CommandReply reply =
        std::visit([&](const auto& operation) { return Decide(operation); },
                   command.operation);
    if (sessions_.contains(command.session.value())) {
      sessions_[command.session.value()].replies[n] = reply;
    }
    return reply;
  }

  template <typename Match>
  uint64_t Remove(Match match) {
    return std::erase_if(entries_, match);
  }
  uint64_t End(SessionId id) {
    if (sessions_.erase(id.value()) == 0) return 0;
    return Remove([&](const NaiveEntry& entry) {
      return entry.registration.pid.session == id;
    });
  }
  std::vector<Registration*> Under(const std::string& registry,
                                   const std::string& key) {
    std::vector<Registration*> found;
    for (NaiveEntry& entry : entries_) {
      if (entry.registry == registry && entry.key == key) {
        found.push_back(&entry.registration);
      }
    }
    return found;
  }

  CommandReply Decide(const OpenSession& operation) {
    CommandReply reply = Now(Error::kOk);
    for (const auto& [id, session] : sessions_) {
      if (session.nonce != operation.nonce) continue;
      reply.session = SessionId(id);
      reply.revision = Revision(id);
      return reply;
    }
    sessions_[index_].nonce = operation.nonce;
    opened_.emplace_back(index_);
    reply.session = SessionId(index_);
    return reply;
  }
  CommandReply Decide(const EndSession& operation) {
    const SessionId target =
        operation.target.value() == 0 ? self_.session : operation.target;
    if (!sessions_.contains(target.value())) {
      return Now(Error::kNotFound, "session");
    }
    return Removed(End(target));
  }
  CommandReply Decide(const ExpireSessions&) { return Now(Error::kInvalid); }
  CommandReply Decide(const CreateRegistry& operation) {
    const auto found = registries_.find(operation.registry);
    if (found == registries_.end()) {
      registries_[operation.registry] = {operation.kind, Revision(index_)};
      return Now(Error::kOk);
    }
    if (found->second.kind != operation.kind) {
      return Now(
          Error::kKindMismatch,
          found->second.kind == RegistryKind::kUnique ? "unique" : "duplicate");
    }
    CommandReply reply = Now(Error::kOk);
    reply.revision = found->second.created;
    return reply;
  }
  CommandReply Decide(const Register& operation) {
    if (!registries_.contains(operation.registry)) {
      return Now(Error::kNotFound, "registry");
    }
    self_.local = operation.process;
    const auto holders = Under(operation.registry, operation.key);
    if (registries_[operation.registry].kind == RegistryKind::kUnique &&
        !holders.empty()) {
      Registration& held = *holders[0];
      if (held.pid != self_) return Held(Error::kAlreadyRegistered, held);
      if (held.value != operation.value) {
        held.value = operation.value;
        held.modified = Revision(index_);
      }
      return Held(Error::kOk, held);
    }
    entries_.push_back({operation.registry,
                        operation.key,
                        {.pid = self_,
                         .value = operation.value,
                         .revision = Revision(index_),
                         .modified = Revision(index_)}});
    return Held(Error::kOk, entries_.back().registration);
  }
  CommandReply Decide(const Unregister& operation) {
    if (!registries_.contains(operation.registry)) {
      return Now(Error::kNotFound, "registry");
    }
    self_.local = operation.process;
    const auto holders = Under(operation.registry, operation.key);
    if (holders.empty()) return Now(Error::kNotFound, "key");
    if (registries_[operation.registry].kind == RegistryKind::kUnique &&
        !operation.any_owner && holders[0]->pid != self_) {
      return Held(Error::kNotOwner, *holders[0]);
    }
    const uint64_t removed = Remove([&](const NaiveEntry& entry) {
      return entry.registry == operation.registry &&
             entry.key == operation.key &&
             (operation.any_owner || entry.registration.pid == self_);
    });
    if (removed == 0) return Now(Error::kNotFound, "key");
    return Removed(removed);
  }
  CommandReply Decide(const UpdateValue& operation) {
    if (!registries_.contains(operation.registry)) {
      return Now(Error::kNotFound, "registry");
    }
    if (registries_[operation.registry].kind != RegistryKind::kUnique) {
      return Now(Error::kKindMismatch, "duplicate");
    }
    self_.local = operation.process;
    const auto holders = Under(operation.registry, operation.key);
    if (holders.empty()) return Now(Error::kNotFound, "key");
    Registration& held = *holders[0];
    if (held.pid != self_ && !operation.any_owner) {
      return Held(Error::kNotOwner, held);
    }
    if (operation.expected_modified &&
        *operation.expected_modified != held.modified) {
      return Held(Error::kConflict, held, "modified");
    }
    Value after;
    if (const auto* set = std::get_if<SetValue>(&operation.change)) {
      after = set->value;
    } else {
      if (!std::holds_alternative<int64_t>(held.value)) {
        return Held(Error::kInvalid, held, "value");
      }
      const __int128 sum = __int128{std::get<int64_t>(held.value)} +
                           std::get<AddValue>(operation.change).amount;
      if (sum > INT64_MAX || sum < INT64_MIN) {
        return Held(Error::kOutOfRange, held, "value");
      }
      after = static_cast<int64_t>(sum);
    }
    const Value before = std::exchange(held.value, after);
    held.modified = Revision(index_);
    CommandReply reply = Held(Error::kOk, held);
    reply.previous = before;
    return reply;
  }
  CommandReply Decide(const EndProcess& operation) {
    self_.local = operation.process;
    return Removed(Remove([&](const NaiveEntry& entry) {
      return entry.registration.pid == self_;
    }));
  }

  ReadReply NotFound(std::string what) const {
    return {.error = Error::kNotFound, .detail = std::move(what)};
  }
  ReadReply Answer(const Lookup& operation) const {
    if (!registries_.contains(operation.registry)) return NotFound("registry");
    ReadReply reply;
    for (const NaiveEntry& entry : entries_) {
      if (entry.registry == operation.registry && entry.key == operation.key) {
        reply.registrations.push_back(entry.registration);
      }
    }
    if (reply.registrations.empty()) return NotFound("key");
    return reply;
  }
  ReadReply Answer(const Count& operation) const {
    if (!registries_.contains(operation.registry)) return NotFound("registry");
    ReadReply reply;
    for (const NaiveEntry& entry : entries_) {
      reply.count += entry.registry == operation.registry &&
                     (!operation.key || entry.key == *operation.key);
    }
    return reply;
  }
  ReadReply Answer(const Keys& operation) const {
    if (!registries_.contains(operation.registry)) return NotFound("registry");
    // How often each key stands on the list of all pages.
    std::map<std::string, size_t> times;
    for (const NaiveEntry& entry : entries_) {
      if (entry.registry != operation.registry) continue;
      if (operation.after && entry.key <= *operation.after) continue;
      if (!operation.process) times[entry.key] = 1;
      if (operation.process == entry.registration.pid) ++times[entry.key];
    }
    const size_t limit = operation.limit == 0 ? 1000 : operation.limit;
    ReadReply reply;
    for (const auto& [key, n] : times) {
      if (!reply.keys.empty() && reply.keys.size() + n > limit) {
        reply.more = true;
        break;
      }
      reply.keys.insert(reply.keys.end(), n, key);
    }
    return reply;
  }
  ReadReply Answer(const ListRegistries&) const {
    ReadReply reply;
    for (const auto& [name, registry] : registries_) {
      reply.registries.push_back(
          {.name = name,
           .kind = registry.kind,
           .registrations = Answer(Count{.registry = name}).count,
           .created = registry.created});
    }
    return reply;
  }

  uint64_t index_ = 0;
  Pid self_;
  std::map<uint64_t, NaiveSession> sessions_;
  std::map<std::string, NaiveRegistry> registries_;
  std::vector<NaiveEntry> entries_;  // in order of revision
  std::vector<SessionId> opened_;
  std::vector<Command> history_;
};

}  // namespace registry

#endif  // REGISTRY_NAIVE_MODEL_H_
