// Commands, from request to reply; and the leader's own: session expiry.
#include <string>
#include <utility>

#include "raft/check.h"
#include "registry/command_codec.h"
#include "registry/node.h"

namespace registry {
namespace {

void ProbeNotExecuted(NotExecuted why, Effects* effects) {
  switch (why) {
    case NotExecuted::kNo:
      return;
    case NotExecuted::kSessionOver:
      effects->emplace_back(
          raft::Probe{raft::ProbeId::kSessionOverBeforeCommand});
      return;
    case NotExecuted::kRepeated:
      effects->emplace_back(
          raft::Probe{raft::ProbeId::kRepeatAnsweredFromKept});
      return;
    case NotExecuted::kCompacted:
      effects->emplace_back(
          raft::Probe{raft::ProbeId::kRepeatAnsweredCompacted});
      return;
  }
}

}  // namespace

void Node::OnCommand(ConnectionId connection, uint64_t request,
                     const CommandRequest& body, Effects* effects) {
  ++counters_.commands;
  if (!is_leader()) {
    ++counters_.commands_refused;
    Answer(connection, request, NotLeader(), effects);
    return;
  }
  Command command;
  Failure failure;
  failure.error =
      ParseClientCommand(body.command.view(), &command, &failure.detail);
  if (const auto* open = std::get_if<OpenSession>(&command.operation);
      open != nullptr && open->ttl > config_.session_ttl_max) {
    failure = Failure{.error = Error::kInvalid, .detail = "ttl"};
  }
  if (failure.error != Error::kOk) {
    ++counters_.commands_refused;
    Answer(connection, request, std::move(failure), effects);
    return;
  }
  leases_.Heard(command.session, now_);
  batch_.push_back(PendingEntry{connection, request});
  batch_payloads_.push_back(body.command);
}

void Node::ProposeBatch(Effects* effects) {
  if (batch_.empty()) return;
  ++counters_.proposals;
  raft::Propose propose;
  propose.payloads.swap(batch_payloads_);
  StepRaft(propose, effects);
  CHECK(batch_.empty());
  // Keep the allocation for the next turn.
  propose.payloads.clear();
  batch_payloads_.swap(propose.payloads);
}

void Node::OnProposed(const raft::Proposed& proposed) {
  CHECK_EQ(proposed.count, batch_.size());
  CHECK_EQ(proposed.term, term_);
  if (pending_.empty()) pending_first_ = proposed.first;
  CHECK_EQ(pending_first_ + pending_.size(), proposed.first);
  pending_.insert(pending_.end(), batch_.begin(), batch_.end());
  counters_.proposed += batch_.size();
  counters_.sessions_expired += batch_expiries_.size();
  batch_.clear();
  batch_expiries_.clear();
}

// Nothing of the batch is in the log, so both answers are definite.
void Node::OnProposalRefused(const raft::ProposalRefused& refused,
                             Effects* effects) {
  Failure failure = NotLeader();
  if (refused.reason == raft::RefusalReason::kOverloaded) {
    failure = Failure{.error = Error::kUnavailable,
                      .detail = std::string(kOverloaded)};
  }
  if (refused.reason == raft::RefusalReason::kTransferring) {
    failure = Failure{.error = Error::kUnavailable,
                      .detail = "leadership is being transferred"};
  }
  for (const PendingEntry& entry : batch_) {
    if (entry.connection == kSelf) continue;
    ++counters_.commands_refused;
    Answer(entry.connection, entry.request, failure, effects);
  }
  counters_.expiries_refused += batch_expiries_.empty() ? 0 : 1;
  leases_.ExpiryRefused(batch_expiries_, now_);
  batch_.clear();
  batch_expiries_.clear();
}

void Node::OnCommitted(raft::Index through, Effects* effects) {
  while (state_.applied() < through) {
    ApplyEntry(raft_.entry(state_.applied() + 1), effects);
  }
  for (const SessionChange& change : state_.TakeSessionChanges()) {
    if (!change.opened) {
      leases_.Remove(change.session);
    } else if (change.ttl > raft::Duration(0)) {
      leases_.Add(change.session, change.ttl, now_);
    }
  }
  AnswerAppliedReads(effects);
}

void Node::ApplyEntry(const raft::Entry& entry, Effects* effects) {
  ++counters_.applied;
  bytes_applied_ += raft::EntryBytes(entry);
  CommandReply reply;
  if (entry.kind == raft::EntryKind::kCommand) {
    reply = state_.Apply(entry.index, entry.payload.view());
    ProbeNotExecuted(state_.not_executed(), effects);
  } else {
    state_.ApplyNoop(entry.index);
    // The no-op of our own term: from here on we are known to be the leader,
    // and keep-alives can be answered. Expiry starts counting no earlier.
    if (is_leader() && entry.term == term_) leases_.StartLeading(now_);
  }
  if (pending_.empty() || entry.index < pending_first_) return;
  // Pending entries are of the term we lead, and a leader's own entries are
  // overwritten only after it has stepped down, which empties pending_.
  CHECK_EQ(entry.index, pending_first_);
  CHECK_EQ(entry.term, term_);
  const PendingEntry pending = pending_.front();
  pending_.pop_front();
  ++pending_first_;
  if (pending.connection == kSelf) return;
  Answer(pending.connection, pending.request, std::move(reply), effects);
}

// Leadership is lost. The entries are in our log and perhaps in others: the
// next leader may commit or overwrite them, and we might not learn which for
// long. The client asks again, with the same sequence.
void Node::AbandonPending(Effects* effects) {
  for (const PendingEntry& entry : pending_) {
    if (entry.connection == kSelf) continue;
    ++counters_.outcome_unknown;
    effects->emplace_back(raft::Probe{raft::ProbeId::kDeposedWithCommands});
    Answer(
        entry.connection, entry.request,
        Failure{.error = Error::kOutcomeUnknown, .detail = "leadership lost"},
        effects);
  }
  pending_.clear();
}

// Who may expire a session, and when (M58: leases revoked by a deposed or slow
// leader, or renewed after they were revoked):
//   - Only a leader whose own no-op is committed (Leases::StartLeading).
//   - A leader back from a pause longer than an election timeout is none any
//     more: the Tick that begins its first turn ends its leadership (raft's
//     check-quorum), and with it every lease that it was about to end.
//   - A deposed leader that does not know it proposes in vain: an expiry is a
//     log entry, and only the true leader's entries commit.
//   - Once proposed, an expiry is not taken back, and no keep-alive of that
//     session is answered "ok" any more (AnswerKeepAlive).
void Node::ProposeExpiries() {
  std::vector<SessionId> expired = leases_.TakeExpired(now_);
  if (expired.empty()) return;
  CHECK(is_leader());
  const Command command{.operation = ExpireSessions{expired}};
  batch_.push_back(PendingEntry{kSelf, 0});
  batch_payloads_.push_back(raft::Bytes(EncodeCommand(command)));
  batch_expiries_ = std::move(expired);
}

}  // namespace registry
