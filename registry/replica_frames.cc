// Bytes in, bytes out.
#include <algorithm>
#include <utility>

#include "raft/check.h"
#include "registry/protocol_codec.h"
#include "registry/replica.h"

namespace registry {

void Replica::OnBytes(ConnectionId id, std::string_view bytes) {
  if (halted()) return;
  if (trace_) trace_->Bytes(id, bytes);
  auto found = connections_.find(id);
  if (found == connections_.end()) return;  // closed by us meanwhile
  raft::FrameDecoder* decoder = &found->second.decoder;
  decoder->Feed(bytes);
  raft::Frame frame;
  bool ended = false;  // a frame; what is left over is another one
  while (true) {
    const raft::FrameDecoder::Result result = decoder->Next(&frame);
    if (result == raft::FrameDecoder::Result::kNeedMore) {
      WaitForRest(id, &found->second, ended);
      return;
    }
    if (result == raft::FrameDecoder::Result::kBad) {
      Refuse(id, decoder->error());
      return;
    }
    ended = true;
    ++counters_.frames_in;
    OnFrame(id, &found->second, frame);
    // A frame may have been the end of its connection.
    found = connections_.find(id);
    if (found == connections_.end() || found->second.overrun) return;
    decoder = &found->second.decoder;
  }
}

// All whole frames are taken out; the rest, if any, has a time to arrive.
void Replica::WaitForRest(ConnectionId id, Connection* connection, bool anew) {
  if (!connection->greeted) return;  // the hello's own deadline stands
  if (connection->decoder.buffered_bytes() == 0) {
    SetDeadline(id, connection, raft::Time::Never());
  } else if (anew || connection->deadline == raft::Time::Never()) {
    const raft::Duration patience =
        connection->door == Door::kClient
            ? options_.frame_timeout
            : std::min(options_.frame_timeout, PeerPatience());
    SetDeadline(id, connection, now_ + patience);
  }
}

void Replica::OnFrame(ConnectionId id, Connection* connection,
                      const raft::Frame& frame) {
  const bool is_hello = frame.type == raft::FrameType::kHello;
  if (is_hello != !connection->greeted) {
    Refuse(id, raft::FrameError::kBadHello);
  } else if (is_hello) {
    OnHello(id, connection, frame.payload);
  } else if (connection->door == Door::kAcceptedPeer &&
             frame.type == raft::FrameType::kPeer) {
    raft::Receive receive{.from = connection->peer->member.node};
    if (raft::DecodeMessage(frame.payload, &receive.message)) {
      Step(std::move(receive));
    } else {
      Refuse(id, raft::FrameError::kUndecodable);
    }
  } else if (connection->door == Door::kClient &&
             frame.type == raft::FrameType::kClientRequest) {
    ClientReceived received{.connection = id};
    if (DecodeClientRequest(frame.payload, &received.request)) {
      Step(std::move(received));
    } else {
      Refuse(id, raft::FrameError::kUndecodable);
    }
  } else {
    Refuse(id, raft::FrameError::kUnexpected);
  }
}

void Replica::Refuse(ConnectionId id, raft::FrameError error) {
  CHECK(error != raft::FrameError::kNone);
  ++counters_.frames_refused[static_cast<size_t>(error)];
  Drop(id);
}

// A message that finds no way is dropped: to Raft a lost message is nothing
// special, and holding it would only make it old.
void Replica::QueueToPeer(const raft::Send& send) {
  Peer* peer = FindPeer(send.to);
  CHECK(peer != nullptr);
  if (!peer->ready) {
    ++counters_.peer_messages_dropped;
    return;
  }
  Connection* connection = &connections_.find(peer->dialled)->second;
  if (connection->queued > options_.peer_queue_bytes_max) {
    // Has the network taken any of it since?
    connection->queued = Send(peer->dialled, "");
  }
  if (connection->queued + connection->out.size() >
      options_.peer_queue_bytes_max) {
    ++counters_.peer_messages_dropped;
    ++counters_.peer_queues_full;
    return;
  }
  const size_t begin = raft::BeginFrame(&connection->out);
  raft::EncodeMessage(send.message, &connection->out);
  raft::EndFrame(begin, raft::FrameType::kPeer, &connection->out);
  FrameQueued(peer->dialled, connection);
}

void Replica::QueueToClient(Reply* reply) {
  const auto found = connections_.find(reply->connection);
  if (found == connections_.end() || found->second.overrun) return;
  Connection* connection = &found->second;
  if (auto* status = std::get_if<StatusReply>(&reply->response.body)) {
    AddCounters(status);
  }
  std::string payload = EncodeClientResponse(reply->response);
  if (payload.size() > raft::kFramePayloadBytesMax) {
    reply->response.body = Failure{.error = Error::kTooLarge,
                                   .detail = "the answer exceeds a frame"};
    payload = EncodeClientResponse(reply->response);
  }
  raft::AppendFrame(raft::FrameType::kClientResponse, payload,
                    &connection->out);
  FrameQueued(reply->connection, connection);
  // Many small requests can ask for large answers within one turn.
  connection->overrun =
      connection->out.size() > options_.client_queue_bytes_max;
}

void Replica::FrameQueued(ConnectionId id, Connection* connection) {
  ++counters_.frames_out;
  if (connection->dirty) return;
  connection->dirty = true;
  dirty_.push_back(id);
}

size_t Replica::Send(ConnectionId id, std::string bytes) {
  const size_t queued = ports_.transport->Send(id, std::move(bytes));
  if (trace_) trace_->Queued(queued);
  return queued;
}

// One write for each connection that has something to say.
void Replica::SendQueued() {
  sending_.swap(dirty_);
  for (const ConnectionId id : sending_) {
    const auto found = connections_.find(id);
    if (found == connections_.end()) continue;
    Connection* connection = &found->second;
    connection->dirty = false;
    if (!connection->overrun) {
      connection->queued =
          Send(id, std::exchange(connection->out, std::string()));
    }
    if (connection->door == Door::kClient &&
        (connection->overrun ||
         connection->queued > options_.client_queue_bytes_max)) {
      ++counters_.clients_overrun;
      Drop(id);
    }
  }
  sending_.clear();
}

}  // namespace registry
