// The life of a client's session: opened under a nonce, kept alive, ended or
// lost (architecture, "Leases and sessions, precisely").
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "raft/check.h"
#include "registry/client.h"
#include "registry/command_codec.h"

namespace registry {

raft::Time Client::session_valid_until() const {
  if (session_.phase != SessionPhase::kOpen) return raft::Time();
  if (!Leased()) return raft::Time::Never();
  // A twentieth is left to the leader's clock, which may be faster by the
  // declared error of 5 %.
  const int64_t ttl = options_.session_ttl.value();
  return session_.lease_start + raft::Duration(ttl - ttl / 20);
}

Sequence Client::low_water() const {
  return session_.unanswered.empty() ? session_.next_sequence
                                     : *session_.unanswered.begin();
}

bool Client::WindowOpen() const {
  return session_.phase == SessionPhase::kOpen &&
         session_.next_sequence - low_water() < kReplyWindow - 1;
}

raft::Duration Client::KeepAliveInterval() const {
  return raft::Duration(std::max<int64_t>(options_.session_ttl.value() / 3, 1));
}

raft::Time Client::KeepAliveDue() const {
  const LaneState& lane = lanes_[0];
  if (session_.phase != SessionPhase::kOpen || !Leased() ||
      session_.keep_alive_outstanding || !lane.route.Ready(now_) ||
      lane.leave.has_value()) {
    return raft::Time::Never();  // or something else comes first
  }
  return session_.keep_alive_due;
}

// A repeated nonce of a live session gives that session, so opening is retried
// freely under one nonce; a session after it needs another.
std::string Client::Nonce() const {
  if (session_.generation == 0) return options_.nonce;
  std::string nonce =
      options_.nonce + "~" + std::to_string(session_.generation);
  CHECK_LE(nonce.size(), kNonceBytesMax);
  return nonce;
}

void Client::PumpSession(ClientEffects* effects) {
  if (session_.phase == SessionPhase::kWanted) {
    const Command open{.operation = OpenSession{Nonce(), options_.session_ttl}};
    if (!session_.first_open_sent.has_value()) session_.first_open_sent = now_;
    session_.phase = SessionPhase::kOpening;
    Emit(&command_lane(), OpenAttempt{},
         CommandRequest{raft::Bytes(EncodeCommand(open))}, effects);
  } else if (KeepAliveDue() <= now_) {
    session_.keep_alive_outstanding = true;
    Emit(&command_lane(), KeepAliveAttempt{session_.id},
         KeepAliveRequest{session_.id}, effects);
  }
}

void Client::OnOpenResponse(const ClientResponse& response,
                            ClientEffects* effects) {
  CHECK(session_.phase == SessionPhase::kOpening);
  const auto* reply = std::get_if<CommandReply>(&response.body);
  if (reply != nullptr && reply->error == Error::kOk &&
      reply->session != SessionId()) {
    session_.phase = SessionPhase::kOpen;
    session_.id = reply->session;
    // Not from the attempt that was answered: an earlier one may have opened
    // the session.
    session_.lease_start = *session_.first_open_sent;
    session_.keep_alive_due = session_.lease_start + KeepAliveInterval();
    effects->push_back(SessionOpened{session_.id});
    return;
  }
  const Error error = ErrorOf(response.body);
  const auto* failure = std::get_if<Failure>(&response.body);
  const bool again = failure != nullptr && (error == Error::kNotLeader ||
                                            error == Error::kUnavailable ||
                                            error == Error::kOutcomeUnknown);
  if (again) {
    session_.phase = SessionPhase::kWanted;
    return;
  }
  std::string detail = "the cluster opened no session";
  const std::string& why = failure != nullptr ? failure->detail
                           : reply != nullptr ? reply->detail
                                              : std::string();
  if (!why.empty()) detail += ": " + why;
  LeaveSession({error == Error::kOk ? Error::kInvalid : error, detail},
               /*open_another=*/false, effects);
}

void Client::OnKeepAliveResponse(const KeepAliveAttempt& attempt,
                                 raft::Time sent,
                                 const ClientResponse& response,
                                 ClientEffects* effects) {
  if (attempt.session != session_.id) return;
  session_.keep_alive_outstanding = false;
  const Error error = ErrorOf(response.body);
  const bool failed = std::holds_alternative<Failure>(response.body);
  if (error == Error::kSessionExpired) {
    OnSessionExpired(attempt.session, effects);
  } else if (error == Error::kOk && !failed) {
    session_.lease_start = std::max(session_.lease_start, sent);
    session_.keep_alive_due = sent + KeepAliveInterval();
  } else if (error != Error::kNotLeader && error != Error::kUnavailable &&
             error != Error::kOutcomeUnknown) {
    // Nothing that another attempt at once would change.
    session_.keep_alive_due = now_ + KeepAliveInterval();
  }
}

bool Client::IsEndOfOwnSession(const Call& call) const {
  const auto* command = std::get_if<Command>(&call.body);
  if (command == nullptr) return false;
  const auto* end = std::get_if<EndSession>(&command->operation);
  return end != nullptr &&
         (end->target == SessionId() || end->target == command->session);
}

void Client::OnSessionExpired(SessionId session, ClientEffects* effects) {
  if (session == SessionId() || session != session_.id) return;
  effects->push_back(SessionLost{session});
  LeaveSession({Error::kSessionExpired, "the session was lost"},
               options_.reopen, effects);
}

void Client::OnSessionEnded(SessionId session, ClientEffects* effects) {
  if (session == SessionId() || session != session_.id) return;
  LeaveSession({Error::kSessionExpired, "the session was ended"},
               /*open_another=*/false, effects);
}

// What is outstanding may still bring a true answer (of before the end), so it
// waits for it, its link's end or its deadline. What waits to be sent again
// could only be told that the session is no more: it is answered now. What was
// never sent goes to the next session, if there is one.
void Client::LeaveSession(Failure refusal, bool open_another,
                          ClientEffects* effects) {
  const uint64_t generation = session_.generation;
  session_ = SessionState{};
  session_.generation = generation + 1;
  if (open_another) {
    session_.phase = SessionPhase::kWanted;
  } else {
    session_.refusal = refusal;
  }
  std::vector<CallId> over;
  for (const auto& [sequence, id] : command_lane().commands) {
    const bool fresh = sequence == Sequence(UINT64_MAX);
    if (!fresh || !open_another) over.push_back(id);
  }
  for (const CallId id : over) {
    GiveUp(id, refusal.error, refusal.detail, effects);
  }
}

}  // namespace registry
