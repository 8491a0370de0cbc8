#include "sim/fault_budget.h"

#include <utility>

#include "raft/check.h"

namespace sim {
namespace {

using raft::Index;

bool Holds(const Copies::Copy& copy, uint64_t index, const Mark& mark) {
  return copy.log->size() >= index && (*copy.log)[index - 1] == mark;
}

// Every committed entry: chains cover what is before the last.
bool HoldsCommitted(const Copies::Copy& copy, const CommittedLog& committed) {
  const Index last = committed.last();
  return last == Index(0) || Holds(copy, last.value(), committed.at(last));
}

// Whether a node that came up short of `promised` has every entry again, or
// something else is committed in its place.
bool HoldsAgain(const Copies::Copy& copy, const DiskState& promised,
                const CommittedLog& committed) {
  const uint64_t size = promised.log.size();
  if (size == 0 || Holds(copy, size, promised.log.back())) return true;
  return committed.last() >= Index(size) &&
         Holds(copy, size, committed.at(Index(size)));
}

}  // namespace

template <typename Holds>
uint32_t FaultBudget::Count(uint32_t except, const Copies& copies,
                            Holds holds) const {
  uint32_t count = 0;
  for (uint32_t i = 0; i < nodes_.size(); ++i) {
    count += i != except && IntactNow(nodes_[i]) && holds(copies.nodes[i]);
  }
  return count;
}

bool FaultBudget::Allows(uint32_t node, const DiskDamage& damage,
                         const Copies& copies) {
  CHECK_EQ(copies.nodes.size(), nodes_.size());
  NoticeRepairs(copies);
  if (!IntactNow(nodes_.at(node))) return false;
  if (damage.harmless()) return true;
  for (const Node& other : nodes_) {
    const bool may_be_short =
        other.damage.has_value() && other.damage->silent();
    if (other.lost) continue;
    if (may_be_short || other.missing.has_value()) return false;
  }
  if (damage.silent()) {
    return MinorityAllows(node, copies) && MayForget(node, damage, copies);
  }
  return options_.beyond_minority || MinorityAllows(node, copies);
}

bool FaultBudget::MinorityAllows(uint32_t node, const Copies& copies) const {
  const auto any = [](const Copies::Copy&) { return true; };
  const uint32_t intact = Count(node, copies, any);
  if (options_.voters - intact > minority()) return false;
  return Count(node, copies, [&copies](const Copies::Copy& copy) {
           return HoldsCommitted(copy, *copies.committed);
         }) > 0;
}

bool FaultBudget::MayForget(uint32_t node, const DiskDamage& damage,
                            const Copies& copies) const {
  const DiskState& before = damage.before;
  const DiskState& after = *damage.after;
  // Entries are lost from the first difference on; whoever holds the last of
  // them holds all of them.
  if (!before.log.empty() &&
      (after.log.size() < before.log.size() ||
       after.log[before.log.size() - 1] != before.log.back())) {
    const uint32_t others =
        Count(node, copies, [&before](const Copies::Copy& copy) {
          return Holds(copy, before.log.size(), before.log.back());
        });
    if (others < majority()) return false;
  }
  if (after.term == before.term && after.vote == before.vote) return true;
  return Count(node, copies, [&before](const Copies::Copy& copy) {
           return copy.term > before.term;
         }) >= majority();
}

void FaultBudget::OnDamage(uint32_t node, const DiskDamage& damage) {
  if (!damage.harmless()) nodes_.at(node).damage = damage;
}

void FaultBudget::OnBoot(uint32_t node, const DiskState& booted,
                         const std::optional<DiskState>& image) {
  Node& record = nodes_.at(node);
  if (!record.damage.has_value()) return;
  if (record.damage->silent() && booted == *record.damage->after) {
    const DiskState& before = record.damage->before;
    const bool vote = booted.term != before.term || booted.vote != before.vote;
    record.missing = Missing{before, vote};
  }
  record.damage.reset();
  if (image != booted) record.damage = DiskDamage{booted, image};
}

bool FaultBudget::OnRefused(uint32_t node) {
  Node& record = nodes_.at(node);
  if (!record.damage.has_value()) return false;
  record.lost = true;
  return true;
}

bool FaultBudget::OnHalted(uint32_t node, const Copies& copies) {
  NoticeRepairs(copies);
  Node& record = nodes_.at(node);
  if (!record.missing.has_value()) return false;
  record.lost = true;
  return true;
}

const DiskState* FaultBudget::Granted(uint32_t node) const {
  const Node& record = nodes_.at(node);
  if (!record.damage.has_value() || !record.damage->silent()) return nullptr;
  return &*record.damage->after;
}

void FaultBudget::NoticeRepairs(const Copies& copies) {
  for (uint32_t i = 0; i < nodes_.size(); ++i) {
    Node& node = nodes_[i];
    if (node.lost || !node.missing.has_value()) continue;
    const Missing& missing = *node.missing;
    const Copies::Copy& copy = copies.nodes[i];
    // A vote that it does not remember binds it in no later term.
    const bool may_vote = !missing.vote || copy.term > missing.promised.term;
    if (may_vote && HoldsAgain(copy, missing.promised, *copies.committed)) {
      node.missing.reset();
    }
  }
}

bool FaultBudget::Intact(uint32_t node, const Copies& copies) {
  NoticeRepairs(copies);
  return IntactNow(nodes_.at(node));
}

bool FaultBudget::CanSpare(uint32_t nodes, const Copies& copies) {
  NoticeRepairs(copies);
  uint32_t faulty = 0;
  for (uint32_t i = 0; i < nodes_.size(); ++i) {
    faulty += (nodes >> i & 1) != 0 || !IntactNow(nodes_[i]);
  }
  return faulty <= minority();
}

bool FaultBudget::Recoverable(const std::vector<bool>& up,
                              const Copies& copies) {
  NoticeRepairs(copies);
  uint32_t able = 0;
  bool held = false;
  for (uint32_t i = 0; i < nodes_.size(); ++i) {
    const Node& node = nodes_[i];
    const bool counts = !node.lost && !node.missing.has_value() &&
                        (!node.damage.has_value() || up.at(i));
    if (!counts) continue;
    ++able;
    held |= HoldsCommitted(copies.nodes[i], *copies.committed);
  }
  return able >= majority() && held;
}

}  // namespace sim
