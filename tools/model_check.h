// The search: every state of a ModelWorld that can be reached within its
// bounds, each once.
#ifndef TOOLS_MODEL_CHECK_H_
#define TOOLS_MODEL_CHECK_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tools/model_world.h"

namespace tools {

struct ModelCheckOptions {
  ModelBounds bounds;
  uint64_t states_max = 100'000'000;
};

struct ModelCheckResult {
  uint64_t states = 0;       // distinct
  uint64_t transitions = 0;  // things that happened, into known states too
  uint64_t depth = 0;        // of the longest way that was gone
  bool exhausted = false;    // all were seen; else states_max was reached
  // Empty, or what broke and the way there, one line a step.
  std::string broken;
  std::vector<std::string> way;
};

// Depth first; ends at the first rule that is broken. The way is not the
// shortest: smaller bounds give shorter ones. `progress`, if given, is told of
// every millionth state.
ModelCheckResult CheckModel(
    const ModelCheckOptions& options,
    const std::function<void(const ModelCheckResult&)>& progress = nullptr);

}  // namespace tools

#endif  // TOOLS_MODEL_CHECK_H_
