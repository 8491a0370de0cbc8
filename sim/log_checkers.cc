#include "sim/log_checkers.h"

#include "raft/check.h"
#include "raft/digest.h"
#include "sim/checker_text.h"

namespace sim {

using raft::Index;
using raft::Term;

Mark NextMark(uint64_t chain_before, const raft::Entry& entry) {
  raft::Digest digest;
  digest.AddNumber(chain_before);
  digest.Add(entry);
  return {entry.term, digest.value()};
}

void ElectionSafety::OnLeader(uint32_t node, uint64_t life, Term term,
                              Violations* violations) {
  const auto who = std::pair(node, life);
  const auto [at, is_new] = leaders_.try_emplace(term, who);
  if (is_new || at->second == who) return;
  violations->Add(
      Violation::Kind::kSafety, "election_safety",
      "term " + Text(term) + " has two leaders: " + NodeName(at->second.first) +
          " in its life " + std::to_string(at->second.second) + " and " +
          NodeName(node) + " in its life " + std::to_string(life));
}

std::optional<uint32_t> ElectionSafety::LeaderOf(Term term) const {
  const auto found = leaders_.find(term);
  if (found == leaders_.end()) return std::nullopt;
  return found->second.first;
}

void VoteOnce::OnLeader(uint32_t node, raft::NodeId leader, Term term,
                        uint32_t nodes, Violations* violations) const {
  uint32_t votes = 1;
  for (uint32_t voter = 0; voter < nodes; ++voter) {
    const auto vote = votes_.find(std::pair(voter, term));
    votes += voter != node && vote != votes_.end() && vote->second == leader;
  }
  if (votes > nodes / 2) return;
  violations->Add(Violation::Kind::kSafety, "elected_by_majority",
                  NodeName(node) + " leads in term " + Text(term) + " by " +
                      std::to_string(votes) + " votes of " +
                      std::to_string(nodes));
}

void VoteOnce::OnVote(uint32_t node, Term term, raft::NodeId candidate,
                      Violations* violations) {
  const auto [at, is_new] =
      votes_.try_emplace(std::pair(node, term), candidate);
  const bool forgotten = forgotten_.erase(at->first) > 0;
  if (is_new || at->second == candidate) return;
  if (forgotten) {
    at->second = candidate;
    return;
  }
  violations->Add(Violation::Kind::kSafety, "vote_once",
                  NodeName(node) + " voted twice in term " + Text(term) +
                      ": for " + raft::ToString(at->second) + " and for " +
                      raft::ToString(candidate));
}

void VoteOnce::Forget(uint32_t node, Term term, raft::NodeId vote) {
  for (const auto& [name, candidate] : votes_) {
    if (name.first == node &&
        (name.second > term || (name.second == term && candidate != vote))) {
      forgotten_.insert(name);
    }
  }
}

void LogMatching::OnEntry(uint32_t node, Index index, const Mark& mark,
                          Violations* violations) {
  if (seen_.size() <= index.value()) seen_.resize(index.value() + 1);
  std::vector<Seen>& here = seen_[index.value()];
  for (const Seen& seen : here) {
    if (seen.mark.term != mark.term) continue;
    if (seen.mark.chain != mark.chain) {
      violations->Add(Violation::Kind::kSafety, "log_matching",
                      NodeName(node) + " and " + NodeName(seen.node) +
                          " hold index " + Text(index) + " of term " +
                          Text(mark.term) + " with different histories");
    }
    return;
  }
  here.push_back({mark, node});
}

void CheckReplaced(uint32_t node, Index from, Index last,
                   Violations* violations) {
  if (last >= from) return;
  violations->Add(Violation::Kind::kSafety, "removed_for_nothing",
                  NodeName(node) + " removes index " + Text(from) +
                      " and all behind it, and puts nothing in its place");
}

void CheckSameAsLeader(uint32_t node, Index match, const Mark& durable,
                       const Mark& leader, Violations* violations) {
  if (durable == leader) return;
  violations->Add(Violation::Kind::kSafety, "acknowledged_is_the_same",
                  NodeName(node) + " acknowledges index " + Text(match) +
                      ", where it has " + Text(durable) +
                      " and its leader has " + Text(leader));
}

std::string CommittedLog::Text(uint32_t node, Index index, const Mark& has,
                               const Mark& committed) {
  return NodeName(node) + " has " + sim::Text(has) + " at index " +
         sim::Text(index) + ", committed is " + sim::Text(committed);
}

void CommittedLog::OnCommitted(uint32_t node, Index index, const Mark& mark,
                               Term term, uint32_t durable, uint32_t quorum,
                               Violations* violations) {
  if (index <= last()) {
    if (at(index) == mark) return;
    return violations->Add(Violation::Kind::kSafety, "state_machine_safety",
                           Text(node, index, mark, at(index)));
  }
  CHECK_EQ(index, last() + 1);
  log_.push_back({mark, term});
  if (durable >= quorum) return;
  violations->Add(Violation::Kind::kSafety, "committed_is_durable",
                  NodeName(node) + " commits index " + sim::Text(index) +
                      " in term " + sim::Text(term) + ", but only " +
                      std::to_string(durable) + " disks hold it, not " +
                      std::to_string(quorum));
}

Index CommittedLog::LastBefore(Term term) const {
  for (size_t i = log_.size(); i > 0; --i) {
    if (log_[i - 1].told_in < term) return Index(i);
  }
  return Index(0);
}

void CommittedLog::OnDropped(uint32_t node, Index index, const Mark& mark,
                             Violations* violations) const {
  if (index > last() || at(index) != mark) return;
  violations->Add(
      Violation::Kind::kSafety, "committed_never_dropped",
      NodeName(node) + " drops the committed index " + sim::Text(index));
}

}  // namespace sim
