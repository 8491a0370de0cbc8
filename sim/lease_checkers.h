// The two bounds of a lease (registry/leases.h, first form): its session is
// never ended early, and a leader does not keep it longer than it says.
#ifndef SIM_LEASE_CHECKERS_H_
#define SIM_LEASE_CHECKERS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "raft/types.h"
#include "registry/client.h"
#include "registry/command.h"
#include "registry/leases.h"
#include "registry/node_io.h"
#include "registry/state_machine.h"
#include "sim/scheduler.h"
#include "sim/violation.h"

namespace sim {

// Not for ever: at the end of its turn a leader has proposed the end of every
// session of which it has heard nothing for 9/8 of a TTL (the margin for clock
// rates), by its own clock, counted anew from the begin of each leadership. It
// may need several turns for more leases than it looks at in one, and be late
// by kExpiryRetry if its log took no more.
class LeaseEnd {
 public:
  explicit LeaseEnd(uint32_t nodes) : views_(nodes) {}

  void OnBoot(uint32_t node) { views_[node] = View{}; }
  void OnTick(uint32_t node, raft::Time now);
  void OnRequest(uint32_t node, const registry::ClientReceived& received);
  // The node applied the entry that opened or ended a session.
  void OnSessionChange(uint32_t node, const registry::SessionChange& change);
  // It proposed the end of these.
  void OnProposed(uint32_t node, const registry::ExpireSessions& expire);
  // Whether the node, as the leader that it is, has proposed the session's end.
  bool Ending(uint32_t node, registry::SessionId session) const;
  struct Turn {
    // The term in which it leads and has committed an entry.
    std::optional<raft::Term> leads_in;
    size_t looks_max = registry::kLeasesPerCheckMax;
    bool log_was_shut = false;  // it proposed ends, and was refused
  };
  void OnTurnEnd(uint32_t node, const Turn& turn, Violations* violations);

 private:
  struct Lease {
    raft::Duration length;
    raft::Time heard;
    bool ending = false;  // proposed in this leadership
    raft::Time retry_at;  // not before, after a refusal
    size_t turns_late = 0;
    size_t due_with = 0;  // leases there were in the first of those turns
  };
  struct View {
    std::optional<raft::Term> leads_in;
    raft::Time now;
    raft::Time since;    // it leads
    raft::Time look_at;  // no lease is due before
    std::map<registry::SessionId, Lease> leases;
  };
  std::vector<View> views_;
};

// Never early (M58, M64): whose sign of life was answered "ok" may count on its
// session for a TTL of true time after the sign arrived, whoever leads by then
// and however late the answer is. Judged by what was answered and what was
// committed; a clock of a node counts only if it was beyond the declared error:
// its leader may end sooner what was renewed before. And since a leader counts
// leases from when it began to lead, only the leadership that heard the sign
// may answer it, and not while an entry that ends the session is under way.
class LeasePromise {
 public:
  explicit LeasePromise(uint32_t nodes) : asked_(nodes) {}

  // The process of the node has ended: it answers nothing any more.
  void OnBoot(uint32_t node) { asked_[node].clear(); }
  void OnRequest(uint32_t node, const registry::ClientReceived& received,
                 Instant now, std::optional<raft::Term> leads_in);
  // `ends` knows what the node has proposed.
  void OnReply(uint32_t node, const registry::Reply& reply,
               std::optional<raft::Term> leads_in, const LeaseEnd& ends,
               Violations* violations);
  // Committed, for the first time anywhere. `leader_beyond`: of the leader that
  // proposed it, see LeaderClocks.
  void OnApplied(const registry::Command& command,
                 const registry::CommandReply& reply, Instant now,
                 Instant leader_beyond, Violations* violations);

 private:
  using Request = std::pair<registry::ConnectionId, uint64_t>;
  struct Asked {
    registry::SessionId session;
    Instant arrived;
    std::optional<raft::Term> led_in;
  };
  struct Lease {
    raft::Duration ttl;
    Instant alive_at;  // arrival of the newest sign that was answered "ok"
    std::optional<Instant> expired_at;
    Instant leader_beyond;  // of who ended it
  };
  void Check(registry::SessionId session, const Lease& lease,
             Violations* violations) const;

  std::vector<std::map<Request, Asked>> asked_;  // by node
  std::map<registry::SessionId, Lease> leases_;
};

// What a client may believe (registry/client.h): until a TTL, less a twentieth
// for clock rates, after it *sent* the last sign of life that was answered; an
// answer that took long proves nothing about the time since it left. One life
// of a client, by its own clock.
class LeaseBelief {
 public:
  explicit LeaseBelief(raft::Duration ttl = raft::Duration(0)) : ttl_(ttl) {}

  // After every step: what it believes then. Empty, or why it may not.
  std::string OnStep(const registry::ClientEvent& event,
                     const registry::ClientEffects& effects,
                     raft::Time valid_until);

 private:
  raft::Duration ttl_;
  raft::Time now_;
  // By number of the request. To open a session may take several attempts, any
  // of which may be the one that did: all count from the first.
  std::map<uint64_t, raft::Time> sent_;
  std::optional<raft::Time> first_open_;
  std::optional<raft::Time> alive_at_;  // sent then, and answered
};

}  // namespace sim

#endif  // SIM_LEASE_CHECKERS_H_
