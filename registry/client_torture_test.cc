#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "raft/digest.h"
#include "registry/client.h"
#include "registry/command_codec.h"

namespace registry {
namespace {

using raft::Millis;
using raft::Time;

Command CommandOf(const ClientRequest& request) {
  const auto& body = std::get<CommandRequest>(request.body);
  return DecodeCommand(body.command.view()).value();
}

// A hostile world by hash: links break, members refuse, answer late, twice or
// wrongly, sessions vanish. Whatever happens:
//   - each call is answered exactly once, at its deadline at the latest;
//   - a (session, sequence) never names two operations;
//   - no sequence below `acknowledged` is sent or still unanswered;
//   - the client never asks to be woken in the past.
class Hostile {
 public:
  explicit Hostile(uint64_t seed) : seed_(seed), client_(Opts(seed), Time(0)) {}

  void Run(int steps) {
    for (int i = 0; i < steps; ++i) OneStep();
    Step(CloseClient{});
    EXPECT_TRUE(deadlines_.empty()) << "calls without an answer";
    EXPECT_GT(answered_, 0u);
  }
  uint64_t answered() const { return answered_; }
  uint64_t unknown() const { return unknown_; }
  uint64_t sessions() const { return next_session_; }

 private:
  static ClientOptions Opts(uint64_t seed) {
    ClientOptions options;
    options.endpoints = {"a:1", "b:2", "c:3"};
    options.nonce = "nonce-of-one-life";
    options.seed = seed;
    options.reopen = seed % 2 == 0;
    options.read_any = seed % 3 == 0;
    options.in_flight_max = 1 + seed % 40;
    options.waiting_max = 50;
    options.session_ttl = Millis(seed % 5 == 0 ? 0 : 300);
    options.deadline = Millis(200);
    options.attempt_timeout = Millis(150);
    options.backoff_max = Millis(50);
    return options;
  }
  uint64_t Draw(uint64_t below) { return raft::Mix(seed_, ++draws_) % below; }

  void OneStep() {
    const uint64_t what = Draw(100);
    if (what < 25) {
      StartOne();
    } else if (what < 45) {
      const Time wish = client_.NextDeadline();
      const Time soon = now_ + raft::Duration(Draw(5000));
      now_ = Draw(2) == 0 && wish < now_ + Millis(1000) ? wish : soon;
      Step(raft::Tick{now_});
      for (const auto& [call, deadline] : deadlines_) {
        EXPECT_GT(deadline, now_) << "call " << call << " is late";
      }
    } else if (what < 60 && !dialling_.empty()) {
      const LinkId link = Take(&dialling_);
      if (Draw(4) == 0) {
        Step(LinkClosed{link});
      } else {
        open_.push_back(link);
        Step(LinkOpened{link});
      }
    } else if (what < 97 && !requests_.empty()) {
      AnswerOne();
    } else if (!open_.empty()) {
      Step(LinkClosed{Take(&open_)});
    }
  }

  LinkId Take(std::vector<LinkId>* links) {
    const size_t at = Draw(links->size());
    const LinkId link = (*links)[at];
    links->erase(links->begin() + static_cast<ptrdiff_t>(at));
    return link;
  }

  void StartOne() {
    const uint64_t id = ++last_call_;
    CallBody body;
    const uint64_t kind = Draw(20);
    if (kind == 0) {
      body = StatusRequest{};
    } else if (kind < 6) {
      body = ReadOperation(Lookup{"r", "k"});
    } else if (kind == 6 && Draw(10) == 0) {
      body = Operation(EndSession{});
    } else {
      // The key tells the operations apart.
      body = Operation(
          Register{.registry = "r", .key = "key-" + std::to_string(id)});
    }
    const Time deadline = now_ + raft::Duration(1 + Draw(300'000));
    deadlines_.emplace(id, deadline);
    Step(StartCall{CallId(id), body, deadline});
  }

  void AnswerOne() {
    const size_t at = Draw(std::min<size_t>(requests_.size(), 8));
    const SendRequest sent = requests_[at];
    if (Draw(10) != 0) {  // else once more later
      requests_.erase(requests_.begin() + static_cast<ptrdiff_t>(at));
    }
    ResponseReceived received{sent.link, {sent.request.id, Failure{}}};
    const uint64_t mood = Draw(20);
    auto& body = received.response.body;
    if (mood == 0) {
      body = Failure{Error::kNotLeader, "",
                     Draw(2) == 0 ? "" : "h:" + std::to_string(Draw(4))};
    } else if (mood == 1) {
      body = Failure{Error::kUnavailable, "no quorum", ""};
    } else if (mood == 2) {
      body = Failure{Error::kOutcomeUnknown, "deposed", ""};
    } else if (mood == 3 && Draw(10) == 0) {
      body = StatusReply{};  // whatever the question was
    } else {
      body = Proper(sent.request);
    }
    Step(received);
  }

  decltype(ClientResponse::body) Proper(const ClientRequest& request) {
    if (std::holds_alternative<ReadRequest>(request.body)) return ReadReply{};
    if (std::holds_alternative<StatusRequest>(request.body)) {
      return StatusReply{};
    }
    if (const auto* alive = std::get_if<KeepAliveRequest>(&request.body)) {
      if (Draw(30) == 0) dead_.insert(alive->session);
      return KeepAliveReply{
          dead_.contains(alive->session) ? Error::kSessionExpired : Error::kOk};
    }
    const Command command = CommandOf(request);
    if (std::holds_alternative<OpenSession>(command.operation)) {
      return CommandReply{.session = SessionId(++next_session_)};
    }
    if (std::holds_alternative<EndSession>(command.operation)) {
      dead_.insert(command.session);
      return CommandReply{};
    }
    return CommandReply{.error = dead_.contains(command.session)
                                     ? Error::kSessionExpired
                                     : Error::kOk};
  }

  void Step(const ClientEvent& event) {
    ClientEffects effects;
    client_.Step(event, &effects);
    for (const ClientEffect& effect : effects) Watch(effect);
    EXPECT_GT(client_.NextDeadline(), now_);
  }

  void Watch(const ClientEffect& effect) {
    if (const auto* dial = std::get_if<OpenLink>(&effect)) {
      dialling_.push_back(dial->link);
    } else if (const auto* close = std::get_if<CloseLink>(&effect)) {
      EXPECT_EQ(
          std::erase(dialling_, close->link) + std::erase(open_, close->link),
          1u);
    } else if (const auto* done = std::get_if<CallDone>(&effect)) {
      ++answered_;
      unknown_ += ErrorOf(done->result) == Error::kOutcomeUnknown;
      EXPECT_NE(ErrorOf(done->result), Error::kNotLeader);
      EXPECT_EQ(deadlines_.erase(done->call.value()), 1u);
    } else if (const auto* send = std::get_if<SendRequest>(&effect)) {
      EXPECT_EQ(std::count(open_.begin(), open_.end(), send->link), 1);
      requests_.push_back(*send);
      if (std::holds_alternative<CommandRequest>(send->request.body)) {
        WatchCommand(CommandOf(send->request));
      }
    }
  }

  void WatchCommand(const Command& command) {
    if (command.session == SessionId()) return;
    EXPECT_LE(command.acknowledged, command.sequence);
    EXPECT_LT(command.sequence - command.acknowledged, kReplyWindow);
    Sequence& low = low_water_[command.session];
    EXPECT_GE(command.acknowledged, low);
    low = command.acknowledged;
    const auto [it, fresh] = names_.emplace(
        std::make_pair(command.session, command.sequence), command.operation);
    if (!fresh) {
      EXPECT_EQ(it->second, command.operation);
    }
  }

  const uint64_t seed_;
  uint64_t draws_ = 0;
  Client client_;
  Time now_;
  uint64_t last_call_ = 0;
  uint64_t next_session_ = 0;
  uint64_t answered_ = 0;
  uint64_t unknown_ = 0;
  std::map<uint64_t, Time> deadlines_;  // of unfinished calls
  std::vector<LinkId> dialling_;
  std::vector<LinkId> open_;
  std::vector<SendRequest> requests_;
  std::set<SessionId> dead_;
  std::map<SessionId, Sequence> low_water_;
  std::map<std::pair<SessionId, Sequence>, Operation> names_;
};

TEST(ClientTortureTest, HoldsItsPromisesInAHostileWorld) {
  uint64_t answered = 0;
  uint64_t unknown = 0;
  uint64_t sessions = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    Hostile world(seed);
    world.Run(2000);
    answered += world.answered();
    unknown += world.unknown();
    sessions += world.sessions();
    if (testing::Test::HasFailure()) {
      FAIL() << "seed " << seed;
    }
  }
  // The world was neither harmless nor hopeless.
  EXPECT_GT(answered, 20'000u);
  EXPECT_GT(unknown, 400u);
  EXPECT_GT(sessions, 60u);
}

}  // namespace
}  // namespace registry
