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
  raft::NodeId durable_vote() const { return durable_.vote; }

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

}  // namespace sim

#endif  // SIM_DURABLE_LOG_H_
