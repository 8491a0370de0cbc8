#include "raft/lock_step.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "raft/check.h"
#include "raft/digest.h"

namespace raft {

LockStep::LockStep(int nodes) {
  Config config;
  for (int slot = 1; slot <= nodes; ++slot) {
    config.voters.push_back({static_cast<uint8_t>(slot), 1});
  }
  for (const NodeId voter : config.voters) {
    config.self = voter;
    cores_.emplace_back(config);
  }
  // The clock of the first runs ahead until it leads; nobody else times out.
  Raft& first = cores_.front().raft;
  while (first.role() != Role::kLeader) {
    now_ = first.NextDeadline();
    first.Step(raft::Tick{now_}, &outputs_);
    Turn(&cores_.front());
    Settle();
  }
  TellCommit();
  CHECK(AppliedAlike());
}

void LockStep::Propose(size_t count, size_t bytes) {
  Tick(now_);
  std::vector<Bytes>& payloads = std::get<raft::Propose>(proposal_).payloads;
  payloads.clear();
  for (size_t i = 0; i < count; ++i) {
    payloads.emplace_back(std::string(bytes, 'x'));
  }
  Core& leader = cores_.front();
  const Index before = leader.raft.last_index();
  leader.raft.Step(proposal_, &outputs_);
  CHECK_EQ(leader.raft.last_index(), before + count);
  Turn(&leader);
  Settle();
  CHECK_EQ(leader.applied, leader.raft.last_index());
}

void LockStep::TellCommit() {
  const Raft& leader = cores_.front().raft;
  while (!AppliedAlike()) {
    Tick(std::max(now_, leader.NextDeadline()));
    Turn(&cores_.front());
    Settle();
    CHECK_EQ(leader.role(), Role::kLeader);
  }
}

bool LockStep::AppliedAlike() const {
  const Core& first = cores_.front();
  return std::all_of(cores_.begin(), cores_.end(), [&](const Core& core) {
    return core.applied == first.raft.last_index() && core.sum == first.sum;
  });
}

// As in production, every turn begins with the time.
void LockStep::Tick(Time now) {
  now_ = now;
  for (Core& core : cores_) {
    core.raft.Step(raft::Tick{now_}, &outputs_);
    Perform(&core);
  }
}

void LockStep::Turn(Core* core) {
  core->raft.Step(Flush{}, &outputs_);
  Perform(core);
}

void LockStep::Perform(Core* core) {
  PersistToken persisted;
  // A disk that is done gives rise to more.
  for (size_t i = 0; i < outputs_.size(); ++i) {
    if (auto* send = std::get_if<Send>(&outputs_[i])) {
      network_.push_back(
          {core->raft.config().self, send->to, std::move(send->message)});
    } else if (const auto* persist = std::get_if<Persist>(&outputs_[i])) {
      persisted = persist->token;
      core->raft.Step(PersistDone{persisted}, &outputs_);
    } else if (const auto* committed = std::get_if<Committed>(&outputs_[i])) {
      Apply(core, committed->through);
    }
  }
  outputs_.clear();
}

// What a state machine would do is not what is measured: it looks at all bytes.
void LockStep::Apply(Core* core, Index through) {
  while (core->applied < through) {
    ++core->applied;
    const Entry& entry = core->raft.entry(core->applied);
    Digest digest;
    digest.AddNumber(core->sum);
    digest.AddNumber(entry.term.value());
    digest.AddText(entry.payload.view());
    core->sum = digest.value();
    core->commands += entry.kind == EntryKind::kCommand;
  }
}

// Round by round: all that has been sent arrives, then its receivers' turns
// end.
void LockStep::Settle() {
  while (!network_.empty()) {
    arriving_.swap(network_);
    uint64_t turns = 0;
    for (Packet& packet : arriving_) {
      const size_t to = packet.to.slot - size_t{1};
      cores_[to].raft.Step(Receive{packet.from, std::move(packet.message)},
                           &outputs_);
      Perform(&cores_[to]);
      turns |= uint64_t{1} << to;
    }
    arriving_.clear();
    for (size_t i = 0; i < cores_.size(); ++i) {
      if (turns >> i & 1) Turn(&cores_[i]);
    }
  }
}

}  // namespace raft
