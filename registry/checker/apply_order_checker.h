// ApplyOrderChecker: linearizability by witness. The cluster claims an order,
// that of its log; the checker demands that this order explains everything:
//   - every answer is what the model answers at that place of the order,
//   - the order respects real time: what was asked after an answer arrived
//     comes after what that answer showed,
//   - a command takes effect once: under one (session, sequence), and not at
//     all once a client was told that it was not done.
// That needs no search, so it works for operations over many keys (count, keys,
// the end of a session), and costs O(log n) an operation. It believes the
// revisions that the cluster shows; linearizability.h believes nothing.
#ifndef REGISTRY_CHECKER_APPLY_ORDER_CHECKER_H_
#define REGISTRY_CHECKER_APPLY_ORDER_CHECKER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "registry/checker/model.h"
#include "registry/command.h"

namespace registry::checker {

// nullopt: nothing wrong. Otherwise what is, in one line.
using Violation = std::optional<std::string>;

// Fed online, in the order in which things happen (the simulator's own; for
// calls and returns that is real time). Copyable, deeply. After a violation
// its state is of no meaning.
class ApplyOrderChecker {
 public:
  // Names a call, unique among all of a run.
  using CallNumber = uint64_t;

  // The entry at `index` was applied, by the first replica to do so; in order
  // of index, each index once. `reply` is what that replica computed, or
  // nullptr if that cannot be seen (it is judged then where it is returned).
  // An entry that is no decodable command (a leader's no-op) has no command.
  Violation Applied(raft::Index index, const Command* command,
                    const CommandReply* reply);

  // A client begins a call.
  void Called(CallNumber call);

  // The client got the answer. Requires Called(call) before. `command` is as it
  // was sent: with its session and sequence.
  Violation CommandReturned(CallNumber call, const Command& command,
                            const CommandReply& reply);
  Violation ReadReturned(CallNumber call, const ReadOperation& operation,
                         const ReadReply& reply);
  // The client was told that a command is not done and never will be
  // (`unavailable`, `session_expired` without a reply).
  Violation NotDone(CallNumber call, const Command& command);
  // No answer, or none that says anything: nothing is demanded of the call.
  void Abandoned(CallNumber call);

  // The largest index that an answer has shown to any client so far: what a
  // call that begins now must not be behind.
  raft::Index acknowledged() const { return acknowledged_; }
  const Model& model() const { return model_; }
  // Commands, reads and refusals judged so far.
  uint64_t judged() const { return judged_; }

 private:
  using CommandName = std::pair<SessionId, Sequence>;
  // What the log says about one command.
  struct Entries {
    uint64_t operation_digest = 0;  // a name never stands for two operations
    raft::Index effective;          // the entry that did it; 0: none
    // The answers of its entries, by the index of the entry; retries that gave
    // the first one's are left out. Nearly always one: a late copy may add
    // `compacted` or `session_expired`.
    std::map<raft::Index, CommandReply> replies;
  };
  struct OpenedSession {
    std::string nonce;
    std::optional<raft::Index> ended;
  };

  Violation Enter(raft::Index index, const Command& command,
                  const CommandReply& reply);
  void NoteEnds(raft::Index index, const Command& command);
  raft::Index FloorOf(CallNumber call);
  Violation JudgeOpenSession(raft::Index floor, const OpenSession& operation,
                             const CommandReply& reply);
  Violation JudgeEndOfOwnSession(const Command& command);
  Violation JudgeNotDone(const Command& command);
  Violation Acknowledge(raft::Index floor, raft::Index index,
                        const std::string& what);

  Model model_;
  raft::Index applied_;
  raft::Index acknowledged_;
  uint64_t judged_ = 0;
  std::map<CallNumber, raft::Index> floors_;  // acknowledged_ at the call
  std::map<CommandName, Entries> entries_;
  std::set<CommandName> not_done_;
  std::map<SessionId, OpenedSession> opened_;
};

}  // namespace registry::checker

#endif  // REGISTRY_CHECKER_APPLY_ORDER_CHECKER_H_
