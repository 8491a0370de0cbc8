// What one node does about its log and its reads. What several do together is
// told in testdata/raft.
#include <cstdint>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "raft/digest.h"
#include "raft/limits.h"
#include "raft/raft.h"
#include "raft/raft_driver.h"
#include "raft/raft_io.h"

namespace raft {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

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

// What the configuration says, not the constants, bounds what a leader sends
// ...
TEST(Replication, SmallerLimitsBoundAppendsAndWindow) {
  const auto sent = [](const Limits& limits) {
    Driver driver(2, {}, 1, limits);
    driver.LeadAndCommit();
    std::vector<size_t> entries;
    for (const Send& send :
         driver.Do(Propose{std::vector<Bytes>(5, Bytes("x"))})) {
      entries.push_back(std::get<AppendRequest>(send.message).entries.size());
    }
    return entries;
  };
  using testing::ElementsAre;
  EXPECT_THAT(sent({}), ElementsAre(5));
  EXPECT_THAT(sent({.append_entries = 2}), ElementsAre(2, 2, 1));
  EXPECT_THAT(sent({.append_bytes = 1}), ElementsAre(1, 1, 1, 1, 1));
  EXPECT_THAT(sent({.append_entries = 1, .inflight_appends = 2}),
              ElementsAre(1, 1));
  EXPECT_THAT(sent({.append_entries = 3, .inflight_bytes = 1}), ElementsAre(3));
}

// ... and takes.
TEST(Replication, ASmallerLimitRefusesProposals) {
  Driver driver(2, {}, 1, {.uncommitted_bytes = 100});
  driver.LeadAndCommit();
  const Propose propose{{Bytes(std::string(200, 'x'))}};
  driver.Do(propose);
  EXPECT_EQ(driver.All<Proposed>().size(), 1u);  // into an empty pipeline
  driver.Do(propose);
  EXPECT_THAT(
      driver.All<ProposalRefused>(),
      testing::ElementsAre(ProposalRefused{RefusalReason::kOverloaded}));
  EXPECT_TRUE(driver.All<Proposed>().empty());
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

// A disk that lost what it had synced: the leader counts on a copy that is
// gone, or on one in whose place what it had replaced is back.
TEST(Replication, AFollowerThatLostWhatItAcknowledgedHalts) {
  struct Row {
    std::vector<uint64_t> own;  // terms of its log after the restart
    bool halts;
  };
  const Row rows[] = {
      {{1, 2, 2}, false},     // all is there
      {{1, 2, 2, 2}, false},  // and more
      {{1, 2}, true},        {{}, true},
      {{1, 1, 1}, true},  // 2 and 3 of term 1 had been replaced
  };
  for (const Row& row : rows) {
    Driver driver(3, Restored{.term = Term(2), .log = MakeLog(row.own)});
    const std::vector<Send> sends = driver.Get(
        2,
        Heartbeat{.term = Term(2), .commit = Index(3), .commit_term = Term(2)});
    EXPECT_EQ(driver.raft().commit(), Index(row.halts ? 0 : 3));
    EXPECT_EQ(sends.size(), row.halts ? 0u : 1u);
    if (row.halts) {
      EXPECT_THAT(driver.All<Halt>(), ElementsAre(Halt{Index(3), Term(2)}));
    } else {
      EXPECT_THAT(driver.All<Halt>(), IsEmpty());
    }
  }
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
  EXPECT_EQ(TheReply<Heartbeat>(sends, 2).commit_term, Term(1));
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

// ---------------------------------------------------------------- reads

TEST(Reads, DeadlineOfAForwardedReadIsAnnounced) {
  Driver driver(3);
  driver.Get(2, Heartbeat{.term = Term(1)});
  driver.Do(ReadIndex{ReadId(1)});
  const Time expires = driver.now() + Millis(300);
  driver.Pass(Millis(250));
  driver.Get(2, Heartbeat{.term = Term(1)});  // puts off the election only
  EXPECT_EQ(driver.raft().NextDeadline(), expires);
  driver.TimeOut();
  EXPECT_THAT(driver.All<ReadFailed>(), ElementsAre(ReadFailed{ReadId(1)}));
  EXPECT_EQ(driver.raft().role(), Role::kFollower);
}

TEST(Reads, OnlyTheCurrentLeaderAnswersThisLife) {
  Driver driver(3);
  driver.Get(2, Heartbeat{.term = Term(1)});
  driver.Do(ReadIndex{ReadId(1)});
  driver.Do(ReadIndex{ReadId(2)});
  driver.Do(ReadIndex{ReadId(3)});
  ReadIndexReply reply{
      .term = Term(1), .id = ReadId(2), .ok = true, .index = Index(7)};
  driver.Get(3, reply);  // not the leader
  EXPECT_THAT(driver.All<ReadReady>(), IsEmpty());
  reply.boot = 1;  // this life is 0
  driver.Get(2, reply);
  EXPECT_THAT(driver.All<ReadReady>(), IsEmpty());
  reply.boot = 0;
  driver.Get(2, reply);  // covers the older one, not the newer one
  EXPECT_THAT(driver.All<ReadReady>(),
              ElementsAre(ReadReady{ReadId(1), Index(7)},
                          ReadReady{ReadId(2), Index(7)}));
  driver.Get(2, reply);  // doubled
  EXPECT_THAT(driver.All<ReadReady>(), IsEmpty());
  // A new term fails what is left.
  driver.Get(3, Heartbeat{.term = Term(2)});
  EXPECT_THAT(driver.All<ReadFailed>(), ElementsAre(ReadFailed{ReadId(3)}));
}

TEST(Reads, RequestOfAnOlderTermIsRefused) {
  Driver driver(3, Restored{.term = Term(4)});
  driver.LeadAndCommit();
  const auto refusal = TheReply<ReadIndexReply>(
      driver.Get(2, ReadIndexRequest{Term(4), ReadId(1), 9}), 2);
  EXPECT_EQ(refusal, (ReadIndexReply{Term(5), ReadId(1), 9, false}));
}

TEST(Reads, RoundIsConfirmedByAppendsToo) {
  Driver driver(3);
  driver.LeadAndCommit();
  driver.Do(ReadIndex{ReadId(1)});
  std::vector<Send> sends = driver.Do(Propose{{Bytes("a")}});
  const auto append = TheReply<AppendRequest>(sends, 2);
  EXPECT_EQ(append.round, Round(1));
  driver.Get(2, AppendReply{.term = Term(1),
                            .accepted = true,
                            .match = Index(2),
                            .round = append.round});
  EXPECT_THAT(driver.All<ReadReady>(),
              ElementsAre(ReadReady{ReadId(1), Index(1)}));
}

TEST(Reads, RefusedAppendsConfirmLeadershipAsWell) {
  Driver driver(3);
  driver.LeadAndCommit();
  driver.Do(ReadIndex{ReadId(1)});
  driver.Get(2, AppendReply{.term = Term(1), .round = Round(1)});
  EXPECT_EQ(driver.All<ReadReady>().size(), 1u);
}

TEST(Reads, RoundThatNeverBeganConfirmsNothing) {
  Driver driver(3);
  driver.LeadAndCommit();
  driver.Do(ReadIndex{ReadId(1)});
  driver.Get(2, HeartbeatReply{Term(1), Round(2)});
  EXPECT_THAT(driver.All<ReadReady>(), IsEmpty());
}

// A leader whose followers answer heartbeats while their disks stall keeps its
// leadership and cannot commit: reads neither wait for ever nor pile up.
TEST(Reads, ThoseOfALeaderThatCannotCommitEnd) {
  Driver driver(3);
  driver.Lead();
  driver.Do(ReadIndex{ReadId(1)});
  driver.Get(2, ReadIndexRequest{Term(1), ReadId(5), 9});
  driver.Get(2, ReadIndexRequest{Term(1), ReadId(7), 9});
  driver.Get(2, ReadIndexRequest{Term(1), ReadId(6), 9});
  std::vector<ReadIndexReply> refusals;
  std::vector<ReadFailed> failed;
  for (int i = 0; i < 8; ++i) {
    for (const Send& send : driver.Pass(Millis(50))) {
      if (const auto* reply = std::get_if<ReadIndexReply>(&send.message)) {
        refusals.push_back(*reply);
      }
    }
    for (const ReadFailed& read : driver.All<ReadFailed>()) {
      failed.push_back(read);
    }
    driver.Get(2, HeartbeatReply{Term(1), Round(0)});
  }
  EXPECT_EQ(driver.raft().role(), Role::kLeader);
  EXPECT_THAT(failed, ElementsAre(ReadFailed{ReadId(1)}));
  // One answer, to the newest, which covers the older ones.
  EXPECT_THAT(refusals, ElementsAre(ReadIndexReply{Term(1), ReadId(7), 9}));
}

TEST(Names, EveryEnumeratorHasOne) {
  const int last = static_cast<int>(kLastProbeId);
  for (int id = 1; id <= last; ++id) {
    EXPECT_NE(ToString(static_cast<ProbeId>(id)), "unknown probe");
  }
  EXPECT_EQ(ToString(static_cast<ProbeId>(last + 1)), "unknown probe");
  EXPECT_EQ(ToString(Role::kLeader), "leader");
  EXPECT_EQ(ToString(RefusalReason::kOverloaded), "overloaded");
}

}  // namespace
}  // namespace raft
