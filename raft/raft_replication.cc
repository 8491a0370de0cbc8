// Replication: the leader brings every log to its own, and counts.
#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "raft/check.h"
#include "raft/limits.h"
#include "raft/quorum.h"
#include "raft/raft.h"

namespace raft {

// ------------------------------------------------------------- follower

void Raft::Handle(NodeId from, const AppendRequest& request) {
  if (request.term < term_) {
    EmitProbe(ProbeId::kAppendTooLate);
    RefuseAppend(from, request);  // tells the sender that it is deposed
    return;
  }
  HearLeader(request.term, from);
  if (!log_.Holds(request.prev_index, request.prev_term)) {
    // What is committed here, every later leader has (thesis 3.6).
    CHECK_GT(request.prev_index, commit_);
    RefuseAppend(from, request);
    return;
  }
  AppendFromLeader(request);
  // Only what this request covers is known to equal the leader's log: an old
  // tail of our own may stand behind it. It is neither committed (M19) nor
  // acknowledged (M17).
  const Index match = request.prev_index + request.entries.size();
  CommitTo(std::min(request.commit, match));
  QueueAck(from, AppendReply{.term = term_,
                             .accepted = true,
                             .match = match,
                             .round = request.round});
}

// The hint is the newest place at or before prev that may agree: the entry
// there is not newer than the leader's prev. A whole term is skipped a round
// (conformance 4.5).
void Raft::RefuseAppend(NodeId from, const AppendRequest& request) {
  const Index hint = log_.LastAtMost(request.prev_index, request.prev_term);
  const bool current = request.term == term_;
  QueueSend(from, AppendReply{.term = term_,
                              .match = request.prev_index,
                              .hint_index = hint,
                              .hint_term = log_.TermAt(hint),
                              .round = current ? request.round : Round(0)});
}

// Takes over what is missing. Entries that are here stay untouched: a request
// that was delayed or doubled may be shorter than the log, and removing what
// follows would remove acknowledged entries (conformance 4.3).
void Raft::AppendFromLeader(const AppendRequest& request) {
  const std::vector<Entry>& entries = request.entries;
  size_t known = 0;
  while (known < entries.size() &&
         log_.Holds(request.prev_index + known + 1, entries[known].term)) {
    ++known;
  }
  if (known == entries.size()) {
    if (known > 0) EmitProbe(ProbeId::kAppendKnown);
    return;
  }
  CHECK_LE(entries.back().term, term_);
  const Index from = request.prev_index + known + 1;
  if (from <= log_.last_index()) {
    // The leader of a term has every committed entry, so it conflicts with
    // none.
    CHECK_GT(from, commit_);
    EmitProbe(ProbeId::kTruncatedSuffix);
    if (log_.last_index() > from) EmitProbe(ProbeId::kTruncatedTwoOrMore);
    if (log_.persisting(from)) EmitProbe(ProbeId::kTruncatedWhilePersisting);
    log_.TruncateFrom(from);
  }
  for (; known < entries.size(); ++known) log_.Append(entries[known]);
}

void Raft::Handle(NodeId from, const Heartbeat& heartbeat) {
  if (heartbeat.term < term_) {
    QueueSend(from, HeartbeatReply{.term = term_});
    return;
  }
  HearLeader(heartbeat.term, from);
  // The leader bounds it by what we acknowledged to it in this term. If that is
  // not here, the disk has lost it after it was synced, in this life or before
  // it: our copy, which others count on, is worth nothing. Not a CHECK, because
  // not we are wrong (architecture.md, decision 11). The term tells it also
  // where what was lost had replaced other entries, which are back now:
  //   n2 [1:1, 2:1] hears n1, the leader of t2: 2:1 goes, 2:2 is synced, acked
  //   the power fails, the disk has lost that sync: n2 is back with 2:1
  //   n1, with 2:2 on n1 and n2: heartbeat, commit 2
  if (!log_.Holds(heartbeat.commit, heartbeat.commit_term)) {
    Emit(Halt{heartbeat.commit, heartbeat.commit_term});
    return;
  }
  if (heartbeat.commit > commit_) EmitProbe(ProbeId::kCommitByHeartbeat);
  CommitTo(heartbeat.commit);
  QueueSend(from, HeartbeatReply{.term = term_, .round = heartbeat.round});
}

// --------------------------------------------------------------- leader

void Raft::On(const Propose& propose) {
  CHECK(!propose.payloads.empty());
  if (role_ != Role::kLeader) {
    Emit(ProposalRefused{RefusalReason::kNotLeader});
    return;
  }
  // Otherwise the target may never catch up with a log that grows (thesis
  // 3.10).
  if (transferring()) {
    Emit(ProposalRefused{RefusalReason::kTransferring});
    return;
  }
  uint64_t bytes = 0;
  for (const Bytes& payload : propose.payloads) {
    CHECK_LE(payload.size(), kEntryBytesMax);
    bytes += payload.size() + kEntryOverheadBytes;
  }
  // A single proposal always passes an empty pipeline, however large.
  if (uncommitted_bytes_ > 0 &&
      uncommitted_bytes_ + bytes > config_.limits.uncommitted_bytes) {
    Emit(ProposalRefused{RefusalReason::kOverloaded});
    return;
  }
  Emit(Proposed{.first = log_.last_index() + 1,
                .count = propose.payloads.size(),
                .term = term_});
  for (const Bytes& payload : propose.payloads) {
    AppendOwn(EntryKind::kCommand, payload);
  }
}

void Raft::AppendOwn(EntryKind kind, Bytes payload) {
  Entry entry{.index = log_.last_index() + 1,
              .term = term_,
              .kind = kind,
              .payload = std::move(payload)};
  uncommitted_bytes_ += EntryBytes(entry);
  log_.Append(std::move(entry));
}

// The voter that replied to this leader in its term; nullptr if there is
// nothing to learn from the reply.
Peer* Raft::PeerReplied(NodeId from, Term term, Round round) {
  const bool leads = role_ == Role::kLeader;
  if (leads && term > term_) EmitProbe(ProbeId::kDeposedByReply);
  if (leads && term < term_) EmitProbe(ProbeId::kAckTooLate);
  if (term > term_) AdoptTerm(term);
  if (role_ != Role::kLeader || term < term_) return nullptr;
  Peer* peer = FindPeer(from);
  if (peer == nullptr) return nullptr;
  peer->heard_at = now_;
  if (!confirming_.empty() && round < confirming_.front().round) {
    EmitProbe(ProbeId::kStaleRoundIgnored);
  }
  if (round > peer->confirmed && round <= round_) {
    peer->confirmed = round;
    ConfirmReads();
  }
  return peer;
}

void Raft::Handle(NodeId from, const AppendReply& reply) {
  Peer* peer = PeerReplied(from, reply.term, reply.round);
  if (peer == nullptr) return;
  if (!reply.accepted) {
    const Index guess = log_.LastAtMost(reply.hint_index, reply.hint_term);
    if (!peer->progress.Refused(reply.match, guess)) {
      EmitProbe(ProbeId::kRefusalTooLate);
    } else if (peer->progress.next() <= log_.base().index) {
      NeedSnapshot(peer);
    }
    return;
  }
  PeerHas(peer, reply.match);
}

// It has said that everything up to `match` is durable there.
void Raft::PeerHas(Peer* peer, Index match) {
  // Names what this leader never sent; whoever says so proves nothing.
  if (match > log_.last_index()) return;
  const bool news = peer->progress.Accepted(match);
  // The next entry is gone. (A late answer may say less than the follower has;
  // then it needs no snapshot and says so when it is offered one.)
  if (peer->progress.state() == Progress::State::kReplicate &&
      peer->progress.next() <= log_.base().index) {
    NeedSnapshot(peer);
  }
  if (!news) return;
  AdvanceCommit();
  if (tell_commit_at_ == Time::Never()) {
    tell_commit_at_ = now_ + CommitNoticeDelay();
  }
}

void Raft::Handle(NodeId from, const HeartbeatReply& reply) {
  Peer* peer = PeerReplied(from, reply.term, reply.round);
  if (peer != nullptr) peer->progress.AskAgain();
}

void Raft::AdvanceCommit() {
  std::array<Index, kVotersMax> matches;
  size_t count = 0;
  // The leader's own copy counts when it is durable, no sooner (M26).
  matches[count++] = log_.stable();
  for (const Peer& peer : peers_) matches[count++] = peer.progress.match();
  const Index reached =
      ReachedByMajority(std::span<const Index>(matches.data(), count));
  if (reached <= commit_) return;
  // [thesis 3.6.2] Only entries of our own term commit by counting; those
  // below commit with them. Otherwise:
  //   n1 leads t2 and brings (3,t2) to n2; n5 leads t3, keeps (3,t3) to itself
  //   n1 leads t4, brings (3,t2) to n3 and counts it on 3 of 5: "committed"
  //   n5 leads t5 by the votes of n2, n3, n4, whose last term is 2, and
  //   overwrites index 3.
  if (log_.TermAt(reached) != term_) {
    EmitProbe(ProbeId::kCommitWaitedForOwnTerm);
    return;
  }
  // Thesis 10.2.1: a majority of followers is a majority.
  if (reached > log_.stable()) EmitProbe(ProbeId::kCommittedBeforeOwnPersist);
  CommitTo(reached);
}

// Never moves back: a leader's knowledge may be older than ours.
void Raft::CommitTo(Index index) {
  if (index <= commit_) return;
  CHECK_LE(index, log_.last_index());
  if (role_ == Role::kLeader) {
    for (Index i = commit_ + 1; i <= index; ++i) {
      uncommitted_bytes_ -= EntryBytes(log_.at(i));
    }
  }
  commit_ = index;
  Emit(Committed{commit_});
}

void Raft::TickLeader() {
  CheckQuorum();
  if (role_ != Role::kLeader) return;
  // The target does not take over: clients must not wait for it any longer.
  if (transferring() && now_ >= transfer_deadline_) EndTransfer();
  ExpireAskedReads();
  if (now_ >= heartbeat_due_) {
    heartbeat_due_ = now_ + config_.heartbeat;
    for (Peer& peer : peers_) {
      SendHeartbeat(&peer);
      peer.progress.AskAgain();
    }
  }
  if (now_ >= tell_commit_at_) TellCommit();
}

void Raft::SendHeartbeat(Peer* peer) {
  // Without the term it would prove nothing: what a follower holds of what is
  // before the log's beginning is told by the snapshot that it gets.
  Index commit = std::min(peer->progress.match(), commit_);
  if (!log_.KnowsTermAt(commit)) commit = Index(0);
  peer->commit_told = std::max(peer->commit_told, commit);
  QueueSend(peer->id, Heartbeat{.term = term_,
                                .commit = commit,
                                .commit_term = log_.TermAt(commit),
                                .round = round_});
}

// The commit index travels with the next append. When none is under way for a
// while, a heartbeat brings it, long before the regular one: a follower's
// watchers should not wait for that. While appends flow this sends nothing: a
// message for every commit to every follower would be a third of all traffic.
void Raft::TellCommit() {
  tell_commit_at_ = Time::Never();
  for (Peer& peer : peers_) {
    if (peer.progress.waiting()) continue;  // its answer sets the timer again
    if (peer.commit_told < std::min(peer.progress.match(), commit_)) {
      SendHeartbeat(&peer);
    }
  }
}

void Raft::SendAppends(Peer* peer) {
  Progress& progress = peer->progress;
  if (progress.state() == Progress::State::kSnapshot) SendSnapshot(peer);
  while (progress.may_carry() && progress.next() <= log_.last_index()) {
    SendAppend(peer, /*with_entries=*/true);
  }
  if (progress.must_ask()) {
    if (progress.waiting()) EmitProbe(ProbeId::kAskedAgain);
    SendAppend(peer, /*with_entries=*/false);
  }
  const bool stopped =
      progress.window_full() && progress.next() <= log_.last_index();
  if (stopped && !peer->stopped) EmitProbe(ProbeId::kWindowFull);
  peer->stopped = stopped;
}

void Raft::SendAppend(Peer* peer, bool with_entries) {
  const Index first = peer->progress.next();
  size_t count = 0;
  size_t bytes = 0;
  if (with_entries) {
    const size_t available = std::min<size_t>(log_.last_index() - first + 1,
                                              config_.limits.append_entries);
    for (; count < available; ++count) {
      const size_t more = EntryBytes(log_.at(first + count));
      if (count > 0 && bytes + more > config_.limits.append_bytes) break;
      bytes += more;
    }
  }
  const Index prev = first - 1;
  const Index last = prev + count;
  peer->commit_told = std::max(peer->commit_told, std::min(commit_, last));
  peer->progress.Sent(last, bytes);
  QueueSend(peer->id, AppendRequest{.term = term_,
                                    .prev_index = prev,
                                    .prev_term = log_.TermAt(prev),
                                    .commit = commit_,
                                    .round = round_,
                                    .entries = log_.Copy(first, count)});
}

}  // namespace raft
