#include "sim/scheduler.h"

#include <algorithm>

#include "raft/check.h"

namespace sim {
namespace {

constexpr int64_t kMillion = 1'000'000;

}  // namespace

bool Scheduler::Later(const Due& a, const Due& b) {
  if (a.at != b.at) return a.at > b.at;
  return a.sequence > b.sequence;
}

void Scheduler::At(Instant at, SimEvent event) {
  CHECK_GE(at, now_);
  heap_.push_back({at, ++sequence_, event});
  std::push_heap(heap_.begin(), heap_.end(), Later);
}

SimEvent Scheduler::Pop() {
  CHECK(!heap_.empty());
  std::pop_heap(heap_.begin(), heap_.end(), Later);
  const Due due = heap_.back();
  heap_.pop_back();
  now_ = due.at;
  return due.event;
}

raft::Time NodeClock::Read(Instant now) const {
  const int64_t passed = now - base_;
  return raft::Time(offset_us_ + passed + passed * rate_ppm_ / kMillion);
}

Instant NodeClock::WhenReads(raft::Time local, Instant now) const {
  const int64_t wanted = local.micros() - Read(now).micros();
  if (wanted <= 0) return now;
  // A guess that is never late, then the last steps one by one: division
  // rounds, and a wake-up that comes a microsecond early would come again.
  const int64_t guess = wanted * kMillion / (kMillion + rate_ppm_);
  Instant at = now + std::max<int64_t>(0, guess - 2);
  while (Read(at) < local) ++at;
  return at;
}

void NodeClock::SetRate(Instant now, int64_t rate_ppm) {
  offset_us_ = Read(now).micros();
  base_ = now;
  rate_ppm_ = rate_ppm;
}

}  // namespace sim
