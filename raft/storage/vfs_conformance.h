// What every Vfs must do, as tests. Included by the test of each one:
//
//   INSTANTIATE_TEST_SUITE_P(PosixVfs, VfsConformance,
//                            ::testing::Values(MakePosixVfsUnderTest));
//
// Only because both worlds pass the same suite may what the simulator says
// about storage be believed of a real disk.
#ifndef RAFT_STORAGE_VFS_CONFORMANCE_H_
#define RAFT_STORAGE_VFS_CONFORMANCE_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "raft/storage/storage.h"
#include "raft/storage/vfs.h"

namespace raft::storage {

// A Vfs and an empty folder on it, both the test's own.
struct VfsUnderTest {
  std::unique_ptr<Vfs> vfs;
  std::string root;
};
using VfsFactory = VfsUnderTest (*)();

class VfsConformance : public ::testing::TestWithParam<VfsFactory> {
 protected:
  VfsConformance() : test_(GetParam()()), vfs_(*test_.vfs) {}

  std::string Path(const std::string& name) const {
    return test_.root + "/" + name;
  }
  std::unique_ptr<File> Create(const std::string& name) {
    auto file = vfs_.Open(Path(name), OpenMode::kCreate);
    EXPECT_TRUE(file.ok()) << file.status();
    return file.ok() ? *std::move(file) : nullptr;
  }
  void WriteFile(const std::string& name, const std::string& content) {
    auto file = Create(name);
    ASSERT_NE(file, nullptr);
    ASSERT_TRUE(file->Write(0, content).ok());
  }
  std::string Contents(const std::string& name) {
    auto file = vfs_.Open(Path(name), OpenMode::kRead);
    EXPECT_TRUE(file.ok()) << file.status();
    std::string out = "unread";
    if (!file.ok()) return out;
    EXPECT_TRUE((*file)->Read(0, 1 << 24, &out).ok());
    return out;
  }
  static void ExpectCode(const absl::Status& status, absl::StatusCode code,
                         const std::string& path) {
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_NE(std::string(status.message()).find(path), std::string::npos)
        << "does not name " << path << ": " << status;
  }

  VfsUnderTest test_;
  Vfs& vfs_;
};

TEST_P(VfsConformance, WhatIsWrittenIsRead) {
  auto file = Create("f");
  ASSERT_TRUE(file->Write(0, "hello world").ok());
  ASSERT_TRUE(file->Write(6, "there").ok());
  ASSERT_TRUE(file->Write(0, "").ok());
  std::string out = "old content of the target";
  ASSERT_TRUE(file->Read(0, 100, &out).ok());
  EXPECT_EQ(out, "hello there");
  ASSERT_TRUE(file->Read(6, 3, &out).ok());
  EXPECT_EQ(out, "the");
  ASSERT_TRUE(file->Read(11, 5, &out).ok());
  EXPECT_EQ(out, "");
  ASSERT_TRUE(file->Read(1000, 5, &out).ok());
  EXPECT_EQ(out, "");
  ASSERT_TRUE(file->Sync().ok());
  EXPECT_EQ(file->Size().value(), 11u);
  EXPECT_EQ(Contents("f"), "hello there");
}

TEST_P(VfsConformance, AGapReadsAsZeros) {
  auto file = Create("f");
  ASSERT_TRUE(file->Write(5000, "x").ok());
  EXPECT_EQ(file->Size().value(), 5001u);
  EXPECT_EQ(Contents("f"), std::string(5000, '\0') + "x");
}

TEST_P(VfsConformance, WritesOfManyBlocks) {
  std::string big;
  for (int i = 0; big.size() < (3 << 20); ++i) big += std::to_string(i);
  auto file = Create("f");
  ASSERT_TRUE(file->Write(777, big).ok());
  ASSERT_TRUE(file->Sync().ok());
  std::string out;
  ASSERT_TRUE(file->Read(777, big.size(), &out).ok());
  EXPECT_TRUE(out == big);
}

TEST_P(VfsConformance, OpenModes) {
  const auto kMissing = absl::StatusCode::kNotFound;
  for (OpenMode mode : {OpenMode::kRead, OpenMode::kReadWrite}) {
    ExpectCode(vfs_.Open(Path("f"), mode).status(), kMissing, Path("f"));
  }
  ExpectCode(vfs_.Open(Path("no/f"), OpenMode::kCreate).status(), kMissing,
             Path("no/f"));
  WriteFile("f", "abc");
  ExpectCode(vfs_.Open(Path("f"), OpenMode::kCreate).status(),
             absl::StatusCode::kAlreadyExists, Path("f"));

  auto reader = vfs_.Open(Path("f"), OpenMode::kRead);
  ASSERT_TRUE(reader.ok());
  EXPECT_FALSE((*reader)->Write(0, "x").ok());
  auto writer = vfs_.Open(Path("f"), OpenMode::kReadWrite);
  ASSERT_TRUE(writer.ok());
  EXPECT_TRUE((*writer)->Write(1, "x").ok());
  std::string out;
  ASSERT_TRUE((*reader)->Read(0, 10, &out).ok());
  EXPECT_EQ(out, "axc");
}

TEST_P(VfsConformance, PreallocateKeepsWhatIsThere) {
  auto file = Create("f");
  ASSERT_TRUE(file->Write(0, "abc").ok());
  ASSERT_TRUE(file->Preallocate(10000).ok());
  EXPECT_EQ(file->Size().value(), 10000u);
  EXPECT_EQ(Contents("f"), "abc" + std::string(9997, '\0'));
  ASSERT_TRUE(file->Preallocate(100).ok());
  ASSERT_TRUE(file->Preallocate(0).ok());
  EXPECT_EQ(file->Size().value(), 10000u);
  ASSERT_TRUE(file->Sync().ok());
}

TEST_P(VfsConformance, Truncate) {
  auto file = Create("f");
  ASSERT_TRUE(file->Write(0, "abcdef").ok());
  ASSERT_TRUE(file->Truncate(2).ok());
  EXPECT_EQ(Contents("f"), "ab");
  ASSERT_TRUE(file->Truncate(4).ok());
  EXPECT_EQ(Contents("f"), std::string("ab\0\0", 4));
  ASSERT_TRUE(file->Sync().ok());
}

TEST_P(VfsConformance, RenameReplaces) {
  WriteFile("old", "old");
  WriteFile("new", "new");
  auto reader = vfs_.Open(Path("old"), OpenMode::kRead);
  ASSERT_TRUE(reader.ok());
  ASSERT_TRUE(vfs_.Rename(Path("new"), Path("old")).ok());
  EXPECT_EQ(Contents("old"), "new");
  ExpectCode(vfs_.Open(Path("new"), OpenMode::kRead).status(),
             absl::StatusCode::kNotFound, Path("new"));
  // Who had it open goes on with the file that it opened.
  std::string out;
  ASSERT_TRUE((*reader)->Read(0, 10, &out).ok());
  EXPECT_EQ(out, "old");
  EXPECT_TRUE(vfs_.SyncDir(test_.root).ok());

  ExpectCode(vfs_.Rename(Path("new"), Path("old")), absl::StatusCode::kNotFound,
             Path("new"));
  ASSERT_TRUE(vfs_.MakeDir(Path("d")).ok());
  ExpectCode(vfs_.Rename(Path("old"), Path("d/old")),
             absl::StatusCode::kInvalidArgument, Path("d/old"));
  EXPECT_EQ(Contents("old"), "new");
}

TEST_P(VfsConformance, FoldersAreNotRenamed) {
  ASSERT_TRUE(vfs_.MakeDir(Path("d")).ok());
  ExpectCode(vfs_.Rename(Path("d"), Path("e")), absl::StatusCode::kUnknown,
             Path("d"));
  EXPECT_EQ(vfs_.List(test_.root).value(), std::vector<std::string>{"d"});
  WriteFile("f", "content");
  EXPECT_FALSE(vfs_.Rename(Path("f"), Path("d")).ok());
  EXPECT_EQ(Contents("f"), "content");
}

TEST_P(VfsConformance, AReadTakesNoMoreMemoryThanThereIs) {
  WriteFile("f", "content");
  auto file = vfs_.Open(Path("f"), OpenMode::kRead);
  ASSERT_TRUE(file.ok());
  std::string out;
  ASSERT_TRUE((*file)->Read(3, size_t{1} << 45, &out).ok());
  EXPECT_EQ(out, "tent");
  ASSERT_TRUE((*file)->Read(100, size_t{1} << 45, &out).ok());
  EXPECT_EQ(out, "");
}

TEST_P(VfsConformance, Remove) {
  WriteFile("f", "abc");
  auto reader = vfs_.Open(Path("f"), OpenMode::kRead);
  ASSERT_TRUE(reader.ok());
  ASSERT_TRUE(vfs_.Remove(Path("f")).ok());
  ASSERT_TRUE(vfs_.SyncDir(test_.root).ok());
  ExpectCode(vfs_.Remove(Path("f")), absl::StatusCode::kNotFound, Path("f"));
  std::string out;
  ASSERT_TRUE((*reader)->Read(0, 10, &out).ok());
  EXPECT_EQ(out, "abc");
  WriteFile("f", "another");
  EXPECT_EQ(Contents("f"), "another");
}

TEST_P(VfsConformance, Folders) {
  ASSERT_TRUE(vfs_.MakeDir(Path("d")).ok());
  EXPECT_TRUE(vfs_.MakeDir(Path("d")).ok()) << "it is there already";
  ExpectCode(vfs_.MakeDir(Path("no/d")), absl::StatusCode::kNotFound,
             Path("no/d"));
  WriteFile("f", "");
  ExpectCode(vfs_.MakeDir(Path("f")), absl::StatusCode::kAlreadyExists,
             Path("f"));

  WriteFile("d/b", "");
  WriteFile("d/a", "");
  ASSERT_TRUE(vfs_.MakeDir(Path("d/c")).ok());
  WriteFile("d/c/inner", "");
  EXPECT_EQ(vfs_.List(Path("d")).value(),
            (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(vfs_.List(test_.root).value(),
            (std::vector<std::string>{"d", "f"}));
  ExpectCode(vfs_.List(Path("no")).status(), absl::StatusCode::kNotFound,
             Path("no"));
  ExpectCode(vfs_.SyncDir(Path("no")), absl::StatusCode::kNotFound, Path("no"));
  EXPECT_TRUE(vfs_.SyncDir(Path("d")).ok());
}

TEST_P(VfsConformance, ALockHasOneHolder) {
  ASSERT_TRUE(vfs_.MakeDir(Path("d")).ok());
  ASSERT_TRUE(vfs_.MakeDir(Path("e")).ok());
  ExpectCode(vfs_.LockDir(Path("no")).status(), absl::StatusCode::kNotFound,
             Path("no"));
  auto lock = vfs_.LockDir(Path("d"));
  ASSERT_TRUE(lock.ok()) << lock.status();
  ExpectCode(vfs_.LockDir(Path("d")).status(),
             absl::StatusCode::kFailedPrecondition, Path("d"));
  EXPECT_TRUE(vfs_.LockDir(Path("e")).ok());
  lock->reset();
  EXPECT_TRUE(vfs_.LockDir(Path("d")).ok());
}

// The storage layer itself, on whatever disk this is.
class StorageConformance : public VfsConformance {
 protected:
  StorageConformance() : dir_(Path("node")) {}

  const Identity identity_ = {.cluster = ClusterId(77),
                              .node = {.slot = 2, .incarnation = 1},
                              .initial_voters = {{1, 1}, {2, 1}, {3, 1}}};
  static Persist Entries(uint64_t first, uint64_t count, size_t size) {
    Persist persist{.term = Term(3), .vote = {1, 1}};
    for (uint64_t i = first; i < first + count; ++i) {
      persist.entries.push_back({.index = Index(i),
                                 .term = Term(3),
                                 .payload = Bytes(std::string(
                                     size, static_cast<char>('a' + i % 26)))});
    }
    return persist;
  }
  OpenResult OpenIt(const StorageOptions& options = {}) {
    absl::StatusOr<OpenResult> opened = Open(&vfs_, dir_, options);
    EXPECT_TRUE(opened.ok()) << opened.status();
    return opened.ok() ? *std::move(opened) : OpenResult{};
  }

  const std::string dir_;
};

TEST_P(StorageConformance, FormatThenOpen) {
  ExpectCode(Open(&vfs_, dir_, {}).status(), absl::StatusCode::kNotFound, dir_);
  ASSERT_TRUE(Format(&vfs_, dir_, identity_).ok());
  {
    OpenResult open = OpenIt();
    ASSERT_NE(open.storage, nullptr);
    EXPECT_EQ(open.recovered.identity, identity_);
    EXPECT_EQ(open.recovered.term, Term(0));
    EXPECT_FALSE(open.recovered.vote.valid());
    EXPECT_TRUE(open.recovered.log.empty());
    ExpectCode(Open(&vfs_, dir_, {}).status(),
               absl::StatusCode::kFailedPrecondition, dir_);
    ExpectCode(Format(&vfs_, dir_, identity_),
               absl::StatusCode::kFailedPrecondition, dir_);
  }
  ExpectCode(Format(&vfs_, dir_, identity_),
             absl::StatusCode::kFailedPrecondition, dir_);
}

TEST_P(StorageConformance, WhatIsAppendedIsRecovered) {
  ASSERT_TRUE(Format(&vfs_, dir_, identity_).ok());
  std::vector<Entry> log;
  for (int boot = 0; boot < 5; ++boot) {
    OpenResult open =
        OpenIt(boot % 2 == 0 ? StorageOptions::Tiny() : StorageOptions());
    ASSERT_NE(open.storage, nullptr);
    EXPECT_EQ(open.recovered.log, log);
    EXPECT_EQ(open.recovered.torn_bytes_cut, 0u);
    for (int i = 0; i < 30; ++i) {
      Persist one = Entries(log.size() + 1, 3, 100);
      log.insert(log.end(), one.entries.begin(), one.entries.end());
      Persist two = Entries(log.size(), 2, 700);
      two.truncate_from = Index(log.size());
      log.pop_back();
      log.insert(log.end(), two.entries.begin(), two.entries.end());
      ASSERT_TRUE(open.storage->Append({one, two}).ok());
    }
  }
  const Recovered recovered = OpenIt().recovered;
  EXPECT_EQ(recovered.log, log);
  EXPECT_EQ(recovered.term, Term(3));
  EXPECT_EQ(recovered.vote, (NodeId{1, 1}));
  EXPECT_GT(recovered.segments, 5u);
  EXPECT_EQ(recovered.records, 300u);
}

TEST_P(StorageConformance, ABatchLargerThanASegment) {
  ASSERT_TRUE(Format(&vfs_, dir_, identity_).ok());
  ASSERT_TRUE(OpenIt(StorageOptions::Tiny())
                  .storage->Append({Entries(1, 20, 10000)})
                  .ok());
  OpenResult open = OpenIt(StorageOptions::Tiny());
  EXPECT_EQ(open.recovered.log, Entries(1, 20, 10000).entries);
  EXPECT_TRUE(open.storage->Append({Entries(21, 1, 10)}).ok());
  open = {};
  EXPECT_EQ(OpenIt().recovered.log.size(), 21u);
}

TEST_P(StorageConformance, RestartsWithoutWritesCollectNoFiles) {
  ASSERT_TRUE(Format(&vfs_, dir_, identity_).ok());
  ASSERT_TRUE(OpenIt().storage->Append({Entries(1, 2, 10)}).ok());
  ASSERT_TRUE(OpenIt().storage->Append({Entries(3, 2, 10)}).ok());
  for (int boot = 0; boot < 10; ++boot) OpenIt();
  EXPECT_LE(vfs_.List(dir_ + "/wal").value().size(), 2u);
  EXPECT_EQ(OpenIt().recovered.log.size(), 4u);
}

}  // namespace raft::storage

#endif  // RAFT_STORAGE_VFS_CONFORMANCE_H_
