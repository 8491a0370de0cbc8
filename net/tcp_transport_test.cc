#include "net/tcp_transport.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "net/address.h"

namespace net {
namespace {

using raft::Time;
using registry::ConnectionId;
using registry::Listener;

// Records what it is told; a test hangs its reactions into the hooks.
class Recorder : public TurnHandler {
 public:
  void OnTime(Time now) override {
    EXPECT_FALSE(inside_call_);
    EXPECT_LE(now_, now);
    now_ = now;
    in_turn_ = true;
    ++turns_;
  }
  void OnAccepted(ConnectionId id, Listener listener) override {
    CheckInTurn();
    EXPECT_TRUE(known_.insert(id.value()).second) << "an id came twice";
    accepted_.push_back(id);
    listeners_.push_back(listener);
    if (on_accepted) on_accepted(id);
  }
  void OnOpened(ConnectionId id) override {
    CheckInTurn();
    opened_.push_back(id);
    if (on_opened) on_opened(id);
  }
  void OnBytes(ConnectionId id, std::string_view bytes) override {
    CheckInTurn();
    EXPECT_FALSE(closed_.contains(id.value())) << "bytes after the end";
    EXPECT_FALSE(bytes.empty());
    received_[id.value()] += bytes;
    largest_ = std::max(largest_, bytes.size());
    if (on_bytes) on_bytes(id, bytes);
  }
  void OnClosed(ConnectionId id) override {
    CheckInTurn();
    EXPECT_TRUE(closed_.insert(id.value()).second) << "closed twice";
    if (on_closed) on_closed(id);
  }
  void OnTurnEnd() override {
    CheckInTurn();
    in_turn_ = false;
    if (on_turn_end) on_turn_end();
  }
  Time NextDeadline() const override { return deadline; }

  // Calls of the transport wrap themselves in this: nothing may come back
  // from inside of them.
  template <typename Call>
  auto NotReentered(const Call& call) {
    inside_call_ = true;
    auto result = call();
    inside_call_ = false;
    return result;
  }

  std::function<void(ConnectionId)> on_accepted, on_opened, on_closed;
  std::function<void(ConnectionId, std::string_view)> on_bytes;
  std::function<void()> on_turn_end;
  Time deadline = Time::Never();

  std::vector<ConnectionId> accepted_, opened_;
  std::vector<Listener> listeners_;
  std::map<uint64_t, std::string> received_;
  std::set<uint64_t> closed_, known_;
  Time now_;
  size_t largest_ = 0;
  int turns_ = 0;

 private:
  void CheckInTurn() {
    EXPECT_TRUE(in_turn_) << "came before OnTime";
    EXPECT_FALSE(inside_call_) << "came from inside a call";
  }
  bool in_turn_ = false;
  bool inside_call_ = false;
};

// A blocking socket of the test itself, for what no transport would do.
class RawSocket {
 public:
  explicit RawSocket(const std::string& address)
      : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    const absl::StatusOr<Address> parsed = ParseAddress(address);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(parsed->port);
    inet_pton(AF_INET, parsed->host.c_str(), &to.sin_addr);
    connected_ =
        connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof(to)) == 0;
  }
  ~RawSocket() { close(fd_); }
  bool connected() const { return connected_; }
  void Write(std::string_view bytes) {
    ASSERT_EQ(send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  std::string Read(size_t size) {
    std::string bytes(size, '\0');
    size_t filled = 0;
    while (filled < size) {
      const ssize_t n = recv(fd_, bytes.data() + filled, size - filled, 0);
      if (n <= 0) break;
      filled += static_cast<size_t>(n);
    }
    bytes.resize(filled);
    return bytes;
  }
  // The other side finds a reset, not an orderly end.
  void Reset() {
    const linger hard{.l_onoff = 1, .l_linger = 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
  bool connected_ = false;
};

// Text in which a lost, doubled or swapped byte shows.
std::string Pattern(size_t size) {
  std::string text(size, '\0');
  uint32_t state = 12345;
  for (char& c : text) {
    state = state * 1664525 + 1013904223;
    c = static_cast<char>(state >> 24);
  }
  return text;
}

class TcpTransportTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto address =
        server_transport_.Bind("127.0.0.1:0", Listener::kClient);
    ASSERT_TRUE(address.ok()) << address.status();
    address_ = *address;
    ASSERT_TRUE(server_transport_.Start(&server_).ok());
    ASSERT_TRUE(client_transport_.Start(&client_).ok());
  }
  ConnectionId Dial(const std::string& address) {
    return client_.NotReentered(
        [&] { return client_transport_.Connect(address); });
  }
  ConnectionId DialAndOpen() {
    const ConnectionId id = Dial(address_);
    const size_t accepted = server_.accepted_.size() + 1;
    const size_t opened = client_.opened_.size() + 1;
    loop_.RunUntil([&] {
      return server_.accepted_.size() >= accepted &&
             client_.opened_.size() >= opened;
    });
    return id;
  }
  size_t ServerSend(ConnectionId id, std::string bytes) {
    return server_.NotReentered(
        [&] { return server_transport_.Send(id, std::move(bytes)); });
  }
  void ServerEchoes() {
    server_.on_bytes = [this](ConnectionId id, std::string_view bytes) {
      ServerSend(id, std::string(bytes));
    };
  }

  EventLoop loop_;
  Recorder server_, client_;
  TcpTransport server_transport_{&loop_};
  TcpTransport client_transport_{&loop_};
  std::string address_;
};

TEST_F(TcpTransportTest, CarriesBytesBothWays) {
  ServerEchoes();
  const ConnectionId id = DialAndOpen();
  EXPECT_EQ(server_.listeners_.back(), Listener::kClient);
  EXPECT_EQ(client_transport_.Send(id, "hello"), 5u);
  EXPECT_EQ(client_transport_.Send(id, " there"), 11u);
  loop_.RunUntil([&] { return client_.received_[id.value()].size() == 11; });
  EXPECT_EQ(client_.received_[id.value()], "hello there");
  // Both sends of one turn left in one write.
  EXPECT_EQ(client_transport_.counters().writes, 1u);
}

TEST_F(TcpTransportTest, ANameIsResolved) {
  const std::string port = address_.substr(address_.rfind(':'));
  // The resolver's business (no address of four numbers), and resolved on a
  // bare system too, which has no /etc/hosts to find "localhost" in.
  Dial("127.1" + port);
  loop_.RunUntil(
      [&] { return !client_.opened_.empty() || !client_.closed_.empty(); });
  EXPECT_EQ(client_.opened_.size(), 1u);
}

TEST_F(TcpTransportTest, ARefusedDialIsClosedOnceAndFromTheLoop) {
  // Bound and not listening: nobody else can take the port meanwhile.
  TcpTransport silent(&loop_);
  const auto nobody = silent.Bind("127.0.0.1:0", Listener::kPeer);
  ASSERT_TRUE(nobody.ok());
  const ConnectionId refused = Dial(*nobody);
  const ConnectionId malformed = Dial("no port here");
  EXPECT_NE(refused, malformed);
  EXPECT_TRUE(client_.closed_.empty());
  EXPECT_EQ(client_transport_.Send(refused, "too early"), 0u);
  loop_.RunUntil([&] { return client_.closed_.size() == 2; });
  EXPECT_TRUE(client_.opened_.empty());
  EXPECT_EQ(client_transport_.counters().dial_failed, 2u);
  EXPECT_EQ(client_transport_.Send(refused, "too late"), 0u);
}

TEST_F(TcpTransportTest, CloseIsTheEndForTheCloserAndReportedToTheOther) {
  const ConnectionId id = DialAndOpen();
  client_transport_.Close(id);
  client_transport_.Close(id);
  EXPECT_EQ(client_transport_.Send(id, "gone"), 0u);
  const ConnectionId accepted = server_.accepted_.back();
  loop_.RunUntil([&] { return server_.closed_.contains(accepted.value()); });
  EXPECT_FALSE(client_.closed_.contains(id.value()));
}

TEST_F(TcpTransportTest, CloseInsideOnBytesStopsTheStreamThere) {
  const ConnectionId id = DialAndOpen();
  server_.on_bytes = [this](ConnectionId from, std::string_view) {
    server_transport_.Close(from);
  };
  client_transport_.Send(id, Pattern(4 << 20));
  loop_.RunUntil([&] { return client_.closed_.contains(id.value()); });
  EXPECT_EQ(client_transport_.Send(id, "gone"), 0u);
  const ConnectionId accepted = server_.accepted_.back();
  EXPECT_FALSE(server_.closed_.contains(accepted.value()));
  EXPECT_LE(server_.received_[accepted.value()].size(), size_t{256} << 10);
}

TEST_F(TcpTransportTest, BytesBeforeTheEndAreDelivered) {
  RawSocket raw(address_);
  raw.Write("last words");
  raw.Reset();
  loop_.RunUntil([&] { return server_.closed_.size() == 1; });
  // A reset may overtake the bytes; what came, came before OnClosed (Recorder
  // checks) and was not made up.
  const std::string got = server_.received_[server_.accepted_[0].value()];
  EXPECT_TRUE(got.empty() || got == "last words") << got;
}

TEST_F(TcpTransportTest, AReaderThatStallsFillsTheQueueAndLosesNothing) {
  RawSocket raw(address_);
  loop_.RunUntil([&] { return !server_.accepted_.empty(); });
  const ConnectionId id = server_.accepted_[0];
  const std::string sent = Pattern(24 << 20);
  size_t queued = 0, offset = 0;
  // The kernel takes some megabytes; then the queue is the caller's to bound.
  while (queued < (size_t{8} << 20)) {
    ASSERT_LT(offset, sent.size());
    queued = ServerSend(id, sent.substr(offset, 64 << 10));
    offset += 64 << 10;
    loop_.Turn(Now());
  }
  std::string got;
  std::thread reader([&] { got = raw.Read(offset); });
  while (queued > 0) {
    loop_.Turn(Now() + raft::Millis(10));
    queued = server_transport_.Send(id, "");
  }
  reader.join();
  EXPECT_EQ(got.size(), offset);
  EXPECT_TRUE(got == sent.substr(0, offset)) << "the stream was damaged";
}

TEST_F(TcpTransportTest, MuchDataInBothDirectionsAtOnce) {
  ServerEchoes();
  const ConnectionId id = DialAndOpen();
  const std::string sent = Pattern(32 << 20);
  client_transport_.Send(id, sent);
  loop_.RunUntil(
      [&] { return client_.received_[id.value()].size() >= sent.size(); });
  EXPECT_TRUE(client_.received_[id.value()] == sent);
  EXPECT_LE(server_.largest_, size_t{256} << 10);
}

TEST_F(TcpTransportTest, ManyConnectionsKeepTheirStreamsApart) {
  constexpr size_t kConnections = 300;
  constexpr size_t kMessages = 20;
  ServerEchoes();
  client_.on_opened = [this](ConnectionId id) {
    client_transport_.Send(id, std::to_string(id.value()) + ";");
  };
  size_t finished = 0;
  std::map<uint64_t, size_t> rounds;
  client_.on_bytes = [&](ConnectionId id, std::string_view bytes) {
    if (bytes.back() != ';') return;  // half a message
    if (++rounds[id.value()] == kMessages) {
      ++finished;
    } else {
      client_transport_.Send(id, std::to_string(id.value()) + ";");
    }
  };
  for (size_t i = 0; i < kConnections; ++i) Dial(address_);
  loop_.RunUntil([&] { return finished == kConnections; });
  for (const auto& [id, received] : client_.received_) {
    std::string expected;
    for (size_t i = 0; i < kMessages; ++i) expected += std::to_string(id) + ";";
    EXPECT_EQ(received, expected);
  }
}

TEST_F(TcpTransportTest, AFloodDoesNotStarveAQuietConnection) {
  RawSocket flood(address_);
  RawSocket quiet(address_);
  loop_.RunUntil([&] { return server_.accepted_.size() == 2; });
  std::string big = Pattern(6 << 20);
  std::thread flooder([&] { flood.Write(big); });
  // Wait until the flood is on, then say one word.
  loop_.RunUntil([&] { return server_.largest_ >= 4096; });
  quiet.Write("x");
  const uint64_t quiet_id = server_.accepted_[1].value();
  const int before = server_.turns_;
  loop_.RunUntil([&] { return !server_.received_[quiet_id].empty(); });
  EXPECT_LE(server_.turns_ - before, 3);
  loop_.RunUntil([&] {
    return server_.received_[server_.accepted_[0].value()].size() == big.size();
  });
  flooder.join();
}

TEST_F(TcpTransportTest, TheTurnsTimeIsReadAfterItsBytes) {
  RawSocket raw(address_);
  loop_.RunUntil([&] { return !server_.accepted_.empty(); });
  std::vector<Time> written, heard;
  server_.on_bytes = [&](ConnectionId, std::string_view) {
    heard.push_back(server_.now_);
  };
  for (size_t i = 0; i < 50; ++i) {
    raw.Write("x");
    written.push_back(Now());
    loop_.RunUntil([&] { return heard.size() == i + 1; });
    EXPECT_LE(written[i], heard[i]);
  }
}

TEST_F(TcpTransportTest, AcceptedConnectionsAreBoundedDoorByDoor) {
  Recorder handler;
  TcpTransport bounded(&loop_, {.accepted_clients_max = 2});
  const auto clients = bounded.Bind("127.0.0.1:0", Listener::kClient);
  const auto peers = bounded.Bind("127.0.0.1:0", Listener::kPeer);
  ASSERT_TRUE(clients.ok() && peers.ok());
  ASSERT_TRUE(bounded.Start(&handler).ok());
  RawSocket a(*clients), b(*clients), c(*clients);
  loop_.RunUntil([&] { return bounded.counters().accept_refused == 1; });
  EXPECT_EQ(handler.accepted_.size(), 2u);
  EXPECT_EQ(c.Read(1), "") << "the third must find its connection closed";
  RawSocket peer(*peers);
  loop_.RunUntil([&] { return handler.accepted_.size() == 3; });
  EXPECT_EQ(handler.listeners_.back(), Listener::kPeer);
  bounded.Close(handler.accepted_[0]);
  RawSocket d(*clients);
  loop_.RunUntil([&] { return handler.accepted_.size() == 4; });
}

TEST_F(TcpTransportTest, NobodyCanConnectBeforeStart) {
  Recorder handler;
  TcpTransport late(&loop_);
  const auto address = late.Bind("127.0.0.1:0", Listener::kPeer);
  ASSERT_TRUE(address.ok());
  EXPECT_FALSE(RawSocket(*address).connected());
  ASSERT_TRUE(late.Start(&handler).ok());
  EXPECT_TRUE(RawSocket(*address).connected());
}

TEST_F(TcpTransportTest, APortInUseIsNamed) {
  TcpTransport second(&loop_);
  const auto taken = second.Bind(address_, Listener::kPeer);
  EXPECT_EQ(taken.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_NE(taken.status().message().find(address_), std::string::npos);
}

TEST(EventLoop, WakesForTheEarliestDeadline) {
  EventLoop loop;
  Recorder slow, fast;
  TcpTransport slow_transport(&loop), fast_transport(&loop);
  const Time start = Now();
  slow.deadline = start + raft::Millis(60'000);
  fast.deadline = start + raft::Millis(30);
  fast.on_turn_end = [&] {
    if (fast.now_ >= fast.deadline) fast.deadline = Time::Never();
  };
  ASSERT_TRUE(slow_transport.Start(&slow).ok());
  ASSERT_TRUE(fast_transport.Start(&fast).ok());
  loop.RunUntil([&] { return fast.deadline == Time::Never(); });
  EXPECT_GE(fast.now_, start + raft::Millis(30));
  EXPECT_EQ(slow.turns_, 1) << "an idle handler took part in another's turn";
}

TEST(EventLoop, PostedWorkOfAThreadRunsInATurnInOrder) {
  EventLoop loop;
  Recorder handler;
  TcpTransport transport(&loop);
  ASSERT_TRUE(transport.Start(&handler).ok());
  std::vector<int> ran;
  std::thread poster([&] {
    for (int i = 0; i < 10'000; ++i) {
      loop.Post([&ran, i] { ran.push_back(i); });
    }
  });
  loop.RunUntil([&] { return ran.size() == 10'000; });
  poster.join();
  for (int i = 0; i < 10'000; ++i) ASSERT_EQ(ran[i], i);
  EXPECT_LE(handler.turns_, 10'001);
}

TEST(EventLoop, StopFromAnotherThreadEndsRun) {
  EventLoop loop;
  std::thread stopper([&] { loop.Stop(); });
  loop.Run();
  stopper.join();
  EXPECT_TRUE(loop.stopped());
}

TEST(Address, ReadsHostAndPort) {
  EXPECT_EQ(ParseAddress("127.0.0.1:7101").value(),
            (Address{"127.0.0.1", 7101}));
  EXPECT_EQ(ParseAddress("[::1]:0").value(), (Address{"::1", 0}));
  EXPECT_EQ(ToString(Address{"::1", 7101}), "[::1]:7101");
  for (const char* wrong : {"", "host", ":1", "host:", "host:x", "host:65536",
                            "host:-1", "::1:80", "host:1 "}) {
    const auto parsed = ParseAddress(wrong);
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument)
        << wrong;
  }
}

}  // namespace
}  // namespace net
