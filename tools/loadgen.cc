// loadgen: closed-loop load on a cluster, measured at the client.
//
//   loadgen --endpoints=... --op=register --clients=64 --in_flight=16
//
// A client is a connection with a session of its own and `in_flight` calls
// always outstanding; the next starts when one is answered. One thread drives
// them all. Register takes names that nobody has; lookup reads names that this
// run registered first. Latencies are those of answered calls; calls that
// failed are counted by error and left out. The gap is the longest time in
// which no client got an answer: what a fail-over costs.
#include <sys/time.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "net/client.h"
#include "raft/digest.h"
#include "tools/args.h"
#include "tools/histogram.h"
#include "tools/json.h"

namespace tools {
namespace {

using registry::CallResult;
using registry::Error;

struct Settings {
  std::vector<std::string> endpoints = {"127.0.0.1:7200"};
  std::string op = "register";
  int64_t clients = 1;
  int64_t in_flight = 1;
  raft::Duration duration = raft::Millis(10'000);
  raft::Duration warmup = raft::Millis(1000);
  raft::Duration timeout = raft::Millis(10'000);
  std::string registry = "loadgen";
  int64_t value_bytes = 16;
  int64_t keys = 10'000;
  bool read_any = false;
  bool json = false;
  bool help = false;

  void Declare(Flags* flags);
};

void Settings::Declare(Flags* flags) {
  flags->List("endpoints", &endpoints, "HOST:PORT,...",
              "client addresses of members");
  flags->Choice("op", &op, {"register", "lookup"}, "what to do");
  flags->Number("clients", &clients, 1, 10'000, "N", "clients");
  flags->Number("in_flight", &in_flight, 1, 1000, "K",
                "calls outstanding for each client");
  flags->Time("duration", &duration, "TIME", "how long to measure");
  flags->Time("warmup", &warmup, "TIME", "load before that, not measured");
  flags->Time("timeout", &timeout, "TIME", "deadline of each call");
  flags->Text("registry", &registry, "NAME", "a unique registry to work in");
  flags->Number("value_bytes", &value_bytes, 0, registry::kValueBytesMax, "N",
                "size of each value");
  flags->Number("keys", &keys, 1, 10'000'000, "N",
                "names that lookup registers first and then reads");
  flags->Switch("read_any", &read_any, "lookup at any member, not the leader");
  flags->Switch("json", &json, "print one JSON object");
  flags->Switch("help", &help, "print this, and exit");
}

int64_t WallClockMs() {
  timeval now;
  gettimeofday(&now, nullptr);
  return int64_t{now.tv_sec} * 1000 + now.tv_usec / 1000;
}

std::string Hex(uint64_t number) {
  char text[17];
  std::snprintf(text, sizeof(text), "%016" PRIx64, number);
  return text;
}

// What was seen while measuring.
struct Measure {
  raft::Time begin;
  raft::Time end;
  int64_t begin_wall_ms = 0;
  Histogram latency_us;
  std::map<std::string, uint64_t> errors;
  raft::Time last_answer;
  raft::Time gap_begin;
  raft::Time gap_end;

  void OnAnswer(raft::Time started, raft::Time now) {
    latency_us.Add(static_cast<uint64_t>((now - started).value()));
    NoteGap(now);
    last_answer = now;
  }
  // Nothing was answered from the last answer until `now`.
  void NoteGap(raft::Time now) {
    if (now - last_answer <= gap_end - gap_begin) return;
    gap_begin = last_answer;
    gap_end = now;
  }
  int64_t WallMs(raft::Time time) const {
    return begin_wall_ms + (time - begin).value() / 1000;
  }
};

class Load {
 public:
  explicit Load(const Settings& settings);
  // The exit code: 3 when the cluster cannot be prepared or nothing was
  // answered.
  int Run();

 private:
  struct Worker {
    std::unique_ptr<net::AsyncClient> client;
    uint64_t made = 0;  // names of its own
  };

  registry::ClientOptions Options() const;
  int Prepare();
  bool Fill();
  std::string KeyOf(size_t worker, uint64_t number) const;
  void Next(size_t worker);
  registry::CallBody NextCall(size_t worker);
  void OnDone(raft::Time started, const CallResult& result);
  void RunUntil(raft::Time time);
  void EndSessions();
  void PrintAsJson() const;
  void PrintAsText() const;
  uint64_t PerSecond() const;

  const Settings settings_;
  const registry::Value value_;
  net::EventLoop loop_;
  std::vector<Worker> workers_;
  std::string run_;  // makes names of this run unlike those of others
  uint64_t draws_ = 0;
  uint64_t outstanding_ = 0;
  bool starting_ = true;
  bool measuring_ = false;
  Measure measure_;
};

Load::Load(const Settings& settings)
    : settings_(settings),
      value_(std::string(static_cast<size_t>(settings.value_bytes), 'v')) {
  for (int64_t i = 0; i < settings_.clients; ++i) {
    workers_.push_back(
        {.client = std::make_unique<net::AsyncClient>(&loop_, Options())});
  }
  run_ = Hex(raft::Mix(workers_[0].client->client().options().seed));
}

registry::ClientOptions Load::Options() const {
  registry::ClientOptions options;
  options.endpoints = settings_.endpoints;
  options.session_ttl = raft::Millis(30'000);
  options.deadline = settings_.timeout;
  options.in_flight_max =
      static_cast<uint32_t>(std::max<int64_t>(settings_.in_flight, 64));
  options.read_any = settings_.read_any;
  return options;
}

std::string Load::KeyOf(size_t worker, uint64_t number) const {
  return run_ + "-" + std::to_string(worker) + "-" + std::to_string(number);
}

int Load::Prepare() {
  std::optional<CallResult> created;
  workers_[0].client->Start(
      registry::Operation(registry::CreateRegistry{
          settings_.registry, registry::RegistryKind::kUnique}),
      [&](const CallResult& result) { created = result; });
  loop_.RunUntil([&] { return created.has_value(); });
  const Error error = registry::ErrorOf(*created);
  if (error != Error::kOk) {
    std::fprintf(stderr, "loadgen: cannot create %s: %s\n",
                 settings_.registry.c_str(),
                 std::string(ToString(error)).c_str());
    return error == Error::kUnavailable || error == Error::kOutcomeUnknown ? 3
                                                                           : 1;
  }
  if (settings_.op == "lookup" && !Fill()) {
    std::fprintf(stderr, "loadgen: cannot register the names to look up\n");
    return 3;
  }
  return 0;
}

// Registers the names that will be looked up, by the first client.
bool Load::Fill() {
  const auto names = static_cast<uint64_t>(settings_.keys);
  uint64_t done = 0;
  uint64_t failed = 0;
  uint64_t next = 0;
  net::AsyncClient* client = workers_[0].client.get();
  std::function<void()> start = [&] {
    client->Start(
        registry::Operation(registry::Register{.registry = settings_.registry,
                                               .key = KeyOf(0, next++),
                                               .value = value_}),
        [&](const CallResult& result) {
          ++done;
          failed += registry::ErrorOf(result) != Error::kOk;
          if (next < names) start();
        });
  };
  while (next < std::min<uint64_t>(names, 64)) start();
  loop_.RunUntil([&] { return done == names; });
  return failed == 0;
}

registry::CallBody Load::NextCall(size_t worker) {
  if (settings_.op == "register") {
    return registry::Operation(
        registry::Register{.registry = settings_.registry,
                           .key = KeyOf(worker, workers_[worker].made++),
                           .value = value_});
  }
  const uint64_t key =
      raft::Mix(++draws_) % static_cast<uint64_t>(settings_.keys);
  return registry::ReadOperation(
      registry::Lookup{settings_.registry, KeyOf(0, key)});
}

void Load::Next(size_t worker) {
  ++outstanding_;
  workers_[worker].client->Start(
      NextCall(worker),
      [this, worker, started = net::Now()](const CallResult& result) {
        --outstanding_;
        if (measuring_) OnDone(started, result);
        if (starting_) Next(worker);
      });
}

void Load::OnDone(raft::Time started, const CallResult& result) {
  const Error error = registry::ErrorOf(result);
  if (error != Error::kOk) {
    ++measure_.errors[std::string(ToString(error))];
    return;
  }
  // A call that began in the warm-up is an answer all the same.
  measure_.OnAnswer(started, net::Now());
}

void Load::RunUntil(raft::Time time) {
  while (net::Now() < time) loop_.Turn(time);
}

void Load::EndSessions() {
  starting_ = false;
  loop_.RunUntil([&] { return outstanding_ == 0; });
  size_t ended = 0;
  for (const Worker& worker : workers_) {
    worker.client->Start(registry::Operation(registry::EndSession{}),
                         [&](const CallResult&) { ++ended; });
  }
  loop_.RunUntil([&] { return ended == workers_.size(); });
}

int Load::Run() {
  if (const int code = Prepare(); code != 0) return code;
  for (size_t worker = 0; worker < workers_.size(); ++worker) {
    for (int64_t i = 0; i < settings_.in_flight; ++i) Next(worker);
  }
  RunUntil(net::Now() + settings_.warmup);
  measure_.begin = measure_.last_answer = net::Now();
  measure_.gap_begin = measure_.gap_end = measure_.begin;
  measure_.begin_wall_ms = WallClockMs();
  measuring_ = true;
  RunUntil(measure_.begin + settings_.duration);
  measuring_ = false;
  measure_.end = net::Now();
  measure_.NoteGap(measure_.end);
  if (settings_.json) {
    PrintAsJson();
  } else {
    PrintAsText();
  }
  std::fflush(stdout);
  EndSessions();
  return measure_.latency_us.count() == 0 ? 3 : 0;
}

uint64_t Load::PerSecond() const {
  const int64_t elapsed = (measure_.end - measure_.begin).value();
  return measure_.latency_us.count() * 1'000'000 /
         static_cast<uint64_t>(std::max<int64_t>(elapsed, 1));
}

void Load::PrintAsJson() const {
  const Histogram& latency = measure_.latency_us;
  JsonWriter json;
  json.BeginObject();
  json.Key("op").Text(settings_.op);
  json.Key("clients").Number(settings_.clients);
  json.Key("in_flight").Number(settings_.in_flight);
  json.Key("value_bytes").Number(settings_.value_bytes);
  json.Key("begin_unix_ms").Number(measure_.begin_wall_ms);
  json.Key("elapsed_ms").Number((measure_.end - measure_.begin).value() / 1000);
  json.Key("answered").Unsigned(latency.count());
  json.Key("per_second").Unsigned(PerSecond());
  json.Key("latency_us").BeginObject();
  json.Key("mean").Unsigned(latency.mean());
  json.Key("p50").Unsigned(latency.Percentile(500'000));
  json.Key("p99").Unsigned(latency.Percentile(990'000));
  json.Key("p999").Unsigned(latency.Percentile(999'000));
  json.Key("max").Unsigned(latency.max());
  json.EndObject();
  json.Key("gap_us").Number((measure_.gap_end - measure_.gap_begin).value());
  json.Key("gap_begin_unix_ms").Number(measure_.WallMs(measure_.gap_begin));
  json.Key("gap_end_unix_ms").Number(measure_.WallMs(measure_.gap_end));
  json.Key("errors").BeginObject();
  for (const auto& [name, count] : measure_.errors) {
    json.Key(name).Unsigned(count);
  }
  json.EndObject().EndObject();
  std::printf("%s\n", json.Take().c_str());
}

void Load::PrintAsText() const {
  const Histogram& latency = measure_.latency_us;
  std::printf("%s: %lld clients with %lld in flight\n", settings_.op.c_str(),
              static_cast<long long>(settings_.clients),
              static_cast<long long>(settings_.in_flight));
  std::printf("  %" PRIu64 " answered, %" PRIu64 " a second\n", latency.count(),
              PerSecond());
  std::printf("  latency in us: p50 %" PRIu64 ", p99 %" PRIu64
              ", p99.9 %" PRIu64 ", max %" PRIu64 "\n",
              latency.Percentile(500'000), latency.Percentile(990'000),
              latency.Percentile(999'000), latency.max());
  std::printf("  longest time without an answer: %lld ms\n",
              static_cast<long long>(
                  (measure_.gap_end - measure_.gap_begin).value() / 1000));
  for (const auto& [name, count] : measure_.errors) {
    std::printf("  %s: %" PRIu64 "\n", name.c_str(), count);
  }
}

int Main(const std::vector<std::string>& args) {
  Settings settings;
  Flags flags;
  settings.Declare(&flags);
  const auto words = flags.Parse(args);
  const auto wrong = [](const std::string& problem) {
    std::fprintf(stderr, "loadgen: %s\n         loadgen --help\n",
                 problem.c_str());
    return 2;
  };
  if (!words.ok()) return wrong(std::string(words.status().message()));
  if (settings.help) {
    std::printf("loadgen: closed-loop load on a cluster\n\n%s",
                flags.Help().c_str());
    return 0;
  }
  if (!words->empty()) return wrong("no words, only flags");
  if (settings.timeout <= raft::Duration(0) ||
      settings.duration <= raft::Duration(0)) {
    return wrong("--timeout and --duration: longer than nothing, please");
  }
  return Load(settings).Run();
}

}  // namespace
}  // namespace tools

int main(int argc, char** argv) {
  return tools::Main(
      std::vector<std::string>(argv + std::min(argc, 1), argv + argc));
}
