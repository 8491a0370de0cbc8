// The rules of the replicated state: sessions, commands, owners. Each is a
// class of plain values, fed with the committed commands and their answers, in
// order.
#ifndef SIM_REGISTRY_CHECKERS_H_
#define SIM_REGISTRY_CHECKERS_H_

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "raft/message.h"
#include "raft/types.h"
#include "registry/command.h"
#include "registry/state_digest.h"
#include "registry/state_machine.h"
#include "sim/violation.h"

namespace sim {

// Equal state at equal index, against a state machine of the checker's own that
// applies the committed log.
class StateAgreement {
 public:
  // Entries in order of index.
  registry::CommandReply Apply(const raft::Entry& entry);
  // Sessions that the entries after `after` up to `through` opened and ended.
  // Calls f(const registry::SessionChange&).
  template <typename F>
  void ForEachSessionChange(raft::Index after, raft::Index through,
                            F&& f) const {
    auto change = std::upper_bound(
        changes_.begin(), changes_.end(), after,
        [](raft::Index index, const auto& at) { return index < at.first; });
    for (; change != changes_.end() && change->first <= through; ++change) {
      f(change->second);
    }
  }
  void OnApplied(uint32_t node, raft::Index applied,
                 const registry::StateDigest& digest,
                 Violations* violations) const;
  const registry::StateMachine& state() const { return state_; }

 private:
  registry::StateMachine state_;
  std::vector<registry::StateDigest> digests_;  // by index, from 1
  std::vector<std::pair<raft::Index, registry::SessionChange>> changes_;
};

// A key of a unique registry has one owner at a time, and nobody gets it before
// the last owner has given it up or was ended. Judged by the answers.
class UniqueOwner {
 public:
  void OnApplied(raft::Index index, const registry::Command& command,
                 const registry::CommandReply& reply, Violations* violations);

 private:
  using Name = std::pair<std::string, std::string>;  // registry, key
  void Drop(registry::SessionId session, const uint64_t* process);

  std::map<std::string, registry::RegistryKind> kinds_;
  std::map<Name, registry::Pid> owners_;
};

// Nobody holds anything after its end (M61): the entry that ends a process or a
// session takes every name from it, at its own index; and who was ended gets
// nothing any more. What was held is known from the answers; `state` is asked
// what is left.
class NoGhosts {
 public:
  void OnApplied(raft::Index index, const registry::Command& command,
                 const registry::CommandReply& reply,
                 const registry::StateMachine& state, Violations* violations);

 private:
  using Name = std::pair<std::string, std::string>;  // registry, key
  void EndProcess(raft::Index index, registry::Pid pid,
                  const registry::StateMachine& state, Violations* violations);
  void EndSession(raft::Index index, registry::SessionId session,
                  const registry::StateMachine& state, Violations* violations);

  std::map<registry::Pid, std::set<Name>> held_;
  std::set<registry::SessionId> ended_;
};

// Every command takes effect once: one (session, sequence), one answer; a
// repetition is answered as the first, or not any more.
class ExactlyOnce {
 public:
  // True if the command is the first of its name.
  bool OnApplied(raft::Index index, const registry::Command& command,
                 const registry::CommandReply& reply, Violations* violations);
  uint64_t repeated() const { return repeated_; }

 private:
  using Name = std::pair<registry::SessionId, registry::Sequence>;
  std::map<Name, registry::CommandReply> first_;
  uint64_t repeated_ = 0;
};

}  // namespace sim

#endif  // SIM_REGISTRY_CHECKERS_H_
