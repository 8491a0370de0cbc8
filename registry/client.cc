#include "registry/client.h"

#include <algorithm>
#include <type_traits>

#include "raft/check.h"
#include "raft/digest.h"
#include "registry/command_codec.h"

namespace registry {
namespace {

// Of attempt_timeout, while nothing is answered.
constexpr uint32_t kPatienceDoublingsMax = 2;

// "Not now" or "not here": worth another attempt before the deadline.
bool Retryable(Error error) {
  return error == Error::kNotLeader || error == Error::kUnavailable ||
         error == Error::kOutcomeUnknown;
}

ClientRoute MakeRoute(const ClientOptions& options, uint64_t lane) {
  return ClientRoute({.endpoints = options.endpoints,
                      .seed = raft::Mix(options.seed, lane),
                      .backoff_min = options.backoff_min,
                      .backoff_max = options.backoff_max,
                      .dial_timeout = options.dial_timeout});
}

}  // namespace

Error ErrorOf(const CallResult& result) {
  return std::visit(
      [](const auto& reply) {
        if constexpr (requires { reply.error; }) {
          return reply.error;
        } else {
          return Error::kOk;
        }
      },
      result);
}

Client::Client(ClientOptions options, raft::Time now)
    : options_(std::move(options)), now_(now) {
  CHECK_GT(options_.in_flight_max, 0u);
  CHECK_LT(options_.in_flight_max, kReplyWindow);
  CHECK_GT(options_.attempt_timeout.value(), 0);
  CHECK_GT(options_.dial_timeout.value(), 0);
  CHECK_GE(options_.session_ttl.value(), 0);
  lanes_.push_back(LaneState{.route = MakeRoute(options_, 0),
                             .window = options_.in_flight_max});
  if (options_.read_any) {
    lanes_.push_back(LaneState{.route = MakeRoute(options_, 1),
                               .window = options_.in_flight_max});
  }
  if (options_.open_session) {
    CHECK_GE(options_.nonce.size(), kNonceBytesMin);
    CHECK_LE(options_.nonce.size(), kNonceBytesMax - 8);
    session_.phase = SessionPhase::kWanted;
  } else {
    session_.refusal = {Error::kInvalid, "this client has no session"};
  }
}

void Client::Step(const ClientEvent& event, ClientEffects* effects) {
  std::visit([&](const auto& e) { OnEvent(e, effects); }, event);
  Pump(effects);
}

// ---------------------------------------------------------------- events

void Client::OnEvent(const raft::Tick& event, ClientEffects* effects) {
  now_ = std::max(now_, event.now);
  ExpireCalls(effects);
  ExpireLinks(effects);
}

void Client::OnEvent(const LinkOpened& event, ClientEffects*) {
  LaneState* lane = LaneOf(event.link);
  if (lane == nullptr) return;  // given up in the meantime
  lane->route.OnOpened();
  lane->last_answer = now_;
  lane->answered = false;
}

void Client::OnEvent(const LinkClosed& event, ClientEffects* effects) {
  LaneState* lane = LaneOf(event.link);
  if (lane == nullptr) return;
  trouble_ = "no connection to " + lane->route.address();
  const std::string hint = lane->leave.has_value() ? lane->leave->hint : "";
  lane->leave.reset();
  if (hint.empty()) {
    lane->route.OnLost(now_, /*dead=*/true);
  } else {
    lane->route.OnHint(now_, hint);
  }
  NarrowWindow(lane);
  CutOffAttempts(lane, effects);
}

// A member closes a link to which it owes more than its bound. So may the
// answers themselves be what breaks the link, and the same requests would break
// the next one (simulate --seed=705319 at 7fa86fe):
//   eleven commands were done, the leader died, all eleven go to the next one
//   it knows the answers, which together exceed the bound of 500 bytes: closed
//   and so on with every link, until the deadlines pass
void Client::NarrowWindow(LaneState* lane) const {
  if (lane->answered || lane->outstanding.empty()) return;
  const auto outstanding = static_cast<uint32_t>(lane->outstanding.size());
  lane->window = std::max<uint32_t>(outstanding / 2, 1);
}

void Client::OnEvent(const ResponseReceived& event, ClientEffects* effects) {
  LaneState* lane = LaneOf(event.link);
  if (lane == nullptr) return;
  const auto it = lane->outstanding.find(event.response.id);
  if (it == lane->outstanding.end()) return;
  const Outstanding attempt = it->second;
  lane->outstanding.erase(it);
  lane->last_answer = now_;

  const auto* failure = std::get_if<Failure>(&event.response.body);
  if (failure != nullptr && Retryable(failure->error)) {
    OnRefusal(lane, *failure);
  } else if (!std::holds_alternative<StatusReply>(event.response.body)) {
    lane->route.OnAnswered();
    lane->answered = true;
    lane->window = std::min(lane->window + 1, options_.in_flight_max);
  }
  if (const auto* call = std::get_if<CallId>(&attempt.asker)) {
    OnCallResponse(lane, *call, event.response, effects);
  } else if (const auto* alive =
                 std::get_if<KeepAliveAttempt>(&attempt.asker)) {
    OnKeepAliveResponse(*alive, attempt.sent, event.response, effects);
  } else {
    OnOpenResponse(event.response, effects);
  }
}

void Client::OnEvent(const StartCall& event, ClientEffects* effects) {
  CHECK(!calls_.contains(event.call));
  Call call;
  call.deadline = event.deadline.value_or(now_ + options_.deadline);
  if (const auto* operation = std::get_if<Operation>(&event.body)) {
    call.body = Command{.operation = *operation};
  } else if (const auto* read = std::get_if<ReadOperation>(&event.body)) {
    call.body = *read;
    if (options_.read_any) call.lane = Lane::kRead;
  } else if (const auto* transfer = std::get_if<TransferRequest>(&event.body)) {
    call.body = *transfer;
  } else {
    call.body = StatusRequest{};
  }
  if (Failure refusal = RefusalOf(call); refusal.error != Error::kOk) {
    effects->push_back(CallDone{event.call, std::move(refusal)});
    return;
  }
  deadlines_.emplace(call.deadline, event.call);
  Enqueue(event.call, call);
  calls_.emplace(event.call, std::move(call));
}

void Client::OnEvent(const CloseClient&, ClientEffects* effects) {
  closed_ = true;
  while (!calls_.empty()) {
    GiveUp(calls_.begin()->first, Error::kUnavailable, "the client was closed",
           effects);
  }
  for (LaneState& lane : lanes_) {
    if (lane.route.link() == LinkId()) continue;
    effects->push_back(CloseLink{lane.route.link()});
    lane.route.OnLost(now_, /*dead=*/false);
    lane.outstanding.clear();
    lane.leave.reset();
  }
}

// ----------------------------------------------------------------- calls

Failure Client::RefusalOf(const Call& call) const {
  if (closed_) return {Error::kUnavailable, "the client was closed"};
  if (call.deadline <= now_) {
    return {Error::kUnavailable, "the deadline had passed at the start"};
  }
  if (const auto* command = std::get_if<Command>(&call.body)) {
    if (Failure refusal = CommandRefusalOf(*command);
        refusal.error != Error::kOk) {
      return refusal;
    }
  } else if (const auto* read = std::get_if<ReadOperation>(&call.body)) {
    std::string detail;
    const Error error = ValidateRead(*read, &detail);
    if (error != Error::kOk) return {error, detail};
  }
  if (waiting() >= options_.waiting_max) {
    return {Error::kUnavailable, "too many calls wait in this client"};
  }
  return {Error::kOk};
}

Failure Client::CommandRefusalOf(const Command& command) const {
  if (std::holds_alternative<OpenSession>(command.operation) ||
      std::holds_alternative<ExpireSessions>(command.operation)) {
    return {Error::kInvalid, "not a client's operation"};
  }
  if (session_.phase == SessionPhase::kNone) return session_.refusal;
  Command complete = command;  // as it will be sent
  complete.session = SessionId(1);
  complete.sequence = complete.acknowledged = Sequence(1);
  std::string detail;
  const Error error = ValidateCommand(complete, &detail);
  return {error, detail};
}

bool Client::Fits(const Body& body, const CallResult& result) {
  if (std::holds_alternative<Failure>(result)) return true;
  if (std::holds_alternative<Command>(body)) {
    return std::holds_alternative<CommandReply>(result);
  }
  if (std::holds_alternative<ReadOperation>(body)) {
    return std::holds_alternative<ReadReply>(result);
  }
  if (std::holds_alternative<TransferRequest>(body)) {
    return std::holds_alternative<TransferReply>(result);
  }
  return std::holds_alternative<StatusReply>(result);
}

void Client::OnCallResponse(LaneState* lane, CallId id,
                            const ClientResponse& response,
                            ClientEffects* effects) {
  const auto it = calls_.find(id);
  // A call that gave up, and perhaps another one under its id.
  if (it == calls_.end() || it->second.request != response.id) return;
  Call& call = it->second;
  call.request = 0;
  const Error error = ErrorOf(response.body);
  const auto* command = std::get_if<Command>(&call.body);

  if (!Fits(call.body, response.body)) {
    // The member is out of its mind; what it did is anyone's guess.
    trouble_ = lane->route.address() + " gave an answer to another question";
    call.maybe_done = true;
    Requeue(id, effects);
    DropLink(lane, {}, effects);
    return;
  }
  if (std::holds_alternative<Failure>(response.body) && Retryable(error)) {
    if (error == Error::kOutcomeUnknown) call.maybe_done = true;
    Requeue(id, effects);
    return;
  }
  lane->silences = 0;
  if (command == nullptr) {
    Finish(id, response.body, effects);
    return;
  }
  const SessionId session = command->session;
  if (error == Error::kCompacted) {
    // Its answer is forgotten, so it had one.
    call.maybe_done = true;
    GiveUp(id, error, "the answer is forgotten", effects);
  } else if (IsEndOfOwnSession(call) &&
             (error == Error::kOk || error == Error::kSessionExpired)) {
    // Expired: what it was for has happened, by an earlier attempt or without.
    Finish(id, response.body, effects);
    OnSessionEnded(session, effects);
  } else if (error != Error::kSessionExpired) {
    Finish(id, response.body, effects);
  } else {
    // An earlier attempt may have been applied while the session lived.
    GiveUp(id, error, "the session is no more", effects);
    OnSessionExpired(session, effects);
  }
}

void Client::Requeue(CallId id, ClientEffects* effects) {
  const Call& call = calls_.at(id);
  const auto* command = std::get_if<Command>(&call.body);
  if (command != nullptr && command->session != session_.id) {
    GiveUp(id, Error::kSessionExpired, "the session is no more", effects);
    return;
  }
  if (std::holds_alternative<TransferRequest>(call.body) && call.maybe_done) {
    GiveUp(id, Error::kOutcomeUnknown, trouble_, effects);
    return;
  }
  Enqueue(id, call);
}

void Client::Enqueue(CallId id, const Call& call) {
  LaneState& lane = lanes_[static_cast<size_t>(call.lane)];
  if (const auto* command = std::get_if<Command>(&call.body)) {
    const bool fresh = command->sequence == Sequence();
    lane.commands.emplace(fresh ? Sequence(UINT64_MAX) : command->sequence, id);
  } else {
    lane.others.insert(id);
  }
}

void Client::Finish(CallId id, CallResult result, ClientEffects* effects) {
  const auto it = calls_.find(id);
  CHECK(it != calls_.end());
  const Call& call = it->second;
  LaneState& lane = lanes_[static_cast<size_t>(call.lane)];
  if (const auto* command = std::get_if<Command>(&call.body)) {
    const bool fresh = command->sequence == Sequence();
    lane.commands.erase({fresh ? Sequence(UINT64_MAX) : command->sequence, id});
    // Answered to the caller, if only by "unknown": the low-water mark may
    // pass it. A copy that arrives after the mark did is refused as compacted,
    // so that nothing happens long after the caller was told.
    if (!fresh && command->session == session_.id) {
      session_.unanswered.erase(command->sequence);
    }
  } else {
    lane.others.erase(id);
  }
  deadlines_.erase({call.deadline, id});
  calls_.erase(it);
  effects->push_back(CallDone{id, std::move(result)});
}

void Client::GiveUp(CallId id, Error error, std::string detail,
                    ClientEffects* effects) {
  const Call& call = calls_.at(id);
  const bool changes = std::holds_alternative<Command>(call.body) ||
                       std::holds_alternative<TransferRequest>(call.body);
  if (changes && (call.maybe_done || call.request != 0)) {
    error = Error::kOutcomeUnknown;
  }
  Finish(id, Failure{error, std::move(detail)}, effects);
}

void Client::ExpireCalls(ClientEffects* effects) {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now_) {
    std::string detail = "no answer before the deadline";
    if (!trouble_.empty()) detail += "; last seen: " + trouble_;
    GiveUp(deadlines_.begin()->second, Error::kUnavailable, std::move(detail),
           effects);
  }
}

// ----------------------------------------------------------------- links

Client::LaneState* Client::LaneOf(LinkId link) {
  for (LaneState& lane : lanes_) {
    if (link != LinkId() && lane.route.link() == link) return &lane;
  }
  return nullptr;
}

void Client::OnRefusal(LaneState* lane, const Failure& failure) {
  trouble_ = lane->route.address() + " answered " +
             std::string(ToString(failure.error));
  if (!failure.detail.empty()) trouble_ += " (" + failure.detail + ")";
  if (lane->leave.has_value()) return;
  const raft::Time until = now_ + options_.backoff_min;
  if (failure.error == Error::kNotLeader &&
      lane->route.HintUsable(now_, failure.leader_address)) {
    lane->leave = Leave{until, failure.leader_address};
  } else if (lane->route.OnRefused(now_)) {
    lane->leave = Leave{until, {}};
  }
}

raft::Time Client::SilenceLimit(const LaneState& lane) const {
  if (lane.outstanding.empty()) return raft::Time::Never();
  raft::Duration limit(options_.attempt_timeout.value()
                       << std::min(lane.silences, kPatienceDoublingsMax));
  // Nobody is served by more patience than a call has:
  //   five members, attempt_timeout 0.8 s, two silences before; n5 loses power
  //   every call waits 3.2 s for n5, and then for the dials to two dead members
  limit =
      std::min(limit, std::max(options_.attempt_timeout, options_.deadline));
  if (options_.open_session && Leased()) {
    limit = std::min(limit, KeepAliveInterval());
  }
  return std::max(lane.outstanding.begin()->second.sent, lane.last_answer) +
         limit;
}

void Client::ExpireLinks(ClientEffects* effects) {
  for (LaneState& lane : lanes_) {
    if (lane.route.DialTimedOut(now_)) {
      trouble_ = "no connection to " + lane.route.address();
      DropLink(&lane, {}, effects);
    } else if (SilenceLimit(lane) <= now_) {
      trouble_ = lane.route.address() + " does not answer";
      ++lane.silences;
      DropLink(&lane, {}, effects);
    }
  }
}

void Client::DropLink(LaneState* lane, const std::string& hint,
                      ClientEffects* effects) {
  CHECK_NE(lane->route.link(), LinkId());
  effects->push_back(CloseLink{lane->route.link()});
  // Its member refused, if it is left; else it failed.
  const bool dead = !lane->leave.has_value();
  lane->leave.reset();
  if (hint.empty()) {
    lane->route.OnLost(now_, dead);
  } else {
    lane->route.OnHint(now_, hint);
  }
  CutOffAttempts(lane, effects);
}

void Client::CutOffAttempts(LaneState* lane, ClientEffects* effects) {
  const auto cut = std::move(lane->outstanding);
  lane->outstanding.clear();
  for (const auto& [request, attempt] : cut) {
    if (const auto* id = std::get_if<CallId>(&attempt.asker)) {
      const auto it = calls_.find(*id);
      if (it == calls_.end() || it->second.request != request) continue;
      it->second.request = 0;
      it->second.maybe_done = true;
      Requeue(*id, effects);
    } else if (const auto* alive =
                   std::get_if<KeepAliveAttempt>(&attempt.asker)) {
      if (alive->session == session_.id) {
        session_.keep_alive_outstanding = false;
      }
    } else {
      CHECK(session_.phase == SessionPhase::kOpening);
      session_.phase = SessionPhase::kWanted;
    }
  }
}

// ------------------------------------------------------------------ pump

bool Client::Wanted(const LaneState& lane) const {
  if (!lane.commands.empty() || !lane.others.empty() ||
      !lane.outstanding.empty()) {
    return true;
  }
  if (&lane != &lanes_[0]) return false;
  return session_.phase == SessionPhase::kWanted ||
         (session_.phase == SessionPhase::kOpen && Leased());
}

void Client::Pump(ClientEffects* effects) {
  if (closed_) return;
  for (LaneState& lane : lanes_) {
    if (lane.leave.has_value() &&
        (lane.outstanding.empty() || lane.leave->until <= now_)) {
      const std::string hint = lane.leave->hint;
      DropLink(&lane, hint, effects);
    }
    if (Wanted(lane)) {
      if (auto dial = lane.route.Dial(now_, last_link_ + 1)) {
        ++last_link_;
        effects->push_back(*std::move(dial));
      }
    }
    if (!lane.route.Ready(now_) || lane.leave.has_value()) continue;
    if (&lane == &lanes_[0]) PumpSession(effects);
    PumpCalls(&lane, effects);
  }
}

// The bound is each link's own: what one that has died holds, until its silence
// is noticed, must not stand in the way of the other. With one for both:
//   in_flight_max 1: read 56 goes to n5, whose power fails, and is outstanding
//   command 55 was refused by n4, lately deposed; n2 leads, 20 ms later
//   the command is never sent again: its deadline passes, read 56 still there
void Client::PumpCalls(LaneState* lane, ClientEffects* effects) {
  while (lane->outstanding.size() < lane->window) {
    const std::optional<CallId> next = NextToSend(*lane);
    if (!next.has_value()) return;
    Send(lane, *next, effects);
  }
}

// Commands and the rest take turns by age; a command that may not be sent yet
// holds up no read.
std::optional<CallId> Client::NextToSend(const LaneState& lane) const {
  std::optional<CallId> next;
  if (!lane.others.empty()) next = *lane.others.begin();
  if (!lane.commands.empty()) {
    const auto& [sequence, id] = *lane.commands.begin();
    const bool fresh = sequence == Sequence(UINT64_MAX);
    if ((!fresh || WindowOpen()) && (!next.has_value() || id < *next)) {
      next = id;
    }
  }
  return next;
}

void Client::Send(LaneState* lane, CallId id, ClientEffects* effects) {
  Call& call = calls_.at(id);
  decltype(ClientRequest::body) body;
  if (auto* command = std::get_if<Command>(&call.body)) {
    if (command->sequence == Sequence()) {
      lane->commands.erase({Sequence(UINT64_MAX), id});
      command->session = session_.id;
      command->sequence = session_.next_sequence;
      ++session_.next_sequence;
      session_.unanswered.insert(command->sequence);
    } else {
      lane->commands.erase({command->sequence, id});
    }
    CHECK_EQ(command->session, session_.id);
    command->acknowledged = low_water();
    CHECK_LE(command->acknowledged, command->sequence);
    CHECK_LT(command->sequence - command->acknowledged, kReplyWindow);
    body = CommandRequest{raft::Bytes(EncodeCommand(*command))};
  } else if (const auto* read = std::get_if<ReadOperation>(&call.body)) {
    lane->others.erase(id);
    body = ReadRequest{*read};
  } else if (const auto* transfer = std::get_if<TransferRequest>(&call.body)) {
    lane->others.erase(id);
    body = *transfer;
  } else {
    lane->others.erase(id);
    body = StatusRequest{};
  }
  call.request = Emit(lane, id, std::move(body), effects);
}

uint64_t Client::Emit(LaneState* lane, Asker asker,
                      decltype(ClientRequest::body) body,
                      ClientEffects* effects) {
  const uint64_t request = ++last_request_;
  lane->outstanding.emplace(request, Outstanding{asker, now_});
  effects->push_back(
      SendRequest{lane->route.link(), {request, std::move(body)}});
  return request;
}

size_t Client::waiting() const {
  size_t sum = 0;
  for (const LaneState& lane : lanes_) {
    sum += lane.commands.size() + lane.others.size();
  }
  return sum;
}

raft::Time Client::NextDeadline() const {
  if (closed_) return raft::Time::Never();
  raft::Time next = KeepAliveDue();
  if (!deadlines_.empty()) next = std::min(next, deadlines_.begin()->first);
  for (const LaneState& lane : lanes_) {
    next = std::min(next, lane.route.NextDeadline(now_, Wanted(lane)));
    next = std::min(next, SilenceLimit(lane));
    if (lane.leave.has_value()) next = std::min(next, lane.leave->until);
  }
  return next;
}

}  // namespace registry
