// Snapshots: the log loses what one covers, and a follower that needs what was
// lost gets it in pieces (thesis 5). What takes, reads and stores them is the
// layer above; here is who needs which piece, and what follows from having all.
#include <algorithm>

#include "raft/check.h"
#include "raft/raft.h"

namespace raft {

void Raft::On(const SnapshotTaken& taken) {
  CHECK_LE(taken.snapshot.index, commit_);
  CHECK_LE(taken.forget, taken.snapshot.index);
  // One that was received meanwhile covers more.
  if (taken.snapshot.index <= snapshot_.index) return;
  CHECK(log_.Holds(taken.snapshot.index, taken.snapshot.term));
  snapshot_ = taken.snapshot;
  log_.Compact(taken.forget);
  if (role_ != Role::kLeader) return;
  for (Peer& peer : peers_) {
    const Progress::State before = peer.progress.state();
    peer.progress.Compacted(log_.base().index);
    if (peer.progress.state() != before) peer.sending = {};
  }
}

// --------------------------------------------------------------- leader

bool Raft::NeedsSnapshot(const Peer& peer) const {
  return peer.progress.state() == Progress::State::kSnapshot;
}

// Writes do not wait for a snapshot: leadership is not handed over to who needs
// one.
void Raft::NeedSnapshot(Peer* peer) {
  if (peer->id == transfer_to_) EndTransfer();
  peer->progress.NeedSnapshot(log_.base().index);
  peer->sending = {};
}

// One piece at a time: the next one is read when this one was answered, or,
// since pieces and answers get lost, two heartbeats later if the follower is
// heard of then. (An election timeout, where a network loses a third of all
// messages, takes longer for a few pieces than the log needs to go on without
// the follower: simulate --seed=102 --profile=membership.) Nothing is read for
// one that is dead.
void Raft::SendSnapshot(Peer* peer) {
  SnapshotSending& sending = peer->sending;
  const Duration patience(2 * config_.heartbeat.value());
  const bool lost =
      now_ >= sending.asked_at + patience && peer->heard_at > sending.asked_at;
  if (sending.asked && !lost) return;
  sending.asked = true;
  sending.asked_at = now_;
  const bool offer = sending.at == SnapshotPlace();
  Emit(
      ReadSnapshot{peer->id, offer ? snapshot_ : sending.snapshot, sending.at});
}

void Raft::On(const SnapshotRead& read) {
  if (role_ != Role::kLeader || read.failed) return;
  Peer* peer = FindPeer(read.to);
  if (peer == nullptr || peer->progress.state() != Progress::State::kSnapshot) {
    return;
  }
  // Of another snapshot than the piece before: it begins anew.
  if (read.piece.at == SnapshotPlace()) {
    peer->sending.at = {};
    peer->sending.snapshot = read.piece.snapshot.last;
  }
  if (read.piece.at != peer->sending.at ||
      read.piece.snapshot.last != peer->sending.snapshot) {
    return;
  }
  SnapshotRequest request = read.piece;
  request.term = term_;
  QueueSend(peer->id, std::move(request));
}

void Raft::Handle(NodeId from, const SnapshotReply& reply) {
  Peer* peer = PeerReplied(from, reply.term, Round(0));
  if (peer == nullptr) return;
  if (reply.installed) return PeerHas(peer, reply.match);
  SnapshotSending& sending = peer->sending;
  // Late, doubled, or of a snapshot that another one took the place of.
  if (peer->progress.state() != Progress::State::kSnapshot ||
      reply.snapshot != sending.snapshot || reply.at != sending.at) {
    return;
  }
  // It could not take the piece: once more, but not at once.
  if (reply.next == reply.at) return;
  sending.at = reply.next;
  sending.asked = false;
}

// ------------------------------------------------------------- follower

void Raft::Handle(NodeId from, const SnapshotRequest& request) {
  if (request.term < term_) {
    QueueSend(from, SnapshotReply{.term = term_});  // the sender is deposed
    return;
  }
  HearLeader(request.term, from);
  const EntryId last = request.snapshot.last;
  // All of it is here already (conformance 6.2). What a leader's snapshot
  // covers is committed, so where the logs agree at its end, so much is
  // committed here as well.
  if (last.index > commit_ && log_.Holds(last.index, last.term)) {
    CommitTo(last.index);
  }
  if (last.index <= commit_) {
    QueueSend(from,
              SnapshotReply{.term = term_,
                            .snapshot = last,
                            .at = request.at,
                            .installed = true,
                            .match = commit_},
              log_.DurableWith(commit_, issued_ + 1));
    return;
  }
  Emit(StoreSnapshot{from, request});
}

void Raft::On(const SnapshotStored& stored) {
  if (role_ != Role::kFollower || leader_ != stored.from) return;
  QueueSend(stored.from, SnapshotReply{.term = term_,
                                       .snapshot = stored.snapshot,
                                       .at = stored.at,
                                       .next = stored.next});
}

// It is durable, so it is acknowledged at once: were the log's change lost in a
// crash, the snapshot, which covers more, would take the log's place again.
void Raft::On(const SnapshotReceived& received) {
  Install(received.snapshot);
  if (role_ != Role::kFollower || leader_ != received.from) return;
  QueueSend(received.from, SnapshotReply{.term = term_,
                                         .snapshot = received.snapshot,
                                         .at = received.at,
                                         .installed = true,
                                         .match = received.snapshot.index});
}

void Raft::Install(EntryId snapshot) {
  if (snapshot.index > snapshot_.index) snapshot_ = snapshot;
  if (snapshot.index <= commit_) return;
  if (log_.Holds(snapshot.index, snapshot.term)) {
    CommitTo(snapshot.index);
    return;
  }
  // A leader has every committed entry (Leader Completeness).
  CHECK(role_ != Role::kLeader);
  log_.Reset(snapshot);
  commit_ = snapshot.index;
  Emit(SnapshotInstalled{snapshot});
}

}  // namespace raft
