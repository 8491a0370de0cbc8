// Faults of who reaches whom: any directed graph over the nodes, links that
// come and go, and clients that reach some members only.
#ifndef SIM_TOPOLOGY_FAULTS_H_
#define SIM_TOPOLOGY_FAULTS_H_

#include <cstdint>
#include <string_view>

#include "sim/random.h"
#include "sim/sim_network.h"
#include "sim/victim.h"

namespace sim {

// The nodes reach each other along some directed links only. Positions in the
// graph are counted from `first`: position p is node first + p, so that the
// leader can be given any place in it.
struct Topology {
  static constexpr std::string_view kName = "Topology";
  Victim first;
  // Bit 8 * p + q: nothing gets from position p to position q.
  uint64_t cuts = 0;
  SimNetwork::Block block = SimNetwork::Block::kHold;
  int64_t length_us = 0;
  bool operator==(const Topology&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("first", first), f("cuts", cuts), f("block", block),
        f("length_us", length_us);
  }
};

// Graphs with a name. Position 0 is the one that matters.
enum class Shape : uint8_t {
  kIsolateOne = 0,  // 0 alone, the others whole
  kHalves,          // two sides; 0 on either
  kBridge,          // two sides, and 0 reaches both
  kRing,            // each reaches its two neighbours
  kChain,           // the same, not closed: 0 - 1 - 2
  kStar,            // all reach 0 and are reached by it, nobody another
  kOneWayStar,      // 0 reaches all or all reach 0; nothing else
  kTriangle,        // one link is missing, 0 - 1 (Cloudflare, 2020)
  kOneWayTriangle,  // ... in one direction
  kRandom,          // any directed graph
  kCount,
};
// The cuts of a graph of 3 to 7 nodes; never none. A ring of three is whole, so
// it becomes a chain.
uint64_t CutsOf(Shape shape, uint32_t nodes, Draws* draws);

// One of the paths between two machines fails and is mended. The connections
// that stand between `first` and the victim stall; whoever gives one up and
// dials anew gets through on another path; then what was written to the old
// ones arrives after all, closed or not:
//   client -> n1: command 5, which stalls; the client dials n1 again
//   client -> n1: command 5, answered; command 6, which says that 5 is answered
//   the first connection: command 5, whose answer n1 has forgotten
// The kernels' patience (TCP_USER_TIMEOUT) is longer, or it were a BlackHole.
struct PathStall {
  static constexpr std::string_view kName = "PathStall";
  Process first = 0;
  Victim victim;
  int64_t length_us = 0;
  bool operator==(const PathStall&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("first", first), f("victim", victim), f("length_us", length_us);
  }
};

// A node's links to all others are cut and joined again and again. With a
// period near the election timeout it is forgotten and heard in turns.
struct Flap {
  static constexpr std::string_view kName = "Flap";
  Victim victim;
  Way way = Way::kBoth;
  SimNetwork::Block block = SimNetwork::Block::kHold;
  int64_t cut_us = 0;
  int64_t whole_us = 0;
  int64_t length_us = 0;
  bool operator==(const Flap&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("victim", victim), f("way", way), f("block", block), f("cut_us", cut_us),
        f("whole_us", whole_us), f("length_us", length_us);
  }
};

// The links between nodes are clogged one by one, in an order drawn from
// `order`, until all are, and then let go one by one in another order.
struct Swizzle {
  static constexpr std::string_view kName = "Swizzle";
  uint64_t order = 0;
  int64_t length_us = 0;
  bool operator==(const Swizzle&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("order", order), f("length_us", length_us);
  }
};

// All links of one node, to it and from it, behave like `profile` for a while.
struct NodeWeather {
  static constexpr std::string_view kName = "NodeWeather";
  Victim victim;
  LinkProfile profile;
  int64_t length_us = 0;
  bool operator==(const NodeWeather&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("victim", victim), f("profile", profile), f("length_us", length_us);
  }
};

// A client is cut off from the members whose bit is set. What is sent waits, as
// a client's bytes always do.
struct ClientCut {
  static constexpr std::string_view kName = "ClientCut";
  uint32_t client = 0;
  uint32_t members = 0;
  Way way = Way::kBoth;  // seen from the client
  int64_t length_us = 0;
  bool operator==(const ClientCut&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("client", client), f("members", members), f("way", way),
        f("length_us", length_us);
  }
};

}  // namespace sim

#endif  // SIM_TOPOLOGY_FAULTS_H_
