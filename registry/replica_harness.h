// Replicas on ports of memory: a disk that forgets nothing, a network that
// carries bytes in pieces, and outsiders whose bytes a test writes by hand. No
// faults are drawn here; that is the simulator's business (sim/).
#ifndef REGISTRY_REPLICA_HARNESS_H_
#define REGISTRY_REPLICA_HARNESS_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "raft/codec.h"
#include "raft/digest.h"
#include "raft/frame.h"
#include "registry/command_codec.h"
#include "registry/protocol_codec.h"
#include "registry/replica.h"
#include "registry/trace.h"

namespace registry {

// Files in memory; every write is durable at once.
class MemoryVfs : public raft::storage::Vfs {
 public:
  absl::StatusOr<std::unique_ptr<raft::storage::File>> Open(
      const std::string& path, raft::storage::OpenMode mode) override {
    const bool exists = files_.contains(path);
    if (mode == raft::storage::OpenMode::kCreate) {
      if (exists) return absl::AlreadyExistsError(path);
      files_[path] = std::make_shared<std::string>();
    } else if (!exists) {
      return absl::NotFoundError(path);
    }
    return std::unique_ptr<raft::storage::File>(new MemoryFile(files_[path]));
  }
  absl::Status Rename(const std::string& from, const std::string& to) override {
    if (!files_.contains(from)) return absl::NotFoundError(from);
    files_[to] = files_[from];
    files_.erase(from);
    return absl::OkStatus();
  }
  absl::Status Remove(const std::string& path) override {
    return files_.erase(path) == 1 ? absl::OkStatus()
                                   : absl::NotFoundError(path);
  }
  absl::Status MakeDir(const std::string& path) override {
    folders_.insert(path);
    return absl::OkStatus();
  }
  absl::StatusOr<std::vector<std::string>> List(
      const std::string& path) override {
    if (!folders_.contains(path)) return absl::NotFoundError(path);
    std::set<std::string> names;
    const auto add = [&](const std::string& full) {
      if (full.rfind(path + "/", 0) != 0) return;
      const std::string name = full.substr(path.size() + 1);
      if (name.find('/') == std::string::npos) names.insert(name);
    };
    for (const auto& [full, content] : files_) add(full);
    for (const std::string& full : folders_) add(full);
    return std::vector<std::string>(names.begin(), names.end());
  }
  absl::Status SyncDir(const std::string&) override { return absl::OkStatus(); }
  absl::StatusOr<std::unique_ptr<Lock>> LockDir(const std::string&) override {
    return std::make_unique<Lock>();
  }

 private:
  class MemoryFile : public raft::storage::File {
   public:
    explicit MemoryFile(std::shared_ptr<std::string> content)
        : content_(std::move(content)) {}
    absl::Status Write(uint64_t offset, std::string_view data) override {
      if (content_->size() < offset + data.size()) {
        content_->resize(offset + data.size());
      }
      content_->replace(offset, data.size(), data);
      return absl::OkStatus();
    }
    absl::Status Read(uint64_t offset, size_t size, std::string* out) override {
      *out = offset < content_->size() ? content_->substr(offset, size) : "";
      return absl::OkStatus();
    }
    absl::Status Sync() override { return absl::OkStatus(); }
    absl::Status Preallocate(uint64_t size) override {
      if (content_->size() < size) content_->resize(size);
      return absl::OkStatus();
    }
    absl::Status Truncate(uint64_t size) override {
      content_->resize(size);
      return absl::OkStatus();
    }
    absl::StatusOr<uint64_t> Size() override { return content_->size(); }

   private:
    std::shared_ptr<std::string> content_;
  };

  std::map<std::string, std::shared_ptr<std::string>> files_;
  std::set<std::string> folders_;
};

// Runs a job when told to.
class ManualDisk : public DiskQueue {
 public:
  void Submit(DiskLane, uint64_t job,
              std::function<absl::Status()> work) override {
    jobs_.emplace_back(job, std::move(work));
  }
  size_t waiting() const { return jobs_.size(); }
  bool held = false;                        // leave jobs waiting
  absl::Status verdict = absl::OkStatus();  // instead of running them

  // Finishes the oldest job.
  void FinishOne(Replica* replica) {
    const auto [job, work] = std::move(jobs_.front());
    jobs_.pop_front();
    replica->OnDiskDone(job, verdict.ok() ? work() : verdict);
  }

 private:
  std::deque<std::pair<uint64_t, std::function<absl::Status()>>> jobs_;
};

// A trace file in memory.
class MemoryTrace : public TraceSink {
 public:
  void Append(std::string_view record) override {
    AppendTraceRecord(record, &file);
  }
  std::string file;
};

class ReplicaHarness {
 public:
  // Any party of a connection that is no replica: its bytes are written and
  // read by the test.
  struct Outsider {
    std::string received;
    bool closed = false;  // by the replica
    size_t host = 0;      // whose connection `id` it is at the other end
    ConnectionId id;
  };

  explicit ReplicaHarness(size_t size) {
    for (size_t i = 0; i < size; ++i) {
      const std::string number = std::to_string(i);
      members_.push_back(
          MemberStatus{Id(i), "peer" + number, "client" + number});
      voters_.push_back(Id(i));
    }
    for (size_t i = 0; i < size; ++i) {
      hosts_.push_back(std::make_unique<Host>(this, i));
      const raft::storage::Identity identity{kCluster, Id(i), voters_};
      EXPECT_TRUE(
          raft::storage::Format(&hosts_[i]->vfs, "data", identity).ok());
    }
  }

  static constexpr raft::ClusterId kCluster{4711};
  static raft::NodeId Id(size_t i) {
    return raft::NodeId{static_cast<uint8_t>(i + 1), 1};
  }
  ReplicaOptions Options(size_t i) {
    ReplicaOptions options;
    options.data_dir = "data";
    options.members = members_;
    options.cluster = kCluster;
    options.seed = 3;
    options.boot = 100 * (i + 1) + ++boots_;
    options.storage = raft::storage::StorageOptions::Tiny();
    return options;
  }
  absl::Status Boot(size_t i) { return Boot(i, Options(i)); }
  absl::Status Boot(size_t i, const ReplicaOptions& options) {
    Host& host = *hosts_[i];
    const Ports ports{&host.vfs, &host, &host.disk,
                      host.tracing ? &host.trace : nullptr};
    auto replica = Replica::Boot(options, ports, now_);
    if (!replica.ok()) return replica.status();
    host.replica = *std::move(replica);
    return absl::OkStatus();
  }
  void BootAll() {
    for (size_t i = 0; i < hosts_.size(); ++i) ASSERT_TRUE(Boot(i).ok());
  }
  // The process ends: its connections break, its unfinished jobs are lost.
  void Kill(size_t i) {
    Host& host = *hosts_[i];
    host.replica.reset();
    host.disk = ManualDisk();
    host.inbox.clear();
    for (auto& [id, end] : std::exchange(host.open, {})) BreakOther(end);
  }

  Replica& replica(size_t i) { return *hosts_[i]->replica; }
  ManualDisk& disk(size_t i) { return hosts_[i]->disk; }
  MemoryTrace& trace(size_t i) { return hosts_[i]->trace; }
  void TraceFrom(size_t i) { hosts_[i]->tracing = true; }
  raft::Time now() const { return now_; }
  size_t dials(const std::string& address) { return dials_[address]; }
  // Bytes sent to it stay queued.
  void Clog(ConnectionId id, bool clogged) {
    clogged ? (void)clogged_.insert(id) : (void)clogged_.erase(id);
  }
  uint64_t Counter(size_t i, std::string_view name) {
    for (const auto& [counter, value] : replica(i).Status().counters) {
      if (counter == name) return value;
    }
    ADD_FAILURE() << "no counter " << name;
    return 0;
  }

  // ------------------------------------------------------------- the time

  // One turn of one replica: the time, what arrived, the end.
  void Turn(size_t i) {
    Host& host = *hosts_[i];
    if (host.replica == nullptr) return;
    host.replica->OnTime(now_);
    for (auto& input : std::exchange(host.inbox, {})) input(host.replica.get());
    while (!host.disk.held && host.disk.waiting() > 0 &&
           !host.replica->halted()) {
      host.disk.FinishOne(host.replica.get());
    }
    host.replica->OnTurnEnd();
  }
  // Turns until nothing is under way.
  void Settle() {
    bool busy = true;
    while (busy) {
      for (size_t i = 0; i < hosts_.size(); ++i) Turn(i);
      busy = false;
      for (const auto& host : hosts_) {
        if (host->replica == nullptr || host->replica->halted()) continue;
        busy = busy || !host->inbox.empty() ||
               (!host->disk.held && host->disk.waiting() > 0) ||
               host->replica->NextDeadline() <= now_;
      }
    }
  }
  void Run(raft::Duration length) {
    constexpr int64_t kStep = 5'000;
    for (int64_t passed = 0; passed < length.value(); passed += kStep) {
      now_ = now_ + raft::Duration(std::min(kStep, length.value() - passed));
      Settle();
    }
  }
  size_t Leader() {
    for (int i = 0; i < 500; ++i) {
      for (size_t n = 0; n < hosts_.size(); ++n) {
        if (hosts_[n]->replica == nullptr) continue;
        const raft::Raft& raft = replica(n).node().raft();
        if (raft.role() == raft::Role::kLeader &&
            raft.commit() > raft::Index(0) &&
            raft.commit() == raft.last_index()) {
          return n;
        }
      }
      Run(raft::Millis(10));
    }
    ADD_FAILURE() << "no leader";
    return 0;
  }

  // -------------------------------------------------------- the outsiders

  // An outsider dials replica `i`.
  Outsider* Dial(size_t i, Listener listener) {
    const ConnectionId id = NewId();
    Outsider* outsider = NewOutsider(i, id);
    hosts_[i]->open[id] = End{outsider};
    Deliver(i, [id, listener](Replica* r) { r->OnAccepted(id, listener); });
    return outsider;
  }
  // From now on an outsider answers at this address.
  void Listen(const std::string& address) { listening_[address]; }
  // The newest connection that came to it; nullptr if none did.
  Outsider* Caller(const std::string& address) { return listening_[address]; }

  void Write(Outsider* outsider, std::string bytes) {
    const ConnectionId id = outsider->id;
    DeliverBytes(outsider->host, id, std::move(bytes));
  }
  void Close(Outsider* outsider) {
    const ConnectionId id = outsider->id;
    hosts_[outsider->host]->open.erase(id);
    Deliver(outsider->host, [id](Replica* r) { r->OnClosed(id); });
  }

  static std::string HelloFrame(const raft::Hello& hello) {
    std::string payload;
    raft::EncodeHello(hello, &payload);
    return Frame(raft::FrameType::kHello, payload);
  }
  static std::string Frame(raft::FrameType type, std::string_view payload) {
    std::string frame;
    raft::AppendFrame(type, payload, &frame);
    return frame;
  }
  static std::string PeerFrame(const raft::Message& message) {
    std::string payload;
    raft::EncodeMessage(message, &payload);
    return Frame(raft::FrameType::kPeer, payload);
  }
  static std::string RequestFrame(uint64_t id,
                                  decltype(ClientRequest::body) body) {
    return Frame(raft::FrameType::kClientRequest,
                 EncodeClientRequest(ClientRequest{id, std::move(body)}));
  }
  static CommandRequest Encoded(const Command& command) {
    return CommandRequest{raft::Bytes(EncodeCommand(command))};
  }
  // An outsider that has said hello as a client.
  Outsider* Client(size_t i) {
    Outsider* client = Dial(i, Listener::kClient);
    Write(client, HelloFrame(raft::Hello{.boot = 1}));
    Settle();
    return client;
  }

  // The frames that an outsider got, taken out of `received`.
  static std::vector<std::pair<raft::FrameType, std::string>> TakeFrames(
      Outsider* outsider) {
    raft::FrameDecoder decoder;
    decoder.Feed(std::exchange(outsider->received, ""));
    std::vector<std::pair<raft::FrameType, std::string>> frames;
    raft::Frame frame;
    while (decoder.Next(&frame) == raft::FrameDecoder::Result::kFrame) {
      frames.emplace_back(frame.type, frame.payload);
    }
    EXPECT_EQ(decoder.error(), raft::FrameError::kNone);
    EXPECT_EQ(decoder.buffered_bytes(), 0u);
    return frames;
  }
  // The answers among them.
  static std::vector<ClientResponse> TakeResponses(Outsider* client) {
    std::vector<ClientResponse> responses;
    for (const auto& [type, payload] : TakeFrames(client)) {
      if (type != raft::FrameType::kClientResponse) continue;
      ClientResponse response;
      EXPECT_TRUE(DecodeClientResponse(payload, &response));
      responses.push_back(std::move(response));
    }
    return responses;
  }
  // Asks and waits for the one answer.
  template <typename T>
  T Ask(Outsider* client, decltype(ClientRequest::body) body) {
    Write(client, RequestFrame(++last_request_, std::move(body)));
    Settle();
    for (const ClientResponse& response : TakeResponses(client)) {
      if (response.id != last_request_) continue;
      if (const T* value = std::get_if<T>(&response.body)) return *value;
      ADD_FAILURE() << raft::Describe(response);
    }
    ADD_FAILURE() << "no answer";
    return T{};
  }
  CommandReply Do(Outsider* client, const Command& command) {
    return Ask<CommandReply>(client, Encoded(command));
  }

 private:
  // The other end of a connection: an outsider, or another replica's.
  struct End {
    Outsider* outsider = nullptr;
    size_t host = 0;
    ConnectionId id;
  };
  struct Host : public Transport {
    Host(ReplicaHarness* owner, size_t self) : owner(owner), self(self) {}
    ConnectionId Connect(const std::string& address) override {
      return owner->Connect(self, address);
    }
    size_t Send(ConnectionId id, std::string bytes) override {
      return owner->SendFrom(self, id, std::move(bytes));
    }
    void Close(ConnectionId id) override {
      const auto end = open.find(id);
      if (end == open.end()) return;
      const End other = end->second;
      open.erase(end);
      owner->BreakOther(other);
    }

    ReplicaHarness* owner;
    size_t self;
    MemoryVfs vfs;
    ManualDisk disk;
    MemoryTrace trace;
    bool tracing = false;
    std::unique_ptr<Replica> replica;
    std::map<ConnectionId, End> open;
    std::vector<std::function<void(Replica*)>> inbox;
  };

  ConnectionId NewId() { return ConnectionId(++last_connection_); }
  Outsider* NewOutsider(size_t host, ConnectionId id) {
    outsiders_.push_back(std::make_unique<Outsider>());
    outsiders_.back()->host = host;
    outsiders_.back()->id = id;
    return outsiders_.back().get();
  }
  void Deliver(size_t host, std::function<void(Replica*)> input) {
    hosts_[host]->inbox.push_back(std::move(input));
  }
  // In pieces; where they end is a hash.
  void DeliverBytes(size_t host, ConnectionId id, std::string bytes) {
    while (!bytes.empty()) {
      const size_t size =
          std::min<size_t>(bytes.size(), 1 + raft::Mix(++pieces_) % 2000);
      Deliver(host, [id, piece = bytes.substr(0, size)](Replica* r) {
        r->OnBytes(id, piece);
      });
      bytes.erase(0, size);
    }
  }

  ConnectionId Connect(size_t from, const std::string& address) {
    ++dials_[address];
    const ConnectionId id = NewId();
    if (const auto found = listening_.find(address);
        found != listening_.end()) {
      found->second = NewOutsider(from, id);
      hosts_[from]->open[id] = End{found->second};
      Deliver(from, [id](Replica* r) { r->OnOpened(id); });
      return id;
    }
    for (size_t to = 0; to < hosts_.size(); ++to) {
      if (members_[to].peer_address != address) continue;
      if (hosts_[to]->replica == nullptr) break;
      const ConnectionId other = NewId();
      hosts_[from]->open[id] = End{nullptr, to, other};
      hosts_[to]->open[other] = End{nullptr, from, id};
      Deliver(from, [id](Replica* r) { r->OnOpened(id); });
      Deliver(to,
              [other](Replica* r) { r->OnAccepted(other, Listener::kPeer); });
      return id;
    }
    Deliver(from, [id](Replica* r) { r->OnClosed(id); });
    return id;
  }
  size_t SendFrom(size_t from, ConnectionId id, std::string bytes) {
    const auto end = hosts_[from]->open.find(id);
    if (end == hosts_[from]->open.end()) return 0;
    ++sends_[id];
    if (clogged_.contains(id)) return queued_[id] += bytes.size();
    if (end->second.outsider != nullptr) {
      end->second.outsider->received += bytes;
    } else {
      DeliverBytes(end->second.host, end->second.id, std::move(bytes));
    }
    return 0;
  }
  void BreakOther(const End& end) {
    if (end.outsider != nullptr) {
      end.outsider->closed = true;
      return;
    }
    Host& host = *hosts_[end.host];
    if (host.open.erase(end.id) == 0) return;
    Deliver(end.host, [id = end.id](Replica* r) { r->OnClosed(id); });
  }

 public:
  std::map<ConnectionId, size_t> sends_;  // calls of Transport::Send

 private:
  raft::Time now_{5'000'000};
  uint64_t boots_ = 0;
  uint64_t last_connection_ = 0;
  uint64_t last_request_ = 0;
  uint64_t pieces_ = 0;
  std::vector<MemberStatus> members_;
  std::vector<raft::NodeId> voters_;
  std::vector<std::unique_ptr<Host>> hosts_;
  std::vector<std::unique_ptr<Outsider>> outsiders_;
  std::map<std::string, Outsider*> listening_;
  std::map<std::string, size_t> dials_;
  std::set<ConnectionId> clogged_;
  std::map<ConnectionId, size_t> queued_;
};

}  // namespace registry

#endif  // REGISTRY_REPLICA_HARNESS_H_
