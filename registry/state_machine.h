// StateMachine: the replicated state of all registries and sessions. Apply
// looks at its arguments and nothing else (architecture decision 6): no clock,
// no liveness question, no node identity. Copyable, deeply.
#ifndef REGISTRY_STATE_MACHINE_H_
#define REGISTRY_STATE_MACHINE_H_

#include "registry/command.h"

namespace registry {

// An order-independent 128-bit sum of entry hashes over the whole state,
// maintained incrementally: equal states have equal digests, whatever way they
// were built.
struct StateDigest {
  uint64_t high = 0;
  uint64_t low = 0;
  bool operator==(const StateDigest&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("high", high), f("low", low);
  }
};

// To be completed by its author with exactly this public API (Node and the
// simulator are written against it):
//
//   class StateMachine {
//    public:
//     // Applies the command entry at `index` (entries come in order, no-ops
//     // included through ApplyNoop). An undecodable payload answers kInvalid
//     // and changes nothing, on every replica alike (no poison entries).
//     CommandReply Apply(raft::Index index, std::string_view payload);
//     CommandReply Apply(raft::Index index, const Command& command);
//     void ApplyNoop(raft::Index index);
//     ReadReply Read(const ReadOperation& operation) const;
//     raft::Index applied() const;
//     StateDigest digest() const;
//     bool HasSession(SessionId session) const;
//     // Leased sessions (ttl > 0), in id order, for the leader's expiry:
//     // calls f(SessionId, raft::Duration ttl).
//     template <typename F> void ForEachLeasedSession(F&& f) const;
//     uint64_t session_count() const; uint64_t registration_count() const;
//     // Sessions opened and ended by the entries since the last call, so that
//     // the node need not scan: bounded by what was applied in between.
//     ...as Node needs: std::vector<SessionChange> TakeSessionChanges();
//   };
struct SessionChange {
  SessionId session;
  raft::Duration ttl;   // of an opened leased or permanent session
  bool opened = false;  // false: ended or expired
};

}  // namespace registry

#endif  // REGISTRY_STATE_MACHINE_H_
