#include "sim/workload.h"

#include <algorithm>
#include <variant>

#include "raft/check.h"
#include "registry/command_codec.h"
#include "sim/lease_checkers.h"

namespace sim {
namespace {

using registry::CallBody;
using registry::CallResult;
using registry::ClientLink;
using registry::Command;
using registry::CommandReply;
using registry::Error;
using registry::Failure;
using registry::Operation;
using registry::ReadOperation;
using registry::ReadReply;

constexpr int64_t kRebirthUs = 50'000;

}  // namespace

struct Workload::Client {
  explicit Client(Turns client_turns) : turns(std::move(client_turns)) {}

  Turns turns;
  std::unique_ptr<ClientLink> link;
  std::vector<NetworkInput> inbox;
  std::vector<NetworkInput> reading;  // its memory, between two turns
  uint64_t life = 0;
  uint64_t last_call = 0;
  std::vector<const TimedOperation*> due;  // to ask in the next turn
  bool progress_due = false;
  bool rebirth = false;  // its session is over: another life begins
  uint64_t restart = 0;
  int64_t rate_ppm = 0;  // of its clock, when nothing is wrong with that
  std::map<registry::CallId, Pending> pending;
  std::set<std::pair<registry::SessionId, registry::Sequence>> sent;
  LeaseBelief belief;
  // Newest `modified` that it saw of a key: for compare-and-set.
  std::map<std::string, registry::Revision> seen;
  // What the life before had sent, without an answer: asked again by the next.
  std::vector<CallBody> again;
};

Workload::Workload(const WorkloadOptions& options,
                   const std::vector<TimedOperation>* operations,
                   Scheduler* scheduler, SimNetwork* network,
                   Violations* violations, Trail* trail)
    : options_(options),
      operations_(*operations),
      scheduler_(scheduler),
      network_(network),
      violations_(violations),
      trail_(trail) {
  Draws common(options_.seed, Stream::kClient, options_.clients);
  const bool same = common.Chance(500'000);
  const int64_t ttl_ms = common.Between(600, 4'000);
  if (same) common_ttl_ms_ = ttl_ms;
  for (uint32_t i = 0; i < options_.clients; ++i) {
    const Process process = options_.first_process + i;
    Draws draws(options_.seed, Stream::kClock, process);
    const int64_t offset = draws.Between(0, 1'000'000'000);
    const int64_t rate = draws.Between(-kClockRateMaxPpm, kClockRateMaxPpm);
    clients_.push_back(
        std::make_unique<Client>(Turns(options_.seed, process, scheduler_,
                                       NodeClock(Instant(), offset, rate))));
    clients_.back()->rate_ppm = rate;
  }
}

Workload::~Workload() = default;

void Workload::Start() {
  for (uint32_t i = 0; i < clients(); ++i) {
    Draws draws(options_.seed, Stream::kClient, i);
    scheduler_->After(draws.Between(0, 200'000),
                      {SimEvent::Kind::kRestart, options_.first_process + i,
                       ++at(i).restart});
  }
  ScheduleNext();
}

// A life of a client begins.
void Workload::Begin(uint32_t client) {
  Client& born = at(client);
  CHECK(born.link == nullptr);
  ++born.life;
  const Process process = options_.first_process + client;
  Draws draws(options_.seed, Stream::kClient, client, born.life);
  registry::ClientOptions options;
  options.endpoints = options_.endpoints;
  options.nonce =
      "client-" + std::to_string(client) + "-life-" + std::to_string(born.life);
  const bool permanent = draws.Chance(250'000);
  const int64_t own_ttl_ms = draws.Between(600, 4'000);
  const int64_t ttl_ms = common_ttl_ms_.value_or(own_ttl_ms);
  options.session_ttl = raft::Millis(permanent ? 0 : ttl_ms);
  born.belief = LeaseBelief(options.session_ttl);
  options.reopen = draws.Chance(300'000);
  options.read_any = draws.Chance(400'000);
  options.deadline = options_.deadline;
  options.attempt_timeout = raft::Millis(draws.Between(150, 800));
  options.dial_timeout = raft::Millis(draws.Between(150, 800));
  options.backoff_max = raft::Millis(draws.Between(50, 500));
  options.in_flight_max = static_cast<uint32_t>(draws.Between(1, 12));
  options.seed = draws.Next();
  born.turns.NewLife();
  network_->StartProcess(process);
  born.link = std::make_unique<ClientLink>(
      options, network_->transport(process), born.turns.Read());
  born.link->SetObserver(
      [this, client](const registry::ClientEvent& event,
                     const registry::ClientEffects& effects) {
        Observe(client, event, effects);
      });
  born.link->SetCompletion(
      [this, client](registry::CallId call, const CallResult& result) {
        OnDone(client, call, result);
      });
  born.link->SetSessionOpened(
      [this](registry::SessionId) { ++effects_.sessions_opened; });
  const bool reopens = options.reopen;
  born.link->SetSessionLost([this, client, reopens](registry::SessionId) {
    ++effects_.sessions_lost;
    if (!reopens) at(client).rebirth = true;
  });
  Issue(client, Operation(registry::CreateRegistry{
                    kUniqueRegistry, registry::RegistryKind::kUnique}));
  Issue(client, Operation(registry::CreateRegistry{
                    kDuplicateRegistry, registry::RegistryKind::kDuplicate}));
  for (CallBody& body : std::exchange(born.again, {})) {
    ++effects_.asked_by_two_sessions;
    Issue(client, std::move(body));
  }
  born.turns.Request();
}

void Workload::ScheduleNext() {
  if (next_operation_ == operations_.size()) return;
  const TimedOperation& next = operations_[next_operation_];
  scheduler_->At(Instant(next.at_us),
                 {SimEvent::Kind::kClient,
                  options_.first_process + next.client % clients()});
}

void Workload::OnNetworkInput(Process process, NetworkInput input) {
  Client& told = at(process - options_.first_process);
  if (told.link == nullptr) return;
  told.inbox.push_back(std::move(input));
  told.turns.Request();
}

void Workload::OnEvent(const SimEvent& event) {
  const uint32_t client = ClientOf(event);
  Client& active = at(client);
  switch (event.kind) {
    case SimEvent::Kind::kTurn:
    case SimEvent::Kind::kWake:
      if (active.turns.OnEvent(event)) RunTurn(client);
      return;
    case SimEvent::Kind::kRestart:
      if (active.link == nullptr && active.restart == event.arg) Begin(client);
      return;
    case SimEvent::Kind::kClient:
      if (active.link != nullptr) {
        active.due.push_back(&operations_[next_operation_]);
        active.turns.Request();
      }
      ++next_operation_;
      return ScheduleNext();
    default:
      CHECK(false);
  }
}

void Workload::RunTurn(uint32_t client) {
  Client& running = at(client);
  std::vector<NetworkInput>& inbox = running.reading;
  inbox.clear();
  inbox.swap(running.inbox);
  running.link->OnTime(running.turns.Read());
  for (const NetworkInput& input : inbox) {
    Dispatch(input, running.link.get());
  }
  for (const TimedOperation* due : std::exchange(running.due, {})) {
    Issue(client, BodyOf(client, *due));
  }
  if (std::exchange(running.progress_due, false)) {
    Issue(client,
          Operation(
              registry::Register{.registry = kUniqueRegistry,
                                 .key = "progress-" + std::to_string(client),
                                 .value = "made"}),
          true);
  }
  running.link->OnTurnEnd();
  if (running.rebirth && running.pending.empty()) {
    Die(client, false);
    scheduler_->After(
        kRebirthUs, {SimEvent::Kind::kRestart, options_.first_process + client,
                     ++running.restart});
    return;
  }
  running.turns.SetDeadline(running.link->NextDeadline());
}

// ------------------------------------------------------------------- calls

void Workload::Issue(uint32_t client, CallBody body, bool progress) {
  Client& caller = at(client);
  std::optional<registry::checker::HistoryOperation> operation;
  if (const auto* command = std::get_if<Operation>(&body)) {
    operation = *command;
  } else if (const auto* read = std::get_if<ReadOperation>(&body)) {
    operation = *read;
  }
  const registry::CallId call(++caller.last_call);
  Pending pending{.body = body, .progress = progress};
  if (operation.has_value()) {
    pending.number = recorder_.Called(client * 1000 + caller.life,
                                      *std::move(operation), NowNs());
    order_.Called(*pending.number);
  }
  caller.pending.emplace(call, std::move(pending));
  ++effects_.operations;
  progress_asked_ += progress;
  std::optional<raft::Time> deadline;
  if (progress) deadline = caller.turns.Read() + options_.progress_deadline;
  caller.link->Call(call, std::move(body), deadline);
}

void Workload::Observe(uint32_t client, const registry::ClientEvent& event,
                       const registry::ClientEffects& effects) {
  trail_->OnStep(scheduler_->now(), options_.first_process + client, event,
                 effects, [this, client] {
                   return "life " + std::to_string(at(client).life) + ", " +
                          std::to_string(at(client).pending.size()) +
                          " calls on their way";
                 });
  for (const registry::ClientEffect& effect : effects) {
    if (const auto* send = std::get_if<registry::SendRequest>(&effect)) {
      OnSent(client, *send);
    } else if (const auto* done = std::get_if<registry::CallDone>(&effect)) {
      const auto found = at(client).pending.find(done->call);
      if (found != at(client).pending.end()) found->second.done = true;
    }
  }
  const std::string wrong = at(client).belief.OnStep(
      event, effects, at(client).link->client().session_valid_until());
  if (wrong.empty()) return;
  violations_->Add(Violation::Kind::kSafety, "lease_belief",
                   "client " + std::to_string(client) + " " + wrong);
}

// Which call is it that a command belongs to? Its name, (session, sequence),
// is given when it is first sent, and calls that ask the same are first sent
// in the order of their ids. One that was answered is not sent any more, though
// its caller learns of the answer at the turn's end only:
//   call 49: EndSession, waits; its deadline passes, unavailable, never sent
//   call 77: EndSession, sent at once in the same turn: not call 49's
void Workload::OnSent(uint32_t client, const registry::SendRequest& send) {
  const auto* request =
      std::get_if<registry::CommandRequest>(&send.request.body);
  if (request == nullptr) return;
  const std::optional<Command> command =
      registry::DecodeCommand(request->command.view());
  CHECK(command.has_value());
  if (command->session == registry::SessionId(0)) return;
  Client& sender = at(client);
  if (!sender.sent.insert({command->session, command->sequence}).second) {
    ++effects_.requests_repeated;
    return;
  }
  for (auto& [call, pending] : sender.pending) {
    const auto* operation = std::get_if<Operation>(&pending.body);
    if (operation == nullptr || pending.done || pending.sent.has_value() ||
        *operation != command->operation) {
      continue;
    }
    pending.sent = *command;
    recorder_.SentAs(*pending.number, command->session, command->sequence);
    return;
  }
  violations_->Add(Violation::Kind::kSafety, "client",
                   "a client sent a command that nobody asked for: " +
                       raft::Describe(*command));
}

void Workload::OnDone(uint32_t client, registry::CallId call,
                      const CallResult& result) {
  Client& caller = at(client);
  const auto found = caller.pending.find(call);
  if (found == caller.pending.end()) {
    violations_->Add(Violation::Kind::kSafety, "client",
                     "a call was answered twice");
    return;
  }
  const Pending pending = std::move(found->second);
  caller.pending.erase(found);
  // That its session is no more is the cluster's answer as well, though such a
  // call may be told "unknown": an attempt of it was cut off before.
  //   client: EndSession, sent; Register, sent; the link is lost
  //   client: both again; the session ends; Register: session_expired
  const bool session_over =
      pending.sent.has_value() && caller.link != nullptr &&
      caller.link->client().session() != pending.sent->session;
  Judge(pending, result, session_over);
  if (const auto* reply = std::get_if<CommandReply>(&result)) {
    const auto* update =
        pending.sent.has_value()
            ? std::get_if<registry::UpdateValue>(&pending.sent->operation)
            : nullptr;
    if (update != nullptr && reply->current.has_value()) {
      caller.seen[update->key] = reply->current->modified;
    }
    if (pending.sent.has_value() && reply->error == Error::kOk &&
        std::holds_alternative<registry::EndSession>(pending.sent->operation)) {
      caller.rebirth = true;
    }
  }
}

void Workload::Judge(const Pending& pending, const CallResult& result,
                     bool session_over) {
  if (!pending.number.has_value()) {
    effects_.transfers_done +=
        std::holds_alternative<registry::TransferReply>(result);
    return;
  }
  const auto* failure = std::get_if<Failure>(&result);
  const Error error = registry::ErrorOf(result);
  if (pending.progress) {
    if (error == Error::kUnavailable ||
        (error == Error::kOutcomeUnknown && !session_over)) {
      progress_failure_ = raft::Describe(result);
    } else {
      ++progress_made_;
    }
  }
  if (const auto* reply = std::get_if<CommandReply>(&result)) {
    ++effects_.answered;
    recorder_.Returned(*pending.number, *reply, NowNs());
    if (pending.sent.has_value()) {
      Report(order_.CommandReturned(*pending.number, *pending.sent, *reply));
    } else {
      order_.Abandoned(*pending.number);
    }
  } else if (const auto* read = std::get_if<ReadReply>(&result)) {
    ++effects_.answered;
    recorder_.Returned(*pending.number, *read, NowNs());
    Report(order_.ReadReturned(*pending.number,
                               std::get<ReadOperation>(pending.body), *read));
  } else if (failure != nullptr) {
    recorder_.Returned(*pending.number, *failure, NowNs());
    if (error == Error::kOutcomeUnknown) {
      ++effects_.outcome_unknown;
      order_.Abandoned(*pending.number);
      return;
    }
    ++effects_.unavailable;
    if (pending.sent.has_value()) {
      Report(order_.NotDone(*pending.number, *pending.sent));
    } else {
      order_.Abandoned(*pending.number);
    }
  }
}

void Workload::Report(const registry::checker::Violation& violation) {
  if (!violation.has_value()) return;
  violations_->Add(Violation::Kind::kLinearizability, "apply_order",
                   *violation);
}

void Workload::OnApply(const raft::Entry& entry,
                       const std::optional<Command>& command,
                       const CommandReply& reply) {
  Report(order_.Applied(entry.index, command.has_value() ? &*command : nullptr,
                        &reply));
  if (!command.has_value()) return;
  if (const auto* expire =
          std::get_if<registry::ExpireSessions>(&command->operation)) {
    effects_.expired_together += expire->sessions.size() > 1;
    for (const registry::SessionId session : expire->sessions) {
      CheckLease(session, entry.term);
    }
  }
}

// A lease never ends early: when its end is decided, its client must have
// stopped to believe in it, by its own clock.
void Workload::CheckLease(registry::SessionId expired, raft::Term term) {
  ++effects_.sessions_expired;
  for (const auto& client : clients_) {
    if (client->link == nullptr ||
        client->link->client().session() != expired) {
      continue;
    }
    const raft::Time until = client->link->client().session_valid_until();
    const LeaseVerdict verdict =
        JudgeLeaseEnd({until, client->link->client().options().session_ttl,
                       client->turns.clock()},
                      scheduler_->now(), LastBeyond(leader_clocks_, term));
    effects_.leases_not_judged += verdict == LeaseVerdict::kNotJudged;
    if (verdict != LeaseVerdict::kEarly) continue;
    violations_->Add(
        Violation::Kind::kSafety, "lease",
        "session " + std::to_string(expired.value()) + " expires " +
            std::to_string(until.micros() - client->turns.Read().micros()) +
            " us before its client stops to believe in it");
  }
}

// ------------------------------------------------------------------ faults

void Workload::Die(uint32_t client, bool power) {
  Client& dying = at(client);
  const Process process = options_.first_process + client;
  power ? network_->PowerOff(process) : network_->KillProcess(process);
  for (const auto& [call, pending] : dying.pending) {
    if (!pending.number.has_value()) continue;
    ++effects_.outcome_unknown;
    order_.Abandoned(*pending.number);
  }
  dying.pending.clear();
  dying.link.reset();
  dying.inbox.clear();
  dying.seen.clear();
  dying.sent.clear();
  dying.due.clear();
  dying.progress_due = false;
  dying.rebirth = false;
  dying.turns.Die();
}

// A caller that keeps its own list asks for these again when it is back. Its
// session is another then: a command may take effect in both, once in each.
std::vector<CallBody> Workload::SentUnanswered(uint32_t client) const {
  std::vector<CallBody> bodies;
  for (const auto& [call, pending] : clients_.at(client)->pending) {
    if (!pending.sent.has_value() || pending.done || pending.progress) continue;
    const Operation& operation = pending.sent->operation;
    // Begin asks for registries by itself; the session to be ended is gone.
    if (std::holds_alternative<registry::CreateRegistry>(operation) ||
        std::holds_alternative<registry::EndSession>(operation)) {
      continue;
    }
    bodies.push_back(pending.body);
  }
  return bodies;
}

void Workload::Crash(uint32_t client, int64_t down_us) {
  client %= clients();
  Client& dying = at(client);
  if (dying.link == nullptr) return;
  ++effects_.client_crashes;
  Draws draws(options_.seed, Stream::kClient, client, dying.life, 1);
  const bool power = draws.Chance(500'000);
  if (draws.Chance(500'000)) dying.again = SentUnanswered(client);
  Die(client, power);
  scheduler_->After(down_us,
                    {SimEvent::Kind::kRestart, options_.first_process + client,
                     ++dying.restart});
}

void Workload::Pause(uint32_t client, int64_t length_us) {
  client %= clients();
  if (at(client).link == nullptr) return;
  at(client).turns.Pause(scheduler_->now() + length_us);
}

void Workload::SetClock(uint32_t client, int64_t ahead_us, int64_t rate_ppm) {
  Client& changed = at(client % clients());
  NodeClock& clock = changed.turns.clock();
  if (ahead_us > 0) clock.Jump(scheduler_->now(), ahead_us);
  clock.SetRate(scheduler_->now(), rate_ppm);
  if (changed.link != nullptr) changed.turns.Request();
}

void Workload::ResetClock(uint32_t client) {
  SetClock(client, 0, at(client % clients()).rate_ppm);
}

void Workload::Heal() {
  for (uint32_t i = 0; i < clients(); ++i) {
    Client& client = at(i);
    if (client.link != nullptr) {
      client.turns.Resume();
    } else {
      scheduler_->After(kRebirthUs,
                        {SimEvent::Kind::kRestart, options_.first_process + i,
                         ++client.restart});
    }
  }
}

// ---------------------------------------------------------------- progress

void Workload::AskForProgress() {
  for (uint32_t i = 0; i < clients(); ++i) {
    if (at(i).link == nullptr) continue;
    at(i).progress_due = true;
    at(i).turns.Request();
  }
}

std::string Workload::Unanswered() const {
  if (!progress_failure_.empty()) return progress_failure_;
  for (const auto& client : clients_) {
    for (const auto& [call, pending] : client->pending) {
      if (pending.progress) return "a call was not answered at all";
    }
  }
  if (progress_asked_ == 0) return "nobody was there to ask";
  return "";
}

WorkloadEffects Workload::effects() const {
  WorkloadEffects sum = effects_;
  for (const auto& client : clients_) sum.turns_late += client->turns.late();
  return sum;
}

TimeEffects Workload::time_effects() const {
  TimeEffects sum;
  for (const auto& client : clients_) sum += client->turns.time_effects();
  return sum;
}

size_t Workload::unfinished() const {
  size_t count = 0;
  for (const auto& client : clients_) {
    count += client->pending.size() + client->progress_due;
  }
  return count;
}

// The body to ask with: what is to be compared is known only now.
CallBody Workload::BodyOf(uint32_t client,
                          const TimedOperation& operation) const {
  CallBody body = operation.body;
  if (!operation.compare) return body;
  auto* command = std::get_if<Operation>(&body);
  auto* update = command == nullptr
                     ? nullptr
                     : std::get_if<registry::UpdateValue>(command);
  if (update == nullptr) return body;
  const auto& seen = clients_.at(client)->seen;
  const auto found = seen.find(update->key);
  if (found != seen.end()) update->expected_modified = found->second;
  return body;
}

}  // namespace sim
