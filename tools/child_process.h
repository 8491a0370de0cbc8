// ChildProcess: another program, started, watched and ended by this one. For
// tools and tests that need real processes to kill.
#ifndef TOOLS_CHILD_PROCESS_H_
#define TOOLS_CHILD_PROCESS_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "raft/types.h"

namespace tools {

struct ChildOptions {
  std::string stderr_path;  // appended to; empty: this process's own
  // The child dies with its parent, however that dies. Not for a cluster that
  // is to stay.
  bool dies_with_parent = true;
};

// Its standard input is empty, its standard output a pipe to this process, and
// it is in a process group of its own: Ctrl-C reaches the parent alone.
class ChildProcess {
 public:
  // `argv[0]` is the path of the program. Unknown when it cannot be started.
  static absl::StatusOr<std::unique_ptr<ChildProcess>> Start(
      const std::vector<std::string>& argv, const ChildOptions& options = {});
  ~ChildProcess();  // kills, unless Release was called

  pid_t pid() const { return pid_; }

  // Reads its output up to a line that starts with `prefix` and returns that.
  // Unavailable when the output ends first, DeadlineExceeded after `timeout`;
  // both quote what was said instead.
  absl::StatusOr<std::string> WaitForLine(std::string_view prefix,
                                          raft::Duration timeout);
  // Reads its output to the end.
  std::string ReadOutput();

  void Signal(int number);
  // Waits for its end: the exit code, or 128 + the number of the signal.
  int Wait();
  // SIGKILL and Wait.
  void Kill();
  bool running();
  // Lets it live on without this process.
  void Release() { released_ = true; }

 private:
  ChildProcess(pid_t pid, int output) : pid_(pid), output_(output) {}
  // More of the output into unread_; false at its end or at `give_up`.
  bool ReadMore(raft::Time give_up);

  const pid_t pid_;
  const int output_;
  std::string unread_;
  int exit_code_ = -1;  // once it was waited for
  bool released_ = false;
};

// The program `name` in the folder of this very program: how tools of one build
// find each other, under `bazel run`, in a test's runfiles and where installed.
std::string SiblingProgram(const std::string& argv0, const std::string& name);

// A fresh folder under $TEST_TMPDIR, $TMPDIR or /tmp, removed by its
// destructor.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(const std::string& prefix);
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }
  void Keep() { keep_ = true; }

 private:
  std::string path_;
  bool keep_ = false;
};

// Ports on 127.0.0.1 that nobody uses now, outside of the range from which the
// kernel picks ports for outgoing connections: one of those could take the
// place of a node that is down for a moment.
std::vector<uint16_t> FreePorts(size_t count);

}  // namespace tools

#endif  // TOOLS_CHILD_PROCESS_H_
