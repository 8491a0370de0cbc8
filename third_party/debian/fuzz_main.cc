// Runs a fuzz target over its corpus, without libFuzzer: every argument that
// does not start with '-' is a file, or a folder of files, to be run once.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

namespace fs = std::filesystem;

// Opened rather than asked for its type: under Bazel inputs are symlinks.
bool RunFile(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    std::cerr << "cannot read " << path << "\n";
    return false;
  }
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()),
                         bytes.size());
  return true;
}

std::vector<fs::path> FilesUnder(const fs::path& path) {
  if (!fs::is_directory(path)) return {path};
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(path)) {
    if (!entry.is_directory()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

int main(int argc, char** argv) {
  int failures = 0;
  int runs = 0;
  for (int i = 1; i < argc; ++i) {
    if (argv[i][0] == '-') continue;  // meant for libFuzzer
    for (const fs::path& file : FilesUnder(argv[i])) {
      // Printed first, so that a crash shows its input.
      std::cerr << "running " << file.string() << std::endl;
      ++runs;
      if (!RunFile(file)) ++failures;
    }
  }
  // A target has to survive nothing at all, and a corpus may still be empty.
  LLVMFuzzerTestOneInput(nullptr, 0);
  std::cerr << runs << " inputs\n";
  return failures == 0 ? 0 : 1;
}
