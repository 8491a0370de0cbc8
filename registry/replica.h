// Replica: bytes <-> events and effects. Boot, framing, hello, peer identity,
// dialling and back-off, output bounds, persist jobs, trace. One object file,
// linked into the simulator and into registryd alike: what is tested is what
// ships.
//
// Connections between members are one-way: each node dials every peer and
// sends its messages over its own dialled connection; on an accepted peer
// connection it only receives. Both sides say hello first; the dialler sends
// nothing else until the acceptor's hello has proved it to be the peer meant.
//
// A connection that carries a wrong hello, garbage, or a frame that is damaged,
// oversized or out of place is closed, the reason is counted
// ("frames_refused.<reason>" in the status), and nothing else is harmed.
#ifndef REGISTRY_REPLICA_H_
#define REGISTRY_REPLICA_H_

#include <array>
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
#include "absl/status/statusor.h"
#include "raft/codec.h"
#include "raft/frame.h"
#include "raft/storage/storage.h"
#include "registry/node.h"
#include "registry/node_io.h"
#include "registry/ports.h"
#include "registry/snapshot_worker.h"
#include "registry/trace.h"

namespace registry {

inline constexpr size_t kPeerQueueBytesMax = 16 << 20;
inline constexpr size_t kClientQueueBytesMax = 16 << 20;
// Pieces of snapshots that wait for the bulk lane; more are dropped, and their
// leader asks again.
inline constexpr size_t kBulkQueueMax = 64;

// What a replica begins with.
struct BootState {
  raft::storage::OpenResult opened;
  std::optional<LoadedState> loaded;  // if there is a snapshot
  std::string state_bytes;            // ... for the trace
};

struct ReplicaOptions {
  std::string data_dir;
  std::vector<MemberStatus> members;  // ids and addresses of all voters
  raft::ClusterId cluster;            // expected; 0: whatever data_dir holds
  raft::Duration heartbeat = raft::Millis(50);
  raft::Duration election = raft::Millis(300);
  raft::Duration session_ttl_max = kTtlMax;  // see NodeConfig
  uint64_t seed = 0;                         // election and dialling jitter
  // Differs in every life of this node: random in production (from the host),
  // drawn by the simulator.
  uint64_t boot = 0;
  raft::storage::StorageOptions storage;
  raft::Limits raft_limits;
  Limits limits;

  // A message to a peer whose connection has this much queued is dropped (Raft
  // tolerates loss); a client that does not read its replies is closed.
  size_t peer_queue_bytes_max = kPeerQueueBytesMax;
  size_t client_queue_bytes_max = kClientQueueBytesMax;

  // Dialling: the first retry at once, then doubling with hash jitter. Neither
  // the back-off nor the wait for a dialled peer's hello is longer than two
  // election timeouts, whatever stands here.
  raft::Duration dial_backoff_min = raft::Millis(20);
  raft::Duration dial_backoff_max = raft::Millis(1000);
  // From the dial, or the accept, to the other side's hello.
  raft::Duration handshake = raft::Millis(2000);
  // From a frame's first byte to its last. A length that the network corrupted
  // (TCP's checksum lets some through) promises bytes that never come, and
  // whatever does come is taken for them:
  //   leader -> n2: [length 40 -> 65,576] heartbeat, append, append, ...
  //   n2 waits for its frame; the leader waits for an answer; neither redials
  // Not longer than two election timeouts between members, whatever stands here
  // (simulate --seed=821368 --profile=net at 26da6fb):
  //   n1, that leads, hears nobody any more; n3 -> n2: [length 40 -> 65,576]
  //   n2's and n3's elections need n3's votes, and n2 takes them for a frame
  // A frame that honestly takes that long holds up the heartbeats behind it as
  // well, and the election comes either way.
  raft::Duration frame_timeout = raft::Millis(5000);
};

class Replica : public TransportHandler {
 public:
  Replica(const Replica&) = delete;
  Replica& operator=(const Replica&) = delete;

  // Opens storage (blocking), recovers, creates the node. The node's identity
  // comes from the data directory. The ports must outlive the replica. Errors:
  // those of storage::Open; FailedPrecondition when the directory's cluster,
  // node or voters are not those of `options`.
  static absl::StatusOr<std::unique_ptr<Replica>> Boot(
      const ReplicaOptions& options, const Ports& ports, raft::Time now);
  // Boot without the directory: on what storage gave back. For Boot, and for a
  // replay (replay.h), which has no directory; `ports.vfs` may be null.
  static absl::StatusOr<std::unique_ptr<Replica>> Start(
      const ReplicaOptions& options, const Ports& ports, BootState boot,
      raft::Time now);

  // One loop turn of the host: OnTime first, then everything that arrived
  // (OnAccepted/OnOpened/OnBytes/OnClosed/OnDiskDone), then OnTurnEnd. A host
  // that begins a turn with anything but OnTime lets old time answer new bytes.
  void OnTime(raft::Time now);
  void OnAccepted(ConnectionId connection, Listener listener) override;
  void OnOpened(ConnectionId connection) override;
  void OnBytes(ConnectionId connection, std::string_view bytes) override;
  void OnClosed(ConnectionId connection) override;
  void OnDiskDone(uint64_t job, absl::Status status);
  // OnDiskDone of a job of the bulk lane, for a replay, which does not run
  // them.
  void OnBulkDone(uint64_t job, absl::Status status, BulkResult result);
  void OnTurnEnd();
  // Within a turn: if this node leads, asks it to give leadership to `to`, or,
  // kNobody, to whom it thinks best. For a host that is about to stop.
  void HandOver(raft::NodeId to);
  // Since HandOver, until another leads, or it was given up; for two election
  // timeouts at most. A host that stops serves so long: its vote may be needed,
  // and its clients are told where to go.
  bool HandingOver() const;
  // When the next turn must begin at the latest.
  raft::Time NextDeadline() const;

  // A disk failed, or is found to have lost what it had synced: nothing was
  // sent since, nothing will be. Stop the process.
  bool halted() const { return !halt_reason_.empty(); }
  const std::string& halt_reason() const { return halt_reason_; }

  const Node& node() const { return node_; }
  // The node's status with this replica's own counters.
  StatusReply Status() const;

  // For checkers: called after each Node::Step with the event and its effects,
  // before they are performed.
  using Observer = std::function<void(const Event&, const Effects&)>;
  void SetObserver(Observer observer) { observer_ = std::move(observer); }

 private:
  enum class Door : uint8_t { kDialled = 1, kAcceptedPeer = 2, kClient = 3 };
  struct Peer;
  struct Connection {
    Door door = Door::kClient;
    Peer* peer = nullptr;  // dialled: whom; accepted: who said hello
    bool greeted = false;  // the other side's hello was accepted
    bool overrun = false;  // a client to be closed at the turn's end
    bool dirty = false;    // is in dirty_
    // Of the hello, or of the frame that has begun; Never() if neither is due.
    raft::Time deadline = raft::Time::Never();
    raft::FrameDecoder decoder{raft::kHelloFrameBytesMax};
    std::string out;    // frames of this turn
    size_t queued = 0;  // bytes in the transport, as it said last
  };
  // Another member. Connection ids are 0 when there is none.
  struct Peer {
    MemberStatus member;
    ConnectionId dialled;
    bool ready = false;          // the dialled connection's hello was accepted
    raft::Time ready_since;      // ... at this time
    uint64_t boot = 0;           // the life of the peer that it was
    ConnectionId accepted;       // the newest that said hello
    uint64_t accepted_boot = 0;  // the life of the peer that said it
    uint32_t failures = 0;       // dials since one that reached the peer
    uint32_t short_lives = 0;    // connections since one that lasted
    raft::Time dial_at;          // when to dial, if nothing is dialled
  };
  // By name in the status.
  struct Counters {
    std::array<uint64_t, raft::kFrameErrors> frames_refused = {};
    uint64_t frames_in = 0;
    uint64_t frames_out = 0;
    uint64_t bulk_jobs = 0;
    uint64_t bulk_dropped = 0;  // StoreSnapshots: too many waited
    uint64_t log_releases = 0;
    uint64_t log_releases_failed = 0;
    uint64_t syncs = 0;        // WAL jobs: one sync each
    uint64_t wal_records = 0;  // Persists in them
    uint64_t wal_entries = 0;  // log entries in those
    uint64_t peer_dials = 0;
    uint64_t peer_connects = 0;          // dials that reached the right peer
    uint64_t peer_messages_dropped = 0;  // not connected, or over the bound
    uint64_t peer_queues_full = 0;       // of these: over the bound
    uint64_t clients_accepted = 0;
    uint64_t clients_overrun = 0;  // closed: did not read their replies
    uint64_t handshakes_timed_out = 0;
    uint64_t turns = 0;
  };

  Replica(const ReplicaOptions& options, const Ports& ports, BootState boot,
          raft::Time now);

  // replica.cc: the turn; replica_disk.cc: the disk.
  void Step(const Event& event);
  void Perform(Effect* effect);
  void SubmitWal();
  void SubmitRelease();
  void SubmitBulk();
  void Halt(const raft::Halt& halt);
  void Halt(std::string reason);
  void AddCounters(StatusReply* status) const;

  // replica_connections.cc: dialling, hello, who is connected.
  void DialDue();
  raft::Duration PeerPatience() const;
  raft::Duration DialBackoffMax() const;
  void Dial(Peer* peer);
  void ScheduleDial(Peer* peer);
  Connection* AddConnection(ConnectionId id, Door door);
  void SetDeadline(ConnectionId id, Connection* connection,
                   raft::Time deadline);
  void ExpireConnections();
  void OnHello(ConnectionId id, Connection* connection,
               std::string_view payload);
  raft::FrameError CheckHello(const Connection& connection,
                              const raft::Hello& hello);
  void PeerGreeted(ConnectionId id, Connection* connection,
                   const raft::Hello& hello);
  void QueueHello(ConnectionId id, Connection* connection);
  void Drop(ConnectionId id);
  void Lost(ConnectionId id);
  Peer* FindPeer(raft::NodeId node);

  // replica_frames.cc: bytes in, bytes out.
  void WaitForRest(ConnectionId id, Connection* connection, bool anew);
  void OnFrame(ConnectionId id, Connection* connection,
               const raft::Frame& frame);
  void Refuse(ConnectionId id, raft::FrameError error);
  void QueueToPeer(const raft::Send& send);
  void QueueToClient(Reply* reply);
  void FrameQueued(ConnectionId id, Connection* connection);
  size_t Send(ConnectionId id, std::string bytes);
  void SendQueued();

  ReplicaOptions options_;
  Ports ports_;
  // Shared with the job that runs on the disk's thread.
  std::shared_ptr<raft::storage::Storage> storage_;
  raft::storage::Identity identity_;
  std::optional<TraceWriter> trace_;
  Node node_;
  Observer observer_;
  raft::Time now_;
  raft::Time hand_over_until_;
  std::string halt_reason_;

  std::vector<Peer> peers_;  // the other members, in the order of options
  std::map<ConnectionId, Connection> connections_;
  std::vector<ConnectionId> dirty_;    // with output of this turn
  std::vector<ConnectionId> sending_;  // its memory, between two turns
  // Connections without an accepted hello, or in the middle of a frame.
  std::set<std::pair<raft::Time, ConnectionId>> deadlines_;

  uint64_t last_job_ = 0;                // of both lanes
  std::vector<raft::Persist> persists_;  // wait for the job in flight
  raft::Index release_through_;          // waits for it; 0: nothing
  uint64_t wal_job_ = 0;                 // in flight; 0: none
  raft::PersistToken wal_token_;         // its newest; 0: a release
  // Shared with the jobs of the bulk lane.
  std::shared_ptr<SnapshotWorker> worker_;
  std::deque<BulkWork> bulk_;  // waits for the job in flight
  uint64_t bulk_job_ = 0;      // in flight; 0: none
  std::shared_ptr<BulkResult> bulk_result_;

  Counters counters_;
  Effects effects_;  // scratch of Step, empty between steps
};

}  // namespace registry

#endif  // REGISTRY_REPLICA_H_
