#include "net/posix_vfs.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <string>

#include "gtest/gtest.h"
#include "raft/storage/storage.h"
#include "raft/storage/vfs_conformance.h"
#include "raft/storage/vfs_crash_contract.h"

namespace raft::storage {
namespace {

VfsUnderTest MakePosixVfsUnderTest() {
  static int count = 0;
  const char* root = std::getenv("TEST_TMPDIR");
  std::string folder = std::string(root == nullptr ? "/tmp" : root) +
                       "/posix_vfs_test." + std::to_string(getpid()) + "." +
                       std::to_string(++count);
  EXPECT_EQ(mkdir(folder.c_str(), 0700), 0);
  return {std::make_unique<net::PosixVfs>(), folder};
}

INSTANTIATE_TEST_SUITE_P(PosixVfs, VfsConformance,
                         ::testing::Values(MakePosixVfsUnderTest));
INSTANTIATE_TEST_SUITE_P(PosixVfs, StorageConformance,
                         ::testing::Values(MakePosixVfsUnderTest));

TEST(PosixVfs, AFullDiskIsResourceExhausted) {
  struct stat info;
  if (stat("/dev/full", &info) != 0) GTEST_SKIP() << "no /dev/full";
  net::PosixVfs vfs;
  auto file = vfs.Open("/dev/full", OpenMode::kReadWrite);
  ASSERT_TRUE(file.ok()) << file.status();
  const absl::Status status = (*file)->Write(0, "x");
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_EQ(status.message(), "write /dev/full: No space left on device");
}

// Runs `what` in a process of its own that then is killed, as by SIGKILL in the
// middle of its life: no destructor, no close.
void DieAfter(const std::function<void()>& what) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    what();
    raise(SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status)) << status;
}

// What was done before a process dies is there: not one outcome of several.
TEST(PosixVfs, TheDeathOfAProcessForgetsNothing) {
  for (const CrashCase& crash : CrashCases()) {
    const VfsUnderTest test = MakePosixVfsUnderTest();
    ASSERT_TRUE(MakeDurably(crash, test.vfs.get(), test.root).ok()) << crash.name;
    DieAfter([&] {
      net::PosixVfs vfs;
      if (!crash.act(&vfs, test.root).ok()) _exit(1);
    });
    EXPECT_EQ(ShowFolder(test.vfs.get(), test.root), crash.allowed.front())
        << crash.name;
  }
}

TEST(PosixVfs, ALockHoldsAgainstOthersUntilItsProcessDies) {
  const VfsUnderTest test = MakePosixVfsUnderTest();
  net::PosixVfs other;
  {
    auto lock = test.vfs->LockDir(test.root);
    ASSERT_TRUE(lock.ok());
    EXPECT_TRUE(absl::IsFailedPrecondition(other.LockDir(test.root).status()));
    DieAfter([&] {  // another process: exits by itself if it got the lock
      if (other.LockDir(test.root).ok()) _exit(1);
    });
  }
  // A process that holds it is killed: it is free.
  DieAfter([&] {
    static const auto lock = other.LockDir(test.root);
    if (!lock.ok()) _exit(1);
  });
  EXPECT_TRUE(other.LockDir(test.root).ok());
}

// A lock must not outlive its process in a child that it started.
TEST(PosixVfs, DescriptorsAreNotInherited) {
  VfsUnderTest test = MakePosixVfsUnderTest();
  auto lock = test.vfs->LockDir(test.root);
  ASSERT_TRUE(lock.ok());
  auto file = test.vfs->Open(test.root + "/f", OpenMode::kCreate);
  ASSERT_TRUE(file.ok());
  const std::string count =
      "test $(ls -l /proc/self/fd | grep -c '" + test.root + "') = 0";
  EXPECT_EQ(std::system(count.c_str()), 0);
}

}  // namespace
}  // namespace raft::storage
