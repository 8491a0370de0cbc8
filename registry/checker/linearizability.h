// Linearizability by search, without a look inside: a history of calls and
// answers is legal if, for every key by itself, some order of the operations
// explains all answers, an order in which whatever had returned before
// another's call comes before it (Herlihy and Wing 1990; that single objects
// may be judged one by one is their theorem 1).
//
// What is judged, key by key: register, unregister, update, lookup, count of a
// key. Sessions and registries are judged by simple rules over time, as they
// reach over keys (see Soundness). `count` of a registry, `keys` and
// `registries` are left to ApplyOrderChecker.
//
// Soundness: a legal history is never called illegal.
//   - An operation without an answer may take effect at any time after its call
//     or never.
//   - A process or session may end at any time after its last answer that shows
//     it alive was asked for, unless its end was told; its registrations end
//     with it, key by key, at moments that may differ (that loosens the API's
//     promise, under which they end at once; ApplyOrderChecker keeps it).
//   - Registries stand from some moment on; an answer that there was none says
//     nothing about the key.
// What is not seen: that a session ended too early (leases are judged
// elsewhere), and that the keys of a session ended apart.
#ifndef REGISTRY_CHECKER_LINEARIZABILITY_H_
#define REGISTRY_CHECKER_LINEARIZABILITY_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "registry/checker/history.h"

namespace registry::checker {

struct LinearizabilityOptions {
  // Hold the answers to the revisions that they show: an order must be that of
  // the revisions. Much faster when calls without an answer abound, and sees
  // more. Without it nothing but keys, pids and values is looked at.
  bool use_revisions = true;
  // Bounds the work on one key: configurations made. Above it: kUnknown.
  uint64_t configurations_max = 5'000'000;
};

enum class Linearizable : uint8_t { kOk = 0, kIllegal = 1, kUnknown = 2 };
std::string_view ToString(Linearizable verdict);

struct LinearizabilityResult {
  Linearizable verdict = Linearizable::kOk;
  // kIllegal: the smallest prefix that has no order: the answer at which the
  // last candidate order died, what was concurrent with it, and what the key
  // could have held. kUnknown: the key whose search was given up.
  std::string explanation;
  uint64_t operations = 0;  // judged
  uint64_t open = 0;        // of them without an answer
  uint64_t left_out = 0;    // entries of kinds that are not judged here
  uint64_t keys = 0;
  uint64_t configurations = 0;       // made in all
  uint64_t configurations_peak = 0;  // alive at once on one key
};

class LinearizabilityChecker {
 public:
  explicit LinearizabilityChecker(LinearizabilityOptions options = {});
  ~LinearizabilityChecker();
  LinearizabilityChecker(LinearizabilityChecker&&) noexcept;
  LinearizabilityChecker& operator=(LinearizabilityChecker&&) noexcept;

  // Takes one call, in any order. `line` names it in explanations.
  // InvalidArgument: it cannot be judged (an answer before its call, an answer
  // of another kind of operation, an open command without its session).
  absl::Status Add(size_t line, const HistoryEntry& entry);

  LinearizabilityResult Check();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// The same for a history in memory; lines are counted from 1. An entry that
// cannot be judged makes the verdict kUnknown.
LinearizabilityResult CheckLinearizable(std::span<const HistoryEntry> history,
                                        LinearizabilityOptions options = {});

}  // namespace registry::checker

#endif  // REGISTRY_CHECKER_LINEARIZABILITY_H_
