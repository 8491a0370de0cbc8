// Two hundred runs whose digests are known (testdata/seeds/golden.txt). They
// are the same on every machine, with every compiler and sanitizer; they change
// when the product or the simulator behaves otherwise, and then the change says
// so:
//
//   bazel run //sim:golden_test -- --rewrite
//
// The digests hold for one version of protobuf: where a stream of bytes is
// split depends on how long its messages are encoded.
#include <google/protobuf/stubs/common.h>

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "sim/simulation.h"

namespace sim {
namespace {

constexpr uint64_t kSeeds = 200;
constexpr uint64_t kMembershipSeeds = 30;  // beside those
// Those before Profile::kMembership take turns.
constexpr size_t kProfilesInTurn = 7;
constexpr char kFile[] = "testdata/seeds/golden.txt";
constexpr size_t kShown = 5;

bool rewrite = false;

std::string ProtobufLine() {
  return "protobuf " + std::to_string(GOOGLE_PROTOBUF_VERSION);
}

// "PROFILE SEED DIGEST", one for each seed, the profiles in turn.
std::vector<std::string> RunAll() {
  std::vector<std::string> lines;
  const auto run = [&lines](Profile profile, uint64_t seed) {
    const SimulationResult result =
        Simulate(DrawScenario({.seed = seed, .profile = profile}));
    char digest[17];
    std::snprintf(digest, sizeof digest, "%016" PRIx64, result.digest);
    lines.push_back(std::string(ToString(profile)) + " " +
                    std::to_string(seed) + " " + digest);
  };
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    run(kProfiles[seed % kProfilesInTurn], seed);
  }
  for (uint64_t seed = 1; seed <= kMembershipSeeds; ++seed) {
    run(Profile::kMembership, seed);
  }
  return lines;
}

std::vector<std::string> ReadLines(const std::string& path) {
  std::vector<std::string> lines;
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    if (!line.starts_with('#')) lines.push_back(line);
  }
  return lines;
}

void Rewrite(const std::vector<std::string>& runs) {
  const char* workspace = std::getenv("BUILD_WORKSPACE_DIRECTORY");
  ASSERT_NE(workspace, nullptr) << "--rewrite works under `bazel run` only";
  std::ofstream file(std::string(workspace) + "/" + kFile);
  file << "# Digests of runs: profile, seed, digest. See sim/golden_test.cc.\n"
       << ProtobufLine() << "\n";
  for (const std::string& run : runs) file << run << "\n";
  ASSERT_TRUE(file.flush().good()) << "cannot write " << kFile;
}

TEST(GoldenTest, RunsAreWhatTheyWere) {
  std::vector<std::string> golden = ReadLines(kFile);
  ASSERT_FALSE(golden.empty()) << kFile << " is empty or missing";
  if (rewrite) return Rewrite(RunAll());
  if (golden.front() != ProtobufLine()) {
    GTEST_SKIP() << "other protobuf: the digests are those of "
                 << golden.front() << ", this is " << ProtobufLine();
  }
  golden.erase(golden.begin());
  const std::vector<std::string> runs = RunAll();
  ASSERT_EQ(golden.size(), runs.size());
  std::string first;
  size_t differ = 0;
  for (size_t i = 0; i < runs.size(); ++i) {
    if (runs[i] == golden[i]) continue;
    if (++differ <= kShown) {
      first += "  was " + golden[i] + "\n  is  " + runs[i] + "\n";
    }
  }
  EXPECT_EQ(differ, 0u)
      << differ << " of " << runs.size() << " runs are not what they were:\n"
      << first
      << "If product or simulator are meant to behave otherwise, say in the "
         "commit message and in CHANGELOG.md that digests change and why, and "
         "write the new ones:\n  ./bazelw run //sim:golden_test -- --rewrite\n"
         "If not, something that should not decide does: compare the steps of "
         "one such run before and after,\n  ./bazelw run //tools:simulate -- "
         "--seed=N --profile=NAME --trail_out=FILE --steps=FROM..TO";
}

}  // namespace
}  // namespace sim

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--rewrite") sim::rewrite = true;
  }
  return RUN_ALL_TESTS();
}
