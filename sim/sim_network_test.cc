#include "sim/sim_network.h"

#include <map>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "raft/frame.h"

namespace sim {
namespace {

using raft::FrameType;
using registry::ConnectionId;
using registry::Listener;

constexpr Process kClient = 2;

// Two nodes and a client; keeps what each of them is told.
class SimNetworkTest : public testing::Test, public NetworkSink {
 protected:
  void SetUp() override { Start(1); }

  void Start(uint64_t seed) {
    told.clear();
    scheduler = Scheduler();
    network = std::make_unique<SimNetwork>(seed, 3, &scheduler, this);
    network->Listen(0, Listener::kPeer, "n1:1");
    network->Listen(1, Listener::kPeer, "n2:1");
    network->Listen(1, Listener::kClient, "n2:2");
    for (Process process = 0; process < 3; ++process) {
      network->StartProcess(process);
    }
  }
  void OnNetworkInput(Process process, NetworkInput input) override {
    told[process].push_back(std::move(input));
  }
  void Run(int64_t micros = 10'000'000) {
    scheduler.After(micros, {SimEvent::Kind::kPhase});
    while (true) {
      const SimEvent event = scheduler.Pop();
      if (event.kind == SimEvent::Kind::kPhase) return;
      network->OnEvent(event);
    }
  }
  void SetAll(const LinkProfile& profile) {
    for (Process a = 0; a < 3; ++a) {
      for (Process b = 0; b < 3; ++b) network->SetProfile(a, b, profile);
    }
  }
  // What a process was told since the last time: "accepted", "opened",
  // "closed", and its bytes.
  std::vector<std::string> Events(Process process) {
    std::vector<std::string> events;
    for (const NetworkInput& input : told[process]) {
      switch (input.kind) {
        case NetworkInput::Kind::kAccepted:
          events.push_back("accepted");
          accepted = input.connection;
          break;
        case NetworkInput::Kind::kOpened:
          events.push_back("opened");
          break;
        case NetworkInput::Kind::kClosed:
          events.push_back("closed");
          break;
        case NetworkInput::Kind::kBytes:
          events.push_back(input.bytes);
          break;
      }
    }
    told[process].clear();
    return events;
  }
  std::string Bytes(Process process) {
    std::string all;
    for (const NetworkInput& input : told[process]) all += input.bytes;
    return all;
  }
  // The payloads of whole frames among the bytes; "!" for a bad one.
  std::vector<std::string> Frames(Process process) {
    raft::FrameDecoder decoder;
    decoder.Feed(Bytes(process));
    std::vector<std::string> payloads;
    raft::Frame frame;
    while (true) {
      const auto result = decoder.Next(&frame);
      if (result == raft::FrameDecoder::Result::kNeedMore) break;
      if (result == raft::FrameDecoder::Result::kBad) {
        payloads.push_back("!");
        break;
      }
      payloads.emplace_back(frame.payload);
    }
    return payloads;
  }
  ConnectionId Dial(Process from, const std::string& address) {
    const ConnectionId id = network->transport(from)->Connect(address);
    Run(100'000);
    Events(from);
    Events(1);
    return id;
  }
  void SendFrame(Process from, ConnectionId connection,
                 const std::string& payload) {
    std::string frame;
    raft::AppendFrame(FrameType::kPeer, payload, &frame);
    network->transport(from)->Send(connection, frame);
  }
  // A hello and `count` numbered frames from node 1 to node 2.
  ConnectionId SendNumbered(int count) {
    const ConnectionId id = Dial(0, "n2:1");
    SendFrame(0, id, "hello");
    for (int i = 0; i < count; ++i) SendFrame(0, id, std::to_string(i));
    return id;
  }

  Scheduler scheduler;
  std::unique_ptr<SimNetwork> network;
  std::map<Process, std::vector<NetworkInput>> told;
  ConnectionId accepted;
};

using Events = std::vector<std::string>;

TEST_F(SimNetworkTest, DialSendAnswerClose) {
  registry::Transport* a = network->transport(0);
  registry::Transport* b = network->transport(1);
  const ConnectionId id = a->Connect("n2:1");
  EXPECT_EQ(a->Send(id, "too early"), 0u);
  Run();
  EXPECT_EQ(Events(0), (std::vector<std::string>{"opened"}));
  EXPECT_EQ(Events(1), (std::vector<std::string>{"accepted"}));
  std::string hello;
  raft::AppendFrame(FrameType::kHello, "hi", &hello);
  EXPECT_EQ(a->Send(id, hello), hello.size());
  Run();
  EXPECT_EQ(a->Send(id, ""), 0u);  // all of it has arrived
  EXPECT_EQ(Events(1), (std::vector<std::string>{hello}));
  b->Send(accepted, hello);
  b->Close(accepted);
  EXPECT_EQ(b->Send(accepted, hello), 0u);
  Run();
  EXPECT_EQ(Events(0), (std::vector<std::string>{hello, "closed"}));
  EXPECT_EQ(Events(1), (std::vector<std::string>{}));
}

TEST_F(SimNetworkTest, StreamsAreSplitAndKeepTheirOrder) {
  SetAll({.delay_us = 100, .jitter_us = 500, .split = 900'000});
  const ConnectionId id = Dial(kClient, "n2:2");
  std::string sent;
  for (int i = 0; i < 200; ++i) {
    const std::string text = std::to_string(i) + ",";
    network->transport(kClient)->Send(id, text);
    sent += text;
    Run(400);
  }
  Run();
  EXPECT_EQ(Bytes(1), sent);
  EXPECT_GT(network->effects().reads_split, 20u);
}

TEST_F(SimNetworkTest, LosesWholeFramesButNeverTheFirst) {
  for (uint64_t seed = 1; seed < 20; ++seed) {
    Start(seed);
    SetAll({.split = 300'000, .drop = 500'000});
    SendNumbered(100);
    Run();
    const std::vector<std::string> frames = Frames(1);
    ASSERT_FALSE(frames.empty());
    EXPECT_EQ(frames.front(), "hello");
    EXPECT_EQ(frames.size(), 101 - network->effects().frames_dropped);
    EXPECT_NEAR(static_cast<double>(frames.size()), 50, 25);
    EXPECT_EQ(std::count(frames.begin(), frames.end(), "!"), 0);
  }
}

TEST_F(SimNetworkTest, DoublesAndReordersWholeFrames) {
  SetAll({.delay_us = 500, .duplicate = 300'000, .reorder = 300'000});
  SendNumbered(200);
  Run();
  const std::vector<std::string> frames = Frames(1);
  EXPECT_EQ(frames.size(), 201 + network->effects().frames_duplicated);
  EXPECT_GT(network->effects().frames_duplicated, 20u);
  EXPECT_GT(network->effects().frames_reordered, 20u);
  EXPECT_EQ(std::set<std::string>(frames.begin(), frames.end()).size(), 201u);
  EXPECT_EQ(frames.front(), "hello");
}

TEST_F(SimNetworkTest, AClientsStreamIsNeverLossy) {
  SetAll({.drop = 500'000, .duplicate = 500'000, .reorder = 500'000});
  const ConnectionId id = Dial(kClient, "n2:2");
  std::string sent;
  for (int i = 0; i < 100; ++i) {
    network->transport(kClient)->Send(id, std::to_string(i));
    sent += std::to_string(i);
  }
  Run();
  EXPECT_EQ(Bytes(1), sent);
}

// Taking one fault out of a plan must not change the fate of other frames.
TEST_F(SimNetworkTest, OneFaultDoesNotShiftTheDrawsOfAnother) {
  const auto lost = [this](uint32_t duplicate) {
    Start(9);
    SetAll({.drop = 300'000, .duplicate = duplicate});
    SendNumbered(100);
    Run();
    const std::vector<std::string> frames = Frames(1);
    std::set<std::string> missing;
    for (int i = 0; i < 100; ++i) missing.insert(std::to_string(i));
    if (duplicate == 0) {
      for (const std::string& frame : frames) missing.erase(frame);
    } else {
      return network->effects().frames_dropped;
    }
    return uint64_t{missing.size()};
  };
  EXPECT_EQ(lost(0), lost(500'000));
}

TEST_F(SimNetworkTest, CorruptFramesAreNoticedByTheChecksum) {
  SetAll({.corrupt = 100'000});
  SendNumbered(200);
  Run();
  EXPECT_GT(network->effects().bytes_corrupted, 5u);
  const std::vector<std::string> frames = Frames(1);
  EXPECT_LT(frames.size(), 100u);  // it ends, at a bad frame or a wrong length
  for (size_t i = 1; i + 1 < frames.size(); ++i) {
    EXPECT_EQ(frames[i], std::to_string(i - 1));
  }
}

TEST_F(SimNetworkTest, AHeldLinkLetsEverythingGoAtOnce) {
  const ConnectionId id = Dial(0, "n2:1");
  network->AddBlock(0, 1, SimNetwork::Block::kHold);
  network->AddBlock(0, 1, SimNetwork::Block::kHold);
  EXPECT_TRUE(network->Blocked(0, 1));
  EXPECT_FALSE(network->Blocked(1, 0));
  for (int i = 0; i < 10; ++i) SendFrame(0, id, std::to_string(i));
  Run();
  EXPECT_EQ(Frames(1).size(), 0u);
  network->RemoveBlock(0, 1, SimNetwork::Block::kHold);
  EXPECT_EQ(Frames(1).size(), 0u);
  network->RemoveBlock(0, 1, SimNetwork::Block::kHold);
  EXPECT_EQ(Frames(1).size(), 10u);
  EXPECT_GE(network->effects().held, 1u);
}

TEST_F(SimNetworkTest, ALosingLinkLosesPeersFramesAndHoldsClients) {
  const ConnectionId peer = Dial(0, "n2:1");
  const ConnectionId client = Dial(kClient, "n2:2");
  network->AddBlock(0, 1, SimNetwork::Block::kLose);
  network->AddBlock(kClient, 1, SimNetwork::Block::kLose);
  SendFrame(0, peer, "lost");
  network->transport(kClient)->Send(client, "late");
  Run();
  EXPECT_EQ(Events(1), (std::vector<std::string>{}));
  network->RemoveBlock(0, 1, SimNetwork::Block::kLose);
  network->RemoveBlock(kClient, 1, SimNetwork::Block::kLose);
  Run();
  EXPECT_EQ(Events(1), (std::vector<std::string>{"late"}));
  EXPECT_EQ(network->effects().lost_to_partition, 1u);
  SendFrame(0, peer, "next");
  Run();
  EXPECT_EQ(Frames(1), (std::vector<std::string>{"next"}));
}

TEST_F(SimNetworkTest, WhoDoesNotKnowOfTheResetLearnsWhenItSends) {
  const ConnectionId id = Dial(0, "n2:1");
  network->ResetConnections(0, 1, SimNetwork::Reset::kSecondOnly, false);
  EXPECT_EQ(Events(1), (std::vector<std::string>{"closed"}));
  Run();
  EXPECT_EQ(Events(0), (std::vector<std::string>{}));
  SendFrame(0, id, "anybody there?");
  Run();
  EXPECT_EQ(Events(0), (std::vector<std::string>{"closed"}));
  EXPECT_EQ(Events(1), (std::vector<std::string>{}));
  EXPECT_EQ(network->effects().connections_half_open, 1u);
}

TEST_F(SimNetworkTest, AResetMayCutAFrame) {
  const ConnectionId id = Dial(0, "n2:1");
  SendFrame(0, id, std::string(1000, 'x'));
  SendFrame(0, id, "never");
  network->ResetConnections(0, 1, SimNetwork::Reset::kBoth, true);
  Run();
  const std::vector<std::string> events = Events(1);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_GT(events[0].size(), 0u);
  EXPECT_LT(events[0].size(), 1016u);
  EXPECT_EQ(events[1], "closed");
  EXPECT_EQ(Events(0), (std::vector<std::string>{"closed"}));
  EXPECT_EQ(network->effects().frames_cut, 1u);
}

TEST_F(SimNetworkTest, AKilledProcessEndsItsConnections) {
  const ConnectionId id = Dial(0, "n2:1");
  SendFrame(0, id, "last words");
  network->KillProcess(0);
  Run();
  const std::vector<std::string> events = Events(1);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[1], "closed");
  // And refuses to be dialled.
  network->transport(1)->Connect("n1:1");
  Run(100'000);
  EXPECT_EQ(Events(1), (std::vector<std::string>{"closed"}));
}

TEST_F(SimNetworkTest, AMachineWithoutPowerIsSilentUntilItIsBack) {
  const ConnectionId id = Dial(0, "n2:1");
  network->PowerOff(1);
  SendFrame(0, id, "1");
  Run();
  EXPECT_EQ(Events(0), (std::vector<std::string>{}));
  network->transport(0)->Connect("n2:1");
  Run(200'000);
  EXPECT_EQ(Events(0), (std::vector<std::string>{}));
  Run();  // the dial is given up in the end
  EXPECT_EQ(Events(0), (std::vector<std::string>{"closed"}));
  network->StartProcess(1);
  SendFrame(0, id, "2");
  Run();
  EXPECT_EQ(Events(0), (std::vector<std::string>{"closed"}));
  EXPECT_EQ(Events(1), (std::vector<std::string>{}));
}

TEST_F(SimNetworkTest, ABlackHoleIsGivenUpByTheKernels) {
  const ConnectionId id = Dial(0, "n2:1");
  network->BlackHole(0, 1);
  SendFrame(0, id, "lost");
  Run();
  EXPECT_EQ(Events(1), (std::vector<std::string>{}));
  EXPECT_EQ(Events(0), (std::vector<std::string>{}));
  network->GiveUpBlackHoles(0, 1);
  EXPECT_EQ(Events(1), (std::vector<std::string>{"closed"}));
  EXPECT_EQ(Events(0), (std::vector<std::string>{"closed"}));
}

TEST_F(SimNetworkTest, AStalledConnectionDeliversLateThoughItWasClosed) {
  registry::Transport* client = network->transport(kClient);
  const ConnectionId first = Dial(kClient, "n2:2");
  const std::vector<uint32_t> stalled = network->StallConnections(kClient, 1);
  EXPECT_EQ(stalled.size(), 1u);
  client->Send(first, "5");
  Run();
  client->Close(first);
  const ConnectionId second = Dial(kClient, "n2:2");
  client->Send(second, "5, 6");
  Run();
  EXPECT_EQ(Events(1), (std::vector<std::string>{"5, 6"}));
  EXPECT_EQ(network->effects().after_close, 0u);
  network->EndStalls(stalled);
  EXPECT_EQ(Events(1), (std::vector<std::string>{"5", "closed"}));
  EXPECT_EQ(network->effects().connections_stalled, 1u);
  EXPECT_EQ(network->effects().after_close, 1u);
}

TEST_F(SimNetworkTest, AStallAndAHoldKeepTheOrderOfAStream) {
  for (const bool stall_ends_first : {true, false}) {
    Start(1);
    const ConnectionId id = Dial(kClient, "n2:2");
    const auto send = [this, id](const std::string& text) {
      network->transport(kClient)->Send(id, text);
      Run();
    };
    network->AddBlock(kClient, 1, SimNetwork::Block::kHold);
    send("1");
    const std::vector<uint32_t> stalled = network->StallConnections(kClient, 1);
    const std::vector<uint32_t> again = network->StallConnections(1, kClient);
    send("2");
    if (stall_ends_first) network->EndStalls(stalled);
    network->EndStalls(again);
    send("3");
    EXPECT_EQ(Bytes(1), "");
    network->RemoveBlock(kClient, 1, SimNetwork::Block::kHold);
    send("4");
    EXPECT_EQ(Bytes(1), stall_ends_first ? "1234" : "");
    if (!stall_ends_first) network->EndStalls(stalled);
    EXPECT_EQ(Bytes(1), "1234");
  }
}

TEST_F(SimNetworkTest, ADuplicateMayComeOnTheNextConnection) {
  uint64_t stale = 0;
  for (uint64_t seed = 1; seed < 60 && stale == 0; ++seed) {
    Start(seed);
    SetAll({.duplicate = 1'000'000});
    const ConnectionId first = SendNumbered(20);
    network->transport(0)->Close(first);
    Run(300);
    const ConnectionId second = Dial(0, "n2:1");
    SendFrame(0, second, "hello");
    Run();
    stale = network->effects().frames_stale;
  }
  EXPECT_GT(stale, 0u);
}

TEST_F(SimNetworkTest, BandwidthSpreadsALoad) {
  SetAll({.delay_us = 0, .bytes_per_second = 10'000});
  const ConnectionId id = Dial(kClient, "n2:2");
  for (int i = 0; i < 10; ++i) {
    network->transport(kClient)->Send(id, std::string(1000, 'x'));
  }
  Run(500'000);
  EXPECT_NEAR(static_cast<double>(Bytes(1).size()), 5000, 1000);
  Run();
  EXPECT_EQ(Bytes(1).size(), 10'000u);
}

}  // namespace
}  // namespace sim
