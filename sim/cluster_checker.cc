#include "sim/cluster_checker.h"

#include <algorithm>

#include "raft/check.h"
#include "raft/digest.h"
#include "registry/command_codec.h"

namespace sim {
namespace {

using raft::Describe;
using raft::Index;
using raft::Term;

std::string NodeName(uint32_t node) { return "n" + std::to_string(node + 1); }
std::string Text(Index index) { return std::to_string(index.value()); }
std::string Text(Term term) { return std::to_string(term.value()); }
std::string Text(const Mark& mark) {
  return "(term " + Text(mark.term) + ", chain " + std::to_string(mark.chain) +
         ")";
}

}  // namespace

std::string_view ToString(Violation::Kind kind) {
  switch (kind) {
    case Violation::Kind::kSafety:
      return "safety";
    case Violation::Kind::kLiveness:
      return "liveness";
    case Violation::Kind::kLinearizability:
      return "linearizability";
    case Violation::Kind::kCrash:
      return "crash";
  }
  return "?";
}

void Violations::Add(Violation::Kind kind, std::string_view checker,
                     std::string text) {
  if (list_.size() >= kKept) return;
  list_.push_back({kind, std::string(checker), std::move(text)});
}

Mark NextMark(uint64_t chain_before, const raft::Entry& entry) {
  raft::Digest digest;
  digest.AddNumber(chain_before);
  digest.Add(entry);
  return {entry.term, digest.value()};
}

// ------------------------------------------------------------------- rules

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

void VoteOnce::OnVote(uint32_t node, Term term, raft::NodeId candidate,
                      Violations* violations) {
  const auto [at, is_new] =
      votes_.try_emplace(std::pair(node, term), candidate);
  if (is_new || at->second == candidate) return;
  violations->Add(Violation::Kind::kSafety, "vote_once",
                  NodeName(node) + " voted twice in term " + Text(term) +
                      ": for " + raft::ToString(at->second) + " and for " +
                      raft::ToString(candidate));
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

std::string DurableLog::OnPersist(const raft::Persist& persist) {
  uint64_t keep = asked_.size();
  if (persist.truncate_from > Index(0)) {
    keep = std::min<uint64_t>(keep, persist.truncate_from.value() - 1);
  }
  Pending pending{persist.token, persist.term, persist.vote, keep, {}};
  asked_.resize(keep);
  for (const raft::Entry& entry : persist.entries) {
    if (entry.index != Index(asked_.size() + 1)) {
      return "a persist skips from index " + std::to_string(asked_.size()) +
             " to " + Text(entry.index);
    }
    const uint64_t before = asked_.empty() ? 0 : asked_.back().chain;
    asked_.push_back(NextMark(before, entry));
    pending.marks.push_back(asked_.back());
  }
  pending_.push_back(std::move(pending));
  return "";
}

void DurableLog::Apply(const Pending& pending, State* state) {
  state->term = pending.term;
  state->vote = pending.vote;
  state->log.resize(pending.keep);
  state->log.insert(state->log.end(), pending.marks.begin(),
                    pending.marks.end());
}

std::string DurableLog::OnPersistDone(raft::PersistToken token) {
  if (pending_.empty() || pending_.back().token < token) {
    return "the disk confirms persist " + std::to_string(token.value()) +
           ", which nobody asked for";
  }
  while (!pending_.empty() && pending_.front().token <= token) {
    Apply(pending_.front(), &durable_);
    pending_.pop_front();
  }
  return "";
}

std::string DurableLog::Describe(const State& state) {
  return "term " + Text(state.term) + ", vote " + raft::ToString(state.vote) +
         ", " + std::to_string(state.log.size()) + " entries ending at " +
         Text(state.log.empty() ? Mark{} : state.log.back());
}

std::string DurableLog::OnBoot(Term term, raft::NodeId vote,
                               std::vector<Mark> log) {
  const State booted{term, vote, std::move(log)};
  const std::string promised = Describe(durable_);
  const size_t unconfirmed = pending_.size();
  // Chains cover all that is before, so the ends tell.
  const auto same = [&booted](const State& state) {
    return state.term == booted.term && state.vote == booted.vote &&
           state.log.size() == booted.log.size() &&
           (state.log.empty() || state.log.back() == booted.log.back());
  };
  bool found = same(durable_);
  while (!found && !pending_.empty()) {
    Apply(pending_.front(), &durable_);
    pending_.pop_front();
    found = same(durable_);
  }
  pending_.clear();
  durable_ = booted;
  asked_ = booted.log;
  if (found) return "";
  return "the disk had confirmed " + promised + " and was asked for " +
         std::to_string(unconfirmed) + " persists more; it came back with " +
         Describe(booted);
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

registry::CommandReply StateAgreement::Apply(const raft::Entry& entry) {
  registry::CommandReply reply;
  if (entry.kind == raft::EntryKind::kCommand) {
    reply = state_.Apply(entry.index, entry.payload.view());
  } else {
    state_.ApplyNoop(entry.index);
  }
  state_.TakeSessionChanges();
  digests_.push_back(state_.digest());
  return reply;
}

void StateAgreement::OnApplied(uint32_t node, Index applied,
                               const registry::StateDigest& digest,
                               Violations* violations) const {
  if (applied == Index(0)) return;
  if (applied > Index(digests_.size())) {
    return violations->Add(Violation::Kind::kSafety, "state_agreement",
                           NodeName(node) + " has applied " + Text(applied) +
                               ", committed is only " +
                               std::to_string(digests_.size()));
  }
  const registry::StateDigest& expected = digests_[applied.value() - 1];
  if (expected == digest) return;
  violations->Add(Violation::Kind::kSafety, "state_agreement",
                  NodeName(node) + " has state " + Describe(digest) +
                      " at index " + Text(applied) + ", the log gives " +
                      Describe(expected));
}

void UniqueOwner::Drop(registry::SessionId session, const uint64_t* process) {
  for (auto at = owners_.begin(); at != owners_.end();) {
    const registry::Pid& owner = at->second;
    const bool dropped = owner.session == session &&
                         (process == nullptr || owner.local == *process);
    at = dropped ? owners_.erase(at) : std::next(at);
  }
}

void UniqueOwner::OnApplied(Index index, const registry::Command& command,
                            const registry::CommandReply& reply,
                            Violations* violations) {
  if (reply.error != registry::Error::kOk) return;
  const registry::Operation& operation = command.operation;
  if (const auto* op = std::get_if<registry::CreateRegistry>(&operation)) {
    kinds_.try_emplace(op->registry, op->kind);
  } else if (const auto* op = std::get_if<registry::Register>(&operation)) {
    const auto kind = kinds_.find(op->registry);
    if (kind != kinds_.end() &&
        kind->second == registry::RegistryKind::kDuplicate) {
      return;
    }
    const registry::Pid pid{command.session, op->process};
    const auto [at, is_new] =
        owners_.try_emplace(Name(op->registry, op->key), pid);
    if (is_new || at->second == pid) return;
    violations->Add(Violation::Kind::kSafety, "unique_owner",
                    "index " + Text(index) + " gives " + op->registry + "/" +
                        op->key + " to " + Describe(pid) + " while " +
                        Describe(at->second) + " holds it");
  } else if (const auto* op = std::get_if<registry::Unregister>(&operation)) {
    owners_.erase(Name(op->registry, op->key));
  } else if (const auto* op = std::get_if<registry::EndProcess>(&operation)) {
    Drop(command.session, &op->process);
  } else if (const auto* op = std::get_if<registry::EndSession>(&operation)) {
    Drop(op->target.value() != 0 ? op->target : command.session, nullptr);
  } else if (const auto* op =
                 std::get_if<registry::ExpireSessions>(&operation)) {
    for (const registry::SessionId session : op->sessions) {
      Drop(session, nullptr);
    }
  }
}

bool ExactlyOnce::OnApplied(Index index, const registry::Command& command,
                            const registry::CommandReply& reply,
                            Violations* violations) {
  if (command.session.value() == 0) return true;
  if (reply.error == registry::Error::kSessionExpired ||
      reply.error == registry::Error::kCompacted) {
    return true;  // nothing was done, as the answer says
  }
  const auto [at, is_new] =
      first_.try_emplace(Name(command.session, command.sequence), reply);
  if (is_new) return true;
  ++repeated_;
  if (at->second == reply) return false;
  violations->Add(Violation::Kind::kSafety, "exactly_once",
                  "index " + Text(index) + " repeats " + Describe(command) +
                      " and is answered " + Describe(reply) + ", first " +
                      Describe(at->second));
  return false;
}

// -------------------------------------------------------------- the cluster

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
