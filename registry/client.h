// Client: session, retry, redirect and deadline logic of a client, as the same
// kind of pure machine as Node. Driven by the simulator's workload and by the
// TCP client library, through ClientLink (client_link.h), which turns its
// effects into frames on a Transport.
//
// What it promises, call by call:
//   - Exactly one CallDone for each StartCall, at its deadline at the latest
//     (the first Tick at or after it).
//   - A command is applied at most once, however often it was sent: it gets one
//     (session, sequence) and keeps it through every retry.
//   - Three failures that are three different answers:
//       unavailable       definitely not done
//       outcome_unknown   may or may not have been done (commands and transfers
//                         only)
//       session_expired   definitely not done, and never will be; in answer to
//                         an EndSession of the client's own: done (API.md)
//   - A read is retried until it is answered or its deadline; then it is
//     `unavailable`, never "not found" and never empty.
//   - A transfer of leadership is not asked for again once it may have begun: a
//     second one would take leadership from whom the first gave it to.
#ifndef REGISTRY_CLIENT_H_
#define REGISTRY_CLIENT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "raft/raft_io.h"
#include "raft/types.h"
#include "registry/client_route.h"
#include "registry/command.h"
#include "registry/protocol.h"

namespace registry {

// Names a call; chosen by the caller, unique among its unfinished calls. Calls
// that wait are sent in the order of their ids.
using CallId = raft::StrongNumber<struct CallIdTag>;

struct ClientOptions {
  // Client addresses of members, "host:port"; at least one. Which is asked
  // first depends on `seed`; a member's hint may name others.
  std::vector<std::string> endpoints;
  // Unique per client life (from the host's entropy), kNonceBytesMin to
  // kNonceBytesMax - 8 bytes: a session opened again appends a counter. Needed
  // only with `open_session`.
  std::string nonce;
  raft::Duration session_ttl = raft::Millis(10'000);  // 0: permanent
  bool open_session = true;  // false: reads and status only
  // After a lost session, open another one (SessionLost is told either way).
  // Registrations of the lost one are gone.
  bool reopen = false;
  // Serve reads from a member of its own choice (by `seed`) over a second link,
  // which takes work off the leader. Reads are linearizable either way.
  bool read_any = false;
  raft::Duration deadline = raft::Millis(5000);  // of a call that names none
  // A link with a request outstanding that answers nothing for so long is given
  // up. Twice and then four times as long if links before it were, and no call
  // was answered since: a leader that is merely slow (one whose messages get
  // lost, say) must not be left again and again just before it answers
  // (simulate --profile=net, seed 204209 at 3f15638). But not longer than
  // `deadline`, unless it is itself; and at most a third of the TTL is used, so
  // that a dead link does not cost the session.
  raft::Duration attempt_timeout = raft::Millis(1000);
  // Dialling takes longer than this: given up.
  raft::Duration dial_timeout = raft::Millis(1000);
  // Between failed attempts: doubles from min to max, jittered down to half.
  raft::Duration backoff_min = raft::Millis(10);
  raft::Duration backoff_max = raft::Millis(1000);
  uint64_t seed = 0;  // disperses clients: first endpoint and jitter
  // Requests outstanding at once on a link (`read_any`: there are two); below
  // kReplyWindow. Further calls wait. Fewer after links that broke before any
  // answer came.
  uint32_t in_flight_max = 64;
  // Calls that wait; one more is answered `unavailable` at once.
  uint32_t waiting_max = 4096;

  bool operator==(const ClientOptions&) const = default;
};

// OpenSession and ExpireSessions are refused (`invalid`): the client opens its
// own session. EndSession{0} ends it.
using CallBody =
    std::variant<Operation, ReadOperation, StatusRequest, TransferRequest>;

// Operation -> CommandReply, ReadOperation -> ReadReply, StatusRequest ->
// StatusReply, TransferRequest -> TransferReply; any of them may be a Failure
// instead (never `not_leader`).
// KeepAliveReply does not occur.
using CallResult = decltype(ClientResponse::body);
// kOk, the error of the reply, or the error of the failure.
Error ErrorOf(const CallResult& result);

// ---------------------------------------------------------------- events

struct LinkOpened {
  static constexpr std::string_view kName = "LinkOpened";
  LinkId link;
  bool operator==(const LinkOpened&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("link", link);
  }
};
// Closed by the other side, by a failure, or never opened.
struct LinkClosed {
  static constexpr std::string_view kName = "LinkClosed";
  LinkId link;
  bool operator==(const LinkClosed&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("link", link);
  }
};
struct ResponseReceived {
  static constexpr std::string_view kName = "ResponseReceived";
  LinkId link;
  ClientResponse response;
  bool operator==(const ResponseReceived&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("link", link), f("response", response);
  }
};
// `deadline`: absolute; without one, ClientOptions::deadline from now.
struct StartCall {
  static constexpr std::string_view kName = "StartCall";
  CallId call;
  CallBody body;
  std::optional<raft::Time> deadline;
  bool operator==(const StartCall&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("call", call), f("body", body), f("deadline", deadline);
  }
};
// Stops at once: every unfinished call is answered (as at its deadline), links
// close, later calls are `unavailable`. The session is left as it is: a leased
// one runs out, a permanent one stays. To end it, first call EndSession{}.
struct CloseClient {
  static constexpr std::string_view kName = "CloseClient";
  bool operator==(const CloseClient&) const = default;
  template <typename F>
  void Fields(F&&) const {}
};
using ClientEvent = std::variant<raft::Tick, LinkOpened, LinkClosed,
                                 ResponseReceived, StartCall, CloseClient>;

// --------------------------------------------------------------- effects
// (OpenLink and CloseLink are in client_route.h.)

// Only ever on an open link. May be lost with its link.
struct SendRequest {
  static constexpr std::string_view kName = "SendRequest";
  LinkId link;
  ClientRequest request;
  bool operator==(const SendRequest&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("link", link), f("request", request);
  }
};
struct CallDone {
  static constexpr std::string_view kName = "CallDone";
  CallId call;
  CallResult result;
  bool operator==(const CallDone&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("call", call), f("result", result);
  }
};
struct SessionOpened {
  static constexpr std::string_view kName = "SessionOpened";
  SessionId session;
  bool operator==(const SessionOpened&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("session", session);
  }
};
// The cluster said that the session is no more; whatever it had registered is
// gone. Not told after an EndSession of this client's own.
struct SessionLost {
  static constexpr std::string_view kName = "SessionLost";
  SessionId session;
  bool operator==(const SessionLost&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("session", session);
  }
};
using ClientEffect = std::variant<OpenLink, CloseLink, SendRequest, CallDone,
                                  SessionOpened, SessionLost>;
using ClientEffects = std::vector<ClientEffect>;

// --------------------------------------------------------------- machine

// Pure: no clock, entropy, thread or socket. Copyable, deeply. Time is what the
// last Tick said.
class Client {
 public:
  // Nothing is dialled before the first event. CHECKs that the options make
  // sense (at least one endpoint, a nonce if a session is opened, ...).
  Client(ClientOptions options, raft::Time now);

  // Applies one event and appends what must happen next, in order. The only
  // mutator.
  void Step(const ClientEvent& event, ClientEffects* effects);

  // When the host must Step(Tick) next at the latest.
  raft::Time NextDeadline() const;

  // 0 before it is opened and after it is lost or ended.
  SessionId session() const { return session_.id; }
  // Until when this client may believe that its session is alive: the TTL
  // counted from *sending* the last keep-alive that was answered, so that the
  // client stops believing before the cluster does. Never() for a permanent
  // session, Time() without one.
  raft::Time session_valid_until() const;
  // Every sequence below has been answered to the caller.
  Sequence low_water() const;
  size_t unfinished_calls() const { return calls_.size(); }
  const ClientOptions& options() const { return options_; }

 private:
  // Which link a request takes.
  enum class Lane : uint8_t { kCommand = 0, kRead = 1 };

  using Body =
      std::variant<Command, ReadOperation, StatusRequest, TransferRequest>;

  struct Call {
    // A command's (session, sequence) is 0 until it is first sent; from then on
    // it is the command's name for ever.
    Body body;
    raft::Time deadline;
    Lane lane = Lane::kCommand;
    uint64_t request = 0;  // the outstanding attempt; 0: waits to be sent
    // An earlier attempt may have entered a log: it was cut off without an
    // answer, or was answered `outcome_unknown`.
    bool maybe_done = false;
  };

  // Who asked: a call, or the machine itself for its session.
  struct OpenAttempt {};
  struct KeepAliveAttempt {
    SessionId session;
  };
  using Asker = std::variant<CallId, OpenAttempt, KeepAliveAttempt>;
  // Kept when its call gives up: it still tells a silent link.
  struct Outstanding {
    Asker asker;
    raft::Time sent;
  };

  // The link is to be left for another member once what is outstanding on it
  // was answered: often all of it is refused in one turn, and a refusal says
  // "not done" where a cut says "perhaps".
  struct Leave {
    raft::Time until;
    std::string hint;  // empty: the next endpoint
  };

  // One link at a time, what is outstanding on it, and what waits for it.
  // Request ids rise, so the first outstanding one is the oldest.
  struct LaneState {
    ClientRoute route;
    absl::btree_map<uint64_t, Outstanding> outstanding;
    // Commands: retries first, in the order of their sequences.
    absl::btree_set<std::pair<Sequence, CallId>> commands;
    absl::btree_set<CallId> others;
    raft::Time last_answer;
    bool answered = false;  // the link got work done
    // How many may be outstanding: in_flight_max, or half of what was so when
    // the link broke without an answer; one more with every answer.
    uint32_t window = 0;
    uint32_t silences = 0;  // links given up for silence since a call's answer
    std::optional<Leave> leave;
  };

  enum class SessionPhase : uint8_t {
    kNone,     // none wanted, or refused, ended or lost
    kWanted,   // an OpenSession is to be sent
    kOpening,  // ... is outstanding
    kOpen,
  };
  struct SessionState {
    SessionPhase phase = SessionPhase::kNone;
    SessionId id;             // 0 unless kOpen
    uint64_t generation = 0;  // sessions of this client before this one
    // The first OpenSession of this nonce was sent: the lease began no earlier.
    std::optional<raft::Time> first_open_sent;
    raft::Time lease_start;  // sending of the last answered sign of life
    raft::Time keep_alive_due;
    bool keep_alive_outstanding = false;
    Sequence next_sequence{1};
    absl::btree_set<Sequence> unanswered;
    // Why commands are answered without being sent (kNone only).
    Failure refusal;
  };

  // client.cc: events, calls and links.
  void OnEvent(const raft::Tick& event, ClientEffects* effects);
  void OnEvent(const LinkOpened& event, ClientEffects* effects);
  void OnEvent(const LinkClosed& event, ClientEffects* effects);
  void OnEvent(const ResponseReceived& event, ClientEffects* effects);
  void OnEvent(const StartCall& event, ClientEffects* effects);
  void OnEvent(const CloseClient& event, ClientEffects* effects);
  // A reply of the kind that the call asks for, or a failure.
  static bool Fits(const Body& body, const CallResult& result);
  // Why the call cannot even wait; kOk if it can.
  Failure RefusalOf(const Call& call) const;
  Failure CommandRefusalOf(const Command& command) const;
  void OnCallResponse(LaneState* lane, CallId id,
                      const ClientResponse& response, ClientEffects* effects);
  void OnRefusal(LaneState* lane, const Failure& failure);
  void ExpireCalls(ClientEffects* effects);
  void ExpireLinks(ClientEffects* effects);
  // Closes the link and goes to `hint`, or, when empty, to the next endpoint.
  void DropLink(LaneState* lane, const std::string& hint,
                ClientEffects* effects);
  void CutOffAttempts(LaneState* lane, ClientEffects* effects);
  void NarrowWindow(LaneState* lane) const;
  // Waits to be sent again, unless no later attempt could succeed.
  void Requeue(CallId id, ClientEffects* effects);
  void Enqueue(CallId id, const Call& call);
  void Finish(CallId id, CallResult result, ClientEffects* effects);
  // Finishes without an answer: `outcome_unknown` or `error`.
  void GiveUp(CallId id, Error error, std::string detail,
              ClientEffects* effects);
  void Pump(ClientEffects* effects);
  void PumpCalls(LaneState* lane, ClientEffects* effects);
  std::optional<CallId> NextToSend(const LaneState& lane) const;
  void Send(LaneState* lane, CallId id, ClientEffects* effects);
  uint64_t Emit(LaneState* lane, Asker asker,
                decltype(ClientRequest::body) body, ClientEffects* effects);
  bool Wanted(const LaneState& lane) const;
  raft::Time SilenceLimit(const LaneState& lane) const;
  LaneState* LaneOf(LinkId link);
  LaneState& command_lane() { return lanes_[0]; }
  size_t waiting() const;

  // client_session.cc: the session's life.
  bool Leased() const { return options_.session_ttl > raft::Duration(0); }
  void PumpSession(ClientEffects* effects);
  std::string Nonce() const;
  void OnOpenResponse(const ClientResponse& response, ClientEffects* effects);
  void OnKeepAliveResponse(const KeepAliveAttempt& attempt, raft::Time sent,
                           const ClientResponse& response,
                           ClientEffects* effects);
  void OnSessionExpired(SessionId session, ClientEffects* effects);
  void OnSessionEnded(SessionId session, ClientEffects* effects);
  // No command of this session can be done any more.
  void LeaveSession(Failure refusal, bool open_another, ClientEffects* effects);
  raft::Duration KeepAliveInterval() const;
  raft::Time KeepAliveDue() const;
  // Sequences go far enough ahead of the oldest unanswered one, no further.
  bool WindowOpen() const;
  bool IsEndOfOwnSession(const Call& call) const;

  ClientOptions options_;
  raft::Time now_;
  bool closed_ = false;
  uint64_t last_request_ = 0;
  LinkId last_link_;
  std::vector<LaneState> lanes_;  // by Lane; one unless `read_any`
  absl::btree_map<CallId, Call> calls_;
  absl::btree_set<std::pair<raft::Time, CallId>> deadlines_;
  SessionState session_;
  std::string trouble_;  // the last one met, for the details of failures
};

}  // namespace registry

#endif  // REGISTRY_CLIENT_H_
