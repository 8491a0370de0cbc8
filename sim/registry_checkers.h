// The rules of the replicated state: sessions, commands, owners. Each is a
// class of plain values, fed with the committed commands and their answers, in
// order.
#ifndef SIM_REGISTRY_CHECKERS_H_
#define SIM_REGISTRY_CHECKERS_H_

#include <cstdint>
#include <map>
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
  void OnApplied(uint32_t node, raft::Index applied,
                 const registry::StateDigest& digest,
                 Violations* violations) const;
  const registry::StateMachine& state() const { return state_; }

 private:
  registry::StateMachine state_;
  std::vector<registry::StateDigest> digests_;  // by index, from 1
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
