// FaultPlan: what is done to a cluster, as an explicit list of typed faults.
// A seed draws one (swarm testing: each seed switches on a random subset of the
// classes, with random strengths); a test or a shrinker writes one by hand.
// Every fault carries its own length, so that taking one out leaves the rest a
// valid plan.
//
// Inside the fault model: whatever is in a plan, at most unsynced bytes are
// lost, and of what was synced no more than a fault budget allows
// (fault_budget.h). So every plan that ends (heal_at_us) leaves a cluster that
// recovers; but for damage beyond a minority of the copies, where it was asked
// for (WorldConfig).
#ifndef SIM_FAULT_PLAN_H_
#define SIM_FAULT_PLAN_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "sim/client_faults.h"
#include "sim/clock_faults.h"
#include "sim/process_faults.h"
#include "sim/random.h"
#include "sim/scheduler.h"
#include "sim/sim_disk.h"
#include "sim/sim_network.h"
#include "sim/topology_faults.h"
#include "sim/victim.h"

namespace sim {

// The process dies at once. `power`: the machine with it; what was not synced
// may be lost, and its connections fall silent. Otherwise the kernel ends its
// connections and keeps what was written.
struct Crash {
  static constexpr std::string_view kName = "Crash";
  Victim victim;
  bool power = false;
  int64_t down_us = 0;
  // The first boots after it crash in turn, each a few file operations in.
  uint32_t crashes_in_boot = 0;
  bool operator==(const Crash&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("victim", victim), f("power", power), f("down_us", down_us),
        f("crashes_in_boot", crashes_in_boot);
  }
};
// The process dies inside a loop turn, when it has done `effects` more port
// calls; what the turn still wanted to do is not done.
struct CrashAtEffect {
  static constexpr std::string_view kName = "CrashAtEffect";
  Victim victim;
  uint32_t effects = 0;
  bool power = false;
  int64_t down_us = 0;
  bool operator==(const CrashAtEffect&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("victim", victim), f("effects", effects), f("power", power),
        f("down_us", down_us);
  }
};
// The power fails inside a disk job, when `operations` more file operations are
// done.
struct CrashInDiskJob {
  static constexpr std::string_view kName = "CrashInDiskJob";
  Victim victim;
  uint32_t operations = 0;
  int64_t down_us = 0;
  bool operator==(const CrashInDiskJob&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("victim", victim), f("operations", operations), f("down_us", down_us);
  }
};
// Every node loses power at once; each comes back at its own time.
struct PowerCut {
  static constexpr std::string_view kName = "PowerCut";
  int64_t down_us = 0;
  bool operator==(const PowerCut&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("down_us", down_us);
  }
};
// SIGSTOP: arrivals wait, time goes on.
struct Pause {
  static constexpr std::string_view kName = "Pause";
  Victim victim;
  int64_t length_us = 0;
  bool operator==(const Pause&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("victim", victim), f("length_us", length_us);
  }
};
// The loop takes `percent` of its usual time for a turn.
struct SlowNode {
  static constexpr std::string_view kName = "SlowNode";
  Victim victim;
  int64_t percent = 100;
  int64_t length_us = 0;
  bool operator==(const SlowNode&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("victim", victim), f("percent", percent), f("length_us", length_us);
  }
};
struct SlowDisk {
  static constexpr std::string_view kName = "SlowDisk";
  Victim victim;
  int64_t percent = 100;
  int64_t length_us = 0;
  bool operator==(const SlowDisk&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("victim", victim), f("percent", percent), f("length_us", length_us);
  }
};
struct DiskStall {
  static constexpr std::string_view kName = "DiskStall";
  Victim victim;
  int64_t length_us = 0;
  bool operator==(const DiskStall&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("victim", victim), f("length_us", length_us);
  }
};
// The next sync fails; the node must stop by itself. Some of what was to be
// synced is lost, and the disk says OK from then on.
struct SyncError {
  static constexpr std::string_view kName = "SyncError";
  Victim victim;
  int64_t down_us = 0;
  bool operator==(const SyncError&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("victim", victim), f("down_us", down_us);
  }
};
// The clock runs at another rate, within the declared clock-rate error.
struct ClockRate {
  static constexpr std::string_view kName = "ClockRate";
  Victim victim;
  int64_t rate_ppm = 0;
  int64_t length_us = 0;
  bool operator==(const ClockRate&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("victim", victim), f("rate_ppm", rate_ppm), f("length_us", length_us);
  }
};
// Nodes whose bit is set in `side` are cut from the others; clients stay where
// they are, and reach both. A plan may overlap several: bridges and rings.
struct Partition {
  static constexpr std::string_view kName = "Partition";
  using Way = sim::Way;
  uint32_t side = 0;
  Victim with;           // kLeader or kFollower: this one is added to `side`
  Way way = Way::kBoth;  // seen from `side`
  SimNetwork::Block block = SimNetwork::Block::kHold;
  int64_t length_us = 0;
  bool operator==(const Partition&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("side", side), f("with", with), f("way", way), f("block", block),
        f("length_us", length_us);
  }
};
std::string_view ToString(Partition::Way way);
// One directed link holds what comes and then lets it go in a burst.
struct Clog {
  static constexpr std::string_view kName = "Clog";
  Process from = 0;
  Process to = 0;
  int64_t length_us = 0;
  bool operator==(const Clog&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("from", from), f("to", to), f("length_us", length_us);
  }
};
// Every connection between two processes breaks.
struct ResetLink {
  static constexpr std::string_view kName = "ResetLink";
  Process first = 0;
  Process second = 0;
  SimNetwork::Reset reset = SimNetwork::Reset::kBoth;
  bool cut = false;
  bool operator==(const ResetLink&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("first", first), f("second", second), f("reset", reset), f("cut", cut);
  }
};
// The connections that stand between two processes fall silent; the kernels
// give them up (TCP_USER_TIMEOUT) after `length_us`.
struct BlackHole {
  static constexpr std::string_view kName = "BlackHole";
  Process first = 0;
  Process second = 0;
  int64_t length_us = 0;
  bool operator==(const BlackHole&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("first", first), f("second", second), f("length_us", length_us);
  }
};
// The others see their connections to the victim close, and elect somebody else
// at once; the victim sees nothing, believes that it leads, and goes on to
// serve clients. What the others send it waits until the end.
struct Depose {
  static constexpr std::string_view kName = "Depose";
  Victim victim;
  int64_t length_us = 0;
  bool operator==(const Depose&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("victim", victim), f("length_us", length_us);
  }
};
// Every link behaves like `profile` for a while (its delays are added).
struct Weather {
  static constexpr std::string_view kName = "Weather";
  LinkProfile profile;
  int64_t length_us = 0;
  bool operator==(const Weather&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("profile", profile), f("length_us", length_us);
  }
};
// A client's process dies; another life of it begins later.
struct ClientCrash {
  static constexpr std::string_view kName = "ClientCrash";
  uint32_t client = 0;
  int64_t down_us = 0;
  bool operator==(const ClientCrash&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("client", client), f("down_us", down_us);
  }
};
struct ClientPause {
  static constexpr std::string_view kName = "ClientPause";
  uint32_t client = 0;
  int64_t length_us = 0;
  bool operator==(const ClientPause&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("client", client), f("length_us", length_us);
  }
};

// The disk's next operation of a class but `skip` fails, be it in a job or in a
// boot. It stops the node, or keeps it from starting, for `down_us`.
struct DiskFailure {
  static constexpr std::string_view kName = "DiskFailure";
  Victim victim;
  OperationClass of = OperationClass::kWrite;
  uint32_t skip = 0;
  bool full = false;  // no room for it; otherwise an I/O error
  int64_t down_us = 0;
  bool operator==(const DiskFailure&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("victim", victim), f("of", of), f("skip", skip), f("full", full),
        f("down_us", down_us);
  }
};
// No more than `room` bytes fit on the disk for a while.
struct DiskFull {
  static constexpr std::string_view kName = "DiskFull";
  Victim victim;
  uint32_t room = 0;
  int64_t length_us = 0;
  bool operator==(const DiskFull&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("victim", victim), f("room", room), f("length_us", length_us);
  }
};
struct DiskReadOnly {
  static constexpr std::string_view kName = "DiskReadOnly";
  Victim victim;
  int64_t length_us = 0;
  bool operator==(const DiskReadOnly&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("victim", victim), f("length_us", length_us);
  }
};
// What was synced is damaged, if the fault budget allows it: bits rot, the last
// write is lost or went elsewhere. `salt` decides where and how.
struct DamageDisk {
  static constexpr std::string_view kName = "DamageDisk";
  Victim victim;
  DamageKind kind = DamageKind::kBitRot;
  uint64_t salt = 0;
  bool operator==(const DamageDisk&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("victim", victim), f("kind", kind), f("salt", salt);
  }
};

using Fault = std::variant<
    Crash, CrashAtEffect, CrashInDiskJob, PowerCut, Pause, SlowNode, SlowDisk,
    DiskStall, SyncError, ClockRate, Partition, Clog, ResetLink, BlackHole,
    Weather, ClientCrash, ClientPause, Depose, Topology, Flap, Swizzle,
    NodeWeather, ClientCut, CrashLoop, WildClock, ClockJump, CoarseClock,
    LateTimers, TimerStorm, ClientClock, SlowReader, ClientsAway, ClientHop,
    DiskFailure, DiskFull, DiskReadOnly, DamageDisk, PathStall, CleanStop>;

struct TimedFault {
  int64_t at_us = 0;
  Fault fault;
  bool operator==(const TimedFault&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("at_us", at_us), f("fault", fault);
  }
};

struct FaultPlan {
  std::vector<TimedFault> faults;  // by time
  // From here on nothing is wrong any more: whatever was cut is joined,
  // whoever is down comes back, and progress is demanded.
  int64_t heal_at_us = 0;
  // But these begin when everything else heals: a minority may stay faulty, and
  // the rest must still get on.
  std::vector<Fault> lingering;
  bool operator==(const FaultPlan&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("faults", faults), f("heal_at_us", heal_at_us), f("lingering", lingering);
  }
};

// One line a fault, for narratives.
std::string ToText(const FaultPlan& plan);

// Which classes of faults a seed may draw.
enum class Profile : uint8_t {
  kAll = 0,
  kNet,      // links and topology
  kDisk,     // disks, and the losses of power that show what was not synced
  kClock,    // clocks, pauses, slow nodes: time that passes unevenly
  kProcess,  // crashes of nodes and clients
  kHealthy,  // none at all
  kStorm,    // every class, in every seed (all others draw a subset)
  // As kAll, and leadership is moved about: by clients that ask for it, and by
  // nodes that stop in good order. For itself, so that the digests of all other
  // profiles stay as they are until members come and go as well.
  kMembership,
};
inline constexpr Profile kProfiles[] = {
    Profile::kAll,   Profile::kNet,       Profile::kDisk,
    Profile::kClock, Profile::kProcess,   Profile::kHealthy,
    Profile::kStorm, Profile::kMembership};
std::string_view ToString(Profile profile);

struct FaultPlanOptions {
  uint64_t seed = 0;
  Profile profile = Profile::kAll;
  uint32_t nodes = 3;
  uint32_t clients = 6;
  int64_t election_us = 300'000;  // periods near it are what hurts
  int64_t heal_at_us = 0;
  int64_t linger_us = 0;  // how long what lingers does so
};

// The plan of a seed.
FaultPlan DrawFaultPlan(const FaultPlanOptions& options);

}  // namespace sim

#endif  // SIM_FAULT_PLAN_H_
