// Shrinking: what matters is kept and the rest goes; the verdict stays the
// same.
#include "sim/shrink.h"

#include <string>
#include <variant>
#include <vector>

#include "gtest/gtest.h"
#include "sim/scenario_edit.h"
#include "sim/simulation.h"

namespace sim {
namespace {

const Verdict kBug = {"safety", "rule"};

template <typename T>
size_t Count(const Scenario& scenario) {
  size_t count = 0;
  for (const TimedFault& timed : scenario.plan.faults) {
    count += std::holds_alternative<T>(timed.fault);
  }
  return count;
}

// A run that fails if `fails` says so; nothing is simulated.
template <typename Fails>
RunScenario Pretend(Fails fails) {
  return [fails](const Scenario& scenario) {
    return Outcome{.verdict = fails(scenario) ? kBug : Verdict{},
                   .events = 1'000};
  };
}

// A scenario with a lot in it.
Scenario Large() {
  for (uint64_t seed = 1;; ++seed) {
    Scenario scenario = DrawScenario({.seed = seed, .seconds = 20, .nodes = 5});
    if (Count<Crash>(scenario) >= 4 && Count<Weather>(scenario) >= 2 &&
        !scenario.plan.lingering.empty()) {
      return scenario;
    }
  }
}

TEST(ShrinkTest, NothingMattersNothingIsLeft) {
  const Shrunk shrunk =
      Shrink(Large(), Pretend([](const Scenario&) { return true; }));
  EXPECT_EQ(ToText(shrunk.scenario),
            "seed " + std::to_string(Large().seed) +
                "\nconfig clients=1 length_us=1\nheal 1\n");
  EXPECT_TRUE(shrunk.verdict == kBug);
  EXPECT_LE(shrunk.runs, 120u);
}

TEST(ShrinkTest, KeepsThePairThatMatters) {
  const auto fails = [](const Scenario& scenario) {
    bool storm = false, register_later = false;
    int64_t crash_us = 0;
    for (const TimedFault& timed : scenario.plan.faults) {
      if (const auto* crash = std::get_if<Crash>(&timed.fault)) {
        if (crash->down_us >= 70'000) crash_us = timed.at_us;
      } else if (const auto* weather = std::get_if<Weather>(&timed.fault)) {
        storm = storm || (crash_us != 0 && weather->length_us > 1'234);
      }
    }
    for (const TimedOperation& operation : scenario.operations) {
      register_later =
          register_later || (crash_us != 0 && operation.at_us > crash_us &&
                             operation.client == 2);
    }
    return storm && register_later && scenario.config.nodes > 3;
  };
  const Shrunk shrunk = Shrink(Large(), Pretend(fails));
  EXPECT_TRUE(fails(shrunk.scenario));
  EXPECT_EQ(FaultsOf(shrunk.scenario), 2u) << ToText(shrunk.scenario);
  EXPECT_EQ(Count<Crash>(shrunk.scenario), 1u);
  EXPECT_EQ(Count<Weather>(shrunk.scenario), 1u);
  EXPECT_EQ(shrunk.scenario.operations.size(), 1u);
  EXPECT_EQ(shrunk.scenario.config.nodes, 4u);
  EXPECT_EQ(shrunk.scenario.config.clients, 3u);
  // Round numbers, as small as they may be on that ladder.
  for (const TimedFault& timed : shrunk.scenario.plan.faults) {
    if (const auto* crash = std::get_if<Crash>(&timed.fault)) {
      EXPECT_EQ(crash->down_us, 100'000);
      EXPECT_EQ(crash->victim.node, Victim::kLeader);
    }
    if (const auto* weather = std::get_if<Weather>(&timed.fault)) {
      EXPECT_EQ(weather->length_us, 2'000);
      EXPECT_TRUE(weather->profile == LinkProfile());
    }
  }
  EXPECT_EQ(ToText(shrunk.scenario).find("election_us"), std::string::npos);
}

// Taking out what the first bug needs uncovers another one: not taken.
TEST(ShrinkTest, DoesNotSlipToAnotherBug) {
  const RunScenario run = [](const Scenario& scenario) {
    const bool first = Count<Crash>(scenario) >= 2;
    return Outcome{.verdict = {"safety", first ? "first_rule" : "second_rule"}};
  };
  const Shrunk shrunk = Shrink(Large(), run);
  EXPECT_EQ(shrunk.verdict.checker, "first_rule");
  EXPECT_EQ(Count<Crash>(shrunk.scenario), 2u);
  EXPECT_EQ(FaultsOf(shrunk.scenario), 2u);
}

TEST(ShrinkTest, RunsNothingTwice) {
  std::vector<std::string> seen;
  const RunScenario run = [&seen](const Scenario& scenario) {
    const std::string text = ToText(scenario);
    for (const std::string& other : seen) EXPECT_NE(text, other);
    seen.push_back(text);
    return Outcome{.verdict = Count<Weather>(scenario) > 0 ? kBug : Verdict{},
                   .events = 1};
  };
  const Shrunk shrunk = Shrink(Large(), run);
  EXPECT_EQ(shrunk.runs, seen.size());
  EXPECT_GT(shrunk.remembered, 0u);
}

TEST(ShrinkTest, KeepsToItsBounds) {
  const auto fails = [](const Scenario& scenario) {
    return scenario.operations.size() >= 100;
  };
  const Shrunk by_runs = Shrink(Large(), Pretend(fails), {.runs_max = 20});
  EXPECT_TRUE(by_runs.gave_up);
  EXPECT_EQ(by_runs.runs, 20u);
  EXPECT_TRUE(fails(by_runs.scenario));
  const Shrunk by_events =
      Shrink(Large(), Pretend(fails), {.events_max = 15'000});
  EXPECT_TRUE(by_events.gave_up);
  EXPECT_EQ(by_events.runs, 15u);
  EXPECT_FALSE(Shrink(Large(), Pretend(fails)).gave_up);
}

// A real bug of the disks, in real runs: one loss of power finds it out. What
// is written and read again fails in the same way.
TEST(ShrinkTest, LyingDisksTakeOneLossOfPower) {
  const RunScenario run = [](const Scenario& scenario) {
    return OutcomeOf(Simulate(scenario));
  };
  Scenario failing;
  Verdict verdict;
  for (uint64_t seed = 1; verdict.ok(); ++seed) {
    ASSERT_LE(seed, 20u) << "lying disks were not noticed";
    failing = DrawScenario({.seed = seed, .profile = Profile::kProcess});
    failing.config.lying_disks = true;
    verdict = run(failing).verdict;
  }
  const Shrunk shrunk = Shrink(failing, run);
  EXPECT_TRUE(shrunk.verdict == verdict);
  EXPECT_FALSE(shrunk.gave_up);
  EXPECT_LE(FaultsOf(shrunk.scenario), 1u) << ToText(shrunk.scenario);
  EXPECT_LE(shrunk.scenario.operations.size(), 1u) << ToText(shrunk.scenario);
  const auto read = ParseScenario(ToText(shrunk.scenario));
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_TRUE(run(read->scenario).verdict == verdict);
  // The same again: nothing depends on the machine.
  const Shrunk again = Shrink(failing, run);
  EXPECT_TRUE(again.scenario == shrunk.scenario);
  EXPECT_EQ(again.runs, shrunk.runs);
}

TEST(ScenarioEditTest, RemovesTimedFaultsThenThoseThatLinger) {
  Scenario scenario;
  scenario.plan.faults = {{1, PowerCut{1}}, {2, PowerCut{2}}};
  scenario.plan.lingering = {PowerCut{3}, PowerCut{4}};
  RemoveFaults(&scenario, 1, 3);
  ASSERT_EQ(FaultsOf(scenario), 2u);
  EXPECT_EQ(scenario.plan.faults[0].at_us, 1);
  EXPECT_EQ(std::get<PowerCut>(scenario.plan.lingering[0]).down_us, 4);
}

TEST(ScenarioEditTest, WithFewerProcessesEveryFaultStillHasItsVictim) {
  Scenario scenario;
  scenario.config = {.nodes = 5, .clients = 4};
  scenario.plan.faults = {{1, Clog{4, 7}},  // the last node, the third client
                          {2, Partition{.side = 0b11001, .with = {3}}},
                          {3, ClientCrash{.client = 3}}};
  scenario.operations = {{.at_us = 1, .client = 3}};
  SetNodes(&scenario, 3);
  SetClients(&scenario, 2);
  EXPECT_TRUE(Validate(scenario).ok());
  EXPECT_TRUE(scenario.plan.faults[0].fault == Fault(Clog{1, 3}));
  EXPECT_TRUE(scenario.plan.faults[1].fault ==
              Fault(Partition{.side = 0b001, .with = {0}}));
  EXPECT_TRUE(scenario.plan.faults[2].fault == Fault(ClientCrash{.client = 1}));
  EXPECT_EQ(scenario.operations[0].client, 1u);
}

TEST(ScenarioEditTest, BeginsEarlier) {
  Scenario scenario;
  scenario.plan = {{{500, PowerCut{1}}, {700, PowerCut{2}}}, 900, {}};
  scenario.operations = {{.at_us = 400}};
  EXPECT_EQ(FirstUs(scenario), 400);
  Begin(&scenario, 100);
  EXPECT_EQ(scenario.operations[0].at_us, 100);
  EXPECT_EQ(scenario.plan.faults[1].at_us, 400);
  EXPECT_EQ(scenario.plan.heal_at_us, 600);
}

TEST(ScenarioEditTest, SetsTheKnobThatItNamed) {
  const Scenario scenario = Large();
  const std::vector<Knob> knobs = KnobsOf(scenario, true);
  EXPECT_GT(knobs.size(), scenario.operations.size());
  for (size_t i = 0; i < knobs.size(); i += 7) {
    Scenario changed = scenario;
    const int64_t value = knobs[i].kind == Knob::Kind::kFlag
                              ? knobs[i].value == 0
                              : knobs[i].value + 1;
    SetKnob(&changed, true, i, value);
    const std::vector<Knob> after = KnobsOf(changed, true);
    ASSERT_EQ(after.size(), knobs.size());
    for (size_t j = 0; j < knobs.size(); ++j) {
      EXPECT_EQ(after[j].value, j == i ? value : knobs[j].value);
    }
  }
}

TEST(ScenarioEditTest, RoundNumbers) {
  EXPECT_EQ(RoundNumbersBelow(1), std::vector<int64_t>());
  EXPECT_EQ(RoundNumbersBelow(-5), std::vector<int64_t>());
  EXPECT_EQ(RoundNumbersBelow(50), (std::vector<int64_t>{1, 2, 5, 10, 20}));
  EXPECT_EQ(RoundTo(913'442, 1), 900'000);
  EXPECT_EQ(RoundTo(913'442, 3), 913'000);
  EXPECT_EQ(RoundTo(-15, 1), -20);
  EXPECT_EQ(RoundTo(7, 2), 7);
  EXPECT_EQ(RoundTo(0, 1), 0);
}

}  // namespace
}  // namespace sim
