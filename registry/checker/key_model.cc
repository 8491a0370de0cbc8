#include "registry/checker/key_model.h"

#include <algorithm>
#include <utility>

#include "raft/digest.h"

namespace registry::checker {
namespace {

constexpr size_t kRepeats = 1000;  // API.md: registrations of a pid under a key

Outcome SameIf(bool possible) {
  return possible ? Outcome::kSame : Outcome::kImpossible;
}

// A number that is not known yet fits any, and becomes the one shown.
bool FitNumber(uint64_t shown, uint64_t* known, bool* learned) {
  if (shown == 0 || *known == shown) return true;
  if (*known != 0) return false;
  *known = shown;
  *learned = true;
  return true;
}

bool Fits(const Holder& shown, Holder* known, bool* learned) {
  if (shown.pid != known->pid || shown.value != known->value) return false;
  Holder trial = *known;
  bool trial_learned = false;
  if (!FitNumber(shown.revision, &trial.revision, &trial_learned) ||
      !FitNumber(shown.modified, &trial.modified, &trial_learned)) {
    return false;
  }
  *known = trial;
  *learned = *learned || trial_learned;
  return true;
}

// The one registration of a unique key is as the answer shows it.
Outcome FitCurrent(const KeyOp& op, KeyState* state) {
  if (!op.answered) return Outcome::kSame;
  if (!op.current.has_value() || state->size() != 1) {
    return Outcome::kImpossible;
  }
  bool learned = false;
  if (!Fits(*op.current, &state->front(), &learned)) {
    return Outcome::kImpossible;
  }
  return learned ? Outcome::kChanged : Outcome::kSame;
}

Outcome ChangedIf(bool changed, Outcome fit) {
  return changed && fit != Outcome::kImpossible ? Outcome::kChanged : fit;
}

size_t CountOf(const KeyState& state, const Pid& pid) {
  return static_cast<size_t>(
      std::count_if(state.begin(), state.end(),
                    [&](const Holder& h) { return h.pid == pid; }));
}

bool HeldByAnother(const KeyOp& op, const KeyState& state) {
  return !state.empty() && state.front().pid != op.pid;
}

Outcome RegisterUnique(const KeyOp& op, KeyState* state) {
  if (op.error == Error::kAlreadyRegistered) {
    return HeldByAnother(op, *state) ? FitCurrent(op, state)
                                     : Outcome::kImpossible;
  }
  if (op.error != Error::kOk || HeldByAnother(op, *state)) {
    return Outcome::kImpossible;
  }
  bool changed = false;
  if (state->empty()) {
    state->push_back({op.pid, op.value, op.index, op.index});
    changed = true;
  } else if (state->front().value != op.value) {
    state->front().value = op.value;
    state->front().modified = op.index;
    changed = true;
  }
  return ChangedIf(changed, FitCurrent(op, state));
}

Outcome RegisterDuplicate(const KeyOp& op, KeyState* state) {
  const bool full = CountOf(*state, op.pid) >= kRepeats;
  if (op.error == Error::kNoSpace) return SameIf(full);
  if (op.error != Error::kOk || full) return Outcome::kImpossible;
  Holder added{op.pid, op.value, op.index, op.index};
  bool learned = false;
  if (op.answered &&
      (!op.current.has_value() || !Fits(*op.current, &added, &learned))) {
    return Outcome::kImpossible;
  }
  state->insert(std::upper_bound(state->begin(), state->end(), added), added);
  return Outcome::kChanged;
}

Outcome ApplyUnregister(RegistryKind kind, const KeyOp& op, KeyState* state) {
  const bool unique = kind == RegistryKind::kUnique;
  const size_t mine = op.any_owner ? state->size() : CountOf(*state, op.pid);
  if (op.error == Error::kNotFound) {
    return SameIf(unique ? state->empty() : mine == 0);
  }
  if (op.error == Error::kNotOwner) {
    return unique && HeldByAnother(op, *state) ? FitCurrent(op, state)
                                               : Outcome::kImpossible;
  }
  if (op.error != Error::kOk || mine == 0) return Outcome::kImpossible;
  if (op.answered && op.number != mine) return Outcome::kImpossible;
  std::erase_if(
      *state, [&](const Holder& h) { return op.any_owner || h.pid == op.pid; });
  return Outcome::kChanged;
}

// Computes the value after the update; false if there is none.
bool NextValue(const KeyOp& op, const KeyValue& before, KeyValue* next) {
  if (!op.add) {
    *next = op.value;
    return true;
  }
  next->is_text = false;
  return !before.is_text &&
         !__builtin_add_overflow(before.number, op.amount, &next->number);
}

Outcome ApplyUpdate(RegistryKind kind, const KeyOp& op, KeyState* state) {
  if (op.error == Error::kNotFound) return SameIf(state->empty());
  if (kind != RegistryKind::kUnique || state->empty()) {
    return Outcome::kImpossible;
  }
  const bool allowed = op.any_owner || !HeldByAnother(op, *state);
  if (op.error == Error::kNotOwner) {
    return allowed ? Outcome::kImpossible : FitCurrent(op, state);
  }
  if (!allowed) return Outcome::kImpossible;

  Holder& holder = state->front();
  const bool known = holder.modified != 0 && op.expected_modified.has_value();
  const bool as_expected = known && *op.expected_modified == holder.modified;
  if (op.error == Error::kConflict) {
    if (!op.expected_modified.has_value() || as_expected) {
      return Outcome::kImpossible;
    }
    return FitCurrent(op, state);
  }
  if (known && !as_expected) return Outcome::kImpossible;

  KeyValue next;
  const bool computed = NextValue(op, holder.value, &next);
  if (op.error == Error::kInvalid || op.error == Error::kOutOfRange) {
    const bool text = op.error == Error::kInvalid;
    if (computed || holder.value.is_text != text) return Outcome::kImpossible;
    return FitCurrent(op, state);
  }
  if (op.error != Error::kOk || !computed) return Outcome::kImpossible;
  if (op.answered && op.previous != holder.value) return Outcome::kImpossible;
  const Holder before = holder;
  holder.value = next;
  holder.modified = op.index;
  return ChangedIf(holder != before, FitCurrent(op, state));
}

Outcome ApplyLookup(const KeyOp& op, KeyState* state) {
  if (op.error == Error::kNotFound) return SameIf(state->empty());
  if (op.error != Error::kOk || op.holders.size() != state->size()) {
    return Outcome::kImpossible;
  }
  bool learned = false;
  if (state->size() == 1) {  // nearly always
    if (!Fits(op.holders.front(), &state->front(), &learned)) {
      return Outcome::kImpossible;
    }
    return learned ? Outcome::kChanged : Outcome::kSame;
  }
  std::vector<Holder> shown = op.holders;
  const auto take = [&](Holder* holder) {
    const auto fit =
        std::find_if(shown.begin(), shown.end(), [&](const Holder& candidate) {
          return Fits(candidate, holder, &learned);
        });
    if (fit == shown.end()) return false;
    shown.erase(fit);
    return true;
  };
  // Those whose revision is known can only be themselves, so they go first.
  std::vector<Holder*> unknown;
  for (Holder& holder : *state) {
    if (holder.revision == 0) {
      unknown.push_back(&holder);
    } else if (!take(&holder)) {
      return Outcome::kImpossible;
    }
  }
  for (Holder* holder : unknown) {
    if (!take(holder)) return Outcome::kImpossible;
  }
  if (!learned) return Outcome::kSame;
  std::sort(state->begin(), state->end());
  return Outcome::kChanged;
}

template <typename Predicate>
Outcome Remove(KeyState* state, Predicate&& gone) {
  return std::erase_if(*state, gone) > 0 ? Outcome::kChanged : Outcome::kSame;
}

// ------------------------------------------------------------- explanations

std::string Describe(const KeyValue& value,
                     const std::vector<std::string>& texts) {
  if (!value.is_text) return std::to_string(value.number);
  return raft::Describe(texts[static_cast<size_t>(value.number)]);
}

std::string Describe(const Pid& pid) {
  return std::to_string(pid.session.value()) + "/" + std::to_string(pid.local);
}

std::string Describe(const Holder& holder,
                     const std::vector<std::string>& texts) {
  std::string text =
      Describe(holder.pid) + " with " + Describe(holder.value, texts);
  if (holder.revision != 0) {
    text += " since " + std::to_string(holder.revision);
  }
  if (holder.modified != 0 && holder.modified != holder.revision) {
    text += " modified at " + std::to_string(holder.modified);
  }
  return text;
}

std::string Arguments(const KeyOp& op, const std::vector<std::string>& texts) {
  switch (op.kind) {
    case KeyOpKind::kLookup:
      return "lookup";
    case KeyOpKind::kCount:
      return "count";
    case KeyOpKind::kEndSession:
      return "end of session " + std::to_string(op.pid.session.value());
    case KeyOpKind::kEndProcess:
      return "end of process " + Describe(op.pid);
    case KeyOpKind::kRegister:
      return "register " + Describe(op.value, texts) + " for " +
             Describe(op.pid);
    case KeyOpKind::kUnregister:
      return "unregister by " + Describe(op.pid) +
             (op.any_owner ? " of any owner" : "");
    case KeyOpKind::kUpdate:
      break;
  }
  std::string text = op.add ? "update by adding " + std::to_string(op.amount)
                            : "update to " + Describe(op.value, texts);
  text += " by " + Describe(op.pid);
  if (op.any_owner) text += " of any owner";
  if (op.expected_modified.has_value()) {
    text += " if modified at " + std::to_string(*op.expected_modified);
  }
  return text;
}

std::string Answer(const KeyOp& op, const std::vector<std::string>& texts) {
  if (!op.answered) {
    return op.index == 0 ? "no answer"
                         : "no answer, but others show its effect, revision " +
                               std::to_string(op.index);
  }
  std::string text(ToString(op.error));
  if (op.kind == KeyOpKind::kLookup && op.error == Error::kOk) {
    text += ": " + checker::Describe(op.holders, texts);
  } else if (op.kind == KeyOpKind::kCount ||
             (op.kind == KeyOpKind::kUnregister && op.error == Error::kOk)) {
    text += " " + std::to_string(op.number);
  }
  if (op.previous.has_value()) {
    text += ", was " + Describe(*op.previous, texts);
  }
  if (op.current.has_value()) text += ", " + Describe(*op.current, texts);
  if (op.index != 0) text += ", revision " + std::to_string(op.index);
  return text;
}

}  // namespace

Outcome Apply(RegistryKind kind, const KeyOp& op, KeyState* state) {
  switch (op.kind) {
    case KeyOpKind::kRegister:
      return kind == RegistryKind::kUnique ? RegisterUnique(op, state)
                                           : RegisterDuplicate(op, state);
    case KeyOpKind::kUnregister:
      return ApplyUnregister(kind, op, state);
    case KeyOpKind::kUpdate:
      return ApplyUpdate(kind, op, state);
    case KeyOpKind::kLookup:
      return ApplyLookup(op, state);
    case KeyOpKind::kCount:
      return SameIf(state->size() == op.number);
    case KeyOpKind::kEndProcess:
      return Remove(state, [&](const Holder& h) { return h.pid == op.pid; });
    case KeyOpKind::kEndSession:
      break;
  }
  return Remove(
      state, [&](const Holder& h) { return h.pid.session == op.pid.session; });
}

std::string Describe(const KeyOp& op, const std::vector<std::string>& texts) {
  std::string text;
  if (op.line != 0) {
    text = "line " + std::to_string(op.line) + ", client " +
           std::to_string(op.client) + ", ";
  }
  text += Arguments(op, texts);
  if (op.line == 0) return text;
  text += " -> " + Answer(op, texts) + " [" + std::to_string(op.call_ns) + ", ";
  return text + (op.answered ? std::to_string(op.return_ns) : "open") + "]";
}

std::string Describe(const KeyState& state,
                     const std::vector<std::string>& texts) {
  if (state.empty()) return "free";
  std::string text;
  for (const Holder& holder : state) {
    if (!text.empty()) text += "; ";
    text += Describe(holder, texts);
  }
  return text;
}

}  // namespace registry::checker
