// The one error enum of the whole API. "No quorum", "outcome unknown" and "not
// found" are different answers; no path turns an error into an empty result.
#ifndef REGISTRY_ERROR_H_
#define REGISTRY_ERROR_H_

#include <cstdint>
#include <optional>
#include <string_view>

namespace registry {

// FORMAT: numbers are part of the wire protocol and of replicated replies.
enum class Error : uint8_t {
  kOk = 0,
  kNotFound = 1,           // the registry, key or session named in `detail`
  kAlreadyRegistered = 2,  // the reply names the holder
  kKindMismatch = 3,       // opened or used as the other kind
  kNotOwner = 4,           // the reply names the holder
  kNoProcess = 5,
  kMoved = 6,
  kNotLeader = 7,       // the reply hints at the leader; nothing was done
  kUnavailable = 8,     // definitely not done: no quorum, overloaded, stopping
  kOutcomeUnknown = 9,  // may or may not have been done
  kSessionExpired = 10,
  kOutOfRange = 11,
  kInvalid = 12,
  kTooLarge = 13,
  kNoSpace = 14,
  kCompacted = 15,
  kPermissionDenied = 16,
  kConflict = 17,  // compare-and-set found another revision (features.md E6)
};

// "already_registered", as in JSON output and histories.
std::string_view ToString(Error error);
std::optional<Error> ErrorFromString(std::string_view name);

}  // namespace registry

#endif  // REGISTRY_ERROR_H_
