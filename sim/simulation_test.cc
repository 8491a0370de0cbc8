// Whole runs: repeated to the bit, healthy without faults, obedient to a plan
// written by hand, and loud when the disks lie.
#include "sim/simulation.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "registry/checker/history.h"

namespace sim {
namespace {

constexpr int64_t kHealUs = 2'000'000;

SimulationResult RunSeed(const SeedOptions& options) {
  return Simulate(DrawScenario(options));
}

uint64_t CountOf(const std::vector<Count>& counts, std::string_view name) {
  for (const auto& [known, value] : counts) {
    if (known == name) return value;
  }
  ADD_FAILURE() << "no count " << name;
  return 0;
}
std::string Text(const SimulationResult& result) {
  std::string text;
  for (const Violation& violation : result.violations) {
    text += violation.checker + ": " + violation.text + "\n";
  }
  return text;
}
std::string History(const SimulationResult& result) {
  std::string lines;
  for (const auto& entry : result.history) {
    registry::checker::AppendHistoryLine(entry, &lines);
  }
  return lines;
}

// Twice in one process: what depended on an address, on the allocator or on a
// hash's salt of the first run would differ in the second.
TEST(DeterminismTest, TheSameSeedIsTheSameRun) {
  for (uint64_t seed = 1001; seed <= 1012; ++seed) {
    const SimulationResult first = RunSeed({.seed = seed});
    const std::vector<std::string> litter(seed % 97, std::string(1000, 'x'));
    const SimulationResult second = RunSeed({.seed = seed});
    EXPECT_EQ(first.digest, second.digest) << "seed " << seed;
    EXPECT_EQ(first.events, second.events);
    EXPECT_EQ(first.simulated_us, second.simulated_us);
    EXPECT_EQ(first.faults, second.faults);
    EXPECT_EQ(first.counts, second.counts);
    EXPECT_EQ(History(first), History(second));
  }
}

TEST(DeterminismTest, AnotherSeedIsAnotherRun) {
  EXPECT_NE(RunSeed({.seed = 1, .seconds = 1}).digest,
            RunSeed({.seed = 2, .seconds = 1}).digest);
}

TEST(DeterminismTest, BeingToldOfItChangesNothing) {
  std::string story;
  const Scenario scenario = DrawScenario({.seed = 1003});
  const Observers observers{.narrator = [&story](std::string_view line) {
    story += std::string(line) + "\n";
  }};
  EXPECT_EQ(Simulate(scenario, observers).digest, Simulate(scenario).digest);
  EXPECT_NE(story.find("leader of"), std::string::npos);
  EXPECT_NE(story.find("everything heals"), std::string::npos);
}

// Without faults one leader is elected and stays, and everything is answered.
TEST(SimulationTest, HealthyWithoutFaults) {
  for (const uint32_t nodes : {3u, 5u}) {
    const SimulationResult result =
        RunSeed({.seed = 5,
                 .seconds = 5,
                 .nodes = nodes,
                 .plan = FaultPlan{.heal_at_us = kHealUs}});
    EXPECT_EQ(Text(result), "");
    EXPECT_EQ(result.nodes, nodes);
    EXPECT_EQ(result.leaders, 1u);
    EXPECT_EQ(CountOf(result.faults, "outcomes_unknown"), 0u);
    EXPECT_EQ(CountOf(result.counts, "unavailable"), 0u);
    EXPECT_EQ(CountOf(result.counts, "answered"), result.operations);
    EXPECT_EQ(CountOf(result.faults, "frames_dropped"), 0u);
    EXPECT_EQ(result.unsynced_bytes_lost, 0u);
    EXPECT_GE(result.operations, 150u);
  }
}

// More than some of the clients can ask (a client may have a single call under
// way): what cannot be asked in time is refused, and the rest is answered.
TEST(SimulationTest, AnOverloadedClusterDoesNotCollapse) {
  for (const Profile profile : {Profile::kHealthy, Profile::kAll}) {
    const SimulationResult result = RunSeed({.seed = 5,
                                             .seconds = 5,
                                             .profile = profile,
                                             .nodes = 5,
                                             .operations_per_second = 1000,
                                             .standard = true});
    EXPECT_EQ(Text(result), "") << ToString(profile);
    EXPECT_FALSE(result.linearizability_unknown);
    EXPECT_GE(result.operations, 4'000u);
    if (profile != Profile::kHealthy) continue;
    EXPECT_EQ(result.leaders, 1u);
    EXPECT_GE(CountOf(result.counts, "answered") * 100, result.operations * 95);
  }
}

TEST(SimulationTest, DoesWhatThePlanSays) {
  FaultPlan plan;
  plan.heal_at_us = kHealUs;
  plan.faults = {
      {700'000, Crash{.victim = {Victim::kLeader}, .down_us = 100'000}},
      {1'500'000,
       Crash{.victim = {Victim::kLeader}, .power = true, .down_us = 100'000}},
  };
  const SimulationResult result =
      RunSeed({.seed = 5, .seconds = 5, .plan = plan});
  EXPECT_EQ(Text(result), "");
  EXPECT_EQ(CountOf(result.faults, "processes_killed"), 1u);
  EXPECT_EQ(CountOf(result.faults, "power_losses"), 1u);
  EXPECT_EQ(CountOf(result.faults, "leaders_crashed"), 2u);
  EXPECT_EQ(result.leaders_lost(), 2u);
}

// Nobody has to time out: the next leader is asked to stand.
TEST(SimulationTest, ALeaderThatStopsHandsOver) {
  const FaultPlan plan{
      .faults = {{900'000, CleanStop{{Victim::kLeader}, 500'000}}},
      .heal_at_us = kHealUs};
  const SimulationResult result =
      RunSeed({.seed = 6, .seconds = 4, .plan = plan});
  EXPECT_EQ(Text(result), "");
  EXPECT_EQ(CountOf(result.counts, "clean_stops"), 1u);
  EXPECT_EQ(CountOf(result.counts, "campaigns_asked"), 1u);
  EXPECT_EQ(CountOf(result.counts, "terms_begun"), 2u);
}

TEST(SimulationTest, EveryFaultAloneIsSurvived) {
  const Victim leader{Victim::kLeader};
  LinkProfile storm;
  storm.drop = storm.duplicate = storm.reorder = 100'000;
  storm.corrupt = 5'000;
  storm.split = 500'000;
  Draws draws(1, Stream::kFaults);
  const std::vector<Fault> faults = {
      Crash{
          .victim = leader, .power = true, .down_us = 1, .crashes_in_boot = 3},
      CrashAtEffect{leader, 7, true, 100'000},
      CrashInDiskJob{leader, 3, 100'000},
      PowerCut{200'000},
      Pause{leader, 900'000},
      SlowNode{leader, 20'000, 900'000},
      SlowDisk{leader, 5'000, 900'000},
      DiskStall{leader, 900'000},
      SyncError{leader, 1},
      ClockRate{leader, kClockRateMaxPpm, 900'000},
      Partition{.with = leader,
                .way = Partition::Way::kIn,
                .block = SimNetwork::Block::kLose,
                .length_us = 900'000},
      Clog{0, 1, 900'000},
      ResetLink{0, 1, SimNetwork::Reset::kFirstOnly, true},
      BlackHole{0, 1, 500'000},
      Weather{storm, 900'000},
      ClientCrash{0, 100'000},
      ClientPause{1, 900'000},
      Depose{leader, 300'000},
      Topology{leader, CutsOf(Shape::kChain, 3, &draws),
               SimNetwork::Block::kLose, 900'000},
      Flap{leader, Way::kOut, SimNetwork::Block::kHold, 300'000, 100'000,
           900'000},
      Swizzle{1, 900'000},
      NodeWeather{leader, storm, 900'000},
      ClientCut{2, 5, Way::kBoth, 900'000},
      CrashLoop{leader, true, 50'000, 100'000, 900'000},
      WildClock{leader, -1'000'000, 900'000},
      ClockJump{leader, 120'000'000},
      CoarseClock{leader, 50'000, 900'000},
      LateTimers{leader, 1'000, 900'000},
      TimerStorm{900'000},
      ClientClock{0, 60'000'000, 9'000'000, 900'000},
      SlowReader{0, 900'000},
      ClientsAway{3'000'000},
      ClientHop{0, 50'000, 900'000},
      DiskFailure{leader, OperationClass::kWrite, 0, false, 100'000},
      DiskFull{leader, 0, 500'000},
      DiskReadOnly{leader, 500'000},
      DamageDisk{leader, DamageKind::kLostWrite, 1},
      PathStall{3, leader, 900'000},
      CleanStop{leader, 500'000},
  };
  EXPECT_EQ(faults.size(), std::variant_size_v<Fault>);
  for (const Fault& fault : faults) {
    FaultPlan plan{.faults = {{900'000, fault}}, .heal_at_us = kHealUs};
    const SimulationResult result =
        RunSeed({.seed = 6, .seconds = 4, .plan = plan});
    EXPECT_EQ(Text(result), "") << ToText(plan);
    EXPECT_EQ(CountOf(result.counts, "faults"), 1u);
  }
}

// A command that its client has given up on one connection and asked again on
// another arrives when its answer is forgotten.
TEST(SimulationTest, AStalledCommandComesAfterItsAnswerIsForgotten) {
  const auto run = [](std::vector<TimedFault> faults) {
    return RunSeed({.seed = 6,
                    .seconds = 4,
                    .operations_per_second = 100,
                    .plan = FaultPlan{std::move(faults), kHealUs, {}}});
  };
  const auto seen = [](const SimulationResult& result) {
    return result.probes >>
               static_cast<int>(raft::ProbeId::kRepeatAnsweredCompacted) &
           1;
  };
  std::vector<TimedFault> stalls;
  const uint32_t nodes = DrawScenario({.seed = 6}).config.nodes;
  for (Process client = nodes; client < nodes + 3; ++client) {
    stalls.push_back(
        {900'000, PathStall{client, {Victim::kLeader}, 1'500'000}});
  }
  const SimulationResult result = run(stalls);
  EXPECT_EQ(Text(result), "");
  EXPECT_GT(CountOf(result.faults, "messages_after_a_close"), 0u);
  EXPECT_TRUE(seen(result));
  EXPECT_FALSE(seen(run({})));
}

// The canary: if this passes unnoticed, no green run means anything.
TEST(SimulationTest, LyingDisksAreCaught) {
  int caught = 0;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    FaultPlan plan{.faults = {{900'000, PowerCut{100'000}}},
                   .heal_at_us = kHealUs};
    Scenario scenario =
        DrawScenario({.seed = seed, .seconds = 4, .plan = plan});
    scenario.config.lying_disks = true;
    const SimulationResult result = Simulate(scenario);
    // Lost entries are a safety violation; a log that cannot be read at all is
    // refused at boot.
    caught += !result.violations.empty();
  }
  EXPECT_GE(caught, 8);
}

TEST(ScenarioTest, ShapesDiffer) {
  int three = 0;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const uint32_t nodes = DrawScenario({.seed = seed}).config.nodes;
    EXPECT_TRUE(nodes == 3 || nodes == 5);
    three += nodes == 3;
  }
  EXPECT_GT(three, 30);
  EXPECT_LT(three, 70);
}

}  // namespace
}  // namespace sim
