// Table-like tests of what a Raft node is made of: quorums, jitter, the log,
// the window and the progress of a follower.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "raft/digest.h"
#include "raft/jitter.h"
#include "raft/limits.h"
#include "raft/log.h"
#include "raft/progress.h"
#include "raft/quorum.h"
#include "raft/raft_io.h"

namespace raft {
namespace {

using testing::ElementsAre;

constexpr NodeId N(int slot) { return {static_cast<uint8_t>(slot), 1}; }

Entry MakeEntry(uint64_t index, uint64_t term) {
  return Entry{
      .index = Index(index), .term = Term(term), .payload = Bytes("x")};
}

std::vector<Entry> MakeLog(const std::vector<uint64_t>& terms) {
  std::vector<Entry> log;
  for (uint64_t term : terms) log.push_back(MakeEntry(log.size() + 1, term));
  return log;
}

TEST(Quorum, ReachedByMajority) {
  struct Row {
    std::vector<Index> values;
    Index reached;
  };
  const auto I = [](uint64_t i) { return Index(i); };
  const Row rows[] = {
      {{I(7)}, I(7)},
      {{I(7), I(9)}, I(7)},
      {{I(9), I(7)}, I(7)},
      {{I(0), I(0), I(9)}, I(0)},
      {{I(5), I(0), I(9)}, I(5)},
      {{I(9), I(9), I(1)}, I(9)},
      {{I(1), I(2), I(3), I(4)}, I(2)},
      {{I(4), I(4), I(1), I(1)}, I(1)},
      {{I(1), I(2), I(3), I(4), I(5)}, I(3)},
      {{I(5), I(1), I(5), I(1), I(5)}, I(5)},
      {{I(9), I(9), I(0), I(0), I(0), I(9), I(8)}, I(8)},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(ReachedByMajority(std::span<const Index>(row.values)),
              row.reached)
        << Describe(row.values);
  }
}

// By definition: at least a majority has reached it, and nothing above it.
TEST(Quorum, ReachedByMajorityIsWhatItSays) {
  for (uint64_t draw = 0; draw < 2000; ++draw) {
    std::vector<Index> values(1 + Mix(draw, 0) % kVotersMax);
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] = Index(Mix(draw, i + 1) % 5);
    }
    const Index reached = ReachedByMajority(std::span<const Index>(values));
    const auto count = [&](Index at_least) {
      return static_cast<size_t>(
          std::count_if(values.begin(), values.end(),
                        [&](Index value) { return value >= at_least; }));
    };
    EXPECT_GE(count(reached), MajorityOf(values.size()));
    EXPECT_LT(count(reached + 1), MajorityOf(values.size()));
  }
}

TEST(Quorum, CountBallots) {
  const Ballot S = Ballot::kSilent, G = Ballot::kGranted, R = Ballot::kRefused;
  struct Row {
    std::vector<Ballot> ballots;
    VoteResult result;
  };
  const Row rows[] = {
      {{G}, VoteResult::kWon},
      {{S}, VoteResult::kPending},
      {{G, S}, VoteResult::kPending},
      {{G, R}, VoteResult::kLost},
      {{G, S, S}, VoteResult::kPending},
      {{G, G, S}, VoteResult::kWon},
      {{G, R, S}, VoteResult::kPending},
      {{G, R, R}, VoteResult::kLost},
      {{G, G, R, R}, VoteResult::kLost},
      {{G, G, R, R, S}, VoteResult::kPending},
      {{G, R, R, R, S}, VoteResult::kLost},
      {{G, G, G, R, R}, VoteResult::kWon},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(CountBallots(row.ballots), row.result);
  }
}

TEST(Jitter, CoversTheWholeRangeAndDiffers) {
  std::array<int, 10> tenths{};
  int same = 0;
  for (uint32_t attempt = 0; attempt < 2000; ++attempt) {
    const Duration a = ElectionTimeout(1, N(1), Term(3), attempt, Millis(300));
    const Duration b = ElectionTimeout(1, N(2), Term(3), attempt, Millis(300));
    ASSERT_GE(a, Millis(300));
    ASSERT_LT(a, Millis(600));
    ++tenths[static_cast<size_t>((a - Millis(300)) / Millis(30).value())];
    // Within one round trip of each other: both would stand.
    same += std::abs(a - b) < Millis(1).value() ? 1 : 0;
    const Duration closed = ClosedTimeout(1, N(1), Term(3), attempt);
    ASSERT_GE(closed, Millis(1));
    ASSERT_LT(closed, Millis(15));
  }
  for (int count : tenths) EXPECT_GT(count, 100);
  EXPECT_LT(same, 40);
}

TEST(Log, LastAtMostIsTheLinearScan) {
  const Log log(MakeLog({1, 1, 2, 2, 2, 5, 5, 8}));
  for (uint64_t bound = 0; bound <= 10; ++bound) {
    for (uint64_t term = 0; term <= 9; ++term) {
      Index expected = std::min(Index(bound), log.last_index());
      while (expected > Index(0) && log.at(expected).term > Term(term)) {
        --expected;
      }
      EXPECT_EQ(log.LastAtMost(Index(bound), Term(term)), expected)
          << bound << " " << term;
    }
  }
}

TEST(Log, TermsAreThoseOfItsEntries) {
  Log log;
  uint64_t term = 1;
  for (uint64_t round = 1; round <= 500; ++round) {
    const uint64_t draw = Mix(round);
    if (draw % 3 == 0 && log.last_index() > Index(0)) {
      log.TruncateFrom(Index(1 + draw / 7 % log.last_index().value()));
    } else {
      term += draw / 5 % 3;
      for (uint64_t i = draw / 11 % 4; i > 0; --i) {
        log.Append({.index = log.last_index() + 1, .term = Term(term)});
      }
    }
    ASSERT_EQ(log.TermAt(Index(0)), Term(0));
    Term last;
    for (Index i(1); i <= log.last_index(); ++i) {
      last = log.at(i).term;
      ASSERT_EQ(log.TermAt(i), last) << round << " " << i.value();
    }
    ASSERT_EQ(log.last_term(), last) << round;
  }
}

TEST(Log, CompletenessComparesTermsBeforeLengths) {
  const Log log(MakeLog({1, 2, 2}));
  EXPECT_TRUE(log.AtLeastAsCompleteAs(Index(3), Term(2)));
  EXPECT_TRUE(log.AtLeastAsCompleteAs(Index(4), Term(2)));
  EXPECT_TRUE(log.AtLeastAsCompleteAs(Index(1), Term(3)));
  EXPECT_FALSE(log.AtLeastAsCompleteAs(Index(2), Term(2)));
  EXPECT_FALSE(log.AtLeastAsCompleteAs(Index(9), Term(1)));
  EXPECT_TRUE(Log().AtLeastAsCompleteAs(Index(0), Term(0)));
}

TEST(Log, HandsOutWhatChanged) {
  Log log(MakeLog({1}));
  EXPECT_FALSE(log.dirty());
  log.Append(MakeEntry(2, 1));
  log.Append(MakeEntry(3, 1));
  EXPECT_TRUE(log.dirty());
  Persist persist;
  log.HandOut(PersistToken(1), &persist);
  EXPECT_EQ(persist.truncate_from, Index(0));
  EXPECT_THAT(persist.entries, ElementsAre(MakeEntry(2, 1), MakeEntry(3, 1)));
  EXPECT_FALSE(log.dirty());

  // What was never handed out needs no truncation.
  log.Append(MakeEntry(4, 1));
  log.TruncateFrom(Index(4));
  EXPECT_FALSE(log.dirty());

  // Twice in one turn: the lowest counts.
  log.TruncateFrom(Index(3));
  log.Append(MakeEntry(3, 2));
  log.TruncateFrom(Index(2));
  log.Append(MakeEntry(2, 3));
  log.HandOut(PersistToken(2), &persist);
  EXPECT_EQ(persist.truncate_from, Index(2));
  EXPECT_THAT(persist.entries, ElementsAre(MakeEntry(2, 3)));
}

TEST(Log, OldPersistMakesNothingNewDurable) {
  Log log(MakeLog({1, 1}));
  Persist persist;
  for (uint64_t i = 3; i <= 5; ++i) log.Append(MakeEntry(i, 2));
  log.HandOut(PersistToken(1), &persist);
  log.TruncateFrom(Index(4));
  log.Append(MakeEntry(4, 3));
  EXPECT_EQ(log.DurableWith(Index(2), PersistToken(2)), PersistToken(0));
  EXPECT_EQ(log.DurableWith(Index(3), PersistToken(2)), PersistToken(1));
  EXPECT_EQ(log.DurableWith(Index(4), PersistToken(2)), PersistToken(2));
  log.HandOut(PersistToken(2), &persist);
  // The same index, truncated and written once more (A-B-A).
  log.TruncateFrom(Index(4));
  log.Append(MakeEntry(4, 4));
  log.HandOut(PersistToken(3), &persist);
  EXPECT_EQ(log.DurableWith(Index(4), PersistToken(9)), PersistToken(3));
  log.PersistDone(PersistToken(1));
  EXPECT_EQ(log.stable(), Index(3));
  log.PersistDone(PersistToken(2));
  EXPECT_EQ(log.stable(), Index(3));
  log.PersistDone(PersistToken(3));
  EXPECT_EQ(log.stable(), Index(4));
}

TEST(Log, OneCompletionCoversEarlierPersists) {
  Log log;
  Persist persist;
  for (uint64_t i = 1; i <= 3; ++i) {
    log.Append(MakeEntry(i, 1));
    log.HandOut(PersistToken(i), &persist);
  }
  log.PersistDone(PersistToken(2));
  EXPECT_EQ(log.stable(), Index(2));
  log.PersistDone(PersistToken(3));
  EXPECT_EQ(log.stable(), Index(3));
}

TEST(Log, ForgetsWhatASnapshotCovers) {
  Log log(MakeLog({1, 1, 2, 2, 5}));
  log.Append(MakeEntry(6, 5));
  log.Compact(Index(3));
  EXPECT_EQ(log.base(), (EntryId{Index(3), Term(2)}));
  EXPECT_EQ(log.last_index(), Index(6));
  EXPECT_EQ(log.at(Index(4)).term, Term(2));
  EXPECT_EQ(log.Copy(Index(4), 3).front().index, Index(4));
  EXPECT_TRUE(log.KnowsTermAt(Index(0)));
  EXPECT_FALSE(log.KnowsTermAt(Index(2)));
  EXPECT_EQ(log.TermAt(Index(3)), Term(2));
  EXPECT_EQ(log.TermAt(Index(6)), Term(5));
  // Whoever asks has what is committed.
  EXPECT_TRUE(log.Holds(Index(2), Term(1)));
  EXPECT_TRUE(log.Holds(Index(3), Term(2)));
  EXPECT_FALSE(log.Holds(Index(3), Term(1)));
  // No place before the base is named as one that may agree.
  EXPECT_EQ(log.LastAtMost(Index(6), Term(4)), Index(4));
  EXPECT_EQ(log.LastAtMost(Index(6), Term(1)), Index(3));
  EXPECT_EQ(log.LastAtMost(Index(1), Term(5)), Index(3));
  // Not what is not durable here yet, whatever others have.
  log.Compact(Index(6));
  EXPECT_EQ(log.base().index, Index(5));
  log.Compact(Index(4));
  EXPECT_EQ(log.base().index, Index(5));
  log.TruncateFrom(Index(6));
  EXPECT_EQ(log.last_term(), Term(5));
}

TEST(Log, ASnapshotTakesItsPlace) {
  Log log(MakeLog({1, 1}));
  Persist persist;
  log.Append(MakeEntry(3, 1));
  log.HandOut(PersistToken(1), &persist);
  log.TruncateFrom(Index(2));
  log.Reset({Index(9), Term(4)});
  EXPECT_EQ(log.last_index(), Index(9));
  EXPECT_EQ(log.last_term(), Term(4));
  EXPECT_EQ(log.stable(), Index(9));  // the snapshot is durable
  EXPECT_TRUE(log.dirty());
  log.Append(MakeEntry(10, 4));
  persist = {};
  log.HandOut(PersistToken(2), &persist);
  EXPECT_EQ(persist.base, (EntryId{Index(9), Term(4)}));
  EXPECT_EQ(persist.truncate_from, Index(0));
  EXPECT_EQ(persist.entries, std::vector<Entry>{MakeEntry(10, 4)});
  EXPECT_FALSE(log.dirty());
  // What was on its way when it came makes nothing durable.
  log.PersistDone(PersistToken(1));
  EXPECT_EQ(log.stable(), Index(9));
  EXPECT_EQ(log.DurableWith(Index(10), PersistToken(3)), PersistToken(2));
  log.PersistDone(PersistToken(2));
  EXPECT_EQ(log.stable(), Index(10));
  persist = {};
  log.Append(MakeEntry(11, 4));
  log.HandOut(PersistToken(3), &persist);
  EXPECT_EQ(persist.base, EntryId());
}

TEST(Window, BoundsMessagesAndBytes) {
  InflightWindow window;
  for (uint64_t i = 1; i <= kInflightAppendsMax; ++i) {
    ASSERT_FALSE(window.full());
    window.Add(Index(i), 1);
  }
  EXPECT_TRUE(window.full());
  window.FreeThrough(Index(0));
  EXPECT_TRUE(window.full());
  window.FreeThrough(Index(10));  // cumulative
  EXPECT_FALSE(window.full());
  window.Clear();
  EXPECT_TRUE(window.empty());
  for (size_t i = 1; i <= kInflightBytesMax / kAppendBytesMax; ++i) {
    ASSERT_FALSE(window.full());
    window.Add(Index(i), kAppendBytesMax);
  }
  EXPECT_TRUE(window.full());
  window.FreeThrough(Index(1));
  EXPECT_FALSE(window.full());
}

TEST(Window, SmallerLimits) {
  InflightWindow few(Limits{.inflight_appends = 2});
  few.Add(Index(1), 1);
  EXPECT_FALSE(few.full());
  few.Add(Index(2), 1);
  EXPECT_TRUE(few.full());
  // One append always passes an empty window, however large.
  InflightWindow small(Limits{.inflight_bytes = 1});
  EXPECT_FALSE(small.full());
  small.Add(Index(1), 500);
  EXPECT_TRUE(small.full());
  small.Clear();
  EXPECT_FALSE(small.full());
  Progress progress(Index(1), Limits{.inflight_appends = 1});
  EXPECT_FALSE(progress.Accepted(Index(0)));  // no news, but it streams now
  EXPECT_TRUE(progress.may_carry());
  progress.Sent(Index(1), 1);
  EXPECT_TRUE(progress.window_full());
  EXPECT_FALSE(progress.may_carry());
}

TEST(LimitsTest, AtLeastOneAndAtMostTheConstants) {
  EXPECT_TRUE(Limits().valid());
  EXPECT_TRUE((Limits{1, 1, 1, 1, 1}.valid()));
  EXPECT_FALSE((Limits{.append_bytes = kAppendBytesMax + 1}.valid()));
  EXPECT_FALSE((Limits{.append_entries = 0}.valid()));
  EXPECT_FALSE((Limits{.inflight_appends = kInflightAppendsMax + 1}.valid()));
  EXPECT_FALSE((Limits{.inflight_bytes = 0}.valid()));
  EXPECT_FALSE((Limits{.uncommitted_bytes = 0}.valid()));
}

TEST(Progress, ProbesOnceThenStreams) {
  Progress progress(Index(5));
  EXPECT_TRUE(progress.may_carry());
  EXPECT_TRUE(progress.must_ask());
  progress.Sent(Index(7), 100);
  EXPECT_EQ(progress.next(), Index(5));  // a guess stays a guess
  EXPECT_FALSE(progress.may_carry());
  EXPECT_FALSE(progress.must_ask());
  // No answer, but it lives: ask again, without the load.
  progress.AskAgain();
  EXPECT_FALSE(progress.may_carry());
  EXPECT_TRUE(progress.must_ask());
  progress.Sent(Index(4), 0);
  EXPECT_FALSE(progress.must_ask());

  EXPECT_TRUE(progress.Accepted(Index(4)));
  EXPECT_EQ(progress.state(), Progress::State::kReplicate);
  EXPECT_EQ(progress.next(), Index(5));
  progress.Sent(Index(7), 100);
  progress.Sent(Index(9), 100);
  EXPECT_EQ(progress.next(), Index(10));
  EXPECT_TRUE(progress.waiting());
  EXPECT_FALSE(progress.Accepted(Index(3)));  // late
  EXPECT_TRUE(progress.Accepted(Index(9)));
  EXPECT_FALSE(progress.waiting());
}

TEST(Progress, LateRefusalsChangeNothing) {
  Progress progress(Index(10));
  progress.Sent(Index(12), 1);
  EXPECT_FALSE(progress.Refused(Index(8), Index(2)));  // of an older probe
  EXPECT_TRUE(progress.Refused(Index(9), Index(5)));
  EXPECT_EQ(progress.next(), Index(6));
  progress.Sent(Index(12), 1);
  EXPECT_FALSE(progress.Refused(Index(9), Index(5)));  // doubled
  EXPECT_TRUE(progress.Accepted(Index(12)));
  EXPECT_FALSE(progress.Refused(Index(12), Index(3)));  // has it meanwhile
  EXPECT_FALSE(progress.Refused(Index(5), Index(3)));
  EXPECT_FALSE(progress.Refused(Index(20), Index(3)));  // never sent
  EXPECT_EQ(progress.match(), Index(12));
  EXPECT_EQ(progress.next(), Index(13));
}

TEST(Progress, RefusalWhileStreamingGoesBackNoFurtherThanMatch) {
  Progress progress(Index(1));
  progress.Sent(Index(0), 0);
  progress.Accepted(Index(4));
  for (uint64_t last = 5; last <= 9; ++last) progress.Sent(Index(last), 1);
  EXPECT_TRUE(progress.Refused(Index(7), Index(0)));
  EXPECT_EQ(progress.state(), Progress::State::kProbe);
  EXPECT_EQ(progress.next(), Index(5));
  EXPECT_TRUE(progress.may_carry());
}

}  // namespace
}  // namespace raft
