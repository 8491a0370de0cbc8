#include "sim/violation.h"

#include <utility>

namespace sim {

std::string_view ToString(Violation::Kind kind) {
  switch (kind) {
    case Violation::Kind::kSafety:
      return "safety";
    case Violation::Kind::kLiveness:
      return "liveness";
    case Violation::Kind::kLinearizability:
      return "linearizability";
    case Violation::Kind::kCrash:
      return "crash";
  }
  return "?";
}

void Violations::Add(Violation::Kind kind, std::string_view checker,
                     std::string text) {
  if (list_.size() >= kKept) return;
  list_.push_back({kind, std::string(checker), std::move(text)});
}

}  // namespace sim
