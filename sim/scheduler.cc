#include "sim/scheduler.h"

#include <algorithm>

#include "raft/check.h"

namespace sim {
namespace {

constexpr int64_t kMillion = 1'000'000;

}  // namespace

void Scheduler::At(Instant at, SimEvent event) {
  CHECK_GE(at, now_);  // so it is not negative either
  const Place place = static_cast<Place>(at.value()) << 64 | ++sequence_;
  size_t hole = heap_.size();
  heap_.emplace_back();
  while (hole > 0) {
    const size_t parent = (hole - 1) / kChildren;
    if (heap_[parent].place < place) break;
    heap_[hole] = heap_[parent];
    hole = parent;
  }
  heap_[hole] = {place, event};
}

SimEvent Scheduler::Pop() {
  CHECK(!heap_.empty());
  const Due first = heap_.front();
  const Due last = heap_.back();
  heap_.pop_back();
  const size_t size = heap_.size();
  size_t hole = 0;
  while (true) {
    const size_t begin = hole * kChildren + 1;
    if (begin >= size) break;
    const size_t end = std::min(begin + kChildren, size);
    size_t least = begin;
    for (size_t child = begin + 1; child < end; ++child) {
      if (heap_[child].place < heap_[least].place) least = child;
    }
    if (last.place < heap_[least].place) break;
    heap_[hole] = heap_[least];
    hole = least;
  }
  if (size > 0) heap_[hole] = last;
  now_ = TimeOf(first.place);
  return first.event;
}

int64_t NodeClock::Raw(Instant now) const {
  const int64_t passed = now - base_;
  return offset_us_ + passed + passed * rate_ppm_ / kMillion;
}

raft::Time NodeClock::Read(Instant now) const {
  const int64_t raw = Raw(now);
  return raft::Time(std::max(floor_us_, raw - raw % grain_us_));
}

Instant NodeClock::WhenReads(raft::Time local, Instant now) const {
  if (Read(now) >= local) return now;
  if (stands()) return kNever;
  const int64_t steps = (local.micros() + grain_us_ - 1) / grain_us_;
  const int64_t wanted = steps * grain_us_;  // of the raw reading
  // Raw() rounds by less than one, which is `unit` of true time; a wake-up that
  // comes a microsecond early would come again. So the first instant is looked
  // for around a guess.
  const int64_t guess = (wanted - Raw(now)) * kMillion / (kMillion + rate_ppm_);
  const int64_t unit = kMillion / (kMillion + rate_ppm_) + 1;
  int64_t early = std::max<int64_t>(0, guess - 2 * unit);
  int64_t late = guess + 2 * unit;
  CHECK_GE(Raw(now + late), wanted);
  while (early < late) {
    const int64_t middle = early + (late - early) / 2;
    if (Raw(now + middle) < wanted) {
      early = middle + 1;
    } else {
      late = middle;
    }
  }
  return now + late;
}

void NodeClock::SetRate(Instant now, int64_t rate_ppm) {
  NoteBeyond(now);
  offset_us_ = Raw(now);
  base_ = now;
  rate_ppm_ = std::max(rate_ppm, -kMillion);
}

void NodeClock::Jump(Instant now, int64_t ahead_us) {
  if (ahead_us <= 0) return;
  offset_us_ += ahead_us;
  beyond_until_ = now;
  jumped_ = true;
}

void NodeClock::SetGrain(Instant now, int64_t grain_us) {
  NoteBeyond(now);
  floor_us_ = Read(now).micros();
  grain_us_ = std::max<int64_t>(grain_us, 1);
}

bool NodeClock::Beyond() const {
  return rate_ppm_ > kClockRateMaxPpm || rate_ppm_ < -kClockRateMaxPpm ||
         grain_us_ > 1;
}

void NodeClock::NoteBeyond(Instant now) {
  if (Beyond()) beyond_until_ = now;
}

Instant NodeClock::LastBeyond(Instant now) const {
  return Beyond() ? now : beyond_until_;
}

bool NodeClock::ReadsWild(Instant now) const {
  const int64_t passed = now - base_;
  const int64_t off = passed * rate_ppm_ / kMillion;
  const int64_t most = passed * kClockRateMaxPpm / kMillion;
  return rate_ppm_ != -kMillion && (off > most || off < -most);
}

bool NodeClock::ReadsStopped(Instant now) const {
  return rate_ppm_ == -kMillion && now > base_;
}

bool NodeClock::ReadsCoarse(Instant now) const {
  return grain_us_ > 1 && Read(now).micros() != Raw(now);
}

void NodeClock::InheritBeyond(const NodeClock& older, Instant now) {
  beyond_until_ = older.LastBeyond(now);
}

}  // namespace sim
