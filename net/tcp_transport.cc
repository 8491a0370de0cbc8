#include "net/tcp_transport.h"

#include <netinet/tcp.h>

#include <algorithm>
#include <array>
#include <asio.hpp>
#include <chrono>
#include <deque>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "net/address.h"
#include "raft/check.h"

namespace net {
namespace {

using asio::ip::tcp;
using registry::ConnectionId;
using registry::Listener;

// Asio's own integer option, for one that it does not name.
using UserTimeout =
    asio::detail::socket_option::integer<IPPROTO_TCP, TCP_USER_TIMEOUT>;

// Accepts of one listener in one turn.
constexpr int kAcceptsPerTurn = 64;
// Wait after an accept that failed for lack of descriptors: the connection
// stays in the queue, so that trying again at once would only spin.
constexpr auto kAcceptPause = std::chrono::milliseconds(100);
// Buffers that one write gathers.
constexpr size_t kGatherMax = 16;
// Small messages are copied together up to this size; larger ones keep their
// own buffer.
constexpr size_t kCoalesceBytes = 32 << 10;

absl::Status ToStatus(const asio::error_code& error, const std::string& what) {
  const std::string text = absl::StrCat(what, ": ", error.message());
  if (error == asio::error::address_in_use) {
    return absl::AlreadyExistsError(text);
  }
  return absl::UnknownError(text);
}

struct Door {
  Door(asio::io_context& io, Listener listener, size_t open_max)
      : acceptor(io), pause(io), listener(listener), open_max(open_max) {}
  tcp::acceptor acceptor;
  asio::steady_timer pause;
  const Listener listener;
  const size_t open_max;
  size_t open = 0;  // accepted here and not closed
  bool ready = false;
};

struct Connection {
  Connection(asio::io_context& io, ConnectionId id) : id(id), socket(io) {}

  const ConnectionId id;
  tcp::socket socket;
  Door* door = nullptr;  // through which it was accepted
  bool open = false;     // bytes may flow
  bool closed = false;   // the end: nothing is delivered any more
  bool in_dirty = false;
  bool waits_to_write = false;

  std::deque<std::string> output;
  size_t sent_of_front = 0;
  size_t output_bytes = 0;  // not yet taken by the kernel
};
using ConnectionPtr = std::shared_ptr<Connection>;

// Something that a turn tells the handler, in order of happening.
struct Delivery {
  enum class Kind { kAccepted, kOpened, kBytes, kClosed };
  Kind kind;
  ConnectionPtr connection;
  Listener listener = Listener::kPeer;  // kAccepted
  std::string_view bytes;               // kBytes: in the arena
};

}  // namespace

class TcpTransport::Impl : public Participant,
                           public std::enable_shared_from_this<Impl> {
 public:
  Impl(EventLoop* loop, const TcpOptions& options)
      : loop_(loop), options_(options), resolver_(loop->io()) {}

  absl::StatusOr<std::string> Bind(const std::string& text, Listener listener);
  absl::Status Start(TurnHandler* handler);
  void Shutdown();

  ConnectionId Connect(const std::string& text);
  size_t Send(ConnectionId id, std::string bytes);
  void Close(ConnectionId id);

  void Read(Arena* arena) override;
  void OnTime(raft::Time now) override;
  void Deliver() override;
  void OnTurnEnd() override { handler_->OnTurnEnd(); }
  void Write() override;
  bool HasMore() const override;
  raft::Time NextDeadline() const override { return handler_->NextDeadline(); }

  const TcpCounters& counters() const { return counters_; }

 private:
  void AcceptFrom(Door* door);
  void WaitForAccept(Door* door);
  ConnectionPtr NewConnection();
  void Dial(const ConnectionPtr& connection, const tcp::endpoint& endpoint);
  void Opened(const ConnectionPtr& connection);
  // The connection ended by itself; tells the handler in a turn.
  void Broke(const ConnectionPtr& connection);
  void Forget(Connection* connection);
  void ReadFrom(const ConnectionPtr& connection, Arena* arena);
  void WaitToRead(const ConnectionPtr& connection);
  void WriteTo(const ConnectionPtr& connection);
  void WaitToWrite(const ConnectionPtr& connection);
  void MarkDirty(const ConnectionPtr& connection);
  void Tell(Delivery delivery);
  void DeliverOne(const Delivery& delivery);

  EventLoop* const loop_;
  const TcpOptions options_;
  TurnHandler* handler_ = nullptr;
  bool in_turn_ = false;  // between OnTime and Write
  bool shut_down_ = false;
  tcp::resolver resolver_;

  std::vector<std::unique_ptr<Door>> doors_;
  uint64_t last_id_ = 0;
  absl::flat_hash_map<uint64_t, ConnectionPtr> connections_;

  std::deque<ConnectionPtr> readable_;  // the first has waited longest
  std::vector<ConnectionPtr> dirty_;    // have output to write
  std::vector<Delivery> deliveries_;
  TcpCounters counters_;
};

// ------------------------------------------------------------- listening

absl::StatusOr<std::string> TcpTransport::Impl::Bind(const std::string& text,
                                                     Listener listener) {
  const absl::StatusOr<Address> address = ParseAddress(text);
  if (!address.ok()) return address.status();
  asio::error_code error;
  const auto found = resolver_.resolve(
      address->host, std::to_string(address->port),
      tcp::resolver::passive | tcp::resolver::numeric_service, error);
  if (error) return ToStatus(error, absl::StrCat("resolve ", address->host));
  const tcp::endpoint endpoint = found.begin()->endpoint();

  auto door = std::make_unique<Door>(loop_->io(), listener,
                                     listener == Listener::kPeer
                                         ? options_.accepted_peers_max
                                         : options_.accepted_clients_max);
  door->acceptor.open(endpoint.protocol(), error);
  if (error) return ToStatus(error, absl::StrCat("socket for ", text));
  // A restarted server takes its port back at once.
  door->acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) door->acceptor.bind(endpoint, error);
  if (error) return ToStatus(error, absl::StrCat("bind ", text));
  Address taken = *address;
  taken.port = door->acceptor.local_endpoint(error).port();
  doors_.push_back(std::move(door));
  return ToString(taken);
}

absl::Status TcpTransport::Impl::Start(TurnHandler* handler) {
  CHECK(handler_ == nullptr);
  handler_ = handler;
  for (const std::unique_ptr<Door>& door : doors_) {
    asio::error_code error;
    door->acceptor.listen(asio::socket_base::max_listen_connections, error);
    if (!error) door->acceptor.non_blocking(true, error);
    if (error) return ToStatus(error, "listen");
    WaitForAccept(door.get());
  }
  loop_->Add(this);
  loop_->Activate(this);  // so that the handler hears the time
  return absl::OkStatus();
}

void TcpTransport::Impl::WaitForAccept(Door* door) {
  door->acceptor.async_wait(
      tcp::acceptor::wait_read,
      [self = shared_from_this(), door](const asio::error_code& error) {
        if (error || self->shut_down_) return;  // the door may be gone
        door->ready = true;
        self->loop_->Activate(self.get());
      });
}

void TcpTransport::Impl::AcceptFrom(Door* door) {
  door->ready = false;
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    tcp::socket socket(loop_->io());
    asio::error_code error;
    door->acceptor.accept(socket, error);
    if (error == asio::error::would_block) return WaitForAccept(door);
    if (error == asio::error::connection_aborted) continue;
    if (error) {
      ++counters_.accept_failed;
      door->pause.expires_after(kAcceptPause);
      door->pause.async_wait(
          [self = shared_from_this(), door](const asio::error_code& error) {
            if (!error && !self->shut_down_) self->WaitForAccept(door);
          });
      return;
    }
    if (door->open >= door->open_max) {
      ++counters_.accept_refused;
      continue;
    }
    ++counters_.accepted;
    const ConnectionPtr connection = NewConnection();
    connection->socket = std::move(socket);
    connection->door = door;
    ++door->open;
    Tell({.kind = Delivery::Kind::kAccepted,
          .connection = connection,
          .listener = door->listener});
    Opened(connection);
  }
  WaitForAccept(door);
}

// --------------------------------------------------------------- dialling

ConnectionPtr TcpTransport::Impl::NewConnection() {
  const ConnectionId id(++last_id_);
  auto connection = std::make_shared<Connection>(loop_->io(), id);
  connections_.emplace(id.value(), connection);
  return connection;
}

ConnectionId TcpTransport::Impl::Connect(const std::string& text) {
  CHECK(handler_ != nullptr);
  const ConnectionPtr connection = NewConnection();
  const absl::StatusOr<Address> address = ParseAddress(text);
  if (!address.ok()) {
    ++counters_.dial_failed;
    Broke(connection);
    return connection->id;
  }
  asio::error_code not_numeric;
  const auto ip = asio::ip::make_address(address->host, not_numeric);
  if (!not_numeric) {
    Dial(connection, tcp::endpoint(ip, address->port));
    return connection->id;
  }
  resolver_.async_resolve(
      address->host, std::to_string(address->port),
      tcp::resolver::numeric_service,
      [self = shared_from_this(), connection](const asio::error_code& error,
                                              const auto& found) {
        if (connection->closed) return;
        if (!error) return self->Dial(connection, found.begin()->endpoint());
        ++self->counters_.dial_failed;
        self->Broke(connection);
      });
  return connection->id;
}

void TcpTransport::Impl::Dial(const ConnectionPtr& connection,
                              const tcp::endpoint& endpoint) {
  connection->socket.async_connect(
      endpoint,
      [self = shared_from_this(), connection](const asio::error_code& error) {
        if (connection->closed) return;
        if (error) {
          ++self->counters_.dial_failed;
          return self->Broke(connection);
        }
        self->Tell({.kind = Delivery::Kind::kOpened, .connection = connection});
        self->Opened(connection);
      });
}

void TcpTransport::Impl::Opened(const ConnectionPtr& connection) {
  tcp::socket& socket = connection->socket;
  asio::error_code error;
  socket.non_blocking(true, error);
  if (!error) socket.set_option(tcp::no_delay(true), error);
  if (!error) {
    socket.set_option(
        UserTimeout(static_cast<int>(options_.unacknowledged_ms_max)), error);
  }
  // A peer whose machine died is noticed by the handler's own timers; this is
  // for clients that vanish while nobody expects anything of them.
  if (!error) socket.set_option(tcp::socket::keep_alive(true), error);
  if (error) return Broke(connection);
  connection->open = true;
  WaitToRead(connection);
}

void TcpTransport::Impl::Broke(const ConnectionPtr& connection) {
  connection->open = false;
  Tell({.kind = Delivery::Kind::kClosed, .connection = connection});
}

void TcpTransport::Impl::Tell(Delivery delivery) {
  deliveries_.push_back(std::move(delivery));
  loop_->Activate(this);
}

void TcpTransport::Impl::Forget(Connection* connection) {
  if (connection->closed) return;
  connection->closed = true;
  connection->open = false;
  connection->output.clear();
  connection->output_bytes = 0;
  if (connection->door != nullptr) --connection->door->open;
  asio::error_code ignored;
  connection->socket.close(ignored);
  connections_.erase(connection->id.value());
}

void TcpTransport::Impl::Close(ConnectionId id) {
  const auto found = connections_.find(id.value());
  if (found == connections_.end()) return;
  const ConnectionPtr keep_alive = found->second;
  Forget(keep_alive.get());
}

void TcpTransport::Impl::Shutdown() {
  shut_down_ = true;
  if (handler_ != nullptr) loop_->Remove(this);
  resolver_.cancel();
  while (!connections_.empty()) {
    const ConnectionPtr connection = connections_.begin()->second;
    Forget(connection.get());
  }
  doors_.clear();
  readable_.clear();
  dirty_.clear();
  deliveries_.clear();
}

// ---------------------------------------------------------------- reading

void TcpTransport::Impl::WaitToRead(const ConnectionPtr& connection) {
  connection->socket.async_wait(
      tcp::socket::wait_read,
      [self = shared_from_this(), connection](const asio::error_code& error) {
        if (error || !connection->open) return;
        self->readable_.push_back(connection);
        self->loop_->Activate(self.get());
      });
}

void TcpTransport::Impl::Read(Arena* arena) {
  for (const std::unique_ptr<Door>& door : doors_) {
    if (door->ready) AcceptFrom(door.get());
  }
  // Those that become readable again wait for the next turn.
  for (size_t left = readable_.size(); left > 0; --left) {
    if (arena->free_size() == 0) return;
    const ConnectionPtr connection = std::move(readable_.front());
    readable_.pop_front();
    if (connection->open) ReadFrom(connection, arena);
  }
}

void TcpTransport::Impl::ReadFrom(const ConnectionPtr& connection,
                                  Arena* arena) {
  const size_t room =
      std::min(options_.read_bytes_per_turn, arena->free_size());
  asio::error_code error;
  const size_t size = connection->socket.read_some(
      asio::buffer(arena->free_begin(), room), error);
  if (error == asio::error::would_block) return WaitToRead(connection);
  if (error) return Broke(connection);
  ++counters_.reads;
  counters_.bytes_in += size;
  Tell({.kind = Delivery::Kind::kBytes,
        .connection = connection,
        .bytes = arena->Keep(size)});
  // A short read has emptied the socket; should bytes have come since, the
  // wait reports them at once. A full one leaves the rest to the next turn.
  if (size < room) return WaitToRead(connection);
  readable_.push_back(connection);
}

void TcpTransport::Impl::OnTime(raft::Time now) {
  in_turn_ = true;
  handler_->OnTime(now);
}

void TcpTransport::Impl::Deliver() {
  // Handlers may cause new deliveries (a failed Connect): the next turn's.
  const std::vector<Delivery> deliveries = std::exchange(deliveries_, {});
  for (const Delivery& delivery : deliveries) {
    if (!delivery.connection->closed) DeliverOne(delivery);
  }
}

void TcpTransport::Impl::DeliverOne(const Delivery& delivery) {
  const ConnectionId id = delivery.connection->id;
  switch (delivery.kind) {
    case Delivery::Kind::kAccepted:
      return handler_->OnAccepted(id, delivery.listener);
    case Delivery::Kind::kOpened:
      return handler_->OnOpened(id);
    case Delivery::Kind::kBytes:
      return handler_->OnBytes(id, delivery.bytes);
    case Delivery::Kind::kClosed:
      Forget(delivery.connection.get());
      return handler_->OnClosed(id);
  }
}

// ---------------------------------------------------------------- writing

size_t TcpTransport::Impl::Send(ConnectionId id, std::string bytes) {
  const auto found = connections_.find(id.value());
  if (found == connections_.end() || !found->second->open) return 0;
  const ConnectionPtr& connection = found->second;
  if (bytes.empty()) return connection->output_bytes;
  connection->output_bytes += bytes.size();
  std::deque<std::string>& output = connection->output;
  if (!output.empty() &&
      output.back().size() + bytes.size() <= kCoalesceBytes) {
    output.back() += bytes;
  } else {
    output.push_back(std::move(bytes));
  }
  MarkDirty(connection);
  return connection->output_bytes;
}

void TcpTransport::Impl::MarkDirty(const ConnectionPtr& connection) {
  if (connection->in_dirty || connection->waits_to_write) return;
  connection->in_dirty = true;
  dirty_.push_back(connection);
  if (!in_turn_) loop_->Activate(this);
}

void TcpTransport::Impl::Write() {
  in_turn_ = false;
  const std::vector<ConnectionPtr> dirty = std::exchange(dirty_, {});
  for (const ConnectionPtr& connection : dirty) {
    connection->in_dirty = false;
    if (connection->open) WriteTo(connection);
  }
}

void TcpTransport::Impl::WriteTo(const ConnectionPtr& connection) {
  std::deque<std::string>& output = connection->output;
  while (!output.empty()) {
    std::array<asio::const_buffer, kGatherMax> buffers;
    const size_t count = std::min(output.size(), kGatherMax);
    size_t offered = 0;
    for (size_t i = 0; i < count; ++i) {
      buffers[i] = asio::buffer(output[i]);
      if (i == 0) buffers[i] += connection->sent_of_front;
      offered += buffers[i].size();
    }
    asio::error_code error;
    const size_t taken = connection->socket.write_some(buffers, error);
    if (error == asio::error::would_block) return WaitToWrite(connection);
    if (error) return Broke(connection);
    ++counters_.writes;
    counters_.bytes_out += taken;
    connection->output_bytes -= taken;
    connection->sent_of_front += taken;
    while (!output.empty() &&
           connection->sent_of_front >= output.front().size()) {
      connection->sent_of_front -= output.front().size();
      output.pop_front();
    }
    if (taken < offered) return WaitToWrite(connection);
  }
}

void TcpTransport::Impl::WaitToWrite(const ConnectionPtr& connection) {
  connection->waits_to_write = true;
  connection->socket.async_wait(
      tcp::socket::wait_write,
      [self = shared_from_this(), connection](const asio::error_code& error) {
        connection->waits_to_write = false;
        if (error || !connection->open) return;
        self->MarkDirty(connection);
      });
}

bool TcpTransport::Impl::HasMore() const {
  return !readable_.empty() || !deliveries_.empty() || !dirty_.empty() ||
         std::ranges::any_of(doors_,
                             [](const auto& door) { return door->ready; });
}

// ------------------------------------------------------------ public face

TcpTransport::TcpTransport(EventLoop* loop, const TcpOptions& options)
    : impl_(std::make_shared<Impl>(loop, options)) {}

TcpTransport::~TcpTransport() { impl_->Shutdown(); }

absl::StatusOr<std::string> TcpTransport::Bind(const std::string& address,
                                               Listener listener) {
  return impl_->Bind(address, listener);
}

absl::Status TcpTransport::Start(TurnHandler* handler) {
  return impl_->Start(handler);
}

ConnectionId TcpTransport::Connect(const std::string& address) {
  return impl_->Connect(address);
}

size_t TcpTransport::Send(ConnectionId connection, std::string bytes) {
  return impl_->Send(connection, std::move(bytes));
}

void TcpTransport::Close(ConnectionId connection) { impl_->Close(connection); }

const TcpCounters& TcpTransport::counters() const { return impl_->counters(); }

}  // namespace net
