#include "registry/client_link.h"

#include <type_traits>
#include <utility>

#include "raft/check.h"
#include "raft/codec.h"
#include "registry/protocol_codec.h"

namespace registry {

struct ClientLink::Connection {
  ConnectionId id;
  LinkId link;
  bool hello_received = false;
  raft::FrameDecoder decoder{raft::kHelloFrameBytesMax};
  std::string out;  // frames of this turn
};

ClientLink::ClientLink(ClientOptions options, Transport* transport,
                       raft::Time now)
    : client_(std::move(options), now), transport_(transport), now_(now) {}

ClientLink::~ClientLink() {
  for (const auto& [id, connection] : connections_) transport_->Close(id);
}

void ClientLink::SetCompletion(Completion completion) {
  completion_ = std::move(completion);
}
void ClientLink::SetSessionOpened(SessionChanged opened) {
  opened_ = std::move(opened);
}
void ClientLink::SetSessionLost(SessionChanged lost) {
  lost_ = std::move(lost);
}
void ClientLink::SetObserver(Observer observer) {
  observer_ = std::move(observer);
}

void ClientLink::Call(CallId call, CallBody body,
                      std::optional<raft::Time> deadline) {
  Step(StartCall{call, std::move(body), deadline});
}

void ClientLink::Close() { Step(CloseClient{}); }

void ClientLink::OnTime(raft::Time now) {
  now_ = now;
  Step(raft::Tick{now});
}

bool ClientLink::Owns(ConnectionId connection) const {
  return connections_.contains(connection);
}

// ------------------------------------------------------------- transport

void ClientLink::OnAccepted(ConnectionId, Listener) {}  // listens nowhere

// Hello goes first, and requests wait for the member's: see `cluster_`.
void ClientLink::OnOpened(ConnectionId id) {
  const auto it = connections_.find(id);
  if (it == connections_.end()) return;
  raft::Hello hello;
  hello.cluster = cluster_;
  hello.boot = client_.options().seed;
  std::string payload;
  raft::EncodeHello(hello, &payload);
  raft::AppendFrame(raft::FrameType::kHello, payload, &it->second->out);
}

void ClientLink::OnBytes(ConnectionId id, std::string_view bytes) {
  const auto it = connections_.find(id);
  if (it == connections_.end()) return;
  Connection* connection = it->second.get();
  connection->decoder.Feed(bytes);
  while (true) {
    raft::Frame frame;
    const auto result = connection->decoder.Next(&frame);
    if (result == raft::FrameDecoder::Result::kNeedMore) return;
    if (result == raft::FrameDecoder::Result::kBad ||
        !OnFrame(connection, frame)) {
      Refuse(id);
      return;
    }
    if (!connections_.contains(id)) return;  // the client left this member
  }
}

bool ClientLink::OnFrame(Connection* connection, const raft::Frame& frame) {
  if (!connection->hello_received) {
    return frame.type == raft::FrameType::kHello &&
           OnHello(connection, frame.payload);
  }
  if (frame.type != raft::FrameType::kClientResponse) return false;
  ResponseReceived received{.link = connection->link};
  if (!DecodeClientResponse(frame.payload, &received.response)) return false;
  Step(received);
  return true;
}

bool ClientLink::OnHello(Connection* connection, std::string_view payload) {
  raft::Hello hello;
  if (raft::DecodeHello(payload, &hello) != raft::FrameError::kNone) {
    return false;
  }
  if (cluster_ == raft::ClusterId()) cluster_ = hello.cluster;
  if (hello.cluster != cluster_) return false;
  connection->hello_received = true;
  connection->decoder.set_frame_bytes_max(raft::kFrameBytesMax);
  Step(LinkOpened{connection->link});
  return true;
}

void ClientLink::Refuse(ConnectionId id) {
  transport_->Close(id);
  OnClosed(id);
}

void ClientLink::OnClosed(ConnectionId id) {
  const auto it = connections_.find(id);
  if (it == connections_.end()) return;
  const LinkId link = it->second->link;
  links_.erase(link);
  connections_.erase(it);
  Step(LinkClosed{link});
}

// --------------------------------------------------------------- effects

void ClientLink::Step(const ClientEvent& event) {
  ClientEffects effects;
  client_.Step(event, &effects);
  if (observer_) observer_(event, effects);
  for (ClientEffect& effect : effects) Perform(&effect);
}

void ClientLink::Perform(ClientEffect* effect) {
  if (const auto* send = std::get_if<SendRequest>(effect)) {
    const auto it = links_.find(send->link);
    CHECK(it != links_.end());
    std::string* out = &connections_.at(it->second)->out;
    raft::AppendFrame(raft::FrameType::kClientRequest,
                      EncodeClientRequest(send->request), out);
  } else if (const auto* open = std::get_if<OpenLink>(effect)) {
    Dial(*open);
  } else if (const auto* close = std::get_if<CloseLink>(effect)) {
    Hang(close->link);
  } else {
    notices_.push_back(std::move(*effect));
  }
}

void ClientLink::Dial(const OpenLink& open) {
  auto connection = std::make_unique<Connection>();
  connection->id = transport_->Connect(open.address);
  connection->link = open.link;
  links_.emplace(open.link, connection->id);
  const ConnectionId id = connection->id;
  connections_.emplace(id, std::move(connection));
}

void ClientLink::Hang(LinkId link) {
  const auto it = links_.find(link);
  CHECK(it != links_.end());
  transport_->Close(it->second);
  connections_.erase(it->second);
  links_.erase(it);
}

void ClientLink::Notify(const ClientEffect& notice) {
  if (const auto* done = std::get_if<CallDone>(&notice)) {
    if (completion_) completion_(done->call, done->result);
  } else if (const auto* opened = std::get_if<SessionOpened>(&notice)) {
    if (opened_) opened_(opened->session);
  } else if (const auto* lost = std::get_if<SessionLost>(&notice)) {
    if (lost_) lost_(lost->session);
  }
}

// What completions start goes out with this turn's batch. What they start and
// what fails at once waits for the next turn, so that a caller who repeats a
// refused call does not spin in here.
void ClientLink::OnTurnEnd() {
  const ClientEffects notices = std::exchange(notices_, {});
  for (const ClientEffect& notice : notices) Notify(notice);
  for (const auto& [id, connection] : connections_) {
    if (connection->out.empty()) continue;
    transport_->Send(id, std::exchange(connection->out, {}));
  }
}

raft::Time ClientLink::NextDeadline() const {
  return notices_.empty() ? client_.NextDeadline() : now_;
}

}  // namespace registry
