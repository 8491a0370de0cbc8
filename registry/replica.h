// Replica: bytes <-> events and effects. Boot, framing, hello, peer identity,
// dialling and back-off, output bounds, persist jobs, trace. One object file,
// linked into the simulator and into registryd alike.
#ifndef REGISTRY_REPLICA_H_
#define REGISTRY_REPLICA_H_

// To be completed by its author with this public API:
//
//   struct ReplicaOptions {
//     std::string data_dir;
//     std::vector<MemberStatus> members;   // ids and addresses of all voters
//     raft::Duration heartbeat, election;
//     uint64_t seed, boot;   // boot: random per life in production (from the
//                            // host), drawn by the simulator
//     raft::storage::StorageOptions storage;
//     bounds on output bytes per peer and per client ...
//   };
//   class Replica : public TransportHandler {
//    public:
//     // Opens storage (blocking), recovers, creates the node. Identity comes
//     // from the data directory. Ports outlive the replica.
//     static absl::StatusOr<std::unique_ptr<Replica>> Boot(
//         const ReplicaOptions& options, const Ports& ports, raft::Time now);
//     // One loop turn of the host: OnTime first, then everything that arrived
//     // (OnAccepted/OnOpened/OnBytes/OnClosed/OnDiskDone), then OnTurnEnd.
//     void OnTime(raft::Time now);
//     void OnDiskDone(uint64_t job, absl::Status status);
//     void OnTurnEnd();
//     raft::Time NextDeadline() const;
//     bool halted() const;                 // a disk failed: stop the process
//     const std::string& halt_reason() const;
//     const Node& node() const;
//     // For checkers: called after each Node::Step with the event and effects.
//     using Observer = std::function<void(const Event&, const Effects&)>;
//     void SetObserver(Observer observer);
//   };

#endif  // REGISTRY_REPLICA_H_
