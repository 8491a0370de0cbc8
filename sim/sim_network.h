// SimNetwork: the simulated network, as registry::Transport for every process.
// It carries the encoded frames of the real codec, cut anywhere.
//
// Fault model. A connection is TCP's: bytes arrive in order, whole and once, or
// the connection breaks. On top of it, peers' frames may be lost, doubled and
// reordered one by one, because Raft promises to bear that:
//   delay           base, exponential jitter and a heavy tail per directed
//   link;
//                   limited bandwidth
//   split           a stream is read in pieces that end at any byte
//   drop, duplicate, reorder
//                   whole frames between peers, never a Hello. A duplicate may
//                   come seconds later, on the connection that then stands
//                   between the two, across a restart of either
//   corrupt         one bit of a frame changes (TCP's checksum lets some
//                   through); ours must catch it
//   block, hold     what arrives waits, and comes in one burst when the link
//                   opens (TCP retransmits); a clog is a short one
//   block, lose     frames between peers vanish; a client's bytes wait
//   reset           a connection breaks for both sides or for one alone (the
//                   other learns of it when it sends), or in the middle of a
//                   frame
//   black hole      a connection delivers nothing more, and nobody is told
//                   until the kernels give it up (TCP_USER_TIMEOUT)
//   stall           a connection waits while others between the same two get
//                   through, and then delivers everything, also if its sender
//                   has closed it meanwhile (a kernel goes on to send what was
//                   written before the close)
//   process killed  its connections end with what it had sent
//   machine off     its connections just fall silent; when it is back, it
//                   answers what still comes for them with a reset
// Every block and hold is per direction, so partitions may be one-way and need
// not be transitive. Not modelled: bytes lost or reordered inside a stream
// (TCP's matter), addresses that move.
#ifndef SIM_SIM_NETWORK_H_
#define SIM_SIM_NETWORK_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "registry/ports.h"
#include "sim/scheduler.h"

namespace sim {

// What a directed link is like. Chances are per million frames (`split`: reads,
// `tail`: messages).
struct LinkProfile {
  int64_t delay_us = 200;
  int64_t jitter_us = 50;        // mean of an exponential
  uint32_t tail = 0;             // chance of ...
  int64_t tail_us = 0;           // ... up to so much more
  int64_t bytes_per_second = 0;  // 0: no limit
  uint32_t split = 0;
  uint32_t corrupt = 0;
  // Between peers only.
  uint32_t drop = 0;
  uint32_t duplicate = 0;
  uint32_t reorder = 0;

  bool operator==(const LinkProfile&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("delay_us", delay_us), f("jitter_us", jitter_us), f("tail", tail),
        f("tail_us", tail_us), f("bytes_per_second", bytes_per_second),
        f("split", split), f("corrupt", corrupt), f("drop", drop),
        f("duplicate", duplicate), f("reorder", reorder);
  }
};

// In microseconds.
int64_t TimeOnWire(const LinkProfile& profile, size_t bytes);

// What the network did to what it carried (effects, not draws).
struct NetworkEffects {
  static constexpr std::string_view kName = "NetworkEffects";
  uint64_t frames = 0;                 // peers' frames that were sent
  uint64_t bytes = 0;                  // that left, between anybody
  uint64_t frames_dropped = 0;         // lost one by one
  uint64_t frames_duplicated = 0;      // arrived once more
  uint64_t frames_reordered = 0;       // arrived after a later one
  uint64_t frames_stale = 0;           // arrived on a later connection
  uint64_t bytes_corrupted = 0;        // arrived with a bit changed
  uint64_t frames_cut = 0;             // stopped in the middle by a reset
  uint64_t reads_split = 0;            // reads that ended inside what had come
  uint64_t lost_to_partition = 0;      // messages that met a losing link
  uint64_t held = 0;                   // messages that met a held link
  uint64_t delayed = 0;                // messages of the heavy tail
  uint64_t connections_reset = 0;      // broken under both sides
  uint64_t connections_half_open = 0;  // broken under one side alone
  uint64_t black_holes = 0;            // fell silent
  uint64_t connections_stalled = 0;    // for a while
  uint64_t after_close = 0;  // arrived when their sender had closed, by a stall
  uint64_t resets_answered = 0;  // what came for a dead connection
  uint64_t dials = 0;
  uint64_t dials_failed = 0;
  bool operator==(const NetworkEffects&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("frames", frames), f("bytes", bytes), f("frames_dropped", frames_dropped),
        f("frames_duplicated", frames_duplicated),
        f("frames_reordered", frames_reordered),
        f("frames_stale", frames_stale), f("bytes_corrupted", bytes_corrupted),
        f("frames_cut", frames_cut), f("reads_split", reads_split),
        f("lost_to_partition", lost_to_partition), f("held", held),
        f("delayed", delayed), f("connections_reset", connections_reset),
        f("connections_half_open", connections_half_open),
        f("black_holes", black_holes),
        f("connections_stalled", connections_stalled),
        f("after_close", after_close), f("resets_answered", resets_answered),
        f("dials", dials), f("dials_failed", dials_failed);
  }
};

// What a transport tells its process, kept until the process's next turn.
struct NetworkInput {
  enum class Kind : uint8_t { kAccepted, kOpened, kBytes, kClosed };
  Kind kind = Kind::kBytes;
  registry::ConnectionId connection;
  registry::Listener listener = registry::Listener::kPeer;  // kAccepted
  std::string bytes;                                        // kBytes
};
// Hands one input to the handler of its process.
void Dispatch(const NetworkInput& input, registry::TransportHandler* handler);

class NetworkSink {
 public:
  virtual ~NetworkSink() = default;
  virtual void OnNetworkInput(Process process, NetworkInput input) = 0;
};

class SimNetwork {
 public:
  enum class Block : uint8_t { kHold = 0, kLose = 1 };
  enum class Reset : uint8_t { kBoth = 0, kFirstOnly = 1, kSecondOnly = 2 };

  // `scheduler` and `sink` outlive the network. Every process starts down.
  SimNetwork(uint64_t seed, Process processes, Scheduler* scheduler,
             NetworkSink* sink);
  ~SimNetwork();
  SimNetwork(const SimNetwork&) = delete;
  SimNetwork& operator=(const SimNetwork&) = delete;

  void Listen(Process process, registry::Listener listener,
              const std::string& address);
  registry::Transport* transport(Process process);

  // A process that is up accepts and may dial.
  void StartProcess(Process process);
  // Its connections end as a kernel ends them, or just fall silent.
  void KillProcess(Process process);
  void PowerOff(Process process);

  void SetProfile(Process from, Process to, const LinkProfile& profile);
  // Blocks of one direction add up: each needs its own Unblock.
  void AddBlock(Process from, Process to, Block block);
  void RemoveBlock(Process from, Process to, Block block);
  bool Blocked(Process from, Process to) const;
  // How many messages wait because the link holds them.
  size_t HeldOn(Process from, Process to) const;
  // Breaks every connection between the two. `cut`: what is on its way is
  // stopped at some byte, and the part before it still arrives.
  // Gives the number of connections that broke.
  uint64_t ResetConnections(Process first, Process second, Reset reset,
                            bool cut);
  // Silences every connection that stands between the two.
  void BlackHole(Process first, Process second);
  // The kernels at both ends give up what is silent.
  void GiveUpBlackHoles(Process first, Process second);
  // Stalls every connection that stands between the two, and names them. Each
  // stall needs its own end.
  std::vector<uint32_t> StallConnections(Process first, Process second);
  void EndStalls(const std::vector<uint32_t>& connections);

  // kFlight, kRead and kDialTimeout events come here.
  void OnEvent(const SimEvent& event);

  const NetworkEffects& effects() const { return effects_; }
  // When a frame last arrived once more, and how late that may be at most.
  Instant last_duplicate() const { return last_duplicate_; }
  static constexpr int64_t kDuplicateLateUs = 4'000'000;

 private:
  class Endpoint;

  enum class State : uint8_t { kDialling, kOpen, kGone };
  // One end of a connection, and the stream that flows towards it.
  struct Side {
    Process process = 0;
    State state = State::kGone;
    uint64_t arrived = 0;  // frames that came in, for order
    uint64_t newest = 0;   // highest number of a frame that came in
    uint64_t sent = 0;     // frames that went out
    uint64_t reads = 0;
    size_t queued_bytes = 0;  // sent by this side, not arrived
    Instant floor;            // nothing of the stream out comes earlier
    std::string partial;      // sent, not a whole frame yet
    std::string unread;       // arrived, not read yet
    bool read_scheduled = false;
    bool closes_after_read = false;
    bool broken = false;  // nothing arrives any more
  };
  struct Connection {
    registry::Listener listener = registry::Listener::kPeer;
    Side sides[2];  // 0 dialled
    int stalls = 0;
    std::vector<uint32_t> stalled;  // flights, in order of arrival
  };
  enum class FlightKind : uint8_t { kDial, kAccept, kData, kEnd, kReset };
  // Something between two processes.
  struct Flight {
    FlightKind kind = FlightKind::kData;
    uint32_t connection = 0;
    uint8_t from_side = 0;
    bool stray = false;  // a duplicate: goes to whatever stands
    bool corrupted = false;
    bool stalled = false;  // waited for its connection, at least once
    bool in_use = false;
    bool ordered = false;     // keeps its place in its stream
    uint32_t generation = 0;  // of its kFlight event; others are void
    uint64_t order = 0;       // of launching, on its link
    Instant at;               // when it arrives
    uint64_t number = 0;      // of its last frame, within its stream
    std::string bytes;
  };
  struct Link {
    LinkProfile profile;
    uint64_t flights = 0;
    uint64_t frames = 0;
    Instant free_at;  // bandwidth: when the wire is free again
    int holds = 0;
    int losses = 0;
    std::vector<uint32_t> held;  // flights, in order of arrival
  };
  struct ProcessState {
    bool up = false;
    bool machine_on = true;
  };
  struct Door {
    Process process = 0;
    registry::Listener listener = registry::Listener::kPeer;
  };

  static registry::ConnectionId IdOf(uint32_t connection, int side);
  Link& LinkOf(Process from, Process to);
  const Link& LinkOf(Process from, Process to) const;
  static Process From(const Connection& connection, int side) {
    return connection.sides[side].process;
  }

  // What a transport asks for.
  registry::ConnectionId Connect(Process process, const std::string& address);
  size_t Send(Process process, registry::ConnectionId id, std::string bytes);
  void Close(Process process, registry::ConnectionId id);
  // The side `id` names, if it belongs to `process`, else nullptr.
  Side* Find(Process process, registry::ConnectionId id, uint32_t* connection,
             int* side);

  void SendStream(uint32_t connection, int side, std::string bytes);
  void SendFrames(uint32_t connection, int side, std::string bytes);
  bool FrameMeetsFault(uint32_t connection, int side, std::string_view frame,
                       bool* corrupt);
  void Corrupt(uint64_t salt, std::string* bytes, size_t begin);
  // `extra_us` delays this one alone; others may overtake it.
  void Launch(Flight flight, int64_t extra_us = 0);
  uint32_t Store(Flight flight);
  void ScheduleFlight(uint32_t id, Instant at);
  // What queues for a narrow link goes on as wide as that is now.
  void Reflow(Process from, Process to);

  void Arrive(uint32_t id);
  void Deliver(Flight&& flight);
  void DeliverDial(const Flight& flight);
  void DeliverAccept(const Flight& flight);
  void DeliverData(Flight&& flight);
  void DeliverEnd(const Flight& flight);
  bool Reroute(Flight* flight);
  void ReleaseHeld(Link* link);
  void ReadSome(uint32_t connection, int side);
  void TellClosed(uint32_t connection, int side);
  void AnswerWithReset(uint32_t connection, int from_side);
  void OnDialTimeout(uint32_t connection);
  void CutFlights(uint32_t connection);
  // What a link holds of a connection waits for the connection instead.
  void StallHeld(uint32_t connection, Link* link);

  const uint64_t seed_;
  Scheduler* const scheduler_;
  NetworkSink* const sink_;
  std::vector<ProcessState> processes_;
  std::vector<std::unique_ptr<Endpoint>> endpoints_;
  std::vector<Link> links_;  // from * processes + to
  std::map<std::string, Door> doors_;
  std::vector<Connection> connections_;
  std::vector<Flight> flights_;
  std::vector<uint32_t> free_flights_;
  NetworkEffects effects_;
  Instant last_duplicate_;
};

std::string_view ToString(SimNetwork::Block block);
std::string_view ToString(SimNetwork::Reset reset);

}  // namespace sim

#endif  // SIM_SIM_NETWORK_H_
