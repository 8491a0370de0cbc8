#include "sim/simulation.h"

#include <algorithm>
#include <bit>

#include "raft/check.h"
#include "registry/checker/linearizability.h"
#include "sim/cluster.h"
#include "sim/fault_injector.h"
#include "sim/scheduler.h"
#include "sim/sim_network.h"
#include "sim/workload.h"

namespace sim {
namespace {

constexpr int64_t kSecond = 1'000'000;
// Beyond this many events a second something turns in a circle.
constexpr uint64_t kEventsPerSecondMax = 2'000'000;
// After the run's length, until all is answered and equal.
constexpr int64_t kPatienceUs = 8 * kSecond;
constexpr int64_t kPollUs = 20'000;
// The state of the nodes becomes part of the digest, and that of the disks.
constexpr uint64_t kEventsPerStateDigest = 1024;
// A long run has large disks: they are read ever less often.
bool DisksAreDue(uint64_t events) {
  return events >= 65'536 && std::has_single_bit(events);
}
// Bounds the search for an order of each key's calls.
constexpr uint64_t kConfigurationsMax = 200'000;

enum Phase : uint64_t { kHeal = 1, kLeaderDue, kProgressDue, kEnd };

ClusterOptions ClusterOptionsOf(const Scenario& scenario) {
  const WorldConfig& config = scenario.config;
  ClusterOptions options{.seed = scenario.seed,
                         .nodes = config.nodes,
                         .heartbeat = raft::Micros(config.heartbeat_us),
                         .election = raft::Micros(config.election_us),
                         .storage = raft::storage::StorageOptions::Tiny(),
                         .disk = config.disk,
                         .bounds = config.bounds,
                         .cut = config.cut,
                         .lying_disks = config.lying_disks,
                         .beyond_minority = config.beyond_minority};
  options.storage.segment_bytes = config.segment_bytes;
  return options;
}

WorkloadOptions WorkloadOptionsOf(const Scenario& scenario) {
  const WorldConfig& config = scenario.config;
  WorkloadOptions options{
      .seed = scenario.seed,
      .first_process = config.nodes,
      .clients = config.clients,
      .deadline = raft::Micros(config.call_deadline_us),
      .progress_deadline = raft::Micros(scenario.ProgressUs())};
  for (uint32_t i = 0; i < config.nodes; ++i) {
    options.endpoints.push_back(Cluster::ClientAddress(i));
  }
  return options;
}

class World : public NetworkSink {
 public:
  World(const Scenario& scenario, const Observers& observers)
      : scenario_(scenario),
        observers_(observers),
        trail_(observers.trail),
        network_(scenario.seed, scenario.config.nodes + scenario.config.clients,
                 &scheduler_, this),
        workload_(WorkloadOptionsOf(scenario), &scenario.operations,
                  &scheduler_, &network_, &violations_, &trail_),
        checker_(scenario.config.nodes, &violations_, &workload_),
        cluster_(ClusterOptionsOf(scenario), &scheduler_, &network_, &checker_,
                 &violations_, &trail_),
        injector_(scenario.plan, scenario.config.links, &scheduler_, &network_,
                  &cluster_, &workload_) {}

  SimulationResult Run();

  void OnNetworkInput(Process process, NetworkInput input) override {
    if (process < cluster_.size()) {
      cluster_.OnNetworkInput(process, std::move(input));
    } else {
      workload_.OnNetworkInput(process, std::move(input));
    }
  }

 private:
  void DigestState(bool disks);
  void Dispatch(const SimEvent& event);
  void OnPhase(uint64_t phase);
  void OnLeaderDue();
  bool PutOff();
  bool IsEarly(Phase phase, int64_t at_us);
  void OnProgressDue();
  void PollEnd();
  void CheckAtEnd();
  void Demand(bool holds, std::string_view checker, const std::string& text);
  void Narrate(const SimEvent& event);
  void Say(const std::string& text);
  void CountFaults(SimulationResult* result) const;
  void CountDisks(SimulationResult* result) const;
  void CountTransfers(SimulationResult* result) const;

  const Scenario& scenario_;
  const Observers& observers_;
  Scheduler scheduler_;
  Violations violations_;
  Trail trail_;
  SimNetwork network_;
  Workload workload_;
  ClusterChecker checker_;
  Cluster cluster_;
  FaultInjector injector_;
  uint64_t events_ = 0;
  bool over_ = false;
  bool unknown_ = false;
  bool unrecoverable_ = false;
  std::vector<PointsPassed> points_passed_;
  uint64_t terms_at_heal_ = 0;
  uint64_t transfers_at_heal_ = 0;
  int64_t put_off_us_ = 0;          // all that comes after the heal
  Instant last_led_;                // while the injector is restless
  raft::Index committed_when_due_;  // at kLeaderDue
  std::string last_view_;
};

SimulationResult World::Run() {
  const auto leader_clocks = [this](raft::Term term) {
    return cluster_.LeaderClockBeyond(term);
  };
  workload_.SetLeaderClocks(leader_clocks);
  checker_.SetLeaderClocks(leader_clocks);
  cluster_.Start();
  workload_.Start();
  injector_.Start();
  scheduler_.At(Instant(scenario_.plan.heal_at_us),
                {SimEvent::Kind::kPhase, 0, kHeal});
  scheduler_.At(Instant(scenario_.LeaderDueUs()),
                {SimEvent::Kind::kPhase, 0, kLeaderDue});
  if (!scenario_.plan.lingering.empty()) {
    scheduler_.At(Instant(scenario_.ProgressDueUs()),
                  {SimEvent::Kind::kPhase, 0, kProgressDue});
  }
  scheduler_.At(Instant(scenario_.EndUs()), {SimEvent::Kind::kPhase, 0, kEnd});
  const uint64_t events_max =
      kEventsPerSecondMax *
      static_cast<uint64_t>(scenario_.EndUs() / kSecond + 1);
  while (!over_ && violations_.empty() && !scheduler_.empty()) {
    const SimEvent event = scheduler_.Pop();
    ++events_;
    Dispatch(event);
    if (injector_.restless() && cluster_.leader()) last_led_ = scheduler_.now();
    if (events_ % kEventsPerStateDigest == 0) {
      DigestState(DisksAreDue(events_));
    }
    if (observers_.narrator) Narrate(event);
    if (events_ >= events_max) {
      violations_.Add(Violation::Kind::kLiveness, "event_storm",
                      "more than " + std::to_string(events_max) + " events");
    }
  }
  DigestState(true);
  if (violations_.empty()) CheckAtEnd();
  unrecoverable_ = !cluster_.Recoverable();
  SimulationResult result;
  result.violations = violations_.list();
  result.digest = trail_.digest();
  result.steps = trail_.steps();
  result.events = events_;
  result.simulated_us = scheduler_.now().value();
  result.nodes = cluster_.size();
  result.operations = workload_.effects().operations;
  result.leaders = checker_.leaders();
  result.unsynced_bytes_lost = cluster_.disk_effects().bytes_lost;
  result.committed = checker_.committed().value();
  result.linearizability_unknown = unknown_;
  result.probes = cluster_.probes();
  result.points_passed = points_passed_;
  result.history = workload_.history();
  CountFaults(&result);
  return result;
}

// What the effects do not show becomes part of the digest too.
void World::DigestState(bool disks) {
  trail_.OnStep(scheduler_.now(), Step::kWorld, cluster_.StateDigests(disks),
                std::vector<SimDiskEffects>{cluster_.disk_effects()},
                [this] { return cluster_.Describe(); });
}

void World::Dispatch(const SimEvent& event) {
  switch (event.kind) {
    case SimEvent::Kind::kFlight:
    case SimEvent::Kind::kRead:
    case SimEvent::Kind::kDialTimeout:
      return network_.OnEvent(event);
    case SimEvent::Kind::kTurn:
    case SimEvent::Kind::kWake:
    case SimEvent::Kind::kDiskJob:
    case SimEvent::Kind::kRestart:
    case SimEvent::Kind::kClient:
      return event.who < cluster_.size() ? cluster_.OnEvent(event)
                                         : workload_.OnEvent(event);
    case SimEvent::Kind::kFault:
    case SimEvent::Kind::kFaultEnd:
    case SimEvent::Kind::kFaultStep:
      return injector_.OnEvent(event);
    case SimEvent::Kind::kPhase:
      return OnPhase(event.arg);
  }
}

void World::OnPhase(uint64_t phase) {
  switch (phase) {
    case kHeal:
      for (uint32_t i = 0; i < cluster_.size(); ++i) {
        points_passed_.push_back(cluster_.points_passed(i));
      }
      terms_at_heal_ = cluster_.effects().terms_begun;
      transfers_at_heal_ = cluster_.effects().transfers_begun;
      return injector_.Heal();
    case kLeaderDue:
      return OnLeaderDue();
    case kProgressDue:
      if (IsEarly(kProgressDue, scenario_.ProgressDueUs())) return;
      return OnProgressDue();
    case kEnd:
      if (IsEarly(kEnd, scenario_.EndUs())) return;
      return PollEnd();
    default:
      CHECK(false);
  }
}

// A late copy of what a former leader said is as good as its word: nothing
// tells an old heartbeat from a new one, and who hears it keeps quiet for
// another election timeout. So the time to elect a leader counts from the last
// copy that the storm left, which comes kDuplicateLateUs after the heal at the
// latest; and all that follows with it. True if it was put off once more.
bool World::PutOff() {
  const int64_t heal_us = scenario_.plan.heal_at_us;
  const int64_t calm_us = std::min(network_.last_duplicate().value(),
                                   heal_us + SimNetwork::kDuplicateLateUs);
  const Instant due(calm_us + scenario_.LeaderDueUs() - heal_us);
  if (due <= scheduler_.now()) return false;
  put_off_us_ = due.value() - scenario_.LeaderDueUs();
  scheduler_.At(due, {SimEvent::Kind::kPhase, 0, kLeaderDue});
  return true;
}

// Whether the phase was put off until later; then it comes again.
bool World::IsEarly(Phase phase, int64_t at_us) {
  const Instant due(at_us + put_off_us_);
  if (scheduler_.now() >= due) return false;
  scheduler_.At(due, {SimEvent::Kind::kPhase, 0, phase});
  return true;
}

void World::OnLeaderDue() {
  // Where something comes and goes, so may a leader: it must have led lately.
  const int64_t lately_us =
      injector_.restless() ? 4 * scenario_.config.election_us : 0;
  const bool led =
      cluster_.leader().has_value() || scheduler_.now() - last_led_ < lately_us;
  if (!led && PutOff()) return;
  Demand(
      led, "leader_after_heal",
      "no leader " + std::to_string(kElectionsToLeader) +
          " election timeouts after everything healed: " + cluster_.Describe());
  committed_when_due_ = checker_.committed();
  workload_.AskForProgress();
}

// Whatever lingers still does so; the rest of the cluster must not mind. But
// for a leader whose clock stands still: what is sent again is sent again after
// some time, and nobody deposes a leader whose clients make it send what is new
// (seed 915566 of --profile=all: the follower that misses something hears
// nothing, and the others do). When the clock goes on, everybody must have
// everything.
void World::OnProgressDue() {
  if (cluster_.LeaderClockStands()) return;
  for (uint32_t node = 0; node < cluster_.size(); ++node) {
    if (injector_.sick() >> node & 1 || !cluster_.CopyIsIntact(node)) continue;
    Demand(cluster_.HasApplied(node, committed_when_due_), "healthy_catch_up",
           "node " + std::to_string(node) + " is healthy, but behind " +
               std::to_string(committed_when_due_.value()) + ": " +
               cluster_.Describe());
  }
}

void World::PollEnd() {
  const bool answered = workload_.unfinished() == 0;
  over_ = answered && cluster_.Converged();
  if (over_) return;
  if (scheduler_.now() <
      Instant(scenario_.EndUs() + put_off_us_ + kPatienceUs)) {
    return scheduler_.After(kPollUs, {SimEvent::Kind::kPhase, 0, kEnd});
  }
  Demand(answered, "calls_answered",
         std::to_string(workload_.unfinished()) + " calls are unanswered");
  Demand(cluster_.Converged(), "convergence",
         "committed " + std::to_string(checker_.committed().value()) + "; " +
             cluster_.Describe());
  over_ = true;
}

void World::CheckAtEnd() {
  const uint64_t terms = cluster_.effects().terms_begun - terms_at_heal_;
  const uint64_t upsets = injector_.upsets() +
                          cluster_.effects().transfers_begun -
                          transfers_at_heal_;
  Demand(terms <= kTermsPerUpset * upsets, "livelock",
         std::to_string(terms) + " terms were begun after " +
             std::to_string(upsets) + " upsets since the heal");
  const std::string unanswered = workload_.Unanswered();
  Demand(unanswered.empty(), "progress",
         "after everything healed: " + unanswered);
  const registry::checker::LinearizabilityResult order =
      registry::checker::CheckLinearizable(
          workload_.history(), {.configurations_max = kConfigurationsMax});
  unknown_ = order.verdict == registry::checker::Linearizable::kUnknown;
  if (order.verdict == registry::checker::Linearizable::kIllegal) {
    violations_.Add(Violation::Kind::kLinearizability, "search",
                    order.explanation);
  }
  for (uint32_t i = 0; i < cluster_.size(); ++i) {
    if (!cluster_.up(i)) continue;
    const registry::StateMachine& state = cluster_.replica(i)->node().state();
    if (state.RecomputeDigest() == state.digest()) continue;
    violations_.Add(Violation::Kind::kSafety, "state_digest",
                    "the digest kept is not that of the state");
  }
}

// Safety is demanded always, progress exactly if the disks have left enough for
// it (fault_budget.h).
void World::Demand(bool holds, std::string_view checker,
                   const std::string& text) {
  if (holds || !cluster_.Recoverable()) return;
  violations_.Add(Violation::Kind::kLiveness, checker, text);
}

void World::Say(const std::string& text) {
  std::string micros = std::to_string(scheduler_.now().value());
  if (micros.size() < 9) micros.insert(0, 9 - micros.size(), ' ');
  observers_.narrator(micros + " us  " + text);
}

void World::Narrate(const SimEvent& event) {
  if (event.kind == SimEvent::Kind::kFault) {
    Say("fault: " + raft::Describe(scenario_.plan.faults.at(event.arg).fault));
  } else if (event.kind == SimEvent::Kind::kPhase && event.arg == kHeal) {
    Say("everything heals");
    for (const Fault& fault : scenario_.plan.lingering) {
      Say("but: " + raft::Describe(fault));
    }
  }
  const std::string view = cluster_.RolesText();
  if (view != last_view_) {
    last_view_ = view;
    Say(view);
  }
  for (const Violation& violation : violations_.list()) {
    Say(std::string(ToString(violation.kind)) + " violation, " +
        violation.checker + ": " + violation.text);
  }
}

void World::CountDisks(SimulationResult* result) const {
  const ClusterEffects cluster = cluster_.effects();
  const SimDiskEffects disk = cluster_.disk_effects();
  const std::vector<Count> faults = {
      {"syncs_failed", disk.syncs_failed},
      {"reads_failed", disk.reads_failed},
      {"writes_failed", disk.writes_failed},
      {"writes_short", disk.writes_short},
      {"other_operations_failed", disk.others_failed},
      {"operations_without_room", disk.full},
      {"operations_on_read_only", disk.read_only},
      {"boots_failed", cluster.boots_failed},
      {"sectors_rotted", disk.sectors_rotted},
      {"synced_writes_lost", disk.synced_writes_lost},
      {"writes_misdirected", disk.writes_misdirected},
      {"copies_refused", cluster.copies_refused},
      {"unsynced_bytes_lost", disk.bytes_lost},
      {"sectors_torn", disk.sectors_torn},
      {"dir_ops_lost", disk.dir_ops_lost},
      {"nodes_halted", cluster.halts},
      {"disk_jobs_delayed", cluster.disk_jobs_delayed},
  };
  const std::vector<Count> counts = {
      {"damage_harmless", cluster.damage_harmless},
      {"damage_plain", cluster.damage_plain},
      {"damage_silent", cluster.damage_silent},
      {"damage_withheld", cluster.damage_withheld},
      {"boots_short", cluster.boots_short},
      {"copies_found_lost", cluster.copies_found_lost},
      {"unrecoverable", unrecoverable_},
      {"disk_operations", disk.operations},
      {"disk_bytes_written", disk.bytes_written},
      {"syncs", disk.syncs},
  };
  result->faults.insert(result->faults.end(), faults.begin(), faults.end());
  result->counts.insert(result->counts.end(), counts.begin(), counts.end());
}

void World::CountFaults(SimulationResult* result) const {
  NetworkEffects network = network_.effects();
  const ClusterEffects cluster = cluster_.effects();
  const WorkloadEffects workload = workload_.effects();
  result->faults = {
      {"frames_dropped", network.frames_dropped},
      {"frames_duplicated", network.frames_duplicated},
      {"frames_on_a_later_connection", network.frames_stale},
      {"frames_reordered", network.frames_reordered},
      {"frames_cut", network.frames_cut},
      {"frames_lost_to_partition", network.lost_to_partition},
      {"messages_held", network.held},
      {"messages_of_the_tail", network.delayed},
      {"bytes_corrupted", network.bytes_corrupted},
      {"reads_split", network.reads_split},
      {"connections_reset", network.connections_reset},
      {"connections_half_open", network.connections_half_open},
      {"connections_silenced", network.black_holes},
      {"connections_stalled", network.connections_stalled},
      {"messages_after_a_close", network.after_close},
      {"dials_failed", network.dials_failed},
      {"processes_killed", cluster.kills},
      {"power_losses", cluster.power_losses},
      {"crashes_between_effects", cluster.crashes_between_effects},
      {"effects_suppressed", cluster.effects_suppressed},
      {"crashes_in_disk_jobs", cluster.crashes_in_disk_jobs},
      {"crashes_in_boot", cluster.crashes_in_boot},
      {"leaders_crashed", cluster.leaders_crashed},
      {"leaders_lost", result->leaders_lost()},
      {"turns_late", cluster.turns_late},
      {"turns_slow", cluster.turns_slow},
      {"turns_ended_early", cluster.turns_ended_early},
      {"windows_filled", cluster.windows_filled},
      {"overloads_told", cluster.overloads_told},
      {"peer_queues_full", cluster.peer_queues_full},
      {"client_queues_full", cluster.client_queues_full},
      {"clocks_changed", cluster.clocks_changed},
      {"clients_crashed", workload.client_crashes},
      {"clients_paused", workload.turns_late},
      {"sessions_expired", workload.sessions_expired},
      {"sessions_lost", workload.sessions_lost},
      {"requests_repeated", workload.requests_repeated},
      {"sessions_expired_together", workload.expired_together},
      {"asked_by_two_sessions", workload.asked_by_two_sessions},
      {"leases_not_judged", workload.leases_not_judged},
      {"outcomes_unknown", workload.outcome_unknown},
  };
  for (const Count& effect : injector_.Effects()) {
    result->faults.push_back(effect);
  }
  result->counts = {
      {"faults", injector_.happened()},
      {"committed", result->committed},
      {"leaders", result->leaders},
      {"commands_repeated", checker_.commands_repeated()},
      {"frames", network.frames},
      {"network_bytes", network.bytes},
      {"dials", network.dials},
      {"turns", cluster.turns},
      {"boots", cluster.boots},
      {"terms_begun", cluster.terms_begun},
      {"operations", workload.operations},
      {"answered", workload.answered},
      {"unavailable", workload.unavailable},
      {"sessions_opened", workload.sessions_opened},
  };
  CountTransfers(result);
  CountDisks(result);
}

void World::CountTransfers(SimulationResult* result) const {
  const ClusterEffects cluster = cluster_.effects();
  const std::vector<Count> counts = {
      {"clean_stops", cluster.clean_stops},
      {"transfers_begun", cluster.transfers_begun},
      {"campaigns_asked", cluster.campaigns_asked},
      {"transfers_done", workload_.effects().transfers_done},
      {"snapshots_taken", cluster.snapshots_taken},
      {"snapshots_installed", cluster.snapshots_installed},
      {"log_releases", cluster.log_releases},
  };
  result->counts.insert(result->counts.end(), counts.begin(), counts.end());
}

}  // namespace

SimulationResult Simulate(const Scenario& scenario,
                          const Observers& observers) {
  return World(scenario, observers).Run();
}

}  // namespace sim
