// The simulated disk against the table of what a crash may forget: every
// outcome that is allowed is seen, and no other.
#include <algorithm>
#include <cstdint>
#include <regex>
#include <set>
#include <string>

#include "gtest/gtest.h"
#include "raft/storage/vfs_crash_contract.h"
#include "sim/sim_disk.h"

namespace sim {
namespace {

using raft::storage::CrashCase;
using raft::storage::CrashCases;

TEST(VfsCrash, TheDiskForgetsWhatItMayAndNothingElse) {
  for (const CrashCase& crash : CrashCases()) {
    SimDisk disk;
    ASSERT_TRUE(disk.MakeDir("d").ok());
    ASSERT_TRUE(disk.SyncDir("").ok());
    ASSERT_TRUE(MakeDurably(crash, &disk, "d").ok()) << crash.name;
    const absl::Status acted = crash.act(&disk, "d");
    ASSERT_TRUE(acted.ok()) << crash.name << ": " << acted;
    EXPECT_EQ(raft::storage::ShowFolder(&disk, "d"), crash.allowed.front())
        << crash.name;
    std::set<std::string> seen;
    for (uint64_t draw = 0; draw < 400; ++draw) {
      SimDisk copy = disk;
      copy.Crash(draw);
      const std::string shown = raft::storage::ShowFolder(&copy, "d");
      const auto matched =
          std::find_if(crash.allowed.begin(), crash.allowed.end(),
                       [&shown](const std::string& pattern) {
                         return std::regex_match(shown, std::regex(pattern));
                       });
      ASSERT_NE(matched, crash.allowed.end())
          << crash.name << ": \"" << shown << "\" is not allowed";
      seen.insert(*matched);
    }
    for (const std::string& pattern : crash.allowed) {
      EXPECT_TRUE(seen.contains(pattern))
          << crash.name << ": never seen: \"" << pattern << "\"";
    }
  }
}

}  // namespace
}  // namespace sim
