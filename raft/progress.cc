#include "raft/progress.h"

#include <algorithm>

#include "raft/check.h"

namespace raft {

void InflightWindow::Add(Index last, size_t bytes) {
  CHECK(!full());
  ring_[(first_ + count_) % ring_.size()] = Append{last, bytes};
  ++count_;
  bytes_ += bytes;
}

void InflightWindow::FreeThrough(Index match) {
  while (count_ > 0 && ring_[first_].last <= match) {
    bytes_ -= ring_[first_].bytes;
    first_ = (first_ + 1) % ring_.size();
    --count_;
  }
}

void InflightWindow::Clear() {
  first_ = 0;
  count_ = 0;
  bytes_ = 0;
}

void Progress::Sent(Index last, size_t bytes) {
  CHECK_GE(last + 1, next_);
  verify_ = false;
  if (state_ == State::kProbe) {
    asked_ = true;
    return;
  }
  if (last < next_) return;
  window_.Add(last, bytes);
  next_ = last + 1;
}

bool Progress::Accepted(Index match) {
  if (match < match_) return false;
  const bool news = match > match_;
  match_ = match;
  // It has not reached what the log begins with.
  if (state_ == State::kSnapshot && match_ + 1 < next_) return news;
  if (state_ != State::kReplicate) {
    state_ = State::kReplicate;
    next_ = match_ + 1;
    asked_ = false;
    verify_ = false;
    return news;
  }
  window_.FreeThrough(match_);
  next_ = std::max(next_, match_ + 1);
  return news;
}

bool Progress::Refused(Index prev, Index guess) {
  // What it acknowledged it still has: this refusal is older than that.
  if (prev <= match_ || state_ == State::kSnapshot) return false;
  if (state_ == State::kProbe) {
    // Not the answer to the append that is out.
    if (prev + 1 != next_) return false;
  } else if (prev >= next_) {
    return false;  // sent before the last probing, which went back
  }
  BecomeProbe();
  next_ = std::max(match_ + 1, std::min(prev, guess + 1));
  return true;
}

void Progress::Compacted(Index base) {
  if (next_ > base) return;
  if (state_ == State::kReplicate) return NeedSnapshot(base);
  next_ = base + 1;
}

void Progress::NeedSnapshot(Index base) {
  BecomeProbe();
  state_ = State::kSnapshot;
  next_ = std::max(match_, base) + 1;
}

void Progress::AskAgain() {
  if (state_ == State::kSnapshot) return;
  if (state_ == State::kProbe) {
    // An empty append suffices to ask again; the one that is out may only be
    // waiting for the follower's disk.
    if (asked_) verify_ = true;
    asked_ = false;
  } else if (waiting()) {
    verify_ = true;
  }
}

void Progress::ConnectionClosed() {
  BecomeProbe();
  next_ = match_ + 1;
  asked_ = true;
}

void Progress::BecomeProbe() {
  state_ = State::kProbe;
  asked_ = false;
  verify_ = false;
  window_.Clear();
}

}  // namespace raft
