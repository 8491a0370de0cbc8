#include "registry/leases.h"

#include <algorithm>

#include "raft/check.h"

namespace registry {
namespace {

// A lease runs an eighth longer here than it is called: with clocks that are
// off by 5 % each way, a leader's fast clock must not end a lease before its
// holder's slow clock does (1.05 / 0.95 < 1.125).
raft::Duration WithMargin(raft::Duration ttl) {
  return raft::Duration(ttl.value() + ttl.value() / 8);
}

}  // namespace

void Leases::Add(SessionId session, raft::Duration ttl, raft::Time now) {
  CHECK_GT(ttl, raft::Duration(0));
  const raft::Duration length = WithMargin(ttl);
  const raft::Time check = now + length;
  const bool added =
      leases_.emplace(session.value(), Lease{length, now, check, 0}).second;
  CHECK(added);
  checks_.emplace(check, session);
}

void Leases::Remove(SessionId session) {
  const auto lease = leases_.find(session.value());
  if (lease == leases_.end()) return;
  checks_.erase({lease->second.check, session});
  leases_.erase(lease);
}

void Leases::Heard(SessionId session, raft::Time now) {
  const auto lease = leases_.find(session.value());
  if (lease != leases_.end()) lease->second.heard = now;
}

void Leases::StartLeading(raft::Time now) {
  leading_ = true;
  ++leadership_;
  floor_ = now;
}

void Leases::StopLeading() { leading_ = false; }

bool Leases::expiring(SessionId session) const {
  if (!leading_) return false;
  const auto lease = leases_.find(session.value());
  return lease != leases_.end() && lease->second.expiring_in == leadership_;
}

void Leases::MoveCheck(SessionId session, Lease* lease, raft::Time to) {
  checks_.erase({lease->check, session});
  lease->check = to;
  checks_.emplace(to, session);
}

std::vector<SessionId> Leases::TakeExpired(raft::Time now) {
  std::vector<SessionId> expired;
  if (!leading_) return expired;
  for (size_t looked = 0; looked < per_check_; ++looked) {
    if (checks_.empty() || checks_.begin()->first > now) break;
    const SessionId session = checks_.begin()->second;
    Lease& lease = leases_.find(session.value())->second;
    const raft::Time deadline = std::max(lease.heard, floor_) + lease.length;
    if (deadline > now) {
      MoveCheck(session, &lease, deadline);
      continue;
    }
    if (lease.expiring_in != leadership_) {
      lease.expiring_in = leadership_;
      expired.push_back(session);
    }
    // Applying the entry removes the lease. If it is lost with our leadership,
    // a later leadership of ours finds it here.
    MoveCheck(session, &lease, now + lease.length);
  }
  return expired;
}

void Leases::ExpiryRefused(const std::vector<SessionId>& sessions,
                           raft::Time now) {
  for (const SessionId session : sessions) {
    const auto lease = leases_.find(session.value());
    if (lease == leases_.end()) continue;
    lease->second.expiring_in = 0;
    MoveCheck(session, &lease->second, now + kExpiryRetry);
  }
}

raft::Time Leases::NextDeadline() const {
  if (!leading_ || checks_.empty()) return raft::Time::Never();
  return checks_.begin()->first;
}

}  // namespace registry
