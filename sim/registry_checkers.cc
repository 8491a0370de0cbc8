#include "sim/registry_checkers.h"

#include <utility>
#include <variant>

#include "raft/digest.h"
#include "sim/checker_text.h"

namespace sim {

using raft::Describe;
using raft::Index;

registry::CommandReply StateAgreement::Apply(const raft::Entry& entry) {
  registry::CommandReply reply;
  if (entry.kind == raft::EntryKind::kCommand) {
    reply = state_.Apply(entry.index, entry.payload.view());
  } else {
    state_.ApplyNoop(entry.index);
  }
  for (const registry::SessionChange& change : state_.TakeSessionChanges()) {
    changes_.push_back({entry.index, change});
  }
  digests_.push_back(state_.digest());
  return reply;
}

void StateAgreement::OnApplied(uint32_t node, Index applied,
                               const registry::StateDigest& digest,
                               Violations* violations) const {
  if (applied == Index(0)) return;
  if (applied > Index(digests_.size())) {
    return violations->Add(Violation::Kind::kSafety, "state_agreement",
                           NodeName(node) + " has applied " + Text(applied) +
                               ", committed is only " +
                               std::to_string(digests_.size()));
  }
  const registry::StateDigest& expected = digests_[applied.value() - 1];
  if (expected == digest) return;
  violations->Add(Violation::Kind::kSafety, "state_agreement",
                  NodeName(node) + " has state " + Describe(digest) +
                      " at index " + Text(applied) + ", the log gives " +
                      Describe(expected));
}

void UniqueOwner::Drop(registry::SessionId session, const uint64_t* process) {
  for (auto at = owners_.begin(); at != owners_.end();) {
    const registry::Pid& owner = at->second;
    const bool dropped = owner.session == session &&
                         (process == nullptr || owner.local == *process);
    at = dropped ? owners_.erase(at) : std::next(at);
  }
}

void UniqueOwner::OnApplied(Index index, const registry::Command& command,
                            const registry::CommandReply& reply,
                            Violations* violations) {
  if (reply.error != registry::Error::kOk) return;
  const registry::Operation& operation = command.operation;
  if (const auto* op = std::get_if<registry::CreateRegistry>(&operation)) {
    kinds_.try_emplace(op->registry, op->kind);
  } else if (const auto* op = std::get_if<registry::Register>(&operation)) {
    const auto kind = kinds_.find(op->registry);
    if (kind != kinds_.end() &&
        kind->second == registry::RegistryKind::kDuplicate) {
      return;
    }
    const registry::Pid pid{command.session, op->process};
    const auto [at, is_new] =
        owners_.try_emplace(Name(op->registry, op->key), pid);
    if (is_new || at->second == pid) return;
    violations->Add(Violation::Kind::kSafety, "unique_owner",
                    "index " + Text(index) + " gives " + op->registry + "/" +
                        op->key + " to " + Describe(pid) + " while " +
                        Describe(at->second) + " holds it");
  } else if (const auto* op = std::get_if<registry::Unregister>(&operation)) {
    owners_.erase(Name(op->registry, op->key));
  } else if (const auto* op = std::get_if<registry::EndProcess>(&operation)) {
    Drop(command.session, &op->process);
  } else if (const auto* op = std::get_if<registry::EndSession>(&operation)) {
    Drop(op->target.value() != 0 ? op->target : command.session, nullptr);
  } else if (const auto* op =
                 std::get_if<registry::ExpireSessions>(&operation)) {
    for (const registry::SessionId session : op->sessions) {
      Drop(session, nullptr);
    }
  }
}

void NoGhosts::EndProcess(Index index, registry::Pid pid,
                          const registry::StateMachine& state,
                          Violations* violations) {
  const auto held = held_.find(pid);
  if (held == held_.end()) return;
  for (const auto& [registry, key] : held->second) {
    const registry::ReadReply left =
        state.Read(registry::Lookup{registry, key});
    for (const registry::Registration& registration : left.registrations) {
      if (registration.pid != pid) continue;
      violations->Add(Violation::Kind::kSafety, "no_ghosts",
                      "index " + Text(index) + " ends " + Describe(pid) +
                          ", which still holds " + registry + "/" + key);
    }
  }
  held_.erase(held);
}

void NoGhosts::EndSession(Index index, registry::SessionId session,
                          const registry::StateMachine& state,
                          Violations* violations) {
  ended_.insert(session);
  auto at = held_.lower_bound(registry::Pid{session, 0});
  while (at != held_.end() && at->first.session == session) {
    const registry::Pid pid = (at++)->first;
    EndProcess(index, pid, state, violations);
  }
  if (!state.HasSession(session)) return;
  violations->Add(Violation::Kind::kSafety, "no_ghosts",
                  "session " + std::to_string(session.value()) +
                      " is open after index " + Text(index) + " ended it");
}

void NoGhosts::OnApplied(Index index, const registry::Command& command,
                         const registry::CommandReply& reply,
                         const registry::StateMachine& state,
                         Violations* violations) {
  if (reply.error != registry::Error::kOk) return;
  const registry::Operation& operation = command.operation;
  if (command.session.value() != 0 && ended_.contains(command.session)) {
    violations->Add(Violation::Kind::kSafety, "no_ghosts",
                    "index " + Text(index) + " does " + Describe(command) +
                        " after the end of its session");
  }
  if (const auto* op = std::get_if<registry::Register>(&operation)) {
    held_[{command.session, op->process}].insert({op->registry, op->key});
  } else if (const auto* op = std::get_if<registry::EndProcess>(&operation)) {
    EndProcess(index, {command.session, op->process}, state, violations);
  } else if (const auto* op = std::get_if<registry::EndSession>(&operation)) {
    EndSession(index, op->target.value() != 0 ? op->target : command.session,
               state, violations);
  } else if (const auto* op =
                 std::get_if<registry::ExpireSessions>(&operation)) {
    for (const registry::SessionId session : op->sessions) {
      EndSession(index, session, state, violations);
    }
  }
}

bool ExactlyOnce::OnApplied(Index index, const registry::Command& command,
                            const registry::CommandReply& reply,
                            Violations* violations) {
  if (command.session.value() == 0) return true;
  if (reply.error == registry::Error::kSessionExpired ||
      reply.error == registry::Error::kCompacted) {
    return true;  // nothing was done, as the answer says
  }
  const auto [at, is_new] =
      first_.try_emplace(Name(command.session, command.sequence), reply);
  if (is_new) return true;
  ++repeated_;
  if (at->second == reply) return false;
  violations->Add(Violation::Kind::kSafety, "exactly_once",
                  "index " + Text(index) + " repeats " + Describe(command) +
                      " and is answered " + Describe(reply) + ", first " +
                      Describe(at->second));
  return false;
}

}  // namespace sim
