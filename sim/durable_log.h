// DurableLog: what a node's disk owes it.
#ifndef SIM_DURABLE_LOG_H_
#define SIM_DURABLE_LOG_H_

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "raft/raft_io.h"
#include "raft/types.h"
#include "sim/log_checkers.h"

namespace sim {

// What a node's disk holds for it.
struct DiskState {
  raft::Term term;
  raft::NodeId vote;
  std::vector<Mark> log;  // log[i] is index i + 1
  // A snapshot is there that covers the log up to it. What it took the place of
  // is in `log` all the same, as the committed log has it.
  raft::Index covered;
  // The same to the node, with an older snapshot and more of the log as well.
  bool operator==(const DiskState& other) const {
    return term == other.term && vote == other.vote && log == other.log;
  }
};

// What a node has asked its disk to keep, and what the disk has confirmed. A
// node that boots must find exactly what was confirmed, and of what was not, a
// prefix, persist by persist: all or nothing. Or else what is left of it after
// damage that was allowed (FaultBudget).
class DurableLog {
 public:
  // Of the cluster; must outlive this.
  explicit DurableLog(const CommittedLog* committed) : committed_(committed) {}

  // Empty, or what is wrong.
  std::string OnPersist(const raft::Persist& persist);
  std::string OnPersistDone(raft::PersistToken token);
  // A snapshot that covers everything up to `last` is durable. A boot goes on
  // from it if the log does not hold its end.
  void OnSnapshot(raft::Index last);
  // `granted`: what damage may have left, or nullptr.
  std::string OnBoot(DiskState booted, const DiskState* granted = nullptr);

  // Whether a disk that is well may hold this: what was confirmed, and perhaps
  // some of what was asked for besides.
  bool Explains(const DiskState& held) const;
  // Whether damage may have left this of `before` without a recovery noticing:
  // everything but the newest batch, or the end of it. What was there when the
  // node booted has a segment of its own by now, so that it would notice
  // (FORMAT.md, rules of writing 4).
  bool MayBeLeft(const DiskState& left, const DiskState& before) const;

  // The log after every persist that was asked for.
  const std::vector<Mark>& asked() const { return asked_; }
  // The log that is confirmed; asked_[i] is index i + 1 in both.
  const std::vector<Mark>& durable() const { return found_.log; }
  raft::Term durable_term() const { return found_.term; }
  raft::NodeId durable_vote() const { return found_.vote; }
  // What a boot would find.
  const DiskState& state() const { return found_; }

 private:
  struct Pending {
    raft::PersistToken token;
    raft::Term term;
    raft::NodeId vote;
    uint64_t keep = 0;  // entries before the new ones
    // The last that the snapshot covers which takes the log's place; 0: none.
    raft::Index base;
    std::vector<Mark> marks;
  };
  // What one job confirmed, and how to take it back.
  struct Batch {
    std::vector<Pending> persists;
    raft::Term term_before;
    raft::NodeId vote_before;
    uint64_t kept = 0;           // entries that it did not touch
    std::vector<Mark> replaced;  // those behind them
  };
  static void Apply(const Pending& pending, DiskState* state);
  static std::string Describe(const DiskState& state);
  // As a boot finds it that has a snapshot up to `covered`.
  DiskState Found(DiskState state, raft::Index covered) const;
  void SetFound();

  const CommittedLog* committed_;
  std::vector<Mark> asked_;
  DiskState durable_;  // as the log alone has it
  DiskState found_;    // ... and with the snapshot
  Batch newest_;
  std::deque<Pending> pending_;
};

}  // namespace sim

#endif  // SIM_DURABLE_LOG_H_
