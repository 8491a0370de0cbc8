// DiskThread: registry::DiskQueue on two threads, one a lane.
#ifndef NET_DISK_THREAD_H_
#define NET_DISK_THREAD_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "net/event_loop.h"
#include "registry/ports.h"

namespace net {

// Jobs of a lane run in the order of Submit, on the lane's own thread;
// completions come back in turns of the loop. Completions that gather while the
// loop is busy cost it one wake-up together.
class DiskThread : public registry::DiskQueue {
 public:
  // Called inside a turn, on the loop's thread.
  using OnDone = std::function<void(uint64_t job, absl::Status status)>;

  // `loop` outlives this; `on_done` is called for every job whose turn comes
  // before the destructor.
  DiskThread(EventLoop* loop, OnDone on_done);
  // Runs what was submitted to its end, then joins; completions not yet
  // delivered are dropped.
  ~DiskThread() override;

  void Submit(registry::DiskLane lane, uint64_t job,
              std::function<absl::Status()> work) override;

  // Jobs submitted whose completion was not yet delivered. Loop's thread.
  size_t outstanding() const;

 private:
  class Lane;
  struct Shared;
  std::shared_ptr<Shared> shared_;
  std::unique_ptr<Lane> lanes_[2];
};

}  // namespace net

#endif  // NET_DISK_THREAD_H_
