#include "tools/demo_story.h"

#include <signal.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "net/client.h"
#include "net/event_loop.h"
#include "registry/command.h"
#include "tools/demo_services.h"
#include "tools/local_cluster.h"

namespace tools {
namespace {

using raft::Millis;
using raft::Time;
using registry::CallResult;
using registry::CommandReply;
using registry::Error;
using registry::ReadReply;
using registry::Registration;
using registry::StatusReply;

constexpr char kRegistry[] = "services";
constexpr char kContested[] = "ssh/tcp";
constexpr size_t kInFlight = 8;
constexpr size_t kBarCells = 40;
// Anything the cluster has to get done by itself: elect, catch up, recover.
constexpr raft::Duration kPatience = Millis(20'000);
// Between two looks at a node's status.
constexpr raft::Duration kLook = Millis(5);

struct Service {
  std::string name;
  int64_t port = 0;
};

// What an acknowledgement promised.
struct Promise {
  int64_t port = 0;
  registry::Revision revision;
};

double Seconds(raft::Duration d) {
  return static_cast<double>(d.value()) / 1e6;
}

std::string ShortDigest(const StatusReply& status) {
  return absl::StrFormat("%016x", status.state_digest_high);
}

absl::Status Mismatch(const std::string& what) {
  return absl::DataLossError(what);
}

std::vector<Service> ReadServices() {
  std::vector<Service> services;
  std::istringstream lines(kDemoServices);
  for (std::string line; std::getline(lines, line);) {
    char name[64];
    int64_t port = 0;
    if (std::sscanf(line.c_str(),
                    "{\"registry\":\"services\",\"key\":\"%63[^\"]\","
                    "\"value\":%" SCNd64 "}",
                    name, &port) == 2) {
      services.push_back({name, port});
    }
  }
  return services;
}

std::string Explain(const CallResult& result) {
  std::string text(ToString(registry::ErrorOf(result)));
  if (const auto* failure = std::get_if<registry::Failure>(&result);
      failure != nullptr && !failure->detail.empty()) {
    absl::StrAppend(&text, " (", failure->detail, ")");
  }
  return text;
}

class Story {
 public:
  explicit Story(const DemoOptions& options)
      : options_(options), folder_("raregistry-demo") {
    loop_.OnSignals({SIGINT, SIGTERM, SIGHUP}, [this](int) { loop_.Stop(); });
  }

  absl::Status Tell();

 private:
  absl::Status StartThree();
  absl::Status Import();
  absl::Status RefuseSecond();
  absl::Status CatchUp();
  absl::Status KillAll();
  void Keep();

  void Heading(const char* text);
  void Line(const std::string& text) { std::printf("     %s\n", text.c_str()); }
  void DrawBar(size_t done, size_t all);
  void ShowNodes();
  std::string Bold(const std::string& text) const {
    return options_.color ? absl::StrCat("\x1b[1m", text, "\x1b[0m") : text;
  }
  std::string Good(const std::string& text) const {
    return options_.color ? absl::StrCat("\x1b[32m", text, "\x1b[0m") : text;
  }

  absl::Status OpenRegistry();
  void RegisterNext();
  void OnRegistered(const Service& service, const CallResult& result);
  absl::Status LookUpAll();
  std::optional<StatusReply> StatusOf(size_t node);
  // Waits until a node leads, and says which.
  absl::StatusOr<size_t> WaitForLeader();
  absl::Status WaitUntil(const std::string& what,
                         const std::function<bool()>& done);
  // All running nodes have applied the same entries to the same state.
  bool AllAgree();

  const DemoOptions options_;
  TemporaryFolder folder_;
  net::EventLoop loop_;
  std::unique_ptr<LocalCluster> cluster_;
  std::vector<std::unique_ptr<net::AsyncClient>> observers_;  // one a node
  std::unique_ptr<net::AsyncClient> importer_;

  const std::vector<Service> services_ = ReadServices();
  std::map<std::string, Promise> promises_;  // acknowledged, by name
  size_t started_ = 0;
  absl::Status import_failure_;
  size_t kill_at_ = 0;
  size_t victim_ = 0;
  std::optional<Time> killed_at_;
  Time last_ack_;
  raft::Duration longest_silence_;
  uint64_t digest_before_ = 0;
  int step_ = 0;
};

// ---------------------------------------------------------------- telling

void Story::Heading(const char* text) {
  std::printf("\n  %s  %s\n", Bold(std::to_string(++step_)).c_str(),
              Bold(text).c_str());
  std::fflush(stdout);
}

void Story::DrawBar(size_t done, size_t all) {
  if (!options_.color) return;  // no terminal
  std::string bar;
  for (size_t cell = 0; cell < kBarCells; ++cell) {
    bar += cell * all < done * kBarCells ? "█" : "░";
  }
  std::printf("\r     %s %zu of %zu acknowledged", bar.c_str(), done, all);
  if (done == all) std::printf("\n");
  std::fflush(stdout);
}

void Story::ShowNodes() {
  for (size_t node = 0; node < cluster_->size(); ++node) {
    const std::optional<StatusReply> status = StatusOf(node);
    if (!status.has_value()) {
      Line(absl::StrCat(cluster_->name(node), "  does not answer"));
      continue;
    }
    Line(absl::StrFormat("%s  pid %-7d %-9s term %-3d applied %-5d state %s",
                         cluster_->name(node), cluster_->pid(node),
                         std::string(ToString(status->role)),
                         status->term.value(), status->applied.value(),
                         ShortDigest(*status)));
  }
}

// ---------------------------------------------------------------- looking

std::optional<StatusReply> Story::StatusOf(size_t node) {
  const CallResult result =
      Await(&loop_, observers_[node].get(), registry::StatusRequest{});
  if (const auto* status = std::get_if<StatusReply>(&result)) return *status;
  return std::nullopt;
}

absl::Status Story::WaitUntil(const std::string& what,
                              const std::function<bool()>& done) {
  const Time give_up = net::Now() + kPatience;
  while (!done()) {
    if (loop_.stopped()) return absl::CancelledError("interrupted");
    if (net::Now() >= give_up) {
      return absl::DeadlineExceededError(
          absl::StrFormat("waited %.0f s: %s", Seconds(kPatience), what));
    }
    loop_.Turn(net::Now() + kLook);
  }
  return absl::OkStatus();
}

absl::StatusOr<size_t> Story::WaitForLeader() {
  size_t leader = 0;
  const absl::Status waited = WaitUntil("no node leads", [&] {
    for (size_t node = 0; node < cluster_->size(); ++node) {
      if (!cluster_->running(node)) continue;
      const std::optional<StatusReply> status = StatusOf(node);
      leader = node;
      if (status.has_value() && status->role == raft::Role::kLeader &&
          status->applied == status->last_index) {
        return true;
      }
    }
    return false;
  });
  if (!waited.ok()) return waited;
  return leader;
}

bool Story::AllAgree() {
  std::optional<StatusReply> first;
  for (size_t node = 0; node < cluster_->size(); ++node) {
    if (!cluster_->running(node)) continue;
    const std::optional<StatusReply> status = StatusOf(node);
    if (!status.has_value()) return false;
    if (!first.has_value()) first = status;
    if (status->applied != first->applied ||
        status->state_digest_high != first->state_digest_high ||
        status->state_digest_low != first->state_digest_low) {
      return false;
    }
  }
  return true;
}

// ------------------------------------------------------------------ steps

std::vector<std::string> RecordFlags(const DemoOptions& options) {
  if (options.record_dir.empty()) return {};
  return {absl::StrCat("--record=", options.record_dir)};
}

absl::Status Story::StartThree() {
  Heading("Three nodes, each a process with a log of its own on disk");
  const Time begun = net::Now();
  absl::StatusOr<std::unique_ptr<LocalCluster>> cluster =
      LocalCluster::Create({.registryd = options_.registryd,
                            .folder = folder_.path(),
                            .flags = RecordFlags(options_),
                            .dies_with_parent = !options_.keep});
  if (!cluster.ok()) return cluster.status();
  cluster_ = *std::move(cluster);
  for (size_t node = 0; node < cluster_->size(); ++node) {
    registry::ClientOptions options =
        net::OneMember(cluster_->client_address(node));
    options.deadline = Millis(500);
    observers_.push_back(std::make_unique<net::AsyncClient>(&loop_, options));
  }
  const absl::Status started = cluster_->StartAll();
  if (!started.ok()) return started;
  const absl::StatusOr<size_t> leader = WaitForLeader();
  if (!leader.ok()) return leader.status();
  const raft::Duration taken = net::Now() - begun;
  const absl::Status agreed =
      WaitUntil("the nodes differ", [this] { return AllAgree(); });
  if (!agreed.ok()) return agreed;
  Line(absl::StrFormat("in %s", folder_.path()));
  ShowNodes();
  Line(absl::StrFormat("%s leads, %.0f ms after the first process was started",
                       Bold(cluster_->name(*leader)), 1000 * Seconds(taken)));
  victim_ = *leader;
  return absl::OkStatus();
}

absl::Status Story::OpenRegistry() {
  registry::ClientOptions options;
  options.endpoints = cluster_->endpoints();
  options.session_ttl = raft::Duration(0);  // permanent: it outlives us
  options.deadline = kPatience;
  importer_ = std::make_unique<net::AsyncClient>(&loop_, options);
  const CallResult created = Await(
      &loop_, importer_.get(),
      registry::Operation(registry::CreateRegistry{
          .registry = kRegistry, .kind = registry::RegistryKind::kUnique}));
  if (registry::ErrorOf(created) == Error::kOk) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("cannot create the registry: ", Explain(created)));
}

void Story::RegisterNext() {
  if (started_ == services_.size() || !import_failure_.ok()) return;
  const Service& service = services_[started_++];
  importer_->Start(
      registry::Operation(registry::Register{
          .registry = kRegistry, .key = service.name, .value = service.port}),
      [this, &service](const CallResult& result) {
        OnRegistered(service, result);
      });
}

void Story::OnRegistered(const Service& service, const CallResult& result) {
  const Time now = net::Now();
  const auto* reply = std::get_if<CommandReply>(&result);
  if (reply == nullptr || reply->error != Error::kOk) {
    import_failure_ = absl::UnavailableError(
        absl::StrCat("register ", service.name, ": ", Explain(result)));
    return;
  }
  promises_[service.name] = {service.port, reply->revision};
  if (killed_at_.has_value()) {
    longest_silence_ = std::max(longest_silence_, now - last_ack_);
  }
  last_ack_ = now;
  DrawBar(promises_.size(), services_.size());
  if (promises_.size() == kill_at_) {
    // Now: with requests in flight, and in the middle of the leader's work.
    cluster_->Kill(victim_);
    killed_at_ = now;
  }
  RegisterNext();
}

absl::Status Story::Import() {
  Heading("Import of real service names; kill -9 to the leader on the way");
  absl::Status opened = OpenRegistry();
  if (!opened.ok()) return opened;
  kill_at_ = services_.size() / 3;
  const pid_t doomed = cluster_->pid(victim_);
  const Time begun = net::Now();
  for (size_t i = 0; i < kInFlight; ++i) RegisterNext();
  loop_.RunUntil([this] {
    return promises_.size() == services_.size() || !import_failure_.ok();
  });
  if (loop_.stopped()) return absl::CancelledError("interrupted");
  if (!import_failure_.ok()) return import_failure_;
  const absl::StatusOr<size_t> leader = WaitForLeader();
  if (!leader.ok()) return leader.status();
  Line(absl::StrFormat(
      "%d acknowledged: SIGKILL to %s (pid %d), %d requests in flight",
      kill_at_, cluster_->name(victim_), doomed, kInFlight - 1));
  Line(absl::StrFormat(
      "the client heard nothing for %s, then %s led",
      Bold(absl::StrFormat("%.0f ms", 1000 * Seconds(longest_silence_))),
      cluster_->name(*leader)));
  Line(absl::StrFormat("%s names acknowledged in %.2f s, none refused",
                       Good(std::to_string(promises_.size())),
                       Seconds(net::Now() - begun)));
  if (options_.plant_mismatch) promises_["planted/tcp"] = {1, {}};
  Heading("Every acknowledged name, looked up");
  return LookUpAll();
}

absl::Status Story::LookUpAll() {
  registry::ClientOptions options;
  options.endpoints = cluster_->endpoints();
  options.open_session = false;
  options.deadline = kPatience;
  net::AsyncClient reader(&loop_, options);
  size_t answered = 0;
  std::vector<std::string> wrong;
  for (const auto& [name, promise] : promises_) {
    reader.Start(
        registry::ReadOperation(registry::Lookup{kRegistry, name}),
        [&, &name = name, &promise = promise](const CallResult& result) {
          ++answered;
          const auto* reply = std::get_if<ReadReply>(&result);
          const bool same =
              reply != nullptr && reply->error == Error::kOk &&
              reply->registrations.size() == 1 &&
              reply->registrations[0].value == registry::Value(promise.port) &&
              reply->registrations[0].revision == promise.revision;
          if (!same) wrong.push_back(absl::StrCat(name, ": ", Explain(result)));
        });
  }
  loop_.RunUntil([&] { return answered == promises_.size(); });
  if (loop_.stopped()) return absl::CancelledError("interrupted");
  if (!wrong.empty()) {
    return Mismatch(
        absl::StrCat(wrong.size(), " of ", promises_.size(),
                     " acknowledged names are lost or different: ", wrong[0]));
  }
  Line(absl::StrFormat("%s of %d found, each with its port and its revision",
                       Good(std::to_string(answered)), promises_.size()));
  return absl::OkStatus();
}

absl::Status Story::RefuseSecond() {
  Heading("A name has one holder");
  registry::ClientOptions options;
  options.endpoints = cluster_->endpoints();
  options.deadline = kPatience;
  net::AsyncClient rival(&loop_, options);
  const CallResult result = Await(
      &loop_, &rival,
      registry::Operation(registry::Register{
          .registry = kRegistry, .key = kContested, .value = int64_t{2222}}));
  if (loop_.stopped()) return absl::CancelledError("interrupted");
  const auto* reply = std::get_if<CommandReply>(&result);
  const Promise& promise = promises_.at(kContested);
  if (reply == nullptr || reply->error != Error::kAlreadyRegistered ||
      !reply->current.has_value() ||
      reply->current->pid.session != importer_->client().session() ||
      reply->current->revision != promise.revision) {
    return Mismatch(
        absl::StrCat("a second registrant was told ", Explain(result)));
  }
  Line(absl::StrFormat("another session asks for %s ...", kContested));
  Line(absl::StrFormat(
      "%s: session %d holds it since revision %d, with port %d",
      Good(std::string(ToString(reply->error))),
      reply->current->pid.session.value(), reply->current->revision.value(),
      std::get<int64_t>(reply->current->value)));
  // Else its lease would run out in the middle of what follows.
  Await(&loop_, &rival, registry::Operation(registry::EndSession{}));
  return absl::OkStatus();
}

absl::Status Story::CatchUp() {
  Heading("The killed node comes back");
  const Time begun = net::Now();
  absl::Status done = cluster_->Start(victim_);
  if (!done.ok()) return done;
  done = WaitUntil("the nodes differ", [this] { return AllAgree(); });
  if (!done.ok()) return done;
  ShowNodes();
  Line(absl::StrFormat("same entries, %s, %.0f ms after its start",
                       Good("same state"), 1000 * Seconds(net::Now() - begun)));
  const std::optional<StatusReply> status = StatusOf(victim_);
  if (!status.has_value()) return absl::UnavailableError("no status");
  digest_before_ = status->state_digest_high;
  return absl::OkStatus();
}

absl::Status Story::KillAll() {
  Heading("kill -9 to all three; then all three again");
  for (size_t node = 0; node < cluster_->size(); ++node) cluster_->Kill(node);
  const Time begun = net::Now();
  const absl::Status started = cluster_->StartAll();
  if (!started.ok()) return started;
  const absl::StatusOr<size_t> leader = WaitForLeader();
  if (!leader.ok()) return leader.status();
  Line(absl::StrFormat("%s leads, %.0f ms after the first process was started",
                       Bold(cluster_->name(*leader)),
                       1000 * Seconds(net::Now() - begun)));
  absl::Status done =
      WaitUntil("the nodes differ", [this] { return AllAgree(); });
  if (done.ok()) done = LookUpAll();
  if (!done.ok()) return done;
  ShowNodes();
  const std::optional<StatusReply> status = StatusOf(*leader);
  if (!status.has_value()) return absl::UnavailableError("no status");
  if (status->state_digest_high != digest_before_) {
    return Mismatch("the state is not the one from before");
  }
  Line(absl::StrFormat("the %s before", Good("same state as")));
  return absl::OkStatus();
}

void Story::Keep() {
  folder_.Keep();
  cluster_->Release();
  std::string endpoints;
  for (const std::string& endpoint : cluster_->endpoints()) {
    absl::StrAppend(&endpoints, endpoints.empty() ? "" : ",", endpoint);
  }
  const std::string ctl = absl::StrCat(
      "./bazelw run //tools:registryctl -- --endpoints=", endpoints);
  std::printf("\n  The cluster runs on. To play with it:\n\n");
  for (const char* command :
       {"status", "lookup services ssh/tcp", "keys services",
        "register services my-name 4711 --hold"}) {
    std::printf("  %s %s\n", ctl.c_str(), command);
  }
  std::printf("\n  To kill a node, and to start it again:\n\n");
  std::printf("  kill -9 %d\n ", cluster_->pid(0));
  for (const std::string& word : cluster_->Command(0)) {
    std::printf(" %s", word.c_str());
  }
  std::printf("\n\n  To end it:\n\n  kill");
  for (size_t node = 0; node < cluster_->size(); ++node) {
    std::printf(" %d", cluster_->pid(node));
  }
  std::printf("; rm -r %s\n", folder_.path().c_str());
}

absl::Status Story::Tell() {
  const Time begun = net::Now();
  std::printf("\n  %s\n",
              Bold("RaRegistry: names that survive kill -9").c_str());
  for (absl::Status (Story::*step)() :
       {&Story::StartThree, &Story::Import, &Story::RefuseSecond,
        &Story::CatchUp, &Story::KillAll}) {
    const absl::Status done = (this->*step)();
    if (loop_.stopped()) return absl::CancelledError("interrupted");
    if (!done.ok()) return done;
  }
  std::printf("\n  %s in %.1f s: every acknowledged name was kept.\n",
              Good("Done").c_str(), Seconds(net::Now() - begun));
  if (options_.keep) {
    Keep();
  } else {
    std::printf("  Everything is cleaned up; --keep leaves it running.\n");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status TellDemo(const DemoOptions& options) {
  Story story(options);
  return story.Tell();
}

}  // namespace tools
