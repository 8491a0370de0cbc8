#include "sim/cluster.h"

#include <algorithm>
#include <utility>

#include "raft/check.h"
#include "raft/storage/storage.h"
#include "sim/cluster_internal.h"
#include "sim/load_checkers.h"

namespace sim {
namespace {

using registry::Replica;

constexpr raft::ClusterId kClusterId{0xc1a55};
// Shorter than what ships, so that a run sees what comes after.
constexpr raft::Duration kFrameTimeout = raft::Millis(1000);
constexpr int64_t kFirstBootSpreadUs = 50'000;

std::string PeerAddress(uint32_t node) {
  return "n" + std::to_string(node + 1) + ":1";
}

}  // namespace

std::string Cluster::ClientAddress(uint32_t node) {
  return "n" + std::to_string(node + 1) + ":2";
}

Cluster::Cluster(const ClusterOptions& options, Scheduler* scheduler,
                 SimNetwork* network, ClusterChecker* checker,
                 Violations* violations, Trail* trail)
    : options_(options),
      scheduler_(scheduler),
      network_(network),
      checker_(checker),
      violations_(violations),
      trail_(trail),
      budget_({.voters = options.nodes,
               .beyond_minority = options.beyond_minority}) {
  for (uint32_t i = 0; i < options_.nodes; ++i) {
    Draws draws(options_.seed, Stream::kCrash, i);
    SimDiskOptions disk;
    disk.seed = draws.Next();
    disk.garbage_in_torn_sectors = draws.Chance(500'000);
    nodes_.push_back(std::make_unique<Node>(
        disk, SimDiskQueue(options_.seed, i, options_.disk, scheduler_),
        Turns(options_.seed, i, scheduler_, NodeClock(Instant(), 0, 0))));
    Node& node = *nodes_.back();
    node.turns.clock() = DrawClock(i);
    node.ports = std::make_unique<Ports>(network_->transport(i), &node.queue);
    if (options_.cut.node == i && options_.cut.at > 0) {
      if (options_.cut.in_file_operation) {
        node.cut_at_file_operation = options_.cut.at;
      } else {
        node.ports->CutAt(options_.cut.at);
      }
    }
    node.disk.set_hook(
        [this, i](const FileOperation&) { return OnFileOperation(i); });
    network_->Listen(i, registry::Listener::kPeer, PeerAddress(i));
    network_->Listen(i, registry::Listener::kClient, ClientAddress(i));
  }
}

Cluster::~Cluster() {
  for (const auto& node : nodes_) node->ports->Blow();
}

NodeClock Cluster::DrawClock(uint32_t node) {
  Draws draws(options_.seed, Stream::kClock, node, at(node).clocks++);
  const int64_t offset = draws.Between(0, 1'000'000'000);
  return NodeClock(scheduler_->now(), offset, 0);
}

void Cluster::Start() {
  for (uint32_t i = 0; i < size(); ++i) {
    FormatDisk(i);
    at(i).disk.options().lie_about_fsync = options_.lying_disks;
    Draws draws(options_.seed, Stream::kBoot, i);
    ScheduleRestart(i, draws.Between(0, kFirstBootSpreadUs));
  }
}

void Cluster::FormatDisk(uint32_t node) {
  raft::storage::Identity identity{.cluster = kClusterId, .node = IdOf(node)};
  for (uint32_t i = 0; i < size(); ++i) {
    identity.initial_voters.push_back(IdOf(i));
  }
  Draws draws(options_.seed, Stream::kBoot, node, 0);
  Node& formatted = at(node);
  if (draws.Chance(250'000)) {
    formatted.file_operations = static_cast<uint32_t>(draws.Below(12));
    const absl::Status first =
        raft::storage::Format(&formatted.disk, kDataDir, identity);
    formatted.file_operations.reset();
    formatted.disk.Crash(draws.Next());
    if (first.ok()) return;
  }
  const absl::Status status =
      raft::storage::Format(&formatted.disk, kDataDir, identity);
  // A cut that hit after the last step leaves a folder that is formatted.
  if (status.ok() || absl::IsFailedPrecondition(status)) return;
  violations_->Add(Violation::Kind::kCrash, "format", status.ToString());
}

registry::ReplicaOptions Cluster::ReplicaOptionsOf(uint32_t node) const {
  Draws draws(options_.seed, Stream::kBoot, node, 1, nodes_[node]->boots);
  registry::ReplicaOptions options{
      .data_dir = kDataDir,
      .cluster = kClusterId,
      .heartbeat = options_.heartbeat,
      .election = options_.election,
      .seed = options_.seed,
      .boot = draws.Next(),
      .storage = options_.storage,
      .raft_limits = options_.bounds.raft,
      .limits = options_.bounds.node,
      .peer_queue_bytes_max = options_.bounds.peer_queue_bytes,
      .client_queue_bytes_max = options_.bounds.client_queue_bytes,
      .frame_timeout = kFrameTimeout};
  for (uint32_t i = 0; i < size(); ++i) {
    options.members.push_back({.node = IdOf(i),
                               .peer_address = PeerAddress(i),
                               .client_address = ClientAddress(i)});
  }
  return options;
}

void Cluster::ScheduleRestart(uint32_t node, int64_t down_us) {
  Node& down = at(node);
  down.restart_due = true;
  scheduler_->After(down_us, {SimEvent::Kind::kRestart, node, ++down.restart});
}

void Cluster::Boot(uint32_t node) {
  Node& booting = at(node);
  CHECK(booting.replica == nullptr);
  booting.restart_due = false;
  ++booting.boots;
  ++effects_.boots;
  if (std::exchange(booting.clock_lost, false)) {
    NodeClock anew = DrawClock(node);
    anew.InheritBeyond(booting.turns.clock(), scheduler_->now());
    booting.turns.clock() = anew;
  }
  booting.ports->Reset();
  booting.inbox.clear();
  Draws draws(options_.seed, Stream::kBoot, node, 2, booting.boots);
  if (booting.crashes_in_boot > 0 && !healed_) {
    --booting.crashes_in_boot;
    booting.file_operations = static_cast<uint32_t>(draws.Below(40));
  }
  booting.failures_at_boot = booting.disk.effects().failures();
  const registry::Ports ports{.vfs = &booting.disk,
                              .transport = booting.ports.get(),
                              .disk = booting.ports.get()};
  absl::StatusOr<std::unique_ptr<Replica>> replica =
      Replica::Boot(ReplicaOptionsOf(node), ports, booting.turns.Read());
  booting.file_operations.reset();
  if (booting.disk.dead()) {
    ++effects_.crashes_in_boot;
    replica = absl::AbortedError("the power failed");  // closes its files
    if (CutWithoutPower(node)) {
      booting.disk.Kill();
    } else {
      booting.disk.Crash(draws.Next());
      booting.clock_lost = true;
    }
    return ScheduleRestart(node, draws.Between(0, 200'000));
  }
  if (!replica.ok()) return OnRefusal(node, replica.status());
  booting.replica = *std::move(replica);
  booting.turns.NewLife();
  booting.turns.set_slowness(booting.slowness);
  network_->StartProcess(node);
  OnBooted(node);
  booting.replica->SetObserver([this, node](const registry::Event& event,
                                            const registry::Effects& effects) {
    Observe(node, event, effects);
  });
  booting.turns.Request();
}

void Cluster::Observe(uint32_t node, const registry::Event& event,
                      const registry::Effects& effects) {
  trail_->OnStep(scheduler_->now(), node, event, effects,
                 [this, node] { return DescribeNode(node); });
  for (const registry::Effect& effect : effects) {
    if (const auto* probe = std::get_if<raft::Probe>(&effect)) {
      probes_ |= uint64_t{1} << static_cast<uint64_t>(probe->id);
      effects_.windows_filled += probe->id == raft::ProbeId::kWindowFull;
    } else if (std::holds_alternative<raft::Halt>(effect)) {
      at(node).found_lost = true;
    } else if (const auto* reply = std::get_if<registry::Reply>(&effect)) {
      const auto* failure =
          std::get_if<registry::Failure>(&reply->response.body);
      effects_.overloads_told +=
          failure != nullptr && failure->detail == registry::kOverloaded;
    }
  }
  const raft::Raft& raft = at(node).replica->node().raft();
  if (raft.role() == raft::Role::kCandidate && raft.term() > newest_term_) {
    newest_term_ = raft.term();
    ++effects_.terms_begun;
  }
  if (raft.role() == raft::Role::kLeader) leaders_.emplace(raft.term(), node);
  const bool handing_over = raft.transfer_to().valid();
  effects_.transfers_begun += handing_over && !at(node).handing_over;
  at(node).handing_over = handing_over;
  if (const auto* receive = std::get_if<raft::Receive>(&event)) {
    effects_.campaigns_asked +=
        std::holds_alternative<raft::TimeoutNow>(receive->message) &&
        raft.role() == raft::Role::kCandidate;
  }
  checker_->OnStep(node, scheduler_->now(), at(node).replica->node(), event,
                   effects);
}

void Cluster::OnNetworkInput(uint32_t node, NetworkInput input) {
  Node& told = at(node);
  if (told.replica == nullptr) return;
  told.inbox.emplace_back().network = std::move(input);
  told.turns.Request();
}

void Cluster::OnEvent(const SimEvent& event) {
  switch (event.kind) {
    case SimEvent::Kind::kTurn:
    case SimEvent::Kind::kWake:
      if (at(event.who).turns.OnEvent(event)) RunTurn(event.who);
      return;
    case SimEvent::Kind::kDiskJob:
      return RunDiskJob(event.who, event);
    case SimEvent::Kind::kRestart:
      if (at(event.who).restart_due && at(event.who).restart == event.arg) {
        Boot(event.who);
      }
      return;
    default:
      CHECK(false);
  }
}

void Cluster::RunTurn(uint32_t node) {
  Node& running = at(node);
  Replica& replica = *running.replica;
  effects_.turns_slow += running.slowness > 100;
  // What arrives meanwhile waits for the next turn. The memory stays in use.
  std::vector<Input>& inbox = running.reading;
  inbox.clear();
  inbox.swap(running.inbox);
  const uint64_t most = options_.bounds.inputs_per_turn;
  size_t next = 0;
  bool goes_on = true;
  while (goes_on) {
    ++effects_.turns;
    replica.OnTime(running.turns.Read());
    const size_t left = inbox.size() - next;
    const size_t end = next + (most == 0 ? left : std::min(left, most));
    for (; next < end; ++next) {
      const Input& input = inbox[next];
      if (input.is_disk) {
        replica.OnDiskDone(input.job, input.status);
      } else {
        Dispatch(input.network, &replica);
      }
    }
    if (running.stop_down_us.has_value() && !running.stop_told) {
      running.stop_told = true;
      replica.HandOver(raft::kNobody);
    }
    replica.OnTurnEnd();
    goes_on =
        next < inbox.size() && !running.ports->blown() && !replica.halted();
    effects_.turns_ended_early += goes_on;
  }
  if (running.ports->blown()) {
    ++effects_.crashes_between_effects;
    if (running.ports->cut()) {
      running.ports->CutAt(0);
      return Die(node, options_.cut.power, options_.cut.down_us);
    }
    return Die(node, running.effect_crash_power, running.effect_crash_down_us);
  }
  if (replica.halted()) return OnHalt(node);
  if (StopsNow(node)) {
    ++effects_.clean_stops;
    return Die(node, false, *running.stop_down_us);
  }
  running.turns.SetDeadline(replica.NextDeadline());
}

bool Cluster::StopsNow(uint32_t node) const {
  const Node& running = *nodes_.at(node);
  return running.stop_down_us.has_value() && running.stop_told &&
         !running.replica->HandingOver();
}

void Cluster::RunDiskJob(uint32_t node, const SimEvent& event) {
  Node& running = at(node);
  SimDiskQueue::Completion done = running.queue.OnEvent(event);
  if (running.disk.dead()) {
    ++effects_.crashes_in_disk_jobs;
    return Die(node, !CutWithoutPower(node), running.disk_crash_down_us);
  }
  if (!done.ran) return;
  running.inbox.push_back(
      {.is_disk = true, .job = done.job, .status = std::move(done.status)});
  running.turns.Request();
}

absl::Status Cluster::OnFileOperation(uint32_t node) {
  Node& owner = at(node);
  if (owner.boots > 0 &&
      ++owner.file_operations_done == owner.cut_at_file_operation) {
    owner.disk_crash_down_us = options_.cut.down_us;
    return absl::AbortedError("cut");
  }
  if (owner.file_operations.has_value() && (*owner.file_operations)-- == 0) {
    owner.file_operations.reset();
    return absl::AbortedError("the power failed");
  }
  return absl::OkStatus();
}

// The node has just died at the cut in a file operation, and its machine lives.
bool Cluster::CutWithoutPower(uint32_t node) const {
  const Node& dead = *nodes_.at(node);
  return !options_.cut.power && dead.cut_at_file_operation != 0 &&
         dead.file_operations_done == dead.cut_at_file_operation;
}

// The process ends here and now; `power`: the machine with it.
void Cluster::Die(uint32_t node, bool power, int64_t down_us) {
  Node& dying = at(node);
  CHECK(dying.replica != nullptr);
  effects_.leaders_crashed +=
      dying.replica->node().raft().role() == raft::Role::kLeader;
  ++(power ? effects_.power_losses : effects_.kills);
  dying.ports->Blow();
  if (!dying.disk.dead()) LeaveJobHalfDone(node);
  if (power) {
    network_->PowerOff(node);
    dying.clock_lost = true;
  } else {
    network_->KillProcess(node);
  }
  checker_->OnDeath(node);
  AddCounters(*dying.replica, &effects_);
  dying.replica.reset();
  dying.queue.Clear();
  Draws draws(options_.seed, Stream::kCrash, node, ++dying.crashes);
  if (power) {
    dying.disk.Crash(draws.Next());
  } else {
    dying.disk.Kill();
  }
  dying.inbox.clear();
  dying.turns.Die();
  dying.file_operations.reset();
  dying.stop_down_us.reset();
  dying.handing_over = false;
  if (!budget_.lost(node)) ScheduleRestart(node, down_us);
}

// The jobs that run on the disk's threads got as far as some file operation.
void Cluster::LeaveJobHalfDone(uint32_t node) {
  Node& dying = at(node);
  // One after the other, and the one that came second gets nowhere if the first
  // was cut short: as good as any order that two threads have.
  constexpr registry::DiskLane kLanes[] = {registry::DiskLane::kWal,
                                           registry::DiskLane::kBulk};
  for (uint64_t i = 0; i < std::size(kLanes) && !dying.disk.dead(); ++i) {
    std::function<absl::Status()> work = dying.queue.TakeRunning(kLanes[i]);
    if (work == nullptr) continue;
    Draws draws(options_.seed, Stream::kCrash, node, dying.crashes, 1 + 2 * i);
    dying.file_operations = static_cast<uint32_t>(draws.Below(8));
    (void)work();
    dying.file_operations.reset();
    effects_.crashes_in_disk_jobs += dying.disk.dead();
  }
}

// --------------------------------------------------------------- observers

PointsPassed Cluster::points_passed(uint32_t node) const {
  return {nodes_.at(node)->ports->calls(),
          nodes_.at(node)->file_operations_done};
}

bool Cluster::up(uint32_t node) const {
  return nodes_.at(node)->replica != nullptr;
}

const Replica* Cluster::replica(uint32_t node) const {
  return nodes_.at(node)->replica.get();
}

std::optional<uint32_t> Cluster::leader() const {
  std::optional<uint32_t> leader;
  raft::Term term;
  for (uint32_t i = 0; i < size(); ++i) {
    if (!up(i)) continue;
    const raft::Raft& raft = replica(i)->node().raft();
    if (raft.role() == raft::Role::kLeader && raft.term() > term) {
      leader = i;
      term = raft.term();
    }
  }
  return leader;
}

bool Cluster::Converged() const {
  for (uint32_t i = 0; i < size(); ++i) {
    if (budget_.lost(i)) continue;
    if (!up(i)) return false;
    const registry::Node& node = replica(i)->node();
    if (node.state().applied() != checker_->committed() ||
        node.raft().last_index() != checker_->committed() ||
        node.state().digest() != checker_->state().digest() ||
        !WhatWaits(LoadAmongTheLiving(node)).empty()) {
      return false;
    }
  }
  return true;
}

bool Cluster::HasApplied(uint32_t node, raft::Index index) const {
  return up(node) && replica(node)->node().state().applied() >= index;
}

Instant Cluster::LeaderClockBeyond(raft::Term term) const {
  const auto leader = leaders_.find(term);
  if (leader == leaders_.end()) return NodeClock::kNeverBeyond;
  return nodes_.at(leader->second)->turns.clock().LastBeyond(scheduler_->now());
}

bool Cluster::LeaderClockStands() const {
  const std::optional<uint32_t> leads = leader();
  return leads.has_value() && nodes_[*leads]->turns.clock().stands();
}

TimeEffects Cluster::time_effects() const {
  TimeEffects sum;
  for (const auto& node : nodes_) sum += node->turns.time_effects();
  return sum;
}

std::string Cluster::Describe() const {
  std::string text;
  for (uint32_t i = 0; i < size(); ++i) {
    if (!text.empty()) text += "; ";
    text += ToString(IdOf(i)) + ": " + DescribeNode(i);
  }
  return text;
}

// The window of a peer that is gone for good stays as it was: full, at most.
Load Cluster::LoadAmongTheLiving(const registry::Node& node) const {
  Load load = LoadOf(node);
  for (uint32_t i = 0; i < size(); ++i) {
    if (budget_.lost(i)) load.appends_in_flight = 0;
  }
  return load;
}

std::string Cluster::DescribeNode(uint32_t node) const {
  if (budget_.lost(node)) return "lost";
  if (!up(node)) return "down";
  const raft::Raft& raft = replica(node)->node().raft();
  const std::string waits =
      WhatWaits(LoadAmongTheLiving(replica(node)->node()));
  return std::string(ToString(raft.role())) + " term " +
         std::to_string(raft.term().value()) + " commit " +
         std::to_string(raft.commit().value()) + " last " +
         std::to_string(raft.last_index().value()) + " applied " +
         std::to_string(replica(node)->node().state().applied().value()) +
         (waits.empty() ? "" : " waiting: " + waits);
}

std::vector<NodeDigest> Cluster::StateDigests(bool disks) const {
  std::vector<NodeDigest> digests;
  for (uint32_t i = 0; i < size(); ++i) {
    NodeDigest digest{.up = up(i)};
    if (disks) digest.disk = nodes_[i]->disk.StateDigest();
    if (digest.up) {
      const registry::Node& node = replica(i)->node();
      digest.term = node.raft().term();
      digest.vote = node.raft().vote();
      digest.commit = node.raft().commit();
      digest.last = node.raft().last_index();
      digest.state = raft::DigestOf(node.state().digest());
    }
    digests.push_back(digest);
  }
  return digests;
}

std::string Cluster::RolesText() const {
  std::string text;
  for (uint32_t i = 0; i < size(); ++i) {
    if (!text.empty()) text += "  ";
    text += ToString(IdOf(i)) + " ";
    if (!up(i)) {
      text += "down";
      continue;
    }
    const raft::Raft& raft = replica(i)->node().raft();
    text += std::string(ToString(raft.role())) + " of " +
            std::to_string(raft.term().value());
  }
  return text;
}

// What a replica has counted itself since its boot.
void Cluster::AddCounters(const Replica& replica, ClusterEffects* effects) {
  for (const auto& [name, count] : replica.Status().counters) {
    if (name == "peer_queues_full") effects->peer_queues_full += count;
    if (name == "clients_overrun") effects->client_queues_full += count;
    if (name == "snapshots_taken") effects->snapshots_taken += count;
    if (name == "snapshots_installed") effects->snapshots_installed += count;
    if (name == "log_releases") effects->log_releases += count;
  }
}

ClusterEffects Cluster::effects() const {
  ClusterEffects sum = effects_;
  for (const auto& node : nodes_) {
    sum.effects_suppressed += node->ports->suppressed();
    sum.disk_jobs_delayed += node->queue.jobs_delayed();
    sum.turns_late += node->turns.late();
    if (node->replica != nullptr) AddCounters(*node->replica, &sum);
  }
  return sum;
}

SimDiskEffects Cluster::disk_effects() const {
  SimDiskEffects sum;
  for (const auto& node : nodes_) sum += node->disk.effects();
  return sum;
}

}  // namespace sim
