// What a message says must be true of the node that it leaves, at the moment
// when it leaves: that is what its receiver counts on. Plain values, so that a
// test can feed them with a lie; each returns what is wrong, or "".
#ifndef SIM_MESSAGE_CHECKERS_H_
#define SIM_MESSAGE_CHECKERS_H_

#include <functional>
#include <string>
#include <vector>

#include "raft/message.h"
#include "raft/types.h"
#include "sim/log_checkers.h"

namespace sim {

// What of a node is on its disk for certain. marks[i] is index i + 1.
struct OnDisk {
  raft::Term term;
  raft::NodeId vote;
  const std::vector<Mark>* log = nullptr;
};

// A message waits for the disk (architecture, decision 2; conformance 0.6): it
// speaks in a term that is there, a vote that it gives or asks with is there,
// and so is every entry that it acknowledges. A later term on the disk excuses
// the rest: its persist may have been in the same sync.
std::string WhyNotOnDisk(const raft::Message& message, raft::NodeId self,
                         raft::NodeId to, const OnDisk& disk);

// A leader, as it is when a message leaves it.
struct Speaker {
  raft::Term term;
  raft::Index commit;
  raft::Index last;
  raft::Index match;  // what the receiver acknowledged to it
  std::function<raft::Term(raft::Index)> term_at;  // of its log, up to `last`
};

// A leader speaks of the log and the commit index that it has (conformance
// 0.8, 5.4): entries without a gap, in the terms that it holds them in, the
// term before them, and in a heartbeat no commit beyond what the follower has
// acknowledged. Messages of a term that it has left are not looked at.
std::string WhyNotOfItsLog(const raft::Message& message,
                           const Speaker& speaker);

}  // namespace sim

#endif  // SIM_MESSAGE_CHECKERS_H_
