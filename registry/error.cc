#include "registry/error.h"

#include <array>

#include "registry/command.h"

namespace registry {
namespace {

// In the order of the enum's numbers.
constexpr std::array<std::string_view, 18> kNames = {
    "ok",
    "not_found",
    "already_registered",
    "kind_mismatch",
    "not_owner",
    "no_process",
    "moved",
    "not_leader",
    "unavailable",
    "outcome_unknown",
    "session_expired",
    "out_of_range",
    "invalid",
    "too_large",
    "no_space",
    "compacted",
    "permission_denied",
    "conflict",
};

}  // namespace

std::string_view ToString(Error error) {
  const auto number = static_cast<size_t>(error);
  return number < kNames.size() ? kNames[number] : "unknown_error";
}

std::optional<Error> ErrorFromString(std::string_view name) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<Error>(i);
  }
  return std::nullopt;
}

std::string_view ToString(RegistryKind kind) {
  return kind == RegistryKind::kUnique ? "unique" : "duplicate";
}

}  // namespace registry
