// Plays the scenarios of testdata/raft on a network of Raft nodes in memory.
//
// Every node has a disk that finishes a Persist when told to, and a clock of
// its own. Links keep messages in order until told otherwise. Each verb ends
// the turn of the node it touches (Flush), except between `begin` and `flush`.
//
// Update the goldens: bazel run //raft:raft_test -- --rewrite
#include <algorithm>
#include <cstdint>
#include <deque>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "raft/datadriven.h"
#include "raft/digest.h"
#include "raft/golden_text.h"
#include "raft/invariants.h"
#include "raft/raft.h"
#include "raft/raft_io.h"

namespace raft {
namespace {

bool rewrite_goldens = false;

using Words = std::vector<std::string>;

class Cluster {
 public:
  std::string Run(const Words& words) {
    out_.clear();
    for (const Verb& verb : kVerbs) {
      if (words[0] != verb.name) continue;
      (this->*verb.run)(words);
      return std::move(out_);
    }
    out_ = "no such verb: " + words[0] + "; examples of all:\n";
    for (const Verb& verb : kVerbs) {
      out_ += std::string("  ") + verb.example + "\n";
    }
    return std::move(out_);
  }

 private:
  struct Host {
    NodeId self;
    std::optional<Raft> raft;
    Time now = Time(0);
    uint64_t boot = 0;
    ReadId last_read;
    Restored disk;
    std::deque<Persist> queue;
    bool turn_open = false;
    bool unreadable = false;  // its snapshot
    SnapshotName receiving;   // a snapshot that comes in
    SnapshotPlace due;        // and its next piece
  };
  struct Verb {
    std::string_view name;
    const char* example;
    void (Cluster::*run)(const Words& words);
  };

  // Three fresh nodes.
  void Voters(const Words& words) {
    voters_.clear();
    hosts_.clear();
    links_.clear();
    for (size_t i = 1; i < words.size(); ++i) {
      voters_.push_back(ParseNode(words[i]));
    }
    for (NodeId id : voters_) Boot(id);
  }

  // A node outside of the voters.
  void Outsider(const Words& words) { Boot(ParseNode(words[1])); }

  // Restarts a node with another disk: a term, a vote ("-": none), and the
  // terms of the log's entries.
  void Install(const Words& words) {
    Host& host = At(words[1]);
    host.queue.clear();
    host.disk = Restored{};
    host.disk.term = Term(std::stoull(words[2].substr(1)));
    if (words[3] != "-") host.disk.vote = ParseNode(words[3]);
    for (size_t i = 4; i < words.size(); ++i) {
      host.disk.log.push_back(Entry{.index = Index(i - 3),
                                    .term = Term(std::stoull(words[i])),
                                    .payload = Bytes("x")});
    }
    Boot(host.self);
  }

  void TickBy(const Words& words) {
    Host& host = At(words[1]);
    Advance(&host, Millis(std::stoll(words[2])));
  }

  // Tick to the node's own next deadline; `timeout n1 3`: three times.
  void Timeout(const Words& words) {
    Host& host = At(words[1]);
    for (int n = Count(words, 2, 1); n > 0; --n) {
      const Time deadline = host.raft->NextDeadline();
      if (deadline == Time::Never()) {
        out_ += "waits for nothing\n";
        return;
      }
      Advance(&host, deadline - host.now);
    }
  }

  // The usual beginning: this node times out and wins, everybody answers.
  void Elect(const Words& words) {
    Host& host = At(words[1]);
    Advance(&host, host.raft->NextDeadline() - host.now);
    Settle({"settle"});
    out_ = ToString(host.self) + " is " +
           std::string(ToString(host.raft->role())) + " of term " +
           Describe(host.raft->term()) + "\n";
  }

  void Begin(const Words& words) { At(words[1]).turn_open = true; }

  void EndTurn(const Words& words) {
    Host& host = At(words[1]);
    host.turn_open = false;
    Step(&host, Flush{});
  }

  // The oldest Persist finishes; `persist n1 all`: all of them.
  void FinishPersist(const Words& words) {
    Host& host = At(words[1]);
    size_t n = Count(words, 2, 1);
    if (host.queue.empty()) out_ += "nothing to persist\n";
    for (; n > 0 && !host.queue.empty(); --n) WriteNext(&host);
  }

  // `deliver n1 n2`: everything on the way; `deliver n1 n2 1`: the oldest.
  void Deliver(const Words& words) {
    auto& link = links_[{ParseNode(words[1]), ParseNode(words[2])}];
    Host& to = At(words[2]);
    size_t n = std::min(Count(words, 3, link.size()), link.size());
    if (n == 0) out_ += "nothing on the way\n";
    for (; n > 0; --n) {
      const Message message = std::move(link.front());
      link.pop_front();
      Arrive(ParseNode(words[1]), &to, message);
    }
  }

  // The newest one overtakes the others.
  void Overtake(const Words& words) {
    auto& link = links_[{ParseNode(words[1]), ParseNode(words[2])}];
    if (link.empty()) return void(out_ += "nothing on the way\n");
    const Message message = link.back();
    link.pop_back();
    Arrive(ParseNode(words[1]), &At(words[2]), message);
  }

  // The oldest arrives and will arrive again.
  void Duplicate(const Words& words) {
    auto& link = links_[{ParseNode(words[1]), ParseNode(words[2])}];
    if (link.empty()) return void(out_ += "nothing on the way\n");
    const Message message = link.front();
    Arrive(ParseNode(words[1]), &At(words[2]), message);
  }

  void Drop(const Words& words) {
    auto& link = links_[{ParseNode(words[1]), ParseNode(words[2])}];
    const size_t n = std::min(Count(words, 3, link.size()), link.size());
    link.erase(link.begin(), link.begin() + static_cast<ptrdiff_t>(n));
    out_ += "dropped " + std::to_string(n) + "\n";
  }

  // Everything that is on the way to or from a node is lost.
  void Isolate(const Words& words) {
    size_t n = 0;
    for (auto& [ends, link] : links_) {
      if (ends.first != ParseNode(words[1]) &&
          ends.second != ParseNode(words[1])) {
        continue;
      }
      n += link.size();
      link.clear();
    }
    out_ += "dropped " + std::to_string(n) + "\n";
  }

  void ProposeTo(const Words& words) {
    Propose propose;
    for (size_t i = 2; i < words.size(); ++i) {
      propose.payloads.push_back(Bytes(words[i]));
    }
    StepAndFlush(&At(words[1]), propose);
  }

  // One command a turn, so many turns; every Persist finishes at once.
  void Flood(const Words& words) {
    Host& host = At(words[1]);
    quiet_ = true;
    for (size_t n = Count(words, 2, 1); n > 0; --n) {
      StepAndFlush(&host, Propose{{Bytes("f")}});
      while (!host.queue.empty()) WriteNext(&host);
    }
    quiet_ = false;
  }

  void Read(const Words& words) {
    Host& host = At(words[1]);
    ++host.last_read;
    StepAndFlush(&host, ReadIndex{host.last_read});
  }

  // `transfer n1 n2`: the first node hands over to the second; `transfer n1`:
  // to whom it likes.
  void Transfer(const Words& words) {
    TransferLeadership transfer;
    if (words.size() > 2) transfer.to = ParseNode(words[2]);
    StepAndFlush(&At(words[1]), transfer);
  }

  // The state up to an index is durable as a snapshot, and the log is forgotten
  // up to another: `snapshot n1 5 3`.
  void TakeSnapshot(const Words& words) {
    Host& host = At(words[1]);
    const Index last(std::stoull(words[2]));
    const Index forget(std::stoull(words[3]));
    host.disk.snapshot = {last, host.raft->TermAt(last)};
    const EntryId base{forget, host.raft->TermAt(forget)};
    std::vector<Entry>& log = host.disk.log;
    log.erase(log.begin(), log.begin() + static_cast<ptrdiff_t>(
                                             forget - host.disk.base.index));
    host.disk.base = base;
    StepAndFlush(&host, SnapshotTaken{host.disk.snapshot, forget});
  }

  // Reads of its snapshot fail from now on, or succeed again.
  void Unreadable(const Words& words) {
    At(words[1]).unreadable = words[2] == "yes";
  }

  // A crash has taken what a node had received of a snapshot.
  void LoseReceived(const Words& words) { At(words[1]).due = {}; }

  // The first node sees its connection with the second one close.
  void CloseConnection(const Words& words) {
    StepAndFlush(&At(words[1]), PeerClosed{ParseNode(words[2])});
  }

  // What was not durable is lost. What is on the way still arrives.
  void Restart(const Words& words) {
    Host& host = At(words[1]);
    host.queue.clear();
    Boot(host.self);
  }

  // Delivers and persists until nothing is left to do, but time stands still.
  // `settle n1 n2`: among these nodes only. Prints decisions, not messages.
  void Settle(const Words& words) {
    std::vector<NodeId> among = voters_;
    if (words.size() > 1) among.clear();
    for (size_t i = 1; i < words.size(); ++i) {
      among.push_back(ParseNode(words[i]));
    }
    quiet_ = true;
    while (SettleOnce(among)) {
    }
    quiet_ = false;
  }

  bool SettleOnce(const std::vector<NodeId>& among) {
    bool progress = false;
    for (NodeId id : among) {
      Host& host = hosts_.at(id);
      for (; !host.queue.empty(); progress = true) WriteNext(&host);
    }
    for (NodeId from : among) {
      for (NodeId to : among) {
        auto& link = links_[{from, to}];
        for (; !link.empty(); progress = true) {
          const Message message = std::move(link.front());
          link.pop_front();
          Arrive(from, &hosts_.at(to), message);
        }
      }
    }
    return progress;
  }

  void State(const Words&) {
    for (auto& [id, host] : hosts_) {
      const Raft& raft = *host.raft;
      out_ +=
          ToString(id) + " " + std::string(ToString(raft.role())) +
          " term=" + Describe(raft.term()) + " vote=" + ToString(raft.vote()) +
          " leader=" + ToString(raft.leader()) +
          " commit=" + Describe(raft.commit()) +
          " stable=" + Describe(raft.stable_index()) +
          " last=" + Describe(raft.last_index()) +
          (raft.base() == EntryId() ? "" : " base=" + Show(raft.base())) + "\n";
      if (raft.role() != Role::kLeader) continue;
      for (const Peer& peer : raft.peers()) {
        const Progress& progress = peer.progress;
        out_ += "   " + ToString(peer.id) + " " + NameOf(progress.state()) +
                " match=" + Describe(progress.match()) +
                " next=" + Describe(progress.next()) +
                (progress.window_full() ? " window full" : "") + "\n";
      }
    }
  }

  static std::string NameOf(Progress::State state) {
    switch (state) {
      case Progress::State::kProbe:
        return "probe";
      case Progress::State::kReplicate:
        return "replicate";
      case Progress::State::kSnapshot:
        return "snapshot";
    }
    return "?";
  }

  void Logs(const Words&) {
    for (auto& [id, host] : hosts_) {
      std::vector<Entry> log;
      for (Index i = host.raft->base().index + 1; i <= host.raft->last_index();
           ++i) {
        log.push_back(host.raft->entry(i));
      }
      std::string text;
      for (const Entry& entry : log) text += " " + Show(entry);
      out_ += ToString(id) + text + "\n";
    }
  }

  // An example beside each verb.
  static constexpr Verb kVerbs[] = {
      {"cluster", "cluster n1 n2 n3", &Cluster::Voters},
      {"outsider", "outsider n4", &Cluster::Outsider},
      {"install", "install n2 t5 n1 1 1 4", &Cluster::Install},
      {"tick", "tick n1 300 (milliseconds)", &Cluster::TickBy},
      {"timeout", "timeout n1", &Cluster::Timeout},
      {"elect", "elect n1", &Cluster::Elect},
      {"begin", "begin n1 (a turn of many inputs)", &Cluster::Begin},
      {"flush", "flush n1", &Cluster::EndTurn},
      {"persist", "persist n1 all", &Cluster::FinishPersist},
      {"deliver", "deliver n1 n2 1", &Cluster::Deliver},
      {"overtake", "overtake n1 n2", &Cluster::Overtake},
      {"duplicate", "duplicate n1 n2", &Cluster::Duplicate},
      {"drop", "drop n1 n2 1", &Cluster::Drop},
      {"isolate", "isolate n1", &Cluster::Isolate},
      {"propose", "propose n1 a b", &Cluster::ProposeTo},
      {"flood", "flood n1 70", &Cluster::Flood},
      {"read", "read n2", &Cluster::Read},
      {"transfer", "transfer n1 n2", &Cluster::Transfer},
      {"snapshot", "snapshot n1 5 3 (covers 5, forgets 3)",
       &Cluster::TakeSnapshot},
      {"unreadable", "unreadable n1 yes", &Cluster::Unreadable},
      {"lose", "lose n2 (what it had received)", &Cluster::LoseReceived},
      {"close", "close n1 n2", &Cluster::CloseConnection},
      {"restart", "restart n3", &Cluster::Restart},
      {"settle", "settle n1 n2", &Cluster::Settle},
      {"state", "state", &Cluster::State},
      {"logs", "logs", &Cluster::Logs},
  };

  static size_t Count(const Words& words, size_t at, size_t otherwise) {
    if (words.size() <= at) return otherwise;
    return words[at] == "all" ? SIZE_MAX : std::stoull(words[at]);
  }

  Host& At(const std::string& word) {
    const auto host = hosts_.find(ParseNode(word));
    if (host != hosts_.end()) return host->second;
    ADD_FAILURE() << "no node " << word;
    return hosts_.begin()->second;
  }

  void Boot(NodeId id) {
    Host& host = hosts_[id];
    host.self = id;
    host.turn_open = false;
    host.last_read = ReadId(0);
    Config config{.self = id, .voters = voters_};
    config.boot = ++host.boot;
    // As recovery does: a snapshot that the log does not hold takes its place.
    Restored& disk = host.disk;
    const uint64_t held = disk.snapshot.index - disk.base.index;
    const bool there =
        held == 0 || (held <= disk.log.size() &&
                      disk.log[held - 1].term == disk.snapshot.term);
    if (!there) {
      disk.log.clear();
      disk.base = disk.snapshot;
    }
    host.raft.emplace(config, host.disk, host.now);
  }

  void Advance(Host* host, Duration d) {
    host->now = host->now + d;
    StepAndFlush(host, Tick{host->now});
  }

  void WriteNext(Host* host) {
    Persist persist = std::move(host->queue.front());
    host->queue.pop_front();
    host->disk.term = persist.term;
    host->disk.vote = persist.vote;
    if (persist.base != EntryId()) {
      host->disk.base = persist.base;
      host->disk.log.clear();
    }
    if (persist.truncate_from != Index(0)) {
      host->disk.log.resize(persist.truncate_from - host->disk.base.index - 1);
    }
    std::move(persist.entries.begin(), persist.entries.end(),
              std::back_inserter(host->disk.log));
    StepAndFlush(host, PersistDone{persist.token});
  }

  void Arrive(NodeId from, Host* to, const Message& message) {
    if (!quiet_) {
      out_ += ToString(to->self) + " <- " + ToString(from) + " " +
              Show(message) + "\n";
    }
    StepAndFlush(to, Receive{from, message});
  }

  void StepAndFlush(Host* host, const Input& input) {
    Step(host, input);
    if (!host->turn_open) Step(host, Flush{});
  }

  void Step(Host* host, const Input& input) {
    const RaftSummary before = Summarize(*host->raft);
    Outputs outputs;
    host->raft->Step(input, &outputs);
    for (const auto& violations :
         {Invariants::CheckAtRest(*host->raft),
          Invariants::CheckTransition(before, *host->raft)}) {
      for (const std::string& text : violations) ADD_FAILURE() << text;
    }
    for (Output& output : outputs) {
      std::visit([&](auto& alternative) { Perform(host, alternative); },
                 output);
    }
    while (!bulk_.empty()) {
      const auto [whose, done] = std::move(bulk_.front());
      bulk_.pop_front();
      StepAndFlush(whose, done);
    }
  }

  void Perform(Host* host, Persist& persist) {
    if (!quiet_) {
      out_ += ToString(host->self) + " persist #" + Describe(persist.token) +
              " term=" + Describe(persist.term) +
              " vote=" + ToString(persist.vote);
      if (persist.truncate_from != Index(0)) {
        out_ += " truncate_from=" + Describe(persist.truncate_from);
      }
      if (persist.base != EntryId()) out_ += " base=" + Show(persist.base);
      out_ += " " + Show(persist.entries) + "\n";
    }
    host->queue.push_back(std::move(persist));
  }
  void Perform(Host* host, Send& send) {
    if (!quiet_) {
      out_ += ToString(host->self) + " -> " + ToString(send.to) + " " +
              Show(send.message) + "\n";
    }
    links_[{host->self, send.to}].push_back(std::move(send.message));
  }
  // Snapshots are an offer, a chunk and the end here; the other lane is done at
  // once, but tells of it after this step.
  static constexpr SnapshotPlace kChunk{.offset = 128, .checksum = 1};
  static constexpr SnapshotPlace kEnd{
      .offset = 256, .sequence = 1, .checksum = 2};
  void Perform(Host* host, ReadSnapshot& read) {
    if (!quiet_) Print(*host, read);
    SnapshotRead answer{.to = read.to, .failed = host->unreadable};
    answer.piece.snapshot = {.last = host->disk.snapshot, .origin = host->self};
    if (read.snapshot == host->disk.snapshot) answer.piece.at = read.at;
    answer.piece.end = answer.piece.at == kEnd;
    if (answer.piece.at == kChunk) answer.piece.payload = Bytes("state");
    if (answer.failed) answer.piece = {};
    bulk_.emplace_back(host, answer);
  }
  void Perform(Host* host, StoreSnapshot& store) {
    const SnapshotRequest& piece = store.piece;
    if (piece.snapshot != host->receiving) {
      host->receiving = piece.snapshot;
      host->due = {};
    }
    if (host->due == SnapshotPlace()) host->due = kChunk;
    const EntryId last = piece.snapshot.last;
    if (piece.at == host->due && piece.end) {
      host->disk.snapshot = last;
      host->due = {};
      bulk_.emplace_back(host, SnapshotReceived{store.from, last, piece.at});
      return;
    }
    if (piece.at == host->due) host->due = kEnd;
    bulk_.emplace_back(host,
                       SnapshotStored{store.from, last, piece.at, host->due});
  }

  void Perform(Host* host, Halt& halt) {
    out_ += ToString(host->self) + " " + Describe(halt) + "\n";
  }
  void Perform(Host* host, Probe& probe) {
    const bool usual = probe.id == ProbeId::kAckWaitedForPersist ||
                       probe.id == ProbeId::kVoteWaitedForPersist;
    if (quiet_ && usual) return;
    out_ += ToString(host->self) + " probe " + std::string(ToString(probe.id)) +
            "\n";
  }
  void Perform(Host* host, Committed& committed) {
    // One line for what commits entry by entry.
    const std::string start = ToString(host->self) + " Committed{";
    const size_t line =
        out_.empty() ? 0 : out_.rfind('\n', out_.size() - 2) + 1;
    if (quiet_ && out_.compare(line, start.size(), start) == 0) {
      out_.erase(line);
    }
    Print(*host, committed);
  }
  void Perform(Host* host, Proposed& proposed) {
    if (!quiet_) Print(*host, proposed);
  }
  template <typename T>
  void Perform(Host* host, T& output) {
    Print(*host, output);
  }
  template <typename T>
  void Print(const Host& host, const T& output) {
    out_ += ToString(host.self) + " " + Describe(output) + "\n";
  }

  std::vector<NodeId> voters_;
  std::map<NodeId, Host> hosts_;
  std::map<std::pair<NodeId, NodeId>, std::deque<Message>> links_;
  std::deque<std::pair<Host*, Input>> bulk_;  // done by the other lane
  bool quiet_ = false;                        // prints decisions only
  std::string out_;
};

class RaftGolden : public testing::TestWithParam<std::string> {};

TEST_P(RaftGolden, Scenario) {
  Cluster cluster;
  datadriven::ExpectGolden(
      GetParam(), [&](const Words& words) { return cluster.Run(words); },
      rewrite_goldens);
}

std::string TestName(const testing::TestParamInfo<std::string>& info) {
  const size_t slash = info.param.rfind('/') + 1;
  return info.param.substr(slash, info.param.rfind('.') - slash);
}

// Else the suite above is empty, and nothing fails.
TEST(RaftGoldenFiles, AreFound) {
  EXPECT_GT(datadriven::ListFiles("testdata/raft").size(), 20u);
}

INSTANTIATE_TEST_SUITE_P(
    Testdata, RaftGolden,
    testing::ValuesIn(datadriven::ListFiles("testdata/raft")), TestName);

}  // namespace
}  // namespace raft

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--rewrite") raft::rewrite_goldens = true;
  }
  return RUN_ALL_TESTS();
}
