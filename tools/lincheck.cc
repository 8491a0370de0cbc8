// lincheck: judges a history of calls and answers (registry/checker/history.h),
// from the simulator or from a real cluster.
//
//   lincheck [--black_box] [--configurations=N] FILE      ("-": standard input)
//
// Exit code 0: linearizable. 1: not, and the smallest part of the history that
// shows it. 2: not known, the search was given up. 3: FILE cannot be judged, or
// holds nothing to judge (a recorder that failed must not look like success).
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iostream>
#include <istream>
#include <string>
#include <string_view>

#include "registry/checker/history.h"
#include "registry/checker/linearizability.h"
#include "tools/caller_path.h"

namespace {

using registry::checker::HistoryEntry;
using registry::checker::LinearizabilityChecker;
using registry::checker::LinearizabilityOptions;
using registry::checker::LinearizabilityResult;
using registry::checker::Linearizable;

constexpr int kUnusable = 3;
constexpr char kUsage[] =
    "usage: lincheck [--black_box] [--configurations=N] FILE\n"
    "  --black_box         look at keys, holders and values only, not at the\n"
    "                      revisions that answers show\n"
    "  --configurations=N  bound of the search on each key (default 5000000)\n"
    "  FILE                one JSON object a line; - for standard input\n";

struct Flags {
  LinearizabilityOptions options;
  std::string file;
};

bool ParseFlags(int argc, char** argv, Flags* flags) {
  constexpr std::string_view kConfigurations = "--configurations=";
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    if (arg == "--black_box") {
      flags->options.use_revisions = false;
    } else if (arg.starts_with(kConfigurations)) {
      const std::string_view text = arg.substr(kConfigurations.size());
      const auto [end, error] =
          std::from_chars(text.data(), text.data() + text.size(),
                          flags->options.configurations_max);
      if (error != std::errc() || end != text.data() + text.size()) {
        return false;
      }
    } else if ((arg.starts_with("-") && arg != "-") || !flags->file.empty()) {
      return false;
    } else {
      flags->file = arg;
    }
  }
  return !flags->file.empty();
}

// Since the last time it was asked: seconds by the clock and of CPU time (the
// machine may be shared).
class Stopwatch {
 public:
  std::string Lap() {
    const auto now = std::chrono::steady_clock::now();
    const std::clock_t cpu = std::clock();
    const std::chrono::duration<double> lap = now - last_;
    char text[64];
    std::snprintf(text, sizeof text, "%.2f s (%.2f s of CPU)", lap.count(),
                  static_cast<double>(cpu - last_cpu_) / CLOCKS_PER_SEC);
    last_ = now;
    last_cpu_ = cpu;
    return text;
  }

 private:
  std::chrono::steady_clock::time_point last_ =
      std::chrono::steady_clock::now();
  std::clock_t last_cpu_ = std::clock();
};

void Print(const LinearizabilityResult& result, const std::string& read,
           const std::string& judged) {
  const std::string verdict(ToString(result.verdict));
  std::printf("%s\n", verdict.c_str());
  if (!result.explanation.empty()) {
    std::printf("%s\n", result.explanation.c_str());
  }
  std::printf(
      "%llu operations on %llu keys judged, %llu of them without an answer; "
      "%llu reads over keys left out; %llu configurations, at most %llu at "
      "once; read in %s, judged in %s\n",
      static_cast<unsigned long long>(result.operations),
      static_cast<unsigned long long>(result.keys),
      static_cast<unsigned long long>(result.open),
      static_cast<unsigned long long>(result.left_out),
      static_cast<unsigned long long>(result.configurations),
      static_cast<unsigned long long>(result.configurations_peak), read.c_str(),
      judged.c_str());
}

int Run(const Flags& flags) {
  std::ifstream file;
  std::istream* in = &std::cin;
  if (flags.file != "-") {
    file.open(tools::CallerPath(flags.file), std::ios::binary);
    if (!file.is_open()) {
      std::fprintf(stderr, "lincheck: cannot open %s\n", flags.file.c_str());
      return kUnusable;
    }
    in = &file;
  } else {
    std::ios::sync_with_stdio(false);
  }
  Stopwatch stopwatch;
  LinearizabilityChecker checker(flags.options);
  const absl::Status status = registry::checker::ReadHistory(
      in, [&](size_t line, HistoryEntry&& entry) {
        return checker.Add(line, entry);
      });
  if (!status.ok()) {
    std::fprintf(stderr, "lincheck: %s: %s\n", flags.file.c_str(),
                 std::string(status.message()).c_str());
    return kUnusable;
  }
  const std::string read = stopwatch.Lap();
  const LinearizabilityResult result = checker.Check();
  if (result.verdict == Linearizable::kOk &&
      result.operations + result.left_out == 0) {
    std::fprintf(stderr, "lincheck: %s: no call to judge\n",
                 flags.file.c_str());
    return kUnusable;
  }
  Print(result, read, stopwatch.Lap());
  return static_cast<int>(result.verdict);
}

}  // namespace

int main(int argc, char** argv) {
  Flags flags;
  if (!ParseFlags(argc, argv, &flags)) {
    std::fputs(kUsage, stderr);
    return kUnusable;
  }
  return Run(flags);
}
