// What a sealed run cannot do, each found out by the seed that tries it.
#include "tools/seal.h"

#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#include <chrono>
#include <cstdint>
#include <ctime>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "tools/simulate_sweep.h"

namespace tools {
namespace {

// What the seed is to try.
enum Offence : uint64_t {
  kNone = 1,
  kGetrandom,
  kClock,
  kSteadyClock,
  kTime,
  kCounter,
  kOpen,
  kThread,
  kStdout,
  kUnnamed,
  kAllocate,
  kFault,
  kLast = kFault,
};

sim::SimulationResult Offend(const sim::SeedOptions& options) {
  sim::SimulationResult result;
  result.digest = options.seed;
  char buffer[8];
  switch (options.seed) {
    case kGetrandom:
      result.digest += static_cast<uint64_t>(getrandom(buffer, 8, 0));
      break;
    case kClock: {
      timespec now;
      result.digest +=
          static_cast<uint64_t>(clock_gettime(CLOCK_BOOTTIME, &now));
      break;
    }
    case kSteadyClock:
      result.digest += static_cast<uint64_t>(
          std::chrono::steady_clock::now().time_since_epoch().count());
      break;
    case kTime:
      result.digest += static_cast<uint64_t>(time(nullptr));
      break;
    case kCounter:
#if defined(__x86_64__)
      result.digest += __rdtsc();
#endif
      break;
    case kOpen:
      result.digest += static_cast<uint64_t>(open("/dev/zero", O_RDONLY));
      break;
    case kThread:
      std::thread([&result] { ++result.digest; }).join();
      break;
    case kStdout:
      result.digest += static_cast<uint64_t>(write(STDOUT_FILENO, "x", 1));
      break;
    case kUnnamed:
      result.digest += getuid();
      break;
    case kAllocate: {
      std::vector<std::unique_ptr<std::string>> many;
      for (size_t size = 1; size < (64 << 20); size *= 2) {
        many.push_back(std::make_unique<std::string>(size, 'x'));
        if (size % 3 == 0) many.erase(many.begin());
      }
      break;
    }
    case kFault:
      *static_cast<volatile int*>(nullptr) = 1;
      break;
    default:
      break;
  }
  return result;
}

SweepResult SweepOffences(bool sealed) {
  return Sweep({.first_seed = kNone,
                .last_seed = kLast,
                .sealed = sealed,
                .simulate = Offend},
               nullptr);
}

TEST(SealTest, FindsWhatReachesOutside) {
  const SweepResult result = SweepOffences(true);
  if (!result.unsealed.empty()) {
    GTEST_SKIP() << "cannot be sealed here: " << result.unsealed;
  }
  std::vector<std::string> failures;
  for (const SweepFailure& failure : result.failures) {
    failures.push_back(std::to_string(failure.seed) + " " + failure.kind +
                       ", " + failure.text);
  }
  const std::string outside = " non-determinism, the run reached outside: ";
  EXPECT_EQ(
      failures,
      (std::vector<std::string>{
          std::to_string(kGetrandom) + outside + "getrandom",
          std::to_string(kClock) + outside + "the clock of the vDSO",
          std::to_string(kSteadyClock) + outside + "the clock of the vDSO",
          std::to_string(kTime) + outside + "the clock of the vDSO",
          std::to_string(kCounter) + outside + "rdtsc",
          std::to_string(kOpen) + outside + "openat",
          std::to_string(kThread) + outside +
              "a system call, perhaps to begin a thread",
          std::to_string(kStdout) + outside + "write to another descriptor",
          std::to_string(kUnnamed) + outside + "system call 102",
          std::to_string(kFault) + " crash, died of Segmentation fault"}));
}

TEST(SealTest, LetsThroughWhatIsNotSealed) {
  const SweepResult result = SweepOffences(false);
  ASSERT_EQ(result.failures.size(), 1u);
  EXPECT_EQ(result.failures[0].seed, uint64_t{kFault});
}

TEST(SealTest, ChangesNoRun) {
  SweepOptions options{.first_seed = 1, .last_seed = 12, .keep_digests = true};
  const SweepResult sealed = Sweep(options, nullptr);
  options.sealed = false;
  const SweepResult open = Sweep(options, nullptr);
  EXPECT_EQ(sealed.digests.size(), 12u);
  EXPECT_EQ(sealed.digests, open.digests);
}

}  // namespace
}  // namespace tools
