// What is written as text is read back equal: every scenario that a seed draws,
// and every type of fault and of operation with every field set.
#include "sim/scenario_text.h"

#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "gtest/gtest.h"
#include "raft/digest.h"
#include "sim/field_text.h"

namespace sim {
namespace {

// ------------------------------------------- values with every field set

template <typename T>
void FillOne(T* value, int64_t* next);

template <typename T>
void FillFields(T* value, int64_t* next) {
  value->Fields([next](std::string_view, const auto& field) {
    FillOne(const_cast<std::remove_cvref_t<decltype(field)>*>(&field), next);
  });
}

template <typename T>
void Fill(std::optional<T>* value, int64_t* next) {
  FillOne(&value->emplace(), next);
}
template <typename T>
void Fill(std::vector<T>* values, int64_t* next) {
  for (int i = 0; i < 3; ++i) FillOne(&values->emplace_back(), next);
}
// The last alternative is not the one that a default value has.
template <typename... Ts>
void Fill(std::variant<Ts...>* value, int64_t* next) {
  value->template emplace<sizeof...(Ts) - 1>();
  FillOne(&std::get<sizeof...(Ts) - 1>(*value), next);
}

template <typename T>
void FillOne(T* value, int64_t* next) {
  ++*next;
  if constexpr (std::is_same_v<T, bool>) {
    *value = !*value;
  } else if constexpr (std::is_integral_v<T> || std::is_enum_v<T>) {
    *value = static_cast<T>(std::is_enum_v<T> ? 1 : *next);
  } else if constexpr (raft::IsStrongNumber<T>::value) {
    *value = T(static_cast<typename T::rep>(*next));
  } else if constexpr (std::is_same_v<T, std::string>) {
    *value = "a \"b\"=\\#\n" + std::string(1, '\0') + std::to_string(*next);
  } else if constexpr (raft::HasFields<T>) {
    FillFields(value, next);
  } else {
    Fill(value, next);
  }
}

template <typename V, size_t... kIndex>
std::vector<V> OneOfEach(std::index_sequence<kIndex...>) {
  std::vector<V> all;
  int64_t next = 0;
  const auto add = [&](auto one) {
    all.push_back(one);  // nothing but defaults
    FillFields(&one, &next);
    all.push_back(one);
  };
  (add(std::variant_alternative_t<kIndex, V>()), ...);
  return all;
}
template <typename V>
std::vector<V> OneOfEach() {
  return OneOfEach<V>(std::make_index_sequence<std::variant_size_v<V>>());
}

ScenarioFile Read(const std::string& text) {
  absl::StatusOr<ScenarioFile> file = ParseScenario(text);
  EXPECT_TRUE(file.ok()) << file.status().message();
  return file.ok() ? *std::move(file) : ScenarioFile();
}
std::string ErrorOf(const std::string& text) {
  const absl::StatusOr<ScenarioFile> file = ParseScenario(text);
  return file.ok() ? "" : std::string(file.status().message());
}

TEST(ScenarioTextTest, EveryDrawnScenarioIsReadBackEqual) {
  for (const Profile profile : kProfiles) {
    for (uint64_t seed = 1; seed <= 200; ++seed) {
      const Scenario drawn =
          DrawScenario({.seed = seed, .seconds = 4, .profile = profile});
      ASSERT_TRUE(Read(ToText(drawn)).scenario == drawn)
          << "seed " << seed << " of profile " << ToString(profile);
    }
  }
}

// Whatever alternatives there are: a new fault takes part by itself.
TEST(ScenarioTextTest, EveryFaultIsReadBackEqual) {
  Scenario scenario;
  scenario.config.nodes = 9;
  scenario.config.clients = 900;  // the numbers set are processes of these
  scenario.plan.lingering = OneOfEach<Fault>();
  for (const Fault& fault : OneOfEach<Fault>()) {
    scenario.plan.faults.push_back({7, fault});
  }
  const Scenario read = Read(ToText(scenario)).scenario;
  ASSERT_EQ(read.plan.faults.size(), 2 * std::variant_size_v<Fault>);
  for (size_t i = 0; i < read.plan.faults.size(); ++i) {
    EXPECT_TRUE(read.plan.faults[i] == scenario.plan.faults[i])
        << ToText(scenario.plan.faults[i].fault);
  }
  EXPECT_TRUE(read == scenario);
}

TEST(ScenarioTextTest, EveryOperationIsReadBackEqual) {
  Scenario scenario;
  for (const registry::Operation& one : OneOfEach<registry::Operation>()) {
    scenario.operations.push_back({.at_us = 1, .client = 3, .body = one});
  }
  for (const registry::ReadOperation& one :
       OneOfEach<registry::ReadOperation>()) {
    scenario.operations.push_back(
        {.at_us = 2, .client = 4, .body = one, .compare = true});
  }
  const Scenario read = Read(ToText(scenario)).scenario;
  ASSERT_EQ(read.operations.size(), scenario.operations.size());
  for (size_t i = 0; i < read.operations.size(); ++i) {
    EXPECT_TRUE(read.operations[i] == scenario.operations[i])
        << raft::Describe(scenario.operations[i].body);
  }
}

TEST(ScenarioTextTest, AConfigurationIsReadBackEqual) {
  Scenario scenario;
  int64_t next = 10;
  FillFields(&scenario.config, &next);
  scenario.config.nodes = 3;
  scenario.config.clients = 2;
  scenario.config.heartbeat_us = 1;
  EXPECT_TRUE(Read(ToText(scenario)).scenario == scenario);
}

TEST(ScenarioTextTest, ReadsWhatAPersonWrites) {
  const ScenarioFile file = Read(R"(# A deposed leader.
seed 7
config nodes=5 links.delay_us=900   # slow links
config clients=4
op 120000 client=2 Register registry="unique" key="#1" value="v 2" process=1
op 110000 Lookup client=1 registry="unique" key="a\x22b"
heal 6000000
then SlowDisk victim=leader percent=3000 length_us=2000000
at 900000 Crash victim=n2 power=yes down_us=300000
expect safety committed_is_durable
)");
  const Scenario& scenario = file.scenario;
  EXPECT_EQ(scenario.seed, 7u);
  EXPECT_EQ(scenario.config.nodes, 5u);
  EXPECT_EQ(scenario.config.clients, 4u);
  EXPECT_EQ(scenario.config.links.delay_us, 900);
  EXPECT_EQ(scenario.config.links.jitter_us, LinkProfile().jitter_us);
  EXPECT_EQ(scenario.plan.heal_at_us, 6'000'000);
  ASSERT_EQ(scenario.operations.size(), 2u);
  const TimedOperation first{
      .at_us = 110'000,
      .client = 1,
      .body = registry::ReadOperation(registry::Lookup{"unique", "a\"b"})};
  EXPECT_TRUE(scenario.operations[0] == first);
  const TimedOperation second{
      .at_us = 120'000,
      .client = 2,
      .body = registry::Operation(registry::Register{
          .registry = "unique", .key = "#1", .value = "v 2", .process = 1})};
  EXPECT_TRUE(scenario.operations[1] == second);
  const TimedFault crash{
      900'000, Crash{.victim = {1}, .power = true, .down_us = 300'000}};
  ASSERT_EQ(scenario.plan.faults.size(), 1u);
  EXPECT_TRUE(scenario.plan.faults[0] == crash);
  ASSERT_EQ(scenario.plan.lingering.size(), 1u);
  EXPECT_EQ(ToText(scenario.plan.lingering[0]),
            "SlowDisk victim=leader percent=3000 length_us=2000000");
  EXPECT_TRUE(file.expect == (Verdict{"safety", "committed_is_durable"}));
  EXPECT_TRUE(Read(ToText(file)) == file);
}

TEST(ScenarioTextTest, LeavesOutWhatIsUsual) {
  Scenario scenario{.seed = 3};
  EXPECT_EQ(ToText(scenario), "seed 3\nheal 0\n");
  scenario.config.lying_disks = true;
  scenario.plan.faults = {{5, Crash{}}};
  EXPECT_EQ(ToText(ScenarioFile{scenario, Verdict{}}),
            "seed 3\nconfig lying_disks=yes\nat 5 Crash victim=n1\nheal 0\n"
            "expect ok\n");
}

TEST(ScenarioTextTest, ErrorsNameTheLineAndTheField) {
  EXPECT_EQ(ErrorOf("seed 1\n\nsede 2\n"),
            "line 3: a line begins with seed, config, at, heal, then, op or "
            "expect, not \"sede\"");
  EXPECT_EQ(ErrorOf("at 5 PowerCut dwn_us=3"),
            "line 1: no field \"dwn_us\" here; there are down_us");
  EXPECT_NE(ErrorOf("at 5 Crush victim=n1")
                .find("line 1: no fault \"Crush\"; there are Crash, "),
            std::string::npos);
  EXPECT_EQ(ErrorOf("at 5 PowerCut down_us=soon"),
            "line 1: field \"down_us\" wants a whole number of at most 64 "
            "bits, not soon");
  EXPECT_EQ(ErrorOf("at 5 Crash power=maybe"),
            "line 1: field \"power\" wants yes or no, not maybe");
  EXPECT_EQ(ErrorOf("at 5 Crash victim=lead"),
            "line 1: field \"victim\" wants leader, follower or a node (n1), "
            "not lead");
  EXPECT_NE(ErrorOf("at 5 Crash victim=n0"), "");
  EXPECT_EQ(ErrorOf("at 5 Partition way=up"),
            "line 1: field \"way\" wants both or out or in, not up");
  EXPECT_EQ(ErrorOf("at 5 PowerCut down_us=1 down_us=2"),
            "line 1: field \"down_us\" wants no second word, not 2");
  EXPECT_EQ(ErrorOf("config nodes=5000000000"),
            "line 1: field \"nodes\" wants a whole number of at most 32 bits, "
            "from 0, not 5000000000");
  EXPECT_EQ(ErrorOf("op 5 Lookup key=bare"),
            "line 1: field \"key\" wants text in quotes, not bare");
  EXPECT_EQ(ErrorOf("op 5 UpdateValue change=Add"),
            "line 1: field \"change\" wants SetValue or AddValue, not Add");
  EXPECT_EQ(ErrorOf("seed 1 2"),
            "line 1: stray word \"2\" here; there are none");
  EXPECT_EQ(ErrorOf("seed x"),
            "line 1: a seed is a whole number of at most 64 bits, from 0, not "
            "\"x\"");
  EXPECT_EQ(ErrorOf("heal"), "line 1: here belongs a time");
  EXPECT_EQ(ErrorOf("op 5 Lookup key=\"a"),
            "line 1: a quote is not closed: \"a");
  EXPECT_EQ(ErrorOf("expect ok\nexpect ok"),
            "line 2: a scenario ends in one way only");
}

TEST(ScenarioTextTest, RefusesWhatCannotBeRun) {
  EXPECT_EQ(ErrorOf("config nodes=0"), "there are 1 to 9 nodes");
  EXPECT_EQ(ErrorOf("config clients=0"), "there are 1 to 1000 clients");
  EXPECT_EQ(ErrorOf("config election_us=5"),
            "an election timeout is longer than a heartbeat");
  EXPECT_NE(ErrorOf("at 5 Clog from=0 to=9"), "");
  EXPECT_NE(ErrorOf("at 5 PowerCut down_us=-1"), "");
  EXPECT_NE(ErrorOf("at -5 PowerCut"), "");
  EXPECT_NE(ErrorOf("then PowerCut down_us=-1"), "");
  EXPECT_EQ(ErrorOf("op 5 client=6 ListRegistries"), "there is no client 6");
  EXPECT_NE(ErrorOf("op 5 StatusRequest"), "");
  EXPECT_EQ(ErrorOf("at 5 ClockRate rate_ppm=-7"), "");
}

TEST(FieldTextTest, QuotesAnyBytes) {
  std::string every;
  for (int i = 0; i < 256; ++i) every += static_cast<char>(i);
  std::string back;
  EXPECT_TRUE(Unquote(Quoted(every), &back));
  EXPECT_EQ(back, every);
  for (const char* bad :
       {"", "\"", "x", "\"a", "\"\\\"", "\"\\x1\"", "\"\\xg0\"", "\"a\"b\""}) {
    EXPECT_FALSE(Unquote(bad, &back)) << bad;
  }
}

}  // namespace
}  // namespace sim
