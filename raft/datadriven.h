// Golden scenarios: text files of commands and of what they printed.
//
//   # A comment, kept.
//   propose n1 a
//   persist n1
//   ----
//   n1 persist #3 ...
//
// A block is one or more command lines, `----`, the output, an empty line.
// A test passes when running the commands prints the file again, exactly; with
// --rewrite the file is replaced instead, and the reviewer reads the diff.
#ifndef RAFT_DATADRIVEN_H_
#define RAFT_DATADRIVEN_H_

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace raft::datadriven {

// Runs one command, given as its words, and returns its output: lines, without
// empty ones among them.
using RunCommand =
    std::function<std::string(const std::vector<std::string>& words)>;

// Returns `text` with the output of every block replaced.
std::string Replay(std::string_view text, const RunCommand& run);

// The files in `dir` that end in ".txt", sorted, with `dir` in front.
std::vector<std::string> ListFiles(const std::string& dir);

// Fails the current GoogleTest test if replaying `path` (relative to the
// workspace) prints anything else than the file. With `rewrite`, writes it into
// the source tree (`bazel run` tells where that is) instead.
void ExpectGolden(const std::string& path, const RunCommand& run, bool rewrite);

}  // namespace raft::datadriven

#endif  // RAFT_DATADRIVEN_H_
