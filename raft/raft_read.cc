// ReadIndex (thesis 6.4): at which index a read is linearizable.
#include <algorithm>
#include <array>
#include <span>

#include "raft/check.h"
#include "raft/limits.h"
#include "raft/quorum.h"
#include "raft/raft.h"

namespace raft {

void Raft::On(const ReadIndex& read) {
  CHECK_GT(read.id, last_read_);
  last_read_ = read.id;
  if (role_ == Role::kLeader && !CommittedInTerm()) {
    EmitProbe(ProbeId::kReadWaitedForTermCommit);
  }
  asked_.push_back(Read{.from = config_.self,
                        .id = read.id,
                        .boot = config_.boot,
                        .asked_at = now_});
}

void Raft::Handle(NodeId from, const ReadIndexRequest& request) {
  if (request.term > term_) AdoptTerm(request.term);
  const Read read{
      .from = from, .id = request.id, .boot = request.boot, .asked_at = now_};
  if (role_ != Role::kLeader || request.term < term_) {
    RefuseRead(read);
    return;
  }
  if (!CommittedInTerm()) EmitProbe(ProbeId::kReadWaitedForTermCommit);
  // An answer to the newest request holds for the asker's older ones too, so
  // one of each asker waits.
  for (Read& waiting : asked_) {
    if (waiting.from == from && waiting.boot == read.boot) {
      if (waiting.id < read.id) waiting.id = read.id;
      return;
    }
  }
  asked_.push_back(read);
}

void Raft::FlushReads() {
  if (asked_.empty()) return;
  if (role_ != Role::kLeader) {
    ForwardReads();
  } else if (CommittedInTerm()) {
    StartReadRound();
  }
  // Otherwise they wait. A new leader's log holds everything committed before,
  // but its commit index may be behind until an entry of its own term commits:
  // reading there would miss acknowledged writes (M52).
}

// One round for all reads of the turn. It is confirmed by replies to messages
// that leave from now on and carry its number; answers to earlier rounds,
// however late and however many, confirm nothing for these reads (M53):
//   n1 leads t2, round 1 leaves, n1 is stopped; n2 leads t3 and commits a write
//   n1 runs again, a new read comes, and with it the late answers to round 1
//   those answers are older than the write: counting them reads the past.
void Raft::StartReadRound() {
  ++round_;
  for (Read& read : asked_) {
    read.round = round_;
    read.index = commit_;
    confirming_.push_back(read);
  }
  asked_.clear();
  // Appends carry the round as well, but their answers wait for the follower's
  // disk. A read does not.
  for (Peer& peer : peers_) SendHeartbeat(&peer);
  ConfirmReads();
}

void Raft::ConfirmReads() {
  if (confirming_.empty()) return;
  std::array<Round, kVotersMax> rounds;
  size_t count = 0;
  rounds[count++] = round_;
  for (const Peer& peer : peers_) rounds[count++] = peer.confirmed;
  const Round confirmed =
      ReachedByMajority(std::span<const Round>(rounds.data(), count));
  const auto waiting =
      std::find_if(confirming_.begin(), confirming_.end(),
                   [&](const Read& read) { return read.round > confirmed; });
  for (auto read = confirming_.begin(); read != waiting; ++read) {
    AnswerRead(*read);
  }
  confirming_.erase(confirming_.begin(), waiting);
}

void Raft::AnswerRead(const Read& read) {
  if (read.from == config_.self) {
    Emit(ReadReady{read.id, read.index});
  } else {
    QueueSend(read.from, ReadIndexReply{.term = term_,
                                        .id = read.id,
                                        .boot = read.boot,
                                        .ok = true,
                                        .index = read.index});
  }
}

void Raft::RefuseRead(const Read& read) {
  if (read.from == config_.self) {
    Emit(ReadFailed{read.id});
  } else {
    QueueSend(read.from,
              ReadIndexReply{.term = term_, .id = read.id, .boot = read.boot});
  }
}

// Leadership is lost: nothing can confirm them any more.
void Raft::RefuseConfirmingReads() {
  for (const Read& read : confirming_) RefuseRead(read);
  confirming_.clear();
}

// A leader whose first entry does not commit (its followers answer heartbeats,
// but their disks stall) keeps its leadership; its reads are not kept for ever.
void Raft::ExpireAskedReads() {
  const auto waiting =
      std::find_if(asked_.begin(), asked_.end(), [&](const Read& read) {
        return now_ < read.asked_at + config_.election;
      });
  for (auto read = asked_.begin(); read != waiting; ++read) RefuseRead(*read);
  asked_.erase(asked_.begin(), waiting);
}

// Not the leader: own reads go to it, one request for all of the turn. What
// others forwarded here goes back to them; they know better whom to ask.
void Raft::ForwardReads() {
  ReadId newest;
  for (const Read& read : asked_) {
    if (read.from != config_.self || !leader_.valid()) {
      RefuseRead(read);
      continue;
    }
    newest = read.id;
    forwarded_.push_back({read.id, now_ + config_.election});
  }
  asked_.clear();
  if (newest == ReadId(0)) return;
  CHECK_NE(leader_, config_.self);
  QueueSend(leader_, ReadIndexRequest{
                         .term = term_, .id = newest, .boot = config_.boot});
}

// The answer to `id` holds for every older read of this life too: they all
// began before the request left.
void Raft::Handle(NodeId from, const ReadIndexReply& reply) {
  if (reply.term > term_) AdoptTerm(reply.term);
  if (reply.term < term_ || from != leader_) return;
  if (reply.boot != config_.boot) {  // an earlier life asked
    EmitProbe(ProbeId::kReadReplyOfEarlierLife);
    return;
  }
  const auto waiting = std::find_if(
      forwarded_.begin(), forwarded_.end(),
      [&](const ForwardedRead& read) { return read.id > reply.id; });
  for (auto read = forwarded_.begin(); read != waiting; ++read) {
    if (reply.ok) {
      Emit(ReadReady{read->id, reply.index});
    } else {
      Emit(ReadFailed{read->id});
    }
  }
  forwarded_.erase(forwarded_.begin(), waiting);
}

void Raft::FailForwardedReads() {
  for (const ForwardedRead& read : forwarded_) Emit(ReadFailed{read.id});
  forwarded_.clear();
}

void Raft::ExpireForwardedReads() {
  const auto waiting = std::find_if(
      forwarded_.begin(), forwarded_.end(),
      [&](const ForwardedRead& read) { return read.deadline > now_; });
  for (auto read = forwarded_.begin(); read != waiting; ++read) {
    EmitProbe(ProbeId::kForwardedReadExpired);
    Emit(ReadFailed{read->id});
  }
  forwarded_.erase(forwarded_.begin(), waiting);
}

}  // namespace raft
