#include "net/disk_thread.h"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace net {
namespace {

using registry::DiskLane;

// A door that a job waits at until the test opens it.
class Gate {
 public:
  void Open() {
    const std::lock_guard<std::mutex> lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void Pass() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

struct Done {
  uint64_t job;
  absl::Status status;
};

class DiskThreadTest : public testing::Test {
 protected:
  DiskThreadTest() {
    disk_ = std::make_unique<DiskThread>(
        &loop_, [this](uint64_t job, absl::Status status) {
          EXPECT_EQ(std::this_thread::get_id(), loop_thread_);
          done_.push_back({job, std::move(status)});
        });
  }
  void RunUntilDone(size_t jobs) {
    loop_.RunUntil([&] { return done_.size() >= jobs; });
  }

  const std::thread::id loop_thread_ = std::this_thread::get_id();
  EventLoop loop_;
  std::vector<Done> done_;
  std::unique_ptr<DiskThread> disk_;
};

TEST_F(DiskThreadTest, RunsALaneInOrderOffTheLoopsThread) {
  std::vector<uint64_t> ran;  // touched by the WAL lane only, until done
  for (uint64_t job = 1; job <= 1000; ++job) {
    disk_->Submit(DiskLane::kWal, job, [this, job, &ran] {
      EXPECT_NE(std::this_thread::get_id(), loop_thread_);
      ran.push_back(job);
      return absl::OkStatus();
    });
  }
  EXPECT_EQ(disk_->outstanding(), 1000u);
  EXPECT_TRUE(done_.empty()) << "a completion came from inside Submit";
  RunUntilDone(1000);
  EXPECT_EQ(disk_->outstanding(), 0u);
  for (uint64_t i = 0; i < 1000; ++i) {
    ASSERT_EQ(ran[i], i + 1);
    ASSERT_EQ(done_[i].job, i + 1);
    ASSERT_TRUE(done_[i].status.ok());
  }
}

TEST_F(DiskThreadTest, ABusyBulkLaneDoesNotHoldUpTheWal) {
  Gate gate;
  disk_->Submit(DiskLane::kBulk, 1, [&gate] {
    gate.Pass();
    return absl::OkStatus();
  });
  disk_->Submit(DiskLane::kWal, 2, [] { return absl::OkStatus(); });
  RunUntilDone(1);
  EXPECT_EQ(done_[0].job, 2u);
  gate.Open();
  RunUntilDone(2);
  EXPECT_EQ(done_[1].job, 1u);
}

TEST_F(DiskThreadTest, CarriesCodeAndMessageOfAFailure) {
  disk_->Submit(DiskLane::kWal, 7, [] {
    return absl::DataLossError("fdatasync wal/1.wal: Input/output error");
  });
  RunUntilDone(1);
  EXPECT_EQ(done_[0].status,
            absl::DataLossError("fdatasync wal/1.wal: Input/output error"));
}

TEST_F(DiskThreadTest, FinishesSubmittedJobsWhenDestroyed) {
  Gate gate;
  int ran = 0;
  disk_->Submit(DiskLane::kWal, 1, [&] {
    gate.Pass();
    ++ran;
    return absl::OkStatus();
  });
  disk_->Submit(DiskLane::kWal, 2, [&] {
    ++ran;
    return absl::OkStatus();
  });
  gate.Open();
  disk_.reset();
  EXPECT_EQ(ran, 2);
  loop_.Turn(Now());  // the completions are posted, and must find nobody
  EXPECT_TRUE(done_.empty());
}

}  // namespace
}  // namespace net
