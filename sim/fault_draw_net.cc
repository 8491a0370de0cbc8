#include "sim/fault_draw.h"

namespace sim {
namespace {

Fault DrawPartition(uint32_t nodes, Draws* draws) {
  Partition partition;
  const uint64_t part = draws->Below(3);
  const uint64_t all = (uint64_t{1} << nodes) - 1;
  const uint64_t side = draws->Below(all - 1) + 1;  // neither none nor all
  if (part == 0) {
    partition.with = {Victim::kLeader};
  } else if (part == 1) {
    // The leader with one more: a minority of five.
    partition.with = {Victim::kLeader};
    partition.side = uint32_t{1} << draws->Below(nodes);
  } else {
    partition.side = static_cast<uint32_t>(side);
    partition.with = {static_cast<uint32_t>(__builtin_ctzll(side))};
  }
  partition.way = DrawWay(draws);
  partition.block = DrawBlock(draws);
  partition.length_us = DrawLength(draws, 500 * kMillisecond);
  return partition;
}

Process DrawProcess(const FaultPlanOptions& options, Draws* draws) {
  // Twice the weight for nodes: links between them are what matters most.
  const uint64_t pick =
      draws->Below(uint64_t{options.nodes} * 2 + options.clients);
  return static_cast<Process>(pick < options.nodes ? pick
                                                   : pick - options.nodes);
}

Fault DrawLink(const FaultPlanOptions& options, FaultClass which,
               Draws* draws) {
  const Process first = DrawProcess(options, draws);
  Process second = static_cast<Process>(draws->Below(options.nodes));
  if (second == first) second = (second + 1) % options.nodes;
  const int64_t length = DrawLength(draws, 200 * kMillisecond);
  const uint64_t reset = draws->Below(3);
  const bool cut = draws->Chance(500'000);
  const bool swap = draws->Chance(500'000);
  switch (which) {
    case FaultClass::kClog:
      return Clog{swap ? second : first, swap ? first : second, length};
    case FaultClass::kReset:
      return ResetLink{first, second, static_cast<SimNetwork::Reset>(reset),
                       cut};
    default:
      return BlackHole{first, second, kSecond / 2 + length};
  }
}

LinkProfile DrawProfile(FaultClass which, Draws* draws) {
  LinkProfile profile;
  profile.delay_us = 0;
  profile.jitter_us = 0;
  // From now and then to one in ten.
  const uint64_t decade = draws->Below(3);
  const uint32_t strength[] = {1'000, 10'000, 100'000};
  const auto chance =
      static_cast<uint32_t>(draws->Between(1, strength[decade]));
  switch (which) {
    case FaultClass::kLoss:
      profile.drop = chance;
      break;
    case FaultClass::kDuplicate:
      profile.duplicate = chance;
      break;
    case FaultClass::kReorder:
      profile.reorder = chance;
      break;
    case FaultClass::kCorrupt:
      profile.corrupt = chance / 20 + 1;
      break;
    case FaultClass::kSplit:
      profile.split = chance * 5;
      break;
    case FaultClass::kBandwidth:
      profile.bytes_per_second = 2'000 + draws->Between(0, 200'000);
      break;
    default:
      profile.delay_us = draws->Between(0, 20 * kMillisecond);
      profile.jitter_us = draws->Between(0, 5 * kMillisecond);
      profile.tail = chance;
      profile.tail_us = draws->Between(kMillisecond, 300 * kMillisecond);
      break;
  }
  return profile;
}

}  // namespace

int64_t DrawPartitions(const FaultDrawing& drawing, FaultClass, int64_t at_us,
                       Draws* draws) {
  drawing.Add(at_us, DrawPartition(drawing.options.nodes, draws));
  return at_us;
}

int64_t DrawLinkFaults(const FaultDrawing& drawing, FaultClass which,
                       int64_t at_us, Draws* draws) {
  drawing.Add(at_us, DrawLink(drawing.options, which, draws));
  return at_us;
}

int64_t DrawWeather(const FaultDrawing& drawing, FaultClass which,
                    int64_t at_us, Draws* draws) {
  const FaultClass kinds[] = {FaultClass::kLoss,    FaultClass::kDuplicate,
                              FaultClass::kReorder, FaultClass::kLatency,
                              FaultClass::kLoss,    FaultClass::kBandwidth};
  if (which == FaultClass::kNodeWeather) {
    const Victim victim = DrawVictim(drawing.options.nodes, draws);
    LinkProfile profile = DrawProfile(kinds[draws->Below(6)], draws);
    profile.drop *= 4;  // up to 40 %
    drawing.Add(at_us,
                NodeWeather{victim, profile, DrawLength(draws, 2 * kSecond)});
  } else {
    const LinkProfile profile = DrawProfile(which, draws);
    drawing.Add(at_us, Weather{profile, DrawLength(draws, 2 * kSecond)});
  }
  return at_us;
}

int64_t DrawTopologies(const FaultDrawing& drawing, FaultClass which,
                       int64_t at_us, Draws* draws) {
  const FaultPlanOptions& options = drawing.options;
  // Half of them around the leader.
  const bool leader = draws->Chance(500'000);
  const auto node = static_cast<uint32_t>(draws->Below(options.nodes));
  const Victim victim{leader ? Victim::kLeader : node};
  const SimNetwork::Block block = DrawBlock(draws);
  const Way way = DrawWay(draws);
  const int64_t length = DrawLength(draws, 700 * kMillisecond);
  const int64_t cut = DrawNearElection(options, draws);
  const int64_t whole = DrawNearElection(options, draws);
  const auto shape =
      static_cast<Shape>(draws->Below(static_cast<uint64_t>(Shape::kCount)));
  const auto client = static_cast<uint32_t>(draws->Below(options.clients));
  const uint64_t members = 1 + draws->Below((uint64_t{1} << options.nodes) - 1);
  switch (which) {
    case FaultClass::kTopology:
      drawing.Add(at_us, Topology{victim, CutsOf(shape, options.nodes, draws),
                                  block, length});
      break;
    case FaultClass::kNodeFlap:
      drawing.Add(at_us, Flap{victim, way, block, cut, whole,
                              draws->Between(2, 6) * (cut + whole)});
      break;
    case FaultClass::kSwizzle:
      drawing.Add(at_us, Swizzle{draws->Next(), length * 2});
      break;
    default:
      drawing.Add(at_us, ClientCut{client, static_cast<uint32_t>(members), way,
                                   length * 2});
      break;
  }
  return at_us;
}

// Mostly a client's, to the member that it most likely asks. Longer than most
// clients wait for an answer, shorter than the kernels' patience.
int64_t DrawPathStalls(const FaultDrawing& drawing, FaultClass, int64_t at_us,
                       Draws* draws) {
  const FaultPlanOptions& options = drawing.options;
  const bool of_client = draws->Chance(700'000);
  const uint64_t client = options.nodes + draws->Below(options.clients);
  const uint64_t node = draws->Below(options.nodes);
  const bool leader = draws->Chance(500'000);
  const Victim victim = DrawVictim(options.nodes, draws);
  const int64_t length = draws->Between(300, 3'000) * kMillisecond;
  drawing.Add(at_us,
              PathStall{static_cast<Process>(of_client ? client : node),
                        leader ? Victim{Victim::kLeader} : victim, length});
  return at_us;
}

int64_t DrawDepositions(const FaultDrawing& drawing, FaultClass, int64_t at_us,
                        Draws* draws) {
  drawing.Add(
      at_us, Depose{{Victim::kLeader}, draws->Between(20, 500) * kMillisecond});
  return at_us;
}

}  // namespace sim
