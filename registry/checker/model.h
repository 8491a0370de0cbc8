// Model: what the registry should do, written from API.md and from nothing
// else. It shares no code with the state machine, and is built another way on
// purpose: every fact keeps all its versions, so that the model can be read at
// any index of the past. That is what judging needs: a follower may answer at
// an index that others have long passed.
#ifndef REGISTRY_CHECKER_MODEL_H_
#define REGISTRY_CHECKER_MODEL_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "registry/command.h"

namespace registry::checker {

// Copyable, deeply. Commands cost O(log n) in what is stored, plus what they
// touch; so do Lookup and Count. Keys walks the keys of its registry.
class Model {
 public:
  // Applies the command of the entry at `index`, higher than any before, and
  // returns what must be answered. Indexes may be left out (entries that carry
  // no command).
  CommandReply Apply(raft::Index index, const Command& command);

  // What a read that reflects the entries up to `at` must answer. Requires
  // at >= forgotten().
  ReadReply Read(const ReadOperation& operation, raft::Index at) const;

  // The index of the last command.
  raft::Index applied() const { return applied_; }
  bool HasSession(SessionId session) const {
    return sessions_.contains(session);
  }

  // Drops versions that only reads below `index` could see.
  void Forget(raft::Index index);
  raft::Index forgotten() const { return forgotten_; }

 private:
  // A fact with its history: the value from each index on, ascending.
  template <typename T>
  class Versions {
   public:
    // The value as of `at`, or `T()` before the first.
    const T& At(raft::Index at) const;
    const T& Latest() const { return At(raft::Index(UINT64_MAX)); }
    void Set(raft::Index index, T value);
    // Returns whether nothing but a T() that stands since before is left.
    bool Forget(raft::Index index);

   private:
    std::vector<std::pair<raft::Index, T>> versions_;
  };

  using Holders = std::vector<Registration>;  // in order of revision
  struct RegistryModel {
    RegistryKind kind = RegistryKind::kUnique;
    raft::Index created;
    std::map<std::string, Versions<Holders>> keys;
    Versions<uint64_t> registrations;
  };
  struct SessionModel {
    std::string nonce;
    uint64_t mark = 0;  // low water
    std::map<uint64_t, CommandReply> replies;
    // Where each process of it may hold something.
    std::map<uint64_t, std::set<std::pair<std::string, std::string>>> places;
  };

  CommandReply ApplyInSession(raft::Index index, const Command& command);
  CommandReply Do(raft::Index index, SessionId session,
                  const Operation& operation);
  CommandReply Do(raft::Index index, SessionId, const OpenSession& op);
  CommandReply Do(raft::Index index, SessionId session, const EndSession& op);
  CommandReply Do(raft::Index index, SessionId, const ExpireSessions& op);
  CommandReply Do(raft::Index index, SessionId, const CreateRegistry& op);
  CommandReply Do(raft::Index index, SessionId session, const Register& op);
  CommandReply Do(raft::Index index, SessionId session, const Unregister& op);
  CommandReply Do(raft::Index index, SessionId session, const UpdateValue& op);
  CommandReply Do(raft::Index index, SessionId session, const EndProcess& op);

  void SetHolders(raft::Index index, RegistryModel* registry,
                  const std::string& name, const std::string& key,
                  Holders holders);
  uint64_t RemoveProcess(raft::Index index, Pid pid);
  uint64_t RemoveSession(raft::Index index, SessionId session);

  ReadReply Answer(const Lookup& op, raft::Index at) const;
  ReadReply Answer(const Count& op, raft::Index at) const;
  ReadReply Answer(const Keys& op, raft::Index at) const;
  ReadReply Answer(const ListRegistries& op, raft::Index at) const;
  // The registry if it stood at `at`.
  const RegistryModel* FindAt(const std::string& name, raft::Index at) const;

  raft::Index applied_;
  raft::Index forgotten_;
  std::map<SessionId, SessionModel> sessions_;
  std::map<std::string, SessionId> nonces_;
  std::map<std::string, RegistryModel> registries_;
};

// The limits of API.md for a command (those checked when it is applied): the
// reply that refuses it, without a revision, or nullopt.
std::optional<CommandReply> RefusedByLimits(const Command& command);
// The same for reads.
std::optional<ReadReply> RefusedByLimits(const ReadOperation& operation);

}  // namespace registry::checker

#endif  // REGISTRY_CHECKER_MODEL_H_
