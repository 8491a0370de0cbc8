// ModelWorld: a whole cluster of Raft cores as one value, and everything that
// may happen to it next. The cores are the ones that ship; what surrounds them
// is the least that can hurt: messages arrive in any order, late, twice or
// never; disks finish late; timers fire whenever they like; nodes die, and keep
// of what was under way to their disk a beginning of any length.
//
// Copies are cheap: nodes and messages are shared until one changes.
#ifndef TOOLS_MODEL_WORLD_H_
#define TOOLS_MODEL_WORLD_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "raft/raft.h"
#include "raft/raft_io.h"
#include "raft/types.h"

namespace tools {

// How often each thing may happen on the way from the start. A state knows
// what is left, so the graph of states is finite and has no circles.
struct ModelBounds {
  uint64_t nodes = 3;
  bool elected = true;      // start with a leader whose no-op is committed
  bool slow_disks = true;   // else each Persist is durable at once
  uint64_t elections = 2;   // timers that fire at nodes that do not lead
  uint64_t heartbeats = 1;  // ... at leaders
  uint64_t crashes = 1;     // each followed by a restart
  uint64_t proposals = 1;   // of one entry
  uint64_t reads = 0;       // ReadIndex
  uint64_t transfers = 0;   // of leadership
  uint64_t duplicates = 0;  // messages that arrive and stay under way
  uint64_t messages = 6;    // under way at once; more are lost
};

struct ModelAction {
  enum class Kind : uint8_t {
    kDeliver,      // message `which` arrives
    kDuplicate,    // the same, and it may arrive once more
    kTimeout,      // `node` runs until its next deadline
    kPersistDone,  // the oldest Persist of `node` is durable
    kCrash,        // `node` dies with its `which` oldest Persists durable
    kPropose,      // a client's command, at a leader
    kRead,         // a client's read
    kTransfer,     // `node`, which leads, hands over to node `which`
  };
  Kind kind = Kind::kDeliver;
  uint8_t node = 0;  // who steps
  size_t which = 0;
};

class ModelWorld {
 public:
  explicit ModelWorld(const ModelBounds& bounds);

  // What may happen now, each once.
  std::vector<ModelAction> Actions() const;
  // Lets it happen. Returns the rules that are broken now, "" if none is.
  std::string Do(const ModelAction& action);
  // Equal worlds have equal hashes, whatever way led there.
  uint64_t Hash() const;

  // What broke last; of a new world, on the way to its start.
  const std::string& broken() const { return broken_; }

  // One line: what it is, before it happens.
  std::string Describe(const ModelAction& action) const;
  // One line: the nodes.
  std::string Describe() const;

 private:
  struct OpenRead {
    raft::ReadId id;
    size_t committed = 0;  // when it was asked
  };
  struct Host {
    Host(const raft::Config& config, const raft::Restored& restored,
         raft::Time at)
        : raft(config, restored, at), disk(restored), now(at) {}
    raft::Raft raft;
    raft::Restored disk;               // durable
    std::vector<raft::Persist> queue;  // under way to it, oldest first
    raft::Time now;
    raft::Index applied;
    raft::ReadId last_read;
    std::vector<OpenRead> reads;
    uint64_t hash = 0;
  };
  struct Packet {
    raft::NodeId from;
    raft::NodeId to;
    std::shared_ptr<const raft::Message> message;
    uint64_t hash = 0;
  };
  // What the cluster has promised.
  struct Mark {
    raft::Term term;
    uint64_t payload = 0;  // its digest
    raft::Term since;      // committed by the leader of this term
    bool SameEntry(const Mark& other) const {
      return term == other.term && payload == other.payload;
    }
  };
  struct Led {
    raft::Term term;
    raft::NodeId node;
  };

  raft::Config ConfigOf(size_t node, uint64_t boot) const;
  void Elect();
  void Settle();
  void Step(Host* host, const raft::Input& input);
  void Turn(Host* host, const raft::Input& input);
  void FinishPersist(Host* host);
  void Perform(Host* host, raft::Outputs* outputs);
  void Add(raft::NodeId from, raft::Send send);
  void Replace(size_t node, std::unique_ptr<Host> host);
  void Crash(size_t node, size_t kept);
  void Break(std::string text);
  void CheckLeader(const Host& host);
  void CheckCommitted(Host* host, raft::Index through);
  void CheckLogsMatch(const Host& host);
  size_t DurableCopies(const Host& changed, raft::Index index,
                       const Mark& mark) const;

  ModelBounds left_;
  std::vector<std::shared_ptr<const Host>> hosts_;
  std::vector<Packet> network_;  // sorted by hash
  std::vector<Led> leaders_;
  std::vector<Mark> committed_;
  std::string broken_;
};

}  // namespace tools

#endif  // TOOLS_MODEL_WORLD_H_
