#include "registry/checker/key_aim.h"

#include <algorithm>
#include <cstddef>
#include <optional>

namespace registry::checker {
namespace {

// What a unique key must be like before `aim`: free, or held by this process.
struct Aim {
  bool free = false;
  std::optional<Pid> holder;
};

Aim AimOf(const KeyOp& aim) {
  if (aim.error == Error::kNotFound) return {.free = true, .holder = {}};
  if (aim.kind == KeyOpKind::kCount)
    return {.free = aim.number == 0, .holder = {}};
  if (aim.kind == KeyOpKind::kLookup) {
    if (aim.holders.empty()) return {};
    return {.free = false, .holder = aim.holders.front().pid};
  }
  if (aim.current.has_value()) {
    return {.free = false, .holder = aim.current->pid};
  }
  if (aim.kind == KeyOpKind::kUnregister && !aim.any_owner) {
    return {.free = false, .holder = aim.pid};
  }
  return {};
}

bool HelpsUnique(const KeyOp& candidate, const KeyOp& aim,
                 const KeyState& state) {
  const Aim wanted = AimOf(aim);
  const bool adds = candidate.kind == KeyOpKind::kRegister;
  const bool changes = candidate.kind == KeyOpKind::kUpdate;
  if (wanted.free) return !adds && !changes;
  if (!wanted.holder.has_value()) return true;
  if (adds) return candidate.pid == *wanted.holder;
  if (changes) return !state.empty() && state.front().pid == *wanted.holder;
  return true;
}

// Of registrations that look the same: how many more there are than shown.
ptrdiff_t Excess(const Pid& pid, const KeyValue& value, const KeyState& state,
                 const KeyOp& lookup) {
  const auto same = [&](const Holder& h) {
    return h.pid == pid && h.value == value;
  };
  return std::count_if(state.begin(), state.end(), same) -
         std::count_if(lookup.holders.begin(), lookup.holders.end(), same);
}

bool IsShown(const Holder& holder, const KeyOp& lookup) {
  return std::any_of(lookup.holders.begin(), lookup.holders.end(),
                     [&](const Holder& h) {
                       return h.pid == holder.pid && h.value == holder.value &&
                              (h.revision == 0 || holder.revision == 0 ||
                               h.revision == holder.revision);
                     });
}

bool HelpsDuplicate(const KeyOp& candidate, const KeyOp& aim,
                    const KeyState& state) {
  if (aim.kind != KeyOpKind::kLookup) return true;
  if (candidate.kind == KeyOpKind::kRegister) {
    // The registration to be replaced may look the same, but for its revision.
    const bool replaces =
        std::any_of(state.begin(), state.end(), [&](const Holder& holder) {
          return holder.pid == candidate.pid && !IsShown(holder, aim);
        });
    return replaces || Excess(candidate.pid, candidate.value, state, aim) < 0;
  }
  KeyState left = state;
  if (Apply(RegistryKind::kDuplicate, candidate, &left) != Outcome::kChanged) {
    return false;
  }
  // Something that it removes is too much. (Others that it removes as well may
  // have to be registered again.)
  return std::any_of(state.begin(), state.end(), [&](const Holder& holder) {
    return !std::binary_search(left.begin(), left.end(), holder) &&
           (!IsShown(holder, aim) ||
            Excess(holder.pid, holder.value, state, aim) > 0);
  });
}

}  // namespace

bool Helps(RegistryKind kind, const KeyOp& candidate, const KeyOp& aim,
           const KeyState& state) {
  return kind == RegistryKind::kUnique ? HelpsUnique(candidate, aim, state)
                                       : HelpsDuplicate(candidate, aim, state);
}

}  // namespace registry::checker
