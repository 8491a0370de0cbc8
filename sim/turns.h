// Turns: when a simulated process runs. Whatever arrives for it waits until its
// next loop turn, as with a real loop that drains all its sockets at once; a
// pause (SIGSTOP) lets time and arrivals go on without a turn.
#ifndef SIM_TURNS_H_
#define SIM_TURNS_H_

#include <algorithm>
#include <cstdint>

#include "raft/types.h"
#include "sim/random.h"
#include "sim/scheduler.h"

namespace sim {

// What clocks and timers that are wrong did to a process.
struct TimeEffects {
  uint64_t turns_wild = 0;     // turns that read such a clock,
  uint64_t turns_stopped = 0;  // see NodeClock
  uint64_t turns_coarse = 0;
  uint64_t turns_after_jump = 0;  // the first that reads a clock that jumped
  uint64_t timers_late = 0;       // fired after the time they were set for
  uint64_t timers_held = 0;       // the same, all at the end of a hold

  TimeEffects& operator+=(const TimeEffects& more) {
    turns_wild += more.turns_wild;
    turns_stopped += more.turns_stopped;
    turns_coarse += more.turns_coarse;
    turns_after_jump += more.turns_after_jump;
    timers_late += more.timers_late;
    timers_held += more.timers_held;
    return *this;
  }
};

class Turns {
 public:
  Turns(uint64_t seed, Process process, Scheduler* scheduler,
        const NodeClock& clock)
      : seed_(seed), process_(process), scheduler_(scheduler), clock_(clock) {}

  // A new life begins (or the last one ended): events for the one before are
  // void.
  void NewLife() {
    ++life_;
    turn_due_ = false;
    wake_due_ = false;
    paused_until_ = Instant();
    dead_ = false;
  }
  void Die() {
    NewLife();
    dead_ = true;
  }
  uint64_t life() const { return life_; }

  // Something arrived: a turn follows soon.
  void Request() {
    if (turn_due_ || dead_) return;
    turn_due_ = true;
    Draws draws(seed_, Stream::kTurn, process_, life_, ++turns_);
    const int64_t latency = (kLatencyUs + draws.Exponential(kLatencyJitterUs)) *
                            slowness_percent_ / 100;
    Instant at = scheduler_->now() + latency;
    if (at < paused_until_) {
      at = paused_until_;
      ++late_;
    }
    scheduler_->At(at, {SimEvent::Kind::kTurn, process_, life_});
  }
  // The process wants to run when its clock reads `deadline`.
  void SetDeadline(raft::Time deadline) {
    if (dead_ || deadline == raft::Time::Never()) return;
    const int64_t away = deadline.micros() - Read().micros();
    if (away > kFarUs) return;  // beyond every simulation
    Instant at = clock_.WhenReads(deadline, scheduler_->now());
    if (at == NodeClock::kNever) return;  // until its clock goes on
    const Instant due = at;
    at = scheduler_->now() + (at - scheduler_->now()) * lateness_percent_ / 100;
    at = std::max(at, timers_held_until_);
    if (wake_due_ && wake_at_ <= at) return;
    wake_due_ = true;
    wake_at_ = at;
    wake_wanted_ = due;
    scheduler_->At(at, {SimEvent::Kind::kWake, process_, life_});
  }

  // A kWake or kTurn event of this process: true if a turn is to run now.
  bool OnEvent(const SimEvent& event) {
    if (event.arg != life_ || dead_) return false;
    if (event.kind == SimEvent::Kind::kWake) {
      // Superseded by an earlier one.
      if (!wake_due_ || scheduler_->now() != wake_at_) return false;
      wake_due_ = false;
      if (wake_wanted_ < wake_at_) {
        ++(wake_at_ == timers_held_until_ ? effects_.timers_held
                                          : effects_.timers_late);
      }
      Request();
      return false;
    }
    if (scheduler_->now() < paused_until_) {
      ++late_;
      scheduler_->At(paused_until_, event);
      return false;
    }
    turn_due_ = false;
    CountReading();
    return true;
  }

  void Pause(Instant until) {
    if (paused_until_ < until) paused_until_ = until;
  }
  // Turns that a pause put off.
  uint64_t late() const { return late_; }
  bool paused() const { return scheduler_->now() < paused_until_; }
  // The end of a pause before its time. (The turn that was put off still
  // happens; a turn without a cause does no harm.)
  void Resume() {
    if (!paused()) return;
    paused_until_ = scheduler_->now();
    turn_due_ = false;
    Request();
  }
  // In percent of a healthy loop's latency.
  void set_slowness(int64_t percent) { slowness_percent_ = percent; }

  // Timers fire after so many percent of their time.
  void set_lateness(int64_t percent) { lateness_percent_ = percent; }
  // No timer fires before; then all do that are due.
  void HoldTimers(Instant until) {
    timers_held_until_ = until;
    wake_due_ = false;  // what was set is set anew by the turn that follows
    Request();
  }
  const TimeEffects& time_effects() const { return effects_; }

  raft::Time Read() const { return clock_.Read(scheduler_->now()); }
  NodeClock& clock() { return clock_; }

 private:
  // From an arrival to the turn that reads it.
  static constexpr int64_t kLatencyUs = 8;
  static constexpr int64_t kLatencyJitterUs = 15;
  static constexpr int64_t kFarUs = 3'600'000'000;

  void CountReading() {
    const Instant now = scheduler_->now();
    effects_.turns_wild += clock_.ReadsWild(now);
    effects_.turns_stopped += clock_.ReadsStopped(now);
    effects_.turns_coarse += clock_.ReadsCoarse(now);
    effects_.turns_after_jump += clock_.TakeJump();
  }

  uint64_t seed_;
  Process process_;
  Scheduler* scheduler_;
  NodeClock clock_;
  uint64_t life_ = 0;
  uint64_t turns_ = 0;
  uint64_t late_ = 0;
  bool dead_ = true;
  bool turn_due_ = false;
  bool wake_due_ = false;
  Instant wake_at_;
  Instant wake_wanted_;  // by its clock, before timers are late or held
  Instant paused_until_;
  int64_t slowness_percent_ = 100;
  int64_t lateness_percent_ = 100;
  Instant timers_held_until_;
  TimeEffects effects_;
};

}  // namespace sim

#endif  // SIM_TURNS_H_
