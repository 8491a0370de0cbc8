#include "sim/lease_checkers.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "registry/command_codec.h"
#include "sim/checker_text.h"

namespace sim {
namespace {

// The session that the request is a sign of life of; 0 if it is of none.
registry::SessionId SessionOf(const registry::ClientRequest& request) {
  if (const auto* alive =
          std::get_if<registry::KeepAliveRequest>(&request.body)) {
    return alive->session;
  }
  const auto* command = std::get_if<registry::CommandRequest>(&request.body);
  if (command == nullptr) return registry::SessionId(0);
  const std::optional<registry::Command> decoded =
      registry::DecodeCommand(command->command.view());
  return decoded.has_value() ? decoded->session : registry::SessionId(0);
}

bool IsOpen(const registry::ClientRequest& request) {
  const auto* command = std::get_if<registry::CommandRequest>(&request.body);
  if (command == nullptr) return false;
  const std::optional<registry::Command> decoded =
      registry::DecodeCommand(command->command.view());
  return decoded.has_value() &&
         std::holds_alternative<registry::OpenSession>(decoded->operation);
}

std::string Text(registry::SessionId session) {
  return "session " + std::to_string(session.value());
}

}  // namespace

// ------------------------------------------------------------- never early

void LeasePromise::OnRequest(uint32_t node,
                             const registry::ClientReceived& received,
                             Instant now, std::optional<raft::Term> leads_in) {
  const auto* alive =
      std::get_if<registry::KeepAliveRequest>(&received.request.body);
  if (alive == nullptr) return;
  asked_[node][Request(received.connection, received.request.id)] = {
      alive->session, now, leads_in};
}

void LeasePromise::OnReply(uint32_t node, const registry::Reply& reply,
                           std::optional<raft::Term> leads_in,
                           const LeaseEnd& ends, Violations* violations) {
  const auto asked =
      asked_[node].find(Request(reply.connection, reply.response.id));
  if (asked == asked_[node].end()) return;
  const auto [session, arrived, led_in] = asked->second;
  asked_[node].erase(asked);
  const auto* alive =
      std::get_if<registry::KeepAliveReply>(&reply.response.body);
  if (alive == nullptr || alive->error != registry::Error::kOk) return;
  const auto lease = leases_.find(session);
  if (lease == leases_.end()) return;
  if (!leads_in.has_value() || leads_in != led_in) {
    violations->Add(Violation::Kind::kSafety, "lease_promise",
                    NodeName(node) + " answers ok for " + Text(session) +
                        ", but does not lead as when it was asked");
  }
  if (ends.Ending(node, session)) {
    violations->Add(Violation::Kind::kSafety, "lease_promise",
                    NodeName(node) + " answers ok for " + Text(session) +
                        ", whose end it has proposed");
  }
  lease->second.alive_at = std::max(lease->second.alive_at, arrived);
  Check(session, lease->second, violations);
}

void LeasePromise::OnApplied(const registry::Command& command,
                             const registry::CommandReply& reply, Instant now,
                             Instant leader_beyond, Violations* violations) {
  if (const auto* open =
          std::get_if<registry::OpenSession>(&command.operation)) {
    if (reply.error == registry::Error::kOk && open->ttl > raft::Duration(0)) {
      leases_.try_emplace(reply.session, Lease{open->ttl, Instant(), {}, {}});
    }
    return;
  }
  const auto* expire =
      std::get_if<registry::ExpireSessions>(&command.operation);
  if (expire == nullptr) return;
  for (const registry::SessionId session : expire->sessions) {
    const auto lease = leases_.find(session);
    if (lease == leases_.end() || lease->second.expired_at.has_value()) {
      continue;
    }
    lease->second.expired_at = now;
    lease->second.leader_beyond = leader_beyond;
    Check(session, lease->second, violations);
  }
}

void LeasePromise::Check(registry::SessionId session, const Lease& lease,
                         Violations* violations) const {
  if (!lease.expired_at.has_value() || lease.alive_at == Instant()) return;
  const int64_t lasted = *lease.expired_at - lease.alive_at;
  if (lasted >= lease.ttl.value()) return;
  // A sign that arrived after the end is never answered "ok".
  if (lasted >= 0 && lease.leader_beyond >= lease.alive_at) return;
  violations->Add(
      Violation::Kind::kSafety, "lease_promise",
      Text(session) + " expired at " +
          std::to_string(lease.expired_at->value()) + " us, " +
          std::to_string(lasted) +
          " us after the arrival of a keep-alive that was answered ok; its TTL "
          "is " +
          std::to_string(lease.ttl.value()) + " us");
}

// ------------------------------------------------------------- the client's

std::string LeaseBelief::OnStep(const registry::ClientEvent& event,
                                const registry::ClientEffects& effects,
                                raft::Time valid_until) {
  if (const auto* tick = std::get_if<raft::Tick>(&event)) {
    now_ = std::max(now_, tick->now);
  } else if (const auto* received =
                 std::get_if<registry::ResponseReceived>(&event)) {
    const auto sent = sent_.find(received->response.id);
    const auto* alive =
        std::get_if<registry::KeepAliveReply>(&received->response.body);
    if (sent != sent_.end() && alive != nullptr &&
        alive->error == registry::Error::kOk) {
      alive_at_ = std::max(alive_at_.value_or(sent->second), sent->second);
    }
  }
  for (const registry::ClientEffect& effect : effects) {
    if (const auto* send = std::get_if<registry::SendRequest>(&effect)) {
      if (std::holds_alternative<registry::KeepAliveRequest>(
              send->request.body)) {
        sent_[send->request.id] = now_;
      } else if (IsOpen(send->request) && !first_open_.has_value()) {
        first_open_ = now_;
      }
    } else if (std::holds_alternative<registry::SessionOpened>(effect)) {
      alive_at_ = std::exchange(first_open_, std::nullopt);
    }
  }
  if (ttl_ == raft::Duration(0) || valid_until == raft::Time()) return "";
  if (!alive_at_.has_value()) return "believes in a session that never was";
  const raft::Time until =
      *alive_at_ + raft::Duration(ttl_.value() - ttl_.value() / 20);
  if (valid_until <= until) return "";
  return "believes in its session for " +
         std::to_string((valid_until - until).value()) +
         " us longer than a TTL after its last sign of life that was answered";
}

// ------------------------------------------------------------- not for ever

void LeaseEnd::OnTick(uint32_t node, raft::Time now) {
  views_[node].now = std::max(views_[node].now, now);
}

void LeaseEnd::OnRequest(uint32_t node,
                         const registry::ClientReceived& received) {
  View& view = views_[node];
  const auto lease = view.leases.find(SessionOf(received.request));
  if (lease != view.leases.end()) lease->second.heard = view.now;
}

void LeaseEnd::OnSessionChange(uint32_t node,
                               const registry::SessionChange& change) {
  View& view = views_[node];
  if (!change.opened) {
    view.leases.erase(change.session);
    return;
  }
  if (change.ttl == raft::Duration(0)) return;
  const int64_t length = change.ttl.value() + change.ttl.value() / 8;
  view.leases[change.session] = {raft::Duration(length), view.now};
  view.look_at = view.now;
}

void LeaseEnd::OnProposed(uint32_t node,
                          const registry::ExpireSessions& expire) {
  View& view = views_[node];
  for (const registry::SessionId session : expire.sessions) {
    const auto lease = view.leases.find(session);
    if (lease != view.leases.end()) lease->second.ending = true;
  }
}

bool LeaseEnd::Ending(uint32_t node, registry::SessionId session) const {
  const View& view = views_[node];
  const auto lease = view.leases.find(session);
  return view.leads_in.has_value() && lease != view.leases.end() &&
         lease->second.ending;
}

void LeaseEnd::OnTurnEnd(uint32_t node, const Turn& turn,
                         Violations* violations) {
  View& view = views_[node];
  const bool anew = turn.leads_in != view.leads_in;
  view.leads_in = turn.leads_in;
  if (!turn.leads_in.has_value()) return;
  if (anew) {
    view.since = view.look_at = view.now;
    for (auto& [session, lease] : view.leases) {
      lease.ending = false;
      lease.retry_at = raft::Time();
      lease.turns_late = 0;
    }
  }
  if (view.now < view.look_at) return;
  view.look_at = raft::Time::Never();
  for (auto& [session, lease] : view.leases) {
    if (lease.ending) continue;
    const raft::Time due = std::max(
        std::max(lease.heard, view.since) + lease.length, lease.retry_at);
    view.look_at = std::min(view.look_at, due);
    if (due > view.now) {
      lease.turns_late = 0;
      continue;
    }
    if (turn.log_was_shut) {
      lease.retry_at = view.now + registry::kExpiryRetry;
      continue;
    }
    // Every lease that was there when this one fell due may come first, each
    // once. Those that ended since took their look as well: with two looks a
    // turn and ten leases, four of them may be gone when the fifth turn looks
    // at the last one.
    if (lease.turns_late++ == 0) lease.due_with = view.leases.size();
    if (lease.turns_late * turn.looks_max < lease.due_with) continue;
    violations->Add(Violation::Kind::kSafety, "lease_end",
                    NodeName(node) + " leads and lets " + Text(session) +
                        " live on " + std::to_string((view.now - due).value()) +
                        " us after its lease ran out");
  }
}

}  // namespace sim
