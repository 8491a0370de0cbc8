#include "registry/node.h"

#include <algorithm>
#include <utility>

#include "raft/check.h"

namespace registry {
namespace {

template <typename... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
template <typename... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;

}  // namespace

Node::Node(const NodeConfig& config, raft::Restored restored, raft::Time now)
    : Node(config, std::move(restored),
           LoadedState(config.limits.leases_per_check), now) {}

Node::Node(const NodeConfig& config, raft::Restored restored,
           LoadedState loaded, raft::Time now)
    : config_(config),
      raft_(config.raft, std::move(restored), now),
      state_(std::move(loaded.state)),
      leases_(std::move(loaded.leases)),
      now_(now),
      role_(raft_.role()),
      term_(raft_.term()) {
  CHECK(config_.limits.valid());
  CHECK_EQ(state_.applied(), raft_.snapshot().index);
}

void Node::Step(const Event& event, Effects* effects) {
  std::visit(
      Overloaded{
          [&](const raft::Tick& tick) {
            now_ = std::max(now_, tick.now);
            StepRaft(tick, effects);
          },
          [&](const raft::Receive& receive) { StepRaft(receive, effects); },
          [&](const raft::PeerClosed& closed) { StepRaft(closed, effects); },
          [&](const raft::PersistDone& done) { StepRaft(done, effects); },
          [&](const ClientReceived& received) { OnClient(received, effects); },
          // What the connection asked for is on its way; the answers will find
          // nobody, which is allowed (node_io.h).
          [](const ClientClosed&) {},
          [&](const raft::Flush&) { OnFlush(effects); },
          [&](const raft::TransferLeadership& transfer) {
            RequestTransfer({.connection = kSelf, .to = transfer.to}, effects);
          },
          [&](const SnapshotWritten& written) {
            OnSnapshotWritten(written, effects);
          },
          [&](const raft::SnapshotRead& read) {
            OnSnapshotRead(read, effects);
          },
          [&](const raft::SnapshotStored& stored) {
            StepRaft(stored, effects);
          },
          [&](const StateReceived& received) {
            OnStateReceived(received, effects);
          },
      },
      event);
}

void Node::StepRaft(const raft::Input& input, Effects* effects) {
  CHECK(outputs_.empty());
  raft_.Step(input, &outputs_);
  // Before the outputs: a Committed of this very step may speak of indexes
  // where another leader's entries replaced the ones that we promised to
  // answer.
  if (raft_.role() != role_ || raft_.term() != term_) OnRoleMoved(effects);
  for (raft::Output& output : outputs_) Handle(&output, effects);
  outputs_.clear();
  if (!transfers_.empty()) AnswerTransfers(effects);
}

void Node::Handle(raft::Output* output, Effects* effects) {
  std::visit(
      Overloaded{
          [&](raft::Persist& persist) {
            effects->emplace_back(std::move(persist));
          },
          [&](raft::Send& send) { effects->emplace_back(std::move(send)); },
          [&](raft::Probe& probe) { effects->emplace_back(probe); },
          [&](raft::Halt& halt) { effects->emplace_back(halt); },
          [&](raft::Proposed& proposed) { OnProposed(proposed); },
          [&](raft::ProposalRefused& refused) {
            OnProposalRefused(refused, effects);
          },
          [&](raft::Committed& committed) {
            OnCommitted(committed.through, effects);
          },
          [&](raft::ReadReady& ready) { OnReadReady(ready, effects); },
          [&](raft::ReadFailed& failed) { OnReadFailed(failed, effects); },
          [](raft::RoleChanged&) {},  // seen by StepRaft already
          [&](raft::ReadSnapshot& read) { effects->emplace_back(read); },
          [&](raft::StoreSnapshot& store) {
            effects->emplace_back(std::move(store));
          },
          [&](raft::SnapshotInstalled& installed) {
            OnSnapshotInstalled(installed, effects);
          },
          [&](raft::TransferBegun& begun) { OnTransferBegun(begun); },
          [&](raft::TransferRefused&) { OnTransferRefused(effects); },
      },
      *output);
}

void Node::OnRoleMoved(Effects* effects) {
  const bool led = role_ == raft::Role::kLeader;
  role_ = raft_.role();
  term_ = raft_.term();
  if (led) {
    AbandonPending(effects);
    FailKeepAlives(effects);
    leases_.StopLeading();
  }
  if (is_leader()) ++counters_.leaderships;
}

void Node::OnClient(const ClientReceived& event, Effects* effects) {
  const ConnectionId connection = event.connection;
  const uint64_t id = event.request.id;
  std::visit(Overloaded{
                 [&](const CommandRequest& request) {
                   OnCommand(connection, id, request, effects);
                 },
                 [&](const ReadRequest& request) {
                   OnRead(connection, id, request, effects);
                 },
                 [&](const KeepAliveRequest& request) {
                   OnKeepAlive(connection, id, request, effects);
                 },
                 [&](const StatusRequest&) {
                   Answer(connection, id, Status(), effects);
                 },
                 [&](const TransferRequest& request) {
                   OnTransfer(connection, id, request, effects);
                 },
             },
             event.request.body);
}

// The turn's end. Expiries are looked for here and not at the Tick: after a
// pause, the keep-alives that waited in the sockets have been heard by now.
void Node::OnFlush(Effects* effects) {
  ProposeExpiries();
  ProposeBatch(effects);
  RequestReadIndex(effects);
  StepRaft(raft::Flush{}, effects);
  BeginSnapshotIfDue(effects);
}

raft::Time Node::NextDeadline() const {
  const raft::Time deadline =
      std::min(raft_.NextDeadline(), leases_.NextDeadline());
  return transfers_.empty() ? deadline : std::min(deadline, transfers_until_);
}

void Node::Answer(ConnectionId connection, uint64_t request,
                  decltype(ClientResponse::body) body, Effects* effects) {
  effects->emplace_back(
      Reply{connection, ClientResponse{request, std::move(body)}});
}

Failure Node::NotLeader() const {
  Failure failure{.error = Error::kNotLeader};
  const raft::NodeId leader = raft_.leader();
  for (const MemberStatus& member : config_.members) {
    if (leader.valid() && leader != config_.raft.self &&
        member.node == leader) {
      failure.leader_address = member.client_address;
    }
  }
  return failure;
}

StatusReply Node::Status() const {
  StatusReply status;
  status.cluster = config_.cluster;
  status.node = config_.raft.self;
  status.role = raft_.role();
  status.leader = raft_.leader();
  status.term = raft_.term();
  status.commit = raft_.commit();
  status.applied = state_.applied();
  status.last_index = raft_.last_index();
  status.state_digest_high = state_.digest().high;
  status.state_digest_low = state_.digest().low;
  status.sessions = state_.session_count();
  status.registrations = state_.registration_count();
  status.members = config_.members;
  status.counters = {
      {"applied", counters_.applied},
      {"commands", counters_.commands},
      {"commands_refused", counters_.commands_refused},
      {"expiries_refused", counters_.expiries_refused},
      {"keep_alives", counters_.keep_alives},
      {"leaderships", counters_.leaderships},
      {"outcome_unknown", counters_.outcome_unknown},
      {"proposals", counters_.proposals},
      {"proposed", counters_.proposed},
      {"read_rounds", counters_.read_rounds},
      {"reads", counters_.reads},
      {"reads_failed", counters_.reads_failed},
      {"sessions_expired", counters_.sessions_expired},
      {"snapshots_failed", counters_.snapshots_failed},
      {"snapshots_installed", counters_.snapshots_installed},
      {"snapshots_taken", counters_.snapshots_taken},
      {"transfers", counters_.transfers},
  };
  return status;
}

}  // namespace registry
