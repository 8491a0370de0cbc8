// kill_cycles: by hand, and longer than in the test.
//
//   ./bazelw run //tools:kill_cycles -- --cycles=100 --history_out=/tmp/h.jsonl
#include <signal.h>

#include <charconv>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>

#include "tools/child_process.h"
#include "tools/kill_cycles.h"

namespace {

// "--name=" and a number.
template <typename T>
bool TakeNumber(std::string_view arg, std::string_view name, T* out) {
  if (!arg.starts_with(name)) return false;
  arg.remove_prefix(name.size());
  const auto [end, error] =
      std::from_chars(arg.data(), arg.data() + arg.size(), *out);
  return error == std::errc() && end == arg.data() + arg.size();
}

}  // namespace

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  tools::KillCyclesOptions options;
  options.registryd = tools::SiblingProgram(argv[0], "registryd");
  options.cycles = 100;
  options.verbose = true;
  constexpr std::string_view kHistoryOut = "--history_out=";
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    if (arg.starts_with(kHistoryOut)) {
      options.history_out = arg.substr(kHistoryOut.size());
    } else if (!TakeNumber(arg, "--cycles=", &options.cycles) &&
               !TakeNumber(arg, "--seed=", &options.seed) &&
               !TakeNumber(arg, "--clients=", &options.clients) &&
               !TakeNumber(arg, "--in_flight=", &options.in_flight)) {
      std::fprintf(stderr,
                   "kill_cycles [--cycles=100] [--seed=1] [--clients=6] "
                   "[--in_flight=2] [--history_out=FILE]\n");
      return 2;
    }
  }
  const auto report = tools::RunKillCycles(options);
  if (!report.ok()) {
    std::printf("FAILED: %s\n", report.status().ToString().c_str());
    return 1;
  }
  std::printf(
      "%zu kills, %zu of leaders; %llu calls, %llu writes acknowledged, %llu "
      "outcomes unknown; longest silence %.0f ms\nnothing lost, nothing twice, "
      "linearizable\n",
      report->kills, report->leaders_killed,
      static_cast<unsigned long long>(report->calls),
      static_cast<unsigned long long>(report->acknowledged),
      static_cast<unsigned long long>(report->open),
      static_cast<double>(report->longest_silence.value()) / 1000);
  return 0;
}
