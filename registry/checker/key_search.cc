#include "registry/checker/key_search.h"

#include <algorithm>
#include <deque>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "raft/check.h"
#include "raft/digest.h"
#include "registry/checker/key_aim.h"

namespace registry::checker {
namespace {

using OpIds = std::vector<uint32_t>;  // sorted

bool Contains(const OpIds& ids, uint32_t id) {
  return std::binary_search(ids.begin(), ids.end(), id);
}
void Insert(OpIds* ids, uint32_t id) {
  ids->insert(std::lower_bound(ids->begin(), ids->end(), id), id);
}
bool Erase(OpIds* ids, uint32_t id) {
  const auto found = std::lower_bound(ids->begin(), ids->end(), id);
  if (found == ids->end() || *found != id) return false;
  ids->erase(found);
  return true;
}

struct Configuration {
  KeyState state;
  OpIds taken;
};

uint64_t HashOf(const KeyState& state) {
  uint64_t hash = 0;
  for (const Holder& holder : state) {
    hash = raft::Mix(hash, holder.pid.session.value(), holder.pid.local,
                     static_cast<uint64_t>(holder.value.number),
                     holder.revision, holder.modified);
  }
  return hash;
}

// Configurations of which none dominates another, as far as found cheaply.
class ConfigurationSet {
 public:
  explicit ConfigurationSet(std::span<const KeyOp> ops) : ops_(ops) {}

  size_t size() const { return items_.size(); }
  const Configuration& operator[](size_t i) const { return items_[i]; }
  std::vector<Configuration> Take() {
    by_state_.clear();
    return std::move(items_);
  }

  // False if the set has one that can do whatever `configuration` can.
  bool Insert(Configuration configuration) {
    if (items_.size() < kScanned) {
      for (const Configuration& item : items_) {
        if (item.state == configuration.state &&
            Dominates(item.taken, configuration.taken)) {
          return false;
        }
      }
    } else {
      if (by_state_.empty()) {
        for (size_t i = 0; i < items_.size(); ++i) {
          by_state_.emplace(HashOf(items_[i].state), i);
        }
      }
      const uint64_t hash = HashOf(configuration.state);
      const auto [begin, end] = by_state_.equal_range(hash);
      for (auto it = begin; it != end; ++it) {
        const Configuration& item = items_[it->second];
        if (item.state == configuration.state &&
            Dominates(item.taken, configuration.taken)) {
          return false;
        }
      }
      by_state_.emplace(hash, items_.size());
    }
    items_.push_back(std::move(configuration));
    return true;
  }

 private:
  static constexpr size_t kScanned = 16;

  // The same operations are still to come, except that `a` may have observers
  // behind it that `b` has before it, and may have used up fewer optional
  // operations. (Another operation that must happen is a duty, but a chance as
  // well: neither to have it behind nor to have it ahead is never worse.)
  bool Dominates(const OpIds& a, const OpIds& b) const {
    auto in_a = a.begin();
    auto in_b = b.begin();
    while (in_a != a.end() || in_b != b.end()) {
      if (in_b == b.end() || (in_a != a.end() && *in_a < *in_b)) {
        if (!ops_[*in_a++].Observes()) return false;
      } else if (in_a == a.end() || *in_b < *in_a) {
        if (ops_[*in_b++].MustHappen()) return false;
      } else {
        ++in_a;
        ++in_b;
      }
    }
    return true;
  }

  std::span<const KeyOp> ops_;
  std::vector<Configuration> items_;
  std::unordered_multimap<uint64_t, size_t> by_state_;
};

// For each unanswered operation the one called before it that does the same,
// or kNoOp.
std::vector<uint32_t> FindTwins(std::span<const KeyOp> ops) {
  const auto key = [&](uint32_t op) {
    const KeyOp& o = ops[op];
    return std::tuple(o.kind, o.any_owner, o.add, o.end, o.pid, o.value,
                      o.amount, o.expected_modified, o.index);
  };
  OpIds open;
  for (uint32_t i = 0; i < ops.size(); ++i) {
    if (!ops[i].MustHappen() && ops[i].kind != KeyOpKind::kEndSession) {
      open.push_back(i);
    }
  }
  std::sort(open.begin(), open.end(), [&](uint32_t a, uint32_t b) {
    return std::tuple(key(a), ops[a].call, a) <
           std::tuple(key(b), ops[b].call, b);
  });
  std::vector<uint32_t> twins(ops.size(), kNoOp);
  for (size_t i = 1; i < open.size(); ++i) {
    if (key(open[i - 1]) == key(open[i])) twins[open[i]] = open[i - 1];
  }
  return twins;
}

struct Event {
  int64_t time = 0;
  bool is_return = false;
  uint32_t op = 0;
  auto operator<=>(const Event&) const = default;
};

class Sweep {
 public:
  Sweep(RegistryKind kind, std::span<const KeyOp> ops,
        std::span<const uint32_t> twins, bool complete,
        uint64_t configurations_max)
      : kind_(kind),
        ops_(ops),
        twins_(twins),
        complete_(complete),
        configurations_max_(configurations_max),
        ended_(ops.size(), false) {}

  KeySearchResult Run(const std::vector<Event>& events);

 private:
  // The quick search keeps no more than this.
  static constexpr size_t kQuickMax = 64;
  static constexpr size_t kQuickFound = 2;

  // Which operations may come before one that is possible already.
  enum class Before : uint8_t { kNone, kObligatory, kRemovers, kAll };

  void OnCall(uint32_t op);
  bool OnReturn(uint32_t op);
  void Extend(Configuration from, uint32_t op, ConfigurationSet* next);
  void ExtendOnce(const Configuration& from, uint32_t op, Before before,
                  bool possible, ConfigurationSet* seen,
                  std::deque<Configuration>* queue);
  bool TryTake(uint32_t op, Configuration* configuration, Outcome* outcome);
  void TakeObservers(Configuration* configuration) const;
  Before MayComeBefore(uint32_t op, const Configuration& at) const;
  bool OthersMustHappen(uint32_t op, const Configuration& at) const;
  bool IsRemoverOf(const KeyOp& remover, const KeyOp& op) const;
  bool HasFreeTwin(uint32_t op, const Configuration& at) const;
  void EndOf(uint32_t end);
  void Retire();

  const RegistryKind kind_;
  const std::span<const KeyOp> ops_;
  const std::span<const uint32_t> twins_;
  const bool complete_;
  const uint64_t configurations_max_;
  std::vector<bool> ended_;  // kEndSession ops that every configuration took
  std::vector<uint32_t> pending_;
  std::vector<Configuration> configurations_;
  KeySearchResult result_;
};

KeySearchResult Sweep::Run(const std::vector<Event>& events) {
  using Verdict = KeySearchResult::Verdict;
  configurations_.emplace_back();
  for (const Event& event : events) {
    if (!event.is_return) {
      OnCall(event.op);
      continue;
    }
    if (!OnReturn(event.op)) {
      result_.verdict = Verdict::kGivenUp;
      return std::move(result_);
    }
    if (configurations_.empty()) {
      result_.verdict = Verdict::kIllegal;
      return std::move(result_);
    }
    result_.peak = std::max<uint64_t>(result_.peak, configurations_.size());
  }
  return std::move(result_);
}

void Sweep::OnCall(uint32_t op) {
  const KeyOp& called = ops_[op];
  // What need not happen and comes after the end of its session is void.
  if (called.end != kNoOp && ended_[called.end] && !called.MustHappen()) return;
  pending_.push_back(op);
  if (!called.Observes()) return;
  for (Configuration& configuration : configurations_) {
    TakeObservers(&configuration);
  }
}

// An operation that cannot change anything is taken as soon as the state fits:
// to have it behind is never worse. Not if something would be learned by it
// (kChanged), for there may be a choice in that.
void Sweep::TakeObservers(Configuration* configuration) const {
  for (const uint32_t op : pending_) {
    const KeyOp& observer = ops_[op];
    if (!observer.Observes() || Contains(configuration->taken, op)) continue;
    if (observer.end != kNoOp &&
        (ended_[observer.end] ||
         Contains(configuration->taken, observer.end))) {
      continue;
    }
    KeyState state = configuration->state;
    if (Apply(kind_, observer, &state) == Outcome::kSame) {
      Insert(&configuration->taken, op);
    }
  }
}

bool Sweep::TryTake(uint32_t op, Configuration* configuration,
                    Outcome* outcome) {
  const KeyOp& taken = ops_[op];
  // Nothing is done for a session after its end.
  if (taken.end != kNoOp && taken.kind != KeyOpKind::kEndSession &&
      (ended_[taken.end] || Contains(configuration->taken, taken.end))) {
    return false;
  }
  *outcome = Apply(kind_, taken, &configuration->state);
  return *outcome != Outcome::kImpossible;
}

bool Sweep::OnReturn(uint32_t op) {
  const auto place = std::find(pending_.begin(), pending_.end(), op);
  CHECK(place != pending_.end());
  ConfigurationSet next(ops_);
  std::vector<KeyState> states;
  for (Configuration& configuration : configurations_) {
    if (Erase(&configuration.taken, op)) {
      next.Insert(std::move(configuration));
      continue;
    }
    if (complete_ && states.size() < 8) states.push_back(configuration.state);
    Extend(std::move(configuration), op, &next);
    if (result_.configurations > configurations_max_) return false;
    if (!complete_ && next.size() >= kQuickMax) break;
  }
  configurations_ = next.Take();
  if (configurations_.empty()) {
    result_.failed = op;
    result_.under_way = pending_;
    result_.states = std::move(states);
    return true;
  }
  pending_.erase(place);
  if (ops_[op].kind == KeyOpKind::kEndSession) EndOf(op);
  Retire();
  return true;
}

// Every order in which operations under way make `op` possible.
void Sweep::Extend(Configuration from, uint32_t op, ConfigurationSet* next) {
  // The usual case by itself, as it need not copy anything: nothing else is
  // under way.
  Outcome outcome;
  if (pending_.size() == 1) {
    ++result_.configurations;
    if (TryTake(op, &from, &outcome)) next->Insert(std::move(from));
    return;
  }
  ConfigurationSet seen(ops_);
  std::deque<Configuration> queue;
  seen.Insert(from);
  queue.push_back(std::move(from));
  size_t found = 0;
  while (!queue.empty()) {
    if (result_.configurations > configurations_max_) return;
    if (!complete_ && found >= kQuickFound) return;
    Configuration at = std::move(queue.front());
    queue.pop_front();
    Configuration after = at;
    // An observer may have been taken on the way.
    bool possible = Erase(&after.taken, op);
    if (!possible && TryTake(op, &after, &outcome)) {
      possible = true;
      if (outcome == Outcome::kChanged) TakeObservers(&after);
    }
    Before before = Before::kAll;
    if (possible) {
      ++found;
      ++result_.configurations;
      next->Insert(std::move(after));
      before = MayComeBefore(op, at);
    }
    if (before != Before::kNone) {
      ExtendOnce(at, op, before, possible, &seen, &queue);
    }
  }
}

void Sweep::ExtendOnce(const Configuration& from, uint32_t op, Before before,
                       bool possible, ConfigurationSet* seen,
                       std::deque<Configuration>* queue) {
  // Where nothing else must happen first, only what leads to `op` is of use.
  const bool aimed = !possible && (!complete_ || !OthersMustHappen(op, from));
  for (const uint32_t other : pending_) {
    const KeyOp& candidate = ops_[other];
    if (other == op || candidate.Observes() || Contains(from.taken, other)) {
      continue;
    }
    const bool optional = !candidate.MustHappen();
    if (before == Before::kObligatory && optional) continue;
    if (before == Before::kRemovers && !IsRemoverOf(candidate, ops_[op])) {
      continue;
    }
    if (optional && HasFreeTwin(other, from)) continue;
    if (aimed && optional && !Helps(kind_, candidate, ops_[op], from.state)) {
      continue;
    }
    Configuration next = from;
    Outcome outcome;
    if (!TryTake(other, &next, &outcome)) continue;
    if (optional && outcome == Outcome::kSame) continue;
    Insert(&next.taken, other);
    TakeObservers(&next);
    ++result_.configurations;
    if (seen->Insert(next)) queue->push_back(std::move(next));
  }
}

bool Sweep::OthersMustHappen(uint32_t op, const Configuration& at) const {
  return std::any_of(pending_.begin(), pending_.end(), [&](uint32_t other) {
    return other != op && ops_[other].MustHappen() &&
           !Contains(at.taken, other);
  });
}

// Which operations must be tried before `op` although it is possible in `at`.
// What commutes with it, or would leave the same state having used up more,
// need not be.
Sweep::Before Sweep::MayComeBefore(uint32_t op, const Configuration& at) const {
  const KeyOp& returned = ops_[op];
  // Nothing sees whether an observer came earlier.
  if (returned.Observes()) return Before::kNone;
  // Only its revision is known, from what others were shown. They were shown
  // more than that it happened: with 997 before, `set 818` and `add 24` without
  // an answer make 842, and so the set must be tried before the add.
  if (!returned.answered) return Before::kAll;
  // An effect that others saw, while its own answer is not known, tells little
  // about the state before or after it.
  const bool unanswered =
      !returned.answered && returned.kind != KeyOpKind::kEndSession;
  if (unanswered || OthersMustHappen(op, at)) {
    return complete_ ? Before::kAll : Before::kObligatory;
  }
  if (returned.kind == KeyOpKind::kEndSession) {
    // Its own unanswered operations have their last chance now.
    const bool last_chance =
        std::any_of(pending_.begin(), pending_.end(), [&](uint32_t other) {
          return ops_[other].end == op && !Contains(at.taken, other);
        });
    return last_chance ? Before::kAll : Before::kNone;
  }
  // The answer to a write shows the whole state of a unique key after it, and
  // that of a removal all it removes. But a registration of a duplicate key
  // does not show whether earlier ones of its process were still there.
  if (kind_ == RegistryKind::kDuplicate &&
      returned.kind == KeyOpKind::kRegister) {
    return Before::kRemovers;
  }
  return Before::kNone;
}

// Of unanswered operations that do the same, the first one called goes first:
// which of them it was makes no difference.
bool Sweep::HasFreeTwin(uint32_t op, const Configuration& at) const {
  const uint32_t twin = twins_[op];
  return twin != kNoOp && !Contains(at.taken, twin) &&
         std::find(pending_.begin(), pending_.end(), twin) != pending_.end();
}

bool Sweep::IsRemoverOf(const KeyOp& remover, const KeyOp& op) const {
  if (remover.kind == KeyOpKind::kUnregister) {
    return remover.any_owner || remover.pid == op.pid;
  }
  return remover.kind == KeyOpKind::kEndProcess && remover.pid == op.pid;
}

// The session has ended in every configuration: what it left open and is not
// taken can never be. (If it must be, TryTake will find that it cannot.)
void Sweep::EndOf(uint32_t end) {
  ended_[end] = true;
  const auto is_void = [&](uint32_t op) {
    return ops_[op].end == end && !ops_[op].MustHappen();
  };
  for (Configuration& configuration : configurations_) {
    std::erase_if(configuration.taken, is_void);
  }
  std::erase_if(pending_, is_void);
}

// What every configuration has taken, and never returns, is over: it need not
// be carried along.
void Sweep::Retire() {
  if (configurations_.size() > kQuickMax) return;
  OpIds common = configurations_.front().taken;
  for (const Configuration& configuration : configurations_) {
    if (common.empty()) return;
    std::erase_if(common, [&](uint32_t op) {
      return !Contains(configuration.taken, op);
    });
  }
  for (const uint32_t op : common) {
    if (ops_[op].MustHappen()) continue;
    for (Configuration& configuration : configurations_) {
      Erase(&configuration.taken, op);
    }
    std::erase(pending_, op);
    if (ops_[op].kind == KeyOpKind::kEndSession) EndOf(op);
  }
}

}  // namespace

KeySearchResult SearchKey(RegistryKind kind, std::span<const KeyOp> ops,
                          uint64_t configurations_max) {
  std::vector<Event> events;
  events.reserve(2 * ops.size());
  for (uint32_t i = 0; i < ops.size(); ++i) {
    events.push_back({ops[i].call, false, i});
    if (ops[i].MustHappen()) events.push_back({ops[i].end_by, true, i});
  }
  std::sort(events.begin(), events.end());
  const std::vector<uint32_t> twins = FindTwins(ops);
  KeySearchResult quick =
      Sweep(kind, ops, twins, /*complete=*/false, configurations_max)
          .Run(events);
  if (quick.verdict == KeySearchResult::Verdict::kOk) return quick;
  KeySearchResult result =
      Sweep(kind, ops, twins, /*complete=*/true, configurations_max)
          .Run(events);
  result.configurations += quick.configurations;
  return result;
}

}  // namespace registry::checker
