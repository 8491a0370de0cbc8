// LockStep: a few Raft cores in one thread, with nothing between them: no
// bytes, no sockets, a disk that is done at once, a clock that moves when
// asked. For raft_benchmark, which wants to see the core alone.
#ifndef RAFT_LOCK_STEP_H_
#define RAFT_LOCK_STEP_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "raft/raft.h"
#include "raft/raft_io.h"
#include "raft/types.h"

namespace raft {

class LockStep {
 public:
  // `nodes` fresh cores, of which the first has been elected and has committed
  // its no-op everywhere. 1 <= nodes <= kVotersMax.
  explicit LockStep(int nodes);

  // One turn of the leader with `count` commands of `bytes` each, and the turns
  // of all that follow from it, until nothing is under way: then the leader has
  // committed and applied them, the others at the next append or notice.
  void Propose(size_t count, size_t bytes);

  // Lets time pass until the leader has told everybody what is committed.
  void TellCommit();

  // True if each core has applied all entries of its log, and all the same.
  bool AppliedAlike() const;
  // Commands that the core has applied.
  uint64_t applied(size_t core) const { return cores_[core].commands; }
  size_t size() const { return cores_.size(); }

 private:
  struct Core {
    explicit Core(const Config& config) : raft(config, Restored{}, Time(0)) {}
    Raft raft;
    Index applied;
    uint64_t commands = 0;
    uint64_t sum = 0;  // over everything applied
  };
  struct Packet {
    NodeId from;
    NodeId to;
    Message message;
  };

  void Tick(Time now);
  void Turn(Core* core);
  void Perform(Core* core);
  void Apply(Core* core, Index through);
  void Settle();

  std::vector<Core> cores_;
  std::vector<Packet> network_;
  std::vector<Packet> arriving_;
  Outputs outputs_;  // of the step under way; its memory is kept
  Input proposal_ = raft::Propose{};  // so that no step copies it
  Time now_ = Time(0);
};

}  // namespace raft

#endif  // RAFT_LOCK_STEP_H_
