#include "sim/cluster_checker.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "raft/digest.h"
#include "registry/command_codec.h"
#include "sim/checker_text.h"
#include "sim/load_checkers.h"
#include "sim/message_checkers.h"

namespace sim {

using raft::Describe;
using raft::Index;
using raft::Term;

namespace {

// An answer to a read that an earlier life of the node asked for.
bool IsOfEarlierLife(const raft::Message& message, const raft::Raft& raft) {
  const auto* reply = std::get_if<raft::ReadIndexReply>(&message);
  return reply != nullptr && reply->boot != raft.config().boot;
}

}  // namespace

ClusterChecker::ClusterChecker(uint32_t nodes, Violations* violations,
                               ApplyWitness* witness)
    : violations_(violations),
      witness_(witness),
      nodes_(nodes, NodeView(&committed_)),
      promises_(nodes),
      lease_ends_(nodes) {}

void ClusterChecker::Report(std::string_view checker, uint32_t node,
                            std::string text) {
  if (text.empty()) return;
  violations_->Add(Violation::Kind::kSafety, checker,
                   NodeName(node) + ": " + std::move(text));
}

void ClusterChecker::OnBoot(uint32_t node, const registry::Node& booted,
                            const DiskState* granted) {
  NodeView& view = nodes_[node];
  ++view.life;
  const raft::Raft& raft = booted.raft();
  view.raft = &raft;
  promises_.OnBoot(node);
  lease_ends_.OnBoot(node);
  view.reads_forwarded = 0;
  view.expiries_refused = 0;
  DiskState found{.term = raft.term(),
                  .vote = raft.vote(),
                  .covered = raft.snapshot().index};
  if (!StartLog(raft.base(), &found.log)) {
    return Report("durable_log", node,
                  "its log begins behind index " + Text(raft.base().index) +
                      " of term " + Text(raft.base().term) +
                      ", which is not committed");
  }
  uint64_t chain = found.log.empty() ? 0 : found.log.back().chain;
  for (Index i = raft.base().index + 1; i <= raft.last_index(); ++i) {
    found.log.push_back(NextMark(chain, raft.entry(i)));
    chain = found.log.back().chain;
    matching_.OnEntry(node, i, found.log.back(), violations_);
  }
  Report("durable_log", node, view.disk.OnBoot(std::move(found), granted));
  if (granted != nullptr) {
    votes_.Forget(node, view.disk.state().term, view.disk.state().vote);
  }
  view.before = raft::Summarize(raft);
  view.applied = booted.state().applied();
  // The state of a snapshot is that of the log up to it.
  agreement_.OnApplied(node, view.applied, booted.state().digest(),
                       violations_);
  agreement_.ForEachSessionChange(Index(0), view.applied,
                                  [&](const registry::SessionChange& change) {
                                    lease_ends_.OnSessionChange(node, change);
                                  });
  CheckInvariants(node, raft, view.before);
}

bool ClusterChecker::StartLog(raft::EntryId base,
                              std::vector<Mark>* log) const {
  if (base.index == Index(0)) return true;
  if (base.index > committed_.last()) return false;
  for (Index i(1); i <= base.index; ++i) log->push_back(committed_.at(i));
  return log->back().term == base.term;
}

// Also of what a snapshot took the place of; Term(0) where there is nothing.
Term ClusterChecker::TermAt(const raft::Raft& raft, Index index) const {
  if (index > raft.last_index()) return Term(0);
  if (raft.KnowsTermAt(index)) return raft.TermAt(index);
  return index <= committed_.last() ? committed_.at(index).term : Term(0);
}

void ClusterChecker::CheckInvariants(uint32_t node, const raft::Raft& raft,
                                     const raft::RaftSummary& now) {
  const raft::RaftSummary& before = nodes_[node].before;
  for (std::string& text : raft::Invariants::CheckAtRest(now)) {
    Report("raft_invariants", node, std::move(text));
  }
  const raft::Invariants::LaterTerms later{TermAt(raft, before.commit),
                                           TermAt(raft, before.last)};
  for (std::string& text :
       raft::Invariants::CheckTransition(before, now, later)) {
    Report("raft_invariants", node, std::move(text));
  }
}

void ClusterChecker::OnStep(uint32_t node, Instant now,
                            const registry::Node& stepped,
                            const registry::Event& event,
                            const registry::Effects& effects) {
  now_ = now;
  NodeView& view = nodes_[node];
  const raft::Raft& raft = stepped.raft();
  const bool leads = raft.role() == raft::Role::kLeader;
  const std::optional<Term> leads_in =
      leads ? std::optional<Term>(raft.term()) : std::nullopt;
  OnEvent(node, leads_in, event);
  for (const registry::Effect& effect : effects) {
    if (const auto* persist = std::get_if<raft::Persist>(&effect)) {
      OnPersist(node, leads, *persist);
    } else if (const auto* send = std::get_if<raft::Send>(&effect)) {
      OnSend(node, stepped, *send);
    } else if (const auto* reply = std::get_if<registry::Reply>(&effect)) {
      promises_.OnReply(node, *reply, leads_in, lease_ends_, violations_);
    }
  }
  const size_t reads_forwarded = raft.reads_forwarded();
  const auto* receive = std::get_if<raft::Receive>(&event);
  if (receive != nullptr && IsOfEarlierLife(receive->message, raft) &&
      raft::TermOf(receive->message) <= view.before.term &&
      reads_forwarded != view.reads_forwarded) {
    Report("earlier_life_answers_nothing", node, Describe(*receive));
  }
  view.reads_forwarded = reads_forwarded;
  if (!raft::StillIs(view.before, raft)) OnMoved(node, stepped, receive);
  if (stepped.state().applied() != view.applied) {
    OnApplied(node, stepped.state());
  }
  if (std::holds_alternative<raft::Flush>(event)) {
    const bool sure = view.before.commit_term == raft.term();
    const uint64_t refused =
        std::exchange(view.expiries_refused, stepped.expiries_refused());
    lease_ends_.OnTurnEnd(node,
                          {.leads_in = sure ? leads_in : std::nullopt,
                           .looks_max = stepped.limits().leases_per_check,
                           .log_was_shut = view.expiries_refused != refused &&
                                           (raft.load().uncommitted_bytes > 0 ||
                                            raft.transfer_to().valid())},
                          violations_);
    Report("bounds", node, WhyTooMuch(LoadOf(stepped)));
  }
}

void ClusterChecker::OnMoved(uint32_t node, const registry::Node& stepped,
                             const raft::Receive* received) {
  NodeView& view = nodes_[node];
  const raft::Raft& raft = stepped.raft();
  const raft::RaftSummary after = raft::Summarize(raft);
  CheckInvariants(node, raft, after);
  if (received != nullptr) {
    for (std::string& text :
         raft::Invariants::CheckReceive(view.before, *received, after)) {
      Report("raft_invariants", node, std::move(text));
    }
  }
  const bool led =
      view.before.role == raft::Role::kLeader && view.before.term == after.term;
  if (after.role == raft::Role::kLeader && !led) OnLeader(node, raft);
  const Index committed = std::exchange(view.before, after).commit;
  if (after.commit > committed) AdvanceCommit(node, stepped, committed);
}

void ClusterChecker::OnEvent(uint32_t node, std::optional<Term> leads_in,
                             const registry::Event& event) {
  if (const auto* done = std::get_if<raft::PersistDone>(&event)) {
    Report("durable_log", node, nodes_[node].disk.OnPersistDone(done->token));
  } else if (const auto* received =
                 std::get_if<registry::StateReceived>(&event)) {
    nodes_[node].disk.OnSnapshot(received->received.snapshot.index);
  } else if (const auto* tick = std::get_if<raft::Tick>(&event)) {
    lease_ends_.OnTick(node, tick->now);
  } else if (const auto* received =
                 std::get_if<registry::ClientReceived>(&event)) {
    promises_.OnRequest(node, *received, now_, leads_in);
    lease_ends_.OnRequest(node, *received);
  }
}

void ClusterChecker::OnLeader(uint32_t node, const raft::Raft& raft) {
  elections_.OnLeader(node, nodes_[node].life, raft.term(), violations_);
  votes_.OnLeader(node, raft.config().self, raft.term(),
                  static_cast<uint32_t>(nodes_.size()), violations_);
  committed_.OnLeader(
      node, raft.term(), [&](Index index) { return MarkAt(node, raft, index); },
      violations_);
}

void ClusterChecker::OnApplied(uint32_t node,
                               const registry::StateMachine& state) {
  const Index before = std::exchange(nodes_[node].applied, state.applied());
  if (state.applied() < before) {
    return Report("applied_never_falls", node,
                  Text(state.applied()) + " after " + Text(before));
  }
  agreement_.OnApplied(node, state.applied(), state.digest(), violations_);
  agreement_.ForEachSessionChange(before, state.applied(),
                                  [&](const registry::SessionChange& change) {
                                    lease_ends_.OnSessionChange(node, change);
                                  });
}

void ClusterChecker::OnPersist(uint32_t node, bool leads,
                               const raft::Persist& persist) {
  DurableLog& disk = nodes_[node].disk;
  if (persist.base != raft::EntryId()) {
    for (Index i = persist.base.index + 1; i <= Index(disk.asked().size());
         ++i) {
      committed_.OnDropped(node, i, disk.asked()[i.value() - 1], violations_);
    }
  }
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
  if (persist.truncate_from > Index(0)) {
    CheckReplaced(node, persist.truncate_from, Index(disk.asked().size()),
                  violations_);
  }
  for (const raft::Entry& entry : persist.entries) {
    matching_.OnEntry(node, entry.index, disk.asked()[entry.index.value() - 1],
                      violations_);
    if (leads) OnProposed(node, entry);
  }
}

void ClusterChecker::OnProposed(uint32_t node, const raft::Entry& entry) {
  if (entry.kind != raft::EntryKind::kCommand) return;
  const std::optional<registry::Command> command =
      registry::DecodeCommand(entry.payload.view());
  if (!command.has_value()) return;
  if (const auto* expire =
          std::get_if<registry::ExpireSessions>(&command->operation)) {
    lease_ends_.OnProposed(node, *expire);
  }
}

void ClusterChecker::OnSend(uint32_t node, const registry::Node& stepped,
                            const raft::Send& send) {
  const raft::Raft& raft = stepped.raft();
  const raft::NodeId self = raft.config().self;
  const raft::Message& message = send.message;
  if (const auto* reply = std::get_if<raft::VoteReply>(&message)) {
    if (reply->granted && !reply->pre_vote) {
      votes_.OnVote(node, reply->term, send.to, violations_);
    }
  } else if (const auto* ask = std::get_if<raft::VoteRequest>(&message)) {
    if (!ask->pre_vote) votes_.OnVote(node, ask->term, self, violations_);
  } else if (const auto* ack = std::get_if<raft::AppendReply>(&message)) {
    if (ack->accepted) OnAck(node, *ack);
  } else if (std::holds_alternative<raft::AppendRequest>(message) ||
             std::holds_alternative<raft::Heartbeat>(message)) {
    OnLeadersMessage(node, raft, send);
  }
  const DurableLog& disk = nodes_[node].disk;
  std::string why =
      WhyNotOnDisk(message, self, send.to,
                   {disk.durable_term(), disk.durable_vote(), &disk.durable()});
  if (!why.empty()) {
    Report("said_before_durable", node,
           "sends " + Describe(send) + ", but " + why);
  }
}

void ClusterChecker::OnLeadersMessage(uint32_t node, const raft::Raft& raft,
                                      const raft::Send& send) {
  const Term term = raft::TermOf(send.message);
  if (elections_.LeaderOf(term) != node) {
    Report("only_the_leader_speaks", node,
           "sends " + Describe(send) + ", but does not lead in that term");
  }
  if (raft.role() != raft::Role::kLeader) return;
  Speaker speaker{.term = raft.term(),
                  .commit = raft.commit(),
                  .last = raft.last_index(),
                  .term_at = [&](Index index) { return TermAt(raft, index); }};
  for (const raft::Peer& peer : raft.peers()) {
    if (peer.id == send.to) speaker.match = peer.progress.match();
  }
  std::string why = WhyNotOfItsLog(send.message, speaker);
  if (why.empty()) return;
  Report("leader_shows_its_log", node,
         "sends " + Describe(send) + ", but " + why);
}

// Judged while its leader leads on; then the leader's log is known.
void ClusterChecker::OnAck(uint32_t node, const raft::AppendReply& ack) {
  const std::vector<Mark>& log = nodes_[node].disk.durable();
  const std::optional<uint32_t> leader = elections_.LeaderOf(ack.term);
  if (!leader.has_value() || ack.match == Index(0) ||
      ack.match > Index(log.size()) ||
      nodes_[node].disk.durable_term() != ack.term) {
    return;
  }
  const raft::Raft* raft = nodes_[*leader].raft;
  if (raft == nullptr || raft->role() != raft::Role::kLeader ||
      raft->term() != ack.term) {
    return;
  }
  CheckSameAsLeader(node, ack.match, log[ack.match.value() - 1],
                    MarkAt(*leader, *raft, ack.match).value_or(Mark{}),
                    violations_);
}

// The mark of `index` in the log that the node has now. Most of it is what the
// node asked its disk to keep; entries of this very turn are not yet.
std::optional<Mark> ClusterChecker::MarkAt(uint32_t node,
                                           const raft::Raft& raft,
                                           Index index) const {
  if (index > raft.last_index()) return std::nullopt;
  // What a snapshot took the place of is committed.
  const Index base = raft.base().index;
  if (base > Index(0) && index <= base && base <= committed_.last()) {
    return committed_.at(index);
  }
  const std::vector<Mark>& asked = nodes_[node].disk.asked();
  // Equal terms at one index are equal logs (log matching, checked apart).
  uint64_t known = std::min<uint64_t>(index.value(), asked.size());
  while (known > base.value() &&
         asked[known - 1].term != raft.TermAt(Index(known))) {
    --known;
  }
  known = std::max(known, base.value());
  Mark mark;
  if (known > base.value()) {
    mark = asked[known - 1];
  } else if (base > Index(0) && base <= committed_.last()) {
    mark = committed_.at(base);
  }
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
    if (!mark.has_value() || i <= raft.base().index) {
      return Report("committed_log", node, "commits beyond its log");
    }
    committed_.OnCommitted(node, i, *mark, raft.term(), DurableCopies(i, *mark),
                           quorum, violations_);
    OnCommitted(raft.entry(i));
  }
}

void ClusterChecker::OnCommitted(const raft::Entry& entry) {
  const registry::CommandReply reply = agreement_.Apply(entry);
  std::optional<registry::Command> command;
  if (entry.kind == raft::EntryKind::kCommand) {
    command = registry::DecodeCommand(entry.payload.view());
  }
  if (command.has_value()) {
    promises_.OnApplied(*command, reply, now_,
                        LastBeyond(leader_clocks_, entry.term), violations_);
    if (once_.OnApplied(entry.index, *command, reply, violations_)) {
      owners_.OnApplied(entry.index, *command, reply, violations_);
      ghosts_.OnApplied(entry.index, *command, reply, agreement_.state(),
                        violations_);
    }
  }
  if (witness_ != nullptr) witness_->OnApply(entry, command, reply);
}

}  // namespace sim
