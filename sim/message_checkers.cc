#include "sim/message_checkers.h"

#include <variant>

#include "raft/digest.h"
#include "sim/checker_text.h"

namespace sim {
namespace {

using raft::Describe;
using raft::Index;
using raft::Term;

bool IsPreVote(const raft::Message& message) {
  const auto* ask = std::get_if<raft::VoteRequest>(&message);
  const auto* answer = std::get_if<raft::VoteReply>(&message);
  return (ask != nullptr && ask->pre_vote) ||
         (answer != nullptr && answer->pre_vote);
}

// The candidate that the message gives the sender's vote to, if it does.
raft::NodeId VoteIn(const raft::Message& message, raft::NodeId self,
                    raft::NodeId to) {
  if (std::holds_alternative<raft::VoteRequest>(message)) return self;
  const auto* answer = std::get_if<raft::VoteReply>(&message);
  return answer != nullptr && answer->granted ? to : raft::kNobody;
}

// Up to where the sender says that it has everything on its disk; 0: it does
// not say.
Index AcknowledgedBy(const raft::Message& message) {
  if (const auto* ack = std::get_if<raft::AppendReply>(&message)) {
    return ack->accepted ? ack->match : Index(0);
  }
  const auto* told = std::get_if<raft::SnapshotReply>(&message);
  return told != nullptr && told->installed ? told->match : Index(0);
}

std::string WhyNotOfItsLog(const raft::AppendRequest& append,
                           const Speaker& speaker) {
  const Index prev = append.prev_index;
  if (prev + append.entries.size() > speaker.last) {
    return "it ends beyond the log, which ends at " + Text(speaker.last);
  }
  if (append.commit > speaker.commit) {
    return "committed is only " + Text(speaker.commit);
  }
  if (append.prev_term != speaker.term_at(prev)) {
    return "index " + Text(prev) + " is of term " + Text(speaker.term_at(prev));
  }
  Index next = prev;
  for (const raft::Entry& entry : append.entries) {
    ++next;
    if (entry.index != next || entry.term != speaker.term_at(next)) {
      return "it shows " + Describe(entry.index) + " of term " +
             Text(entry.term) + " where index " + Text(next) + " of term " +
             Text(speaker.term_at(next)) + " is due";
    }
  }
  return "";
}

}  // namespace

std::string WhyNotOnDisk(const raft::Message& message, raft::NodeId self,
                         raft::NodeId to, const OnDisk& disk) {
  if (IsPreVote(message)) return "";  // about a term that nobody has adopted
  const Term term = raft::TermOf(message);
  if (term < disk.term) return "";
  if (term > disk.term) return "the disk knows term " + Text(disk.term);
  if (const raft::NodeId vote = VoteIn(message, self, to);
      vote.valid() && vote != disk.vote) {
    return "the vote on the disk is " + raft::ToString(disk.vote);
  }
  if (const Index match = AcknowledgedBy(message);
      match > Index(disk.log->size())) {
    return "the log on the disk ends at " + std::to_string(disk.log->size());
  }
  return "";
}

std::string WhyNotOfItsLog(const raft::Message& message,
                           const Speaker& speaker) {
  if (raft::TermOf(message) != speaker.term) return "";
  if (const auto* append = std::get_if<raft::AppendRequest>(&message)) {
    return WhyNotOfItsLog(*append, speaker);
  }
  const auto* heartbeat = std::get_if<raft::Heartbeat>(&message);
  if (heartbeat == nullptr || heartbeat->commit == Index(0)) return "";
  if (heartbeat->commit > speaker.commit) {
    return "committed is only " + Text(speaker.commit);
  }
  if (heartbeat->commit_term != speaker.term_at(heartbeat->commit)) {
    return "index " + Text(heartbeat->commit) + " is of term " +
           Text(speaker.term_at(heartbeat->commit));
  }
  if (heartbeat->commit > speaker.match) {
    return "the follower acknowledged no more than " + Text(speaker.match);
  }
  return "";
}

}  // namespace sim
