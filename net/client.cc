#include "net/client.h"

#include <sys/random.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>
#include <variant>

#include "raft/check.h"

namespace net {
namespace {

uint64_t RandomNumber() {
  uint64_t number = 0;
  CHECK_EQ(getrandom(&number, sizeof(number), 0),
           static_cast<ssize_t>(sizeof(number)));
  return number;
}

std::string RandomNonce() {
  constexpr char kHex[] = "0123456789abcdef";
  std::string nonce;
  for (int word = 0; word < 2; ++word) {
    uint64_t bits = RandomNumber();
    for (int digit = 0; digit < 16; ++digit, bits >>= 4) {
      nonce.push_back(kHex[bits & 15]);
    }
  }
  return nonce;
}

// Reply, or the failure that came in its place, in Reply's own fields.
template <typename Reply>
Reply Folded(registry::CallResult result) {
  if (auto* reply = std::get_if<Reply>(&result)) return std::move(*reply);
  auto* failure = std::get_if<registry::Failure>(&result);
  CHECK(failure != nullptr);  // the machine answers in kind
  Reply reply;
  reply.error = failure->error;
  reply.detail = std::move(failure->detail);
  return reply;
}

}  // namespace

registry::ClientOptions WithEntropy(registry::ClientOptions options) {
  if (options.nonce.empty()) options.nonce = RandomNonce();
  if (options.seed == 0) options.seed = RandomNumber();
  return options;
}

registry::ClientOptions OneMember(const std::string& endpoint) {
  registry::ClientOptions options;
  options.endpoints = {endpoint};
  options.open_session = false;
  return options;
}

// ------------------------------------------------------------ AsyncClient

AsyncClient::AsyncClient(EventLoop* loop, registry::ClientOptions options)
    : loop_(loop),
      transport_(loop),
      link_(WithEntropy(std::move(options)), &transport_, Now()),
      turns_(this) {
  link_.SetCompletion(
      [this](registry::CallId call, const registry::CallResult& result) {
        const auto node = calls_.extract(call.value());
        CHECK(!node.empty());
        if (node.mapped()) node.mapped()(result);
      });
  const absl::Status started = transport_.Start(&turns_);
  CHECK(started.ok());  // it listens nowhere
}

AsyncClient::~AsyncClient() { *alive_ = false; }

void AsyncClient::Start(registry::CallBody body, Done done,
                        std::optional<raft::Duration> timeout) {
  const registry::CallId call(++last_call_);
  calls_.emplace(call.value(), std::move(done));
  std::optional<raft::Time> deadline;
  if (!timeout.has_value()) timeout = link_.client().options().deadline;
  deadline = Now() + *timeout;
  link_.Call(call, std::move(body), deadline);
  WakeOutsideOfTurns();
}

void AsyncClient::Close() {
  link_.Close();
  WakeOutsideOfTurns();
}

void AsyncClient::WakeOutsideOfTurns() {
  if (in_turn_ || wake_posted_) return;
  wake_posted_ = true;
  loop_->Post([this, alive = alive_] {
    if (*alive) wake_posted_ = false;
  });
}

void AsyncClient::Turns::OnTime(raft::Time now) {
  client_->in_turn_ = true;
  TurnAdapter::OnTime(now);
}

void AsyncClient::Turns::OnTurnEnd() {
  TurnAdapter::OnTurnEnd();
  client_->in_turn_ = false;
}

// --------------------------------------------------------- BlockingClient

struct BlockingClient::Impl {
  explicit Impl(BlockingClientOptions options)
      : callbacks(std::move(options)), client(&loop, callbacks.client) {}

  BlockingClientOptions callbacks;
  EventLoop loop;
  AsyncClient client;
  // Written by the loop's thread after every step of the machine.
  std::atomic<uint64_t> session = 0;
  std::atomic<int64_t> valid_until_us = 0;
  bool closing = false;  // loop's thread
  std::thread thread;

  void Publish() {
    session.store(client.client().session().value());
    valid_until_us.store(client.client().session_valid_until().micros());
  }
};

BlockingClient::BlockingClient(BlockingClientOptions options)
    : impl_(std::make_unique<Impl>(std::move(options))) {
  Impl* impl = impl_.get();
  registry::ClientLink& link = impl->client.link();
  link.SetObserver([impl](const registry::ClientEvent&,
                          const registry::ClientEffects&) { impl->Publish(); });
  link.SetSessionOpened(impl->callbacks.on_session_opened);
  link.SetSessionLost(impl->callbacks.on_session_lost);
  impl->thread = std::thread([impl] {
    impl->loop.RunUntil(
        [impl] { return impl->closing && impl->client.unfinished() == 0; });
  });
}

BlockingClient::~BlockingClient() {
  impl_->loop.Post([impl = impl_.get()] {
    impl->closing = true;
    impl->client.Close();
  });
  impl_->thread.join();
}

void BlockingClient::Start(registry::CallBody body, AsyncClient::Done done,
                           std::optional<raft::Duration> timeout) {
  impl_->loop.Post([impl = impl_.get(), body = std::move(body),
                    done = std::move(done), timeout]() mutable {
    impl->client.Start(std::move(body), std::move(done), timeout);
  });
}

registry::CallResult BlockingClient::Call(
    registry::CallBody body, std::optional<raft::Duration> timeout) {
  std::mutex mutex;
  std::condition_variable answered;
  std::optional<registry::CallResult> result;
  Start(
      std::move(body),
      [&](const registry::CallResult& answer) {
        // Notified under the lock: once the waiter has it, all this is gone.
        const std::lock_guard<std::mutex> lock(mutex);
        result = answer;
        answered.notify_one();
      },
      timeout);
  std::unique_lock<std::mutex> lock(mutex);
  answered.wait(lock, [&] { return result.has_value(); });
  return *std::move(result);
}

registry::CommandReply BlockingClient::Do(
    registry::Operation operation, std::optional<raft::Duration> timeout) {
  return Folded<registry::CommandReply>(Call(std::move(operation), timeout));
}

registry::ReadReply BlockingClient::Read(
    registry::ReadOperation operation, std::optional<raft::Duration> timeout) {
  return Folded<registry::ReadReply>(Call(std::move(operation), timeout));
}

registry::SessionId BlockingClient::session() const {
  return registry::SessionId(impl_->session.load());
}

bool BlockingClient::SessionAlive() const {
  return Now() < raft::Time(impl_->valid_until_us.load());
}

}  // namespace net
