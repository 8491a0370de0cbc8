// Progress: how far a leader has brought one follower's log, and how much it
// may send ahead of the answers.
#ifndef RAFT_PROGRESS_H_
#define RAFT_PROGRESS_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "raft/limits.h"
#include "raft/types.h"

namespace raft {

// The appends sent and not yet acknowledged, bounded in number and bytes.
// Acknowledgements are cumulative.
class InflightWindow {
 public:
  // At most so many appends at once, up to kInflightAppendsMax.
  explicit InflightWindow(const Limits& limits = {})
      : appends_max_(limits.inflight_appends),
        bytes_max_(limits.inflight_bytes) {}

  bool empty() const { return count_ == 0; }
  size_t count() const { return count_; }
  size_t bytes() const { return bytes_; }
  // At most one append can be larger than what is left of the byte bound.
  bool full() const { return count_ >= appends_max_ || bytes_ >= bytes_max_; }
  // Requires !full() and `last` above every one added since Clear.
  void Add(Index last, size_t bytes);
  void FreeThrough(Index match);
  void Clear();

 private:
  struct Append {
    Index last;
    size_t bytes = 0;
  };
  size_t appends_max_;
  size_t bytes_max_;
  std::array<Append, kInflightAppendsMax> ring_;
  size_t first_ = 0;
  size_t count_ = 0;
  size_t bytes_ = 0;
};

// Three states. Probe: where the logs agree is a guess; one append at a time,
// until an answer or the next heartbeat. Replicate: they agree at `match`;
// appends stream, `next` moves when they are sent. Snapshot: the follower lacks
// what the leader's log does not have any more; it gets a snapshot, piece by
// piece, and no appends, until an answer shows that it has caught up.
class Progress {
 public:
  enum class State : uint8_t { kProbe = 0, kReplicate = 1, kSnapshot = 2 };

  Progress() = default;
  // A new leader guesses that the follower has everything before `next`.
  explicit Progress(Index next, const Limits& limits = {})
      : next_(next), window_(limits) {}

  State state() const { return state_; }
  // Known to be durable there and equal to the leader's log.
  Index match() const { return match_; }
  // The first entry of the next append. Always above match(). In Snapshot: the
  // first that the leader has; up to there the follower must get.
  Index next() const { return next_; }
  // Something was sent that is not acknowledged.
  bool waiting() const { return next_ - match_ > 1; }
  bool window_full() const { return window_.full(); }
  const InflightWindow& window() const { return window_; }

  // An append with entries may be sent.
  bool may_carry() const {
    switch (state_) {
      case State::kProbe:
        return !asked_ && !verify_;
      case State::kReplicate:
        return !window_.full();
      case State::kSnapshot:
        return false;
    }
    return false;
  }
  // An append must be sent, empty if it cannot carry anything: it asks where
  // the follower stands.
  bool must_ask() const {
    switch (state_) {
      case State::kProbe:
        return !asked_;
      case State::kReplicate:
        return verify_;
      case State::kSnapshot:
        return false;
    }
    return false;
  }
  // An append of [next(), last] was sent; last = next() - 1 if it was empty.
  void Sent(Index last, size_t bytes);

  // The follower acknowledged up to `match`. True if that is news.
  bool Accepted(Index match);
  // It refused an append after `prev`; by the hint the logs may agree up to
  // `guess`. Late, doubled and reordered refusals change nothing (conformance
  // 4.6). True if the next append is to start elsewhere.
  bool Refused(Index prev, Index guess);
  // The leader's log begins behind `base`. A guess before that is moved there:
  // the answer tells whether the follower needs a snapshot. One to which
  // entries were streaming that are gone needs it for certain.
  void Compacted(Index base);
  // The follower needs what the log, which begins behind `base`, does not have.
  void NeedSnapshot(Index base);
  // Whatever is still unacknowledged may be lost: when a heartbeat is due,
  // since where messages get lost each leg that a repair takes gets lost as
  // well now and then; and when one is answered, since a leader whose clock
  // stands still has no heartbeat due, but answers reads by rounds of them.
  void AskAgain();
  // The connection closed, the window's content is lost perhaps. No entries are
  // sent until the follower says where it stands.
  void ConnectionClosed();

 private:
  void BecomeProbe();

  State state_ = State::kProbe;
  Index match_;
  Index next_ = Index(1);
  bool asked_ = false;   // Probe: an append is out
  bool verify_ = false;  // ask with an empty append (again)
  InflightWindow window_;
};

}  // namespace raft

#endif  // RAFT_PROGRESS_H_
