// One key by itself: its state, the operations on it, and what each may do.
// Internal to the linearizability search; written from API.md.
//
// Revisions may be unknown (0): of registrations that an operation without an
// answer made, and all of them when the search looks at no revisions. An
// unknown one fits any, and takes the one that an answer shows.
#ifndef REGISTRY_CHECKER_KEY_MODEL_H_
#define REGISTRY_CHECKER_KEY_MODEL_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "registry/command.h"

namespace registry::checker {

// A value, small: an integer, or the number of a text.
struct KeyValue {
  bool is_text = false;
  int64_t number = 0;

  auto operator<=>(const KeyValue&) const = default;
};

struct Holder {
  Pid pid;
  KeyValue value;
  uint64_t revision = 0;
  uint64_t modified = 0;

  auto operator<=>(const Holder&) const = default;
};

// The registrations under the key, sorted: a set, whatever their order was.
using KeyState = std::vector<Holder>;

enum class KeyOpKind : uint8_t {
  kRegister,
  kUnregister,
  kUpdate,
  kLookup,
  kCount,
  kEndProcess,  // as far as this key is concerned
  kEndSession,
};

inline constexpr int64_t kNever = INT64_MAX;
inline constexpr uint32_t kNoOp = UINT32_MAX;

struct KeyOp {
  KeyOpKind kind = KeyOpKind::kLookup;
  Error error = Error::kOk;
  bool answered = false;
  bool any_owner = false;
  bool add = false;      // kUpdate: an AddValue
  uint32_t end = kNoOp;  // the operation on this key that ends its session
  uint64_t client = 0;
  size_t line = 0;  // 0: not in the history (a session's expiry)
  // When it was asked and answered (kNever: it was not): for people.
  int64_t call_ns = 0;
  int64_t return_ns = kNever;
  // Between which moments it took effect, on the axis of the search (see
  // key_order.h). An end of kNever: it may also never have done so.
  int64_t call = 0;
  int64_t end_by = kNever;
  uint64_t index = 0;  // the revision of the answer; 0: unknown
  Pid pid;             // the acting one; kEndSession: its session
  KeyValue value;      // kRegister, kUpdate
  int64_t amount = 0;  // kUpdate with `add`
  std::optional<uint64_t> expected_modified;
  std::optional<Holder> current;
  std::optional<KeyValue> previous;
  uint64_t number = 0;          // removed, or count
  std::vector<Holder> holders;  // kLookup

  bool Reads() const {
    return kind == KeyOpKind::kLookup || kind == KeyOpKind::kCount;
  }
  // It can leave no trace, whatever the state: an answered read, or a command
  // that was refused.
  bool Observes() const { return answered && (Reads() || error != Error::kOk); }
  bool MustHappen() const { return end_by != kNever; }
};

enum class Outcome : uint8_t {
  kImpossible,  // it cannot have been answered so in this state
  kSame,        // it can, and changes nothing
  kChanged,     // it can, and the state (or what is known of it) changes
};

// What `op` does to a key in `*state`. An operation without an answer that
// would be refused is kImpossible: then it leaves no trace, which is the same
// as not being there. `*state` is valid after kSame and kChanged only.
Outcome Apply(RegistryKind kind, const KeyOp& op, KeyState* state);

// For explanations. `texts` are the texts that KeyValue counts.
std::string Describe(const KeyOp& op, const std::vector<std::string>& texts);
std::string Describe(const KeyState& state,
                     const std::vector<std::string>& texts);

}  // namespace registry::checker

#endif  // REGISTRY_CHECKER_KEY_MODEL_H_
