#include "raft/datadriven.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "gtest/gtest.h"

namespace raft::datadriven {
namespace {

constexpr std::string_view kSeparator = "----";

std::vector<std::string> SplitLines(std::string_view text) {
  std::vector<std::string> lines;
  std::istringstream in{std::string(text)};
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// The words of a line, up to a comment.
std::vector<std::string> SplitWords(const std::string& line) {
  std::vector<std::string> words;
  std::istringstream in(line);
  for (std::string word; in >> word && word[0] != '#';) words.push_back(word);
  return words;
}

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.good()) << "cannot read " << path;
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

}  // namespace

std::string Replay(std::string_view text, const RunCommand& run) {
  const std::vector<std::string> lines = SplitLines(text);
  std::string out;
  std::string printed;  // by the commands of the block so far
  for (size_t i = 0; i < lines.size(); ++i) {
    out += lines[i] + "\n";
    if (lines[i] != kSeparator) {
      const std::vector<std::string> words = SplitWords(lines[i]);
      if (!words.empty()) printed += run(words);
      continue;
    }
    out += printed.empty() ? "ok\n" : printed;
    printed.clear();
    while (i + 1 < lines.size() && !lines[i + 1].empty()) ++i;
  }
  if (!printed.empty()) out += std::string(kSeparator) + "\n" + printed;
  return out;
}

std::vector<std::string> ListFiles(const std::string& dir) {
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(dir, error)) {
    if (entry.path().extension() == ".txt") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

void ExpectGolden(const std::string& path, const RunCommand& run,
                  bool rewrite) {
  const std::string expected = ReadFile(path);
  const std::string actual = Replay(expected, run);
  if (!rewrite) {
    EXPECT_EQ(actual, expected)
        << path << ": if the change is meant, run the test with --rewrite";
    return;
  }
  const char* workspace = std::getenv("BUILD_WORKSPACE_DIRECTORY");
  ASSERT_NE(workspace, nullptr) << "--rewrite works under `bazel run` only";
  std::ofstream file(std::string(workspace) + "/" + path, std::ios::binary);
  file << actual;
  ASSERT_TRUE(file.flush().good()) << "cannot write " << path;
}

}  // namespace raft::datadriven
