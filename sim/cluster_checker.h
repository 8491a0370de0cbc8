// What must hold between the nodes of a cluster, whatever happens to it. Each
// rule is a class of plain values that a test can feed with an illegal state
// (log_checkers.h, durable_log.h, registry_checkers.h); ClusterChecker feeds
// them from the nodes after every step, incrementally, so that a run can afford
// all of them.
#ifndef SIM_CLUSTER_CHECKER_H_
#define SIM_CLUSTER_CHECKER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "raft/invariants.h"
#include "raft/raft_io.h"
#include "raft/types.h"
#include "registry/node.h"
#include "registry/node_io.h"
#include "registry/state_machine.h"
#include "sim/durable_log.h"
#include "sim/lease_checkers.h"
#include "sim/lease_oracle.h"
#include "sim/log_checkers.h"
#include "sim/registry_checkers.h"
#include "sim/scheduler.h"
#include "sim/violation.h"

namespace sim {

// Told of every committed command with its answer, once, in order.
class ApplyWitness {
 public:
  virtual ~ApplyWitness() = default;
  virtual void OnApply(const raft::Entry& entry,
                       const std::optional<registry::Command>& command,
                       const registry::CommandReply& reply) = 0;
};

class ClusterChecker {
 public:
  ClusterChecker(uint32_t nodes, Violations* violations, ApplyWitness* witness);

  // Without it all clocks keep to the declared error.
  void SetLeaderClocks(LeaderClocks clocks) {
    leader_clocks_ = std::move(clocks);
  }

  // A node has read its disk. `granted`: what damage may have left there, or
  // nullptr.
  void OnBoot(uint32_t node, const registry::Node& booted,
              const DiskState* granted = nullptr);
  // Its process has died.
  void OnDeath(uint32_t node) { nodes_[node].raft = nullptr; }
  // After every step of a node.
  void OnStep(uint32_t node, Instant now, const registry::Node& stepped,
              const registry::Event& event, const registry::Effects& effects);

  raft::Index committed() const { return committed_.last(); }
  const CommittedLog& committed_log() const { return committed_; }
  const DurableLog& disk(uint32_t node) const { return nodes_.at(node).disk; }
  const registry::StateMachine& state() const { return agreement_.state(); }
  // The marks of what a log has lost up to `base`. False: not committed.
  bool StartLog(raft::EntryId base, std::vector<Mark>* log) const;
  uint64_t leaders() const { return elections_.leaders(); }
  uint64_t commands_repeated() const { return once_.repeated(); }

 private:
  struct NodeView {
    explicit NodeView(const CommittedLog* committed) : disk(committed) {}
    const raft::Raft* raft = nullptr;  // nullptr while it is down
    uint64_t life = 0;
    DurableLog disk;
    size_t reads_forwarded = 0;
    uint64_t expiries_refused = 0;
    raft::RaftSummary before;
    raft::Index applied;
  };

  void Report(std::string_view checker, uint32_t node, std::string text);
  void OnEvent(uint32_t node, std::optional<raft::Term> leads_in,
               const registry::Event& event);
  // The step changed what the summary tells. `received`: if it was a message.
  void OnMoved(uint32_t node, const registry::Node& stepped,
               const raft::Receive* received);
  void OnPersist(uint32_t node, bool leads, const raft::Persist& persist);
  void OnSend(uint32_t node, const registry::Node& stepped,
              const raft::Send& send);
  void OnProposed(uint32_t node, const raft::Entry& entry);
  void OnLeadersMessage(uint32_t node, const raft::Raft& raft,
                        const raft::Send& send);
  void OnAck(uint32_t node, const raft::AppendReply& ack);
  void OnLeader(uint32_t node, const raft::Raft& raft);
  void OnApplied(uint32_t node, const registry::StateMachine& state);
  void CheckInvariants(uint32_t node, const raft::Raft& raft,
                       const raft::RaftSummary& now);
  void AdvanceCommit(uint32_t node, const registry::Node& stepped,
                     raft::Index from);
  void OnCommitted(const raft::Entry& entry);
  raft::Term TermAt(const raft::Raft& raft, raft::Index index) const;
  std::optional<Mark> MarkAt(uint32_t node, const raft::Raft& raft,
                             raft::Index index) const;
  uint32_t DurableCopies(raft::Index index, const Mark& mark) const;

  Violations* const violations_;
  ApplyWitness* const witness_;  // may be nullptr
  CommittedLog committed_;
  std::vector<NodeView> nodes_;
  LeaderClocks leader_clocks_;
  Instant now_;
  ElectionSafety elections_;
  VoteOnce votes_;
  LogMatching matching_;
  StateAgreement agreement_;
  UniqueOwner owners_;
  NoGhosts ghosts_;
  LeasePromise promises_;
  LeaseEnd lease_ends_;
  ExactlyOnce once_;
};

}  // namespace sim

#endif  // SIM_CLUSTER_CHECKER_H_
