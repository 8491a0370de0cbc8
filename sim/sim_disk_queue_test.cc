#include "sim/sim_disk_queue.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace sim {
namespace {

using registry::DiskLane;

class SimDiskQueueTest : public testing::Test {
 protected:
  SimDiskQueueTest()
      : queue(1, 0, {.job_us = 100, .jitter_us = 10}, &scheduler) {}
  void Submit(DiskLane lane, uint64_t job) {
    queue.Submit(lane, job, [this, job] {
      ran.push_back(job);
      return absl::OkStatus();
    });
  }
  void Run(int64_t until) {
    while (!scheduler.empty() && scheduler.next() <= Instant(until)) {
      const SimDiskQueue::Completion done = queue.OnEvent(scheduler.Pop());
      if (done.ran) finished.push_back(done.job);
    }
  }
  Scheduler scheduler;
  SimDiskQueue queue;
  std::vector<uint64_t> ran;
  std::vector<uint64_t> finished;
};

TEST_F(SimDiskQueueTest, OneJobALaneAtATimeInOrder) {
  for (uint64_t job = 1; job <= 5; ++job) Submit(DiskLane::kWal, job);
  EXPECT_TRUE(ran.empty());
  Run(99);
  EXPECT_TRUE(ran.empty());
  Run(1'000'000);
  EXPECT_EQ(finished, (std::vector<uint64_t>{1, 2, 3, 4, 5}));
  EXPECT_EQ(ran, finished);
  EXPECT_GE(scheduler.now(), Instant(500));
}

TEST_F(SimDiskQueueTest, LanesDoNotWaitForEachOther) {
  for (uint64_t job = 1; job <= 5; ++job) Submit(DiskLane::kWal, job);
  Submit(DiskLane::kBulk, 9);
  Run(300);
  EXPECT_NE(std::find(ran.begin(), ran.end(), 9u), ran.end());
}

TEST_F(SimDiskQueueTest, AStallEndsInTimeOrEarlier) {
  queue.Stall(Instant(50'000));
  Submit(DiskLane::kWal, 1);
  Run(49'999);
  EXPECT_TRUE(ran.empty());
  Run(60'000);
  EXPECT_EQ(ran.size(), 1u);
  EXPECT_GT(queue.jobs_delayed(), 0u);

  Submit(DiskLane::kWal, 2);
  queue.Stall(Instant(900'000));
  Run(100'000);
  EXPECT_EQ(ran.size(), 1u);
  queue.EndStall();
  Run(200'000);
  EXPECT_EQ(ran, (std::vector<uint64_t>{1, 2}));
  Run(2'000'000);
  EXPECT_EQ(finished, (std::vector<uint64_t>{1, 2}));
}

TEST_F(SimDiskQueueTest, SlownessMultiplies) {
  queue.SetSlowness(10'000);
  Submit(DiskLane::kWal, 1);
  Run(9'999);
  EXPECT_TRUE(ran.empty());
  Run(100'000);
  EXPECT_EQ(ran.size(), 1u);
}

TEST_F(SimDiskQueueTest, WhatIsLeftOfAJobBecomesFasterWithTheDisk) {
  queue.SetSlowness(10'000);
  Submit(DiskLane::kWal, 1);  // takes 10 ms or more
  queue.SetSlowness(20'000);  // not what is running
  Run(5'000);
  scheduler.At(Instant(5'000), {});
  scheduler.Pop();
  queue.SetSlowness(100);
  Submit(DiskLane::kBulk, 2);
  Run(5'000 + 49);  // at least 5 ms were left
  EXPECT_TRUE(ran.empty());
  Run(10'000);
  EXPECT_EQ(finished, (std::vector<uint64_t>{1, 2}));
  Run(1'000'000);
  EXPECT_EQ(ran, (std::vector<uint64_t>{1, 2}));
}

TEST_F(SimDiskQueueTest, JobsOfADeadProcessNeverHappen) {
  Submit(DiskLane::kWal, 1);
  Submit(DiskLane::kWal, 2);
  // The one that has begun is up to the caller.
  const auto running = queue.TakeRunning(DiskLane::kWal);
  ASSERT_NE(running, nullptr);
  queue.Clear();
  Submit(DiskLane::kWal, 3);
  Run(1'000'000);
  EXPECT_EQ(ran, (std::vector<uint64_t>{3}));
  EXPECT_EQ(queue.TakeRunning(DiskLane::kBulk), nullptr);
}

}  // namespace
}  // namespace sim
