// Taking snapshots while commands go on, and going on from one that another
// node took. The bytes are the business of SnapshotWorker; here is when, and
// what follows.
#include <algorithm>
#include <utility>

#include "raft/check.h"
#include "registry/node.h"

namespace registry {

uint64_t Node::SnapshotDueAt() const {
  const uint64_t least = config_.limits.snapshot_bytes;
  return std::clamp(last_snapshot_bytes_, least, 2 * least);
}

// At the turn's end, when what was committed is applied.
void Node::BeginSnapshotIfDue(Effects* effects) {
  if (taking_.has_value()) return;
  if (bytes_applied_ < SnapshotDueAt() && !snapshot_unreadable_) return;
  snapshot_unreadable_ = false;
  bytes_applied_ = 0;
  bytes_taken_ = 0;
  state_.BeginSnapshot();
  const raft::Index index = state_.snapshot_index();
  const StateDigest digest = state_.snapshot_digest();
  taking_ = raft::SnapshotName{.last = {index, raft_.TermAt(index)},
                               .digest_high = digest.high,
                               .digest_low = digest.low,
                               .origin = config_.raft.self};
  WriteSlice(effects);
}

// One slice at a time: its size, and the disk's pace, are what bounds the share
// of a turn and of the disk that a snapshot takes.
void Node::WriteSlice(Effects* effects) {
  std::string slice;
  const bool more =
      state_.TakeSlice(config_.limits.snapshot_slice_bytes, &slice);
  bytes_taken_ += slice.size();
  effects->emplace_back(WriteSnapshot{.snapshot = *taking_,
                                      .slice = raft::Bytes(std::move(slice)),
                                      .end = !more});
}

void Node::OnSnapshotWritten(const SnapshotWritten& written, Effects* effects) {
  // The slice was on its way when another node's snapshot was installed.
  if (!taking_.has_value() || written.snapshot != *taking_) return;
  if (!written.failed && state_.snapshotting()) return WriteSlice(effects);
  const raft::SnapshotName taken = *taking_;
  taking_.reset();
  if (written.failed) {
    // No room. Once more after half the way; what is applied until then tells
    // nothing of when there will be some.
    ++counters_.snapshots_failed;
    if (state_.snapshotting()) state_.AbandonSnapshot();
    bytes_applied_ = std::max(bytes_applied_, SnapshotDueAt() / 2);
    return;
  }
  ++counters_.snapshots_taken;
  last_snapshot_bytes_ = bytes_taken_;
  // Up to the snapshot before: if this one is found damaged at a boot, that one
  // and the log give the same state.
  const raft::Index forget = raft_.snapshot().index;
  if (forget >= taken.last.index) return;  // one that was received covers more
  StepRaft(raft::SnapshotTaken{.snapshot = taken.last, .forget = forget},
           effects);
  if (forget > raft::Index(0)) effects->emplace_back(ReleaseLog{forget});
}

// What cannot be read will not get better: a new one takes its place.
void Node::OnSnapshotRead(const raft::SnapshotRead& read, Effects* effects) {
  snapshot_unreadable_ |= read.failed;
  StepRaft(read, effects);
}

void Node::OnStateReceived(const StateReceived& received, Effects* effects) {
  offered_ = received.state;
  StepRaft(received.received, effects);
  offered_.reset();
}

void Node::OnSnapshotInstalled(const raft::SnapshotInstalled& installed,
                               Effects* effects) {
  CHECK(offered_ != nullptr);
  CHECK_EQ(offered_->state.applied(), installed.snapshot.index);
  CHECK_GT(offered_->state.applied(), state_.applied());
  if (taking_.has_value()) effects->emplace_back(AbandonSnapshot{});
  taking_.reset();
  std::swap(state_, offered_->state);
  std::swap(leases_, offered_->leases);
  bytes_applied_ = 0;
  ++counters_.snapshots_installed;
  AnswerAppliedReads(effects);
}

}  // namespace registry
