// ClientLink: bytes <-> client events and effects. Owns a Client, dials over a
// Transport, says Hello first, frames requests and decodes responses. Linked
// into the simulator's workload and the TCP client library alike; no clock,
// thread or socket inside.
#ifndef REGISTRY_CLIENT_LINK_H_
#define REGISTRY_CLIENT_LINK_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/btree_map.h"
#include "raft/frame.h"
#include "raft/types.h"
#include "registry/client.h"
#include "registry/ports.h"

namespace registry {

// One loop turn of the host: OnTime first, then everything that arrived
// (OnOpened/OnBytes/OnClosed) and new calls, then OnTurnEnd. All on one thread.
//
//   ClientLink link(options, &transport, now);
//   link.SetCompletion([](CallId call, const CallResult& result) { ... });
//   link.Call(CallId(1), Lookup{"services", "ssh"});
//   link.OnTurnEnd();
class ClientLink : public TransportHandler {
 public:
  using Completion = std::function<void(CallId, const CallResult&)>;
  using SessionChanged = std::function<void(SessionId)>;

  // `transport` outlives the link. Its handler calls for connections that are
  // not this link's are ignored, so several links may share a transport whose
  // host sends every call to every link (or, better, asks Owns()).
  ClientLink(ClientOptions options, Transport* transport, raft::Time now);
  ClientLink(const ClientLink&) = delete;
  ClientLink& operator=(const ClientLink&) = delete;
  // Closes what is open; unfinished calls are not completed.
  ~ClientLink() override;

  // Each is called from OnTurnEnd only, may call Call(), and must not destroy
  // the link. Set them before the first turn.
  void SetCompletion(Completion completion);
  void SetSessionOpened(SessionChanged opened);
  void SetSessionLost(SessionChanged lost);

  // Starts a call; its completion comes once, from a later part of this turn or
  // from a later turn. `deadline` is absolute.
  void Call(CallId call, CallBody body,
            std::optional<raft::Time> deadline = std::nullopt);
  // Answers every unfinished call and closes (client.h, CloseClient).
  void Close();

  void OnTime(raft::Time now);
  void OnAccepted(ConnectionId connection, Listener listener) override;
  void OnOpened(ConnectionId connection) override;
  void OnBytes(ConnectionId connection, std::string_view bytes) override;
  void OnClosed(ConnectionId connection) override;
  // Calls completions and hands each connection at most one batch of frames.
  void OnTurnEnd();
  raft::Time NextDeadline() const;

  bool Owns(ConnectionId connection) const;
  const Client& client() const { return client_; }
  // For checkers: called after each Client::Step.
  using Observer =
      std::function<void(const ClientEvent&, const ClientEffects&)>;
  void SetObserver(Observer observer);

 private:
  struct Connection;

  void Step(const ClientEvent& event);
  void Perform(ClientEffect* effect);
  void Dial(const OpenLink& open);
  void Hang(LinkId link);
  bool OnFrame(Connection* connection, const raft::Frame& frame);
  bool OnHello(Connection* connection, std::string_view payload);
  // The member is not worth talking to: as if it had closed.
  void Refuse(ConnectionId id);
  void Notify(const ClientEffect& notice);

  Client client_;
  Transport* const transport_;
  raft::Time now_;
  // Of the first member that said hello. Members of another cluster among the
  // endpoints are refused: a session's number means nothing, or worse,
  // something, there.
  raft::ClusterId cluster_;
  absl::btree_map<ConnectionId, std::unique_ptr<Connection>> connections_;
  absl::btree_map<LinkId, ConnectionId> links_;
  // CallDone, SessionOpened and SessionLost, until OnTurnEnd.
  ClientEffects notices_;
  Completion completion_;
  SessionChanged opened_;
  SessionChanged lost_;
  Observer observer_;
};

}  // namespace registry

#endif  // REGISTRY_CLIENT_LINK_H_
