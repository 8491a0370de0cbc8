// Server: one member of a cluster on real sockets, disks and time. Glue only:
// everything that decides is in registry::Replica.
#ifndef NET_SERVER_H_
#define NET_SERVER_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "raft/types.h"
#include "registry/replica.h"

namespace net {

struct ServerOptions {
  // `boot` is drawn by Start. In `members`, port 0 in this node's own addresses
  // is replaced by the port that was taken.
  registry::ReplicaOptions replica;
  raft::NodeId self;  // one of replica.members
  // Where to listen; empty: the member's own address.
  std::string peer_listen;
  std::string client_listen;
  std::string record_dir;  // write a node trace there; empty: none
};

class Server {
 public:
  // Takes the ports, recovers the data directory (blocking), and opens the
  // listeners: nobody can connect to a node that cannot serve. Errors are those
  // of TcpTransport::Bind and Replica::Boot; FailedPrecondition also when the
  // directory is of another node than `self`.
  static absl::StatusOr<std::unique_ptr<Server>> Start(
      const ServerOptions& options);
  ~Server();

  // The addresses taken, with the real ports.
  const std::string& peer_address() const;
  const std::string& client_address() const;
  // As last applied on the loop's thread; for use before Run and after it.
  const registry::Replica& replica() const;

  // Serves until Stop or one of the signals of StopOnSignals, then finishes the
  // disk jobs at hand, sends what is due for them and closes: OK. Returns the
  // reason when a failing disk halted the node.
  absl::Status Run();

  // A node that leads hands over first, and serves until another leads: for two
  // election timeouts at most. A second call does not wait for that.
  void Stop();  // any thread
  // Writes out what the trace holds back. Loop's thread, or a dying process.
  void FlushTrace();
  // SIGTERM and SIGINT. Also makes the process ignore SIGPIPE.
  void StopOnSignals();

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace net

#endif  // NET_SERVER_H_
