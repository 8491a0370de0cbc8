// replay: runs the node traces that registryd --record wrote (registry/trace.h)
// again, and compares every step.
//
//   replay FILE...
//
// Exit code 0: every step of every trace went as recorded. 1: one did not; its
// number, and what happened instead, are printed. 2: a file cannot be replayed.
#include "registry/replay.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>

#include "tools/caller_path.h"

namespace {

constexpr int kMismatch = 1;
constexpr int kUnusable = 2;

int Unusable(const std::string& path, const std::string& why) {
  std::fprintf(stderr, "%s: %s\n", path.c_str(), why.c_str());
  return kUnusable;
}

int Replay(const std::string& path) {
  std::ifstream file(tools::CallerPath(path), std::ios::binary);
  std::ostringstream bytes;
  if (!file || !(bytes << file.rdbuf())) {
    return Unusable(path, "cannot be read");
  }
  const std::string trace = std::move(bytes).str();
  const absl::StatusOr<registry::ReplayReport> report =
      registry::ReplayTrace(trace);
  if (!report.ok()) {
    return Unusable(path, std::string(report.status().message()));
  }
  std::printf("%s: %s, %" PRIu64 " inputs, %" PRIu64
              " steps as recorded, term %" PRIu64 ", applied %" PRIu64
              ", digest %016" PRIx64 "%016" PRIx64 "\n",
              path.c_str(), ToString(report->node).c_str(), report->inputs,
              report->steps, report->term.value(), report->applied.value(),
              report->digest.high, report->digest.low);
  if (report->cut_off_bytes > 0) {
    std::printf("  the trace ends within a record (%zu bytes of it)\n",
                report->cut_off_bytes);
  }
  if (!report->mismatch.has_value()) return 0;
  std::printf("  step %" PRIu64 " (offset %zu): %s\n", report->mismatch->step,
              report->mismatch->offset, report->mismatch->what.c_str());
  return kMismatch;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argv[1][0] == '-') {
    std::fprintf(stderr, "usage: replay FILE...\n");
    return kUnusable;
  }
  int code = 0;
  for (int i = 1; i < argc; ++i) code = std::max(code, Replay(argv[i]));
  return code;
}
