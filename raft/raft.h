// Raft: the consensus state machine. Pure: a function of (state, input), with
// no clock, thread, socket, file, global or entropy. Copyable, deeply (payload
// buffers are shared and immutable).
//
// What is here: elections with pre-vote, check-quorum and leader stickiness;
// pipelined replication with bounded windows; commit by counting entries of
// the leader's own term; ReadIndex batched per confirmation round; outputs
// ordered by the core itself. Not yet: snapshots, membership change, learners,
// leadership transfer (issue 4); the log is held in memory whole.
#ifndef RAFT_RAFT_H_
#define RAFT_RAFT_H_

#include <cstdint>
#include <vector>

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
};

// What storage gave back at boot. `log` is contiguous from index 1.
struct Restored {
  Term term;
  NodeId vote;
  std::vector<Entry> log;
};

// To be completed by the core's author: see raft_io.h for the contract.
//
//   class Raft {
//    public:
//     Raft(const Config& config, Restored restored, Time now);
//     // Applies one input and appends what must happen next. The only mutator.
//     void Step(const Input& input, Outputs* outputs);
//     // When the host must Step(Tick) next at the latest.
//     Time NextDeadline() const;
//     // Observers, for the layer above, status and tests.
//     Role role() const; Term term() const; NodeId vote() const;
//     NodeId leader() const; Index commit() const; Index last_index() const;
//     const Entry& entry(Index index) const;  // requires 1 <= index <= last
//     Index stable_index() const;   // own log known durable up to here
//     const Config& config() const;
//   };

}  // namespace raft

#endif  // RAFT_RAFT_H_
