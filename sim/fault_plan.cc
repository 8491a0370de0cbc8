#include "sim/fault_plan.h"

#include <algorithm>

#include "raft/check.h"
#include "raft/digest.h"

namespace sim {
namespace {

constexpr int64_t kMillisecond = 1'000;
constexpr int64_t kSecond = 1'000'000;
// Before the first election there is little to break.
constexpr int64_t kFirstFaultUs = 300 * kMillisecond;

// The classes of the swarm, in the order of their draws. Append-only.
enum class FaultClass : uint64_t {
  kKill = 0,
  kPowerLoss,
  kCrashAtEffect,
  kCrashInDiskJob,
  kPowerCut,
  kPause,
  kSlowNode,
  kSlowDisk,
  kDiskStall,
  kSyncError,
  kClockRate,
  kPartition,
  kClog,
  kReset,
  kBlackHole,
  kLoss,
  kDuplicate,
  kReorder,
  kCorrupt,
  kSplit,
  kLatency,
  kBandwidth,
  kClientCrash,
  kClientPause,
  kDepose,
  kFlap,
  kLeaderHunt,
  kCount,
};

// The classes of a narrower profile.
const std::vector<FaultClass>& ClassesOf(Profile profile) {
  using enum FaultClass;
  static const std::vector<FaultClass> net = {
      kPartition, kClog,  kReset,   kBlackHole, kLoss,   kDuplicate, kReorder,
      kCorrupt,   kSplit, kLatency, kBandwidth, kDepose, kFlap};
  static const std::vector<FaultClass> disk = {kPowerLoss, kCrashInDiskJob,
                                               kPowerCut,  kSlowDisk,
                                               kDiskStall, kSyncError};
  static const std::vector<FaultClass> clock = {
      kPause, kSlowNode, kClockRate, kDiskStall, kClientPause, kLatency};
  static const std::vector<FaultClass> process = {
      kKill,     kPowerLoss,   kCrashAtEffect, kCrashInDiskJob,
      kPowerCut, kClientCrash, kLeaderHunt,    kPause};
  static const std::vector<FaultClass> none;
  switch (profile) {
    case Profile::kNet:
      return net;
    case Profile::kDisk:
      return disk;
    case Profile::kClock:
      return clock;
    case Profile::kProcess:
      return process;
    default:
      return none;
  }
}

// Chances, per million, that a class is on in a seed.
constexpr uint32_t kOnAmongAll = 280'000;
constexpr uint32_t kOnAmongFew = 600'000;

// Draws the faults of one class. Each fault has draws of its own, so that one
// more or less of another class changes nothing here.
class Generator {
 public:
  explicit Generator(const FaultPlanOptions& options)
      : seed_(options.seed),
        profile_(options.profile),
        nodes_(options.nodes),
        clients_(options.clients),
        end_us_(options.heal_at_us) {}

  std::vector<TimedFault> Run() {
    for (uint64_t i = 0; i < static_cast<uint64_t>(FaultClass::kCount); ++i) {
      Draws draws(seed_, Stream::kFaults, i);
      const bool on = IsOn(static_cast<FaultClass>(i), &draws);
      const int64_t mean_gap_us =
          draws.Between(600 * kMillisecond, 4 * kSecond);
      if (on) DrawClass(static_cast<FaultClass>(i), mean_gap_us);
    }
    std::stable_sort(faults_.begin(), faults_.end(),
                     [](const TimedFault& a, const TimedFault& b) {
                       return a.at_us < b.at_us;
                     });
    return std::move(faults_);
  }

 private:
  bool IsOn(FaultClass which, Draws* draws) const {
    if (profile_ == Profile::kAll) return draws->Chance(kOnAmongAll);
    const std::vector<FaultClass>& few = ClassesOf(profile_);
    return draws->Chance(kOnAmongFew) &&
           std::find(few.begin(), few.end(), which) != few.end();
  }

  void DrawClass(FaultClass which, int64_t mean_gap_us) {
    int64_t at = kFirstFaultUs;
    for (uint64_t number = 1;; ++number) {
      Draws draws(seed_, Stream::kFaults, which, number);
      at += draws.Exponential(mean_gap_us) + kMillisecond;
      if (at >= end_us_) return;
      if (which == FaultClass::kFlap || which == FaultClass::kLeaderHunt) {
        at = DrawSeries(which, at, &draws);
      } else {
        faults_.push_back({at, DrawFault(which, &draws)});
      }
    }
  }

  // Leader after leader is cut off, or killed, with just enough time between
  // for the next one: logs grow apart term by term.
  int64_t DrawSeries(FaultClass which, int64_t at, Draws* draws) {
    const int64_t times = draws->Between(2, 6);
    for (int64_t i = 0; i < times && at < end_us_; ++i) {
      const int64_t length = draws->Between(100, 900) * kMillisecond;
      const int64_t pause = draws->Between(50, 600) * kMillisecond;
      const bool both = draws->Chance(500'000);
      const bool power = draws->Chance(500'000);
      const bool lose = draws->Chance(500'000);
      if (which == FaultClass::kFlap) {
        faults_.push_back(
            {at, Partition{
                     .with = {Victim::kLeader},
                     .way = both ? Partition::Way::kBoth : Partition::Way::kOut,
                     .block = lose ? SimNetwork::Block::kLose
                                   : SimNetwork::Block::kHold,
                     .length_us = length}});
      } else {
        faults_.push_back({at, Crash{.victim = {Victim::kLeader},
                                     .power = power,
                                     .down_us = length}});
      }
      at += pause;
    }
    return at;
  }

  Victim DrawVictim(Draws* draws) {
    const uint64_t part = draws->Below(4);
    const uint64_t node = draws->Below(nodes_);
    if (part == 0) return {Victim::kLeader};
    if (part == 1) return {Victim::kFollower};
    return {static_cast<uint32_t>(node)};
  }
  // Mostly short, sometimes several election timeouts.
  int64_t DrawLength(Draws* draws, int64_t mean_us) {
    const bool longer = draws->Chance(150'000);
    const int64_t length = draws->Exponential(mean_us) + kMillisecond;
    return longer ? length * 4 : length;
  }
  Process DrawProcess(Draws* draws) {
    // Twice the weight for nodes: links between them are what matters most.
    const uint64_t pick = draws->Below(uint64_t{nodes_} * 2 + clients_);
    return static_cast<Process>(pick < nodes_ ? pick : pick - nodes_);
  }

  Fault DrawFault(FaultClass which, Draws* draws) {
    switch (which) {
      case FaultClass::kKill:
      case FaultClass::kPowerLoss:
      case FaultClass::kCrashAtEffect:
      case FaultClass::kCrashInDiskJob:
      case FaultClass::kPowerCut:
      case FaultClass::kSyncError:
        return DrawCrash(which, draws);
      case FaultClass::kPause:
      case FaultClass::kSlowNode:
      case FaultClass::kSlowDisk:
      case FaultClass::kDiskStall:
      case FaultClass::kClockRate:
        return DrawSlowness(which, draws);
      case FaultClass::kPartition:
        return DrawPartition(draws);
      case FaultClass::kClog:
      case FaultClass::kReset:
      case FaultClass::kBlackHole:
        return DrawLink(which, draws);
      case FaultClass::kDepose:
        return Depose{{Victim::kLeader},
                      draws->Between(20, 500) * kMillisecond};
      case FaultClass::kClientCrash: {
        const uint64_t client = draws->Below(clients_);
        return ClientCrash{static_cast<uint32_t>(client),
                           DrawLength(draws, 200 * kMillisecond)};
      }
      case FaultClass::kClientPause: {
        const uint64_t client = draws->Below(clients_);
        return ClientPause{static_cast<uint32_t>(client),
                           DrawLength(draws, 500 * kMillisecond)};
      }
      default:
        return DrawWeather(which, draws);
    }
  }

  Fault DrawCrash(FaultClass which, Draws* draws) {
    const Victim victim = DrawVictim(draws);
    const int64_t down = DrawLength(draws, 300 * kMillisecond);
    const uint64_t in_boot = draws->Below(8);
    const uint64_t steps = draws->Below(24);
    const bool power = draws->Chance(500'000);
    switch (which) {
      case FaultClass::kKill:
        return Crash{.victim = victim, .down_us = down};
      case FaultClass::kPowerLoss:
        return Crash{.victim = victim,
                     .power = true,
                     .down_us = down,
                     .crashes_in_boot =
                         static_cast<uint32_t>(in_boot < 2 ? in_boot + 1 : 0)};
      case FaultClass::kCrashAtEffect:
        return CrashAtEffect{victim, static_cast<uint32_t>(steps), power, down};
      case FaultClass::kCrashInDiskJob:
        return CrashInDiskJob{victim, static_cast<uint32_t>(steps), down};
      case FaultClass::kSyncError:
        return SyncError{victim, down};
      default:
        return PowerCut{down};
    }
  }

  Fault DrawSlowness(FaultClass which, Draws* draws) {
    const Victim victim = DrawVictim(draws);
    const int64_t length = DrawLength(draws, 300 * kMillisecond);
    const int64_t node_percent = 100 * draws->Between(2, 300);
    const int64_t disk_percent = 100 * draws->Between(2, 60);
    const int64_t rate = draws->Between(-kClockRateMaxPpm, kClockRateMaxPpm);
    switch (which) {
      case FaultClass::kPause:
        return Pause{victim, length};
      case FaultClass::kSlowNode:
        return SlowNode{victim, node_percent, length};
      case FaultClass::kSlowDisk:
        return SlowDisk{victim, disk_percent, length};
      case FaultClass::kDiskStall:
        return DiskStall{victim, length};
      default:
        return ClockRate{victim, rate, length * 4};
    }
  }

  Fault DrawPartition(Draws* draws) {
    Partition partition;
    const uint64_t part = draws->Below(3);
    const uint64_t all = (uint64_t{1} << nodes_) - 1;
    const uint64_t side = draws->Below(all - 1) + 1;  // neither none nor all
    if (part == 0) {
      partition.with = {Victim::kLeader};
    } else if (part == 1) {
      // The leader with one more: a minority of five.
      partition.with = {Victim::kLeader};
      partition.side = uint32_t{1} << draws->Below(nodes_);
    } else {
      partition.side = static_cast<uint32_t>(side);
      partition.with = {static_cast<uint32_t>(__builtin_ctzll(side))};
    }
    const uint64_t way = draws->Below(4);
    partition.way = way < 2    ? Partition::Way::kBoth
                    : way == 2 ? Partition::Way::kOut
                               : Partition::Way::kIn;
    partition.block = draws->Chance(500'000) ? SimNetwork::Block::kHold
                                             : SimNetwork::Block::kLose;
    partition.length_us = DrawLength(draws, 500 * kMillisecond);
    return partition;
  }

  Fault DrawLink(FaultClass which, Draws* draws) {
    const Process first = DrawProcess(draws);
    Process second = static_cast<Process>(draws->Below(nodes_));
    if (second == first) second = (second + 1) % nodes_;
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

  Fault DrawWeather(FaultClass which, Draws* draws) {
    Weather weather;
    LinkProfile& profile = weather.profile;
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
    weather.length_us = DrawLength(draws, 2 * kSecond);
    return weather;
  }

  const uint64_t seed_;
  const Profile profile_;
  const uint32_t nodes_;
  const uint32_t clients_;
  const int64_t end_us_;
  std::vector<TimedFault> faults_;
};

}  // namespace

std::string ToText(const FaultPlan& plan) {
  std::string text;
  for (const TimedFault& timed : plan.faults) {
    text += std::to_string(timed.at_us) + " us  " +
            raft::Describe(timed.fault) + "\n";
  }
  text += std::to_string(plan.heal_at_us) + " us  heal\n";
  for (const Fault& fault : plan.lingering) {
    text += "then  " + raft::Describe(fault) + "\n";
  }
  return text;
}

std::string_view ToString(Profile profile) {
  switch (profile) {
    case Profile::kAll:
      return "all";
    case Profile::kNet:
      return "net";
    case Profile::kDisk:
      return "disk";
    case Profile::kClock:
      return "clock";
    case Profile::kProcess:
      return "process";
    case Profile::kHealthy:
      return "healthy";
  }
  return "?";
}

FaultPlan DrawFaultPlan(const FaultPlanOptions& options) {
  CHECK_GT(options.nodes, 2u);
  CHECK_GT(options.clients, 0u);
  FaultPlan plan;
  plan.heal_at_us = options.heal_at_us;
  if (options.profile == Profile::kHealthy) return plan;
  plan.faults = Generator(options).Run();
  const int64_t linger_us = options.linger_us;
  Draws draws(options.seed, Stream::kFaults, FaultClass::kCount);
  const Victim leader{Victim::kLeader};
  const int64_t percent = 100 * draws.Between(10, 60);
  switch (draws.Below(8)) {
    case 0:
      plan.lingering = {Partition{.with = leader,
                                  .way = Partition::Way::kIn,
                                  .block = SimNetwork::Block::kLose,
                                  .length_us = linger_us}};
      break;
    case 1:
      plan.lingering = {Partition{.with = leader,
                                  .way = Partition::Way::kOut,
                                  .block = SimNetwork::Block::kHold,
                                  .length_us = linger_us}};
      break;
    case 2:
      plan.lingering = {SlowDisk{leader, percent, linger_us}};
      break;
    default:
      break;
  }
  return plan;
}

}  // namespace sim
