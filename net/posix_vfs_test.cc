#include "net/posix_vfs.h"

#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <string>

#include "gtest/gtest.h"
#include "raft/storage/storage.h"
#include "raft/storage/vfs_conformance.h"

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
