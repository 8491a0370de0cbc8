#include "tools/model_world.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "raft/check.h"
#include "raft/digest.h"
#include "raft/invariants.h"
#include "raft/quorum.h"
#include "raft/state_hash.h"

namespace tools {
namespace {

using raft::Index;
using raft::NodeId;
using raft::Term;
using raft::Time;
using Kind = ModelAction::Kind;

NodeId IdOf(size_t node) { return {static_cast<uint8_t>(node + 1), 1}; }
size_t NodeOf(NodeId id) { return id.slot - size_t{1}; }

void Apply(const raft::Persist& persist, raft::Restored* disk) {
  disk->term = persist.term;
  disk->vote = persist.vote;
  if (persist.truncate_from > Index(0)) {
    disk->log.resize(persist.truncate_from.value() - 1);
  }
  disk->log.insert(disk->log.end(), persist.entries.begin(),
                   persist.entries.end());
}

}  // namespace

ModelWorld::ModelWorld(const ModelBounds& bounds) : left_(bounds) {
  for (size_t node = 0; node < bounds.nodes; ++node) {
    hosts_.emplace_back();
    Replace(node, std::make_unique<Host>(ConfigOf(node, 1), raft::Restored{},
                                         Time(0)));
  }
  if (bounds.elected) Elect();
  left_ = bounds;
}

raft::Config ModelWorld::ConfigOf(size_t node, uint64_t boot) const {
  raft::Config config{.self = IdOf(node), .boot = boot};
  for (size_t i = 0; i < left_.nodes; ++i) config.voters.push_back(IdOf(i));
  return config;
}

// The first node leads and everybody knows its first entry to be committed, by
// the shortest way; nothing is under way. A bug can prevent that: then the
// search begins where this got.
void ModelWorld::Elect() {
  constexpr uint64_t kTimersMax = 10;
  left_ = {.nodes = left_.nodes,
           .elections = kTimersMax,
           .heartbeats = kTimersMax,
           .messages = 1'000};
  for (uint64_t timer = 0; timer < kTimersMax && broken_.empty(); ++timer) {
    Do({.kind = Kind::kTimeout});
    Settle();
    const auto knows = [](const auto& host) {
      return host->raft.commit() >= Index(1);
    };
    if (std::all_of(hosts_.begin(), hosts_.end(), knows)) return;
  }
}

// Everything that is under way arrives, or becomes durable.
void ModelWorld::Settle() {
  while (broken_.empty()) {
    const std::vector<ModelAction> actions = Actions();
    const auto due = std::find_if(actions.begin(), actions.end(),
                                  [](const ModelAction& action) {
                                    return action.kind == Kind::kDeliver ||
                                           action.kind == Kind::kPersistDone;
                                  });
    if (due == actions.end()) return;
    Do(*due);
  }
}

std::vector<ModelAction> ModelWorld::Actions() const {
  std::vector<ModelAction> actions;
  for (size_t i = 0; i < network_.size(); ++i) {
    if (i > 0 && network_[i].hash == network_[i - 1].hash) continue;
    const auto to = static_cast<uint8_t>(NodeOf(network_[i].to));
    actions.push_back({Kind::kDeliver, to, i});
    if (left_.duplicates > 0) actions.push_back({Kind::kDuplicate, to, i});
  }
  for (uint8_t node = 0; node < hosts_.size(); ++node) {
    const Host& host = *hosts_[node];
    if (!host.queue.empty()) actions.push_back({Kind::kPersistDone, node});
    const bool leads = host.raft.role() == raft::Role::kLeader;
    const uint64_t timers = leads ? left_.heartbeats : left_.elections;
    if (timers > 0 && host.raft.NextDeadline() != Time::Never()) {
      actions.push_back({Kind::kTimeout, node});
    }
    if (leads && left_.proposals > 0) actions.push_back({Kind::kPropose, node});
    if (left_.reads > 0) actions.push_back({Kind::kRead, node});
    for (size_t to = 0; leads && left_.transfers > 0 && to < hosts_.size();
         ++to) {
      if (to != node) actions.push_back({Kind::kTransfer, node, to});
    }
    for (size_t kept = 0; left_.crashes > 0 && kept <= host.queue.size();
         ++kept) {
      actions.push_back({Kind::kCrash, node, kept});
    }
  }
  return actions;
}

std::string ModelWorld::Do(const ModelAction& action) {
  broken_.clear();
  if (action.kind == Kind::kCrash) {
    --left_.crashes;
    Crash(action.node, action.which);
    return broken_;
  }
  auto host = std::make_unique<Host>(*hosts_[action.node]);
  switch (action.kind) {
    case Kind::kDeliver:
    case Kind::kDuplicate: {
      const Packet packet = network_[action.which];
      if (action.kind == Kind::kDuplicate) {
        --left_.duplicates;
      } else {
        network_.erase(network_.begin() + static_cast<ptrdiff_t>(action.which));
      }
      Turn(host.get(), raft::Receive{packet.from, *packet.message});
      break;
    }
    case Kind::kTimeout:
      --(host->raft.role() == raft::Role::kLeader ? left_.heartbeats
                                                  : left_.elections);
      host->now = std::max(host->now, host->raft.NextDeadline());
      Turn(host.get(), raft::Tick{host->now});
      break;
    case Kind::kPersistDone:
      FinishPersist(host.get());
      break;
    case Kind::kPropose:
      Turn(host.get(), raft::Propose{{raft::Bytes::Copy(
                           "p" + std::to_string(left_.proposals--))}});
      break;
    case Kind::kRead:
      --left_.reads;
      ++host->last_read;
      host->reads.push_back({host->last_read, committed_.size()});
      Turn(host.get(), raft::ReadIndex{host->last_read});
      break;
    case Kind::kTransfer:
      --left_.transfers;
      Turn(host.get(), raft::TransferLeadership{IdOf(action.which)});
      break;
    case Kind::kCrash:
      break;
  }
  CheckLogsMatch(*host);
  Replace(action.node, std::move(host));
  return broken_;
}

void ModelWorld::Turn(Host* host, const raft::Input& input) {
  Step(host, input);
  Step(host, raft::Flush{});
  while (!left_.slow_disks && !host->queue.empty()) FinishPersist(host);
}

void ModelWorld::FinishPersist(Host* host) {
  const raft::Persist persist = host->queue.front();
  host->queue.erase(host->queue.begin());
  Apply(persist, &host->disk);
  Step(host, raft::PersistDone{persist.token});
  Step(host, raft::Flush{});
}

void ModelWorld::Step(Host* host, const raft::Input& input) {
  const raft::RaftSummary before = raft::Summarize(host->raft);
  raft::Outputs outputs;
  host->raft.Step(input, &outputs);
  const raft::RaftSummary after = raft::Summarize(host->raft);
  if (after != before) {
    for (std::string& text : raft::Invariants::CheckAtRest(after)) {
      Break(std::move(text));
    }
    for (std::string& text :
         raft::Invariants::CheckTransition(before, host->raft)) {
      Break(std::move(text));
    }
    if (const auto* receive = std::get_if<raft::Receive>(&input)) {
      for (std::string& text :
           raft::Invariants::CheckReceive(before, *receive, after)) {
        Break(std::move(text));
      }
    }
    const bool led =
        before.role == raft::Role::kLeader && before.term == after.term;
    if (after.role == raft::Role::kLeader && !led) CheckLeader(*host);
  }
  Perform(host, &outputs);
}

void ModelWorld::Perform(Host* host, raft::Outputs* outputs) {
  for (raft::Output& output : *outputs) {
    if (auto* persist = std::get_if<raft::Persist>(&output)) {
      host->queue.push_back(std::move(*persist));
    } else if (auto* send = std::get_if<raft::Send>(&output)) {
      Add(host->raft.config().self, std::move(*send));
    } else if (const auto* committed = std::get_if<raft::Committed>(&output)) {
      CheckCommitted(host, committed->through);
    } else if (const auto* ready = std::get_if<raft::ReadReady>(&output)) {
      std::erase_if(host->reads, [&](const OpenRead& read) {
        if (read.id != ready->id) return false;
        if (ready->index.value() < read.committed) {
          Break("a read may miss what was committed before it was asked");
        }
        return true;
      });
    } else if (const auto* failed = std::get_if<raft::ReadFailed>(&output)) {
      std::erase_if(host->reads, [&](const OpenRead& read) {
        return read.id == failed->id;
      });
    } else if (std::holds_alternative<raft::Halt>(output)) {
      Break("a node halts, though no disk has lost anything");
    }
  }
}

void ModelWorld::Add(NodeId from, raft::Send send) {
  if (network_.size() >= left_.messages) return;
  const uint64_t hash =
      raft::Mix(raft::StateHash::Of(send.message, left_.reads > 0), from.slot,
                send.to.slot);
  Packet packet{from, send.to,
                std::make_shared<const raft::Message>(std::move(send.message)),
                hash};
  const auto place = std::upper_bound(
      network_.begin(), network_.end(), hash,
      [](uint64_t limit, const Packet& other) { return limit < other.hash; });
  network_.insert(place, std::move(packet));
}

void ModelWorld::Replace(size_t node, std::unique_ptr<Host> host) {
  raft::Digest digest;
  const bool reads = left_.reads > 0 || !host->reads.empty();
  digest.AddNumber(raft::StateHash::Of(host->raft, reads));
  digest.Add(host->disk.term);
  digest.Add(host->disk.vote);
  digest.Add(host->disk.log);
  digest.AddNumber(host->queue.size());
  for (raft::Persist persist : host->queue) {
    persist.token = raft::PersistToken(0);
    digest.Add(persist);
  }
  for (const OpenRead& read : host->reads) {
    digest.Add(read.id);
    digest.AddNumber(read.committed);
  }
  host->hash = digest.value();
  hosts_[node] = std::move(host);
}

void ModelWorld::Crash(size_t node, size_t kept) {
  const Host& dead = *hosts_[node];
  raft::Restored disk = dead.disk;
  for (size_t i = 0; i < kept; ++i) Apply(dead.queue[i], &disk);
  auto host = std::make_unique<Host>(
      ConfigOf(node, dead.raft.config().boot + 1), disk, dead.now);
  CheckLogsMatch(*host);
  Replace(node, std::move(host));
}

uint64_t ModelWorld::Hash() const {
  raft::Digest digest;
  for (const auto& host : hosts_) digest.AddNumber(host->hash);
  digest.AddNumber(network_.size());
  for (const Packet& packet : network_) digest.AddNumber(packet.hash);
  for (const uint64_t left :
       {left_.elections, left_.heartbeats, left_.crashes, left_.proposals,
        left_.reads, left_.duplicates, left_.transfers}) {
    digest.AddNumber(left);
  }
  // What was promised is part of the state: it decides what is forbidden.
  for (const Led& led : leaders_) {
    digest.Add(led.term);
    digest.Add(led.node);
  }
  digest.AddNumber(committed_.size());
  for (const Mark& mark : committed_) {
    digest.Add(mark.term);
    digest.AddNumber(mark.payload);
    digest.Add(mark.since);
  }
  return digest.value();
}

// ------------------------------------------------------------------- rules

void ModelWorld::Break(std::string text) {
  if (!broken_.empty()) broken_ += "; ";
  broken_ += std::move(text);
}

// Election safety, and leader completeness (thesis 3.2).
void ModelWorld::CheckLeader(const Host& host) {
  const NodeId self = host.raft.config().self;
  const auto led = std::find_if(
      leaders_.begin(), leaders_.end(),
      [&](const Led& other) { return other.term == host.raft.term(); });
  if (led != leaders_.end() && led->node != self) {
    Break("two leaders in term " + std::to_string(led->term.value()) + ": " +
          ToString(led->node) + " and " + ToString(self));
  }
  if (led == leaders_.end()) {
    const auto place = std::upper_bound(
        leaders_.begin(), leaders_.end(), host.raft.term(),
        [](Term term, const Led& other) { return term < other.term; });
    leaders_.insert(place, {host.raft.term(), self});
  }
  for (size_t i = 0; i < committed_.size(); ++i) {
    const Index index(i + 1);
    // A leader of an earlier term may still come to lead: it commits nothing.
    if (committed_[i].since >= host.raft.term()) continue;
    if (index > host.raft.last_index() ||
        host.raft.TermAt(index) != committed_[i].term) {
      Break(ToString(self) + " leads without the committed entry " +
            std::to_string(index.value()));
      return;
    }
  }
}

// State-machine safety; and that what is committed is durable at a majority.
void ModelWorld::CheckCommitted(Host* host, Index through) {
  for (; host->applied < through; ++host->applied) {
    const Index index = host->applied + 1;
    const raft::Entry& entry = host->raft.entry(index);
    const Mark mark{entry.term, raft::DigestOf(entry.payload),
                    host->raft.term()};
    const size_t known = committed_.size();
    if (index.value() <= known) {
      if (committed_[index.value() - 1].SameEntry(mark)) continue;
      return Break(ToString(host->raft.config().self) +
                   " commits another entry at " +
                   std::to_string(index.value()));
    }
    committed_.push_back(mark);
    if (DurableCopies(*host, index, mark) < raft::MajorityOf(hosts_.size())) {
      return Break("entry " + std::to_string(index.value()) +
                   " is committed, but not durable at a majority");
    }
  }
}

size_t ModelWorld::DurableCopies(const Host& changed, Index index,
                                 const Mark& mark) const {
  size_t copies = 0;
  for (const auto& shared : hosts_) {
    const bool is_changed =
        shared->raft.config().self == changed.raft.config().self;
    const raft::Restored& disk = is_changed ? changed.disk : shared->disk;
    if (disk.log.size() < index.value()) continue;
    const raft::Entry& copy = disk.log[index.value() - 1];
    copies += mark.SameEntry({copy.term, raft::DigestOf(copy.payload)});
  }
  return copies;
}

// Equal terms at one index: equal logs up to there.
void ModelWorld::CheckLogsMatch(const Host& host) {
  const raft::Raft& mine = host.raft;
  for (const auto& shared : hosts_) {
    const raft::Raft& other = shared->raft;
    if (other.config().self == mine.config().self) continue;
    Index i = std::min(mine.last_index(), other.last_index());
    while (i > Index(0) && mine.TermAt(i) != other.TermAt(i)) --i;
    for (; i > Index(0); --i) {
      if (mine.entry(i) == other.entry(i)) continue;
      return Break("logs of " + ToString(mine.config().self) + " and " +
                   ToString(other.config().self) + " differ at " +
                   std::to_string(i.value()) + " below equal terms");
    }
  }
}

// ------------------------------------------------------------------- words

std::string ModelWorld::Describe(const ModelAction& action) const {
  const std::string node = ToString(IdOf(action.node));
  switch (action.kind) {
    case Kind::kDeliver:
    case Kind::kDuplicate: {
      const Packet& packet = network_[action.which];
      return ToString(packet.from) + " to " + node + ": " +
             raft::Describe(*packet.message) +
             (action.kind == Kind::kDuplicate ? " (and once more)" : "");
    }
    case Kind::kTimeout:
      return node + ": a timer fires";
    case Kind::kPersistDone:
      return node +
             ": durable: " + raft::Describe(hosts_[action.node]->queue.front());
    case Kind::kCrash:
      return node + ": dies, " + std::to_string(action.which) + " of " +
             std::to_string(hosts_[action.node]->queue.size()) +
             " persists durable, and starts again";
    case Kind::kPropose:
      return node + ": a command";
    case Kind::kRead:
      return node + ": a read";
    case Kind::kTransfer:
      return node + ": hands over to " + ToString(IdOf(action.which));
  }
  return "";
}

std::string ModelWorld::Describe() const {
  std::string text;
  for (const auto& host : hosts_) {
    const raft::Raft& raft = host->raft;
    if (!text.empty()) text += "  ";
    text += ToString(raft.config().self) + " " +
            std::string(ToString(raft.role())) + " term " +
            std::to_string(raft.term().value()) + " commit " +
            std::to_string(raft.commit().value()) + " last " +
            std::to_string(raft.last_index().value()) + "." +
            std::to_string(raft.TermAt(raft.last_index()).value()) +
            " stable " + std::to_string(raft.stable_index().value());
  }
  return text;
}

}  // namespace tools
