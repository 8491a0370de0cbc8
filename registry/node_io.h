// The events and effects of registry::Node: everything that can happen to a
// node and everything that it can do, as plain values (copyable, comparable,
// printable, hashable).
#ifndef REGISTRY_NODE_IO_H_
#define REGISTRY_NODE_IO_H_

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "raft/raft_io.h"
#include "registry/protocol.h"

namespace registry {

// One connection of this node's transport; never reused within a boot.
using ConnectionId = raft::StrongNumber<struct ConnectionIdTag>;

// A decoded request of a client.
struct ClientReceived {
  static constexpr std::string_view kName = "ClientReceived";
  ConnectionId connection;
  ClientRequest request;
  bool operator==(const ClientReceived&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("connection", connection), f("request", request);
  }
};
// Nothing can be answered on this connection any more.
struct ClientClosed {
  static constexpr std::string_view kName = "ClientClosed";
  ConnectionId connection;
  bool operator==(const ClientClosed&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("connection", connection);
  }
};

// raft::TransferLeadership: the host itself hands over before it stops. There
// is no answer to it; whether it was done, Node::raft() shows.
using Event = std::variant<raft::Tick, raft::Receive, raft::PeerClosed,
                           raft::PersistDone, ClientReceived, ClientClosed,
                           raft::Flush, raft::TransferLeadership>;

struct Reply {
  static constexpr std::string_view kName = "Reply";
  ConnectionId connection;
  ClientResponse response;
  bool operator==(const Reply&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("connection", connection), f("response", response);
  }
};

// The host's whole contract: Persists run in token order and losing one is a
// crash; a Halt is the end of the node; everything else may run whenever the
// host likes, and losing a Send or a Reply is allowed.
using Effect =
    std::variant<raft::Persist, raft::Send, Reply, raft::Probe, raft::Halt>;
using Effects = std::vector<Effect>;

}  // namespace registry

#endif  // REGISTRY_NODE_IO_H_
