#include "registry/checker/linearizability.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "raft/check.h"
#include "registry/checker/collector.h"
#include "registry/checker/key_order.h"
#include "registry/checker/key_search.h"

namespace registry::checker {

class LinearizabilityChecker::Impl {
 public:
  explicit Impl(LinearizabilityOptions options)
      : options_(options), collector_(options.use_revisions) {}

  absl::Status Add(size_t line, const HistoryEntry& entry) {
    CHECK(!checked_);
    return collector_.Add(line, entry);
  }
  LinearizabilityResult Check();

 private:
  std::optional<std::string> CheckFacts();
  void CheckKey(KeyHistory* key, LinearizabilityResult* result);
  KeySearchResult Search(RegistryKind kind, std::vector<KeyOp>* ops,
                         std::string* explanation);
  void AddEnds(KeyHistory* key);
  std::string Explain(const KeySearchResult& search,
                      const std::vector<KeyOp>& ops) const;

  const LinearizabilityOptions options_;
  Collector collector_;
  bool checked_ = false;
};

std::optional<std::string> LinearizabilityChecker::Impl::CheckFacts() {
  if (auto wrong = collector_.sessions().Contradiction()) return wrong;
  if (auto wrong = collector_.registries().Contradiction()) return wrong;
  return options_.use_revisions ? collector_.revisions().Contradiction()
                                : std::nullopt;
}

// Adds what happened to the key because processes and sessions ended.
void LinearizabilityChecker::Impl::AddEnds(KeyHistory* key) {
  std::set<Pid> registered;
  std::map<SessionId, uint32_t> ends;  // with the place of the end to come
  for (const KeyOp& op : key->ops) {
    if (op.Reads()) continue;
    ends.emplace(op.pid.session, kNoOp);
    if (op.kind == KeyOpKind::kRegister) registered.insert(op.pid);
  }
  for (const Pid& pid : registered) {
    const auto found = collector_.process_ends().find(pid);
    if (found == collector_.process_ends().end()) continue;
    key->ops.insert(key->ops.end(), found->second.begin(), found->second.end());
  }
  for (auto& [session, place] : ends) {
    const SessionEnd end = collector_.sessions().EndOf(session);
    if (!end.possible) continue;
    place = static_cast<uint32_t>(key->ops.size());
    KeyOp& op = key->ops.emplace_back();
    op.kind = KeyOpKind::kEndSession;
    op.pid.session = session;
    op.line = end.line;
    op.call_ns = end.call_ns;
    op.return_ns = end.return_ns;
    if (options_.use_revisions) op.index = end.index;
    op.answered = end.line != 0;
  }
  for (KeyOp& op : key->ops) {
    if (op.Reads() || op.kind == KeyOpKind::kEndSession) continue;
    op.end = ends.at(op.pid.session);
  }
}

KeySearchResult LinearizabilityChecker::Impl::Search(RegistryKind kind,
                                                     std::vector<KeyOp>* ops,
                                                     std::string* explanation) {
  if (options_.use_revisions) {
    if (auto wrong = OrderByRevision(kind, collector_.texts(), ops)) {
      *explanation = *std::move(wrong);
      return {.verdict = KeySearchResult::Verdict::kIllegal};
    }
  } else {
    OrderByTime(ops);
  }
  KeySearchResult search = SearchKey(kind, *ops, options_.configurations_max);
  if (search.verdict == KeySearchResult::Verdict::kIllegal) {
    *explanation = Explain(search, *ops);
  }
  return search;
}

void LinearizabilityChecker::Impl::CheckKey(KeyHistory* key,
                                            LinearizabilityResult* result) {
  using Verdict = KeySearchResult::Verdict;
  for (const KeyOp& op : key->ops) {
    ++result->operations;
    if (!op.answered) ++result->open;
  }
  AddEnds(key);
  const std::optional<RegistryKind> kind =
      collector_.registries().KindOf(key->registry);
  // Legal as either is legal, if nothing tells which it is.
  std::vector<KeyOp> again;
  if (!kind.has_value()) again = key->ops;
  std::string explanation;
  KeySearchResult search =
      Search(kind.value_or(RegistryKind::kUnique), &key->ops, &explanation);
  result->configurations += search.configurations;
  if (!kind.has_value() && search.verdict != Verdict::kOk) {
    std::string other_explanation;
    KeySearchResult other =
        Search(RegistryKind::kDuplicate, &again, &other_explanation);
    result->configurations += other.configurations;
    if (other.verdict != Verdict::kIllegal ||
        search.verdict == Verdict::kIllegal) {
      search = std::move(other);
      explanation = std::move(other_explanation);
    }
  }
  result->configurations_peak =
      std::max(result->configurations_peak, search.peak);
  if (search.verdict == Verdict::kOk) return;
  const std::string name =
      "registry '" + key->registry + "', key '" + key->key + "': ";
  if (search.verdict == Verdict::kIllegal) {
    result->verdict = Linearizable::kIllegal;
    result->explanation = name + explanation;
  } else if (result->verdict == Linearizable::kOk) {
    result->verdict = Linearizable::kUnknown;
    result->explanation = name + "given up after " +
                          std::to_string(search.configurations) +
                          " configurations";
  }
}

LinearizabilityResult LinearizabilityChecker::Impl::Check() {
  CHECK(!checked_);
  checked_ = true;
  LinearizabilityResult result;
  result.left_out = collector_.left_out();
  result.keys = collector_.keys().size();
  if (auto wrong = CheckFacts()) {
    result.verdict = Linearizable::kIllegal;
    result.explanation = *std::move(wrong);
    return result;
  }
  for (KeyHistory& key : collector_.keys()) {
    CheckKey(&key, &result);
    if (result.verdict == Linearizable::kIllegal) break;
    key.ops = {};
  }
  return result;
}

std::string LinearizabilityChecker::Impl::Explain(
    const KeySearchResult& search, const std::vector<KeyOp>& ops) const {
  const KeyOp& failed = ops[search.failed];
  std::string text =
      "no order explains\n  " + Describe(failed, collector_.texts());
  constexpr size_t kShown = 12;
  std::vector<uint32_t> others = search.under_way;
  std::erase(others, search.failed);
  // Those that came last are the likeliest to matter.
  std::sort(others.begin(), others.end(), [&](uint32_t a, uint32_t b) {
    return ops[a].call_ns != ops[b].call_ns ? ops[a].call_ns > ops[b].call_ns
                                            : a < b;
  });
  if (!others.empty()) text += "\nwith under way";
  for (size_t i = 0; i < others.size() && i < kShown; ++i) {
    text += "\n  " + Describe(ops[others[i]], collector_.texts());
  }
  if (others.size() > kShown) {
    text += "\n  and " + std::to_string(others.size() - kShown) + " more";
  }
  text += "\nwhen the key could only have been";
  std::set<std::string> states;
  for (const KeyState& state : search.states) {
    states.insert(Describe(state, collector_.texts()));
  }
  for (const std::string& state : states) text += "\n  " + state;
  return text;
}

std::string_view ToString(Linearizable verdict) {
  switch (verdict) {
    case Linearizable::kOk:
      return "ok";
    case Linearizable::kIllegal:
      return "illegal";
    case Linearizable::kUnknown:
      break;
  }
  return "unknown";
}

LinearizabilityChecker::LinearizabilityChecker(LinearizabilityOptions options)
    : impl_(std::make_unique<Impl>(options)) {}
LinearizabilityChecker::~LinearizabilityChecker() = default;
LinearizabilityChecker::LinearizabilityChecker(
    LinearizabilityChecker&&) noexcept = default;
LinearizabilityChecker& LinearizabilityChecker::operator=(
    LinearizabilityChecker&&) noexcept = default;

absl::Status LinearizabilityChecker::Add(size_t line,
                                         const HistoryEntry& entry) {
  return impl_->Add(line, entry);
}

LinearizabilityResult LinearizabilityChecker::Check() { return impl_->Check(); }

LinearizabilityResult CheckLinearizable(std::span<const HistoryEntry> history,
                                        LinearizabilityOptions options) {
  LinearizabilityChecker checker(options);
  for (size_t i = 0; i < history.size(); ++i) {
    const absl::Status status = checker.Add(i + 1, history[i]);
    if (!status.ok()) {
      return {.verdict = Linearizable::kUnknown,
              .explanation = "line " + std::to_string(i + 1) + ": " +
                             std::string(status.message())};
    }
  }
  return checker.Check();
}

}  // namespace registry::checker
