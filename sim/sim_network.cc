#include "sim/sim_network.h"

#include <algorithm>
#include <cstring>

#include "raft/check.h"
#include "raft/frame.h"
#include "raft/limits.h"
#include "sim/random.h"

namespace sim {
namespace {

using registry::ConnectionId;
using registry::Listener;

constexpr int64_t kMillion = 1'000'000;
// A kernel's patience with a dial that nobody answers.
constexpr int64_t kDialPatienceMinUs = 300'000;
constexpr int64_t kDialPatienceMaxUs = 1'500'000;
// How late duplicates and reordered frames are, if not very late.
constexpr int64_t kDuplicateMeanUs = 5'000;
constexpr int64_t kReorderMeanUs = 3'000;
// Between two reads of a stream that was split.
constexpr int64_t kReadGapMeanUs = 40;

// Bytes of the frame that starts at `bytes`, header included; 0: the header is
// not whole yet.
size_t FrameSize(std::string_view bytes) {
  if (bytes.size() < raft::kFrameHeaderBytes) return 0;
  uint32_t length;  // little-endian hosts only, as is the WAL format
  std::memcpy(&length, bytes.data(), sizeof length);
  return raft::kFrameHeaderBytes + length;
}

}  // namespace

int64_t TimeOnWire(const LinkProfile& profile, size_t bytes) {
  if (profile.bytes_per_second == 0) return 0;
  return static_cast<int64_t>(bytes) * kMillion / profile.bytes_per_second;
}

void Dispatch(const NetworkInput& input, registry::TransportHandler* handler) {
  switch (input.kind) {
    case NetworkInput::Kind::kAccepted:
      return handler->OnAccepted(input.connection, input.listener);
    case NetworkInput::Kind::kOpened:
      return handler->OnOpened(input.connection);
    case NetworkInput::Kind::kBytes:
      return handler->OnBytes(input.connection, input.bytes);
    case NetworkInput::Kind::kClosed:
      return handler->OnClosed(input.connection);
  }
}

// One process's view of the network.
class SimNetwork::Endpoint : public registry::Transport {
 public:
  Endpoint(SimNetwork* network, Process process)
      : network_(network), process_(process) {}

  ConnectionId Connect(const std::string& address) override {
    return network_->Connect(process_, address);
  }
  size_t Send(ConnectionId connection, std::string bytes) override {
    return network_->Send(process_, connection, std::move(bytes));
  }
  void Close(ConnectionId connection) override {
    network_->Close(process_, connection);
  }

 private:
  SimNetwork* const network_;
  const Process process_;
};

SimNetwork::SimNetwork(uint64_t seed, Process processes, Scheduler* scheduler,
                       NetworkSink* sink)
    : seed_(seed),
      scheduler_(scheduler),
      sink_(sink),
      processes_(processes),
      links_(size_t{processes} * processes) {
  for (Process process = 0; process < processes; ++process) {
    endpoints_.push_back(std::make_unique<Endpoint>(this, process));
  }
}

SimNetwork::~SimNetwork() = default;

registry::Transport* SimNetwork::transport(Process process) {
  return endpoints_.at(process).get();
}

void SimNetwork::Listen(Process process, Listener listener,
                        const std::string& address) {
  const bool is_new =
      doors_.try_emplace(address, Door{process, listener}).second;
  CHECK(is_new);
}

ConnectionId SimNetwork::IdOf(uint32_t connection, int side) {
  return ConnectionId(uint64_t{connection} * 2 + static_cast<uint64_t>(side) +
                      1);
}

SimNetwork::Link& SimNetwork::LinkOf(Process from, Process to) {
  return links_.at(size_t{from} * processes_.size() + to);
}
const SimNetwork::Link& SimNetwork::LinkOf(Process from, Process to) const {
  return links_.at(size_t{from} * processes_.size() + to);
}

SimNetwork::Side* SimNetwork::Find(Process process, ConnectionId id,
                                   uint32_t* connection, int* side) {
  if (id.value() == 0) return nullptr;
  *connection = static_cast<uint32_t>((id.value() - 1) / 2);
  *side = static_cast<int>((id.value() - 1) % 2);
  if (*connection >= connections_.size()) return nullptr;
  Side* found = &connections_[*connection].sides[*side];
  return found->process == process ? found : nullptr;
}

// ------------------------------------------------------------- transport

ConnectionId SimNetwork::Connect(Process process, const std::string& address) {
  const auto connection = static_cast<uint32_t>(connections_.size());
  const auto door = doors_.find(address);
  CHECK(door != doors_.end());
  Connection& made = connections_.emplace_back();
  made.listener = door->second.listener;
  made.sides[0].process = process;
  made.sides[0].state = State::kDialling;
  made.sides[1].process = door->second.process;
  ++effects_.dials;
  Draws draws(seed_, Stream::kConnection, connection);
  scheduler_->After(draws.Between(kDialPatienceMinUs, kDialPatienceMaxUs),
                    {SimEvent::Kind::kDialTimeout, 0, connection});
  Launch({.kind = FlightKind::kDial, .connection = connection});
  return IdOf(connection, 0);
}

size_t SimNetwork::Send(Process process, ConnectionId id, std::string bytes) {
  uint32_t connection;
  int side;
  Side* sender = Find(process, id, &connection, &side);
  if (sender == nullptr || sender->state != State::kOpen) return 0;
  if (bytes.empty()) return sender->queued_bytes;
  sender->queued_bytes += bytes.size();
  if (connections_[connection].listener == Listener::kPeer) {
    SendFrames(connection, side, std::move(bytes));
  } else {
    SendStream(connection, side, std::move(bytes));
  }
  return connections_[connection].sides[side].queued_bytes;
}

void SimNetwork::Close(Process process, ConnectionId id) {
  uint32_t connection;
  int side;
  Side* closed = Find(process, id, &connection, &side);
  if (closed == nullptr || closed->state == State::kGone) return;
  const bool was_open = closed->state == State::kOpen;
  closed->state = State::kGone;
  if (was_open) {
    Launch({.kind = FlightKind::kEnd,
            .connection = connection,
            .from_side = static_cast<uint8_t>(side)});
  }
}

// Between a client and a member: a stream, as it is.
void SimNetwork::SendStream(uint32_t connection, int side, std::string bytes) {
  Side& sender = connections_[connection].sides[side];
  const Process to = From(connections_[connection], 1 - side);
  Link& link = LinkOf(sender.process, to);
  Draws draws(seed_, Stream::kFrame, sender.process, to, ++link.frames);
  const bool corrupt =
      link.profile.corrupt > 0 && draws.Chance(link.profile.corrupt);
  if (corrupt) Corrupt(draws.Next(), &bytes, 0);
  Launch({.connection = connection,
          .from_side = static_cast<uint8_t>(side),
          .corrupted = corrupt,
          .number = ++sender.sent,
          .bytes = std::move(bytes)});
}

// Frames between peers, each with its own fate; those without one leave
// together.
void SimNetwork::SendFrames(uint32_t connection, int side, std::string bytes) {
  Side& sender = connections_[connection].sides[side];
  if (!sender.partial.empty()) {
    bytes.insert(0, sender.partial);
    sender.partial.clear();
  }
  Flight run{.connection = connection, .from_side = static_cast<uint8_t>(side)};
  bool apart = false;  // some met a fault: else `bytes` is the run, not copied
  size_t at = 0;
  while (true) {
    const std::string_view rest = std::string_view(bytes).substr(at);
    const size_t size = FrameSize(rest);
    if (size == 0 || size > rest.size()) {
      sender.partial = rest;
      break;
    }
    ++sender.sent;
    ++effects_.frames;
    bool corrupt = false;
    const std::string_view frame = rest.substr(0, size);
    const bool alone = FrameMeetsFault(connection, side, frame, &corrupt);
    if (!apart && (alone || corrupt)) {
      run.bytes.assign(bytes, 0, at);
      apart = true;
    }
    at += size;
    if (alone) continue;
    run.number = sender.sent;
    const size_t begin = run.bytes.size();
    if (apart) run.bytes.append(frame);
    if (corrupt) {
      Corrupt(raft::Mix(connection, sender.sent), &run.bytes, begin);
      run.corrupted = true;
    }
  }
  if (!apart) {
    bytes.resize(at);
    run.bytes = std::move(bytes);
  }
  if (!run.bytes.empty()) Launch(std::move(run));
}

// True if the frame does not leave with the others.
bool SimNetwork::FrameMeetsFault(uint32_t connection, int side,
                                 std::string_view frame, bool* corrupt) {
  Side& sender = connections_[connection].sides[side];
  const Process to = From(connections_[connection], 1 - side);
  Link& link = LinkOf(sender.process, to);
  const LinkProfile& profile = link.profile;
  ++link.frames;
  if (sender.sent == 1) return false;  // a Hello opens the connection
  if ((profile.drop | profile.duplicate | profile.reorder | profile.corrupt) ==
      0) {
    return false;
  }
  Draws draws(seed_, Stream::kFrame, sender.process, to, link.frames);
  const bool drop = draws.Chance(profile.drop);
  const bool duplicate = draws.Chance(profile.duplicate);
  const bool reorder = draws.Chance(profile.reorder);
  *corrupt = draws.Chance(profile.corrupt);
  const bool very_late = draws.Chance(125'000);
  const int64_t late = very_late ? draws.Between(0, kDuplicateLateUs)
                                 : draws.Exponential(kDuplicateMeanUs);
  const int64_t overtaken = draws.Exponential(kReorderMeanUs);
  if (duplicate) {
    Launch({.connection = connection,
            .from_side = static_cast<uint8_t>(side),
            .stray = true,
            .number = sender.sent,
            .bytes = std::string(frame)},
           late + 1);
  }
  if (drop) {
    ++effects_.frames_dropped;
    sender.queued_bytes -= std::min(sender.queued_bytes, frame.size());
    return true;
  }
  if (reorder) {
    Launch({.connection = connection,
            .from_side = static_cast<uint8_t>(side),
            .number = sender.sent,
            .bytes = std::string(frame)},
           overtaken + 1);
    return true;
  }
  return false;
}

void SimNetwork::Corrupt(uint64_t salt, std::string* bytes, size_t begin) {
  Draws draws(seed_, Stream::kCorrupt, salt);
  const size_t at = begin + draws.Below(bytes->size() - begin);
  const uint64_t bit = draws.Below(8);
  (*bytes)[at] = static_cast<char>((*bytes)[at] ^ (1 << bit));
}

// ---------------------------------------------------------------- the wire

uint32_t SimNetwork::Store(Flight flight) {
  flight.in_use = true;
  if (!free_flights_.empty()) {
    const uint32_t id = free_flights_.back();
    free_flights_.pop_back();
    flight.generation = flights_[id].generation;
    flights_[id] = std::move(flight);
    return id;
  }
  flights_.push_back(std::move(flight));
  return static_cast<uint32_t>(flights_.size() - 1);
}

void SimNetwork::Launch(Flight flight, int64_t extra_us) {
  Connection& connection = connections_[flight.connection];
  Side& sender = connection.sides[flight.from_side];
  const Process to = From(connection, 1 - flight.from_side);
  Link& link = LinkOf(sender.process, to);
  const LinkProfile& profile = link.profile;
  effects_.bytes += flight.bytes.size();
  Draws draws(seed_, Stream::kFlight, sender.process, to, ++link.flights);
  int64_t delay = profile.delay_us +
                  draws.Exponential(std::max<int64_t>(profile.jitter_us, 1));
  if (profile.tail > 0 && draws.Chance(profile.tail)) {
    delay += draws.Between(0, profile.tail_us);
    ++effects_.delayed;
  }
  Instant leaves = scheduler_->now();
  if (profile.bytes_per_second > 0) {
    leaves = std::max(leaves, link.free_at);
    leaves = leaves + TimeOnWire(profile, flight.bytes.size());
    link.free_at = leaves;
  }
  Instant arrives = leaves + delay;
  if (extra_us == 0) {
    arrives = std::max(arrives, sender.floor);
    sender.floor = arrives;
  } else {
    arrives = arrives + extra_us;
  }
  flight.ordered = extra_us == 0;
  flight.order = link.flights;
  ScheduleFlight(Store(std::move(flight)), arrives);
}

void SimNetwork::ScheduleFlight(uint32_t id, Instant at) {
  Flight& flight = flights_[id];
  flight.at = at;
  ++flight.generation;
  scheduler_->At(at, {SimEvent::Kind::kFlight, flight.generation, id});
}

void SimNetwork::OnEvent(const SimEvent& event) {
  switch (event.kind) {
    case SimEvent::Kind::kFlight: {
      const Flight& flight = flights_[event.arg];
      if (!flight.in_use || flight.generation != event.who) return;
      return Arrive(static_cast<uint32_t>(event.arg));
    }
    case SimEvent::Kind::kRead: {
      const auto connection = static_cast<uint32_t>(event.arg / 2);
      const int side = static_cast<int>(event.arg % 2);
      connections_[connection].sides[side].read_scheduled = false;
      return ReadSome(connection, side);
    }
    case SimEvent::Kind::kDialTimeout:
      return OnDialTimeout(static_cast<uint32_t>(event.arg));
    default:
      CHECK(false);
  }
}

void SimNetwork::Arrive(uint32_t id) {
  Flight& flight = flights_[id];
  CHECK(flight.in_use);
  Connection& connection = connections_[flight.connection];
  if (connection.stalls > 0) {
    flight.stalled = true;
    connection.stalled.push_back(id);
    return;
  }
  Link& link = LinkOf(From(connection, flight.from_side),
                      From(connection, 1 - flight.from_side));
  const bool lose = link.losses > 0 && connection.listener == Listener::kPeer;
  if (!lose && link.holds + link.losses > 0) {
    ++effects_.held;
    link.held.push_back(id);
    return;
  }
  Flight arrived = std::move(flight);
  flight = Flight{};
  flight.generation = arrived.generation;
  free_flights_.push_back(id);
  if (!arrived.stray) {
    Side& sender = connections_[arrived.connection].sides[arrived.from_side];
    sender.queued_bytes -= std::min(sender.queued_bytes, arrived.bytes.size());
  }
  if (lose) {
    ++effects_.lost_to_partition;
    return;
  }
  Deliver(std::move(arrived));
}

void SimNetwork::ReleaseHeld(Link* link) {
  // At once and in order: scheduled anew, they could be overtaken by what is
  // due at this very instant, and a stream would lose its order.
  std::vector<uint32_t> held;
  held.swap(link->held);
  for (const uint32_t id : held) Arrive(id);
}

void SimNetwork::Deliver(Flight&& flight) {
  switch (flight.kind) {
    case FlightKind::kDial:
      return DeliverDial(flight);
    case FlightKind::kAccept:
      return DeliverAccept(flight);
    case FlightKind::kData:
      return DeliverData(std::move(flight));
    case FlightKind::kEnd:
    case FlightKind::kReset:
      return DeliverEnd(flight);
  }
}

void SimNetwork::DeliverDial(const Flight& flight) {
  Connection& connection = connections_[flight.connection];
  Side& door = connection.sides[1];
  const ProcessState& host = processes_[door.process];
  if (!host.machine_on) return;  // the dialler's patience will end
  if (!host.up) return AnswerWithReset(flight.connection, 1);
  door.state = State::kOpen;
  sink_->OnNetworkInput(door.process, {.kind = NetworkInput::Kind::kAccepted,
                                       .connection = IdOf(flight.connection, 1),
                                       .listener = connection.listener});
  Launch({.kind = FlightKind::kAccept,
          .connection = flight.connection,
          .from_side = 1});
}

void SimNetwork::DeliverAccept(const Flight& flight) {
  Side& dialler = connections_[flight.connection].sides[0];
  if (dialler.state == State::kGone) {
    if (processes_[dialler.process].machine_on) {
      AnswerWithReset(flight.connection, 0);
    }
    return;
  }
  dialler.state = State::kOpen;
  sink_->OnNetworkInput(dialler.process,
                        {.kind = NetworkInput::Kind::kOpened,
                         .connection = IdOf(flight.connection, 0)});
}

void SimNetwork::DeliverData(Flight&& flight) {
  const bool was_gone =
      connections_[flight.connection].sides[1 - flight.from_side].state !=
      State::kOpen;
  if (flight.stray && was_gone && !Reroute(&flight)) return;
  Connection& connection = connections_[flight.connection];
  const int to = 1 - flight.from_side;
  Side& receiver = connection.sides[to];
  if (receiver.broken || receiver.closes_after_read) return;
  if (flight.bytes.empty()) return;
  if (receiver.state != State::kOpen) {
    if (processes_[receiver.process].machine_on) {
      AnswerWithReset(flight.connection, to);
    }
    return;
  }
  // A duplicate is a message of its own, not a second Hello's place.
  if (flight.stray && receiver.arrived == 0) return;
  ++receiver.arrived;
  if (flight.stray) {
    ++effects_.frames_duplicated;
    last_duplicate_ = scheduler_->now();
    if (was_gone) ++effects_.frames_stale;
  } else if (flight.number < receiver.newest) {
    ++effects_.frames_reordered;
  }
  receiver.newest = std::max(receiver.newest, flight.number);
  if (flight.corrupted) ++effects_.bytes_corrupted;
  effects_.after_close +=
      flight.stalled && connection.sides[1 - to].state == State::kGone;
  if (receiver.unread.empty()) {
    receiver.unread.swap(flight.bytes);
  } else {
    receiver.unread += flight.bytes;
  }
  if (!receiver.read_scheduled) ReadSome(flight.connection, to);
}

// A duplicate outlived its connection: it comes on the newest one that stands
// between the same two processes and was dialled by the same. (Peers' links are
// one way each: on the other one it would be no duplicate, but a frame that no
// peer could have sent there, and the end of that connection.)
bool SimNetwork::Reroute(Flight* flight) {
  const Connection& old = connections_[flight->connection];
  const Process from = From(old, flight->from_side);
  const Process to = From(old, 1 - flight->from_side);
  for (size_t i = connections_.size(); i-- > flight->connection + 1;) {
    const Connection& candidate = connections_[i];
    if (candidate.listener != Listener::kPeer) continue;
    const int side = flight->from_side;
    if (From(candidate, side) == from && From(candidate, 1 - side) == to &&
        candidate.sides[1 - side].state == State::kOpen) {
      flight->connection = static_cast<uint32_t>(i);
      return true;
    }
  }
  return false;
}

void SimNetwork::DeliverEnd(const Flight& flight) {
  const int to = 1 - flight.from_side;
  Side& receiver = connections_[flight.connection].sides[to];
  if (receiver.state == State::kGone || receiver.broken) return;
  if (flight.kind == FlightKind::kReset) {
    receiver.unread.clear();
  } else if (!receiver.unread.empty()) {
    receiver.closes_after_read = true;
    return;
  }
  TellClosed(flight.connection, to);
}

void SimNetwork::ReadSome(uint32_t connection, int side) {
  Side& receiver = connections_[connection].sides[side];
  if (receiver.state != State::kOpen || receiver.unread.empty()) return;
  const Process from = From(connections_[connection], 1 - side);
  const LinkProfile& profile = LinkOf(from, receiver.process).profile;
  Draws draws(seed_, Stream::kRead, connection, side, ++receiver.reads);
  NetworkInput input{.connection = IdOf(connection, side)};
  if (profile.split > 0 && receiver.unread.size() > 1 &&
      draws.Chance(profile.split)) {
    const size_t size = 1 + draws.Below(receiver.unread.size() - 1);
    input.bytes = receiver.unread.substr(0, size);
    receiver.unread.erase(0, size);
    receiver.read_scheduled = true;
    ++effects_.reads_split;
    scheduler_->After(1 + draws.Exponential(kReadGapMeanUs),
                      {SimEvent::Kind::kRead, 0,
                       uint64_t{connection} * 2 + static_cast<uint64_t>(side)});
  } else {
    input.bytes.swap(receiver.unread);
  }
  sink_->OnNetworkInput(receiver.process, std::move(input));
  if (receiver.closes_after_read && receiver.unread.empty()) {
    TellClosed(connection, side);
  }
}

void SimNetwork::TellClosed(uint32_t connection, int side) {
  Side& told = connections_[connection].sides[side];
  if (told.state == State::kDialling) ++effects_.dials_failed;
  told.state = State::kGone;
  sink_->OnNetworkInput(told.process, {.kind = NetworkInput::Kind::kClosed,
                                       .connection = IdOf(connection, side)});
}

void SimNetwork::AnswerWithReset(uint32_t connection, int from_side) {
  ++effects_.resets_answered;
  Launch({.kind = FlightKind::kReset,
          .connection = connection,
          .from_side = static_cast<uint8_t>(from_side)});
}

void SimNetwork::OnDialTimeout(uint32_t connection) {
  if (connections_[connection].sides[0].state != State::kDialling) return;
  TellClosed(connection, 0);
}

}  // namespace sim
