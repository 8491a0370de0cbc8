// EventLoop: one thread, turns of fixed order. All network and node work of a
// process (or of a client) happens here.
//
// One turn: sleep until something is ready; read every readable socket; read
// the clock; then per handler OnTime, what arrived, posted work (disk
// completions), OnTurnEnd; then write each socket once. The clock is read after
// the last socket, and stepped before those bytes: a node back from SIGSTOP
// must not answer a lease read on the time it went to sleep with (architecture
// decision 5). One clock read, one disk job and one write a socket and turn is
// what makes batching happen by itself under load.
#ifndef NET_EVENT_LOOP_H_
#define NET_EVENT_LOOP_H_

#include <cstddef>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string_view>

#include "raft/types.h"
#include "registry/ports.h"

namespace asio {
class io_context;
}

namespace net {

// Microseconds of CLOCK_BOOTTIME: goes on while the machine sleeps, never
// jumps with the wall clock.
raft::Time Now();

// What a transport drives: registry::Replica on a server, registry::ClientLink
// in a client. Every method is called from inside turns of one loop only, and
// never from inside Connect, Send or Close.
class TurnHandler : public registry::TransportHandler {
 public:
  virtual void OnTime(raft::Time now) = 0;
  virtual void OnTurnEnd() = 0;
  // When OnTime must come at the latest; asked after each OnTurnEnd.
  virtual raft::Time NextDeadline() const = 0;
};

// Lets a ClientLink, which knows nothing of loops, take part in one.
template <typename T>
class TurnAdapter : public TurnHandler {
 public:
  explicit TurnAdapter(T* target) : target_(target) {}
  void OnAccepted(registry::ConnectionId connection,
                  registry::Listener listener) override {
    target_->OnAccepted(connection, listener);
  }
  void OnOpened(registry::ConnectionId connection) override {
    target_->OnOpened(connection);
  }
  void OnBytes(registry::ConnectionId connection,
               std::string_view bytes) override {
    target_->OnBytes(connection, bytes);
  }
  void OnClosed(registry::ConnectionId connection) override {
    target_->OnClosed(connection);
  }
  void OnTime(raft::Time now) override { target_->OnTime(now); }
  void OnTurnEnd() override { target_->OnTurnEnd(); }
  raft::Time NextDeadline() const override { return target_->NextDeadline(); }

 private:
  T* const target_;
};

// Space for the bytes of one turn. Reads pack into it one after another, so a
// turn of small messages touches little memory whatever the number of sockets.
class Arena {
 public:
  explicit Arena(size_t size);

  char* free_begin() { return data_.get() + used_; }
  size_t free_size() const { return size_ - used_; }
  // The first `size` free bytes were filled: keeps them until Clear.
  std::string_view Keep(size_t size);
  void Clear() { used_ = 0; }

 private:
  std::unique_ptr<char[]> data_;
  size_t size_;
  size_t used_ = 0;
};

// One who takes part in turns: a transport together with its handler. Only the
// active ones do (something arrived, work was posted, or a deadline passed), so
// a thousand idle clients cost a busy one nothing.
class Participant {
 public:
  virtual ~Participant() = default;
  virtual void Read(Arena* arena) = 0;
  virtual void OnTime(raft::Time now) = 0;
  virtual void Deliver() = 0;
  virtual void OnTurnEnd() = 0;
  virtual void Write() = 0;
  // Something is left that needs no waiting: another turn must follow at once.
  virtual bool HasMore() const = 0;
  virtual raft::Time NextDeadline() const = 0;

 private:
  friend class EventLoop;
  bool active_ = false;
  raft::Time deadline_;
};

// Not thread-safe except Post and Stop.
class EventLoop {
 public:
  EventLoop();
  ~EventLoop();  // on the loop's thread; posted work that did not run is
                 // dropped
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Runs turns until Stop; returns at once if Stop came first.
  void Run();
  // Runs turns until `done` says so, asked after each turn, or Stop.
  void RunUntil(const std::function<bool()>& done);
  // One turn; sleeps until something is ready, a deadline passes, or `wake_by`.
  void Turn(raft::Time wake_by);

  // Runs `work` inside a turn, after what the sockets brought; every handler
  // gets OnTime before and OnTurnEnd after it. Any thread; in order. Several
  // posts before the loop comes round cost one wake-up.
  void Post(std::function<void()> work);

  // Makes Run return after the current turn. Any thread.
  void Stop();
  bool stopped() const;
  // Calls `on_signal` inside a turn when one of `signals` arrives; their
  // default action is switched off.
  void OnSignals(std::initializer_list<int> signals,
                 std::function<void(int)> on_signal);

  // For transports. A participant must stay until Remove, and must not be
  // removed from inside a turn's handlers.
  void Add(Participant* participant);
  void Remove(Participant* participant);
  // `participant` takes part in this turn, or if its handlers run already, in
  // one that follows without sleeping.
  void Activate(Participant* participant);
  asio::io_context& io();

 private:
  struct Impl;
  void WaitForSignal();
  std::unique_ptr<Impl> impl_;
};

}  // namespace net

#endif  // NET_EVENT_LOOP_H_
