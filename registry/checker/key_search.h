// The search over one key: a sweep over calls and returns in order of time,
// which carries every configuration that could be true at that moment.
//
// A configuration is the state of the key, and which of the operations that
// are under way have taken effect already ("taken"). At a return, each
// configuration in which the operation is not taken is extended by every
// sequence of operations under way that makes it possible, and no further than
// needed: what need not come before this return can still come after it (just
// in time, Lowe 2017). If no configuration is left, the history is illegal.
//
// Operations without an answer are under way for ever, so that naively each of
// them doubles the configurations. Three rules keep their number down:
//   - Dominance: of two configurations in the same state, the one that has
//     used up fewer unanswered operations, and completed at least the same
//     answered ones, can do whatever the other can.
//   - Operations that cannot change anything are taken as soon as the state
//     fits.
//   - A quick search goes first: it tries unanswered operations only where
//     nothing else helps, and keeps few configurations. If it finds an order,
//     that order is real. Only if it fails, the complete search begins.
#ifndef REGISTRY_CHECKER_KEY_SEARCH_H_
#define REGISTRY_CHECKER_KEY_SEARCH_H_

#include <cstdint>
#include <span>
#include <vector>

#include "registry/checker/key_model.h"
#include "registry/command.h"

namespace registry::checker {

struct KeySearchResult {
  enum class Verdict : uint8_t { kOk, kIllegal, kGivenUp };
  Verdict verdict = Verdict::kOk;
  uint64_t configurations = 0;  // made
  uint64_t peak = 0;            // alive at once
  // kIllegal: the operation whose return no configuration survived, those
  // under way with it, and the states in which the key could have been.
  uint32_t failed = kNoOp;
  std::vector<uint32_t> under_way;
  std::vector<KeyState> states;
};

// `ops` are those of one key; KeyOp::end is an index into them. Times order
// them, a call before a return at the same time.
KeySearchResult SearchKey(RegistryKind kind, std::span<const KeyOp> ops,
                          uint64_t configurations_max);

}  // namespace registry::checker

#endif  // REGISTRY_CHECKER_KEY_SEARCH_H_
