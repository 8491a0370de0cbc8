// What a client and a member say to each other, as plain values. The wire form
// is registry.proto.
#ifndef REGISTRY_PROTOCOL_H_
#define REGISTRY_PROTOCOL_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "raft/bytes.h"
#include "raft/raft_io.h"
#include "registry/command.h"

namespace registry {

// A command as the client encoded it (command_codec.h): these very bytes
// become the log entry.
struct CommandRequest {
  static constexpr std::string_view kName = "CommandRequest";
  raft::Bytes command;
  bool operator==(const CommandRequest&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("command", command);
  }
};
// A linearizable read, by ReadIndex; any member answers.
struct ReadRequest {
  static constexpr std::string_view kName = "ReadRequest";
  ReadOperation operation;
  bool operator==(const ReadRequest&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("operation", operation);
  }
};
// Answered only after a leadership confirmation begun after its arrival, and
// only if the session is open at that point of the log.
struct KeepAliveRequest {
  static constexpr std::string_view kName = "KeepAliveRequest";
  SessionId session;
  bool operator==(const KeepAliveRequest&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("session", session);
  }
};
// The member's own view, answered at once; not linearizable.
struct StatusRequest {
  static constexpr std::string_view kName = "StatusRequest";
  bool operator==(const StatusRequest&) const = default;
  template <typename F>
  void Fields(F&&) const {}
};

// Hands leadership over to `to`, or, kNobody, to whom the leader thinks best.
// Answered by TransferReply once another member is known to lead; at once when
// `to` leads already. Else:
//   kNotLeader, kUnavailable  nothing was begun
//   kNotFound                 `to` is not another voter, or there is none
//   kOutcomeUnknown           begun, but nobody has taken over in time; one who
//                             was asked to may still do so
// No command is lost by it: those that the leader cannot take meanwhile are
// refused (kUnavailable) for an election timeout at most.
struct TransferRequest {
  static constexpr std::string_view kName = "TransferRequest";
  raft::NodeId to;
  bool operator==(const TransferRequest&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("to", to);
  }
};

struct ClientRequest {
  static constexpr std::string_view kName = "ClientRequest";
  uint64_t id = 0;  // echoed; chosen by the client, unique on its connection
  std::variant<CommandRequest, ReadRequest, KeepAliveRequest, StatusRequest,
               TransferRequest>
      body;
  bool operator==(const ClientRequest&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("id", id), f("body", body);
  }
};

// The detail of a kUnavailable that a request gets when too many wait.
inline constexpr std::string_view kOverloaded = "overloaded";

// kNotLeader, kUnavailable and other failures of the request itself (the
// errors of an operation are inside its own reply).
struct Failure {
  static constexpr std::string_view kName = "Failure";
  Error error = Error::kUnavailable;
  std::string detail;
  std::string leader_address;  // kNotLeader: a client address, or empty
  bool operator==(const Failure&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("error", error), f("detail", detail), f("leader_address", leader_address);
  }
};
struct KeepAliveReply {
  static constexpr std::string_view kName = "KeepAliveReply";
  Error error = Error::kOk;  // or kSessionExpired
  bool operator==(const KeepAliveReply&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("error", error);
  }
};
struct MemberStatus {
  raft::NodeId node;
  std::string peer_address;
  std::string client_address;
  bool operator==(const MemberStatus&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("node", node), f("peer_address", peer_address),
        f("client_address", client_address);
  }
};
struct StatusReply {
  static constexpr std::string_view kName = "StatusReply";
  raft::ClusterId cluster;
  raft::NodeId node;
  raft::Role role = raft::Role::kFollower;
  raft::NodeId leader;
  raft::Term term;
  raft::Index commit;
  raft::Index applied;
  raft::Index last_index;
  uint64_t state_digest_high = 0;  // of the state at `applied`
  uint64_t state_digest_low = 0;
  uint64_t sessions = 0;
  uint64_t registrations = 0;
  std::vector<MemberStatus> members;
  // Named counters since boot, sorted by name: "frames_refused.checksum",
  // "read_rounds", "syncs", "wal_records", ...
  std::vector<std::pair<std::string, uint64_t>> counters;
  bool operator==(const StatusReply&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("cluster", cluster), f("node", node), f("role", role),
        f("leader", leader), f("term", term), f("commit", commit),
        f("applied", applied), f("last_index", last_index),
        f("state_digest_high", state_digest_high),
        f("state_digest_low", state_digest_low), f("sessions", sessions),
        f("registrations", registrations), f("members", members),
        f("counters", counters);
  }
};

struct TransferReply {
  static constexpr std::string_view kName = "TransferReply";
  raft::NodeId leader;
  bool operator==(const TransferReply&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("leader", leader);
  }
};

struct ClientResponse {
  static constexpr std::string_view kName = "ClientResponse";
  uint64_t id = 0;
  std::variant<Failure, CommandReply, ReadReply, KeepAliveReply, StatusReply,
               TransferReply>
      body;
  bool operator==(const ClientResponse&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("id", id), f("body", body);
  }
};

}  // namespace registry

#endif  // REGISTRY_PROTOCOL_H_
