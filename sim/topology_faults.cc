#include "sim/topology_faults.h"

#include "raft/check.h"

namespace sim {
namespace {

// All directed links between `nodes` nodes.
uint64_t AllLinks(uint32_t nodes) {
  uint64_t all = 0;
  for (uint32_t from = 0; from < nodes; ++from) {
    for (uint32_t to = 0; to < nodes; ++to) {
      if (from != to) all |= uint64_t{1} << (8 * from + to);
    }
  }
  return all;
}
uint64_t OneWay(uint32_t from, uint32_t to) {
  return uint64_t{1} << (8 * from + to);
}
uint64_t BothWays(uint32_t a, uint32_t b) {
  return OneWay(a, b) | OneWay(b, a);
}

// Links between the nodes of `side` and the others.
uint64_t Between(uint32_t side, uint32_t nodes) {
  uint64_t links = 0;
  for (uint32_t from = 0; from < nodes; ++from) {
    for (uint32_t to = 0; to < nodes; ++to) {
      if ((side >> from & 1) != (side >> to & 1)) links |= OneWay(from, to);
    }
  }
  return links;
}

uint64_t Star(uint32_t nodes, bool out, bool in) {
  uint64_t whole = 0;
  for (uint32_t leaf = 1; leaf < nodes; ++leaf) {
    if (out) whole |= OneWay(0, leaf);
    if (in) whole |= OneWay(leaf, 0);
  }
  return AllLinks(nodes) & ~whole;
}

uint64_t Line(uint32_t nodes, bool closed) {
  uint64_t whole = closed ? BothWays(0, nodes - 1) : 0;
  for (uint32_t p = 0; p + 1 < nodes; ++p) whole |= BothWays(p, p + 1);
  return AllLinks(nodes) & ~whole;
}

uint64_t Random(uint32_t nodes, Draws* draws) {
  const auto chance = static_cast<uint32_t>(draws->Between(100'000, 600'000));
  uint64_t cuts = 0;
  for (uint32_t bit = 0; bit < 64; ++bit) {
    if (draws->Chance(chance)) cuts |= uint64_t{1} << bit;
  }
  cuts &= AllLinks(nodes);
  return cuts == 0 ? OneWay(0, 1) : cuts;
}

}  // namespace

uint64_t CutsOf(Shape shape, uint32_t nodes, Draws* draws) {
  CHECK_GE(nodes, 3u);
  CHECK_LE(nodes, 7u);
  // Any side but none and all; and one that leaves position 0 out.
  const auto side =
      static_cast<uint32_t>(1 + draws->Below((uint64_t{1} << nodes) - 2));
  const auto rest = static_cast<uint32_t>(
      2 * (1 + draws->Below((uint64_t{1} << (nodes - 1)) - 2)));
  const bool out = draws->Chance(500'000);
  switch (shape) {
    case Shape::kIsolateOne:
      return Between(1, nodes);
    case Shape::kHalves:
      return Between(side, nodes);
    case Shape::kBridge: {
      uint64_t cuts = Between(rest, nodes);
      for (uint32_t p = 1; p < nodes; ++p) cuts &= ~BothWays(0, p);
      return cuts;
    }
    case Shape::kRing:
      return Line(nodes, nodes > 3);
    case Shape::kChain:
      return Line(nodes, false);
    case Shape::kStar:
      return Star(nodes, true, true);
    case Shape::kOneWayStar:
      return Star(nodes, out, !out);
    case Shape::kTriangle:
      return BothWays(0, 1);
    case Shape::kOneWayTriangle:
      return out ? OneWay(0, 1) : OneWay(1, 0);
    default:
      return Random(nodes, draws);
  }
}

}  // namespace sim
