#include "net/event_loop.h"

#include <time.h>

#include <algorithm>
#include <asio.hpp>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include "raft/check.h"

namespace net {
namespace {

// A turn reads at most this much; what is left waits for the next one.
constexpr size_t kTurnBytesMax = 2 << 20;
// The longest sleep, so that an unforeseen stall heals itself.
constexpr raft::Duration kSleepMax = raft::Millis(1000);

}  // namespace

raft::Time Now() {
  timespec now;
  CHECK_EQ(clock_gettime(CLOCK_BOOTTIME, &now), 0);
  return raft::Time(int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000);
}

Arena::Arena(size_t size)
    : data_(std::make_unique_for_overwrite<char[]>(size)), size_(size) {}

std::string_view Arena::Keep(size_t size) {
  CHECK_LE(size, free_size());
  const std::string_view kept(free_begin(), size);
  used_ += size;
  return kept;
}

struct EventLoop::Impl {
  // One thread runs it; others only post.
  asio::io_context io{1};
  // Else asio would take "nothing to wait for" as the end.
  asio::executor_work_guard<asio::io_context::executor_type> work{
      io.get_executor()};
  Arena arena{kTurnBytesMax};

  std::vector<Participant*> participants;
  std::vector<Participant*> active;  // takes part in the next handlers' run
  bool in_handlers = false;

  std::mutex mutex;
  std::vector<std::function<void()>> posted;  // under mutex
  bool wake_sent = false;                     // under mutex
  std::atomic<bool> stop = false;

  std::unique_ptr<asio::signal_set> signals;
  std::function<void(int)> on_signal;

  std::vector<std::function<void()>> TakePosted() {
    const std::lock_guard<std::mutex> lock(mutex);
    wake_sent = false;
    return std::exchange(posted, {});
  }
  bool HasPosted() {
    const std::lock_guard<std::mutex> lock(mutex);
    return !posted.empty();
  }

  raft::Time EarliestDeadline() const {
    raft::Time earliest = raft::Time::Never();
    for (const Participant* participant : participants) {
      earliest = std::min(earliest, participant->deadline_);
    }
    return earliest;
  }

  // Lets asio collect what is ready, sleeping until `wake_by` for the first.
  void Wait(raft::Time wake_by) {
    if (active.empty() && !HasPosted()) {
      const raft::Duration sleep = std::min(wake_by - Now(), kSleepMax);
      if (sleep > raft::Duration(0)) {
        io.run_one_for(std::chrono::microseconds(sleep.value()));
      }
    }
    io.poll();
  }

  void ActivateDue(raft::Time now, bool everyone) {
    for (Participant* participant : participants) {
      if (participant->active_) continue;
      if (!everyone && now < participant->deadline_) continue;
      participant->active_ = true;
      active.push_back(participant);
    }
  }
};

void EventLoop::WaitForSignal() {
  impl_->signals->async_wait([this](const asio::error_code& error, int number) {
    if (error) return;
    Post([this, number] { impl_->on_signal(number); });
    WaitForSignal();
  });
}

EventLoop::EventLoop() : impl_(std::make_unique<Impl>()) {}

EventLoop::~EventLoop() { CHECK(impl_->participants.empty()); }

void EventLoop::Run() {
  while (!stopped()) Turn(raft::Time::Never());
}

void EventLoop::RunUntil(const std::function<bool()>& done) {
  while (!stopped() && !done()) Turn(raft::Time::Never());
}

void EventLoop::Turn(raft::Time wake_by) {
  Impl& loop = *impl_;
  CHECK(!loop.in_handlers);
  loop.Wait(std::min(wake_by, loop.EarliestDeadline()));

  loop.arena.Clear();
  for (size_t i = 0; i < loop.active.size(); ++i) {
    loop.active[i]->Read(&loop.arena);
  }
  const std::vector<std::function<void()>> posted = loop.TakePosted();
  const raft::Time now = Now();
  loop.ActivateDue(now, /*everyone=*/!posted.empty());

  // From here on, Activate collects for the next turn.
  const std::vector<Participant*> active = std::exchange(loop.active, {});
  for (Participant* participant : active) participant->active_ = false;
  loop.in_handlers = true;
  for (Participant* participant : active) participant->OnTime(now);
  for (Participant* participant : active) participant->Deliver();
  for (const std::function<void()>& work : posted) work();
  for (Participant* participant : active) participant->OnTurnEnd();
  for (Participant* participant : active) participant->Write();
  loop.in_handlers = false;
  for (Participant* participant : active) {
    participant->deadline_ = participant->NextDeadline();
    if (participant->HasMore()) Activate(participant);
  }
}

void EventLoop::Post(std::function<void()> work) {
  Impl& loop = *impl_;
  {
    const std::lock_guard<std::mutex> lock(loop.mutex);
    loop.posted.push_back(std::move(work));
    if (loop.wake_sent) return;
    loop.wake_sent = true;
  }
  asio::post(loop.io, [] {});
}

void EventLoop::Stop() {
  impl_->stop.store(true);
  asio::post(impl_->io, [] {});
}

bool EventLoop::stopped() const { return impl_->stop.load(); }

void EventLoop::OnSignals(std::initializer_list<int> signals,
                          std::function<void(int)> on_signal) {
  CHECK(impl_->signals == nullptr);
  impl_->signals = std::make_unique<asio::signal_set>(impl_->io);
  for (int number : signals) impl_->signals->add(number);
  impl_->on_signal = std::move(on_signal);
  WaitForSignal();
}

void EventLoop::Add(Participant* participant) {
  CHECK(!impl_->in_handlers);
  impl_->participants.push_back(participant);
}

void EventLoop::Remove(Participant* participant) {
  CHECK(!impl_->in_handlers);
  std::erase(impl_->participants, participant);
  std::erase(impl_->active, participant);
}

void EventLoop::Activate(Participant* participant) {
  if (participant->active_) return;
  participant->active_ = true;
  impl_->active.push_back(participant);
}

asio::io_context& EventLoop::io() { return impl_->io; }

}  // namespace net
