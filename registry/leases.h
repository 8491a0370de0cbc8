// Leases: the leader's memory of when it last heard of each leased session.
// Not replicated: what ends a session is an ExpireSessions entry, which the
// leader proposes (architecture decision 6: liveness is written into the log,
// never asked while applying).
//
// First form: a new leader knows of nobody's silence and gives every lease its
// full length again, through one floor value. So a lease ends never early, and
// at the latest its length after the last leader change.
#ifndef REGISTRY_LEASES_H_
#define REGISTRY_LEASES_H_

#include <cstddef>
#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "raft/types.h"
#include "registry/command.h"

namespace registry {

// Leases looked at in one call of TakeExpired, at most, so that a leader that
// takes over a million of them does not stop for it.
inline constexpr size_t kLeasesPerCheckMax = 1000;
inline constexpr raft::Duration kExpiryRetry = raft::Millis(100);

// Copyable, deeply. Every leased session of the replicated state is here, on
// followers too, so that becoming the leader costs nothing.
class Leases {
 public:
  explicit Leases(size_t per_check = kLeasesPerCheckMax)
      : per_check_(per_check) {}

  // The session opened (its entry was applied) or ended. A permanent session
  // (ttl 0) has no lease and must not be added.
  void Add(SessionId session, raft::Duration ttl, raft::Time now);
  void Remove(SessionId session);

  // Something of the session arrived at this leader. The arrival is the safe
  // moment to count from: the client counts its TTL from sending, which is
  // earlier, and a renewal that turns out not to be confirmed has only kept
  // this leader patient for longer. Ignored for a session that has no lease.
  void Heard(SessionId session, raft::Time now);

  // This node leads and may expire from now on; no lease counts as older.
  void StartLeading(raft::Time now);
  // Forgets everything that only a leader knows.
  void StopLeading();

  // Whether an expiry of the session was proposed and not resolved.
  bool expiring(SessionId session) const;

  // Sessions whose lease ran out, at most as many as are looked at; each once
  // per leadership. Empty unless leading.
  std::vector<SessionId> TakeExpired(raft::Time now);
  // The expiry of these did not enter the log: they are tried again.
  void ExpiryRefused(const std::vector<SessionId>& sessions, raft::Time now);

  // When TakeExpired should be called next; Never() unless leading.
  raft::Time NextDeadline() const;

  size_t size() const { return leases_.size(); }

 private:
  struct Lease {
    raft::Duration length;  // ttl and the margin for clock rates
    raft::Time heard;
    raft::Time check;          // its place in checks_
    uint64_t expiring_in = 0;  // the leadership_ that proposed its expiry; or 0
  };

  void MoveCheck(SessionId session, Lease* lease, raft::Time to);

  // Looked up only, never iterated: hash order must not reach an output.
  absl::flat_hash_map<uint64_t, Lease> leases_;
  // Each lease once, by the time to look at it next, at or before its deadline.
  // Hearing of a session does not move it: the look finds out, once a TTL.
  std::set<std::pair<raft::Time, SessionId>> checks_;
  size_t per_check_;
  raft::Time floor_;
  uint64_t leadership_ = 0;  // counts StartLeading
  bool leading_ = false;
};

}  // namespace registry

#endif  // REGISTRY_LEASES_H_
