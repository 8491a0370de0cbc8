#include "registry/client_link.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "raft/codec.h"
#include "raft/digest.h"
#include "registry/protocol_codec.h"

namespace registry {
namespace {

using raft::Time;

// Remembers what it is asked to do.
class FakeTransport : public Transport {
 public:
  ConnectionId Connect(const std::string& address) override {
    const ConnectionId id(dialled.size() + 1);
    dialled.push_back(address);
    return id;
  }
  size_t Send(ConnectionId connection, std::string bytes) override {
    ++sends;
    sent[connection] += bytes;
    return bytes.size();
  }
  void Close(ConnectionId connection) override { closed.push_back(connection); }

  std::vector<std::string> dialled;
  std::map<ConnectionId, std::string> sent;
  std::vector<ConnectionId> closed;
  size_t sends = 0;
};

constexpr ConnectionId kFirst{1};

ClientOptions Options() {
  ClientOptions options;
  options.endpoints = {"a:1"};
  options.nonce = "nonce-of-one-life";
  return options;
}

std::string HelloFrame(uint64_t cluster) {
  raft::Hello hello;
  hello.cluster = raft::ClusterId(cluster);
  hello.node = {1, 1};
  std::string payload;
  raft::EncodeHello(hello, &payload);
  std::string frame;
  raft::AppendFrame(raft::FrameType::kHello, payload, &frame);
  return frame;
}

std::string ResponseFrame(uint64_t id, decltype(ClientResponse::body) body) {
  std::string frame;
  raft::AppendFrame(raft::FrameType::kClientResponse,
                    EncodeClientResponse({id, std::move(body)}), &frame);
  return frame;
}

class ClientLinkTest : public testing::Test {
 protected:
  explicit ClientLinkTest(ClientOptions options = Options())
      : link(std::move(options), &transport, Time(0)) {
    link.SetCompletion([this](CallId call, const CallResult& result) {
      done.emplace_back(call, ErrorOf(result));
    });
    link.SetSessionOpened([this](SessionId id) { opened.push_back(id); });
    link.SetSessionLost([this](SessionId id) { lost.push_back(id); });
    link.OnTime(Time(0));
    link.OnTurnEnd();
  }

  // The frames that the client sent on a connection since the last look.
  std::vector<ClientRequest> Requests(ConnectionId connection,
                                      bool hello_expected = false) {
    raft::FrameDecoder decoder;
    const std::string bytes = std::exchange(transport.sent[connection], {});
    decoder.Feed(bytes);
    std::vector<ClientRequest> requests;
    raft::Frame frame;
    while (decoder.Next(&frame) == raft::FrameDecoder::Result::kFrame) {
      if (hello_expected) {
        raft::Hello hello;
        EXPECT_EQ(frame.type, raft::FrameType::kHello);
        EXPECT_EQ(raft::DecodeHello(frame.payload, &hello),
                  raft::FrameError::kNone);
        EXPECT_FALSE(hello.node.valid());
        hello_expected = false;
        continue;
      }
      EXPECT_EQ(frame.type, raft::FrameType::kClientRequest);
      EXPECT_TRUE(DecodeClientRequest(frame.payload, &requests.emplace_back()));
    }
    EXPECT_FALSE(hello_expected) << "no hello";
    EXPECT_EQ(decoder.buffered_bytes(), 0u);
    return requests;
  }

  // One byte at a time: any split is possible.
  void Deliver(ConnectionId connection, const std::string& bytes) {
    for (const char c : bytes) {
      link.OnBytes(connection, std::string_view(&c, 1));
    }
  }

  void OpenSessionNow() {
    link.OnOpened(kFirst);
    link.OnTurnEnd();
    EXPECT_TRUE(Requests(kFirst, /*hello_expected=*/true).empty());
    Deliver(kFirst, HelloFrame(5));
    link.OnTurnEnd();
    const auto requests = Requests(kFirst);
    ASSERT_EQ(requests.size(), 1u);
    Deliver(kFirst, ResponseFrame(requests[0].id,
                                  CommandReply{.session = SessionId(9)}));
    EXPECT_TRUE(opened.empty());  // only at the turn's end
    link.OnTurnEnd();
    ASSERT_EQ(opened, std::vector<SessionId>{SessionId(9)});
  }

  FakeTransport transport;
  ClientLink link;
  std::vector<std::pair<CallId, Error>> done;
  std::vector<SessionId> opened;
  std::vector<SessionId> lost;
};

TEST_F(ClientLinkTest, SaysHelloAndWaitsForTheMembers) {
  EXPECT_EQ(transport.dialled, std::vector<std::string>{"a:1"});
  OpenSessionNow();
}

TEST_F(ClientLinkTest, SendsOneBatchATurn) {
  OpenSessionNow();
  const size_t before = transport.sends;
  for (uint64_t call = 1; call <= 20; ++call) {
    link.Call(CallId(call), ReadOperation(Lookup{"r", "k"}));
  }
  link.OnTurnEnd();
  EXPECT_EQ(transport.sends, before + 1);
  const auto requests = Requests(kFirst);
  ASSERT_EQ(requests.size(), 20u);
  std::string answers;
  for (const ClientRequest& request : requests) {
    answers += ResponseFrame(request.id, ReadReply{.error = Error::kNotFound});
  }
  Deliver(kFirst, answers);
  link.OnTurnEnd();
  ASSERT_EQ(done.size(), 20u);
  EXPECT_EQ(done[19], std::make_pair(CallId(20), Error::kNotFound));
}

// Calls that completions start leave with the same turn's batch.
TEST_F(ClientLinkTest, CompletionsMayCall) {
  OpenSessionNow();
  link.SetCompletion([this](CallId call, const CallResult& result) {
    done.emplace_back(call, ErrorOf(result));
    link.Call(call + 1, ReadOperation(Lookup{"r", "k"}));
  });
  link.Call(CallId(1), ReadOperation(Lookup{"r", "k"}));
  link.OnTurnEnd();
  Deliver(kFirst, ResponseFrame(Requests(kFirst).at(0).id, ReadReply{}));
  link.OnTurnEnd();
  EXPECT_EQ(done.size(), 1u);
  EXPECT_EQ(Requests(kFirst).size(), 1u);

  // After Close every call fails at once; a caller who insists gets one answer
  // a turn and does not hang the turn.
  link.Close();
  for (int turn = 0; turn < 3; ++turn) {
    link.OnTurnEnd();
    EXPECT_EQ(done.size(), 2u + turn);
    EXPECT_EQ(link.NextDeadline(), Time(0));  // and another turn, please
  }
}

TEST_F(ClientLinkTest, RefusesAMemberOfAnotherCluster) {
  OpenSessionNow();
  link.OnClosed(kFirst);
  EXPECT_FALSE(link.Owns(kFirst));
  while (transport.dialled.size() == 1) link.OnTime(link.NextDeadline());
  const ConnectionId second(2);
  link.OnOpened(second);
  Deliver(second, HelloFrame(6));
  link.OnTurnEnd();
  EXPECT_EQ(transport.closed, std::vector<ConnectionId>{second});
  EXPECT_TRUE(transport.sent[second].empty());
}

TEST_F(ClientLinkTest, ClosesOnWhatItDoesNotUnderstand) {
  std::string unknown;
  raft::AppendFrame(raft::FrameType::kPeer, "payload", &unknown);
  std::string undecodable;
  raft::AppendFrame(raft::FrameType::kClientResponse, "\xff\xff", &undecodable);
  std::string early = ResponseFrame(1, ReadReply{});
  std::string flipped = HelloFrame(5);
  flipped.back() = static_cast<char>(flipped.back() ^ 1);
  const std::vector<std::string> streams = {"HTTP/1.1 400 Bad Request\r\n\r\n",
                                            HelloFrame(5) + unknown,
                                            HelloFrame(5) + undecodable,
                                            HelloFrame(5) + HelloFrame(5),
                                            early,
                                            flipped};
  for (size_t i = 0; i < streams.size(); ++i) {
    const ConnectionId id(i + 1);
    link.OnOpened(id);
    Deliver(id, streams[i]);
    ASSERT_EQ(transport.closed.size(), i + 1) << "stream " << i;
    EXPECT_EQ(transport.closed.back(), id);
    EXPECT_FALSE(link.Owns(id));
    link.OnBytes(id, "more");  // of a connection that is no more
    while (transport.dialled.size() == i + 1) {
      link.OnTime(link.NextDeadline());
    }
  }
}

TEST_F(ClientLinkTest, DestructionClosesItsConnections) {
  {
    ClientLink other(Options(), &transport, Time(0));
    other.OnTime(Time(0));
    ASSERT_EQ(transport.dialled.size(), 2u);
  }
  EXPECT_EQ(transport.closed, std::vector<ConnectionId>{ConnectionId(2)});
}

}  // namespace
}  // namespace registry
