// Who is connected: dialling and back-off, hello, peer identity.
#include <algorithm>
#include <utility>

#include "raft/check.h"
#include "raft/digest.h"
#include "registry/replica.h"

namespace registry {
namespace {

constexpr ConnectionId kNoConnection{};

}  // namespace

// ---------------------------------------------------------------- dialling

void Replica::DialDue() {
  for (Peer& peer : peers_) {
    if (peer.dialled == kNoConnection && peer.dial_at <= now_) Dial(&peer);
  }
}

// A network that loses what it carries loses dials and hellos too. When it is
// whole again, the members must reach each other within the time in which they
// ought to elect a leader:
//   n2 -> n3: dial, lost    the network heals    n2 waits 2 s for n3's hello
//   n3 waits as long for n2; both are alone, and n1 was the only other
raft::Duration Replica::PeerPatience() const {
  return raft::Duration(2 * options_.election.value());
}

raft::Duration Replica::DialBackoffMax() const {
  return std::max(std::min(options_.dial_backoff_max, PeerPatience()),
                  options_.dial_backoff_min);
}

void Replica::Dial(Peer* peer) {
  ++counters_.peer_dials;
  const ConnectionId id = ports_.transport->Connect(peer->member.peer_address);
  if (trace_) trace_->Connected(id);
  peer->dialled = id;
  AddConnection(id, Door::kDialled)->peer = peer;
}

// At once after a connection; then with doubling pauses, each shortened by up
// to a half, by hash, so that two nodes that lost each other do not stay in
// step. Dials to nobody and connections that did not last are counted apart: a
// peer that was long away and is back must not be kept waiting for its absence,
// when its first connection breaks after half a second (a leader would be
// lost).
void Replica::ScheduleDial(Peer* peer) {
  const uint32_t failures = peer->failures++;
  if (failures == 0) {
    peer->dial_at = now_;
    return;
  }
  const int64_t longest =
      std::min(options_.dial_backoff_min.value() << std::min(failures - 1, 20u),
               DialBackoffMax().value());
  const uint64_t hash =
      raft::Mix(options_.seed, options_.boot, identity_.node.slot,
                peer->member.node.slot, failures);
  const int64_t less =
      static_cast<int64_t>(hash % (static_cast<uint64_t>(longest) / 2 + 1));
  peer->dial_at = now_ + raft::Duration(longest - less);
}

Replica::Connection* Replica::AddConnection(ConnectionId id, Door door) {
  CHECK_NE(id, kNoConnection);
  const auto [position, added] = connections_.try_emplace(id);
  CHECK(added);
  Connection* connection = &position->second;
  connection->door = door;
  const raft::Duration patience =
      door == Door::kDialled ? std::min(options_.handshake, PeerPatience())
                             : options_.handshake;
  SetDeadline(id, connection, now_ + patience);
  return connection;
}

void Replica::SetDeadline(ConnectionId id, Connection* connection,
                          raft::Time deadline) {
  if (connection->deadline == deadline) return;
  deadlines_.erase({connection->deadline, id});
  connection->deadline = deadline;
  if (deadline != raft::Time::Never()) deadlines_.emplace(deadline, id);
}

void Replica::ExpireConnections() {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now_) {
    const ConnectionId id = deadlines_.begin()->second;
    if (connections_.at(id).greeted) {
      Refuse(id, raft::FrameError::kStalled);
    } else {
      ++counters_.handshakes_timed_out;
      Drop(id);
    }
  }
}

// ----------------------------------------------------- the transport's calls

void Replica::OnAccepted(ConnectionId connection, Listener listener) {
  if (halted()) return;
  if (trace_) trace_->Accepted(connection, listener);
  if (listener == Listener::kClient) ++counters_.clients_accepted;
  AddConnection(connection, listener == Listener::kPeer ? Door::kAcceptedPeer
                                                        : Door::kClient);
}

void Replica::OnOpened(ConnectionId connection) {
  if (halted()) return;
  if (trace_) trace_->Opened(connection);
  const auto found = connections_.find(connection);
  if (found != connections_.end()) QueueHello(connection, &found->second);
}

void Replica::OnClosed(ConnectionId connection) {
  if (halted()) return;
  if (trace_) trace_->Closed(connection);
  Lost(connection);
}

// Closes a connection ourselves.
void Replica::Drop(ConnectionId id) {
  ports_.transport->Close(id);
  Lost(id);
}

// A connection is gone, from whichever side. The node is told of a peer's only
// if it was the newest of its direction: an old half-open one that dies late
// says nothing about the peer that has long been back.
void Replica::Lost(ConnectionId id) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  const Door door = found->second.door;
  const bool greeted = found->second.greeted;
  Peer* peer = found->second.peer;
  SetDeadline(id, &found->second, raft::Time::Never());
  connections_.erase(found);
  if (door == Door::kClient) {
    if (greeted) Step(ClientClosed{id});
  } else if (door == Door::kDialled) {
    CHECK_EQ(peer->dialled, id);
    peer->dialled = kNoConnection;
    peer->ready = false;
    if (greeted) {
      const bool lasted = now_ - peer->ready_since >= DialBackoffMax();
      peer->failures = lasted ? 0 : peer->short_lives;
      peer->short_lives = lasted ? 0 : peer->short_lives + 1;
    }
    ScheduleDial(peer);
    if (greeted) Step(raft::PeerClosed{peer->member.node});
  } else if (peer != nullptr && peer->accepted == id) {
    peer->accepted = kNoConnection;
    Step(raft::PeerClosed{peer->member.node});
  }
}

// ------------------------------------------------------------------- hello

void Replica::QueueHello(ConnectionId id, Connection* connection) {
  const raft::Hello hello{.cluster = identity_.cluster,
                          .node = identity_.node,
                          .boot = options_.boot};
  const size_t begin = raft::BeginFrame(&connection->out);
  raft::EncodeHello(hello, &connection->out);
  raft::EndFrame(begin, raft::FrameType::kHello, &connection->out);
  FrameQueued(id, connection);
}

void Replica::OnHello(ConnectionId id, Connection* connection,
                      std::string_view payload) {
  raft::Hello hello;
  raft::FrameError error = raft::DecodeHello(payload, &hello);
  if (error == raft::FrameError::kNone) error = CheckHello(*connection, hello);
  if (error != raft::FrameError::kNone) {
    Refuse(id, error);
    return;
  }
  SetDeadline(id, connection, raft::Time::Never());
  connection->greeted = true;
  connection->decoder.set_frame_bytes_max(raft::kFrameBytesMax);
  if (connection->door != Door::kDialled) QueueHello(id, connection);
  if (connection->door != Door::kClient) PeerGreeted(id, connection, hello);
}

// A peer must be a member in exactly the incarnation that the members table
// names: a wiped disk that came back under its old slot has forgotten votes.
raft::FrameError Replica::CheckHello(const Connection& connection,
                                     const raft::Hello& hello) {
  const bool from_client = connection.door == Door::kClient;
  const bool any_cluster = from_client && hello.cluster == raft::ClusterId(0);
  if (!any_cluster && hello.cluster != identity_.cluster) {
    return raft::FrameError::kCluster;
  }
  bool right = false;
  switch (connection.door) {
    case Door::kDialled:
      right = hello.node == connection.peer->member.node;
      break;
    case Door::kAcceptedPeer:
      right = FindPeer(hello.node) != nullptr;
      break;
    case Door::kClient:
      right = !hello.node.valid();
      break;
  }
  return right ? raft::FrameError::kNone : raft::FrameError::kWrongNode;
}

void Replica::PeerGreeted(ConnectionId id, Connection* connection,
                          const raft::Hello& hello) {
  if (connection->door == Door::kDialled) {
    ++counters_.peer_connects;
    connection->peer->ready = true;
    connection->peer->ready_since = now_;
    connection->peer->boot = hello.boot;
    return;
  }
  Peer* peer = FindPeer(hello.node);
  connection->peer = peer;
  const ConnectionId older = std::exchange(peer->accepted, id);
  if (older != kNoConnection) Drop(older);
  // The peer lives, so it is worth dialling now. And if it is another life than
  // the one we are connected to, that connection leads nowhere: after a power
  // cut nobody is there to refuse our bytes, and TCP may retry for minutes. A
  // dial that was not answered yet may lead to the old life as well:
  //   n1 -> n3: hello    n3 loses power before it answers    n3 boots, dials n1
  // It is given up when the peer's new life first speaks, and only then: two
  // nodes that greet each other while both dial must not hang up on each other
  // for ever.
  const bool new_life =
      std::exchange(peer->accepted_boot, hello.boot) != hello.boot;
  if (peer->dialled == kNoConnection) {
    peer->dial_at = now_;
  } else if (peer->ready ? peer->boot != hello.boot : new_life) {
    Drop(peer->dialled);
    peer->dial_at = now_;
  }
}

Replica::Peer* Replica::FindPeer(raft::NodeId node) {
  for (Peer& peer : peers_) {
    if (peer.member.node == node) return &peer;
  }
  return nullptr;
}

}  // namespace registry
