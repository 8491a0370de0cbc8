// Node: raft + sessions + registry + reads behind one pure door.
#ifndef REGISTRY_NODE_H_
#define REGISTRY_NODE_H_

// To be completed by its author with this public API:
//
//   struct NodeConfig {
//     raft::Config raft;                  // self, voters, timers, seed, boot
//     raft::ClusterId cluster;
//     std::vector<MemberStatus> members;  // addresses, for hints and status
//     raft::Duration session_ttl_max ...
//   };
//   class Node {   // copyable, deeply
//    public:
//     Node(const NodeConfig& config, raft::Restored restored, raft::Time now);
//     void Step(const Event& event, Effects* effects);  // the only mutator
//     raft::Time NextDeadline() const;
//     // Observers for status, checkers and tests.
//     const raft::Raft& raft() const;
//     const StateMachine& state() const;
//     StatusReply Status() const;
//   };

#endif  // REGISTRY_NODE_H_
