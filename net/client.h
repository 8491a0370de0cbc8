// The TCP client library: the pure client machine (registry/client.h) with
// sockets, time and entropy. Two forms, one behaviour:
//
//   net::BlockingClient client({.client = {.endpoints = {"127.0.0.1:7201"}}});
//   registry::CommandReply reply = client.Do(registry::Register{
//       .registry = "services", .key = "ssh", .value = int64_t{22}});
//   if (reply.error == registry::Error::kAlreadyRegistered) { ... }
//
// BlockingClient brings a thread of its own; AsyncClient takes part in an
// EventLoop, so that one thread can drive thousands. Both follow the leader,
// retry what is safe to retry, and answer every call at its deadline at the
// latest. What each error means is in registry/client.h and API.md.
#ifndef NET_CLIENT_H_
#define NET_CLIENT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "net/event_loop.h"
#include "net/tcp_transport.h"
#include "raft/types.h"
#include "registry/client_link.h"

namespace net {

// `options` with what only a host can give: a nonce and a seed from the
// system's entropy, where they are empty and 0.
registry::ClientOptions WithEntropy(registry::ClientOptions options);

// For asking one member alone: no session, no other endpoint.
registry::ClientOptions OneMember(const std::string& endpoint);

// A client in a loop of the caller's. Not thread-safe: used on the loop's
// thread; created and destroyed outside of turns.
class AsyncClient {
 public:
  using Done = std::function<void(const registry::CallResult&)>;

  // `loop` outlives this. A nonce and a seed are drawn if not given.
  AsyncClient(EventLoop* loop, registry::ClientOptions options);
  // Calls that are unfinished then are not completed.
  ~AsyncClient();
  AsyncClient(const AsyncClient&) = delete;
  AsyncClient& operator=(const AsyncClient&) = delete;

  // Starts a call; `done` comes once, from inside a turn, never from inside
  // Start. It may Start more calls but not destroy the client. `timeout` counts
  // from now; without one, ClientOptions::deadline does.
  void Start(registry::CallBody body, Done done,
             std::optional<raft::Duration> timeout = std::nullopt);
  // Answers what is unfinished, in a later turn, and stops.
  void Close();

  size_t unfinished() const { return calls_.size(); }
  // For session callbacks and observers.
  registry::ClientLink& link() { return link_; }
  const registry::Client& client() const { return link_.client(); }

 private:
  // Outside of turns nothing would come round to send what was started.
  class Turns : public TurnAdapter<registry::ClientLink> {
   public:
    explicit Turns(AsyncClient* client)
        : TurnAdapter(&client->link_), client_(client) {}
    void OnTime(raft::Time now) override;
    void OnTurnEnd() override;

   private:
    AsyncClient* const client_;
  };
  void WakeOutsideOfTurns();

  EventLoop* const loop_;
  TcpTransport transport_;
  registry::ClientLink link_;
  Turns turns_;
  uint64_t last_call_ = 0;
  bool in_turn_ = false;
  bool wake_posted_ = false;
  // Lives as long as the client, for work that is posted and runs after it.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  absl::flat_hash_map<uint64_t, Done> calls_;  // never iterated
};

struct BlockingClientOptions {
  registry::ClientOptions client;
  // Called on the client's own thread; must not block and must not call the
  // client's blocking methods.
  std::function<void(registry::SessionId)> on_session_opened;
  std::function<void(registry::SessionId)> on_session_lost;
};

// Thread-safe: many threads may call at once, and their calls share one
// session and one connection.
class BlockingClient {
 public:
  explicit BlockingClient(BlockingClientOptions options);
  // Answers calls of other threads (`outcome_unknown` or `unavailable`), closes
  // and joins. A leased session is left to run out: to end it at once, first
  // Do(EndSession{}).
  ~BlockingClient();
  BlockingClient(const BlockingClient&) = delete;
  BlockingClient& operator=(const BlockingClient&) = delete;

  // Waits for the answer, at most until the call's deadline.
  registry::CallResult Call(
      registry::CallBody body,
      std::optional<raft::Duration> timeout = std::nullopt);

  // The same, with a failure of the call put into the reply's `error` and
  // `detail`: one place to look.
  registry::CommandReply Do(
      registry::Operation operation,
      std::optional<raft::Duration> timeout = std::nullopt);
  registry::ReadReply Read(
      registry::ReadOperation operation,
      std::optional<raft::Duration> timeout = std::nullopt);

  // Does not wait; `done` is called once, on the client's own thread, and must
  // not block.
  void Start(registry::CallBody body, AsyncClient::Done done,
             std::optional<raft::Duration> timeout = std::nullopt);

  // 0 before the session is opened and after it is lost or ended.
  registry::SessionId session() const;
  // Whether the caller may still act on names that the session holds: its
  // lease, counted from sending the last keep-alive that was answered, has not
  // run out by this machine's clock. Always true for a permanent session that
  // is open. False is certain to come before another can get the names.
  bool SessionAlive() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace net

#endif  // NET_CLIENT_H_
