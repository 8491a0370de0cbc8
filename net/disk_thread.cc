#include "net/disk_thread.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "raft/check.h"

namespace net {
namespace {

struct Job {
  uint64_t id = 0;
  std::function<absl::Status()> work;
};

}  // namespace

// Known to posted completions, which may outlive the DiskThread.
struct DiskThread::Shared {
  OnDone on_done;          // loop's thread
  bool dropped = false;    // loop's thread
  size_t outstanding = 0;  // loop's thread
};

class DiskThread::Lane {
 public:
  Lane(EventLoop* loop, std::shared_ptr<Shared> shared)
      : loop_(loop), shared_(std::move(shared)), thread_([this] { Run(); }) {}

  ~Lane() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      stop_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }

  void Submit(Job job) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      jobs_.push_back(std::move(job));
    }
    changed_.notify_one();
  }

 private:
  void Run() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return stop_ || !jobs_.empty(); });
      if (jobs_.empty()) return;
      const Job job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      RunJob(job);
      lock.lock();
    }
  }

  void RunJob(const Job& job) {
    const absl::Status status = job.work();
    // Taken apart: a status shared between two threads is counted by a library
    // that thread sanitizer cannot see into.
    loop_->Post([shared = shared_, id = job.id, code = status.code(),
                 message = std::string(status.message().data(),
                                       status.message().size())] {
      if (shared->dropped) return;
      --shared->outstanding;
      shared->on_done(id, absl::Status(code, message));
    });
  }

  EventLoop* const loop_;
  const std::shared_ptr<Shared> shared_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;  // under mutex_
  bool stop_ = false;     // under mutex_
  std::thread thread_;    // last: it uses all of the above
};

DiskThread::DiskThread(EventLoop* loop, OnDone on_done)
    : shared_(std::make_shared<Shared>()) {
  shared_->on_done = std::move(on_done);
  for (std::unique_ptr<Lane>& lane : lanes_) {
    lane = std::make_unique<Lane>(loop, shared_);
  }
}

DiskThread::~DiskThread() { shared_->dropped = true; }

void DiskThread::Submit(registry::DiskLane lane, uint64_t job,
                        std::function<absl::Status()> work) {
  const auto number = static_cast<size_t>(lane);
  CHECK_LT(number, size_t{2});
  ++shared_->outstanding;
  lanes_[number]->Submit({.id = job, .work = std::move(work)});
}

size_t DiskThread::outstanding() const { return shared_->outstanding; }

}  // namespace net
