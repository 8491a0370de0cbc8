// After the heal a random majority is healthy; about half the seeds keep a
// minority faulty, and active: the rest must get on with that.
#include <algorithm>
#include <vector>

#include "sim/fault_draw.h"

namespace sim {
namespace {

// Draws of their own, whatever classes are appended.
constexpr uint64_t kLingering = 1'000'000;
constexpr uint32_t kLingers = 550'000;

enum class Kind : uint8_t {
  kCrashLoop,
  kFlap,
  kOneWayCut,
  kSlowDisk,
  kLossyLinks,
  kClock,
  kSlowNode,
};

std::vector<Kind> KindsOf(Profile profile) {
  using enum Kind;
  switch (profile) {
    case Profile::kNet:
      return {kFlap, kOneWayCut, kLossyLinks};
    case Profile::kDisk:
      return {kSlowDisk};
    case Profile::kClock:
      return {kClock, kSlowNode};
    case Profile::kProcess:
      return {kCrashLoop};
    default:
      return {kCrashLoop,  kFlap,  kOneWayCut, kSlowDisk,
              kLossyLinks, kClock, kSlowNode};
  }
}

Fault DrawOne(Kind kind, const FaultPlanOptions& options, Victim victim,
              Draws* draws) {
  const int64_t length = options.linger_us;
  const bool out = draws->Chance(500'000);
  const bool power = draws->Chance(300'000);
  const SimNetwork::Block block = DrawBlock(draws);
  const Way way = DrawWay(draws);
  const int64_t first = DrawNearElection(options, draws);
  const int64_t second = DrawNearElection(options, draws);
  const int64_t percent = 100 * draws->Between(10, 60);
  const int64_t rate = draws->Between(-kClockRateMaxPpm, kClockRateMaxPpm);
  const auto chance = static_cast<uint32_t>(draws->Between(50'000, 400'000));
  switch (kind) {
    case Kind::kCrashLoop:
      return CrashLoop{victim, power, first, second / 2, length};
    case Kind::kFlap:
      return Flap{victim, way, block, first, second, length};
    case Kind::kOneWayCut:
      return Partition{.with = victim,
                       .way = out ? Way::kOut : Way::kIn,
                       .block = block,
                       .length_us = length};
    case Kind::kSlowDisk:
      return SlowDisk{victim, percent, length};
    case Kind::kLossyLinks: {
      LinkProfile profile;
      profile.delay_us = profile.jitter_us = 0;
      profile.drop = chance;
      return NodeWeather{victim, profile, length};
    }
    case Kind::kClock:
      // Fast beyond the bound would end the sessions of clients that are asked
      // for progress, and may; slow or stopped takes nothing from anybody but
      // what a leader sends again after some time (World::OnProgressDue).
      if (out) return ClockRate{victim, rate, length};
      return WildClock{victim, power ? -1'000'000 : -100 * percent, length};
    case Kind::kSlowNode:
      return SlowNode{victim, percent, length};
  }
  return SlowDisk{victim, percent, length};
}

}  // namespace

std::vector<Fault> DrawLingering(const FaultPlanOptions& options) {
  std::vector<Fault> lingering;
  Draws draws(options.seed, Stream::kFaults, kLingering);
  if (!draws.Chance(kLingers)) return lingering;
  const std::vector<Kind> kinds = KindsOf(options.profile);
  // One sick node of three, one or two of five. The leader and its successor by
  // number are never the same node.
  const bool two = draws.Chance(500'000) && options.nodes >= 5;
  const bool leader_first = draws.Chance(600'000);
  const Victim victims[] = {
      {leader_first ? Victim::kLeader : Victim::kFollower},
      {leader_first ? Victim::kFollower : Victim::kLeader}};
  for (size_t i = 0; i < (two ? 2u : 1u); ++i) {
    const Kind kind = kinds[draws.Below(kinds.size())];
    lingering.push_back(DrawOne(kind, options, victims[i], &draws));
  }
  return lingering;
}

}  // namespace sim
