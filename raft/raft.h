// Raft: the consensus state machine. Pure: a function of (state, input), with
// no clock, thread, socket, file, global or entropy. Copyable, deeply (payload
// buffers are shared and immutable).
//
// What is here: elections with pre-vote, check-quorum and leader stickiness;
// pipelined replication with bounded windows; commit by counting entries of
// the leader's own term; ReadIndex batched per confirmation round; outputs
// ordered by the core itself; transfer of leadership; snapshots, sent in pieces
// (what takes, stores and reads them is the layer above). Not yet: membership
// change, learners (issue 4).
//
// One class, six files: raft.cc (the door, the turn's end, what waits for the
// disk), raft_election.cc, raft_replication.cc, raft_read.cc, raft_transfer.cc,
// raft_snapshot.cc.
#ifndef RAFT_RAFT_H_
#define RAFT_RAFT_H_

#include <cstdint>
#include <vector>

#include "raft/limits.h"
#include "raft/log.h"
#include "raft/progress.h"
#include "raft/quorum.h"
#include "raft/raft_io.h"
#include "raft/types.h"

namespace raft {

struct Config {
  NodeId self;
  std::vector<NodeId> voters;  // sorted, unique; static until issue 4
  Duration heartbeat = Millis(50);
  Duration election = Millis(300);  // timeouts are drawn from [T, 2T)
  uint64_t seed = 0;  // for election jitter; the same seed may serve all nodes
  uint64_t boot = 0;  // differs in every life of this node
  Limits limits;
};

// What storage gave back at boot. `log` is contiguous from behind `base`, up to
// which a snapshot covers everything ({0, 0}: there is none). `snapshot` is the
// newest one that is durable, at the base or, where some log was kept, behind
// it; within the log.
struct Restored {
  Term term;
  NodeId vote;
  std::vector<Entry> log;
  EntryId base;
  EntryId snapshot;
};

// How a leader sends its snapshot to a follower, one piece at a time.
struct SnapshotSending {
  EntryId snapshot;  // of the pieces answered so far
  SnapshotPlace at;  // of the piece that is due; nowhere: the offer
  bool asked = false;
  Time asked_at;
};

// Another voter, as this node sees it.
struct Peer {
  NodeId id;
  Ballot ballot = Ballot::kSilent;  // in this node's current campaign
  // The rest is a leader's, and starts anew with every leadership.
  Progress progress;
  Time heard_at;            // last reply of this term: for check-quorum
  Round confirmed;          // newest round that it echoed in this term
  Index commit_told;        // newest commit index sent to it
  bool stopped = false;     // a full window holds entries back
  SnapshotSending sending;  // in Progress::State::kSnapshot
};

// What a node holds on to until something else happens. Nothing of it may grow
// without bound, or stay when all is quiet.
struct RaftLoad {
  size_t messages = 0;  // that wait for the disk
  size_t persists = 0;  // under way to it
  size_t reads = 0;     // own ones and those of followers
  size_t reads_forwarded = 0;
  uint64_t uncommitted_bytes = 0;  // of a leader's log
  bool operator==(const RaftLoad&) const = default;
};

// The contract of inputs and outputs is in raft_io.h.
class Raft {
 public:
  // A node starts as a follower with what was stored (conformance 1.1), and
  // with the snapshot's index as commit index: it learns what else is committed
  // from a leader, or by becoming one.
  Raft(const Config& config, Restored restored, Time now);

  // Applies one input and appends what must happen next. The only mutator.
  // Messages and the Persist leave on Flush (messages that waited for the disk:
  // on PersistDone); everything else leaves at once.
  void Step(const Input& input, Outputs* outputs);

  // When the host must Step(Tick) next at the latest; Time::Never() is
  // possible (the leader of a single voter has nothing to wait for).
  Time NextDeadline() const;

  // Observers, for the layer above, status and tests.
  Role role() const { return role_; }
  Term term() const { return term_; }
  NodeId vote() const { return vote_; }
  NodeId leader() const { return leader_; }  // kNobody when unknown
  Index commit() const { return commit_; }
  Index last_index() const { return log_.last_index(); }
  // The log begins behind it.
  EntryId base() const { return log_.base(); }
  // The newest snapshot that is durable here.
  EntryId snapshot() const { return snapshot_; }
  // Requires base().index < index <= last_index(). Valid until the next Step.
  const Entry& entry(Index index) const { return log_.at(index); }
  // See Log.
  bool KnowsTermAt(Index index) const { return log_.KnowsTermAt(index); }
  Term TermAt(Index index) const { return log_.TermAt(index); }
  // The own log is known to be durable up to here.
  Index stable_index() const { return log_.stable(); }
  const Config& config() const { return config_; }
  // The other voters, in order of id. Replication state is meaningful at a
  // leader only.
  const std::vector<Peer>& peers() const { return peers_; }
  RaftLoad load() const;
  size_t reads_forwarded() const { return forwarded_.size(); }
  // To whom a leader is handing over; kNobody when it is not.
  NodeId transfer_to() const { return transfer_to_; }

 private:
  // A message on its way out, and the persist that must be durable before.
  struct Held {
    PersistToken needs;
    NodeId to;
    Message message;
  };
  // A read that waits at this node; `from` is self for an own read, else the
  // follower that forwarded it.
  struct Read {
    NodeId from;
    ReadId id;
    uint64_t boot = 0;
    Time asked_at;
    Round round;  // 0 until a confirmation round was begun for it
    Index index;  // what may be read at once `round` is confirmed
  };
  struct ForwardedRead {
    ReadId id;
    Time deadline;
  };
  struct Announced {
    Role role = Role::kFollower;
    Term term;
    NodeId leader;
    bool operator==(const Announced&) const = default;
  };

  // --- raft.cc: inputs
  void On(const Tick& tick);
  void On(const Receive& receive);
  void On(const PersistDone& done);
  void On(const Propose& propose);
  void On(const ReadIndex& read);
  void On(const PeerClosed& closed);
  void On(const Flush& flush);
  void On(const TransferLeadership& transfer);
  void On(const SnapshotTaken& taken);
  void On(const SnapshotRead& read);
  void On(const SnapshotStored& stored);
  void On(const SnapshotReceived& received);

  // --- raft.cc: effects
  template <typename T>
  void Emit(T output) {
    outputs_->emplace_back(std::move(output));
  }
  void EmitProbe(ProbeId id) { Emit(Probe{id}); }
  void QueueSend(NodeId to, Message message, PersistToken needs = {});
  void QueueAck(NodeId to, const AppendReply& reply);
  PersistToken HardStateToken() const;
  bool HardStateDurable() const { return HardStateToken() <= persisted_; }
  void EmitPersist();
  void ReleaseOutbox();
  void ReleaseHeld();
  void AnnounceRole();
  Peer* FindPeer(NodeId id);
  bool IsVoter(NodeId id) const;

  // --- raft_election.cc
  void TickElection();
  void StartPreVote();
  void StartElection(bool transfer = false);
  void RequestVotes(const VoteRequest& request);
  void CountVotes();
  void BecomeFollower(Term term, NodeId leader);
  void LoseLeadership();
  void BecomeLeader();
  void AdoptTerm(Term term);
  void HearLeader(Term term, NodeId leader);
  void ResetElectionTimer();
  bool Sticky(NodeId candidate) const;
  void Handle(NodeId from, const VoteRequest& request);
  void HandlePreVoteRequest(NodeId from, const VoteRequest& request);
  void Handle(NodeId from, const VoteReply& reply);
  void LeaderConnectionClosed();
  Time QuorumHeardAt() const;
  void CheckQuorum();

  // --- raft_replication.cc
  void Handle(NodeId from, const AppendRequest& request);
  void Handle(NodeId from, const AppendReply& reply);
  void Handle(NodeId from, const Heartbeat& heartbeat);
  void Handle(NodeId from, const HeartbeatReply& reply);
  void RefuseAppend(NodeId from, const AppendRequest& request);
  void AppendFromLeader(const AppendRequest& request);
  Peer* PeerReplied(NodeId from, Term term, Round round);
  void PeerHas(Peer* peer, Index match);
  void AppendOwn(EntryKind kind, Bytes payload);
  void AdvanceCommit();
  void CommitTo(Index index);
  void TickLeader();
  void SendHeartbeat(Peer* peer);
  void SendAppends(Peer* peer);
  void SendAppend(Peer* peer, bool with_entries);
  void TellCommit();
  Duration CommitNoticeDelay() const {
    return Duration(config_.heartbeat.value() / 16);
  }

  // --- raft_transfer.cc
  void Handle(NodeId from, const TimeoutNow& order);
  NodeId BestTarget() const;
  void OrderTarget();
  void EndTransfer();
  bool transferring() const { return transfer_to_.valid(); }

  // --- raft_snapshot.cc
  bool NeedsSnapshot(const Peer& peer) const;
  void NeedSnapshot(Peer* peer);
  void SendSnapshot(Peer* peer);
  void Handle(NodeId from, const SnapshotRequest& request);
  void Handle(NodeId from, const SnapshotReply& reply);
  void Install(EntryId snapshot);

  // --- raft_read.cc
  void Handle(NodeId from, const ReadIndexRequest& request);
  void Handle(NodeId from, const ReadIndexReply& reply);
  void FlushReads();
  void StartReadRound();
  void ForwardReads();
  void ConfirmReads();
  void AnswerRead(const Read& read);
  void RefuseRead(const Read& read);
  void RefuseConfirmingReads();
  void ExpireAskedReads();
  void FailForwardedReads();
  void ExpireForwardedReads();
  bool CommittedInTerm() const { return commit_ >= term_start_; }

  Config config_;
  bool self_votes_;  // self is in config_.voters
  Time now_;
  Outputs* outputs_ = nullptr;  // only while inside Step

  // Hard state, and what of it is durable.
  Term term_;
  NodeId vote_;
  Log log_;
  EntryId snapshot_;  // the newest durable one; never before the log's base
  bool hard_state_dirty_ = false;  // differs from the last Persist
  bool vote_restored_;             // the vote was cast in an earlier life
  PersistToken hard_state_token_;  // the last Persist that changed it
  PersistToken issued_;            // the last Persist
  PersistToken persisted_;         // durable up to here
  std::vector<Held> outbox_;       // produced in this turn
  std::vector<Held> held_;         // of earlier turns, waiting for the disk

  Role role_ = Role::kFollower;
  NodeId leader_;
  Announced announced_;
  Index commit_;
  std::vector<Peer> peers_;

  // Followers and candidates.
  Time election_deadline_;
  Time sticky_until_;         // no votes for others while before this
  uint32_t attempt_ = 0;      // campaigns in this term, for jitter
  bool closed_hint_ = false;  // the deadline was set by PeerClosed

  // Leader.
  Time heartbeat_due_;
  Time tell_commit_at_;  // Time::Never(): nothing to tell
  Index term_start_;     // the no-op of this leadership
  uint64_t uncommitted_bytes_ = 0;
  NodeId transfer_to_;             // kNobody: nobody
  Time transfer_deadline_;         // then it is given up
  bool transfer_ordered_ = false;  // TimeoutNow was sent
  Round round_;                    // newest begun
  std::vector<Read> confirming_;   // rounds rise

  // Reads.
  ReadId last_read_;                      // newest id given by the host
  std::vector<Read> asked_;               // no round begun, not forwarded yet
  std::vector<ForwardedRead> forwarded_;  // ids rise

  friend struct StateHash;  // for tools/model_check
};

}  // namespace raft

#endif  // RAFT_RAFT_H_
