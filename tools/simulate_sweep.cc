#include "tools/simulate_sweep.h"

#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>
#include <sstream>
#include <utility>

#include "raft/check.h"
#include "raft/digest.h"
#include "sim/crash_points.h"
#include "tools/seal.h"

namespace tools {
namespace {

// What goes through a worker's pipe: lines of a letter and fields. Texts stand
// last, with their newlines made spaces and what is not ASCII made ?.
//   B seed               the worker begins a seed
//   V kind checker text  a violation in it
//   F name value         a fault class's effects      C name value: a count
//   R digest events us hurt unknown operations probes  the seed is done
//   A text               a CHECK failed: the worker is about to die
//   S text               the seed reached outside: the worker is about to die
//   U text               why the worker is not sealed
std::string OneLine(std::string text) {
  for (char& c : text) {
    if (c == '\n') c = ' ';
    if (c < 0x20 || c > 0x7e) c = '?';
  }
  return text;
}

void WriteAll(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) _exit(1);  // nobody listens any more
    text.remove_prefix(static_cast<size_t>(written));
  }
}

int worker_pipe = -1;

void TellOfCheck(const char* text) {
  WriteAll(worker_pipe, "A " + OneLine(text) + "\n");
}

void TellOfSeal(const char* what) {
  char text[64] = "S ";
  std::strncat(text, what, sizeof text - 4);
  std::strcat(text, "\n");
  WriteAll(worker_pipe, text);
}

void SealWorker(int fd) {
  const absl::Status status = Seal(fd, TellOfSeal);
  if (status.ok()) return;
  WriteAll(fd, "U " + OneLine(std::string(status.message())) + "\n");
}

std::string Report(const sim::SimulationResult& result) {
  std::ostringstream out;
  for (const sim::Violation& violation : result.violations) {
    out << "V " << sim::ToString(violation.kind) << ' ' << violation.checker
        << ' ' << OneLine(violation.text) << '\n';
  }
  for (const auto& [name, value] : result.faults) {
    out << "F " << name << ' ' << value << '\n';
  }
  for (const auto& [name, value] : result.counts) {
    out << "C " << name << ' ' << value << '\n';
  }
  const bool hurt = result.leaders_lost() > 0 || result.unsynced_bytes_lost > 0;
  out << "R " << result.digest << ' ' << result.events << ' '
      << result.simulated_us << ' ' << hurt << ' '
      << result.linearizability_unknown << ' ' << result.operations << ' '
      << result.probes << '\n';
  return out.str();
}

// Run after run needs as much memory as the one before: it is not given back.
void KeepMemory() {
  constexpr int kMuch = 1 << 30;
  mallopt(M_TRIM_THRESHOLD, kMuch);
  mallopt(M_MMAP_THRESHOLD, kMuch);
  mallopt(M_TOP_PAD, 64 << 20);
}

[[noreturn]] void Work(const SweepOptions& options, uint64_t seed, int fd) {
  KeepMemory();
  worker_pipe = fd;
  raft::SetCheckFailureHook(TellOfCheck);
  if (options.sealed) SealWorker(fd);
  const auto run = [&options](const sim::SeedOptions& one) {
    return options.simulate ? options.simulate(one)
                            : sim::Simulate(sim::ScenarioOf(one));
  };
  const auto step = static_cast<uint64_t>(options.jobs);
  while (true) {
    WriteAll(fd, "B " + std::to_string(seed) + "\n");
    sim::SeedOptions one = options.each;
    one.seed = seed;
    sim::SimulationResult result = run(one);
    if (options.check_determinism && run(one).digest != result.digest) {
      WriteAll(fd, "V non-determinism digest two runs differ\n");
    }
    WriteAll(fd, Report(result));
    if (options.last_seed - seed < step) _exit(0);
    seed += step;
  }
}

// CPU time of the workers that have ended.
int64_t ChildrenUs() {
  rusage usage;
  getrusage(RUSAGE_CHILDREN, &usage);
  return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1'000'000 +
         usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

struct Worker {
  pid_t pid = -1;
  int fd = -1;
  std::string unread;
  uint64_t seed = 0;
  bool busy = false;                          // between B and R
  std::chrono::steady_clock::time_point due;  // then its seed is given up
  bool late = false;
  std::string check;    // the CHECK that it died of
  std::string outside;  // what it reached for through its seal
};

class Sweeper {
 public:
  Sweeper(const SweepOptions& options, const OnFailure& on_failure)
      : options_(options), on_failure_(on_failure) {}

  SweepResult Run() {
    const int64_t before_us = ChildrenUs();
    const uint64_t seeds = options_.last_seed - options_.first_seed + 1;
    const auto jobs = static_cast<uint64_t>(options_.jobs);
    for (uint64_t i = 0; i < std::min(jobs, seeds); ++i) {
      workers_.push_back(Start(options_.first_seed + i));
    }
    while (!workers_.empty()) ReadOnce();
    std::stable_sort(result_.failures.begin(), result_.failures.end(),
                     [](const SweepFailure& a, const SweepFailure& b) {
                       return a.seed < b.seed;
                     });
    result_.cpu_us = ChildrenUs() - before_us;
    return std::move(result_);
  }

 private:
  Worker Start(uint64_t seed) {
    int fds[2];
    CHECK_EQ(pipe(fds), 0);
    std::fflush(nullptr);  // else the child would print it once more
    const pid_t pid = fork();
    CHECK_GE(pid, 0);
    if (pid == 0) {
      // Nothing of ours but the pipe: not the other pipes, nor a lock on a
      // file, which would be kept for as long as a worker outlives us.
      close_range(STDERR_FILENO + 1, static_cast<unsigned>(fds[1]) - 1, 0);
      close_range(static_cast<unsigned>(fds[1]) + 1, ~0u, 0);
      Work(options_, seed, fds[1]);
    }
    close(fds[1]);
    return Worker{
        .pid = pid, .fd = fds[0], .seed = seed, .busy = true, .due = Due()};
  }

  std::chrono::steady_clock::time_point Due() const {
    return std::chrono::steady_clock::now() +
           std::chrono::seconds(options_.patience_seconds);
  }

  // Ends the workers whose patience is over; milliseconds until the next is.
  int GiveUpLate() {
    const auto now = std::chrono::steady_clock::now();
    int64_t wait_ms = int64_t{options_.patience_seconds} * 1000;
    for (Worker& worker : workers_) {
      if (worker.due > now) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(worker.due - now);
        wait_ms = std::min<int64_t>(wait_ms, left.count());
      } else if (worker.busy && !worker.late) {
        worker.late = true;
        kill(worker.pid, SIGKILL);
      }
    }
    return static_cast<int>(wait_ms);
  }

  void ReadOnce() {
    std::vector<pollfd> polled;
    for (const Worker& worker : workers_) {
      polled.push_back({.fd = worker.fd, .events = POLLIN, .revents = 0});
    }
    if (poll(polled.data(), polled.size(), GiveUpLate()) < 0) {
      CHECK_EQ(errno, EINTR);
      return;
    }
    // From the back, as workers that ended are taken out.
    for (size_t i = polled.size(); i-- > 0;) {
      if (polled[i].revents != 0) ReadFrom(i);
    }
  }

  void ReadFrom(size_t index) {
    Worker& worker = workers_[index];
    char buffer[65536];
    const ssize_t size = read(worker.fd, buffer, sizeof buffer);
    if (size < 0 && errno == EINTR) return;
    if (size <= 0) return Ended(index);
    worker.unread.append(buffer, static_cast<size_t>(size));
    size_t end;
    while ((end = worker.unread.find('\n')) != std::string::npos) {
      OnLine(&worker, worker.unread.substr(0, end));
      worker.unread.erase(0, end + 1);
    }
  }

  void Ended(size_t index) {
    Worker worker = std::move(workers_[index]);
    workers_.erase(workers_.begin() + static_cast<ptrdiff_t>(index));
    close(worker.fd);
    int status = 0;
    while (waitpid(worker.pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (!worker.busy) return;
    ++result_.runs;
    Fail(HowItEnded(worker, status));
    const auto step = static_cast<uint64_t>(options_.jobs);
    if (options_.last_seed - worker.seed < step) return;
    workers_.push_back(Start(worker.seed + step));
  }

  SweepFailure HowItEnded(const Worker& worker, int status) const {
    const int cause = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    std::string outside = worker.outside;
    // No handler runs where the signal is blocked, as it is while libc begins a
    // thread.
    if (cause == SIGSYS) outside = "a system call, perhaps to begin a thread";
    if (!outside.empty()) {
      return {worker.seed, "non-determinism", "seal",
              "the run reached outside: " + outside};
    }
    SweepFailure failure{worker.seed, "crash", "worker", worker.check};
    if (worker.late) {
      failure.text = "took longer than " +
                     std::to_string(options_.patience_seconds) + " s";
    } else if (failure.text.empty() && cause != 0) {
      failure.text = std::string("died of ") + strsignal(cause);
    } else if (failure.text.empty()) {
      failure.text = "ended with code " + std::to_string(WEXITSTATUS(status));
    }
    return failure;
  }

  void OnLine(Worker* worker, const std::string& line) {
    CHECK_GE(line.size(), 2u);
    std::istringstream in(line.substr(2));
    switch (line[0]) {
      case 'B':
        in >> worker->seed;
        worker->busy = true;
        worker->due = Due();
        return;
      case 'A':
        worker->check = line.substr(2);
        return;
      case 'S':
        worker->outside = line.substr(2);
        return;
      case 'U':
        result_.unsealed = line.substr(2);
        return;
      case 'F':
        return Add(&in, &result_.faults);
      case 'C':
        return Add(&in, &result_.counts);
      case 'V': {
        SweepFailure failure{.seed = worker->seed};
        in >> failure.kind >> failure.checker;
        std::getline(in >> std::ws, failure.text);
        return Fail(std::move(failure));
      }
      case 'R':
        return OnResult(worker, &in);
      default:
        CHECK(false);
    }
  }

  static void Add(std::istringstream* in, std::vector<sim::Count>* counts) {
    std::string name;
    uint64_t value = 0;
    *in >> name >> value;
    for (auto& [known, sum] : *counts) {
      if (known != name) continue;
      sum += value;
      return;
    }
    counts->push_back({name, value});
  }

  void OnResult(Worker* worker, std::istringstream* in) {
    uint64_t digest = 0, events = 0, probes = 0, operations = 0;
    int64_t simulated_us = 0;
    bool hurt = false, unknown = false;
    *in >> digest >> events >> simulated_us >> hurt >> unknown >> operations >>
        probes;
    CHECK(!in->fail());
    result_.operations_min = std::exchange(finished_, true)
                                 ? std::min(result_.operations_min, operations)
                                 : operations;
    ++result_.runs;
    result_.events += events;
    result_.simulated_us += simulated_us;
    result_.digest += raft::Mix(worker->seed, digest);
    if (options_.keep_digests) result_.digests[worker->seed] = digest;
    result_.runs_hurt += hurt;
    result_.runs_unknown += unknown;
    result_.probes.resize(64);
    for (size_t i = 0; i < 64; ++i) result_.probes[i] += probes >> i & 1;
    worker->busy = false;
  }

  void Fail(SweepFailure failure) {
    // One line a seed and kind is enough to find it again.
    for (const SweepFailure& known : result_.failures) {
      if (known.seed == failure.seed && known.kind == failure.kind) return;
    }
    if (on_failure_) on_failure_(failure);
    result_.failures.push_back(std::move(failure));
  }

  const SweepOptions& options_;
  const OnFailure& on_failure_;
  std::vector<Worker> workers_;
  bool finished_ = false;  // a run that did not die was seen
  SweepResult result_;
};

}  // namespace

SweepResult Sweep(const SweepOptions& options, const OnFailure& on_failure) {
  CHECK_LE(options.first_seed, options.last_seed);
  CHECK_GT(options.jobs, 0);
  return Sweeper(options, on_failure).Run();
}

uint64_t FailedRuns(const std::vector<SweepFailure>& failures) {
  std::set<uint64_t> seeds;
  for (const SweepFailure& failure : failures) seeds.insert(failure.seed);
  return seeds.size();
}

int ExitCode(const std::vector<SweepFailure>& failures) {
  // The worst first.
  static constexpr std::pair<std::string_view, int> kCodes[] = {
      {"safety", kExitSafety},     {"linearizability", kExitNotLinearizable},
      {"crash", kExitCrash},       {"non-determinism", kExitNonDeterministic},
      {"liveness", kExitLiveness},
  };
  for (const auto& [kind, code] : kCodes) {
    for (const SweepFailure& failure : failures) {
      if (failure.kind == kind) return code;
    }
  }
  CHECK(failures.empty());
  return 0;
}

std::string OptionsText(const sim::SeedOptions& options) {
  static const sim::SeedOptions usual;
  std::string text;
  if (options.seconds != usual.seconds) {
    text += " --seconds=" + std::to_string(options.seconds);
  }
  if (options.profile != usual.profile) {
    text += " --profile=" + std::string(sim::ToString(options.profile));
  }
  if (options.nodes.has_value()) {
    text += " --nodes=" + std::to_string(*options.nodes);
  }
  if (options.operations_per_second.has_value()) {
    text += " --operations=" + std::to_string(*options.operations_per_second);
  }
  if (options.standard) text += " --standard";
  if (options.crash_points.has_value()) {
    text += " --crash_points=" + std::to_string(*options.crash_points);
  }
  return text.empty() ? text : text.substr(1);
}

std::string ReproduceLine(uint64_t seed, const std::string& options) {
  return "reproduce: ./bazelw run //tools:simulate -- --seed=" +
         std::to_string(seed) + (options.empty() ? "" : " ") + options;
}

}  // namespace tools
