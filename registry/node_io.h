// The events and effects of registry::Node: everything that can happen to a
// node and everything that it can do, as plain values (copyable, comparable,
// printable, hashable).
#ifndef REGISTRY_NODE_IO_H_
#define REGISTRY_NODE_IO_H_

#include <cstdint>
#include <memory>
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

// The answer to WriteSnapshot. Failed: there was no room, and what was written
// of that snapshot is gone.
struct SnapshotWritten {
  static constexpr std::string_view kName = "SnapshotWritten";
  raft::SnapshotName snapshot;
  bool failed = false;
  bool operator==(const SnapshotWritten&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("snapshot", snapshot), f("failed", failed);
  }
};

struct LoadedState;  // node.h

// The answer to the StoreSnapshot of a last piece: the snapshot is durable, and
// this is its state, loaded where it holds nobody up. The node takes the state
// and leaves its old one in its place: so the event is stepped once, though it
// prints, digests and compares the same afterwards.
struct StateReceived {
  static constexpr std::string_view kName = "StateReceived";
  raft::SnapshotReceived received;
  uint64_t digest_high = 0;
  uint64_t digest_low = 0;
  std::shared_ptr<LoadedState> state;
  bool operator==(const StateReceived& other) const {
    return received == other.received && digest_high == other.digest_high &&
           digest_low == other.digest_low;
  }
  template <typename F>
  void Fields(F&& f) const {
    f("received", received), f("digest_high", digest_high),
        f("digest_low", digest_low);
  }
};

// raft::TransferLeadership: the host itself hands over before it stops. There
// is no answer to it; whether it was done, Node::raft() shows.
using Event =
    std::variant<raft::Tick, raft::Receive, raft::PeerClosed, raft::PersistDone,
                 ClientReceived, ClientClosed, raft::Flush,
                 raft::TransferLeadership, SnapshotWritten, raft::SnapshotRead,
                 raft::SnapshotStored, StateReceived>;

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

// The next slice of a snapshot of this node's state; answered by
// SnapshotWritten, before which no other slice comes. `end`: the last one, and
// the answer means that the snapshot is durable. A slice of another snapshot
// than the one before begins anew.
struct WriteSnapshot {
  static constexpr std::string_view kName = "WriteSnapshot";
  raft::SnapshotName snapshot;
  raft::Bytes slice;
  bool end = false;
  bool operator==(const WriteSnapshot&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("snapshot", snapshot), f("slice", slice), f("end", end);
  }
};

// The snapshot that is being written is not needed any more.
struct AbandonSnapshot {
  static constexpr std::string_view kName = "AbandonSnapshot";
  bool operator==(const AbandonSnapshot&) const = default;
  template <typename F>
  void Fields(F&&) const {}
};

// Two durable snapshots cover the log up to `through`.
struct ReleaseLog {
  static constexpr std::string_view kName = "ReleaseLog";
  raft::Index through;
  bool operator==(const ReleaseLog&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("through", through);
  }
};

// The host's whole contract: Persists run in token order and losing one is a
// crash; a Halt is the end of the node; what is about snapshots runs in order
// among itself; everything else may run whenever the host likes, and losing a
// Send, a Reply, a StoreSnapshot or a ReleaseLog is allowed.
using Effect =
    std::variant<raft::Persist, raft::Send, Reply, raft::Probe, raft::Halt,
                 WriteSnapshot, AbandonSnapshot, raft::ReadSnapshot,
                 raft::StoreSnapshot, ReleaseLog>;
using Effects = std::vector<Effect>;

}  // namespace registry

#endif  // REGISTRY_NODE_IO_H_
