// Linearizable reads by ReadIndex (thesis 6.4), on any member; and keep-alives,
// which are reads of one session at the leader.
#include <utility>

#include "raft/check.h"
#include "registry/command_codec.h"
#include "registry/node.h"

namespace registry {

void Node::OnRead(ConnectionId connection, uint64_t request,
                  const ReadRequest& body, Effects* effects) {
  ++counters_.reads;
  Failure failure;
  failure.error = ValidateRead(body.operation, &failure.detail);
  if (failure.error != Error::kOk) {
    Answer(connection, request, std::move(failure), effects);
    return;
  }
  Wait(WaitingRead{connection, request, body.operation}, effects);
}

// The arrival renews the lease, not the answer: see Leases::Heard.
void Node::OnKeepAlive(ConnectionId connection, uint64_t request,
                       const KeepAliveRequest& body, Effects* effects) {
  ++counters_.keep_alives;
  if (!is_leader()) {
    Answer(connection, request, NotLeader(), effects);
    return;
  }
  leases_.Heard(body.session, now_);
  Wait(WaitingRead{connection, request, KeepAlive{body.session, term_}},
       effects);
}

void Node::Wait(WaitingRead read, Effects* effects) {
  if (waiting_reads_ >= config_.limits.waiting_reads) {
    ++counters_.reads_failed;
    Answer(read.connection, read.request,
           Failure{.error = Error::kUnavailable,
                   .detail = std::string(kOverloaded)},
           effects);
    return;
  }
  ++waiting_reads_;
  turn_reads_.push_back(std::move(read));
}

// All reads of the turn share one read index, begun after they arrived.
void Node::RequestReadIndex(Effects* effects) {
  if (turn_reads_.empty()) return;
  ++counters_.read_rounds;
  ++last_read_id_;
  asked_reads_.emplace(last_read_id_, std::move(turn_reads_));
  turn_reads_.clear();
  StepRaft(raft::ReadIndex{last_read_id_}, effects);
}

void Node::OnReadReady(const raft::ReadReady& ready, Effects* effects) {
  const auto asked = asked_reads_.find(ready.id);
  CHECK(asked != asked_reads_.end());
  ready_reads_.emplace(ready.index, std::move(asked->second));
  asked_reads_.erase(asked);
  AnswerAppliedReads(effects);
}

void Node::OnReadFailed(const raft::ReadFailed& failed, Effects* effects) {
  const auto asked = asked_reads_.find(failed.id);
  CHECK(asked != asked_reads_.end());
  const std::vector<WaitingRead> reads = std::move(asked->second);
  asked_reads_.erase(asked);
  for (const WaitingRead& read : reads) FailRead(read, effects);
}

void Node::AnswerAppliedReads(Effects* effects) {
  while (!ready_reads_.empty() &&
         ready_reads_.begin()->first <= state_.applied()) {
    const std::vector<WaitingRead> reads =
        std::move(ready_reads_.begin()->second);
    ready_reads_.erase(ready_reads_.begin());
    for (const WaitingRead& read : reads) {
      if (const auto* keep_alive = std::get_if<KeepAlive>(&read.what)) {
        AnswerKeepAlive(read, *keep_alive, effects);
      } else {
        --waiting_reads_;
        Answer(read.connection, read.request,
               state_.Read(std::get<ReadOperation>(read.what)), effects);
      }
    }
  }
}

// "Ok" is a promise that this leader does not end the session for a TTL from
// the arrival on, so only the leadership that heard the arrival may give it:
//   n1 leads t2; n2 is elected in t3 and gives every lease a full TTL from now
//   n1, not knowing, hears a keep-alive; steps down; forwards the read to n2
//   n2 gives an index; n1 answers "ok", but n2's lease is older than that.
// And no "ok" for a session that an entry on its way to commit is about to end:
// then the answer waits for what that entry does.
void Node::AnswerKeepAlive(const WaitingRead& read, const KeepAlive& keep_alive,
                           Effects* effects) {
  if (!is_leader() || term_ != keep_alive.term) {
    FailRead(read, effects);
    return;
  }
  if (leases_.expiring(keep_alive.session)) {
    CHECK_GT(raft_.last_index(), state_.applied());
    effects->emplace_back(
        raft::Probe{raft::ProbeId::kKeepAliveWaitedForExpiry});
    ready_reads_.emplace(raft_.last_index(), std::vector<WaitingRead>{read});
    return;
  }
  --waiting_reads_;
  const bool open = state_.HasSession(keep_alive.session);
  Answer(read.connection, read.request,
         KeepAliveReply{open ? Error::kOk : Error::kSessionExpired}, effects);
}

// Leadership is lost: what waits for an entry of ours would wait for an index
// that may never come.
void Node::FailKeepAlives(Effects* effects) {
  for (auto group = ready_reads_.begin(); group != ready_reads_.end();) {
    std::vector<WaitingRead> kept;
    for (WaitingRead& read : group->second) {
      if (std::holds_alternative<KeepAlive>(read.what)) {
        FailRead(read, effects);
      } else {
        kept.push_back(std::move(read));
      }
    }
    group->second = std::move(kept);
    group = group->second.empty() ? ready_reads_.erase(group) : ++group;
  }
}

// Definitely not answered, and never an empty result (features.md).
void Node::FailRead(const WaitingRead& read, Effects* effects) {
  --waiting_reads_;
  ++counters_.reads_failed;
  Failure failure{.error = Error::kUnavailable, .detail = "no read index"};
  // Not ourselves: then the client can do better elsewhere.
  if (!is_leader() && raft_.leader().valid()) failure = NotLeader();
  Answer(read.connection, read.request, std::move(failure), effects);
}

}  // namespace registry
