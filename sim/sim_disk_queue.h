// SimDiskQueue: a node's disk lanes on virtual time. One job a lane runs at a
// time; it takes a drawn time and then happens at once on the SimDisk.
//
// Fault model.
//   slow disk     every job takes a multiple of its time; when it becomes
//                 faster, what is left of the running ones does too
//   stall         nothing completes before a given instant, then all goes on
//   process dies  the jobs that wait never happen; the one that is running gets
//                 as far as some file operation, chosen by the cluster
// What the disk itself does wrong is SimDisk's matter.
#ifndef SIM_SIM_DISK_QUEUE_H_
#define SIM_SIM_DISK_QUEUE_H_

#include <array>
#include <cstdint>
#include <deque>
#include <functional>

#include "absl/status/status.h"
#include "registry/ports.h"
#include "sim/scheduler.h"

namespace sim {

struct DiskProfile {
  int64_t job_us = 150;
  int64_t jitter_us = 60;  // mean of an exponential
  uint32_t tail = 0;       // chance per million of ...
  int64_t tail_us = 0;     // ... up to so much more

  bool operator==(const DiskProfile&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("job_us", job_us), f("jitter_us", jitter_us), f("tail", tail),
        f("tail_us", tail_us);
  }
};

class SimDiskQueue : public registry::DiskQueue {
 public:
  SimDiskQueue(uint64_t seed, Process node, const DiskProfile& profile,
               Scheduler* scheduler)
      : seed_(seed), node_(node), profile_(profile), scheduler_(scheduler) {}

  void Submit(registry::DiskLane lane, uint64_t job,
              std::function<absl::Status()> work) override;

  struct Completion {
    bool ran = false;  // false: the event was about a job that is gone
    uint64_t job = 0;
    absl::Status status;
  };
  // A kDiskJob event of this node: runs the job that is due.
  Completion OnEvent(const SimEvent& event);

  // The job that a dying process leaves behind: it has begun, and how far it
  // gets is up to the caller, who may run it. Empty if none has begun.
  std::function<absl::Status()> TakeRunning(registry::DiskLane lane);
  // Forgets every job; their events do nothing any more.
  void Clear();

  // In percent of the drawn time; 100 is healthy. Less than before also makes
  // shorter what is left of the jobs that are running: a tail of 40 ms, begun
  // at 5000 %, would outlast the end of the slowness by two seconds.
  void SetSlowness(int64_t percent);
  int64_t slowness() const { return slowness_percent_; }
  // Nothing completes before `until`, or an earlier EndStall().
  void Stall(Instant until);
  void EndStall();

  // Jobs that took longer than a healthy disk would have.
  uint64_t jobs_delayed() const { return jobs_delayed_; }
  uint64_t jobs_done() const { return jobs_done_; }

 private:
  struct Job {
    uint64_t id = 0;
    std::function<absl::Status()> work;
  };
  struct Lane {
    std::deque<Job> jobs;            // the first is running
    Instant due;                     // of that one; later if the disk stalls
    int64_t slowness_percent = 100;  // which is in `due`
  };
  static constexpr size_t kLanes = 2;

  void Begin(size_t lane);
  void Schedule(size_t lane, Instant due);

  const uint64_t seed_;
  const Process node_;
  const DiskProfile profile_;
  Scheduler* const scheduler_;
  std::array<Lane, kLanes> lanes_;
  uint64_t epoch_ = 1;  // of processes; events carry it
  uint64_t begun_ = 0;
  int64_t slowness_percent_ = 100;
  Instant stalled_until_;
  uint64_t jobs_delayed_ = 0;
  uint64_t jobs_done_ = 0;
};

}  // namespace sim

#endif  // SIM_SIM_DISK_QUEUE_H_
