#include "sim/load_checkers.h"

#include <algorithm>
#include <string_view>

#include "raft/limits.h"

namespace sim {
namespace {

// A turn's proposals always pass an empty pipeline.
constexpr uint64_t kProposalSlack = raft::kUncommittedBytesMax;

class Requirements {
 public:
  void Require(uint64_t has, uint64_t most, std::string_view of_what) {
    if (has > most && why_.empty()) [[unlikely]]
      Fail(has, most, of_what);
  }
  std::string Take() { return std::move(why_); }

 private:
  [[gnu::cold, gnu::noinline]] void Fail(uint64_t has, uint64_t most,
                                         std::string_view of_what) {
    why_ = std::to_string(has) + " " + std::string(of_what) + ", at most " +
           std::to_string(most);
  }

  std::string why_;
};

}  // namespace

Load LoadOf(const registry::Node& node) {
  const raft::Raft& raft = node.raft();
  Load load{.raft = raft.load(),
            .node = node.load(),
            .raft_limits = raft.config().limits,
            .limits = node.limits()};
  const raft::Index applied = node.state().applied();
  load.unapplied = raft.last_index() - applied;
  if (raft.role() != raft::Role::kLeader) return load;
  for (const raft::Peer& peer : raft.peers()) {
    const raft::InflightWindow& window = peer.progress.window();
    load.appends_in_flight = std::max(load.appends_in_flight, window.count());
    load.append_bytes_in_flight =
        std::max(load.append_bytes_in_flight, window.bytes());
  }
  if (load.unapplied > kUnappliedCounted) return load;
  for (raft::Index i = applied + 1; i <= raft.last_index(); ++i) {
    load.unapplied_bytes += raft::EntryBytes(raft.entry(i));
  }
  return load;
}

std::string WhyTooMuch(const Load& load) {
  Requirements requirements;
  const raft::Limits& raft = load.raft_limits;
  // One append may pass the bound on bytes, and an append its own by one entry.
  const uint64_t append_slack = raft.append_bytes + raft::kEntryBytesMax;
  requirements.Require(load.appends_in_flight, raft.inflight_appends,
                       "appends in flight");
  requirements.Require(load.append_bytes_in_flight,
                       raft.inflight_bytes + append_slack,
                       "bytes of appends in flight");
  requirements.Require(load.raft.uncommitted_bytes,
                       raft.uncommitted_bytes + kProposalSlack,
                       "bytes that are not committed");
  // Back-pressure is counted in bytes: a count that drifts stops all writes.
  if (load.unapplied <= kUnappliedCounted) {
    requirements.Require(load.raft.uncommitted_bytes, load.unapplied_bytes,
                         "bytes counted as not committed");
  }
  requirements.Require(load.node.reads, load.limits.waiting_reads,
                       "reads wait");
  requirements.Require(load.node.transfers, registry::kWaitingTransfersMax,
                       "transfers wait");
  requirements.Require(load.node.commands, load.unapplied,
                       "commands wait for entries");
  return requirements.Take();
}

std::string WhatWaits(const Load& load) {
  std::string text;
  const auto add = [&text](uint64_t count, std::string_view of_what) {
    if (count == 0) return;
    if (!text.empty()) text += ", ";
    text += std::to_string(count) + " " + std::string(of_what);
  };
  add(load.node.commands, "commands");
  add(load.node.reads, "reads");
  add(load.node.transfers, "transfers");
  add(load.raft.reads, "reads in raft");
  add(load.raft.reads_forwarded, "reads forwarded");
  add(load.raft.messages, "messages");
  add(load.raft.persists, "persists");
  add(load.appends_in_flight, "appends in flight");
  add(load.raft.uncommitted_bytes, "bytes not committed");
  return text;
}

}  // namespace sim
