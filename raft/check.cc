#include "raft/check.h"

#include <cstdio>
#include <cstdlib>

namespace raft {
namespace {
CheckFailureHook failure_hook = nullptr;
}  // namespace

void SetCheckFailureHook(CheckFailureHook hook) { failure_hook = hook; }

namespace check_internal {

void Fail(const char* file, int line, const std::string& text) {
  const std::string full = std::string(file) + ":" + std::to_string(line) +
                           ": CHECK failed: " + text;
  std::fprintf(stderr, "%s\n", full.c_str());
  std::fflush(stderr);
  // Cleared first: a hook that itself fails a CHECK must not come back here.
  if (CheckFailureHook hook = failure_hook; hook != nullptr) {
    failure_hook = nullptr;
    hook(full.c_str());
  }
  std::abort();
}

}  // namespace check_internal
}  // namespace raft
