// A small hostile world around bare Raft nodes: messages are lost, doubled and
// reordered, disks are slow, nodes crash and lose what was not durable, clocks
// run at different speeds. After every step the rules of the Raft paper are
// checked; afterwards the world turns kind and everything must come to rest.
//
// Every draw is Mix(seed, draw number): a seed repeats exactly. The simulator
// (sim/) does the same and more to the whole node; this one stays beside the
// core so that a broken rule is found in a second, by a hundred lines.
#ifndef RAFT_TORTURE_WORLD_H_
#define RAFT_TORTURE_WORLD_H_

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "raft/digest.h"
#include "raft/invariants.h"
#include "raft/raft.h"
#include "raft/raft_io.h"

namespace raft {
constexpr NodeId TortureNode(size_t i) {
  return NodeId{static_cast<uint8_t>(i + 1), 1};
}
inline size_t IndexOf(NodeId id) { return id.slot - size_t{1}; }

// What a snapshot is made of here: an offer, so many chunks, the end.
constexpr uint64_t kChunks = 2;
constexpr SnapshotPlace PlaceOf(uint64_t piece) {
  return {.offset = 100 * (piece + 1), .sequence = piece, .checksum = 7};
}

class TortureWorld {
 public:
  TortureWorld(uint64_t seed, size_t size, bool snapshots = false)
      : seed_(seed), snapshots_(snapshots) {
    for (size_t i = 0; i < size; ++i) voters_.push_back(TortureNode(i));
    nodes_.resize(size);
    for (size_t i = 0; i < size; ++i) Boot(i);
  }

  void Torment(int steps) {
    for (int i = 0; i < steps && problem_.empty(); ++i) OneFault();
  }

  // No more faults: time passes evenly and everything arrives. True if a
  // leader emerges whose new command is applied everywhere, and no read is
  // left without an answer.
  bool Recover() {
    blocked_.clear();
    for (Host& host : nodes_) {
      if (!host.raft.has_value()) Boot(IndexOf(host.self));
    }
    const size_t goal = committed_.size() + 2;
    for (int round = 0; round < 2000 && problem_.empty(); ++round) {
      for (size_t i = 0; i < nodes_.size(); ++i) {
        Advance(i, Millis(5));
        while (!nodes_[i].queue.empty()) FinishPersist(i);
        while (!nodes_[i].bulk.empty()) FinishBulk(i);
        if (nodes_[i].raft->role() == Role::kLeader && round % 20 == 0) {
          ProposeAt(i);
        }
        Step(i, Flush{});
      }
      std::deque<Packet> network;
      network.swap(network_);
      for (Packet& packet : network) Arrive(std::move(packet));
      if (AtRest(goal)) return true;
    }
    return false;
  }

  const std::string& problem() const { return problem_; }
  uint64_t digest() const { return digest_.value(); }
  size_t committed() const { return committed_.size(); }
  const std::map<ProbeId, int>& probes() const { return probes_; }
  int reads_answered() const { return reads_answered_; }
  int transfers() const { return transfers_; }
  int snapshots_taken() const { return snapshots_taken_; }
  int snapshots_installed() const { return snapshots_installed_; }

 private:
  struct Packet {
    NodeId from;
    NodeId to;
    Message message;
  };
  // One node, its disk and its clock. `raft` is gone while it is down.
  struct Host {
    NodeId self;
    std::optional<Raft> raft;
    Time now;
    uint64_t boot = 0;
    ReadId last_read;
    Restored disk;              // durable
    std::deque<Persist> queue;  // handed to the disk, may be lost
    std::deque<Input> bulk;     // what the other lane has done, not yet told
    // Of a snapshot that comes in: which, and the piece that is due.
    SnapshotName receiving;
    SnapshotPlace due;
    Index applied;
    std::map<ReadId, size_t> reads;  // open; what was committed when asked
    // Of disk.snapshot.
    uint64_t state = 0;
    NodeId origin;
  };

  uint64_t Draw(uint64_t below) { return Mix(seed_, ++draws_) % below; }
  bool Chance(uint64_t percent) { return Draw(100) < percent; }

  void Fail(const std::string& text) {
    if (problem_.empty()) {
      problem_ = "seed " + std::to_string(seed_) + ": " + text;
    }
  }

  void Boot(size_t i) {
    Host& host = nodes_[i];
    host.self = TortureNode(i);
    ++host.boot;
    // As recovery does: a snapshot that the log does not hold takes its place.
    Restored& disk = host.disk;
    const EntryId snapshot = disk.snapshot;
    if (TermOn(disk, snapshot.index) != snapshot.term) {
      disk.log.clear();
      disk.base = snapshot;
    }
    host.applied = snapshot.index;
    host.last_read = ReadId(0);
    Config config{.self = host.self, .voters = voters_};
    config.seed = seed_;
    config.boot = host.boot;
    host.raft.emplace(config, host.disk, host.now);
  }

  void Crash(size_t i) {
    Host& host = nodes_[i];
    // The disk may have got further than the node was told.
    const uint64_t finished = Draw(host.queue.size() + 1);
    for (uint64_t n = 0; n < finished; ++n) WriteNext(&host);
    host.queue.clear();
    host.bulk.clear();
    if (Chance(50)) host.due = {};
    host.raft.reset();
    host.reads.clear();
  }

  // Of the entry there; Term(0) if there is none, or none any more.
  static Term TermOn(const Restored& disk, Index index) {
    if (index == disk.base.index) return disk.base.term;
    const size_t at = index - disk.base.index - 1;
    if (index < disk.base.index || at >= disk.log.size()) return Term(0);
    return disk.log[at].term;
  }

  static void WriteNext(Host* host) {
    const Persist& persist = host->queue.front();
    host->disk.term = persist.term;
    host->disk.vote = persist.vote;
    std::vector<Entry>& log = host->disk.log;
    Index& base = host->disk.base.index;
    if (persist.base != EntryId()) {
      // The snapshot is durable before its log is.
      ASSERT_GE(host->disk.snapshot.index, persist.base.index);
      host->disk.base = persist.base;
      log.clear();
    }
    if (persist.truncate_from != Index(0)) {
      ASSERT_GT(persist.truncate_from, base);
      ASSERT_LE(persist.truncate_from - base, log.size());
      log.resize(persist.truncate_from - base - 1);
    }
    for (const Entry& entry : persist.entries) {
      ASSERT_EQ(entry.index, base + log.size() + 1);
      log.push_back(entry);
    }
    host->queue.pop_front();
  }

  void FinishPersist(size_t i) {
    Host& host = nodes_[i];
    if (host.queue.empty()) return;
    const PersistToken token = host.queue.front().token;
    WriteNext(&host);
    Step(i, PersistDone{token});
  }

  // ---- snapshots: taken at once, read and stored by a slow second lane

  void FinishBulk(size_t i) {
    Host& host = nodes_[i];
    if (host.bulk.empty() || !host.raft.has_value()) return;
    const Input done = std::move(host.bulk.front());
    host.bulk.pop_front();
    Step(i, done);
  }

  // Of the state, which is what was committed up to there.
  uint64_t StateAt(Index index) const {
    Digest digest;
    for (size_t at = 0; at < index.value(); ++at) {
      digest.AddNumber(committed_[at]);
    }
    return digest.value();
  }

  void TakeSnapshot(size_t i) {
    Host& host = nodes_[i];
    const Index index = host.applied;
    if (index <= host.disk.snapshot.index || !host.queue.empty()) return;
    const EntryId snapshot{index, host.raft->TermAt(index)};
    const uint64_t kept = Draw(2);
    // What is applied need not be on this node's own disk yet.
    const Index durable = host.disk.base.index + host.disk.log.size();
    const Index forget(std::min(durable.value(),
                                index.value() - std::min(index.value(), kept)));
    ++snapshots_taken_;
    host.disk.snapshot = snapshot;
    host.state = StateAt(index);
    host.origin = host.self;
    if (forget > host.disk.base.index) {
      const EntryId base{forget, TermOn(host.disk, forget)};
      std::vector<Entry>& log = host.disk.log;
      log.erase(log.begin(), log.begin() + static_cast<ptrdiff_t>(
                                               forget - host.disk.base.index));
      host.disk.base = base;
    }
    Step(i, SnapshotTaken{snapshot, forget});
  }

  void Perform(Host* host, ReadSnapshot& read) {
    if (Draw(100) < 5) {
      host->bulk.push_back(SnapshotRead{.to = read.to, .failed = true});
      return;
    }
    SnapshotRequest piece{.snapshot = {.last = host->disk.snapshot,
                                       .digest_low = host->state,
                                       .origin = host->origin}};
    if (read.snapshot == piece.snapshot.last) {
      piece.at = read.at;
      piece.end = read.at == PlaceOf(kChunks);
    }
    host->bulk.push_back(SnapshotRead{.to = read.to, .piece = piece});
  }

  void Perform(Host* host, StoreSnapshot& store) {
    const SnapshotRequest& piece = store.piece;
    if (piece.snapshot != host->receiving) {
      host->receiving = piece.snapshot;
      host->due = {};
    }
    if (host->due == SnapshotPlace()) host->due = PlaceOf(0);
    const EntryId last = piece.snapshot.last;
    if (piece.at != host->due) {  // the offer, or not the next one
      host->bulk.push_back(
          SnapshotStored{store.from, last, piece.at, host->due});
      return;
    }
    if (!piece.end) {
      host->due = PlaceOf(host->due.sequence + 1);
      host->bulk.push_back(
          SnapshotStored{store.from, last, piece.at, host->due});
      return;
    }
    if (piece.snapshot.digest_low != StateAt(last.index)) {
      Fail("a snapshot is not what was committed");
    }
    host->due = {};
    if (last.index > host->disk.snapshot.index) {
      host->disk.snapshot = last;
      host->state = piece.snapshot.digest_low;
      host->origin = piece.snapshot.origin;
    }
    host->bulk.push_back(SnapshotReceived{store.from, last, piece.at});
  }

  void Perform(Host* host, SnapshotInstalled& installed) {
    if (installed.snapshot.index <= host->applied) {
      Fail("a snapshot took something back");
    }
    host->applied = installed.snapshot.index;
    ++snapshots_installed_;
  }

  void Advance(size_t i, Duration d) {
    nodes_[i].now = nodes_[i].now + d;
    Step(i, Tick{nodes_[i].now});
  }

  void ProposeAt(size_t i) {
    Propose propose;
    const uint64_t count = 1 + Draw(3);
    for (uint64_t n = 0; n < count; ++n) {
      propose.payloads.push_back(Bytes("c" + std::to_string(++commands_)));
    }
    Step(i, propose);
  }

  void ReadAt(size_t i) {
    Host& host = nodes_[i];
    ++host.last_read;
    host.reads[host.last_read] = committed_.size();
    Step(i, ReadIndex{host.last_read});
  }

  void Arrive(Packet packet) {
    Step(IndexOf(packet.to), Receive{packet.from, std::move(packet.message)});
  }

  void OneFault() {
    const size_t i = Draw(nodes_.size());
    if (!nodes_[i].raft.has_value()) {
      if (Chance(10)) Boot(i);
      return;
    }
    const uint64_t dice = Draw(1000);
    if (dice < 450) {
      DeliverSome();
    } else if (dice < 600) {
      FinishPersist(i);
    } else if (dice < 720) {
      Advance(i, Micros(static_cast<int64_t>(Draw(30'000))));
    } else if (dice < 860) {
      ProposeAt(i);
    } else if (dice < 930) {
      ReadAt(i);
    } else if (dice < 936) {
      Advance(i, Millis(static_cast<int64_t>(200 + Draw(500))));  // a pause
    } else if (dice < 942) {
      Step(i, PeerClosed{TortureNode(Draw(nodes_.size()))});
    } else if (dice < 946) {
      Crash(i);
      return;
    } else if (dice < 952) {
      CutOff(i);
    } else if (dice < 957) {
      blocked_.clear();
    } else if (dice < 967) {
      Step(i, TransferLeadership{
                  Chance(30) ? kNobody : TortureNode(Draw(nodes_.size()))});
    } else if (snapshots_) {
      TakeSnapshot(i);
    }
    if (snapshots_ && Chance(30)) FinishBulk(i);
    // Sometimes the turn goes on.
    if (nodes_[i].raft.has_value() && Chance(70)) Step(i, Flush{});
  }

  // From everybody, or from some, in one direction or both. The others may
  // notice: then they elect while a cut leader still believes that it leads.
  void CutOff(size_t i) {
    const bool all = Chance(60);
    const bool in = Chance(80);
    const bool out = !in || Chance(60);
    for (NodeId other : voters_) {
      if (!all && Chance(50)) continue;
      if (in) blocked_.insert({other, TortureNode(i)});
      if (out) blocked_.insert({TortureNode(i), other});
    }
    if (!in || !out || Chance(50)) return;
    for (NodeId other : voters_) {
      if (other != TortureNode(i))
        Step(IndexOf(other), PeerClosed{TortureNode(i)});
    }
  }

  void DeliverSome() {
    if (network_.empty()) return;
    // Mostly in order; now and then any of them.
    const size_t at = Chance(80) ? 0 : Draw(network_.size());
    Packet packet = network_[at];
    if (!Chance(5)) {  // else it will come again
      network_.erase(network_.begin() + static_cast<ptrdiff_t>(at));
    }
    if (Chance(3) || blocked_.contains({packet.from, packet.to})) return;
    const size_t to = IndexOf(packet.to);
    if (!nodes_[to].raft.has_value()) return;
    Arrive(std::move(packet));
    if (Chance(60)) Step(to, Flush{});
  }

  void Step(size_t i, const Input& input) {
    Host& host = nodes_[i];
    if (!problem_.empty() || !host.raft.has_value()) return;
    const RaftSummary before = Summarize(*host.raft);
    Outputs outputs;
    host.raft->Step(input, &outputs);
    if (StillIs(before, *host.raft) != (before == Summarize(*host.raft))) {
      Fail("StillIs() is wrong after " + Describe(input));
    }
    digest_.Add(host.self);
    digest_.Add(input);
    digest_.Add(outputs);
    for (const std::string& text : Invariants::CheckAtRest(*host.raft)) {
      Fail(text + " after " + Describe(input));
    }
    for (const std::string& text :
         Invariants::CheckTransition(before, *host.raft)) {
      Fail(text + " across " + Describe(input));
    }
    for (Output& output : outputs) {
      std::visit([&](auto& alternative) { Perform(&host, alternative); },
                 output);
    }
    if (host.raft->role() == Role::kLeader) CheckLeader(host);
  }

  void Perform(Host* host, Persist& persist) {
    host->queue.push_back(std::move(persist));
  }
  void Perform(Host* host, Send& send) {
    CheckPromise(*host, send.message);
    network_.push_back({host->self, send.to, std::move(send.message)});
  }
  void Perform(Host*, Proposed&) {}
  void Perform(Host*, ProposalRefused&) {}
  void Perform(Host*, RoleChanged&) {}
  void Perform(Host*, TransferBegun&) { ++transfers_; }
  void Perform(Host*, TransferRefused&) {}
  void Perform(Host* host, Committed& committed) {
    for (Index i = host->applied + 1; i <= committed.through; ++i) {
      Apply(*host, host->raft->entry(i));
    }
    host->applied = committed.through;
  }
  void Perform(Host* host, ReadReady& ready) {
    const auto read = host->reads.find(ready.id);
    if (read == host->reads.end()) return Fail("a read was answered twice");
    if (ready.index < Index(read->second)) {
      Fail("stale read at " + ToString(host->self) + ": index " +
           Describe(ready.index) +
           ", committed before it was asked: " + std::to_string(read->second));
    }
    host->reads.erase(read);
    ++reads_answered_;
  }
  void Perform(Host* host, ReadFailed& failed) {
    if (host->reads.erase(failed.id) == 0) Fail("a read failed twice");
  }
  void Perform(Host*, Probe& probe) { ++probes_[probe.id]; }
  void Perform(Host* host, Halt& halt) {
    Fail(ToString(host->self) +
         " lost what it had acknowledged: " + Describe(halt));
  }

  // What a message promises must be on the sender's disk when it leaves
  // (architecture decision 2).
  void CheckPromise(const Host& host, const Message& message) {
    if (const auto* vote = std::get_if<VoteReply>(&message)) {
      if (vote->pre_vote) return;
      if (host.disk.term < vote->term) Fail("a vote left before its term");
    } else if (const auto* ack = std::get_if<AppendReply>(&message)) {
      // A later leader of a later term may have shortened the log since.
      if (ack->accepted && host.disk.term <= ack->term &&
          host.disk.base.index + host.disk.log.size() < ack->match) {
        Fail("an acknowledgement left before its entries");
      }
    } else if (TermOf(message) > host.disk.term) {
      const auto* ask = std::get_if<VoteRequest>(&message);
      if (ask == nullptr || !ask->pre_vote) {
        Fail("a message left before its term: " + Describe(message));
      }
    }
  }

  // State-machine safety; and a committed entry is on a majority of disks.
  void Apply(const Host& host, const Entry& entry) {
    const uint64_t digest = DigestOf(entry);
    const size_t at = entry.index.value() - 1;
    if (at < committed_.size()) {
      if (committed_[at] != digest) {
        Fail("two commands at index " + Describe(entry.index) + ", one at " +
             ToString(host.self));
      }
      return;
    }
    if (at != committed_.size()) return Fail("applied with a gap");
    committed_.push_back(digest);
    size_t copies = 0;
    for (const Host& other : nodes_) {
      const std::vector<Entry>& log = other.disk.log;
      const uint64_t base = other.disk.base.index.value();
      copies +=
          at < base || (at - base < log.size() && log[at - base] == entry);
    }
    if (copies < MajorityOf(nodes_.size())) {
      Fail("committed on " + std::to_string(copies) +
           " disks only: " + Describe(entry));
    }
  }

  // Election safety; leader completeness when a leadership begins.
  void CheckLeader(const Host& host) {
    const auto [leader, news] = leaders_.emplace(host.raft->term(), host.self);
    if (leader->second != host.self) {
      Fail("two leaders of term " + Describe(host.raft->term()));
    }
    if (!news) return;
    for (size_t at = host.raft->base().index.value(); at < committed_.size();
         ++at) {
      if (at >= host.raft->last_index().value() ||
          DigestOf(host.raft->entry(Index(at + 1))) != committed_[at]) {
        return Fail("leader " + ToString(host.self) + " of term " +
                    Describe(host.raft->term()) + " lacks committed index " +
                    std::to_string(at + 1));
      }
    }
    CheckLogMatching();
  }

  void CheckLogMatching() {
    for (const Host& a : nodes_) {
      for (const Host& b : nodes_) {
        if (!a.raft.has_value() || !b.raft.has_value()) continue;
        Index i = std::min(a.raft->last_index(), b.raft->last_index());
        const Index base = std::max(a.raft->base().index, b.raft->base().index);
        while (i > base && a.raft->TermAt(i) != b.raft->TermAt(i)) --i;
        for (; i > base; --i) {
          if (a.raft->entry(i) == b.raft->entry(i)) continue;
          return Fail("logs of " + ToString(a.self) + " and " +
                      ToString(b.self) + " differ below a common entry, at " +
                      Describe(i));
        }
      }
    }
  }

  bool AtRest(size_t goal) {
    CheckLogMatching();
    if (committed_.size() < goal) return false;
    return std::all_of(nodes_.begin(), nodes_.end(), [&](const Host& host) {
      return host.applied.value() >= goal && host.reads.empty();
    });
  }

  uint64_t seed_;
  bool snapshots_;
  int snapshots_taken_ = 0;
  int snapshots_installed_ = 0;
  uint64_t draws_ = 0;
  uint64_t commands_ = 0;
  int reads_answered_ = 0;
  int transfers_ = 0;  // begun
  std::vector<NodeId> voters_;
  std::vector<Host> nodes_;
  std::deque<Packet> network_;
  std::set<std::pair<NodeId, NodeId>> blocked_;  // directed links
  std::vector<uint64_t> committed_;
  std::map<Term, NodeId> leaders_;
  std::map<ProbeId, int> probes_;
  Digest digest_;
  std::string problem_;
};

}  // namespace raft

#endif  // RAFT_TORTURE_WORLD_H_
