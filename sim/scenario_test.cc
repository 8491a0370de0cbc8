// Every scenario of testdata/scenarios ends as its file expects. They are
// seeds that once failed, shrunk, and situations written by hand; each tells at
// its top what it is about.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "gtest/gtest.h"
#include "sim/scenario_text.h"
#include "sim/shrink.h"
#include "sim/simulation.h"

namespace sim {
namespace {

std::vector<std::string> Files() {
  std::vector<std::string> files;
  for (const auto& entry :
       std::filesystem::directory_iterator("testdata/scenarios")) {
    if (entry.path().extension() == ".scenario") {
      files.push_back(entry.path().stem().string());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

class ScenarioTest : public testing::TestWithParam<std::string> {};

TEST_P(ScenarioTest, EndsAsItsFileExpects) {
  std::ifstream in("testdata/scenarios/" + GetParam() + ".scenario");
  const std::string text{std::istreambuf_iterator<char>(in),
                         std::istreambuf_iterator<char>()};
  EXPECT_TRUE(text.starts_with("# ")) << "what is it about?";
  const absl::StatusOr<ScenarioFile> file = ParseScenario(text);
  ASSERT_TRUE(file.ok()) << file.status().message();
  ASSERT_TRUE(file->expect.has_value());
  const SimulationResult result = Simulate(file->scenario);
  EXPECT_EQ(ToString(OutcomeOf(result).verdict), ToString(*file->expect))
      << (result.violations.empty() ? "" : result.violations[0].text);
}

INSTANTIATE_TEST_SUITE_P(All, ScenarioTest, testing::ValuesIn(Files()),
                         [](const auto& info) { return info.param; });

TEST(ScenarioFilesTest, AreThere) { EXPECT_GE(Files().size(), 10u); }

}  // namespace
}  // namespace sim
