// The door, the turn's end, and what waits for the disk.
#include "raft/raft.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "raft/check.h"
#include "raft/limits.h"

namespace raft {

Raft::Raft(const Config& config, Restored restored, Time now)
    : config_(config),
      now_(now),
      term_(restored.term),
      vote_(restored.vote),
      log_(std::move(restored.log), restored.base),
      snapshot_(restored.snapshot),
      vote_restored_(restored.vote.valid()),
      commit_(restored.snapshot.index),
      tell_commit_at_(Time::Never()) {
  CHECK(config_.self.valid());
  CHECK_GE(config_.voters.size(), size_t{1});
  CHECK_LE(config_.voters.size(), size_t{kVotersMax});
  CHECK(std::is_sorted(config_.voters.begin(), config_.voters.end()));
  CHECK(std::adjacent_find(config_.voters.begin(), config_.voters.end()) ==
        config_.voters.end());
  CHECK_GT(config_.heartbeat, Duration(0));
  CHECK_LT(config_.heartbeat, config_.election);
  CHECK(config_.limits.valid());
  CHECK_LE(log_.last_term(), term_);
  CHECK_LE(log_.base().index, snapshot_.index);
  CHECK_LE(snapshot_.index, log_.last_index());
  CHECK_EQ(log_.TermAt(snapshot_.index), snapshot_.term);
  self_votes_ = IsVoter(config_.self);
  for (NodeId voter : config_.voters) {
    if (voter != config_.self) peers_.push_back(Peer{.id = voter});
  }
  announced_ = Announced{role_, term_, leader_};
  ResetElectionTimer();
  // A sole voter has nobody to be polite to.
  if (self_votes_ && peers_.empty()) election_deadline_ = now_;
}

void Raft::Step(const Input& input, Outputs* outputs) {
  outputs_ = outputs;
  std::visit([this](const auto& alternative) { On(alternative); }, input);
  AnnounceRole();
  outputs_ = nullptr;
}

Time Raft::NextDeadline() const {
  if (role_ == Role::kLeader) {
    if (peers_.empty()) return Time::Never();
    const Time transfer = transferring() ? transfer_deadline_ : Time::Never();
    return std::min({heartbeat_due_, tell_commit_at_, transfer,
                     QuorumHeardAt() + config_.election});
  }
  if (forwarded_.empty()) return election_deadline_;
  return std::min(election_deadline_, forwarded_.front().deadline);
}

void Raft::On(const Tick& tick) {
  now_ = std::max(now_, tick.now);
  if (role_ == Role::kLeader) {
    TickLeader();
  } else {
    ExpireForwardedReads();
    TickElection();
  }
}

void Raft::On(const Receive& receive) {
  std::visit([&](const auto& message) { Handle(receive.from, message); },
             receive.message);
}

void Raft::On(const PersistDone& done) {
  CHECK_LE(done.token, issued_);
  persisted_ = std::max(persisted_, done.token);
  log_.PersistDone(done.token);
  // Our own vote and our own copy of an entry count from here on, not before.
  if (role_ == Role::kCandidate) CountVotes();
  if (role_ == Role::kLeader) AdvanceCommit();
  ReleaseHeld();
}

void Raft::On(const PeerClosed& closed) {
  if (role_ == Role::kLeader) {
    // The window's content may have died with the connection: a follower that
    // restarts must not wait for entries that we believe are under way (M28).
    if (Peer* peer = FindPeer(closed.peer)) {
      peer->progress.ConnectionClosed();
      peer->progress.Compacted(log_.base().index);
    }
  } else if (role_ == Role::kFollower && closed.peer == leader_) {
    LeaderConnectionClosed();
  }
}

void Raft::On(const Flush&) {
  FlushReads();
  if (role_ == Role::kLeader) {
    for (Peer& peer : peers_) SendAppends(&peer);
    OrderTarget();
  }
  EmitPersist();
  ReleaseOutbox();
}

// The Persist that makes term and vote durable as they are now.
PersistToken Raft::HardStateToken() const {
  return hard_state_dirty_ ? issued_ + 1 : hard_state_token_;
}

// Every message waits until term and vote, as they were when it was made, are
// durable. A RequestVote too, or a crashed candidate can be elected by a
// delayed grant to a self that it no longer remembers:
//   n1 starts t5, sends RequestVote, crashes before t5 is durable
//   n1 is back in t4; n2's grant of t5 is still under way
//   n1 starts t5 again, with a log that n2 never compared with its own, and
//   counts that grant.
void Raft::QueueSend(NodeId to, Message message, PersistToken needs) {
  outbox_.push_back(
      Held{std::max(needs, HardStateToken()), to, std::move(message)});
}

// An acknowledgement waits for the log too. Those of one turn become one: they
// would wait for the same Persist, and acknowledgements are cumulative.
void Raft::QueueAck(NodeId to, const AppendReply& reply) {
  const PersistToken needs =
      std::max(HardStateToken(), log_.DurableWith(reply.match, issued_ + 1));
  if (!outbox_.empty() && outbox_.back().to == to) {
    auto* last = std::get_if<AppendReply>(&outbox_.back().message);
    if (last != nullptr && last->accepted && last->term == reply.term) {
      last->match = std::max(last->match, reply.match);
      last->round = std::max(last->round, reply.round);
      outbox_.back().needs = std::max(outbox_.back().needs, needs);
      return;
    }
  }
  outbox_.push_back(Held{needs, to, reply});
}

void Raft::EmitPersist() {
  if (!hard_state_dirty_ && !log_.dirty()) return;
  ++issued_;
  if (hard_state_dirty_) {
    hard_state_dirty_ = false;
    hard_state_token_ = issued_;
  }
  Persist persist{.token = issued_, .term = term_, .vote = vote_};
  log_.HandOut(issued_, &persist);
  Emit(std::move(persist));
}

// What an earlier step of this turn decided is covered by the turn's one
// Persist even when a later step overrode it: nothing of the turn is visible
// before, and everything of it is after (as if each step had been persisted
// alone and the node had not crashed in between).
void Raft::ReleaseOutbox() {
  for (Held& held : outbox_) {
    CHECK_LE(held.needs, issued_);
    if (held.needs <= persisted_) {
      Emit(Send{held.to, std::move(held.message)});
      continue;
    }
    if (const auto* vote = std::get_if<VoteReply>(&held.message)) {
      if (vote->granted) EmitProbe(ProbeId::kVoteWaitedForPersist);
    } else if (const auto* ack = std::get_if<AppendReply>(&held.message)) {
      if (ack->accepted) EmitProbe(ProbeId::kAckWaitedForPersist);
    }
    held_.push_back(std::move(held));
  }
  outbox_.clear();
}

void Raft::ReleaseHeld() {
  size_t kept = 0;
  for (Held& held : held_) {
    if (held.needs <= persisted_) {
      Emit(Send{held.to, std::move(held.message)});
    } else {
      // Never onto itself: a self-move would empty the message's vector.
      if (&held_[kept] != &held) held_[kept] = std::move(held);
      ++kept;
    }
  }
  held_.resize(kept);
}

void Raft::AnnounceRole() {
  const Announced now{role_, term_, leader_};
  if (now == announced_) return;
  announced_ = now;
  Emit(RoleChanged{role_, term_, leader_});
}

RaftLoad Raft::load() const {
  return {.messages = outbox_.size() + held_.size(),
          .persists = log_.persists_under_way(),
          .reads = asked_.size() + confirming_.size(),
          .reads_forwarded = forwarded_.size(),
          .uncommitted_bytes = role_ == Role::kLeader ? uncommitted_bytes_ : 0};
}

Peer* Raft::FindPeer(NodeId id) {
  for (Peer& peer : peers_) {
    if (peer.id == id) return &peer;
  }
  return nullptr;
}

bool Raft::IsVoter(NodeId id) const {
  return std::binary_search(config_.voters.begin(), config_.voters.end(), id);
}

}  // namespace raft
