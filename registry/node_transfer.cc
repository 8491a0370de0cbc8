// Handing over leadership, at a client's or at the host's request. What Raft
// does of it is in raft/raft_transfer.cc; here is who is told what.
#include <string>
#include <utility>

#include "raft/check.h"
#include "registry/node.h"

namespace registry {

void Node::OnTransfer(ConnectionId connection, uint64_t request,
                      const TransferRequest& body, Effects* effects) {
  const auto refuse = [&](Failure failure) {
    Answer(connection, request, std::move(failure), effects);
  };
  if (!is_leader()) return refuse(NotLeader());
  // Whoever asks again was answered before, perhaps without hearing it.
  if (body.to == config_.raft.self) {
    return Answer(connection, request, TransferReply{.leader = body.to},
                  effects);
  }
  // Raft would take the new target, with new time for it: two who do not agree
  // could keep writes away for as long as they like.
  const raft::NodeId under_way = raft_.transfer_to();
  if (under_way.valid() && body.to.valid() && body.to != under_way) {
    return refuse({.error = Error::kUnavailable,
                   .detail = "leadership is being transferred to " +
                             raft::ToString(under_way)});
  }
  if (transfers_.size() >= kWaitingTransfersMax) {
    return refuse(
        {.error = Error::kUnavailable, .detail = std::string(kOverloaded)});
  }
  RequestTransfer({connection, request, body.to}, effects);
}

void Node::RequestTransfer(const WaitingTransfer& asked, Effects* effects) {
  transfer_asked_ = asked;
  StepRaft(raft::TransferLeadership{asked.to}, effects);
  transfer_asked_ = {};
}

void Node::OnTransferBegun(const raft::TransferBegun& begun) {
  if (transfers_.empty()) {
    ++counters_.transfers;
    // The leader tries for one election timeout; a target that was asked in
    // time is elected within another, or else whoever times out.
    transfers_until_ = now_ + raft::Duration(3 * config_.raft.election.value());
  }
  if (transfer_asked_.connection == kSelf) return;
  transfer_asked_.to = begun.to;
  transfers_.push_back(transfer_asked_);
}

void Node::OnTransferRefused(Effects* effects) {
  if (transfer_asked_.connection == kSelf) return;
  Failure failure{.error = Error::kUnavailable,
                  .detail = "no other voter answers"};
  if (transfer_asked_.to.valid()) {
    failure = {.error = Error::kNotFound,
               .detail = raft::ToString(transfer_asked_.to) + " is no voter"};
  } else if (raft_.peers().empty()) {
    failure = {.error = Error::kNotFound, .detail = "there is no other voter"};
  }
  Answer(transfer_asked_.connection, transfer_asked_.request,
         std::move(failure), effects);
}

// After each step of Raft, while somebody waits.
void Node::AnswerTransfers(Effects* effects) {
  const raft::NodeId leader = raft_.leader();
  const bool over = !is_leader() && leader.valid();
  const bool given_up = is_leader() && !raft_.transfer_to().valid();
  if (!over && !given_up && now_ < transfers_until_) return;
  for (const WaitingTransfer& waiting : std::exchange(transfers_, {})) {
    if (over && leader == waiting.to) {
      Answer(waiting.connection, waiting.request, TransferReply{leader},
             effects);
      continue;
    }
    Failure failure{
        .error = Error::kOutcomeUnknown,
        .detail = raft::ToString(waiting.to) + " has not taken over in time"};
    // Of a later term than the order: too late to be obeyed.
    if (over) {
      failure = {.error = Error::kUnavailable,
                 .detail = raft::ToString(leader) + " was elected instead"};
    }
    Answer(waiting.connection, waiting.request, std::move(failure), effects);
  }
}

}  // namespace registry
