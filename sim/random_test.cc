#include "sim/random.h"

#include <map>
#include <set>

#include "gtest/gtest.h"

namespace sim {
namespace {

TEST(DrawsTest, AreAFunctionOfTheirKeys) {
  Draws a(7, Stream::kFlight, 1, 2, 3);
  Draws b(7, Stream::kFlight, 1, 2, 3);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(a.Next(), b.Next());
}

TEST(DrawsTest, EveryKeyCounts) {
  std::set<uint64_t> firsts;
  for (uint64_t seed : {1, 2}) {
    for (Stream stream : {Stream::kFlight, Stream::kFrame}) {
      for (uint64_t a : {0, 1}) {
        for (uint64_t b : {0, 1}) {
          firsts.insert(Draws(seed, stream, a, b).Next());
        }
      }
    }
  }
  EXPECT_EQ(firsts.size(), 16u);
}

// Every platform and compiler must draw the same; a change changes all seeds.
TEST(DrawsTest, AreTheseForEver) {
  Draws draws(1, Stream::kShape);
  EXPECT_EQ(draws.Next(), 0x7095beebd76575e4ull);
  EXPECT_EQ(draws.Below(1000), 267u);
  EXPECT_EQ(draws.Between(-5, 5), 0);
  EXPECT_EQ(draws.Exponential(1000), 125);
}

TEST(DrawsTest, StayWithinTheirBoundsAndReachThem) {
  Draws draws(3, Stream::kShape);
  std::set<uint64_t> below;
  std::set<int64_t> between;
  for (int i = 0; i < 1000; ++i) {
    below.insert(draws.Below(5));
    between.insert(draws.Between(-2, 2));
  }
  EXPECT_EQ(below, (std::set<uint64_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(between, (std::set<int64_t>{-2, -1, 0, 1, 2}));
}

TEST(DrawsTest, ChancesAreKept) {
  Draws draws(4, Stream::kShape);
  int hits = 0;
  for (int i = 0; i < 100'000; ++i) hits += draws.Chance(250'000);
  EXPECT_NEAR(hits, 25'000, 1'000);
  EXPECT_FALSE(draws.Chance(0));
  EXPECT_TRUE(draws.Chance(1'000'000));
}

TEST(DrawsTest, ExponentialHasItsMeanAndItsTail) {
  Draws draws(5, Stream::kShape);
  constexpr int kCount = 200'000;
  int64_t sum = 0;
  int beyond_five_means = 0;
  for (int i = 0; i < kCount; ++i) {
    const int64_t value = draws.Exponential(1000);
    EXPECT_GE(value, 0);
    sum += value;
    beyond_five_means += value > 5000;
  }
  EXPECT_NEAR(sum / kCount, 1000, 20);
  // exp(-5) = 0.67 %
  EXPECT_NEAR(beyond_five_means, kCount * 67 / 10'000, kCount / 500);
}

}  // namespace
}  // namespace sim
