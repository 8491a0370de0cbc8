#include "registry/checker/key_order.h"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <tuple>
#include <unordered_set>
#include <utility>

namespace registry::checker {
namespace {

// The moments of the axis: four for each place of the order of revisions.
int64_t BeforePlace(size_t place) {
  return 4 * static_cast<int64_t>(place) + 1;
}
int64_t AtPlace(size_t place) { return 4 * static_cast<int64_t>(place) + 2; }

// Finds the revisions of unanswered operations.
class Resolver {
 public:
  Resolver(RegistryKind kind, std::vector<KeyOp>* ops) : kind_(kind) {
    for (KeyOp& op : *ops) {
      if (op.index != 0 && !op.Reads()) tried_.insert(op.index);
      const bool makes =
          op.kind == KeyOpKind::kRegister || op.kind == KeyOpKind::kUpdate;
      if (!op.answered && makes) open_.push_back(&op);
    }
  }

  bool idle() const { return open_.empty(); }

  void OnShown(const Holder& shown) {
    // The value of a unique key may have changed since it was registered.
    const bool first_value =
        kind_ == RegistryKind::kDuplicate || shown.modified == shown.revision;
    Resolve(shown.revision, [&](const KeyOp& op) {
      return op.kind == KeyOpKind::kRegister && op.pid == shown.pid &&
             (!first_value || op.value == shown.value);
    });
    if (shown.modified == shown.revision) return;
    Resolve(shown.modified, [&](const KeyOp& op) {
      if (op.kind == KeyOpKind::kRegister) {
        return op.pid == shown.pid && op.value == shown.value;
      }
      return (op.any_owner || op.pid == shown.pid) &&
             (op.add || op.value == shown.value);
    });
  }

 private:
  // Gives `revision` to the operation that made it, if it can only be one.
  template <typename F>
  void Resolve(uint64_t revision, F&& could_make) {
    if (revision == 0 || !tried_.insert(revision).second) return;
    KeyOp* only = nullptr;
    for (KeyOp* op : open_) {
      if (op->index != 0 || !could_make(*op)) continue;
      if (only != nullptr) return;
      only = op;
    }
    if (only != nullptr) only->index = revision;
  }

  const RegistryKind kind_;
  std::vector<KeyOp*> open_;
  std::unordered_set<uint64_t> tried_;  // or known from the start
};

void ResolveAll(RegistryKind kind, std::vector<KeyOp>* ops) {
  Resolver resolver(kind, ops);
  if (resolver.idle()) return;
  for (const KeyOp& op : *ops) {
    if (op.current.has_value()) resolver.OnShown(*op.current);
    for (const Holder& shown : op.holders) resolver.OnShown(shown);
  }
}

// Sorted by .first; .second is the best place up to there.
using Steps = std::vector<std::pair<int64_t, size_t>>;

// For each unplaced operation: after the last place that had returned before
// its call, before the first place that was called after its return.
void PlaceOthers(const std::vector<size_t>& order, std::vector<KeyOp>* ops) {
  Steps returned;  // ascending; the highest place
  Steps called;    // descending; the lowest place
  for (size_t place = 0; place < order.size(); ++place) {
    const KeyOp& op = (*ops)[order[place]];
    if (op.return_ns != kNever) returned.emplace_back(op.return_ns, place);
    called.emplace_back(op.call_ns, place);
  }
  std::sort(returned.begin(), returned.end());
  std::sort(called.begin(), called.end(), std::greater<>());
  for (size_t i = 1; i < returned.size(); ++i) {
    returned[i].second = std::max(returned[i].second, returned[i - 1].second);
  }
  for (size_t i = 1; i < called.size(); ++i) {
    called[i].second = std::min(called[i].second, called[i - 1].second);
  }
  for (KeyOp& op : *ops) {
    if (op.index != 0) continue;
    const auto later = std::lower_bound(
        returned.begin(), returned.end(), op.call_ns,
        [](const auto& step, int64_t time) { return step.first < time; });
    op.call = BeforePlace(
        later == returned.begin() ? 0 : std::prev(later)->second + 1);
    op.end_by = kNever;
    if (op.return_ns == kNever) continue;
    const auto earlier = std::partition_point(
        called.begin(), called.end(),
        [&](const auto& step) { return step.first > op.return_ns; });
    const size_t before =
        earlier == called.begin() ? order.size() : std::prev(earlier)->second;
    op.end_by = std::max(op.call, BeforePlace(before));
  }
}

}  // namespace

std::optional<std::string> OrderByRevision(
    RegistryKind kind, const std::vector<std::string>& texts,
    std::vector<KeyOp>* ops) {
  ResolveAll(kind, ops);
  std::vector<size_t> order;
  for (size_t i = 0; i < ops->size(); ++i) {
    if ((*ops)[i].index != 0) order.push_back(i);
  }
  const auto rank = [&](size_t i) {
    const KeyOp& op = (*ops)[i];
    return std::tuple(op.index, op.Reads(), op.call_ns, i);
  };
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return rank(a) < rank(b); });
  const KeyOp* last_called = nullptr;
  for (size_t place = 0; place < order.size(); ++place) {
    KeyOp& op = (*ops)[order[place]];
    if (last_called != nullptr && op.return_ns < last_called->call_ns) {
      return Describe(op, texts) +
             "\nhad returned before this was called:\n  " +
             Describe(*last_called, texts) +
             "\nbut shows a later revision than that" +
             (last_called->answered ? ""
                                    : ", whose revision other answers show");
    }
    if (last_called == nullptr || op.call_ns > last_called->call_ns) {
      last_called = &op;
    }
    // Known to have happened, if its effect was shown.
    op.call = AtPlace(place);
    op.end_by = AtPlace(place) + 1;
  }
  PlaceOthers(order, ops);
  return std::nullopt;
}

void OrderByTime(std::vector<KeyOp>* ops) {
  for (KeyOp& op : *ops) {
    op.call = op.call_ns;
    op.end_by = op.return_ns;
  }
}

}  // namespace registry::checker
