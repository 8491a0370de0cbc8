#include "registry/replay.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "raft/check.h"
#include "raft/digest.h"
#include "registry/replica.h"
#include "registry/trace.h"

namespace registry {
namespace {

using Kind = wire::TraceRecord::KindCase;

raft::EntryId EntryIdOf(const raft::wire::EntryId& id) {
  return {raft::Index(id.index()), raft::Term(id.term())};
}

template <typename Wire>
raft::NodeId NodeIdOf(const Wire& node) {
  return raft::NodeId{static_cast<uint8_t>(node.slot()), node.incarnation()};
}

ReplicaOptions OptionsOf(const wire::TraceHeader& header) {
  ReplicaOptions options;
  options.cluster = raft::ClusterId(header.cluster());
  for (const wire::Member& member : header.members()) {
    options.members.push_back(MemberStatus{
        raft::NodeId{static_cast<uint8_t>(member.slot()), member.incarnation()},
        member.peer_address(), member.client_address()});
  }
  options.heartbeat = raft::Duration(header.heartbeat());
  options.election = raft::Duration(header.election());
  options.session_ttl_max = raft::Duration(header.session_ttl_max());
  options.seed = header.seed();
  options.boot = header.boot();
  options.peer_queue_bytes_max = header.peer_queue_bytes_max();
  options.client_queue_bytes_max = header.client_queue_bytes_max();
  options.dial_backoff_min = raft::Duration(header.dial_backoff_min());
  options.dial_backoff_max = raft::Duration(header.dial_backoff_max());
  options.handshake = raft::Duration(header.handshake());
  options.frame_timeout = raft::Duration(header.frame_timeout());
  // A trace of before they could be set says nothing of them.
  if (header.has_limits()) {
    const wire::TraceLimits& told = header.limits();
    options.raft_limits = {.append_bytes = told.append_bytes(),
                           .append_entries = told.append_entries(),
                           .inflight_appends = told.inflight_appends(),
                           .inflight_bytes = told.inflight_bytes(),
                           .uncommitted_bytes = told.uncommitted_bytes()};
    options.limits = {.waiting_reads = told.waiting_reads(),
                      .leases_per_check = told.leases_per_check()};
    if (told.snapshot_bytes() > 0) {
      options.limits.snapshot_bytes = told.snapshot_bytes();
      options.limits.snapshot_slice_bytes = told.snapshot_slice_bytes();
    }
  }
  return options;
}

// A disk whose work is never run: the trace says how it went.
class NoStorage : public raft::storage::Storage {
 public:
  absl::Status Append(const std::vector<raft::Persist>&) override {
    return absl::UnimplementedError("a replay writes nothing");
  }
  absl::Status Release(raft::Index) override {
    return absl::UnimplementedError("a replay removes nothing");
  }
};

// Plays the world: feeds inputs, and answers the replica's calls with what the
// trace says came of them.
class Player : public Transport, public DiskQueue {
 public:
  explicit Player(std::string_view file) : reader_(file) {}

  absl::StatusOr<ReplayReport> Play() {
    if (absl::Status status = Boot(); !status.ok()) return status;
    while (!stopped_ && Next(Expect::kInput)) Feed();
    if (!problem_.ok()) return problem_;
    report_.cut_off_bytes = reader_.cut_off_bytes();
    report_.term = replica_->node().raft().term();
    report_.applied = replica_->node().state().applied();
    report_.digest = replica_->node().state().digest();
    return std::move(report_);
  }

  // ---- the ports
  ConnectionId Connect(const std::string& address) override {
    if (!stopped_ && Next(Expect::kConnected)) {
      return ConnectionId(record_.connected());
    }
    // Any fresh id: the replay is over, but the replica is in the middle of it.
    (void)address;
    return ConnectionId(--spare_connection_);
  }
  size_t Send(ConnectionId, std::string) override {
    return !stopped_ && Next(Expect::kQueued) ? record_.queued() : 0;
  }
  void Close(ConnectionId) override {}
  void Submit(DiskLane, uint64_t, std::function<absl::Status()>) override {}

 private:
  enum class Expect { kInput, kConnected, kQueued, kStep };

  absl::Status Boot() {
    absl::StatusOr<bool> read = reader_.Next(&record_);
    if (!read.ok()) return read.status();
    if (!*read || record_.kind_case() != Kind::kHeader) {
      return absl::InvalidArgumentError("this is not a node trace");
    }
    const wire::TraceHeader header = record_.header();
    if (header.version() != kTraceVersion) {
      return absl::InvalidArgumentError(
          "the trace has version " + std::to_string(header.version()) +
          "; this build replays version " + std::to_string(kTraceVersion));
    }
    const ReplicaOptions options = OptionsOf(header);
    leases_per_check_ = options.limits.leases_per_check;
    now_ = raft::Time(header.now());
    BootState boot;
    boot.opened.storage = std::make_unique<NoStorage>();
    raft::storage::Recovered& recovered = boot.opened.recovered;
    absl::Status status = ReadRecovered(header, &recovered);
    if (status.ok() && header.has_snapshot()) {
      status = ReadState(header, &boot);
    }
    if (!status.ok()) return status;
    report_.node = recovered.identity.node;
    report_.boot = header.boot();
    absl::StatusOr<std::unique_ptr<Replica>> replica = Replica::Start(
        options, Ports{.transport = this, .disk = this}, std::move(boot), now_);
    if (!replica.ok()) return replica.status();
    replica_ = *std::move(replica);
    replica_->SetObserver([this](const Event& event, const Effects& effects) {
      CompareStep(event, effects);
    });
    return absl::OkStatus();
  }

  absl::Status ReadRecovered(const wire::TraceHeader& header,
                             raft::storage::Recovered* recovered) {
    recovered->identity.cluster = raft::ClusterId(header.cluster());
    recovered->identity.node = NodeIdOf(header.node());
    for (const wire::Member& member : header.members()) {
      recovered->identity.initial_voters.push_back(raft::NodeId{
          static_cast<uint8_t>(member.slot()), member.incarnation()});
    }
    std::sort(recovered->identity.initial_voters.begin(),
              recovered->identity.initial_voters.end());
    recovered->term = raft::Term(header.term());
    recovered->vote = NodeIdOf(header.vote());
    recovered->base = EntryIdOf(header.base());
    while (recovered->log.size() < header.log_entries()) {
      absl::StatusOr<bool> read = reader_.Next(&record_);
      if (!read.ok()) return read.status();
      if (!*read || record_.kind_case() != Kind::kEntries) {
        return absl::DataLossError("the trace ends within the recovered log");
      }
      for (raft::wire::Entry& entry :
           *record_.mutable_entries()->mutable_entries()) {
        recovered->log.push_back(
            raft::Entry{recovered->base.index + recovered->log.size() + 1,
                        raft::Term(entry.term()),
                        static_cast<raft::EntryKind>(entry.kind()),
                        raft::Bytes(std::move(*entry.mutable_payload()))});
      }
    }
    if (RecoveredDigest(*recovered) != header.recovered_digest()) {
      return absl::DataLossError(
          "the recovered log in the trace is not the one that was recorded");
    }
    return absl::OkStatus();
  }

  absl::Status ReadState(const wire::TraceHeader& header, BootState* boot) {
    const raft::EntryId snapshot = EntryIdOf(header.snapshot());
    boot->opened.recovered.snapshot = raft::storage::SnapshotHeader{
        .id = {.index = snapshot.index, .term = snapshot.term}};
    while (state_bytes_.size() < header.state_bytes()) {
      absl::StatusOr<bool> read = reader_.Next(&record_);
      if (!read.ok()) return read.status();
      if (!*read || record_.kind_case() != Kind::kState) {
        return absl::DataLossError("the trace ends within the recovered state");
      }
      state_bytes_ += record_.state().bytes();
    }
    absl::StatusOr<LoadedState> loaded =
        LoadState(state_bytes_, leases_per_check_, now_);
    state_bytes_.clear();
    if (!loaded.ok()) return loaded.status();
    if (loaded->state.applied() != snapshot.index) {
      return absl::DataLossError("the state in the trace is another one");
    }
    boot->loaded = *std::move(loaded);
    return absl::OkStatus();
  }

  void FeedBulk(const wire::TraceBulkDone& done) {
    absl::StatusOr<BulkResult> result =
        BulkResultOf(done, state_bytes_, leases_per_check_);
    state_bytes_.clear();
    if (!result.ok()) return Mismatch(std::string(result.status().message()));
    replica_->OnBulkDone(
        done.job(),
        absl::Status(static_cast<absl::StatusCode>(done.code()),
                     done.message()),
        *std::move(result));
  }

  // Reads the next record into record_; false if the replay is over: at the end
  // of the trace, or because this record is not what happens now.
  bool Next(Expect expected) {
    offset_ = reader_.offset();
    absl::StatusOr<bool> read = reader_.Next(&record_);
    if (!read.ok()) problem_ = read.status();
    if (!read.ok() || !*read) {
      stopped_ = true;
      return false;
    }
    if (Kindof(record_) != expected) {
      Mismatch("the replica " + Doing(expected) + ", the trace says that it " +
               Doing(Kindof(record_)));
      return false;
    }
    return true;
  }

  static Expect Kindof(const wire::TraceRecord& record) {
    switch (record.kind_case()) {
      case Kind::kConnected:
        return Expect::kConnected;
      case Kind::kQueued:
        return Expect::kQueued;
      case Kind::kStep:
        return Expect::kStep;
      default:
        return Expect::kInput;
    }
  }
  static std::string Doing(Expect expected) {
    switch (expected) {
      case Expect::kInput:
        return "waits for its next input";
      case Expect::kConnected:
        return "dials a peer";
      case Expect::kQueued:
        return "sends bytes";
      case Expect::kStep:
        return "steps its node";
    }
    return "";
  }

  void Mismatch(std::string what) {
    stopped_ = true;
    report_.mismatch =
        ReplayMismatch{report_.steps + 1, offset_, std::move(what)};
  }

  void CompareStep(const Event& event, const Effects& effects) {
    if (stopped_ || !Next(Expect::kStep)) return;
    if (record_.step() == StepDigest(event, effects)) {
      ++report_.steps;
      return;
    }
    std::string what = "another digest; here the event was " +
                       raft::Describe(event) + " and the effects were";
    for (const Effect& effect : effects) what += " " + raft::Describe(effect);
    Mismatch(std::move(what));
  }

  // Calls the replica with the input in record_.
  void Feed() {
    ++report_.inputs;
    // The calls below read further records into record_.
    wire::TraceRecord input;
    input.Swap(&record_);
    switch (input.kind_case()) {
      case Kind::kState:
        state_bytes_ += input.state().bytes();
        return;
      case Kind::kBulkDone:
        return FeedBulk(input.bulk_done());
      case Kind::kTime:
        return replica_->OnTime(raft::Time(input.time()));
      case Kind::kAccepted:
        return replica_->OnAccepted(
            ConnectionId(input.accepted().connection()),
            static_cast<Listener>(input.accepted().listener()));
      case Kind::kOpened:
        return replica_->OnOpened(ConnectionId(input.opened()));
      case Kind::kBytes:
        return replica_->OnBytes(ConnectionId(input.bytes().connection()),
                                 input.bytes().bytes());
      case Kind::kClosed:
        return replica_->OnClosed(ConnectionId(input.closed()));
      case Kind::kDiskDone:
        return replica_->OnDiskDone(input.disk_done().job(),
                                    absl::Status(static_cast<absl::StatusCode>(
                                                     input.disk_done().code()),
                                                 input.disk_done().message()));
      case Kind::kTurnEnd:
        return replica_->OnTurnEnd();
      case Kind::kHandOver:
        return replica_->HandOver(NodeIdOf(input.hand_over().to()));
      default:
        return Mismatch("a record that is no input");
    }
  }

  TraceReader reader_;
  wire::TraceRecord record_;
  size_t offset_ = 0;  // of record_
  bool stopped_ = false;
  absl::Status problem_;
  ReplayReport report_;
  uint64_t spare_connection_ = 0;
  size_t leases_per_check_ = 0;
  raft::Time now_;
  std::string state_bytes_;  // of the record that follows
  std::unique_ptr<Replica> replica_;
};

}  // namespace

absl::StatusOr<ReplayReport> ReplayTrace(std::string_view file) {
  return Player(file).Play();
}

}  // namespace registry
