#include "tools/kill_cycles.h"

#include <time.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "net/client.h"
#include "net/event_loop.h"
#include "raft/check.h"
#include "raft/digest.h"
#include "registry/checker/history.h"
#include "registry/checker/linearizability.h"
#include "registry/command_codec.h"
#include "tools/local_cluster.h"

namespace tools {
namespace {

using raft::Millis;
using raft::Time;
using registry::CallResult;
using registry::Command;
using registry::CommandReply;
using registry::Error;
using registry::Operation;
using registry::ReadOperation;
using registry::ReadReply;
using registry::StatusReply;
using registry::checker::HistoryOperation;
using registry::checker::HistoryRecorder;

constexpr char kRegistry[] = "names";
// Writes acknowledged between a restart and the next kill, and between a kill
// and the restart: so that each finds the others at work.
constexpr uint64_t kAcksBetween = 100;
constexpr size_t kContested = 12;  // names that clients take from each other
constexpr size_t kCounters = 4;    // and values that they add to
// Counters are given up for new ones, so that no history of one gets too long.
constexpr size_t kCyclesPerCounter = 5;
constexpr raft::Duration kPatience = Millis(60'000);
constexpr uint64_t kSyncsBefore = 40;  // at most, before one that fails
constexpr int kDiskFailed = 4;         // an exit code, see tools/registryd.cc
// So that a call that finds the cluster in an election is not given up.
constexpr raft::Duration kCallDeadline = Millis(10'000);

int64_t NowNs() {
  timespec now;
  CHECK_EQ(clock_gettime(CLOCK_BOOTTIME, &now), 0);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

HistoryOperation Asked(const registry::CallBody& body) {
  if (const auto* operation = std::get_if<Operation>(&body)) return *operation;
  return std::get<ReadOperation>(body);
}

registry::checker::HistoryResult Answered(const CallResult& result) {
  if (const auto* reply = std::get_if<CommandReply>(&result)) return *reply;
  if (const auto* reply = std::get_if<ReadReply>(&result)) return *reply;
  return std::get<registry::Failure>(result);
}

class Run {
 public:
  explicit Run(const KillCyclesOptions& options)
      : options_(options), folder_("raregistry-kill-cycles") {}

  absl::StatusOr<KillCyclesReport> Do();

 private:
  // A call that was not answered yet.
  struct Pending {
    registry::CallBody body;
    HistoryRecorder::CallNumber number = 0;
    bool sent = false;
    bool go_on = true;  // ask something else afterwards
  };
  struct Client {
    std::unique_ptr<net::AsyncClient> client;
    std::map<uint64_t, Pending> pending;  // by order of asking
    std::set<std::pair<registry::SessionId, registry::Sequence>> sent;
    uint64_t asked = 0;
    uint64_t names = 0;  // of its own, taken so far
  };
  // What adding to a counter must have come to.
  struct Counter {
    int64_t certain = 0;   // acknowledged
    int64_t possible = 0;  // of unknown outcome
  };

  uint64_t Draw(uint64_t below) {
    return raft::Mix(options_.seed, ++draws_) % below;
  }
  absl::Status Start();
  void AddClient(size_t number);
  std::string CounterName(size_t counter) const {
    return absl::StrCat("counter-", cycle_ / kCyclesPerCounter, "-", counter);
  }
  registry::CallBody DrawCall(size_t number);
  void AskNext(size_t number);
  void Ask(size_t number, registry::CallBody body, bool go_on);
  void OnSent(Client* client, const registry::SendRequest& send);
  void OnDone(size_t number, uint64_t asked, const CallResult& result);
  void Remember(const Pending& pending, const CallResult& result);
  void MakeCounters();
  absl::Status Cycle(size_t cycle);
  absl::Status WaitUntil(const char* what, const std::function<bool()>& done);
  absl::Status WaitForAcks(uint64_t more);
  bool Leads(size_t node);
  absl::Status FailSync(size_t node);
  absl::Status Finish();
  absl::Status CheckNames();
  absl::Status CheckCounters();
  absl::Status CheckHistory();

  const KillCyclesOptions options_;
  TemporaryFolder folder_;
  net::EventLoop loop_;
  std::unique_ptr<LocalCluster> cluster_;
  std::vector<std::unique_ptr<Client>> clients_;
  HistoryRecorder history_;
  uint64_t draws_ = 0;
  size_t cycle_ = 0;
  bool stopping_ = false;
  Time last_ack_;
  raft::Duration silence_;  // the longest since the last kill
  std::map<std::string, registry::Revision> names_;  // acknowledged for good
  std::map<std::string, Counter> counters_;
  KillCyclesReport report_;
};

// ------------------------------------------------------------------- load

absl::Status Run::Start() {
  auto cluster = LocalCluster::Create({.registryd = options_.registryd,
                                       .folder = folder_.path(),
                                       .nodes = options_.nodes});
  if (!cluster.ok()) return cluster.status();
  cluster_ = *std::move(cluster);
  const absl::Status started = cluster_->StartAll();
  if (!started.ok()) return started;
  last_ack_ = net::Now();
  for (size_t i = 0; i < options_.clients; ++i) AddClient(i);
  return absl::OkStatus();
}

void Run::AddClient(size_t number) {
  registry::ClientOptions options;
  options.endpoints = cluster_->endpoints();
  options.session_ttl = raft::Duration(0);
  options.deadline = kCallDeadline;
  options.read_any = number % 2 == 1;  // some read from followers
  clients_.push_back(std::make_unique<Client>());
  Client* client = clients_.back().get();
  client->client = std::make_unique<net::AsyncClient>(&loop_, options);
  client->client->link().SetObserver(
      [this, client](const registry::ClientEvent&,
                     const registry::ClientEffects& effects) {
        for (const registry::ClientEffect& effect : effects) {
          const auto* send = std::get_if<registry::SendRequest>(&effect);
          if (send != nullptr) OnSent(client, *send);
        }
      });
  // First of all, so that the rest finds it.
  const CallResult created =
      Await(&loop_, client->client.get(),
            Operation(registry::CreateRegistry{.registry = kRegistry}));
  CHECK(registry::ErrorOf(created) == Error::kOk);
  for (size_t i = 0; i < options_.in_flight; ++i) AskNext(number);
}

registry::CallBody Run::DrawCall(size_t number) {
  const std::string contested = absl::StrCat("contested-", Draw(kContested));
  const std::string counter = CounterName(Draw(kCounters));
  switch (Draw(9)) {
    case 0:
    case 1:
    case 2:
      return Operation(registry::Register{
          .registry = kRegistry,
          .key = absl::StrCat("own-", number, "-", clients_[number]->names++),
          .value = static_cast<int64_t>(Draw(1000))});
    case 3:
      return Operation(
          registry::Register{.registry = kRegistry,
                             .key = contested,
                             .value = static_cast<int64_t>(number)});
    case 4:
      return Operation(
          registry::Unregister{.registry = kRegistry, .key = contested});
    case 5:
      return ReadOperation(registry::Lookup{kRegistry, contested});
    case 6:
      return ReadOperation(registry::Lookup{kRegistry, counter});
    default:
      return Operation(registry::UpdateValue{.registry = kRegistry,
                                             .key = counter,
                                             .change = registry::AddValue{1},
                                             .any_owner = true});
  }
}

void Run::AskNext(size_t number) {
  if (!stopping_) Ask(number, DrawCall(number), /*go_on=*/true);
}

void Run::Ask(size_t number, registry::CallBody body, bool go_on) {
  Client& client = *clients_[number];
  const uint64_t asked = ++client.asked;
  Pending& pending = client.pending[asked];
  pending.number = history_.Called(number, Asked(body), NowNs());
  pending.body = body;
  pending.go_on = go_on;
  // May send at once, and then looks for it among the pending ones.
  client.client->Start(std::move(body),
                       [this, number, asked](const CallResult& result) {
                         OnDone(number, asked, result);
                       });
}

// A command's name, (session, sequence), is given when it is first sent; calls
// that ask the same are first sent in the order of asking.
void Run::OnSent(Client* client, const registry::SendRequest& send) {
  const auto* request =
      std::get_if<registry::CommandRequest>(&send.request.body);
  if (request == nullptr) return;
  const std::optional<Command> command =
      registry::DecodeCommand(request->command.view());
  CHECK(command.has_value());
  if (command->session == registry::SessionId(0)) return;
  if (!client->sent.insert({command->session, command->sequence}).second) {
    return;  // a retry
  }
  for (auto& [asked, pending] : client->pending) {
    const auto* operation = std::get_if<Operation>(&pending.body);
    if (operation == nullptr || pending.sent ||
        *operation != command->operation) {
      continue;
    }
    pending.sent = true;
    history_.SentAs(pending.number, command->session, command->sequence);
    return;
  }
}

void Run::OnDone(size_t number, uint64_t asked, const CallResult& result) {
  ++report_.calls;
  Client& client = *clients_[number];
  const auto found = client.pending.find(asked);
  CHECK(found != client.pending.end());
  history_.Returned(found->second.number, Answered(result), NowNs());
  Remember(found->second, result);
  const bool go_on = found->second.go_on;
  client.pending.erase(found);
  if (go_on) AskNext(number);
}

void Run::Remember(const Pending& pending, const CallResult& result) {
  const Error error = registry::ErrorOf(result);
  if (error == Error::kOutcomeUnknown) ++report_.open;
  const auto* operation = std::get_if<Operation>(&pending.body);
  if (operation == nullptr) return;
  if (error == Error::kOk) {
    ++report_.acknowledged;
    const Time now = net::Now();
    silence_ = std::max(silence_, now - last_ack_);
    last_ack_ = now;
  }
  if (const auto* add = std::get_if<registry::UpdateValue>(operation)) {
    Counter& counter = counters_[add->key];
    if (error == Error::kOk) ++counter.certain;
    if (error == Error::kOutcomeUnknown) ++counter.possible;
  }
  if (const auto* taken = std::get_if<registry::Register>(operation)) {
    if (error != Error::kOk || !taken->key.starts_with("own-")) return;
    names_[taken->key] = std::get<CommandReply>(result).revision;
  }
}

// ------------------------------------------------------------------ cycles

absl::Status Run::WaitUntil(const char* what,
                            const std::function<bool()>& done) {
  const Time give_up = net::Now() + kPatience;
  while (!done()) {
    if (net::Now() >= give_up) return absl::DeadlineExceededError(what);
    loop_.Turn(net::Now() + Millis(10));
  }
  return absl::OkStatus();
}

absl::Status Run::WaitForAcks(uint64_t more) {
  const uint64_t wanted = report_.acknowledged + more;
  return WaitUntil("the cluster acknowledges nothing any more",
                   [&] { return report_.acknowledged >= wanted; });
}

bool Run::Leads(size_t node) {
  net::AsyncClient asker(&loop_,
                         net::OneMember(cluster_->client_address(node)));
  const CallResult result = Await(&loop_, &asker, registry::StatusRequest{});
  const auto* status = std::get_if<StatusReply>(&result);
  return status != nullptr && status->role == raft::Role::kLeader;
}

// Once each: a holder that registers its name again sets the value anew.
void Run::MakeCounters() {
  for (size_t counter = 0; counter < kCounters; ++counter) {
    Ask(0,
        Operation(registry::Register{.registry = kRegistry,
                                     .key = CounterName(counter),
                                     .value = int64_t{0}}),
        /*go_on=*/false);
  }
}

absl::Status Run::FailSync(size_t node) {
  // Of the calls of each thread; one alone syncs the log.
  const uint64_t when = 1 + Draw(kSyncsBefore);
  const auto tracer = ChildProcess::Start(
      {"/usr/bin/strace", "-f", "-qq", "-o", "/dev/null", "-e",
       "trace=fdatasync", "-e",
       absl::StrCat("inject=fdatasync:error=EIO:when=", when), "-p",
       absl::StrCat(cluster_->pid(node))});
  if (!tracer.ok()) return tracer.status();
  const absl::Status ended = WaitUntil(
      "a node lives on after a sync that failed",
      [&] { return !cluster_->running(node) || !(*tracer)->running(); });
  if (!ended.ok()) return ended;
  if (cluster_->running(node)) {
    return absl::UnavailableError(
        "strace ended before the node: may it trace?");
  }
  const int code = cluster_->WaitForEnd(node);
  if (code == kDiskFailed) return absl::OkStatus();
  return absl::UnknownError(
      absl::StrCat("a node whose disk failed ended with exit code ", code,
                   " instead of ", kDiskFailed));
}

absl::Status Run::Cycle(size_t cycle) {
  cycle_ = cycle;
  if (cycle % kCyclesPerCounter == 0) MakeCounters();
  absl::Status done = WaitForAcks(kAcksBetween);
  if (!done.ok()) return done;
  const size_t victim = Draw(options_.nodes);
  const bool led = Leads(victim);
  if (options_.fail_syncs) {
    done = FailSync(victim);
    if (!done.ok()) return done;
  } else {
    cluster_->Kill(victim);
  }
  ++report_.kills;
  silence_ = raft::Duration(0);
  done = WaitForAcks(kAcksBetween);
  if (!done.ok()) return done;
  if (led) report_.gaps.push_back(silence_);
  done = cluster_->Launch(victim);
  if (!done.ok()) return done;
  done = WaitUntil("a killed node does not come back",
                   [&] { return cluster_->IsListening(victim); });
  if (options_.verbose) {
    std::printf("cycle %zu: %s %s%s; %llu writes acknowledged so far\n",
                cycle + 1, options_.fail_syncs ? "failed a sync of" : "killed",
                cluster_->name(victim).c_str(),
                led ? absl::StrCat(", the leader; silence ",
                                   silence_.value() / 1000, " ms")
                          .c_str()
                    : "",
                static_cast<unsigned long long>(report_.acknowledged));
    std::fflush(stdout);
  }
  return done;
}

// ------------------------------------------------------------------ checks

absl::Status Run::Finish() {
  stopping_ = true;
  return WaitUntil("calls are left without an answer", [this] {
    return std::ranges::all_of(
        clients_, [](const auto& client) { return client->pending.empty(); });
  });
}

absl::Status Run::CheckNames() {
  if (options_.plant_loss) names_["own-planted"] = registry::Revision(1);
  registry::ClientOptions options;
  options.endpoints = cluster_->endpoints();
  options.open_session = false;
  options.waiting_max = static_cast<uint32_t>(names_.size() + 1);
  options.deadline = kPatience;
  net::AsyncClient reader(&loop_, options);
  std::string lost;
  for (const auto& [name, revision] : names_) {
    reader.Start(
        ReadOperation(registry::Lookup{kRegistry, name}),
        [&lost, &name = name, revision = revision](const auto& result) {
          const auto* reply = std::get_if<ReadReply>(&result);
          if (reply == nullptr || reply->registrations.size() != 1 ||
              reply->registrations[0].revision != revision) {
            absl::StrAppend(&lost, " ", name);
          }
        });
  }
  loop_.RunUntil([&reader] { return reader.unfinished() == 0; });
  if (lost.empty()) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("acknowledged and lost:", lost));
}

absl::Status Run::CheckCounters() {
  registry::ClientOptions options;
  options.endpoints = cluster_->endpoints();
  options.open_session = false;
  options.deadline = kPatience;
  net::AsyncClient reader(&loop_, options);
  for (const auto& [name, counter] : counters_) {
    const CallResult result = Await(
        &loop_, &reader, ReadOperation(registry::Lookup{kRegistry, name}));
    const auto* reply = std::get_if<ReadReply>(&result);
    int64_t value = 0;
    if (reply != nullptr && reply->registrations.size() == 1) {
      value = std::get<int64_t>(reply->registrations[0].value);
    }
    if (value >= counter.certain &&
        value <= counter.certain + counter.possible) {
      continue;
    }
    return absl::DataLossError(absl::StrCat(
        name, " is ", value, "; ", counter.certain, " additions of 1 were ",
        "acknowledged, and of ", counter.possible, " nobody knows"));
  }
  return absl::OkStatus();
}

absl::Status Run::CheckHistory() {
  if (!options_.history_out.empty()) {
    std::ofstream out(options_.history_out, std::ios::binary);
    std::string line;
    for (const registry::checker::HistoryEntry& entry : history_.entries()) {
      line.clear();
      registry::checker::AppendHistoryLine(entry, &line);
      out << line;
    }
    if (!out.flush()) {
      return absl::UnknownError("cannot write " + options_.history_out);
    }
  }
  const registry::checker::LinearizabilityResult judged =
      registry::checker::CheckLinearizable(history_.entries());
  if (judged.verdict == registry::checker::Linearizable::kOk) {
    return absl::OkStatus();
  }
  return absl::DataLossError(absl::StrCat("the history is ",
                                          std::string(ToString(judged.verdict)),
                                          ":\n", judged.explanation));
}

absl::StatusOr<KillCyclesReport> Run::Do() {
  absl::Status done = Start();
  for (size_t cycle = 0; done.ok() && cycle < options_.cycles; ++cycle) {
    done = Cycle(cycle);
  }
  if (done.ok()) done = Finish();
  if (done.ok()) done = CheckNames();
  if (done.ok()) done = CheckCounters();
  if (done.ok()) done = CheckHistory();
  if (!done.ok()) return done;
  std::ranges::sort(report_.gaps);
  return report_;
}

}  // namespace

absl::StatusOr<KillCyclesReport> RunKillCycles(
    const KillCyclesOptions& options) {
  return Run(options).Do();
}

}  // namespace tools
