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
  lanes_[which].jobs.push_back({job, std::move(work)});
  if (lanes_[which].jobs.size() == 1) Begin(which);
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
  lanes_[lane].slowness_percent = slowness_percent_;
  Schedule(lane, due);
}

void SimDiskQueue::Schedule(size_t lane, Instant due) {
  lanes_[lane].due = due;
  scheduler_->At(due, {SimEvent::Kind::kDiskJob, node_,
                       epoch_ * kLanes + static_cast<uint64_t>(lane)});
}

void SimDiskQueue::SetSlowness(int64_t percent) {
  const bool faster = percent < std::exchange(slowness_percent_, percent);
  if (!faster) return;
  ++epoch_;  // all is scheduled again, some of it sooner
  for (size_t which = 0; which < kLanes; ++which) {
    Lane& lane = lanes_[which];
    if (lane.jobs.empty()) continue;
    int64_t left = lane.due - scheduler_->now();
    if (lane.slowness_percent > percent) {
      left = left * percent / lane.slowness_percent;
      lane.slowness_percent = percent;
    }
    Schedule(which, scheduler_->now() + left);
  }
}

SimDiskQueue::Completion SimDiskQueue::OnEvent(const SimEvent& event) {
  if (event.arg / kLanes != epoch_) return {};
  const size_t which = event.arg % kLanes;
  Lane& lane = lanes_[which];
  CHECK(!lane.jobs.empty());
  if (scheduler_->now() < stalled_until_) {
    ++jobs_delayed_;
    Schedule(which, stalled_until_);
    return {};
  }
  Job job = std::move(lane.jobs.front());
  Completion done{.ran = true, .job = job.id, .status = job.work()};
  ++jobs_done_;
  lane.jobs.pop_front();
  if (!lane.jobs.empty()) Begin(which);
  return done;
}

std::function<absl::Status()> SimDiskQueue::TakeRunning(
    registry::DiskLane lane) {
  std::deque<Job>& jobs = lanes_[static_cast<size_t>(lane)].jobs;
  if (jobs.empty()) return nullptr;
  return std::move(jobs.front().work);
}

void SimDiskQueue::Clear() {
  ++epoch_;
  for (Lane& lane : lanes_) lane.jobs.clear();
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
    if (!lanes_[lane].jobs.empty()) Begin(lane);
  }
}

}  // namespace sim
