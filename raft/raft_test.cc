// Table-like tests of one node. What several nodes do together is told in
// testdata/raft.
#include "raft/raft.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "raft/digest.h"
#include "raft/limits.h"
#include "raft/raft_io.h"

namespace raft {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr NodeId N(int slot) { return {static_cast<uint8_t>(slot), 1}; }

std::vector<NodeId> Voters(int count) {
  std::vector<NodeId> voters;
  for (int slot = 1; slot <= count; ++slot) voters.push_back(N(slot));
  return voters;
}

Entry MakeEntry(uint64_t index, uint64_t term, std::string payload = "x") {
  return Entry{.index = Index(index),
               .term = Term(term),
               .payload = Bytes(std::move(payload))};
}

std::vector<Entry> MakeLog(const std::vector<uint64_t>& terms) {
  std::vector<Entry> log;
  for (uint64_t term : terms) log.push_back(MakeEntry(log.size() + 1, term));
  return log;
}

// One node with everything around it done at once: Step, Flush, and (unless
// told otherwise) every Persist.
class Driver {
 public:
  explicit Driver(int voters, Restored restored = {}, int self = 1)
      : raft_(Config{.self = N(self), .voters = Voters(voters)},
              std::move(restored), Time(0)) {}

  // The messages that left.
  std::vector<Send> Do(const Input& input) {
    outputs_.clear();
    raft_.Step(input, &outputs_);
    raft_.Step(Flush{}, &outputs_);
    for (size_t i = 0; auto_persist && i < outputs_.size(); ++i) {
      if (const auto* persist = std::get_if<Persist>(&outputs_[i])) {
        const PersistToken token = persist->token;  // outputs_ grows
        raft_.Step(PersistDone{token}, &outputs_);
        raft_.Step(Flush{}, &outputs_);
      }
    }
    return All<Send>();
  }
  std::vector<Send> Get(int from, Message message) {
    return Do(Receive{N(from), std::move(message)});
  }
  std::vector<Send> TimeOut() {
    now_ = raft_.NextDeadline();
    return Do(Tick{now_});
  }
  std::vector<Send> Pass(Duration d) {
    now_ = now_ + d;
    return Do(Tick{now_});
  }

  // Wins an election; every other voter grants.
  void Lead() {
    TimeOut();
    for (bool pre_vote : {true, false}) {
      for (const Peer& peer : raft_.peers()) {
        const Term term = raft_.term() + (pre_vote ? 1 : 0);
        if (raft_.role() == Role::kLeader) return;
        Get(peer.id.slot, VoteReply{term, pre_vote, true});
      }
    }
    ASSERT_EQ(raft_.role(), Role::kLeader);
  }
  // The same, and every other voter has acknowledged the whole log.
  void LeadAndCommit() {
    Lead();
    for (const Peer& peer : raft_.peers()) Acknowledge(peer.id.slot);
    ASSERT_EQ(raft_.commit(), raft_.last_index());
  }
  std::vector<Send> Acknowledge(int from) {
    return Get(from, AppendReply{.term = raft_.term(),
                                 .accepted = true,
                                 .match = raft_.last_index()});
  }

  // Everything of one type that the last Do put out.
  template <typename T>
  std::vector<T> All() const {
    std::vector<T> found;
    for (const Output& output : outputs_) {
      if (const T* one = std::get_if<T>(&output)) found.push_back(*one);
    }
    return found;
  }

  const Raft& raft() const { return raft_; }
  bool auto_persist = true;

 private:
  Raft raft_;
  Time now_ = Time(0);
  Outputs outputs_;
};

// The one reply among `sends`, to `to`.
template <typename T>
T TheReply(const std::vector<Send>& sends, int to) {
  std::vector<T> replies;
  for (const Send& send : sends) {
    const T* reply = std::get_if<T>(&send.message);
    if (send.to == N(to) && reply != nullptr) replies.push_back(*reply);
  }
  EXPECT_EQ(replies.size(), 1u);
  return replies.empty() ? T{} : replies[0];
}

// ----------------------------------------------------------- elections

// Conformance 1.3: every combination of answers of 1, 3 and 5 voters, in the
// pre-vote and in the vote.
TEST(Election, EveryCombinationOfAnswers) {
  for (int voters : {1, 3, 5}) {
    int combinations = 1;
    for (int i = 1; i < voters; ++i) combinations *= 3;
    for (int code = 0; code < combinations; ++code) {
      for (bool pre_vote : {true, false}) {
        Driver driver(voters);
        driver.TimeOut();
        if (!pre_vote) {
          for (int i = 2; i <= voters / 2 + 1; ++i) {
            driver.Get(i, VoteReply{Term(1), true, true});
          }
          ASSERT_EQ(driver.raft().term(), Term(1));
        }
        int granted = 1;
        int refused = 0;
        for (int i = 2, rest = code; i <= voters; ++i, rest /= 3) {
          if (rest % 3 == 0) continue;  // silent
          const bool grant = rest % 3 == 1;
          (grant ? granted : refused) += 1;
          const Term term(pre_vote && !grant ? 0 : 1);
          driver.Get(i, VoteReply{term, pre_vote, grant});
        }
        const bool won = granted > voters / 2;
        const bool lost = voters - refused <= voters / 2;
        const Role asking = pre_vote ? Role::kPreCandidate : Role::kCandidate;
        const Role winner =
            pre_vote && voters > 1 ? Role::kCandidate : Role::kLeader;
        EXPECT_EQ(driver.raft().role(),
                  won ? winner : (lost ? Role::kFollower : asking))
            << voters << " voters, answers " << code;
      }
    }
  }
}

// Conformance 1.5.
TEST(Election, VotesForLogsAtLeastAsComplete) {
  struct Row {
    std::vector<uint64_t> own;
    uint64_t last_index, last_term;
    bool granted;
  };
  const Row rows[] = {
      {{}, 0, 0, true},        {{}, 1, 1, true},      {{1}, 1, 1, true},
      {{1}, 0, 0, false},      {{1, 1}, 1, 1, false}, {{1, 1}, 1, 2, true},
      {{1, 2}, 9, 1, false},   {{1, 2}, 2, 2, true},  {{1, 2, 2}, 2, 2, false},
      {{1, 2, 2}, 1, 3, true},
  };
  for (const Row& row : rows) {
    for (bool pre_vote : {true, false}) {
      Driver driver(3, Restored{.term = Term(3), .log = MakeLog(row.own)});
      const auto reply = TheReply<VoteReply>(
          driver.Get(2, VoteRequest{Term(4), pre_vote, Index(row.last_index),
                                    Term(row.last_term)}),
          2);
      EXPECT_EQ(reply.granted, row.granted);
      EXPECT_EQ(reply.pre_vote, pre_vote);
      // A pre-vote changes nothing; a vote adopts the term at least.
      EXPECT_EQ(driver.raft().term(), Term(pre_vote ? 3 : 4));
      EXPECT_EQ(driver.raft().vote(),
                !pre_vote && row.granted ? N(2) : kNobody);
    }
  }
}

TEST(Election, VoteIsPersistedInALaterTurnOfTheSameTerm) {
  Driver driver(3, Restored{.term = Term(3), .log = MakeLog({1, 2})});
  driver.Get(2, VoteRequest{Term(4), false, Index(1), Term(1)});  // refused
  driver.Get(3, VoteRequest{Term(4), false, Index(2), Term(2)});
  EXPECT_THAT(driver.All<Persist>(),
              ElementsAre(Persist{
                  .token = PersistToken(2), .term = Term(4), .vote = N(3)}));
  // And nobody else gets it.
  const auto late = TheReply<VoteReply>(
      driver.Get(2, VoteRequest{Term(4), false, Index(9), Term(3)}), 2);
  EXPECT_FALSE(late.granted);
}

TEST(Election, ForeignLateAndDoubledVotesDoNotCount) {
  Driver driver(5);
  driver.TimeOut();
  driver.Get(2, VoteReply{Term(1), true, true});
  driver.Get(2, VoteReply{Term(1), true, true});  // doubled
  driver.Get(9, VoteReply{Term(1), true, true});  // no voter
  driver.Get(3, VoteReply{Term(2), true, true});  // of another pre-vote
  EXPECT_EQ(driver.raft().role(), Role::kPreCandidate);
  driver.Get(3, VoteReply{Term(1), true, true});
  ASSERT_EQ(driver.raft().role(), Role::kCandidate);
  // Pre-votes are no votes.
  driver.Get(4, VoteReply{Term(1), true, true});
  driver.Get(5, VoteReply{Term(1), true, true});
  driver.Get(4, VoteReply{Term(0), false, true});
  EXPECT_EQ(driver.raft().role(), Role::kCandidate);
}

TEST(Election, OwnVoteCountsWhenDurable) {
  Driver driver(3);
  driver.auto_persist = false;
  driver.TimeOut();
  EXPECT_THAT(driver.Get(2, VoteReply{Term(1), true, true}), IsEmpty());
  ASSERT_EQ(driver.raft().role(), Role::kCandidate);
  // A grant that can only be a ghost: our request has not left.
  driver.Get(2, VoteReply{Term(1), false, true});
  EXPECT_EQ(driver.raft().role(), Role::kCandidate);
  driver.Do(PersistDone{PersistToken(1)});
  EXPECT_EQ(driver.raft().role(), Role::kLeader);
}

TEST(Election, OwnVoteOfALostElectionIsIgnored) {
  Driver driver(3);
  driver.auto_persist = false;
  driver.TimeOut();
  driver.Get(2, VoteReply{Term(1), true, true});
  driver.Get(3, Heartbeat{Term(5), Index(0), Round(0)});
  driver.Do(PersistDone{PersistToken(2)});
  EXPECT_EQ(driver.raft().role(), Role::kFollower);
  EXPECT_EQ(driver.raft().leader(), N(3));
}

// Conformance 1.6, 1.7: every role, every message of a higher term.
TEST(Election, HigherTermsAreAdoptedInEveryRole) {
  const Message messages[] = {
      VoteReply{.term = Term(9)},
      VoteReply{.term = Term(9), .pre_vote = true},
      AppendRequest{.term = Term(9)},
      AppendReply{.term = Term(9)},
      Heartbeat{.term = Term(9)},
      HeartbeatReply{.term = Term(9)},
      ReadIndexRequest{.term = Term(9)},
      ReadIndexReply{.term = Term(9)},
  };
  for (const Message& message : messages) {
    for (int role = 0; role < 4; ++role) {
      Driver driver(3);
      if (role > 0) driver.TimeOut();
      if (role > 1) driver.Get(2, VoteReply{Term(1), true, true});
      if (role > 2) driver.Get(2, VoteReply{Term(1), false, true});
      ASSERT_EQ(driver.raft().role(), static_cast<Role>(role));
      driver.Get(3, message);
      EXPECT_EQ(driver.raft().role(), Role::kFollower) << Describe(message);
      EXPECT_EQ(driver.raft().term(), Term(9)) << Describe(message);
      EXPECT_EQ(driver.raft().vote(), kNobody);
      const bool leads = std::holds_alternative<AppendRequest>(message) ||
                         std::holds_alternative<Heartbeat>(message);
      EXPECT_EQ(driver.raft().leader(), leads ? N(3) : kNobody);
    }
  }
}

// Conformance 1.8.
TEST(Election, OlderTermsAreToldTheNewerOne) {
  Driver driver(3, Restored{.term = Term(5), .log = MakeLog({1, 2})});
  const auto refusal = TheReply<AppendReply>(
      driver.Get(2, AppendRequest{.term = Term(4),
                                  .prev_index = Index(1),
                                  .prev_term = Term(1),
                                  .commit = Index(2),
                                  .entries = {MakeEntry(2, 4)}}),
      2);
  EXPECT_FALSE(refusal.accepted);
  EXPECT_EQ(refusal.term, Term(5));
  EXPECT_EQ(driver.raft().TermAt(Index(2)), Term(2));
  EXPECT_EQ(driver.raft().commit(), Index(0));
  EXPECT_EQ(driver.raft().leader(), kNobody);
  EXPECT_EQ(
      TheReply<HeartbeatReply>(driver.Get(2, Heartbeat{.term = Term(4)}), 2)
          .term,
      Term(5));
  EXPECT_EQ(
      TheReply<VoteReply>(
          driver.Get(2, VoteRequest{Term(4), false, Index(9), Term(4)}), 2),
      (VoteReply{.term = Term(5)}));
}

// Conformance 2.4, 3.3: for the minimum election timeout after the leader was
// heard, whatever the term asked for.
TEST(Election, StickyWhileTheLeaderIsHeard) {
  for (bool pre_vote : {true, false}) {
    Driver driver(3);
    driver.Pass(Millis(10));
    driver.Get(2, Heartbeat{.term = Term(1)});
    driver.Pass(Millis(299));
    const VoteRequest request{Term(7), pre_vote, Index(9), Term(1)};
    EXPECT_FALSE(TheReply<VoteReply>(driver.Get(3, request), 3).granted);
    EXPECT_EQ(driver.raft().term(), Term(1));
    if (driver.raft().role() == Role::kFollower) driver.Pass(Millis(1));
    EXPECT_TRUE(TheReply<VoteReply>(driver.Get(3, request), 3).granted);
  }
}

TEST(Election, LeaderIsStickyAndTellsItsTerm) {
  Driver driver(3);
  driver.LeadAndCommit();
  for (bool pre_vote : {true, false}) {
    const auto reply = TheReply<VoteReply>(
        driver.Get(3, VoteRequest{Term(1), pre_vote, Index(9), Term(9)}), 3);
    EXPECT_FALSE(reply.granted);
    EXPECT_EQ(reply.term, Term(1));
    driver.Get(3, VoteRequest{Term(8), pre_vote, Index(9), Term(9)});
    EXPECT_EQ(driver.raft().role(), Role::kLeader);
    EXPECT_EQ(driver.raft().term(), Term(1));
  }
}

TEST(Election, AdoptingATermDoesNotPutOffTheTimer) {
  Driver driver(3, Restored{.term = Term(1), .log = MakeLog({1, 1})});
  const Time deadline = driver.raft().NextDeadline();
  driver.Pass(Millis(100));
  driver.Get(2, VoteRequest{Term(6), false, Index(1), Term(1)});  // refused
  EXPECT_EQ(driver.raft().term(), Term(6));
  EXPECT_EQ(driver.raft().NextDeadline(), deadline);
  driver.Get(3, VoteRequest{Term(6), false, Index(2), Term(1)});  // granted
  EXPECT_GT(driver.raft().NextDeadline(), deadline);
}

TEST(Election, OutsiderFollowsAndVotesButNeverCampaigns) {
  Driver driver(3, {}, /*self=*/4);
  for (int i = 0; i < 5; ++i) EXPECT_THAT(driver.TimeOut(), IsEmpty());
  EXPECT_TRUE(
      TheReply<VoteReply>(
          driver.Get(1, VoteRequest{Term(1), false, Index(0), Term(0)}), 1)
          .granted);
  const auto reply = TheReply<AppendReply>(
      driver.Get(1, AppendRequest{.term = Term(1),
                                  .commit = Index(1),
                                  .entries = {MakeEntry(1, 1)}}),
      1);
  EXPECT_TRUE(reply.accepted);
  EXPECT_EQ(driver.raft().commit(), Index(1));
  EXPECT_EQ(driver.raft().leader(), N(1));
  driver.TimeOut();
  EXPECT_EQ(driver.raft().leader(), kNobody);
  EXPECT_EQ(driver.raft().role(), Role::kFollower);
}

// --------------------------------------------------------- replication

TEST(Replication, EverythingOfATurnIsOnePersistAndOneAppendEach) {
  Driver driver(3);
  driver.LeadAndCommit();
  Raft raft = driver.raft();  // a copy is another node
  Outputs outputs;
  for (const char* payload : {"a", "b", "c"}) {
    raft.Step(Propose{{Bytes(payload)}}, &outputs);
  }
  raft.Step(Flush{}, &outputs);
  int persists = 0;
  int appends = 0;
  for (const Output& output : outputs) {
    if (const auto* persist = std::get_if<Persist>(&output)) {
      ++persists;
      EXPECT_EQ(persist->entries.size(), 3u);
    } else if (const auto* send = std::get_if<Send>(&output)) {
      ++appends;
      EXPECT_EQ(std::get<AppendRequest>(send->message).entries.size(), 3u);
    }
  }
  EXPECT_EQ(persists, 1);
  EXPECT_EQ(appends, 2);
  EXPECT_EQ(driver.raft().last_index(), Index(1));  // the original is as it was
}

// Conformance 11.4.
TEST(Replication, AppendsRespectTheByteLimitButCarrySomething) {
  Driver driver(3);
  driver.LeadAndCommit();
  Propose propose;
  for (int i = 0; i < 5; ++i) {
    propose.payloads.push_back(Bytes(std::string(kEntryBytesMax, 'x')));
  }
  Index next(2);
  for (const Send& send : driver.Do(propose)) {
    if (send.to != N(2)) continue;
    const auto& append = std::get<AppendRequest>(send.message);
    EXPECT_EQ(append.prev_index + 1, next);  // contiguous (M22)
    ASSERT_GE(append.entries.size(), 1u);
    size_t bytes = 0;
    for (const Entry& entry : append.entries) bytes += EntryBytes(entry);
    EXPECT_LE(bytes, kAppendBytesMax);
    next = next + append.entries.size();
  }
  EXPECT_EQ(next, Index(7));
}

TEST(Replication, WindowIsBoundedInBytes) {
  Driver driver(3);
  driver.LeadAndCommit();
  Propose propose;
  for (int i = 0; i < 50; ++i) {
    propose.payloads.push_back(Bytes(std::string(kEntryBytesMax, 'x')));
  }
  size_t bytes = 0;
  for (const Send& send : driver.Do(propose)) {
    if (send.to != N(2)) continue;
    for (const Entry& e : std::get<AppendRequest>(send.message).entries) {
      bytes += EntryBytes(e);
    }
  }
  EXPECT_GE(bytes, kInflightBytesMax);
  EXPECT_LE(bytes, kInflightBytesMax + kAppendBytesMax);
  EXPECT_THAT(driver.All<Probe>(),
              testing::Contains(Probe{ProbeId::kWindowFull}));
}

// Conformance 11.5.
TEST(Replication, TooMuchUncommittedIsRefused) {
  Driver driver(3);
  driver.LeadAndCommit();
  const Bytes payload(std::string(kEntryBytesMax, 'x'));
  const Propose propose{std::vector<Bytes>(16, payload)};
  int accepted = 0;
  for (; accepted < 100; ++accepted) {
    driver.Do(propose);
    if (driver.All<Proposed>().empty()) break;
  }
  EXPECT_EQ(accepted, 15);  // of 4 MiB and a little each
  EXPECT_THAT(driver.All<ProposalRefused>(),
              ElementsAre(ProposalRefused{RefusalReason::kOverloaded}));
  // Once something commits there is room again.
  driver.Acknowledge(2);
  EXPECT_EQ(driver.raft().commit(), driver.raft().last_index());
  driver.Do(propose);
  EXPECT_EQ(driver.All<Proposed>().size(), 1u);
}

TEST(Replication, RepliesThatProveNothingMoveNothing) {
  Driver driver(3);
  driver.Lead();
  const auto ack = [&](Term term, uint64_t match) {
    return AppendReply{.term = term, .accepted = true, .match = Index(match)};
  };
  driver.Get(2, ack(Term(1), 9));  // beyond the log
  driver.Get(2, ack(Term(0), 1));  // of an older term
  driver.Get(9, ack(Term(1), 1));  // no voter
  EXPECT_EQ(driver.raft().commit(), Index(0));
  driver.Get(2, ack(Term(1), 1));
  EXPECT_EQ(driver.raft().commit(), Index(1));
}

// Conformance 5.4: a heartbeat proves nothing about the log.
TEST(Replication, HeartbeatsCarryWhatTheFollowerIsKnownToHold) {
  Driver driver(3);
  driver.Lead();
  driver.Acknowledge(2);
  ASSERT_EQ(driver.raft().commit(), Index(1));
  const std::vector<Send> sends = driver.Pass(Millis(50));
  EXPECT_EQ(TheReply<Heartbeat>(sends, 2).commit, Index(1));
  EXPECT_EQ(TheReply<Heartbeat>(sends, 3).commit, Index(0));
}

// No message only for the commit index while appends flow; one soon after.
TEST(Replication, CommitTravelsWithTheNextAppendOrSoonAfter) {
  Driver driver(3);
  driver.LeadAndCommit();
  driver.Pass(Millis(49));
  driver.Do(Propose{{Bytes("a")}});
  EXPECT_THAT(driver.Acknowledge(2), IsEmpty());
  EXPECT_THAT(driver.Acknowledge(3), IsEmpty());
  for (const Send& send : driver.Do(Propose{{Bytes("b")}})) {
    EXPECT_EQ(std::get<AppendRequest>(send.message).commit, Index(2));
  }
  driver.Acknowledge(2);
  driver.Acknowledge(3);
  driver.Pass(Millis(1));  // the regular heartbeat is over
  driver.Do(Propose{{Bytes("c")}});
  driver.Acknowledge(2);
  driver.Acknowledge(3);
  const std::vector<Send> sends = driver.Pass(Millis(4));
  EXPECT_EQ(TheReply<Heartbeat>(sends, 2).commit, Index(4));
  EXPECT_EQ(TheReply<Heartbeat>(sends, 3).commit, Index(4));
}

TEST(Replication, NoAcknowledgementBeforeThePersist) {
  Driver driver(3);
  driver.auto_persist = false;
  EXPECT_THAT(driver.Get(2, AppendRequest{.term = Term(1),
                                          .entries = {MakeEntry(1, 1)}}),
              IsEmpty());
  // A doubled request waits for the same Persist; a heartbeat's answer for the
  // term only, which that Persist carries as well.
  EXPECT_THAT(driver.Get(2, AppendRequest{.term = Term(1),
                                          .entries = {MakeEntry(1, 1)}}),
              IsEmpty());
  EXPECT_THAT(driver.Get(2, Heartbeat{.term = Term(1)}), IsEmpty());
  EXPECT_EQ(driver.Do(PersistDone{PersistToken(1)}).size(), 3u);
  // Term and vote are durable: heartbeats do not wait for entries any more.
  EXPECT_THAT(driver.Get(2, AppendRequest{.term = Term(1),
                                          .prev_index = Index(1),
                                          .prev_term = Term(1),
                                          .entries = {MakeEntry(2, 1)}}),
              IsEmpty());
  EXPECT_EQ(driver.Get(2, Heartbeat{.term = Term(1)}).size(), 1u);
}

TEST(Replication, PersistDoneWithoutFlushReleasesWhatWaited) {
  Driver driver(3);
  driver.auto_persist = false;
  driver.Get(2, AppendRequest{.term = Term(1), .entries = {MakeEntry(1, 1)}});
  Raft raft = driver.raft();
  Outputs outputs;
  raft.Step(PersistDone{PersistToken(1)}, &outputs);
  ASSERT_EQ(outputs.size(), 1u);
  EXPECT_EQ(std::get<AppendReply>(std::get<Send>(outputs[0]).message).match,
            Index(1));
}

TEST(Names, EveryEnumeratorHasOne) {
  for (int id = 1; id <= 12; ++id) {
    EXPECT_NE(ToString(static_cast<ProbeId>(id)), "unknown probe");
  }
  EXPECT_EQ(ToString(static_cast<ProbeId>(13)), "unknown probe");
  EXPECT_EQ(ToString(Role::kLeader), "leader");
  EXPECT_EQ(ToString(RefusalReason::kOverloaded), "overloaded");
}

}  // namespace
}  // namespace raft
