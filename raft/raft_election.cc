// Elections: who may lead. Pre-vote (thesis 9.6), votes (3.4), check-quorum
// (6.2) and leader stickiness (4.2.3).
#include <algorithm>
#include <array>
#include <span>

#include "raft/check.h"
#include "raft/jitter.h"
#include "raft/limits.h"
#include "raft/quorum.h"
#include "raft/raft.h"

namespace raft {

void Raft::TickElection() {
  if (now_ < election_deadline_) return;
  if (self_votes_) {
    StartPreVote();
    return;
  }
  // No voter in its own view: it forgets the silent leader and goes on
  // listening (conformance 3.6).
  BecomeFollower(term_, kNobody);
  ResetElectionTimer();
}

// Asks whether a real election could be won, without a new term: a node that
// was cut off does not come back with a term that unseats a working leader.
void Raft::StartPreVote() {
  if (closed_hint_) EmitProbe(ProbeId::kPeerClosedElection);
  if (role_ == Role::kCandidate) EmitProbe(ProbeId::kElectionTimedOut);
  BecomeFollower(term_, kNobody);
  role_ = Role::kPreCandidate;
  ++attempt_;
  ResetElectionTimer();
  RequestVotes({.term = term_ + 1, .pre_vote = true});
}

void Raft::StartElection(bool transfer) {
  if (attempt_ > 1 && !transfer) EmitProbe(ProbeId::kPreVoteWonLater);
  BecomeFollower(term_ + 1, kNobody);
  role_ = Role::kCandidate;
  vote_ = config_.self;
  ResetElectionTimer();
  RequestVotes({.term = term_, .transfer = transfer});
}

void Raft::RequestVotes(const VoteRequest& request) {
  for (Peer& peer : peers_) {
    peer.ballot = Ballot::kSilent;  // those of an earlier campaign are void
    QueueSend(peer.id, VoteRequest{.term = request.term,
                                   .pre_vote = request.pre_vote,
                                   .last_index = log_.last_index(),
                                   .last_term = log_.last_term(),
                                   .transfer = request.transfer});
  }
  CountVotes();
}

void Raft::CountVotes() {
  std::array<Ballot, kVotersMax> ballots;
  size_t count = 0;
  // Our own vote counts once a crash cannot take it back. A pre-vote promises
  // nothing, so nothing of it is stored.
  ballots[count++] = role_ == Role::kPreCandidate || HardStateDurable()
                         ? Ballot::kGranted
                         : Ballot::kSilent;
  for (const Peer& peer : peers_) ballots[count++] = peer.ballot;
  switch (CountBallots(std::span(ballots.data(), count))) {
    case VoteResult::kPending:
      return;
    case VoteResult::kLost:
      if (role_ == Role::kCandidate) EmitProbe(ProbeId::kElectionLost);
      // The election timer runs on: the next attempt is not sooner for it.
      BecomeFollower(term_, kNobody);
      return;
    case VoteResult::kWon:
      role_ == Role::kPreCandidate ? StartElection() : BecomeLeader();
      return;
  }
}

void Raft::BecomeFollower(Term term, NodeId leader) {
  CHECK_GE(term, term_);
  const bool was_leader = role_ == Role::kLeader;
  const bool news = term != term_ || leader != leader_;
  if (term > term_) {
    term_ = term;
    vote_ = kNobody;
    vote_restored_ = false;
    attempt_ = 0;
    hard_state_dirty_ = true;
  }
  role_ = Role::kFollower;
  leader_ = leader;
  // Otherwise the timer runs on. Only a grant and a live leader put it off: a
  // node that cannot win, but starts elections, must not keep down those that
  // can (M08).
  if (was_leader) LoseLeadership();
  if (news) FailForwardedReads();
}

void Raft::LoseLeadership() {
  if (!CommittedInTerm()) EmitProbe(ProbeId::kDeposedBeforeTermCommit);
  if (log_.stable() < log_.last_index()) {
    EmitProbe(ProbeId::kDeposedWhilePersisting);
  }
  if (!confirming_.empty()) EmitProbe(ProbeId::kDeposedWithReads);
  RefuseConfirmingReads();
  tell_commit_at_ = Time::Never();
  EndTransfer();
  ResetElectionTimer();
}

void Raft::AdoptTerm(Term term) { BecomeFollower(term, kNobody); }

void Raft::BecomeLeader() {
  CHECK(role_ == Role::kCandidate);
  CHECK_EQ(vote_, config_.self);
  CHECK(HardStateDurable());
  role_ = Role::kLeader;
  leader_ = config_.self;
  for (Peer& peer : peers_) {
    peer.progress = Progress(log_.last_index() + 1, config_.limits);
    peer.heard_at = now_;
    peer.confirmed = Round(0);
    peer.commit_told = Index(0);
    peer.stopped = false;
    peer.sending = {};
  }
  round_ = Round(0);
  heartbeat_due_ = now_ + config_.heartbeat;
  tell_commit_at_ = Time::Never();
  uncommitted_bytes_ = 0;
  for (Index i = commit_ + 1; i <= log_.last_index(); ++i) {
    uncommitted_bytes_ += EntryBytes(log_.at(i));
  }
  // Entries of earlier terms commit only below one of our own (thesis 3.6.2),
  // and reads wait for it (6.4): do not wait for a client to write it.
  AppendOwn(EntryKind::kNoop, Bytes());
  term_start_ = log_.last_index();
}

// A message of a leader of `term`, which is not below ours.
void Raft::HearLeader(Term term, NodeId leader) {
  if (term == term_) {
    // Election safety: two leaders of one term mean that some vote was
    // counted or forgotten wrongly. Nothing after that can be trusted.
    CHECK(role_ != Role::kLeader);
    CHECK(!leader_.valid() || leader_ == leader);
  }
  if (term == term_ && role_ != Role::kFollower) {
    EmitProbe(ProbeId::kCandidateFellBack);
  }
  if (term > term_ || role_ != Role::kFollower || leader_ != leader) {
    BecomeFollower(term, leader);
  }
  sticky_until_ = now_ + config_.election;
  ResetElectionTimer();
}

void Raft::ResetElectionTimer() {
  closed_hint_ = false;
  election_deadline_ = now_ + ElectionTimeout(config_.seed, config_.self, term_,
                                              attempt_, config_.election);
}

// Whether this node refuses to help `candidate` because it knows a leader that
// lives (thesis 4.2.3): a node that hears nobody, or was removed, must not
// unseat it. A leader is sticky until check-quorum ends it. The leader that
// asks itself has stepped down.
bool Raft::Sticky(NodeId candidate) const {
  if (role_ == Role::kLeader) return true;
  return leader_.valid() && leader_ != candidate && now_ < sticky_until_;
}

void Raft::Handle(NodeId from, const VoteRequest& request) {
  if (request.pre_vote) {
    HandlePreVoteRequest(from, request);
    return;
  }
  // While sticky, a higher term is not adopted either. If the candidate is
  // ahead of us for good, it says so when our leader next reaches it. But a
  // leader that hands over wants to be unseated (thesis 4.2.3). The mark opens
  // this door only: term, vote and log are judged as ever, and no read relies
  // on the door, since each is confirmed by a round (raft_read.cc). If reads
  // ever trust a lease, a leader must give it up before it sends TimeoutNow.
  const bool sticky = !request.transfer && Sticky(from);
  if (request.term < term_ || (request.term > term_ && sticky)) {
    QueueSend(from, VoteReply{.term = term_});
    return;
  }
  if (request.term > term_) AdoptTerm(request.term);
  if (vote_restored_) EmitProbe(ProbeId::kVoteOfEarlierLife);
  const bool free = vote_ == from || (!vote_.valid() && !leader_.valid());
  const bool complete =
      log_.AtLeastAsCompleteAs(request.last_index, request.last_term);
  if (free && !complete) EmitProbe(ProbeId::kVoteRefusedStaleLog);
  const bool granted = free && complete;
  if (granted) {
    CHECK(role_ != Role::kLeader);
    CHECK(role_ != Role::kCandidate);
    if (request.last_index < log_.last_index()) {
      EmitProbe(ProbeId::kVoteGrantedShorterLog);
    }
    if (vote_ != from) {
      vote_ = from;
      hard_state_dirty_ = true;
    }
    role_ = Role::kFollower;
    ResetElectionTimer();
  }
  QueueSend(from, VoteReply{.term = term_, .granted = granted});
}

// Changes nothing here, whatever is asked (conformance 2.2); and is answered in
// every role: pre-candidates that do not answer each other alternate for ever
// (M07).
void Raft::HandlePreVoteRequest(NodeId from, const VoteRequest& request) {
  const bool sticky = Sticky(from);
  if (sticky) EmitProbe(ProbeId::kPreVoteRefusedSticky);
  const bool granted =
      !sticky && request.term > term_ &&
      log_.AtLeastAsCompleteAs(request.last_index, request.last_term);
  // A refusal carries our own term. Without it this cluster stays dead (M05):
  //   n1: term 8, short log   n2: term 5, long log   n3, the leader, dies
  //   n1 asks for 9: n2 refuses, its log is longer
  //   n2 asks for 6: n1 refuses, 6 is past. n2 must learn 8 to ask for 9.
  QueueSend(from, VoteReply{.term = granted ? request.term : term_,
                            .pre_vote = true,
                            .granted = granted});
}

void Raft::Handle(NodeId from, const VoteReply& reply) {
  const bool granted_pre_vote = reply.pre_vote && reply.granted;
  if (reply.term > term_ && !granted_pre_vote) {
    AdoptTerm(reply.term);
    return;
  }
  bool counts;
  if (reply.pre_vote) {
    // A refusal may come from any lower term.
    counts = role_ == Role::kPreCandidate &&
             (!reply.granted || reply.term == term_ + 1);
  } else {
    counts = role_ == Role::kCandidate && reply.term == term_;
    if (reply.granted && reply.term < term_) {
      EmitProbe(ProbeId::kVoteReplyTooLate);
    }
  }
  Peer* peer = FindPeer(from);
  if (!counts || peer == nullptr) return;
  // A grant is not taken back by a refusal that was delayed or doubled.
  if (reply.granted) {
    peer->ballot = Ballot::kGranted;
  } else if (peer->ballot == Ballot::kSilent) {
    peer->ballot = Ballot::kRefused;
  }
  CountVotes();
}

// A closed connection is what a dead leader looks like first. The hint costs
// nothing if it is wrong: it starts a pre-vote, which the others refuse as long
// as they hear the leader.
void Raft::LeaderConnectionClosed() {
  sticky_until_ = now_;
  if (!self_votes_) return;
  const Time soon =
      now_ + ClosedTimeout(config_.seed, config_.self, term_, attempt_);
  if (soon >= election_deadline_) return;
  election_deadline_ = soon;
  closed_hint_ = true;
}

// Since when at least a majority (the leader included) has been heard.
Time Raft::QuorumHeardAt() const {
  std::array<Time, kVotersMax> heard;
  size_t count = 0;
  heard[count++] = now_;
  for (const Peer& peer : peers_) heard[count++] = peer.heard_at;
  return ReachedByMajority(std::span<const Time>(heard.data(), count));
}

// A leader that a majority does not answer cannot commit, and another may lead
// already: it steps down, so that clients look elsewhere and its own messages,
// which may still arrive, stop holding the followers back (M10).
void Raft::CheckQuorum() {
  if (now_ < QuorumHeardAt() + config_.election) return;
  EmitProbe(ProbeId::kLeaderSteppedDownByQuorum);
  BecomeFollower(term_, kNobody);
}

}  // namespace raft
