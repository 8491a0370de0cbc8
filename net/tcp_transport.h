// TcpTransport: registry::Transport on non-blocking TCP sockets, for one
// handler in one EventLoop. The handler owns framing, dialling and back-off;
// what is here moves bytes, in few system calls.
#ifndef NET_TCP_TRANSPORT_H_
#define NET_TCP_TRANSPORT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "net/event_loop.h"
#include "registry/ports.h"

namespace net {

struct TcpOptions {
  // Accepted connections beyond these are closed at once; each listener has its
  // own bound, so that clients, however many, cannot keep the peers out.
  size_t accepted_peers_max = 256;
  size_t accepted_clients_max = 10'000;
  // A connection delivers at most this much in one turn, so that a fast sender
  // cannot starve the others.
  size_t read_bytes_per_turn = 256 << 10;
  // A connection whose sent bytes stay unacknowledged for so long is given up
  // (TCP_USER_TIMEOUT; left alone, Linux goes on for a quarter of an hour). A
  // dialled peer connection only sends: a path that silently swallows is
  // noticed by nothing else.
  unsigned unacknowledged_ms_max = 3000;
};

// Connections that were refused or broke, since the start.
struct TcpCounters {
  uint64_t accepted = 0;
  uint64_t accept_refused = 0;  // beyond the bound
  uint64_t accept_failed = 0;   // out of descriptors, say
  uint64_t dial_failed = 0;
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
  uint64_t reads = 0;   // system calls that brought bytes
  uint64_t writes = 0;  // system calls that took bytes
};

// Used on the loop's thread; created and destroyed outside of turns. Closes
// every socket when destroyed, without telling the handler.
class TcpTransport : public registry::Transport {
 public:
  explicit TcpTransport(EventLoop* loop, const TcpOptions& options = {});
  ~TcpTransport() override;

  // Takes an address to listen on; port 0 picks a free one. Returns the address
  // taken. Nobody can connect before Start. AlreadyExists when it is in use,
  // InvalidArgument when it is none, Unknown for other failures.
  absl::StatusOr<std::string> Bind(const std::string& address,
                                   registry::Listener listener);

  // Opens the listeners and lets `handler`, which must outlive this, take part
  // in the loop's turns. Once, and before the first Connect.
  absl::Status Start(TurnHandler* handler);

  // A host that is a name is resolved first, without blocking the loop.
  registry::ConnectionId Connect(const std::string& address) override;
  size_t Send(registry::ConnectionId connection, std::string bytes) override;
  void Close(registry::ConnectionId connection) override;

  const TcpCounters& counters() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;  // shared with waits not yet answered
};

}  // namespace net

#endif  // NET_TCP_TRANSPORT_H_
