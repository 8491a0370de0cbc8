#include "registry/checker/model.h"

#include <algorithm>
#include <iterator>
#include <string_view>

#include "raft/check.h"

namespace registry::checker {
namespace {

// The numbers of API.md, written down a second time on purpose.
constexpr uint64_t kKeptReplies = 1024;
constexpr size_t kRegistries = 1024;
constexpr size_t kRepeats = 1000;
constexpr size_t kPage = 1000;
constexpr size_t kLookupBytes = 768 * 1024;
constexpr int64_t kDayUs = 24LL * 3600 * 1000 * 1000;

CommandReply Ok() { return CommandReply{}; }

CommandReply Refuse(Error error, std::string detail = "") {
  CommandReply reply;
  reply.error = error;
  reply.detail = std::move(detail);
  return reply;
}

ReadReply RefuseRead(Error error, std::string detail, raft::Index at) {
  ReadReply reply;
  reply.error = error;
  reply.detail = std::move(detail);
  reply.revision = at;
  return reply;
}

size_t BytesOf(const Value& value) {
  const auto* text = std::get_if<std::string>(&value);
  return text != nullptr ? text->size() : 8;
}

std::vector<Registration> Without(const std::vector<Registration>& holders,
                                  Pid pid) {
  std::vector<Registration> left;
  for (const Registration& holder : holders) {
    if (holder.pid != pid) left.push_back(holder);
  }
  return left;
}

size_t CountOf(const std::vector<Registration>& holders, Pid pid) {
  return static_cast<size_t>(
      std::count_if(holders.begin(), holders.end(),
                    [&](const Registration& h) { return h.pid == pid; }));
}

// ------------------------------------------------------------------- limits

struct Refusal {
  Error error;
  std::string detail;
};
using MaybeRefusal = std::optional<Refusal>;

MaybeRefusal CheckText(const std::string& text, size_t max,
                       const std::string& what) {
  if (text.empty()) return Refusal{Error::kInvalid, what};
  if (text.size() > max) return Refusal{Error::kTooLarge, what};
  return std::nullopt;
}
MaybeRefusal CheckPlace(const std::string& registry, const std::string& key) {
  const MaybeRefusal refusal = CheckText(registry, 255, "registry");
  return refusal.has_value() ? refusal : CheckText(key, 1024, "key");
}
MaybeRefusal CheckValue(const Value& value) {
  const auto* text = std::get_if<std::string>(&value);
  if (text == nullptr || text->size() <= 64 * 1024) return std::nullopt;
  return Refusal{Error::kTooLarge, "value"};
}

MaybeRefusal CheckArguments(const OpenSession& op) {
  if (op.nonce.size() < 8 || op.nonce.size() > 64) {
    return Refusal{Error::kInvalid, "nonce"};
  }
  const int64_t ttl = op.ttl.value();
  if (ttl != 0 && (ttl < 100'000 || ttl > kDayUs)) {
    return Refusal{Error::kInvalid, "ttl"};
  }
  return std::nullopt;
}
MaybeRefusal CheckArguments(const EndSession&) { return std::nullopt; }
MaybeRefusal CheckArguments(const ExpireSessions&) { return std::nullopt; }
MaybeRefusal CheckArguments(const CreateRegistry& op) {
  if (auto refusal = CheckText(op.registry, 255, "registry")) return refusal;
  if (op.kind == RegistryKind::kUnique || op.kind == RegistryKind::kDuplicate) {
    return std::nullopt;
  }
  return Refusal{Error::kInvalid, "kind"};
}
MaybeRefusal CheckArguments(const Register& op) {
  if (auto refusal = CheckPlace(op.registry, op.key)) return refusal;
  return CheckValue(op.value);
}
MaybeRefusal CheckArguments(const Unregister& op) {
  return CheckPlace(op.registry, op.key);
}
MaybeRefusal CheckArguments(const UpdateValue& op) {
  if (auto refusal = CheckPlace(op.registry, op.key)) return refusal;
  const auto* set = std::get_if<SetValue>(&op.change);
  return set != nullptr ? CheckValue(set->value) : std::nullopt;
}
MaybeRefusal CheckArguments(const EndProcess&) { return std::nullopt; }

MaybeRefusal CheckArguments(const Lookup& op) {
  return CheckPlace(op.registry, op.key);
}
MaybeRefusal CheckArguments(const Count& op) {
  if (op.key.has_value()) return CheckPlace(op.registry, *op.key);
  return CheckText(op.registry, 255, "registry");
}
MaybeRefusal CheckArguments(const Keys& op) {
  if (auto refusal = CheckText(op.registry, 255, "registry")) return refusal;
  if (op.after.has_value() && op.after->size() > 1024) {
    return Refusal{Error::kTooLarge, "after"};
  }
  return std::nullopt;
}
MaybeRefusal CheckArguments(const ListRegistries&) { return std::nullopt; }

MaybeRefusal CheckCommand(const Command& command) {
  const bool outside =
      std::holds_alternative<OpenSession>(command.operation) ||
      std::holds_alternative<ExpireSessions>(command.operation);
  if ((command.session == SessionId(0)) != outside) {
    return Refusal{Error::kInvalid, "session"};
  }
  if ((command.sequence == Sequence(0)) != outside) {
    return Refusal{Error::kInvalid, "sequence"};
  }
  if (command.acknowledged > command.sequence) {
    return Refusal{Error::kInvalid, "acknowledged"};
  }
  return std::visit([](const auto& op) { return CheckArguments(op); },
                    command.operation);
}

}  // namespace

std::optional<CommandReply> RefusedByLimits(const Command& command) {
  const MaybeRefusal refusal = CheckCommand(command);
  if (!refusal.has_value()) return std::nullopt;
  return Refuse(refusal->error, refusal->detail);
}

std::optional<ReadReply> RefusedByLimits(const ReadOperation& operation) {
  const MaybeRefusal refusal =
      std::visit([](const auto& op) { return CheckArguments(op); }, operation);
  if (!refusal.has_value()) return std::nullopt;
  return RefuseRead(refusal->error, refusal->detail, raft::Index(0));
}

// ------------------------------------------------------------------ versions

template <typename T>
const T& Model::Versions<T>::At(raft::Index at) const {
  static const T kBefore{};
  const auto later = std::upper_bound(
      versions_.begin(), versions_.end(), at,
      [](raft::Index index, const auto& v) { return index < v.first; });
  return later == versions_.begin() ? kBefore : std::prev(later)->second;
}

template <typename T>
void Model::Versions<T>::Set(raft::Index index, T value) {
  if (!versions_.empty() && versions_.back().first == index) {
    versions_.back().second = std::move(value);
  } else {
    versions_.emplace_back(index, std::move(value));
  }
}

template <typename T>
bool Model::Versions<T>::Forget(raft::Index index) {
  // The last version at or below `index` is what a read at `index` sees.
  const auto later = std::upper_bound(
      versions_.begin(), versions_.end(), index,
      [](raft::Index i, const auto& v) { return i < v.first; });
  if (later != versions_.begin()) {
    versions_.erase(versions_.begin(), std::prev(later));
  }
  return versions_.size() == 1 && versions_.front().first <= index &&
         versions_.front().second == T();
}

void Model::Forget(raft::Index index) {
  forgotten_ = std::max(forgotten_, index);
  for (auto& [name, registry] : registries_) {
    registry.registrations.Forget(index);
    for (auto it = registry.keys.begin(); it != registry.keys.end();) {
      it = it->second.Forget(index) ? registry.keys.erase(it) : std::next(it);
    }
  }
}

// ------------------------------------------------------------------ commands

CommandReply Model::Apply(raft::Index index, const Command& command) {
  CHECK_LT(applied_, index);
  applied_ = index;
  CommandReply reply;
  if (auto refused = RefusedByLimits(command)) {
    reply = *std::move(refused);
  } else if (command.session == SessionId(0)) {
    reply = Do(index, SessionId(0), command.operation);
  } else {
    reply = ApplyInSession(index, command);
  }
  if (reply.revision == Revision(0)) reply.revision = index;
  return reply;
}

CommandReply Model::ApplyInSession(raft::Index index, const Command& command) {
  const auto found = sessions_.find(command.session);
  if (found == sessions_.end()) return Refuse(Error::kSessionExpired);
  SessionModel& session = found->second;
  const uint64_t n = command.sequence.value();
  if (n < session.mark) return Refuse(Error::kCompacted);

  session.mark = std::max(session.mark, command.acknowledged.value());
  if (n >= kKeptReplies) {
    session.mark = std::max(session.mark, n - (kKeptReplies - 1));
  }
  session.replies.erase(session.replies.begin(),
                        session.replies.lower_bound(session.mark));
  if (const auto kept = session.replies.find(n);
      kept != session.replies.end()) {
    return kept->second;
  }

  CommandReply reply = Do(index, command.session, command.operation);
  if (reply.revision == Revision(0)) reply.revision = index;
  // The end of a session takes its replies with it, this one included.
  if (const auto still = sessions_.find(command.session);
      still != sessions_.end()) {
    still->second.replies.emplace(n, reply);
  }
  return reply;
}

CommandReply Model::Do(raft::Index index, SessionId session,
                       const Operation& operation) {
  return std::visit([&](const auto& op) { return Do(index, session, op); },
                    operation);
}

CommandReply Model::Do(raft::Index index, SessionId, const OpenSession& op) {
  CommandReply reply = Ok();
  if (const auto open = nonces_.find(op.nonce); open != nonces_.end()) {
    reply.session = open->second;
    reply.revision = Revision(open->second.value());
    return reply;
  }
  reply.session = SessionId(index.value());
  nonces_.emplace(op.nonce, reply.session);
  sessions_[reply.session].nonce = op.nonce;
  return reply;
}

CommandReply Model::Do(raft::Index index, SessionId session,
                       const EndSession& op) {
  const SessionId target = op.target == SessionId(0) ? session : op.target;
  if (!sessions_.contains(target)) return Refuse(Error::kNotFound, "session");
  CommandReply reply = Ok();
  reply.removed = RemoveSession(index, target);
  return reply;
}

CommandReply Model::Do(raft::Index index, SessionId, const ExpireSessions& op) {
  CommandReply reply = Ok();
  for (const SessionId session : op.sessions) {
    if (sessions_.contains(session)) {
      reply.removed += RemoveSession(index, session);
    }
  }
  return reply;
}

CommandReply Model::Do(raft::Index index, SessionId, const CreateRegistry& op) {
  const auto found = registries_.find(op.registry);
  CommandReply reply = Ok();
  if (found == registries_.end()) {
    if (registries_.size() >= kRegistries) {
      return Refuse(Error::kNoSpace, "registries");
    }
    RegistryModel& registry = registries_[op.registry];
    registry.kind = op.kind;
    registry.created = index;
  } else if (found->second.kind == op.kind) {
    reply.revision = found->second.created;
  } else {
    return Refuse(Error::kKindMismatch,
                  op.kind == RegistryKind::kUnique ? "duplicate" : "unique");
  }
  return reply;
}

CommandReply Model::Do(raft::Index index, SessionId session,
                       const Register& op) {
  const auto found = registries_.find(op.registry);
  if (found == registries_.end()) return Refuse(Error::kNotFound, "registry");
  RegistryModel& registry = found->second;
  const Pid pid{session, op.process};
  Holders holders = registry.keys[op.key].Latest();
  CommandReply reply = Ok();

  if (registry.kind == RegistryKind::kUnique && !holders.empty()) {
    Registration& holder = holders.front();
    if (holder.pid != pid) {
      reply.error = Error::kAlreadyRegistered;
      reply.current = holder;
      return reply;
    }
    if (holder.value != op.value) {
      holder.value = op.value;
      holder.modified = index;
    }
    reply.current = holder;
  } else {
    if (CountOf(holders, pid) >= kRepeats) {
      return Refuse(Error::kNoSpace, "key");
    }
    reply.current = Registration{pid, op.value, index, index};
    holders.push_back(*reply.current);
  }
  sessions_.at(session).places[op.process].emplace(op.registry, op.key);
  SetHolders(index, &registry, op.registry, op.key, std::move(holders));
  return reply;
}

CommandReply Model::Do(raft::Index index, SessionId session,
                       const Unregister& op) {
  const auto found = registries_.find(op.registry);
  if (found == registries_.end()) return Refuse(Error::kNotFound, "registry");
  RegistryModel& registry = found->second;
  const Pid pid{session, op.process};
  const Holders holders = registry.keys[op.key].Latest();
  if (holders.empty()) return Refuse(Error::kNotFound, "key");

  CommandReply reply = Ok();
  if (op.any_owner) {
    reply.removed = holders.size();
    SetHolders(index, &registry, op.registry, op.key, {});
    return reply;
  }
  reply.removed = CountOf(holders, pid);
  if (reply.removed == 0) {
    if (registry.kind == RegistryKind::kDuplicate) {
      return Refuse(Error::kNotFound, "key");
    }
    reply.error = Error::kNotOwner;
    reply.current = holders.front();
    return reply;
  }
  SetHolders(index, &registry, op.registry, op.key, Without(holders, pid));
  return reply;
}

CommandReply Model::Do(raft::Index index, SessionId session,
                       const UpdateValue& op) {
  const auto found = registries_.find(op.registry);
  if (found == registries_.end()) return Refuse(Error::kNotFound, "registry");
  RegistryModel& registry = found->second;
  if (registry.kind == RegistryKind::kDuplicate) {
    return Refuse(Error::kKindMismatch, "duplicate");
  }
  Holders holders = registry.keys[op.key].Latest();
  if (holders.empty()) return Refuse(Error::kNotFound, "key");
  Registration& holder = holders.front();

  const auto refuse = [&](Error error, std::string detail) {
    CommandReply reply = Refuse(error, std::move(detail));
    reply.current = holder;
    return reply;
  };
  if (holder.pid != Pid{session, op.process} && !op.any_owner) {
    return refuse(Error::kNotOwner, "");
  }
  if (op.expected_modified && *op.expected_modified != holder.modified) {
    return refuse(Error::kConflict, "modified");
  }
  Value next;
  if (const auto* add = std::get_if<AddValue>(&op.change)) {
    const auto* number = std::get_if<int64_t>(&holder.value);
    if (number == nullptr) return refuse(Error::kInvalid, "value");
    int64_t sum = 0;
    if (__builtin_add_overflow(*number, add->amount, &sum)) {
      return refuse(Error::kOutOfRange, "value");
    }
    next = sum;
  } else {
    next = std::get<SetValue>(op.change).value;
  }
  CommandReply reply = Ok();
  reply.previous = holder.value;
  holder.value = std::move(next);
  holder.modified = index;
  reply.current = holder;
  SetHolders(index, &registry, op.registry, op.key, std::move(holders));
  return reply;
}

CommandReply Model::Do(raft::Index index, SessionId session,
                       const EndProcess& op) {
  CommandReply reply = Ok();
  reply.removed = RemoveProcess(index, Pid{session, op.process});
  return reply;
}

void Model::SetHolders(raft::Index index, RegistryModel* registry,
                       const std::string& name, const std::string& key,
                       Holders holders) {
  Versions<Holders>& versions = registry->keys[key];
  const Holders& before = versions.Latest();
  for (const Registration& gone : before) {
    if (CountOf(holders, gone.pid) > 0) continue;
    const auto owner = sessions_.find(gone.pid.session);
    CHECK(owner != sessions_.end());
    owner->second.places[gone.pid.local].erase({name, key});
  }
  registry->registrations.Set(
      index, registry->registrations.Latest() - before.size() + holders.size());
  versions.Set(index, std::move(holders));
}

uint64_t Model::RemoveProcess(raft::Index index, Pid pid) {
  auto& processes = sessions_.at(pid.session).places;
  const auto found = processes.find(pid.local);
  if (found == processes.end()) return 0;
  uint64_t removed = 0;
  const auto places = found->second;  // SetHolders changes the original
  for (const auto& [name, key] : places) {
    RegistryModel& registry = registries_.at(name);
    const Holders holders = registry.keys[key].Latest();
    removed += CountOf(holders, pid);
    SetHolders(index, &registry, name, key, Without(holders, pid));
  }
  processes.erase(pid.local);
  return removed;
}

uint64_t Model::RemoveSession(raft::Index index, SessionId session) {
  uint64_t removed = 0;
  auto& places = sessions_.at(session).places;
  while (!places.empty()) {
    removed += RemoveProcess(index, Pid{session, places.begin()->first});
  }
  nonces_.erase(sessions_.at(session).nonce);
  sessions_.erase(session);
  return removed;
}

// --------------------------------------------------------------------- reads

ReadReply Model::Read(const ReadOperation& operation, raft::Index at) const {
  CHECK_GE(at, forgotten_);
  if (auto refused = RefusedByLimits(operation)) {
    refused->revision = at;
    return *std::move(refused);
  }
  ReadReply reply =
      std::visit([&](const auto& op) { return Answer(op, at); }, operation);
  reply.revision = at;
  return reply;
}

const Model::RegistryModel* Model::FindAt(const std::string& name,
                                          raft::Index at) const {
  const auto found = registries_.find(name);
  if (found == registries_.end() || found->second.created > at) return nullptr;
  return &found->second;
}

ReadReply Model::Answer(const Lookup& op, raft::Index at) const {
  const RegistryModel* registry = FindAt(op.registry, at);
  if (registry == nullptr) {
    return RefuseRead(Error::kNotFound, "registry", at);
  }
  const auto found = registry->keys.find(op.key);
  if (found == registry->keys.end() || found->second.At(at).empty()) {
    return RefuseRead(Error::kNotFound, "key", at);
  }
  ReadReply reply;
  size_t bytes = 0;
  for (const Registration& holder : found->second.At(at)) {
    bytes += 64 + BytesOf(holder.value);
    reply.registrations.push_back(holder);
  }
  if (bytes > kLookupBytes) {
    return RefuseRead(Error::kTooLarge, "registrations", at);
  }
  return reply;
}

ReadReply Model::Answer(const Count& op, raft::Index at) const {
  const RegistryModel* registry = FindAt(op.registry, at);
  if (registry == nullptr) {
    return RefuseRead(Error::kNotFound, "registry", at);
  }
  ReadReply reply;
  if (!op.key.has_value()) {
    reply.count = registry->registrations.At(at);
  } else if (const auto found = registry->keys.find(*op.key);
             found != registry->keys.end()) {
    reply.count = found->second.At(at).size();
  }
  return reply;
}

ReadReply Model::Answer(const Keys& op, raft::Index at) const {
  const RegistryModel* registry = FindAt(op.registry, at);
  if (registry == nullptr) {
    return RefuseRead(Error::kNotFound, "registry", at);
  }
  const size_t limit =
      op.limit == 0 ? kPage : std::min<size_t>(op.limit, kPage);
  ReadReply reply;
  auto it = op.after.has_value() ? registry->keys.upper_bound(*op.after)
                                 : registry->keys.begin();
  for (; it != registry->keys.end(); ++it) {
    const Holders& holders = it->second.At(at);
    const size_t repeats = op.process.has_value()
                               ? CountOf(holders, *op.process)
                               : (holders.empty() ? 0 : 1);
    if (repeats == 0) continue;
    if (!reply.keys.empty() && reply.keys.size() + repeats > limit) {
      reply.more = true;
      break;
    }
    reply.keys.insert(reply.keys.end(), repeats, it->first);
  }
  return reply;
}

ReadReply Model::Answer(const ListRegistries&, raft::Index at) const {
  ReadReply reply;
  for (const auto& [name, registry] : registries_) {
    if (registry.created > at) continue;
    reply.registries.push_back(
        {name, registry.kind, registry.registrations.At(at), registry.created});
  }
  return reply;
}

}  // namespace registry::checker
