#include "tools/child_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "net/event_loop.h"
#include "raft/check.h"

namespace tools {
namespace {

constexpr uint16_t kPortMin = 10'000;  // Linux picks from 32768 upwards
constexpr uint16_t kPortMax = 32'000;

// Only what is safe between fork and exec.
[[noreturn]] void BecomeChild(char* const* argv, int output, pid_t parent,
                              const ChildOptions& options) {
  setpgid(0, 0);
  if (options.dies_with_parent) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);  // it died before we asked
  }
  const int null = open("/dev/null", O_RDONLY);
  dup2(null, STDIN_FILENO);
  dup2(output, STDOUT_FILENO);
  if (!options.stderr_path.empty()) {
    const int log =
        open(options.stderr_path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    dup2(log, STDERR_FILENO);
  }
  signal(SIGPIPE, SIG_DFL);
  execv(argv[0], argv);
  _exit(127);
}

bool PortIsFree(uint16_t port, int* held) {
  *held = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return bind(*held, reinterpret_cast<sockaddr*>(&address), sizeof(address)) ==
         0;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ChildProcess>> ChildProcess::Start(
    const std::vector<std::string>& argv, const ChildOptions& options) {
  CHECK(!argv.empty());
  if (access(argv[0].c_str(), X_OK) != 0) {
    return absl::UnknownError(
        absl::StrCat(argv[0], ": ", std::generic_category().message(errno)));
  }
  std::vector<char*> raw;
  for (const std::string& arg : argv) {
    raw.push_back(const_cast<char*>(arg.c_str()));
  }
  raw.push_back(nullptr);
  int ends[2];
  CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  CHECK_GE(pid, 0);
  if (pid == 0) BecomeChild(raw.data(), ends[1], parent, options);
  close(ends[1]);
  return std::unique_ptr<ChildProcess>(new ChildProcess(pid, ends[0]));
}

ChildProcess::~ChildProcess() {
  if (!released_ && exit_code_ < 0) Kill();
  close(output_);
}

bool ChildProcess::ReadMore(raft::Time give_up) {
  const raft::Duration left = give_up - net::Now();
  if (left <= raft::Duration(0)) return false;
  pollfd ready{.fd = output_, .events = POLLIN};
  const int64_t wait_ms = std::min<int64_t>(left.value() / 1000 + 1, 1000);
  const int polled = poll(&ready, 1, static_cast<int>(wait_ms));
  if (polled == 0) return true;
  if (polled < 0) return false;  // a signal: whoever waits wants to know
  char buffer[4096];
  const ssize_t size = read(output_, buffer, sizeof(buffer));
  if (size <= 0) return false;
  unread_.append(buffer, static_cast<size_t>(size));
  return true;
}

absl::StatusOr<std::string> ChildProcess::WaitForLine(std::string_view prefix,
                                                      raft::Duration timeout) {
  const raft::Time give_up = net::Now() + timeout;
  std::string said;
  do {
    for (size_t end; (end = unread_.find('\n')) != std::string::npos;) {
      const std::string line = unread_.substr(0, end);
      unread_.erase(0, end + 1);
      if (line.starts_with(prefix)) return line;
      absl::StrAppend(&said, line, "\n");
    }
  } while (ReadMore(give_up));
  const std::string text =
      absl::StrCat("no line \"", std::string(prefix), "...\" in:\n", said);
  if (net::Now() >= give_up) return absl::DeadlineExceededError(text);
  return absl::UnavailableError(text);
}

std::string ChildProcess::ReadOutput() {
  while (ReadMore(raft::Time::Never())) {
  }
  return std::move(unread_);
}

void ChildProcess::Signal(int number) {
  if (exit_code_ < 0) kill(pid_, number);
}

int ChildProcess::Wait() {
  if (exit_code_ >= 0) return exit_code_;
  int status = 0;
  pid_t ended;
  do {
    ended = waitpid(pid_, &status, 0);
  } while (ended < 0 && errno == EINTR);
  CHECK_EQ(ended, pid_);
  exit_code_ =
      WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return exit_code_;
}

void ChildProcess::Kill() {
  Signal(SIGKILL);
  Wait();
}

bool ChildProcess::running() {
  if (exit_code_ >= 0) return false;
  siginfo_t info{};
  waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT);
  return info.si_pid == 0;
}

std::string SiblingProgram(const std::string& argv0, const std::string& name) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  // argv[0] first: a test's runfiles hold links, and the link's folder is the
  // one with the siblings.
  const fs::path beside = fs::absolute(argv0, ignored).parent_path() / name;
  if (fs::exists(beside, ignored)) return beside.string();
  return fs::read_symlink("/proc/self/exe", ignored).parent_path() / name;
}

TemporaryFolder::TemporaryFolder(const std::string& prefix) {
  const char* root = nullptr;
  for (const char* variable : {"TEST_TMPDIR", "TMPDIR"}) {
    if (root == nullptr) root = std::getenv(variable);
  }
  path_ = absl::StrCat(root == nullptr ? "/tmp" : root, "/", prefix, "-XXXXXX");
  CHECK(mkdtemp(path_.data()) != nullptr);
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  if (!keep_) std::filesystem::remove_all(path_, ignored);
}

std::vector<uint16_t> FreePorts(size_t count) {
  uint32_t start = 0;
  CHECK_EQ(getrandom(&start, sizeof(start), 0),
           static_cast<ssize_t>(sizeof(start)));
  std::vector<uint16_t> ports;
  std::vector<int> held;  // until all are found: else one would be found twice
  for (uint32_t i = 0; ports.size() < count; ++i) {
    CHECK_LT(i, uint32_t{kPortMax - kPortMin});
    const auto port = static_cast<uint16_t>(
        kPortMin + (start + i) % uint32_t{kPortMax - kPortMin});
    held.push_back(-1);
    if (PortIsFree(port, &held.back())) ports.push_back(port);
  }
  for (int fd : held) close(fd);
  return ports;
}

}  // namespace tools
