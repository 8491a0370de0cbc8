#include "raft/state_hash.h"

#include <variant>

namespace raft {

void StateHash::AddLog(const Log& log, Digest* digest) {
  digest->Add(log.last_index());
  digest->Add(log.base_);
  digest->Add(log.reset_);
  for (Index i = log.base_.index + 1; i <= log.last_index(); ++i)
    digest->Add(log.at(i));
  digest->Add(log.stable_);
  digest->Add(log.handed_);
  digest->Add(log.truncate_from_);
  digest->AddNumber(log.outstanding_.size());
  for (const Log::Outstanding& persist : log.outstanding_) {
    digest->Add(persist.stable_after);
  }
}

void StateHash::AddPeer(const Raft& raft, const Peer& peer, Digest* digest) {
  digest->Add(peer.ballot);
  if (raft.role_ != Role::kLeader) return;
  const Progress& progress = peer.progress;
  digest->Add(progress.state());
  digest->Add(progress.match());
  digest->Add(progress.next());
  digest->Add(progress.may_carry());
  digest->Add(progress.must_ask());
  digest->AddNumber(progress.window().count());
  digest->Add(peer.sending.snapshot);
  digest->Add(peer.sending.at);
  digest->Add(peer.sending.asked);
  digest->Add(peer.commit_told);
  digest->Add(peer.heard_at + raft.config_.election > raft.now_);
}

uint64_t StateHash::Of(const Raft& raft, bool reads) {
  Digest digest;
  digest.Add(raft.term_);
  digest.Add(raft.vote_);
  digest.Add(raft.role_);
  digest.Add(raft.leader_);
  digest.Add(raft.commit_);
  AddLog(raft.log_, &digest);
  digest.Add(raft.snapshot_);
  digest.Add(raft.hard_state_dirty_);
  digest.Add(raft.vote_restored_);
  digest.AddNumber(raft.issued_ - raft.persisted_);
  digest.Add(raft.hard_state_token_ > raft.persisted_);
  digest.AddNumber(raft.outbox_.size() + raft.held_.size());
  for (const Raft::Held& held : raft.held_) {
    digest.AddNumber(held.needs - raft.persisted_);
    digest.Add(held.to);
    digest.AddNumber(Of(held.message, reads));
  }
  digest.Add(raft.now_ < raft.sticky_until_);
  digest.Add(raft.closed_hint_);
  digest.Add(raft.tell_commit_at_ != Time::Never());
  digest.Add(raft.term_start_);
  digest.Add(raft.transfer_to_);
  digest.Add(raft.transfer_ordered_);
  for (const Peer& peer : raft.peers_) AddPeer(raft, peer, &digest);
  if (!reads) return digest.value();
  digest.Add(raft.round_);
  for (const Peer& peer : raft.peers_) digest.Add(peer.confirmed);
  for (const std::vector<Raft::Read>* waiting :
       {&raft.asked_, &raft.confirming_}) {
    digest.AddNumber(waiting->size());
    for (const Raft::Read& read : *waiting) {
      digest.Add(read.from);
      digest.Add(read.id);
      digest.AddNumber(read.boot);
      digest.Add(read.round);
      digest.Add(read.index);
    }
  }
  for (const Raft::ForwardedRead& read : raft.forwarded_) digest.Add(read.id);
  return digest.value();
}

uint64_t StateHash::Of(const Message& message, bool reads) {
  if (reads) return DigestOf(message);
  return std::visit(
      [&message](const auto& m) {
        using Kind = std::decay_t<decltype(m)>;
        if constexpr (requires { m.round; }) {
          Kind without = m;
          without.round = Round(0);
          return DigestOf(Message(std::move(without)));
        } else {
          return DigestOf(message);
        }
      },
      message);
}

}  // namespace raft
