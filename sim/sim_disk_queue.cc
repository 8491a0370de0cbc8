#include "sim/sim_disk_queue.h"

#include <algorithm>
#include <utility>

#include "raft/check.h"
#include "sim/random.h"

namespace sim {

void SimDiskQueue::Submit(registry::DiskLane lane, uint64_t job,
                          std::function<absl::Status()> work) {
  const auto which = static_cast<size_t>(lane);
  CHECK_LT(which, kLanes);
  lanes_[which].push_back({job, std::move(work)});
  if (lanes_[which].size() == 1) Begin(which);
}

void SimDiskQueue::Begin(size_t lane) {
  Draws draws(seed_, Stream::kDiskJob, node_, lane, ++begun_);
  const int64_t jitter =
      draws.Exponential(std::max<int64_t>(profile_.jitter_us, 1));
  int64_t micros = profile_.job_us + jitter;
  if (profile_.tail > 0 && draws.Chance(profile_.tail)) {
    micros += draws.Between(0, profile_.tail_us);
    ++jobs_delayed_;
  }
  if (slowness_percent_ > 100) ++jobs_delayed_;
  micros = micros * slowness_percent_ / 100;
  Instant due = scheduler_->now() + micros;
  if (due < stalled_until_) {
    ++jobs_delayed_;
    due = stalled_until_;
  }
  scheduler_->At(due, {SimEvent::Kind::kDiskJob, node_,
                       epoch_ * kLanes + static_cast<uint64_t>(lane)});
}

SimDiskQueue::Completion SimDiskQueue::OnEvent(const SimEvent& event) {
  if (event.arg / kLanes != epoch_) return {};
  const size_t which = event.arg % kLanes;
  Lane& lane = lanes_[which];
  CHECK(!lane.empty());
  if (scheduler_->now() < stalled_until_) {
    ++jobs_delayed_;
    scheduler_->At(stalled_until_, event);
    return {};
  }
  Job job = std::move(lane.front());
  Completion done{.ran = true, .job = job.id, .status = job.work()};
  ++jobs_done_;
  lane.pop_front();
  if (!lane.empty()) Begin(which);
  return done;
}

std::function<absl::Status()> SimDiskQueue::TakeRunning(
    registry::DiskLane lane) {
  Lane& jobs = lanes_[static_cast<size_t>(lane)];
  if (jobs.empty()) return nullptr;
  return std::move(jobs.front().work);
}

void SimDiskQueue::Clear() {
  ++epoch_;
  for (Lane& lane : lanes_) lane.clear();
  stalled_until_ = Instant();
}

void SimDiskQueue::Stall(Instant until) {
  stalled_until_ = std::max(stalled_until_, until);
}

void SimDiskQueue::EndStall() {
  if (stalled_until_ <= scheduler_->now()) return;
  stalled_until_ = scheduler_->now();
  ++epoch_;  // what was put off begins anew
  for (size_t lane = 0; lane < kLanes; ++lane) {
    if (!lanes_[lane].empty()) Begin(lane);
  }
}

}  // namespace sim
