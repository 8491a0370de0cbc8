// Transfer of leadership (thesis 3.10): the leader brings the target's log to
// its own, and asks it to campaign.
#include "raft/check.h"
#include "raft/raft.h"

namespace raft {

void Raft::On(const TransferLeadership& transfer) {
  if (role_ != Role::kLeader) {
    Emit(TransferRefused{RefusalReason::kNotLeader});
    return;
  }
  NodeId to = transfer.to;
  // Whoever is being caught up already is as good a choice as any.
  if (!to.valid()) to = transferring() ? transfer_to_ : BestTarget();
  const Peer* target = FindPeer(to);
  if (target == nullptr || NeedsSnapshot(*target)) {
    Emit(TransferRefused{RefusalReason::kNoTarget});
    return;
  }
  // To ask again is not to have more time: a client that repeats itself would
  // keep writes away for ever.
  if (to != transfer_to_) {
    transfer_to_ = to;
    transfer_deadline_ = now_ + config_.election;
    transfer_ordered_ = false;
  }
  Emit(TransferBegun{to});
}

// Of those that were heard within an election timeout, and that the log can
// catch up, the one that needs the least; of equals the first.
NodeId Raft::BestTarget() const {
  const Peer* best = nullptr;
  for (const Peer& peer : peers_) {
    if (now_ >= peer.heard_at + config_.election || NeedsSnapshot(peer)) {
      continue;
    }
    if (best == nullptr || best->progress.match() < peer.progress.match()) {
      best = &peer;
    }
  }
  return best == nullptr ? kNobody : best->id;
}

// Once only. If it is lost, this leader goes on after the deadline; if the
// target's requests are, a timeout elects somebody (conformance 9.5).
void Raft::OrderTarget() {
  if (!transferring() || transfer_ordered_) return;
  const Peer* peer = FindPeer(transfer_to_);
  CHECK(peer != nullptr);
  // Sooner it could not win, and would cost an election for nothing.
  if (peer->progress.match() < log_.last_index()) return;
  transfer_ordered_ = true;
  QueueSend(transfer_to_, TimeoutNow{.term = term_});
}

void Raft::EndTransfer() {
  transfer_to_ = kNobody;
  transfer_ordered_ = false;
}

// Obeyed only by who follows the sender: an order that was delayed must not
// unseat the leader of a later term, nor begin a second campaign.
void Raft::Handle(NodeId from, const TimeoutNow& order) {
  if (order.term > term_) AdoptTerm(order.term);
  if (order.term < term_ || role_ != Role::kFollower || leader_ != from) return;
  if (self_votes_) StartElection(/*transfer=*/true);
}

}  // namespace raft
