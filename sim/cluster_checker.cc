#include "sim/cluster_checker.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "raft/digest.h"
#include "registry/command_codec.h"
#include "sim/checker_text.h"

namespace sim {

using raft::Describe;
using raft::Index;
using raft::Term;

ClusterChecker::ClusterChecker(uint32_t nodes, Violations* violations,
                               ApplyWitness* witness)
    : violations_(violations), witness_(witness), nodes_(nodes) {}

void ClusterChecker::Report(std::string_view checker, uint32_t node,
                            std::string text) {
  if (text.empty()) return;
  violations_->Add(Violation::Kind::kSafety, checker,
                   NodeName(node) + ": " + std::move(text));
}

void ClusterChecker::OnBoot(uint32_t node, const registry::Node& booted) {
  NodeView& view = nodes_[node];
  ++view.life;
  const raft::Raft& raft = booted.raft();
  std::vector<Mark> log;
  uint64_t chain = 0;
  for (Index i(1); i <= raft.last_index(); ++i) {
    log.push_back(NextMark(chain, raft.entry(i)));
    chain = log.back().chain;
    matching_.OnEntry(node, i, log.back(), violations_);
  }
  Report("durable_log", node,
         view.disk.OnBoot(raft.term(), raft.vote(), std::move(log)));
  view.before = raft::Summarize(raft);
  view.applied = booted.state().applied();
  CheckInvariants(node, raft, view.before);
}

void ClusterChecker::CheckInvariants(uint32_t node, const raft::Raft& raft,
                                     const raft::RaftSummary& now) {
  const raft::RaftSummary& before = nodes_[node].before;
  for (std::string& text : raft::Invariants::CheckAtRest(now)) {
    Report("raft_invariants", node, std::move(text));
  }
  const auto term_at = [&raft](Index index) {
    return index <= raft.last_index() ? raft.TermAt(index) : Term(0);
  };
  const raft::Invariants::LaterTerms later{term_at(before.commit),
                                           term_at(before.last)};
  for (std::string& text :
       raft::Invariants::CheckTransition(before, now, later)) {
    Report("raft_invariants", node, std::move(text));
  }
}

void ClusterChecker::OnStep(uint32_t node, const registry::Node& stepped,
                            const registry::Event& event,
                            const registry::Effects& effects) {
  NodeView& view = nodes_[node];
  const raft::Raft& raft = stepped.raft();
  if (const auto* done = std::get_if<raft::PersistDone>(&event)) {
    Report("durable_log", node, view.disk.OnPersistDone(done->token));
  }
  for (const registry::Effect& effect : effects) {
    if (const auto* persist = std::get_if<raft::Persist>(&effect)) {
      OnPersist(node, *persist);
    } else if (const auto* send = std::get_if<raft::Send>(&effect)) {
      OnSend(node, stepped, *send);
    }
  }
  const raft::RaftSummary now = raft::Summarize(raft);
  if (now == view.before && stepped.state().applied() == view.applied) return;
  CheckInvariants(node, raft, now);
  const bool leads = now.role == raft::Role::kLeader;
  const bool led =
      view.before.role == raft::Role::kLeader && view.before.term == now.term;
  if (leads && !led) {
    elections_.OnLeader(node, view.life, now.term, violations_);
    committed_.OnLeader(
        node, now.term, [&](Index index) { return MarkAt(node, raft, index); },
        violations_);
  }
  if (now.commit > view.before.commit) {
    AdvanceCommit(node, stepped, view.before.commit);
  }
  view.before = now;
  if (stepped.state().applied() != view.applied) {
    if (stepped.state().applied() < view.applied) {
      Report("applied_never_falls", node,
             Text(stepped.state().applied()) + " after " + Text(view.applied));
    }
    view.applied = stepped.state().applied();
    agreement_.OnApplied(node, view.applied, stepped.state().digest(),
                         violations_);
  }
}

void ClusterChecker::OnPersist(uint32_t node, const raft::Persist& persist) {
  DurableLog& disk = nodes_[node].disk;
  if (persist.truncate_from > Index(0)) {
    for (Index i = persist.truncate_from; i <= Index(disk.asked().size());
         ++i) {
      committed_.OnDropped(node, i, disk.asked()[i.value() - 1], violations_);
    }
  }
  std::string wrong = disk.OnPersist(persist);
  const bool whole = wrong.empty();
  Report("durable_log", node, std::move(wrong));
  if (!whole) return;
  for (const raft::Entry& entry : persist.entries) {
    matching_.OnEntry(node, entry.index, disk.asked()[entry.index.value() - 1],
                      violations_);
  }
}

void ClusterChecker::OnSend(uint32_t node, const registry::Node& stepped,
                            const raft::Send& send) {
  if (const auto* reply = std::get_if<raft::VoteReply>(&send.message)) {
    if (reply->granted && !reply->pre_vote) {
      votes_.OnVote(node, reply->term, send.to, violations_);
    }
  } else if (const auto* ask = std::get_if<raft::VoteRequest>(&send.message)) {
    if (!ask->pre_vote) {
      votes_.OnVote(node, ask->term, stepped.raft().config().self, violations_);
    }
  }
  // Whatever leaves, the term that it speaks in is on the disk (decision 2); a
  // pre-vote asks about a term that nobody has adopted yet.
  const auto* ask = std::get_if<raft::VoteRequest>(&send.message);
  const auto* answer = std::get_if<raft::VoteReply>(&send.message);
  const bool pre_vote = (ask != nullptr && ask->pre_vote) ||
                        (answer != nullptr && answer->pre_vote);
  const Term durable = nodes_[node].disk.durable_term();
  if (!pre_vote && raft::TermOf(send.message) > durable) {
    Report("term_is_durable", node,
           "sends " + Describe(send) + " while its disk knows term " +
               Text(durable));
  }
}

// The mark of `index` in the log that the node has now. Most of it is what the
// node asked its disk to keep; entries of this very turn are not yet.
std::optional<Mark> ClusterChecker::MarkAt(uint32_t node,
                                           const raft::Raft& raft,
                                           Index index) const {
  if (index > raft.last_index()) return std::nullopt;
  const std::vector<Mark>& asked = nodes_[node].disk.asked();
  // Equal terms at one index are equal logs (log matching, checked apart).
  uint64_t known = std::min<uint64_t>(index.value(), asked.size());
  while (known > 0 && asked[known - 1].term != raft.TermAt(Index(known))) {
    --known;
  }
  Mark mark = known > 0 ? asked[known - 1] : Mark{};
  for (Index i(known + 1); i <= index; ++i) {
    mark = NextMark(mark.chain, raft.entry(i));
  }
  return mark;
}

uint32_t ClusterChecker::DurableCopies(Index index, const Mark& mark) const {
  uint32_t copies = 0;
  for (const NodeView& view : nodes_) {
    const std::vector<Mark>& log = view.disk.durable();
    copies += log.size() >= index.value() && log[index.value() - 1] == mark;
  }
  return copies;
}

void ClusterChecker::AdvanceCommit(uint32_t node, const registry::Node& stepped,
                                   Index from) {
  const raft::Raft& raft = stepped.raft();
  const Index to = raft.commit();
  const auto quorum = static_cast<uint32_t>(nodes_.size() / 2 + 1);
  // What others have committed before needs one look: chains cover the rest.
  const Index known = std::min(to, committed_.last());
  if (known > from) {
    committed_.OnCommitted(node, known,
                           MarkAt(node, raft, known).value_or(Mark{}),
                           raft.term(), quorum, quorum, violations_);
  }
  for (Index i = known + 1; i <= to; ++i) {
    const std::optional<Mark> mark = MarkAt(node, raft, i);
    if (!mark.has_value()) {
      return Report("committed_log", node, "commits beyond its log");
    }
    committed_.OnCommitted(node, i, *mark, raft.term(), DurableCopies(i, *mark),
                           quorum, violations_);
    const raft::Entry& entry = raft.entry(i);
    const registry::CommandReply reply = agreement_.Apply(entry);
    std::optional<registry::Command> command;
    if (entry.kind == raft::EntryKind::kCommand) {
      command = registry::DecodeCommand(entry.payload.view());
    }
    if (command.has_value() &&
        once_.OnApplied(i, *command, reply, violations_)) {
      owners_.OnApplied(i, *command, reply, violations_);
    }
    if (witness_ != nullptr) witness_->OnApply(entry, command, reply);
  }
}

}  // namespace sim
