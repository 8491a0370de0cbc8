#include "net/server.h"

#include <signal.h>
#include <sys/random.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "net/address.h"
#include "net/disk_thread.h"
#include "net/event_loop.h"
#include "net/posix_vfs.h"
#include "net/tcp_transport.h"
#include "net/trace_file.h"
#include "raft/check.h"
#include "spdlog/spdlog.h"

namespace net {
namespace {

using registry::Listener;
using registry::MemberStatus;
using registry::Replica;

// How long a clean stop waits for the disk.
constexpr raft::Duration kDrainMax = raft::Millis(10'000);

uint64_t RandomNumber() {
  uint64_t number = 0;
  CHECK_EQ(getrandom(&number, sizeof(number), 0),
           static_cast<ssize_t>(sizeof(number)));
  return number;
}

// As many descriptors as the system lets us have, less what the log and the
// dialled connections need: what may be given to accepted ones.
size_t RaiseDescriptorLimit() {
  constexpr size_t kReserve = 512;
  rlimit limit;
  CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);  // not allowed: what we have must do
  CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  return limit.rlim_cur > 2 * kReserve ? limit.rlim_cur - kReserve
                                       : limit.rlim_cur / 2;
}

TcpOptions MakeTcpOptions() {
  TcpOptions options;
  options.accepted_clients_max =
      std::min(options.accepted_clients_max, RaiseDescriptorLimit());
  return options;
}

// Says in the log what an operator wants to know: who leads, who is there.
class Narrator {
 public:
  // Once per turn.
  void Look(const raft::Raft& raft) {
    const Seen now{raft.role(), raft.term(), raft.leader()};
    if (now == seen_) return;
    seen_ = now;
    if (now.role == raft::Role::kLeader) {
      spdlog::info("leads term {}", now.term.value());
    } else if (now.leader.valid()) {
      spdlog::info("follows {} in term {}", ToString(now.leader),
                   now.term.value());
    } else {
      spdlog::info("{} in term {}, no leader known",
                   std::string(ToString(now.role)), now.term.value());
    }
  }

  // With each event of the node. A peer is up when it says something.
  void Hear(const registry::Event& event) {
    if (const auto* receive = std::get_if<raft::Receive>(&event)) {
      bool& up = up_[receive->from.slot];
      if (!up) spdlog::info("peer {} is up", ToString(receive->from));
      up = true;
    } else if (const auto* closed = std::get_if<raft::PeerClosed>(&event)) {
      bool& up = up_[closed->peer.slot];
      if (up) spdlog::warn("peer {} is down", ToString(closed->peer));
      up = false;
    }
  }

 private:
  struct Seen {
    raft::Role role = raft::Role::kFollower;
    raft::Term term;
    raft::NodeId leader;
    bool operator==(const Seen&) const = default;
  };
  Seen seen_;
  std::array<bool, 256> up_ = {};
};

// The replica as the loop sees it, until the server stops: from then on the
// node hears nothing new, and only finishes what it has begun.
class ServedReplica : public TurnHandler {
 public:
  void Serve(Replica* replica) { replica_ = replica; }
  void StopListening() { listening_ = false; }

  void OnTime(raft::Time now) override { replica_->OnTime(now); }
  void OnAccepted(registry::ConnectionId connection,
                  Listener listener) override {
    if (listening_) replica_->OnAccepted(connection, listener);
  }
  void OnOpened(registry::ConnectionId connection) override {
    if (listening_) replica_->OnOpened(connection);
  }
  void OnBytes(registry::ConnectionId connection,
               std::string_view bytes) override {
    if (listening_) replica_->OnBytes(connection, bytes);
  }
  void OnClosed(registry::ConnectionId connection) override {
    if (listening_) replica_->OnClosed(connection);
  }
  void OnTurnEnd() override {
    replica_->OnTurnEnd();
    narrator_.Look(replica_->node().raft());
  }
  raft::Time NextDeadline() const override { return replica_->NextDeadline(); }

  Narrator& narrator() { return narrator_; }

 private:
  Replica* replica_ = nullptr;
  bool listening_ = true;
  Narrator narrator_;
};

// Gives `address` the port of `taken` where it leaves the choice open.
void FillPort(std::string* address, const std::string& taken) {
  absl::StatusOr<Address> parsed = ParseAddress(*address);
  const absl::StatusOr<Address> real = ParseAddress(taken);
  if (!parsed.ok() || !real.ok() || parsed->port != 0) return;
  parsed->port = real->port;
  *address = ToString(*parsed);
}

}  // namespace

// Destroyed from the last member to the first: the replica before its ports.
struct Server::Impl {
  ServerOptions options;
  std::string peer_address;
  std::string client_address;
  PosixVfs vfs;
  EventLoop loop;
  ServedReplica served;
  TcpTransport transport{&loop, MakeTcpOptions()};
  std::unique_ptr<TraceFile> trace;
  std::unique_ptr<DiskThread> disk;
  std::unique_ptr<Replica> replica;

  bool stopping = false;

  void BeginStop();
  absl::Status Bind();
  absl::Status OpenTrace();
  absl::Status Boot();
  void Drain();
};

absl::Status Server::Impl::Bind() {
  MemberStatus* self = nullptr;
  for (MemberStatus& member : options.replica.members) {
    if (member.node == options.self) self = &member;
  }
  if (self == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(
        "node ", ToString(options.self), " is not in the list of members"));
  }
  const auto listen = [this](const std::string& override_address,
                             std::string* own, Listener listener) {
    absl::StatusOr<std::string> taken = transport.Bind(
        override_address.empty() ? *own : override_address, listener);
    if (taken.ok()) FillPort(own, *taken);
    return taken;
  };
  absl::StatusOr<std::string> peer =
      listen(options.peer_listen, &self->peer_address, Listener::kPeer);
  if (!peer.ok()) return peer.status();
  absl::StatusOr<std::string> client =
      listen(options.client_listen, &self->client_address, Listener::kClient);
  if (!client.ok()) return client.status();
  peer_address = *std::move(peer);
  client_address = *std::move(client);
  return absl::OkStatus();
}

absl::Status Server::Impl::OpenTrace() {
  if (options.record_dir.empty()) return absl::OkStatus();
  const absl::Status made = vfs.MakeDir(options.record_dir);
  if (!made.ok()) return made;
  const std::string path =
      absl::StrCat(options.record_dir, "/", ToString(options.self), "-",
                   absl::Hex(options.replica.boot, absl::kZeroPad16), ".trace");
  absl::StatusOr<std::unique_ptr<TraceFile>> file = TraceFile::Create(path);
  if (!file.ok()) return file.status();
  trace = *std::move(file);
  spdlog::info("records its inputs in {}", path);
  return absl::OkStatus();
}

absl::Status Server::Impl::Boot() {
  disk = std::make_unique<DiskThread>(
      &loop, [this](uint64_t job, absl::Status status) {
        replica->OnDiskDone(job, std::move(status));
      });
  absl::StatusOr<std::unique_ptr<Replica>> booted =
      Replica::Boot(options.replica,
                    {.vfs = &vfs,
                     .transport = &transport,
                     .disk = disk.get(),
                     .trace = trace.get()},
                    Now());
  if (!booted.ok()) return booted.status();
  replica = *std::move(booted);
  const raft::NodeId self = replica->node().raft().config().self;
  if (self != options.self) {
    return absl::FailedPreconditionError(absl::StrCat(
        "data directory ", options.replica.data_dir, " belongs to node ",
        ToString(self), ", not to ", ToString(options.self)));
  }
  replica->SetObserver(
      [this](const registry::Event& event, const registry::Effects&) {
        served.narrator().Hear(event);
      });
  served.Serve(replica.get());
  return transport.Start(&served);
}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(
    const ServerOptions& options) {
  auto impl = std::make_unique<Impl>();
  impl->options = options;
  impl->options.replica.boot = RandomNumber();
  for (const auto& step : {&Impl::Bind, &Impl::OpenTrace, &Impl::Boot}) {
    const absl::Status done = (impl.get()->*step)();
    if (!done.ok()) return done;
  }
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

const std::string& Server::peer_address() const { return impl_->peer_address; }
const std::string& Server::client_address() const {
  return impl_->client_address;
}
const Replica& Server::replica() const { return *impl_->replica; }

absl::Status Server::Run() {
  const Replica& replica = *impl_->replica;
  impl_->loop.RunUntil([this, &replica] {
    return replica.halted() || (impl_->stopping && !replica.HandingOver());
  });
  if (!replica.halted()) impl_->Drain();
  FlushTrace();
  if (replica.halted()) return absl::DataLossError(replica.halt_reason());
  return absl::OkStatus();
}

// Within a turn. The clients of a leader that just vanishes wait until its
// followers notice; those of one that hands over, for about a round trip.
void Server::Impl::BeginStop() {
  if (stopping) return loop.Stop();
  stopping = true;
  replica->HandOver(raft::kNobody);
  const raft::NodeId to = replica->node().raft().transfer_to();
  if (to.valid()) spdlog::info("hands over to {}", ToString(to));
}

// Whatever a client was told is durable already. This is for those that wait
// for an answer: what the disk has in hand is finished and answered.
void Server::Impl::Drain() {
  served.StopListening();
  const raft::Time give_up = Now() + kDrainMax;
  while (disk->outstanding() > 0 && !replica->halted() && Now() < give_up) {
    loop.Turn(give_up);
  }
}

void Server::FlushTrace() {
  if (impl_->trace != nullptr) impl_->trace->Flush();
}

void Server::Stop() {
  impl_->loop.Post([this] { impl_->BeginStop(); });
}

void Server::StopOnSignals() {
  signal(SIGPIPE, SIG_IGN);
  impl_->loop.OnSignals({SIGTERM, SIGINT}, [this](int number) {
    spdlog::info("stops: {}", number == SIGTERM ? "SIGTERM" : "SIGINT");
    impl_->BeginStop();
  });
}

}  // namespace net
