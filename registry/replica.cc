// Boot, the turn, and the disk.
#include "registry/replica.h"

#include <algorithm>
#include <utility>

#include "raft/check.h"
#include "raft/storage/identity.h"

namespace registry {
namespace {

template <typename... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
template <typename... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;

std::string Names(const std::vector<raft::NodeId>& nodes) {
  std::string names;
  for (const raft::NodeId node : nodes) {
    if (!names.empty()) names += ", ";
    names += ToString(node);
  }
  return names;
}

std::vector<raft::NodeId> MemberIds(const ReplicaOptions& options) {
  std::vector<raft::NodeId> ids;
  for (const MemberStatus& member : options.members) ids.push_back(member.node);
  std::sort(ids.begin(), ids.end());
  return ids;
}

absl::Status CheckOptions(const ReplicaOptions& options) {
  if (options.heartbeat <= raft::Duration(0) ||
      options.election <= options.heartbeat) {
    return absl::InvalidArgumentError(
        "the heartbeat must be above 0 and below the election timeout");
  }
  if (!options.raft_limits.valid() || !options.limits.valid()) {
    return absl::InvalidArgumentError("a limit is 0 or above its maximum");
  }
  const std::vector<raft::NodeId> ids = MemberIds(options);
  if (ids.empty() || ids.size() > size_t{raft::kVotersMax}) {
    return absl::InvalidArgumentError(
        "a cluster has 1 to " + std::to_string(raft::kVotersMax) + " members");
  }
  for (size_t i = 0; i < ids.size(); ++i) {
    if (!ids[i].valid())
      return absl::InvalidArgumentError("a member has slot 0");
    if (i > 0 && ids[i].slot == ids[i - 1].slot) {
      return absl::InvalidArgumentError("two members have slot " +
                                        std::to_string(ids[i].slot));
    }
  }
  return absl::OkStatus();
}

// Whose directory is it? A node that votes with somebody else's memory, or in a
// cluster that it was not formatted for, can elect a second leader.
absl::Status CheckIdentity(const ReplicaOptions& options,
                           const raft::storage::Identity& identity) {
  if (options.cluster != raft::ClusterId(0) &&
      options.cluster != identity.cluster) {
    return absl::FailedPreconditionError(
        options.data_dir + " belongs to cluster " +
        std::to_string(identity.cluster.value()) + ", not to cluster " +
        std::to_string(options.cluster.value()));
  }
  const std::vector<raft::NodeId> ids = MemberIds(options);
  if (ids != identity.initial_voters) {
    return absl::FailedPreconditionError(
        options.data_dir + " was formatted for the members " +
        Names(identity.initial_voters) + ", but the configuration names " +
        Names(ids));
  }
  if (!std::binary_search(ids.begin(), ids.end(), identity.node)) {
    return absl::FailedPreconditionError(options.data_dir + " belongs to " +
                                         ToString(identity.node) +
                                         ", which is not a member");
  }
  return absl::OkStatus();
}

// Before the recovered log is moved into the node.
std::optional<TraceWriter> BeginTrace(const ReplicaOptions& options,
                                      const Ports& ports, const BootState& boot,
                                      raft::Time now) {
  if (ports.trace == nullptr) return std::nullopt;
  const raft::storage::Recovered& recovered = boot.opened.recovered;
  wire::TraceHeader header;
  header.set_cluster(recovered.identity.cluster.value());
  header.mutable_node()->set_slot(recovered.identity.node.slot);
  header.mutable_node()->set_incarnation(recovered.identity.node.incarnation);
  for (const MemberStatus& member : options.members) {
    wire::Member* added = header.add_members();
    added->set_slot(member.node.slot);
    added->set_incarnation(member.node.incarnation);
    added->set_peer_address(member.peer_address);
    added->set_client_address(member.client_address);
  }
  header.set_heartbeat(options.heartbeat.value());
  header.set_election(options.election.value());
  header.set_session_ttl_max(options.session_ttl_max.value());
  header.set_seed(options.seed);
  header.set_boot(options.boot);
  header.set_peer_queue_bytes_max(options.peer_queue_bytes_max);
  header.set_client_queue_bytes_max(options.client_queue_bytes_max);
  header.set_dial_backoff_min(options.dial_backoff_min.value());
  header.set_dial_backoff_max(options.dial_backoff_max.value());
  header.set_handshake(options.handshake.value());
  header.set_frame_timeout(options.frame_timeout.value());
  const raft::Limits& raft_limits = options.raft_limits;
  wire::TraceLimits* told = header.mutable_limits();
  told->set_append_bytes(raft_limits.append_bytes);
  told->set_append_entries(raft_limits.append_entries);
  told->set_inflight_appends(raft_limits.inflight_appends);
  told->set_inflight_bytes(raft_limits.inflight_bytes);
  told->set_uncommitted_bytes(raft_limits.uncommitted_bytes);
  told->set_waiting_reads(options.limits.waiting_reads);
  told->set_leases_per_check(options.limits.leases_per_check);
  told->set_snapshot_bytes(options.limits.snapshot_bytes);
  told->set_snapshot_slice_bytes(options.limits.snapshot_slice_bytes);
  header.set_now(now.micros());
  std::optional<TraceWriter> trace(ports.trace);
  trace->Begin(std::move(header), recovered, boot.state_bytes);
  return trace;
}

NodeConfig MakeNodeConfig(const ReplicaOptions& options,
                          const raft::storage::Identity& identity) {
  return NodeConfig{
      .raft = raft::Config{.self = identity.node,
                           .voters = identity.initial_voters,
                           .heartbeat = options.heartbeat,
                           .election = options.election,
                           .seed = options.seed,
                           .boot = options.boot,
                           .limits = options.raft_limits},
      .cluster = identity.cluster,
      .members = options.members,
      .session_ttl_max = options.session_ttl_max,
      .limits = options.limits,
  };
}

raft::Restored RestoredFrom(raft::storage::Recovered* recovered) {
  raft::Restored restored{.term = recovered->term,
                          .vote = recovered->vote,
                          .log = std::move(recovered->log),
                          .base = recovered->base};
  if (recovered->snapshot.has_value()) {
    restored.snapshot = {recovered->snapshot->id.index,
                         recovered->snapshot->id.term};
  }
  return restored;
}

// The newest snapshot's state.
absl::Status LoadSnapshot(const ReplicaOptions& options, const Ports& ports,
                          raft::Time now, BootState* boot) {
  const raft::storage::Recovered& recovered = boot->opened.recovered;
  if (!recovered.snapshot.has_value()) return absl::OkStatus();
  auto reader = boot->opened.snapshots->Read(recovered.snapshot->id.index);
  if (!reader.ok()) return reader.status();
  absl::StatusOr<LoadedState> loaded =
      LoadState(reader->get(), options.limits.leases_per_check, now,
                ports.trace != nullptr ? &boot->state_bytes : nullptr);
  if (absl::IsDataLoss(loaded.status())) {
    return absl::DataLossError(
        options.data_dir + "/snapshots: offset 0: the snapshot of index " +
        std::to_string(recovered.snapshot->id.index.value()) + ": " +
        std::string(loaded.status().message()) + ". " +
        raft::storage::HowToComeBack(options.data_dir,
                                     recovered.identity.node));
  }
  if (!loaded.ok()) return loaded.status();
  boot->loaded = *std::move(loaded);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Replica>> Replica::Boot(
    const ReplicaOptions& options, const Ports& ports, raft::Time now) {
  CHECK(ports.vfs != nullptr);
  if (absl::Status status = CheckOptions(options); !status.ok()) return status;
  absl::StatusOr<raft::storage::OpenResult> opened =
      raft::storage::Open(ports.vfs, options.data_dir, options.storage);
  if (!opened.ok()) return opened.status();
  BootState boot{.opened = *std::move(opened)};
  absl::Status loaded = LoadSnapshot(options, ports, now, &boot);
  if (!loaded.ok()) return loaded;
  return Start(options, ports, std::move(boot), now);
}

absl::StatusOr<std::unique_ptr<Replica>> Replica::Start(
    const ReplicaOptions& options, const Ports& ports, BootState boot,
    raft::Time now) {
  if (absl::Status status = CheckOptions(options); !status.ok()) return status;
  const raft::storage::Identity& identity = boot.opened.recovered.identity;
  if (absl::Status status = CheckIdentity(options, identity); !status.ok()) {
    return status;
  }
  return std::unique_ptr<Replica>(
      new Replica(options, ports, std::move(boot), now));
}

Replica::Replica(const ReplicaOptions& options, const Ports& ports,
                 BootState boot, raft::Time now)
    : options_(options),
      ports_(ports),
      storage_(std::move(boot.opened.storage)),
      identity_(boot.opened.recovered.identity),
      trace_(BeginTrace(options, ports, boot, now)),
      node_(MakeNodeConfig(options, identity_),
            RestoredFrom(&boot.opened.recovered),
            boot.loaded.has_value()
                ? *std::move(boot.loaded)
                : LoadedState(options.limits.leases_per_check),
            now),
      now_(now),
      worker_(std::make_shared<SnapshotWorker>(
          SnapshotWorker::Options{
              .data_dir = options.data_dir,
              .owner = {.cluster = identity_.cluster, .node = identity_.node},
              .leases_per_check = options.limits.leases_per_check,
              .tell_state_bytes = ports.trace != nullptr},
          ports.vfs, std::move(boot.opened.snapshots))) {
  CHECK(ports_.transport != nullptr);
  CHECK(ports_.disk != nullptr);
  for (const MemberStatus& member : options_.members) {
    if (member.node == identity_.node) continue;
    peers_.push_back(Peer{.member = member, .dial_at = now});
  }
}

void Replica::OnTime(raft::Time now) {
  if (halted()) return;
  if (trace_) trace_->Time(now);
  ++counters_.turns;
  now_ = std::max(now_, now);
  Step(raft::Tick{now_});
  ExpireConnections();
  DialDue();
}

void Replica::OnTurnEnd() {
  if (halted()) return;
  if (trace_) trace_->TurnEnd();
  Step(raft::Flush{});
  // The disk first: its thread can begin while we talk to the network.
  SubmitWal();
  SubmitBulk();
  SendQueued();
}

void Replica::HandOver(raft::NodeId to) {
  if (halted()) return;
  if (trace_) trace_->HandOver(to);
  if (node_.raft().role() != raft::Role::kLeader) return;
  hand_over_until_ = now_ + raft::Duration(2 * options_.election.value());
  Step(raft::TransferLeadership{to});
}

bool Replica::HandingOver() const {
  if (halted() || now_ >= hand_over_until_) return false;
  const raft::Raft& raft = node_.raft();
  return raft.role() == raft::Role::kLeader ? raft.transfer_to().valid()
                                            : !raft.leader().valid();
}

raft::Time Replica::NextDeadline() const {
  if (halted()) return raft::Time::Never();
  raft::Time deadline = node_.NextDeadline();
  if (!deadlines_.empty()) {
    deadline = std::min(deadline, deadlines_.begin()->first);
  }
  if (HandingOver()) deadline = std::min(deadline, hand_over_until_);
  for (const Peer& peer : peers_) {
    if (peer.dialled == ConnectionId()) {
      deadline = std::min(deadline, peer.dial_at);
    }
  }
  return deadline;
}

void Replica::Step(const Event& event) {
  CHECK(effects_.empty());
  node_.Step(event, &effects_);
  if (trace_) trace_->Step(event, effects_);
  if (observer_) observer_(event, effects_);
  for (Effect& effect : effects_) {
    Perform(&effect);
    if (halted()) break;
  }
  effects_.clear();
}

void Replica::Perform(Effect* effect) {
  std::visit(
      Overloaded{
          [this](raft::Persist& persist) {
            persists_.push_back(std::move(persist));
          },
          [this](raft::Send& send) { QueueToPeer(send); },
          [this](Reply& reply) { QueueToClient(&reply); },
          [](raft::Probe&) {},  // for observers
          [this](raft::Halt& halt) { Halt(halt); },
          [this](WriteSnapshot& write) { bulk_.push_back(std::move(write)); },
          [this](AbandonSnapshot& abandon) { bulk_.push_back(abandon); },
          [this](raft::ReadSnapshot& read) { bulk_.push_back(read); },
          [this](raft::StoreSnapshot& store) {
            if (bulk_.size() < kBulkQueueMax) {
              bulk_.push_back(std::move(store));
            } else {
              ++counters_.bulk_dropped;
            }
          },
          [this](ReleaseLog& release) {
            release_through_ = std::max(release_through_, release.through);
          },
      },
      *effect);
}

void Replica::Halt(const raft::Halt& halt) {
  Halt(
      "the disk lost what was synced: a leader counts on this node for index " +
      std::to_string(halt.index.value()) + " of term " +
      std::to_string(halt.term.value()) +
      ", which it had acknowledged and does not have. " +
      raft::storage::HowToComeBack(options_.data_dir, identity_.node));
}

// After a failed sync nobody knows what the disk holds (the kernel may have
// dropped the pages and would report success the next time), so nothing is
// retried, nothing more is promised, and what this turn queued is not sent.
void Replica::Halt(std::string reason) {
  halt_reason_ = std::move(reason);
  connections_.clear();
  dirty_.clear();
  deadlines_.clear();
  persists_.clear();
  bulk_.clear();
}

StatusReply Replica::Status() const {
  StatusReply status = node_.Status();
  AddCounters(&status);
  return status;
}

void Replica::AddCounters(StatusReply* status) const {
  auto& counters = status->counters;
  for (int i = 1; i < raft::kFrameErrors; ++i) {
    counters.emplace_back(
        "frames_refused." +
            std::string(ToString(static_cast<raft::FrameError>(i))),
        counters_.frames_refused[i]);
  }
  counters.emplace_back("bulk_dropped", counters_.bulk_dropped);
  counters.emplace_back("bulk_jobs", counters_.bulk_jobs);
  counters.emplace_back("log_releases", counters_.log_releases);
  counters.emplace_back("log_releases_failed", counters_.log_releases_failed);
  counters.emplace_back("clients_accepted", counters_.clients_accepted);
  counters.emplace_back("clients_overrun", counters_.clients_overrun);
  counters.emplace_back("frames_in", counters_.frames_in);
  counters.emplace_back("frames_out", counters_.frames_out);
  counters.emplace_back("handshakes_timed_out", counters_.handshakes_timed_out);
  counters.emplace_back("peer_connects", counters_.peer_connects);
  counters.emplace_back("peer_dials", counters_.peer_dials);
  counters.emplace_back("peer_messages_dropped",
                        counters_.peer_messages_dropped);
  counters.emplace_back("peer_queues_full", counters_.peer_queues_full);
  counters.emplace_back("syncs", counters_.syncs);
  counters.emplace_back("turns", counters_.turns);
  counters.emplace_back("wal_entries", counters_.wal_entries);
  counters.emplace_back("wal_records", counters_.wal_records);
  std::sort(counters.begin(), counters.end());
}

}  // namespace registry
