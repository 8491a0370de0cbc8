// Cluster: the nodes of a simulated world. Each is the Replica that ships, on
// a SimDisk and a port of the SimNetwork, formatted and booted as in
// production, run in loop turns on its own clock.
//
// Fault model of a process and its machine.
//   crash          the process dies at once, or between two port calls of a
//                  turn, or between two file operations of a disk job or of a
//                  boot. Killed: what it wrote stays in the page cache. Power
//                  lost: what was not synced may be lost, the clock starts anew
//   clean stop     the process hands over leadership, if it can, and ends; its
//                  machine goes on
//   pause          time and arrivals go on, turns do not
//   slow           turns and disk jobs take a multiple of their time
//   disk error     any operation fails, once; or the disk is full, or
//                  read-only, for a while (sim_disk.h). The node must stop by
//                  itself, or not start. It is started again, sometimes with
//                  its machine and sometimes without: then the page cache shows
//                  what a failed sync did not bring to the disk
//   disk damage    what was synced rots, gets lost or lands elsewhere
//                  (sim_disk.h), as far as a fault budget allows
//                  (fault_budget.h). A node that refuses to start because of
//                  it, or stops because it finds out, is a lost copy: it would
//                  come back as a new incarnation (architecture.md, decision
//                  8), and until membership can change it stays down for good
//   clock          offset, and a rate within the declared error
#ifndef SIM_CLUSTER_H_
#define SIM_CLUSTER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "registry/replica.h"
#include "sim/bounds.h"
#include "sim/cluster_checker.h"
#include "sim/cut_point.h"
#include "sim/fault_budget.h"
#include "sim/load_checkers.h"
#include "sim/random.h"
#include "sim/scheduler.h"
#include "sim/sim_disk.h"
#include "sim/sim_disk_queue.h"
#include "sim/sim_network.h"
#include "sim/trail.h"
#include "sim/turns.h"

namespace sim {

struct ClusterOptions {
  uint64_t seed = 0;
  uint32_t nodes = 3;
  raft::Duration heartbeat = raft::Millis(50);
  raft::Duration election = raft::Millis(300);
  raft::storage::StorageOptions storage;
  DiskProfile disk;
  Bounds bounds;
  CutPoint cut;
  // Outside the fault model: disks that say OK to a sync and do nothing. The
  // canary that the checkers must catch.
  bool lying_disks = false;
  // Damage to disks may take more copies than a majority can spare
  // (FaultBudget).
  bool beyond_minority = false;
};

// What happened to the nodes (effects, not draws).
struct ClusterEffects {
  static constexpr std::string_view kName = "ClusterEffects";
  uint64_t turns = 0;
  uint64_t kills = 0;
  uint64_t power_losses = 0;
  uint64_t crashes_between_effects = 0;  // a turn was cut short
  uint64_t effects_suppressed = 0;       // port calls that it did not get to
  uint64_t crashes_in_disk_jobs = 0;
  uint64_t crashes_in_boot = 0;
  uint64_t leaders_crashed = 0;
  uint64_t halts = 0;  // stopped by themselves, because of their disk
  uint64_t boots = 0;
  uint64_t boots_failed = 0;  // ... because of it
  // Damage to disks, by what a boot would make of it then: it goes on as if
  // nothing had been, is refused, comes up short.
  uint64_t damage_harmless = 0;
  uint64_t damage_plain = 0;
  uint64_t damage_silent = 0;
  uint64_t damage_withheld = 0;    // the budget did not allow it
  uint64_t copies_refused = 0;     // lost: the node refused to start
  uint64_t copies_found_lost = 0;  // lost: the node stopped by itself
  uint64_t boots_short = 0;        // ... with less than was promised
  uint64_t turns_late = 0;         // put off by a pause
  uint64_t turns_slow = 0;
  uint64_t turns_ended_early = 0;  // with inputs left for the next
  uint64_t disk_jobs_delayed = 0;
  // Bounds that were met: a leader's window held entries back; a request was
  // answered that there are too many; a message to a peer was dropped, and a
  // client closed, because too much was queued for it.
  uint64_t windows_filled = 0;
  uint64_t overloads_told = 0;
  uint64_t peer_queues_full = 0;
  uint64_t client_queues_full = 0;
  uint64_t clocks_changed = 0;
  uint64_t terms_begun = 0;  // by the first candidate of each
  uint64_t clean_stops = 0;
  uint64_t transfers_begun = 0;  // of leadership
  uint64_t campaigns_asked = 0;  // begun because a leader said so
  uint64_t snapshots_taken = 0;
  uint64_t snapshots_installed = 0;  // another node's, by a running node
  uint64_t log_releases = 0;
  bool operator==(const ClusterEffects&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("turns", turns), f("kills", kills), f("power_losses", power_losses),
        f("crashes_between_effects", crashes_between_effects),
        f("effects_suppressed", effects_suppressed),
        f("crashes_in_disk_jobs", crashes_in_disk_jobs),
        f("crashes_in_boot", crashes_in_boot),
        f("leaders_crashed", leaders_crashed), f("halts", halts),
        f("boots", boots), f("boots_failed", boots_failed),
        f("damage_harmless", damage_harmless), f("damage_plain", damage_plain),
        f("damage_silent", damage_silent),
        f("damage_withheld", damage_withheld),
        f("copies_refused", copies_refused),
        f("copies_found_lost", copies_found_lost),
        f("boots_short", boots_short), f("turns_late", turns_late),
        f("turns_slow", turns_slow), f("turns_ended_early", turns_ended_early),
        f("disk_jobs_delayed", disk_jobs_delayed),
        f("windows_filled", windows_filled),
        f("overloads_told", overloads_told),
        f("peer_queues_full", peer_queues_full),
        f("client_queues_full", client_queues_full),
        f("clocks_changed", clocks_changed), f("terms_begun", terms_begun),
        f("clean_stops", clean_stops), f("transfers_begun", transfers_begun),
        f("campaigns_asked", campaigns_asked),
        f("snapshots_taken", snapshots_taken),
        f("snapshots_installed", snapshots_installed),
        f("log_releases", log_releases);
  }
};

// What a node is, in few numbers, now and then part of a run's digest.
struct NodeDigest {
  static constexpr std::string_view kName = "NodeDigest";
  bool up = false;
  raft::Term term;
  raft::NodeId vote;
  raft::Index commit;
  raft::Index last;
  uint64_t state = 0;  // of the state machine
  uint64_t disk = 0;   // 0 if not asked for
  bool operator==(const NodeDigest&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("up", up), f("term", term), f("vote", vote), f("commit", commit),
        f("last", last), f("state", state), f("disk", disk);
  }
};

class Cluster {
 public:
  // Everything outlives the cluster. Nodes are processes 0 to nodes - 1.
  Cluster(const ClusterOptions& options, Scheduler* scheduler,
          SimNetwork* network, ClusterChecker* checker, Violations* violations,
          Trail* trail);
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  // Formats every node's disk (some with a power cut on the way) and boots it.
  void Start();

  static std::string ClientAddress(uint32_t node);

  void OnNetworkInput(uint32_t node, NetworkInput input);
  // kTurn, kWake, kDiskJob and kRestart of a node.
  void OnEvent(const SimEvent& event);

  // ------------------------------------------------------------- faults
  // On a node that is down these do nothing.
  void Crash(uint32_t node, bool power, int64_t down_us,
             uint32_t crashes_in_boot = 0);
  void CrashAtEffect(uint32_t node, uint32_t effects, bool power,
                     int64_t down_us);
  void CrashInDiskJob(uint32_t node, uint32_t operations, int64_t down_us);
  // As by SIGTERM: the process ends when it leads no longer, or could not hand
  // over.
  void CleanStop(uint32_t node, int64_t down_us);
  void Pause(uint32_t node, int64_t length_us);
  void StallDisk(uint32_t node, int64_t length_us);
  // The error waits for its operation, over crashes, and also on a node that is
  // down: a boot may meet it. If it stops the node, then for `down_us`.
  void FailOperation(uint32_t node, const DiskError& error, int64_t down_us);
  // Damages what was synced, whether the node is up or down, unless the fault
  // budget withholds it. `draw` decides the rest.
  void DamageDisk(uint32_t node, DamageKind kind, uint64_t draw);
  // These hold on over crashes, until set back.
  void FillDisk(uint32_t node, uint64_t room);  // bytes that still fit
  void FreeDisk(uint32_t node);
  void SetReadOnly(uint32_t node, bool read_only);
  void SetSlowness(uint32_t node, int64_t percent);
  void SetDiskSlowness(uint32_t node, int64_t percent);
  void SetClockRate(uint32_t node, int64_t rate_ppm);
  void JumpClock(uint32_t node, int64_t ahead_us);
  void SetClockGrain(uint32_t node, int64_t grain_us);
  void SetTimerLateness(uint32_t node, int64_t percent);
  void HoldTimers(uint32_t node, int64_t length_us);
  // One that is down comes back soon.
  void Revive(uint32_t node);
  // Disarms what has not happened yet, ends pauses and stalls, and brings
  // everybody back soon.
  void Heal();

  // ---------------------------------------------------------- observers
  uint32_t size() const { return static_cast<uint32_t>(nodes_.size()); }
  bool up(uint32_t node) const;
  // nullptr while it is down.
  const registry::Replica* replica(uint32_t node) const;
  // The node that leads in the highest term, if one is up that thinks so.
  std::optional<uint32_t> leader() const;
  // Whether the cluster can be asked to get on: a majority of its nodes can
  // come up with everything that is committed.
  bool Recoverable();
  // ... also without the nodes whose bit is set.
  bool CanSpare(uint32_t nodes);
  // Neither damaged nor short of anything, as far as the budget knows.
  bool CopyIsIntact(uint32_t node);
  // Everybody whose copy is not lost is up, has applied all that is committed,
  // has the same state and waits for nothing.
  bool Converged() const;
  // Is up and has applied everything up to `index`.
  bool HasApplied(uint32_t node, raft::Index index) const;
  // When the clock of who led in `term` was last beyond the declared error; see
  // NodeClock::LastBeyond.
  Instant LeaderClockBeyond(raft::Term term) const;
  // Of who leads now.
  bool LeaderClockStands() const;
  TimeEffects time_effects() const;  // of all nodes
  std::string Describe() const;
  Load LoadAmongTheLiving(const registry::Node& node) const;
  std::string DescribeNode(uint32_t node) const;
  // One line that changes when a role or a term does.
  std::string RolesText() const;
  // Reading every byte of the `disks` costs as much as some thousand events.
  std::vector<NodeDigest> StateDigests(bool disks) const;
  PointsPassed points_passed(uint32_t node) const;
  ClusterEffects effects() const;
  SimDiskEffects disk_effects() const;
  // Bit i is set if ProbeId i was seen.
  uint64_t probes() const { return probes_; }

 private:
  class Ports;
  struct Input;
  struct Node;

  Node& at(uint32_t node) { return *nodes_.at(node); }
  void FormatDisk(uint32_t node);
  void Boot(uint32_t node);
  void ScheduleRestart(uint32_t node, int64_t down_us);
  void RunTurn(uint32_t node);
  bool StopsNow(uint32_t node) const;
  void RunDiskJob(uint32_t node, const SimEvent& event);
  bool CutWithoutPower(uint32_t node) const;
  void Die(uint32_t node, bool power, int64_t down_us);
  void LeaveJobHalfDone(uint32_t node);
  void Observe(uint32_t node, const registry::Event& event,
               const registry::Effects& effects);
  absl::StatusOr<DiskState> Recover(SimDisk disk) const;
  Copies CopiesNow() const;
  void OnBooted(uint32_t node);
  void OnHalt(uint32_t node);
  void OnRefusal(uint32_t node, const absl::Status& status);
  absl::Status OnFileOperation(uint32_t node);
  static void AddCounters(const registry::Replica& replica,
                          ClusterEffects* effects);
  NodeClock DrawClock(uint32_t node);
  registry::ReplicaOptions ReplicaOptionsOf(uint32_t node) const;

  const ClusterOptions options_;
  Scheduler* const scheduler_;
  SimNetwork* const network_;
  ClusterChecker* const checker_;
  Violations* const violations_;
  Trail* const trail_;
  FaultBudget budget_;
  std::vector<std::unique_ptr<Node>> nodes_;
  bool healed_ = false;
  std::map<raft::Term, uint32_t> leaders_;  // ever
  raft::Term newest_term_;                  // that anybody stood for
  ClusterEffects effects_;
  uint64_t probes_ = 0;
};

}  // namespace sim

#endif  // SIM_CLUSTER_H_
