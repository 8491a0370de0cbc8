#include "registry/trace.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "registry/replay.h"
#include "registry/replica_harness.h"

namespace registry {
namespace {

using raft::Millis;
using Kind = wire::TraceRecord::KindCase;

std::vector<wire::TraceRecord> Parse(const std::string& file) {
  std::vector<wire::TraceRecord> records;
  TraceReader reader(file);
  wire::TraceRecord record;
  while (true) {
    const absl::StatusOr<bool> read = reader.Next(&record);
    EXPECT_TRUE(read.ok()) << read.status();
    if (!read.ok() || !*read) return records;
    records.push_back(record);
  }
}

std::string Write(const std::vector<wire::TraceRecord>& records) {
  std::string file;
  for (const wire::TraceRecord& record : records) {
    AppendTraceRecord(record.SerializeAsString(), &file);
  }
  return file;
}

// The number, from 1, of the first step recorded at or after `position`.
uint64_t StepAt(const std::vector<wire::TraceRecord>& records,
                size_t position) {
  uint64_t step = 1;
  for (size_t i = 0; i < position; ++i) {
    step += records[i].kind_case() == Kind::kStep ? 1 : 0;
  }
  return step;
}

// A cluster with writes, reads, garbage and a member that dies and comes back;
// every life is recorded.
class TraceTest : public testing::Test {
 protected:
  TraceTest() : world(3) {
    for (size_t i = 0; i < 3; ++i) world.TraceFrom(i);
    world.BootAll();
    const size_t leader = world.Leader();
    session = Work(leader, SessionId(0), 0);
    const size_t killed = (leader + 1) % 3;
    world.Kill(killed);
    first_life = std::exchange(world.trace(killed).file, "");
    Work(leader, session, 100);
    EXPECT_TRUE(world.Boot(killed).ok());
    world.Run(Millis(500));
    const ReplicaHarness::Outsider* garbage =
        world.Dial(leader, Listener::kClient);
    world.Write(const_cast<ReplicaHarness::Outsider*>(garbage), "garbage");
    world.Kill(leader);
    dead_leader = world.trace(leader).file;
    Work(world.Leader(), session, 200);
    second_life = world.trace(killed).file;
    digest = world.replica(killed).node().state().digest();
  }

  SessionId Work(size_t leader, SessionId of, uint64_t sequence) {
    ReplicaHarness::Outsider* client = world.Client(leader);
    if (of == SessionId(0)) {
      of = world
               .Do(client, Command{.operation =
                                       OpenSession{"trace-test", Millis(5000)}})
               .session;
    }
    const auto run = [&](Operation operation) {
      const CommandReply reply =
          world.Do(client, Command{.session = of,
                                   .sequence = Sequence(++sequence),
                                   .operation = std::move(operation)});
      EXPECT_EQ(reply.error, Error::kOk);
    };
    run(CreateRegistry{"r"});
    for (int i = 0; i < 10; ++i) {
      run(Register{"r", "key-" + std::to_string(i), "value"});
    }
    EXPECT_EQ(world.Ask<ReadReply>(client, ReadRequest{Count{"r"}}).count, 10u);
    EXPECT_EQ(world.Ask<KeepAliveReply>(client, KeepAliveRequest{of}).error,
              Error::kOk);
    return of;
  }

  ReplicaHarness world;
  SessionId session;
  std::string first_life;
  std::string second_life;
  std::string dead_leader;
  StateDigest digest;
};

TEST_F(TraceTest, EveryLifeRunsAgainAsItDid) {
  for (const std::string& file : {first_life, second_life, dead_leader}) {
    const absl::StatusOr<ReplayReport> report = ReplayTrace(file);
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_FALSE(report->mismatch.has_value()) << report->mismatch->what;
    const std::vector<wire::TraceRecord> records = Parse(file);
    EXPECT_EQ(report->steps + 1, StepAt(records, records.size()));
    EXPECT_GT(report->steps, 100u);
    EXPECT_EQ(report->cut_off_bytes, 0u);
  }
  const absl::StatusOr<ReplayReport> report = ReplayTrace(second_life);
  EXPECT_EQ(report->digest, digest);
  EXPECT_GT(Parse(second_life).front().header().log_entries(), 10u);
}

// Two reads come at once, of which the leader lets one wait.
TEST(TraceLimitsTest, ANodeRunsAgainWithTheLimitsThatItHad) {
  ReplicaHarness world(1);
  world.TraceFrom(0);
  ReplicaOptions options = world.Options(0);
  options.limits.waiting_reads = 1;
  ASSERT_TRUE(world.Boot(0, options).ok());
  ReplicaHarness::Outsider* client = world.Client(world.Leader());
  const auto ask = [](uint64_t id) {
    return ReplicaHarness::RequestFrame(id, ReadRequest{Count{"r"}});
  };
  world.Write(client, ask(1) + ask(2));
  world.Run(Millis(100));
  std::vector<wire::TraceRecord> records = Parse(world.trace(0).file);
  EXPECT_EQ(records[0].header().limits().waiting_reads(), 1u);
  absl::StatusOr<ReplayReport> report = ReplayTrace(Write(records));
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_FALSE(report->mismatch.has_value()) << report->mismatch->what;
  // Without, the second would have been answered.
  records[0].mutable_header()->clear_limits();
  report = ReplayTrace(Write(records));
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(report->mismatch.has_value());
  records[0].mutable_header()->mutable_limits()->set_waiting_reads(0);
  EXPECT_EQ(ReplayTrace(Write(records)).status().code(),
            absl::StatusCode::kInvalidArgument);
}

// A member that was away for longer than the log is kept gets a snapshot, dies,
// and begins its next life with it. All of that runs again without any disk.
class TraceSnapshotTest : public testing::Test {
 protected:
  TraceSnapshotTest() : world(3) {
    for (size_t i = 0; i < 3; ++i) {
      world.TraceFrom(i);
      EXPECT_TRUE(world.Boot(i, Options(i)).ok());
    }
    leader = world.Leader();
    away = (leader + 1) % 3;
    Write("before");
    world.Kill(away);
    world.trace(away).file.clear();
    Write("meanwhile");
    EXPECT_TRUE(world.Boot(away, Options(away)).ok());
    world.Run(Millis(1000));
    Write("after");
  }

  ReplicaOptions Options(size_t i) {
    ReplicaOptions options = world.Options(i);
    options.limits.snapshot_bytes = 500;
    options.limits.snapshot_slice_bytes = 100;
    return options;
  }

  void Write(const std::string& name) {
    ReplicaHarness::Outsider* client = world.Client(leader);
    const SessionId session =
        world
            .Do(client, Command{.operation = OpenSession{name + "-session",
                                                         Millis(5000)}})
            .session;
    uint64_t sequence = 0;
    const auto run = [&](Operation operation) {
      EXPECT_EQ(world
                    .Do(client, Command{.session = session,
                                        .sequence = Sequence(++sequence),
                                        .operation = std::move(operation)})
                    .error,
                Error::kOk);
    };
    run(CreateRegistry{"r"});
    for (int i = 0; i < 40; ++i) {
      run(Register{"r", name + std::to_string(i), "value"});
    }
    world.Run(Millis(100));
  }

  uint64_t Counter(size_t i, const std::string& name) {
    for (const auto& [counter, value] : world.replica(i).Status().counters) {
      if (counter == name) return value;
    }
    ADD_FAILURE() << "no counter " << name;
    return 0;
  }

  void RunsAgain(size_t i) {
    const absl::StatusOr<ReplayReport> report =
        ReplayTrace(world.trace(i).file);
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_FALSE(report->mismatch.has_value()) << report->mismatch->what;
    EXPECT_EQ(report->digest, world.replica(i).node().state().digest());
    EXPECT_EQ(report->digest, world.replica(leader).node().state().digest());
  }

  ReplicaHarness world;
  size_t leader = 0;
  size_t away = 0;
};

TEST_F(TraceSnapshotTest, WhatWasInstalledAndBegunWithRunsAgain) {
  EXPECT_GT(Counter(leader, "snapshots_taken"), 2u);
  EXPECT_GT(Counter(leader, "log_releases"), 0u);
  EXPECT_GT(world.replica(leader).node().raft().base().index, raft::Index(40));
  EXPECT_EQ(Counter(away, "snapshots_installed"), 1u);
  RunsAgain(away);
  RunsAgain(leader);

  world.Kill(away);
  world.trace(away).file.clear();
  EXPECT_TRUE(world.Boot(away, Options(away)).ok());
  world.Run(Millis(500));
  std::vector<wire::TraceRecord> records = Parse(world.trace(away).file);
  EXPECT_GT(records[0].header().base().index(), 40u);
  EXPECT_GT(records[0].header().state_bytes(), 1000u);
  RunsAgain(away);

  // A state that is not the one recorded is found.
  const auto state = std::find_if(records.begin(), records.end(),
                                  [](const wire::TraceRecord& record) {
                                    return record.kind_case() == Kind::kState;
                                  });
  ASSERT_NE(state, records.end());
  std::string* bytes = state->mutable_state()->mutable_bytes();
  bytes->back() ^= 1;
  EXPECT_EQ(ReplayTrace(::registry::Write(records)).status().code(),
            absl::StatusCode::kDataLoss);
}

TEST_F(TraceTest, AFlippedInputByteIsFoundAtItsStep) {
  const std::vector<wire::TraceRecord> records = Parse(dead_leader);
  size_t tried = 0;
  for (size_t i = 0; i < records.size(); ++i) {
    if (records[i].kind_case() != Kind::kBytes) continue;
    if (++tried % 7 != 0) continue;
    std::vector<wire::TraceRecord> changed = records;
    std::string* bytes = changed[i].mutable_bytes()->mutable_bytes();
    bytes->back() = static_cast<char>(bytes->back() ^ 1);
    const absl::StatusOr<ReplayReport> report = ReplayTrace(Write(changed));
    ASSERT_TRUE(report.ok()) << report.status();
    // A frame's last bytes may come with a later input; what was fed before
    // went well.
    ASSERT_TRUE(report->mismatch.has_value()) << "record " << i;
    EXPECT_GE(report->mismatch->step, StepAt(records, i));
    EXPECT_LE(report->mismatch->step, StepAt(records, i) + 20);
  }
  EXPECT_GT(tried, 14u);
}

TEST_F(TraceTest, AFlippedDigestIsFoundAtItsStep) {
  const std::vector<wire::TraceRecord> records = Parse(second_life);
  size_t steps = 0;
  for (size_t i = 0; i < records.size(); ++i) {
    if (records[i].kind_case() != Kind::kStep) continue;
    if (++steps % 50 != 0) continue;
    std::vector<wire::TraceRecord> changed = records;
    changed[i].set_step(changed[i].step() ^ 1);
    const absl::StatusOr<ReplayReport> report = ReplayTrace(Write(changed));
    ASSERT_TRUE(report.ok()) << report.status();
    ASSERT_TRUE(report->mismatch.has_value());
    EXPECT_EQ(report->mismatch->step, steps);
    EXPECT_EQ(report->steps, steps - 1);
    EXPECT_NE(report->mismatch->what.find("another digest"), std::string::npos);
  }
  EXPECT_GT(steps, 100u);
}

TEST_F(TraceTest, AMissingInputIsFound) {
  std::vector<wire::TraceRecord> records = Parse(second_life);
  for (size_t i = records.size() / 2; i < records.size(); ++i) {
    if (records[i].kind_case() != Kind::kBytes) continue;
    records.erase(records.begin() + static_cast<std::ptrdiff_t>(i));
    break;
  }
  const absl::StatusOr<ReplayReport> report = ReplayTrace(Write(records));
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(report->mismatch.has_value());
}

TEST_F(TraceTest, AnotherSeedIsAnotherHistory) {
  std::vector<wire::TraceRecord> records = Parse(dead_leader);
  records[0].mutable_header()->set_seed(4);
  const absl::StatusOr<ReplayReport> report = ReplayTrace(Write(records));
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(report->mismatch.has_value());
}

TEST_F(TraceTest, ATraceThatWasCutOffIsReplayedAsFarAsItGoes) {
  const absl::StatusOr<ReplayReport> whole = ReplayTrace(first_life);
  for (size_t cut = 1; cut < first_life.size() / 2; cut += 997) {
    const absl::StatusOr<ReplayReport> report =
        ReplayTrace(first_life.substr(0, first_life.size() - cut));
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_FALSE(report->mismatch.has_value()) << report->mismatch->what;
    EXPECT_LE(report->steps, whole->steps);
  }
}

TEST_F(TraceTest, ADamagedFileIsNoTrace) {
  std::string damaged = first_life;
  damaged[damaged.size() / 2] =
      static_cast<char>(damaged[damaged.size() / 2] ^ 1);
  const absl::StatusOr<ReplayReport> report = ReplayTrace(damaged);
  // Or a length that now reaches beyond the end; then it is a shorter trace.
  if (report.ok()) {
    EXPECT_GT(report->cut_off_bytes, first_life.size() / 2 - 100'000);
  } else {
    EXPECT_EQ(report.status().code(), absl::StatusCode::kDataLoss);
    EXPECT_NE(report.status().message().find("offset"),
              absl::string_view::npos);
  }
  EXPECT_EQ(ReplayTrace("").status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReplayTrace("no trace at all").status().code(),
            absl::StatusCode::kDataLoss);
  std::vector<wire::TraceRecord> records = Parse(first_life);
  records[0].mutable_header()->set_version(2);
  EXPECT_EQ(ReplayTrace(Write(records)).status().code(),
            absl::StatusCode::kInvalidArgument);
  records = Parse(second_life);
  records[1].mutable_entries()->mutable_entries(0)->set_term(9);
  EXPECT_EQ(ReplayTrace(Write(records)).status().code(),
            absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace registry
