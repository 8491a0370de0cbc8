// What must hold between the nodes of a cluster, whatever happens to it. Each
// rule is a class of plain values that a test can feed with an illegal state;
// ClusterChecker feeds them from the nodes after every step, incrementally, so
// that a run can afford all of them.
#ifndef SIM_CLUSTER_CHECKER_H_
#define SIM_CLUSTER_CHECKER_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "raft/invariants.h"
#include "raft/raft_io.h"
#include "raft/types.h"
#include "registry/node.h"
#include "registry/node_io.h"
#include "registry/state_machine.h"

namespace sim {

struct Violation {
  enum class Kind : uint8_t {
    kSafety = 1,
    kLiveness = 2,
    kLinearizability = 3,
    kCrash = 4,  // a node could not start, or the run could not go on
  };
  Kind kind = Kind::kSafety;
  std::string checker;
  std::string text;
};
std::string_view ToString(Violation::Kind kind);

// Collects violations. The first few tell what happened; a broken cluster
// would repeat the rest at every step.
class Violations {
 public:
  static constexpr size_t kKept = 16;
  void Add(Violation::Kind kind, std::string_view checker, std::string text);
  bool empty() const { return list_.empty(); }
  const std::vector<Violation>& list() const { return list_; }

 private:
  std::vector<Violation> list_;
};

// One place of a log: its term, and a hash over the entry and all before it.
// Equal chains are equal logs up to there.
struct Mark {
  raft::Term term;
  uint64_t chain = 0;
  bool operator==(const Mark&) const = default;
};
Mark NextMark(uint64_t chain_before, const raft::Entry& entry);

// At most one leader in a term (Raft thesis 3.4), and one life of it.
class ElectionSafety {
 public:
  void OnLeader(uint32_t node, uint64_t life, raft::Term term,
                Violations* violations);
  uint64_t leaders() const { return leaders_.size(); }

 private:
  std::map<raft::Term, std::pair<uint32_t, uint64_t>> leaders_;
};

// A node votes for one candidate in a term, over all its lives (3.4). Judged by
// the votes that leave it, so that a vote forgotten in a crash is found.
class VoteOnce {
 public:
  void OnVote(uint32_t node, raft::Term term, raft::NodeId candidate,
              Violations* violations);

 private:
  std::map<std::pair<uint32_t, raft::Term>, raft::NodeId> votes_;
};

// Logs that hold the same (index, term) are equal up to there (3.5).
class LogMatching {
 public:
  void OnEntry(uint32_t node, raft::Index index, const Mark& mark,
               Violations* violations);

 private:
  struct Seen {
    Mark mark;
    uint32_t node = 0;
  };
  std::vector<std::vector<Seen>> seen_;  // by index
};

// What a node has asked its disk to keep, and what the disk has confirmed. A
// node that boots must find exactly what was confirmed, and of what was not, a
// prefix, persist by persist: all or nothing.
class DurableLog {
 public:
  // Empty, or what is wrong.
  std::string OnPersist(const raft::Persist& persist);
  std::string OnPersistDone(raft::PersistToken token);
  std::string OnBoot(raft::Term term, raft::NodeId vote, std::vector<Mark> log);

  // The log after every persist that was asked for.
  const std::vector<Mark>& asked() const { return asked_; }
  // The log that is confirmed; asked_[i] is index i + 1 in both.
  const std::vector<Mark>& durable() const { return durable_.log; }
  raft::Term durable_term() const { return durable_.term; }

 private:
  struct State {
    raft::Term term;
    raft::NodeId vote;
    std::vector<Mark> log;
    bool operator==(const State&) const = default;
  };
  struct Pending {
    raft::PersistToken token;
    raft::Term term;
    raft::NodeId vote;
    uint64_t keep = 0;  // entries before the new ones
    std::vector<Mark> marks;
  };
  static void Apply(const Pending& pending, State* state);
  static std::string Describe(const State& state);

  std::vector<Mark> asked_;
  State durable_;
  std::deque<Pending> pending_;
};

// What is committed stays: the same entry at an index for every node
// (state-machine safety, 3.6.3), a leader of a later term holds it (leader
// completeness, 3.6.3), no log drops it, and when it is committed it is on the
// disks of a majority.
class CommittedLog {
 public:
  // `node` says that `index` is committed, with `mark` there; first told in
  // `term`. `durable` is how many nodes have it on disk.
  void OnCommitted(uint32_t node, raft::Index index, const Mark& mark,
                   raft::Term term, uint32_t durable, uint32_t quorum,
                   Violations* violations);
  // The log that a new leader of `term` has; `mark_at(i)` is its mark, or
  // nothing where its log has ended.
  template <typename MarkAt>
  void OnLeader(uint32_t node, raft::Term term, MarkAt mark_at,
                Violations* violations) const;
  // A node that has `mark` at `index` drops it.
  void OnDropped(uint32_t node, raft::Index index, const Mark& mark,
                 Violations* violations) const;

  raft::Index last() const { return raft::Index(log_.size()); }
  const Mark& at(raft::Index index) const {
    return log_.at(index.value() - 1).mark;
  }

 private:
  struct Committed {
    Mark mark;
    raft::Term told_in;  // term of the first node that said so
  };
  // The newest index that was committed in a term before `term`.
  raft::Index LastBefore(raft::Term term) const;
  static std::string Text(uint32_t node, raft::Index index, const Mark& has,
                          const Mark& committed);

  std::vector<Committed> log_;
};

// Equal state at equal index, against a state machine of the checker's own that
// applies the committed log.
class StateAgreement {
 public:
  // Entries in order of index.
  registry::CommandReply Apply(const raft::Entry& entry);
  void OnApplied(uint32_t node, raft::Index applied,
                 const registry::StateDigest& digest,
                 Violations* violations) const;
  const registry::StateMachine& state() const { return state_; }

 private:
  registry::StateMachine state_;
  std::vector<registry::StateDigest> digests_;  // by index, from 1
};

// A key of a unique registry has one owner at a time, and nobody gets it before
// the last owner has given it up or was ended. Judged by the answers.
class UniqueOwner {
 public:
  void OnApplied(raft::Index index, const registry::Command& command,
                 const registry::CommandReply& reply, Violations* violations);

 private:
  using Name = std::pair<std::string, std::string>;  // registry, key
  void Drop(registry::SessionId session, const uint64_t* process);

  std::map<std::string, registry::RegistryKind> kinds_;
  std::map<Name, registry::Pid> owners_;
};

// Every command takes effect once: one (session, sequence), one answer; a
// repetition is answered as the first, or not any more.
class ExactlyOnce {
 public:
  // True if the command is the first of its name.
  bool OnApplied(raft::Index index, const registry::Command& command,
                 const registry::CommandReply& reply, Violations* violations);
  uint64_t repeated() const { return repeated_; }

 private:
  using Name = std::pair<registry::SessionId, registry::Sequence>;
  std::map<Name, registry::CommandReply> first_;
  uint64_t repeated_ = 0;
};

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

  // A node has read its disk.
  void OnBoot(uint32_t node, const registry::Node& booted);
  // After every step of a node.
  void OnStep(uint32_t node, const registry::Node& stepped,
              const registry::Event& event, const registry::Effects& effects);

  raft::Index committed() const { return committed_.last(); }
  const registry::StateMachine& state() const { return agreement_.state(); }
  uint64_t leaders() const { return elections_.leaders(); }
  uint64_t commands_repeated() const { return once_.repeated(); }

 private:
  struct NodeView {
    uint64_t life = 0;
    DurableLog disk;
    raft::RaftSummary before;
    raft::Index applied;
  };

  void Report(std::string_view checker, uint32_t node, std::string text);
  void OnPersist(uint32_t node, const raft::Persist& persist);
  void OnSend(uint32_t node, const registry::Node& stepped,
              const raft::Send& send);
  void CheckInvariants(uint32_t node, const raft::Raft& raft,
                       const raft::RaftSummary& now);
  void AdvanceCommit(uint32_t node, const registry::Node& stepped,
                     raft::Index from);
  std::optional<Mark> MarkAt(uint32_t node, const raft::Raft& raft,
                             raft::Index index) const;
  uint32_t DurableCopies(raft::Index index, const Mark& mark) const;

  Violations* const violations_;
  ApplyWitness* const witness_;  // may be nullptr
  std::vector<NodeView> nodes_;
  ElectionSafety elections_;
  VoteOnce votes_;
  LogMatching matching_;
  CommittedLog committed_;
  StateAgreement agreement_;
  UniqueOwner owners_;
  ExactlyOnce once_;
};

// ------------------------------------------------------- implementation only

template <typename MarkAt>
void CommittedLog::OnLeader(uint32_t node, raft::Term term, MarkAt mark_at,
                            Violations* violations) const {
  const raft::Index last = LastBefore(term);
  if (last == raft::Index(0)) return;
  const std::optional<Mark> has = mark_at(last);
  if (has == at(last)) return;
  violations->Add(Violation::Kind::kSafety, "leader_completeness",
                  "leader of term " + std::to_string(term.value()) + ": " +
                      Text(node, last, has.value_or(Mark{}), at(last)));
}

}  // namespace sim

#endif  // SIM_CLUSTER_CHECKER_H_
