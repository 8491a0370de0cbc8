// A Client whose world is played by hand, for tests.
#ifndef REGISTRY_CLIENT_TEST_HAND_H_
#define REGISTRY_CLIENT_TEST_HAND_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "raft/digest.h"
#include "registry/client.h"
#include "registry/command_codec.h"

namespace registry::client_test {

using raft::Millis;
using raft::Time;

inline ClientOptions Options() {
  ClientOptions options;
  options.endpoints = {"a:1", "b:2", "c:3"};
  options.nonce = "nonce-of-one-life";
  options.session_ttl = Millis(9000);
  options.seed = 7;
  return options;
}

// A client with the world played by hand: what it does is collected, what it
// is told comes from the test.
class Hand {
 public:
  explicit Hand(ClientOptions options = Options()) : client(options, Time(0)) {}

  void Step(const ClientEvent& event) {
    ClientEffects effects;
    client.Step(event, &effects);
    for (const ClientEffect& effect : effects) Collect(effect);
    // Else the host would spin.
    EXPECT_GT(client.NextDeadline(), now) << raft::Describe(event);
  }
  void TickTo(Time time) {
    now = time;
    Step(raft::Tick{now});
  }
  // Lets time pass, waking the client whenever it asks for it.
  void RunTo(Time time) {
    while (client.NextDeadline() <= time) TickTo(client.NextDeadline());
    TickTo(time);
  }
  void Start(uint64_t call, CallBody body,
             std::optional<Time> deadline = std::nullopt) {
    Step(StartCall{CallId(call), std::move(body), deadline});
  }
  void Answer(const ClientRequest& request,
              decltype(ClientResponse::body) body) {
    Step(ResponseReceived{link, {request.id, std::move(body)}});
  }
  void Open() { Step(LinkOpened{link}); }
  void Cut() { Step(LinkClosed{link}); }

  // The last request sent, its command decoded.
  const ClientRequest& last() const { return requests.back(); }
  static Command CommandOf(const ClientRequest& request) {
    const auto& body = std::get<CommandRequest>(request.body);
    return DecodeCommand(body.command.view()).value();
  }

  // Dials, opens link and session (id 100).
  void OpenSessionNow() {
    TickTo(now);
    Open();
    ASSERT_EQ(requests.size(), 1u);
    Answer(last(), CommandReply{.session = SessionId(100)});
    ASSERT_EQ(client.session(), SessionId(100));
    requests.clear();
  }
  Error ResultOf(uint64_t call) const {
    const auto it = done.find(call);
    EXPECT_TRUE(it != done.end()) << "call " << call << " is not done";
    return it == done.end() ? Error::kOk : ErrorOf(it->second);
  }

  Client client;
  Time now;
  LinkId link;  // the newest one
  std::vector<OpenLink> dials;
  std::vector<Time> dial_times;
  std::vector<LinkId> closes;
  std::vector<ClientRequest> requests;
  std::map<uint64_t, CallResult> done;
  std::vector<SessionId> opened;
  std::vector<SessionId> lost;

 private:
  void Collect(const ClientEffect& effect) {
    if (const auto* dial = std::get_if<OpenLink>(&effect)) {
      link = dial->link;
      dials.push_back(*dial);
      dial_times.push_back(now);
    } else if (const auto* close = std::get_if<CloseLink>(&effect)) {
      closes.push_back(close->link);
    } else if (const auto* send = std::get_if<SendRequest>(&effect)) {
      requests.push_back(send->request);
    } else if (const auto* call = std::get_if<CallDone>(&effect)) {
      EXPECT_TRUE(done.emplace(call->call.value(), call->result).second)
          << "call " << call->call.value() << " was answered twice";
    } else if (const auto* session = std::get_if<SessionOpened>(&effect)) {
      opened.push_back(session->session);
    } else if (const auto* loss = std::get_if<SessionLost>(&effect)) {
      lost.push_back(loss->session);
    }
  }
};

inline Operation Put(const std::string& key) {
  return Register{.registry = "r", .key = key, .value = std::string("v")};
}
inline ReadOperation Get(const std::string& key) { return Lookup{"r", key}; }
inline Failure NotLeader(const std::string& hint) {
  return {Error::kNotLeader, "", hint};
}

}  // namespace registry::client_test

#endif  // REGISTRY_CLIENT_TEST_HAND_H_
