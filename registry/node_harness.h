// Nodes without a world: effects of one are delivered to the others by hand,
// disks finish when told to, time is a number. For tests of Node alone; whole
// clusters with faults are the simulator's business (sim/).
#ifndef REGISTRY_NODE_HARNESS_H_
#define REGISTRY_NODE_HARNESS_H_

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "raft/check.h"
#include "registry/command_codec.h"
#include "registry/node.h"

namespace registry {

using Answer = decltype(ClientResponse::body);

inline constexpr size_t kNobodyLeads = SIZE_MAX;

class NodeHarness {
 public:
  explicit NodeHarness(size_t size) {
    NodeConfig config;
    config.cluster = raft::ClusterId(77);
    for (size_t i = 0; i < size; ++i) {
      config.raft.voters.push_back(Id(i));
      config.members.push_back(MemberStatus{Id(i), "peer" + std::to_string(i),
                                            "client" + std::to_string(i)});
    }
    config.raft.seed = 5;
    config.raft.boot = 1;
    for (size_t i = 0; i < size; ++i) {
      config.raft.self = Id(i);
      nodes_.emplace_back(config, raft::Restored{}, now_);
      disks_.emplace_back();
    }
  }

  static raft::NodeId Id(size_t i) {
    return raft::NodeId{static_cast<uint8_t>(i + 1), 1};
  }
  Node& node(size_t i) { return nodes_[i]; }
  size_t size() const { return nodes_.size(); }
  raft::Time now() const { return now_; }

  // ------------------------------------------------------------ the world

  // One event at one node; its effects go to the network, the disk's queue and
  // the answers.
  void Step(size_t i, const Event& event) {
    Effects effects;
    nodes_[i].Step(event, &effects);
    for (Effect& effect : effects) {
      if (auto* persist = std::get_if<raft::Persist>(&effect)) {
        disks_[i].push_back(persist->token);
      } else if (auto* send = std::get_if<raft::Send>(&effect)) {
        network_.push_back({i, send->to.slot - size_t{1}, send->message});
      } else if (auto* reply = std::get_if<Reply>(&effect)) {
        const uint64_t id = reply->response.id;
        EXPECT_FALSE(answers_.contains(id)) << "answered twice: " << id;
        answers_[id] = std::move(reply->response.body);
      }
    }
  }
  void Flush(size_t i) { Step(i, raft::Flush{}); }

  // A node that is cut off neither sends nor receives.
  void CutOff(size_t i) { cut_off_.insert(i); }
  void HealAll() { cut_off_.clear(); }

  // Delivers what is under way and finishes what the disks hold, turn by turn,
  // until nothing moves.
  void Settle() {
    for (size_t i = 0; i < size(); ++i) Flush(i);
    while (Deliver()) {
    }
  }
  bool Deliver() {
    bool moved = false;
    for (size_t i = 0; i < size(); ++i) {
      while (!disks_[i].empty()) {
        const raft::PersistToken token = disks_[i].front();
        disks_[i].pop_front();
        Step(i, raft::PersistDone{token});
        moved = true;
      }
    }
    for (Packet& packet : std::exchange(network_, {})) {
      if (cut_off_.contains(packet.from) || cut_off_.contains(packet.to)) {
        continue;
      }
      moved = true;
      Step(packet.to, raft::Receive{Id(packet.from), packet.message});
    }
    for (size_t i = 0; i < size(); ++i) Flush(i);
    return moved;
  }
  void DropMessages() { network_.clear(); }

  // Time passes in steps of a fraction of a heartbeat, as in a host's loop.
  // Nodes in `asleep` have no turns meanwhile.
  void Run(raft::Duration length, const std::set<size_t>& asleep = {}) {
    constexpr int64_t kStep = 10'000;
    for (int64_t passed = 0; passed < length.value(); passed += kStep) {
      now_ = now_ + raft::Duration(std::min(kStep, length.value() - passed));
      for (size_t i = 0; i < size(); ++i) {
        if (!asleep.contains(i)) Step(i, raft::Tick{now_});
      }
      Settle();
    }
  }

  // The only leader of the newest term; runs until there is one.
  size_t Leader() {
    for (int i = 0; i < 500; ++i) {
      size_t leader = kNobodyLeads;
      for (size_t n = 0; n < size(); ++n) {
        if (cut_off_.contains(n)) continue;
        if (nodes_[n].raft().role() == raft::Role::kLeader) leader = n;
      }
      if (leader != kNobodyLeads &&
          nodes_[leader].raft().commit() ==
              nodes_[leader].raft().last_index() &&
          nodes_[leader].raft().commit() > raft::Index(0)) {
        return leader;
      }
      Run(raft::Millis(10));
    }
    ADD_FAILURE() << "no leader";
    return 0;
  }

  // ----------------------------------------------------------- the client

  // Sends a request to a node; returns its id. The turn does not end.
  uint64_t Ask(size_t i, decltype(ClientRequest::body) body) {
    const uint64_t id = ++last_request_;
    Step(i,
         ClientReceived{ConnectionId(9), ClientRequest{id, std::move(body)}});
    return id;
  }
  uint64_t Ask(size_t i, const Command& command) {
    return Ask(i, CommandRequest{raft::Bytes(EncodeCommand(command))});
  }
  bool answered(uint64_t id) const { return answers_.contains(id); }
  template <typename T>
  T As(uint64_t id) const {
    const auto found = answers_.find(id);
    if (found == answers_.end()) {
      ADD_FAILURE() << "request " << id << " is not answered";
      return T{};
    }
    const T* value = std::get_if<T>(&found->second);
    if (value == nullptr) {
      ADD_FAILURE() << "another kind of answer: "
                    << raft::Describe(found->second);
      return T{};
    }
    return *value;
  }

  // Asks and settles.
  CommandReply Do(size_t i, const Command& command) {
    const uint64_t id = Ask(i, command);
    Settle();
    return As<CommandReply>(id);
  }
  ReadReply Read(size_t i, ReadOperation operation) {
    const uint64_t id = Ask(i, ReadRequest{std::move(operation)});
    Settle();
    return As<ReadReply>(id);
  }
  Error KeepAlive(size_t i, SessionId session) {
    const uint64_t id = Ask(i, KeepAliveRequest{session});
    Settle();
    return As<KeepAliveReply>(id).error;
  }
  SessionId Open(size_t leader, raft::Duration ttl) {
    const std::string nonce =
        "harness-nonce-" + std::to_string(++last_request_);
    const CommandReply reply =
        Do(leader, Command{.operation = OpenSession{nonce, ttl}});
    EXPECT_EQ(reply.error, Error::kOk);
    return reply.session;
  }

 private:
  struct Packet {
    size_t from;
    size_t to;
    raft::Message message;
  };

  raft::Time now_{1'000'000};
  std::vector<Node> nodes_;
  std::vector<std::deque<raft::PersistToken>> disks_;
  std::vector<Packet> network_;
  std::set<size_t> cut_off_;
  uint64_t last_request_ = 0;
  std::map<uint64_t, Answer> answers_;
};

}  // namespace registry

#endif  // REGISTRY_NODE_HARNESS_H_
