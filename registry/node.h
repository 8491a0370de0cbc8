// Node: raft + sessions + registry + reads behind one pure door.
//
// A function of (state, event): no clock, thread, socket, file, entropy or
// global below it. Copyable, deeply (payload buffers are shared and
// immutable), so that a test can clone a cluster and let both copies run.
//
// Life of a command: ClientReceived -> validated -> collected -> one
// raft::Propose a turn (at Flush) -> committed -> applied -> Reply. Life of a
// read: ClientReceived -> collected -> one raft::ReadIndex a turn -> ReadReady
// -> applied up to its index -> Reply. Keep-alives are reads of one session.
#ifndef REGISTRY_NODE_H_
#define REGISTRY_NODE_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "raft/raft.h"
#include "raft/raft_io.h"
#include "registry/leases.h"
#include "registry/node_io.h"
#include "registry/protocol.h"
#include "registry/state_machine.h"

namespace registry {

// Requests that may wait for the end of a transfer; above it, `unavailable`.
inline constexpr size_t kWaitingTransfersMax = 64;
// Requests that may wait for a read index at once; above it, `unavailable`.
inline constexpr size_t kWaitingReadsMax = 1 << 16;

// Bytes of log, as raft::EntryBytes counts, that are applied between two
// snapshots: so many, or the size of the last snapshot if that is more, but
// never above twice as many. What two snapshots lie apart is kept as log, for
// followers that are behind and for a snapshot that is found damaged.
inline constexpr uint64_t kSnapshotEveryBytes = 64 << 20;
// What of a snapshot is taken at once: a fraction of a millisecond.
inline constexpr uint64_t kSnapshotSliceBytes = 64 << 10;
static_assert(kSnapshotSliceBytes <= raft::kSnapshotPieceBytesMax);

// How much of a node's bounds is used; see raft::Limits, which are beside
// these.
struct Limits {
  static constexpr std::string_view kName = "Limits";
  uint64_t waiting_reads = kWaitingReadsMax;
  uint64_t leases_per_check = kLeasesPerCheckMax;
  uint64_t snapshot_bytes = kSnapshotEveryBytes;
  uint64_t snapshot_slice_bytes = kSnapshotSliceBytes;

  constexpr bool valid() const {
    const auto in = [](uint64_t limit, uint64_t most) {
      return limit >= 1 && limit <= most;
    };
    return in(waiting_reads, kWaitingReadsMax) &&
           in(leases_per_check, kLeasesPerCheckMax) &&
           in(snapshot_bytes, kSnapshotEveryBytes) &&
           in(snapshot_slice_bytes, kSnapshotSliceBytes);
  }
  bool operator==(const Limits&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("waiting_reads", waiting_reads), f("leases_per_check", leases_per_check),
        f("snapshot_bytes", snapshot_bytes),
        f("snapshot_slice_bytes", snapshot_slice_bytes);
  }
};

struct NodeConfig {
  raft::Config raft;  // self, voters, timers, seed, boot
  raft::ClusterId cluster;
  std::vector<MemberStatus> members;  // addresses, for hints and status
  // The longest lease that this node, as leader, lets a client ask for. Not
  // part of what an entry means: members may differ in it.
  raft::Duration session_ttl_max = kTtlMax;
  Limits limits;
};

// The state of a snapshot, and the leases of its sessions.
struct LoadedState {
  explicit LoadedState(size_t leases_per_check) : leases(leases_per_check) {}
  StateMachine state;
  Leases leases;
};

// Requests that wait in a node; see raft::RaftLoad.
struct NodeLoad {
  size_t commands = 0;
  size_t reads = 0;  // keep-alives included
  size_t transfers = 0;
  bool operator==(const NodeLoad&) const = default;
};

class Node {
 public:
  // `restored` is what storage gave back; nothing of its log is applied until
  // it is known to be committed. `loaded` is the state of restored.snapshot.
  // Requires config.raft.self to be a voter.
  Node(const NodeConfig& config, raft::Restored restored, raft::Time now);
  Node(const NodeConfig& config, raft::Restored restored, LoadedState loaded,
       raft::Time now);

  // Applies one event and appends what must happen next to *effects. The only
  // mutator. One turn of the host is: Tick, what arrived, Flush. Proposals and
  // read indexes leave at Flush, so a turn of any size costs one of each.
  void Step(const Event& event, Effects* effects);

  // When the host must begin a turn at the latest.
  raft::Time NextDeadline() const;

  // Observers, for status, checkers and tests.
  const raft::Raft& raft() const { return raft_; }
  const StateMachine& state() const { return state_; }
  const Leases& leases() const { return leases_; }
  const Limits& limits() const { return config_.limits; }
  NodeLoad load() const {
    return {.commands = batch_.size() + pending_.size(),
            .reads = waiting_reads_,
            .transfers = transfers_.size()};
  }
  // Proposals to end sessions that the log had no room for, since the boot.
  uint64_t expiries_refused() const { return counters_.expiries_refused; }
  StatusReply Status() const;

 private:
  // Stands for the node itself among the connections.
  static constexpr ConnectionId kSelf{};

  // One entry of this leader's own term that is not applied yet, and who waits
  // for it: a client's request, or kSelf (an expiry).
  struct PendingEntry {
    ConnectionId connection;
    uint64_t request = 0;
  };
  struct KeepAlive {
    SessionId session;
    raft::Term term;  // led when it arrived
  };
  struct WaitingRead {
    ConnectionId connection;
    uint64_t request = 0;
    std::variant<ReadOperation, KeepAlive> what;
  };
  struct WaitingTransfer {
    ConnectionId connection;  // kSelf: nobody waits for an answer
    uint64_t request = 0;
    raft::NodeId to;
  };
  struct Counters {
    uint64_t commands = 0;          // received from clients
    uint64_t commands_refused = 0;  // invalid, not leader or overloaded
    uint64_t proposals = 0;         // raft::Propose inputs: batches
    uint64_t proposed = 0;          // entries in them
    uint64_t outcome_unknown = 0;   // replies
    uint64_t applied = 0;           // entries, no-ops included
    uint64_t reads = 0;             // received from clients
    uint64_t reads_failed = 0;      // keep-alives included
    uint64_t keep_alives = 0;       // received from clients
    // raft::ReadIndex inputs; each costs at most one confirmation round.
    uint64_t read_rounds = 0;
    uint64_t sessions_expired = 0;  // proposed to expire
    uint64_t expiries_refused = 0;  // proposals of that: the log was full
    uint64_t leaderships = 0;
    uint64_t transfers = 0;  // of leadership, begun
    uint64_t snapshots_taken = 0;
    uint64_t snapshots_failed = 0;
    uint64_t snapshots_installed = 0;
  };

  // node.cc: routing.
  void StepRaft(const raft::Input& input, Effects* effects);
  void Handle(raft::Output* output, Effects* effects);
  void OnRoleMoved(Effects* effects);
  void OnClient(const ClientReceived& event, Effects* effects);
  void OnFlush(Effects* effects);
  bool is_leader() const { return role_ == raft::Role::kLeader; }
  void Answer(ConnectionId connection, uint64_t request,
              decltype(ClientResponse::body) body, Effects* effects);
  Failure NotLeader() const;

  // node_commands.cc: commands, from request to reply; expiry.
  void OnCommand(ConnectionId connection, uint64_t request,
                 const CommandRequest& body, Effects* effects);
  void ProposeBatch(Effects* effects);
  void OnProposed(const raft::Proposed& proposed);
  void OnProposalRefused(const raft::ProposalRefused& refused,
                         Effects* effects);
  void OnCommitted(raft::Index through, Effects* effects);
  void ApplyEntry(const raft::Entry& entry, Effects* effects);
  void AbandonPending(Effects* effects);
  void ProposeExpiries();

  // node_reads.cc: reads and keep-alives.
  void OnRead(ConnectionId connection, uint64_t request,
              const ReadRequest& body, Effects* effects);
  void OnKeepAlive(ConnectionId connection, uint64_t request,
                   const KeepAliveRequest& body, Effects* effects);
  void Wait(WaitingRead read, Effects* effects);
  void RequestReadIndex(Effects* effects);
  void OnReadReady(const raft::ReadReady& ready, Effects* effects);
  void OnReadFailed(const raft::ReadFailed& failed, Effects* effects);
  void AnswerAppliedReads(Effects* effects);
  void AnswerKeepAlive(const WaitingRead& read, const KeepAlive& keep_alive,
                       Effects* effects);
  void FailKeepAlives(Effects* effects);
  void FailRead(const WaitingRead& read, Effects* effects);

  // node_transfer.cc: handing over leadership.
  void OnTransfer(ConnectionId connection, uint64_t request,
                  const TransferRequest& body, Effects* effects);
  void RequestTransfer(const WaitingTransfer& asked, Effects* effects);
  void OnTransferBegun(const raft::TransferBegun& begun);
  void OnTransferRefused(Effects* effects);
  void AnswerTransfers(Effects* effects);

  // node_snapshots.cc: taking snapshots, and going on from one.
  void BeginSnapshotIfDue(Effects* effects);
  void WriteSlice(Effects* effects);
  void OnSnapshotWritten(const SnapshotWritten& written, Effects* effects);
  void OnSnapshotRead(const raft::SnapshotRead& read, Effects* effects);
  void OnStateReceived(const StateReceived& received, Effects* effects);
  void OnSnapshotInstalled(const raft::SnapshotInstalled& installed,
                           Effects* effects);
  uint64_t SnapshotDueAt() const;

  NodeConfig config_;
  raft::Raft raft_;
  StateMachine state_;
  Leases leases_;
  raft::Time now_;
  // As of the last step of raft_; what pending_ and leases_ belong to.
  raft::Role role_;
  raft::Term term_;

  // Commands of this turn, in order of arrival; proposed at Flush.
  std::vector<PendingEntry> batch_;
  std::vector<raft::Bytes> batch_payloads_;
  std::vector<SessionId> batch_expiries_;  // of the expiry in the batch
  // pending_[i] waits for the entry at pending_first_ + i. Only while leading,
  // and only entries of the term led.
  std::deque<PendingEntry> pending_;
  raft::Index pending_first_;

  std::vector<WaitingRead> turn_reads_;  // of this turn; asked for at Flush
  raft::ReadId last_read_id_;
  std::map<raft::ReadId, std::vector<WaitingRead>> asked_reads_;
  // By the index that must be applied first.
  std::multimap<raft::Index, std::vector<WaitingRead>> ready_reads_;
  size_t waiting_reads_ = 0;  // in all three

  WaitingTransfer transfer_asked_;  // while raft_ is asked
  std::vector<WaitingTransfer> transfers_;
  raft::Time transfers_until_;  // then nobody waits any longer

  uint64_t bytes_applied_ = 0;  // of log, since the last snapshot was begun
  std::optional<raft::SnapshotName> taking_;  // a slice of it is being written
  uint64_t bytes_taken_ = 0;                  // of that one
  uint64_t last_snapshot_bytes_ = 0;
  bool snapshot_unreadable_ = false;      // another one is needed
  std::shared_ptr<LoadedState> offered_;  // while raft_ is told of it

  Counters counters_;
  raft::Outputs outputs_;  // scratch of StepRaft, empty between steps
};

}  // namespace registry

#endif  // REGISTRY_NODE_H_
