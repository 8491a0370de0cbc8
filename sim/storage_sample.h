// Files that older format versions wrote, kept in testdata: onto a simulated
// disk and, once in a version's life, from there. For the sample tests.
#ifndef SIM_STORAGE_SAMPLE_H_
#define SIM_STORAGE_SAMPLE_H_

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "raft/storage/vfs.h"
#include "sim/sim_disk.h"
#include "sim/storage_life.h"

namespace sim {

inline std::string ReadSample(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.good()) << path;
  return {std::istreambuf_iterator<char>(in), {}};
}

// The files of `sample` (a folder of testdata) in kDataDir. Their folders must
// be there.
inline void LoadSample(const std::string& sample,
                       const std::vector<std::string>& files, SimDisk* disk) {
  for (const std::string& name : files) {
    auto file = disk->Open(absl::StrCat(kDataDir, "/", name),
                           raft::storage::OpenMode::kCreate);
    ASSERT_TRUE(file.ok()) << file.status();
    ASSERT_TRUE(
        (*file)->Write(0, ReadSample(absl::StrCat(sample, "/", name))).ok());
  }
}

// The other way, into the source tree; refuses to change a sample.
inline void SaveSample(const std::string& sample,
                       const std::vector<std::string>& files,
                       const SimDisk& disk) {
  const char* tree = std::getenv("BUILD_WORKSPACE_DIRECTORY");
  ASSERT_NE(tree, nullptr) << "with bazel run, please";
  for (const std::string& name : files) {
    const std::filesystem::path path =
        std::filesystem::path(tree) / sample / name;
    std::filesystem::create_directories(path.parent_path());
    ASSERT_FALSE(std::filesystem::exists(path)) << "samples never change";
    std::ofstream(path, std::ios::binary)
        << *disk.Peek(absl::StrCat(kDataDir, "/", name));
  }
}

}  // namespace sim

#endif  // SIM_STORAGE_SAMPLE_H_
