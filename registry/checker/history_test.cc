#include "registry/checker/history.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "registry/checker/history_generator.h"

namespace registry::checker {
namespace {

std::string AllBytes() {
  std::string text;
  for (int c = 0; c < 256; ++c) text.push_back(static_cast<char>(c));
  return text;
}

Registration SomeRegistration() {
  return {Pid{SessionId(7), 3}, Value(std::string("\x80\"\\")), Revision(9),
          Revision(10)};
}

HistoryEntry EntryOf(HistoryOperation operation, HistoryResult result) {
  HistoryEntry entry;
  entry.client = UINT64_MAX;
  entry.operation = std::move(operation);
  entry.call_ns = -5;
  entry.return_ns = INT64_MAX;
  entry.result = std::move(result);
  return entry;
}

// One of each operation and result, with every field set to something.
std::vector<HistoryEntry> Samples() {
  CommandReply reply;
  reply.error = Error::kConflict;
  reply.detail = "modified";
  reply.revision = Revision(UINT64_MAX);
  reply.session = SessionId(5);
  reply.current = SomeRegistration();
  reply.previous = Value(int64_t{INT64_MIN});
  reply.removed = 12;
  ReadReply read;
  read.revision = Revision(17);
  read.registrations = {SomeRegistration(), SomeRegistration()};
  read.count = 3;
  read.keys = {"", "a", AllBytes()};
  read.more = true;
  read.registries = {{"r", RegistryKind::kDuplicate, 4, Revision(2)}};
  const std::string r = "registry/\n";
  std::vector<HistoryEntry> samples = {
      EntryOf(Operation(OpenSession{"nonce-00", raft::Millis(5)}), reply),
      EntryOf(Operation(EndSession{SessionId(3)}), reply),
      EntryOf(Operation(ExpireSessions{{SessionId(1), SessionId(2)}}), reply),
      EntryOf(Operation(CreateRegistry{r, RegistryKind::kDuplicate}), reply),
      EntryOf(Operation(Register{r, AllBytes(), AllBytes(), 4}), reply),
      EntryOf(Operation(Unregister{r, "k", 2, true}), reply),
      EntryOf(Operation(UpdateValue{r, "k", SetValue{int64_t{-1}}, Revision(0),
                                    1, true}),
              reply),
      EntryOf(Operation(UpdateValue{r, "k", AddValue{INT64_MIN}, {}, 0, false}),
              CommandReply{}),
      EntryOf(Operation(EndProcess{9}), Failure{Error::kUnavailable, "d", "a"}),
      EntryOf(ReadOperation(Lookup{r, "k"}), read),
      EntryOf(ReadOperation(Count{r, {}}), ReadReply{}),
      EntryOf(ReadOperation(Count{r, "k"}), read),
      EntryOf(ReadOperation(Keys{r, Pid{SessionId(4), 0}, "", 7}), read),
      EntryOf(ReadOperation(Keys{r, {}, {}, 0}), read),
      EntryOf(ReadOperation(ListRegistries{}), read),
      EntryOf(KeepAliveRequest{SessionId(8)},
              KeepAliveReply{Error::kSessionExpired}),
  };
  samples[4].session = SessionId(11);
  samples[4].sequence = Sequence(12);
  samples[5].return_ns.reset();
  samples[5].result.reset();
  return samples;
}

std::string LineOf(const HistoryEntry& entry) {
  std::string line;
  AppendHistoryLine(entry, &line);
  line.pop_back();
  return line;
}

TEST(HistoryTest, ComesBackAsItWasWritten) {
  for (const HistoryEntry& sample : Samples()) {
    const std::string line = LineOf(sample);
    for (const char c : line) ASSERT_TRUE(c >= 0x20 && c < 0x7f) << line;
    HistoryEntry back;
    ASSERT_EQ(ParseHistoryLine(line, &back), absl::OkStatus()) << line;
    EXPECT_EQ(back, sample) << line;
  }
}

RC_GTEST_PROP(HistoryTest, GeneratedHistoriesComeBack, (uint64_t seed)) {
  const auto history =
      GenerateHistory({.seed = seed, .operations = 50, .open_percent = 20});
  for (const HistoryEntry& entry : history) {
    HistoryEntry back;
    RC_ASSERT(ParseHistoryLine(LineOf(entry), &back).ok());
    RC_ASSERT(back == entry);
  }
}

TEST(HistoryTest, MembersComeInAnyOrderAndTextInAnyForm) {
  HistoryEntry entry;
  ASSERT_EQ(ParseHistoryLine(
                "\t{ \"result\" : null , \"key\":\"\\u00e9\\u20ac\\ud83d"
                "\\ude00\xc3\xa9\\/\\b\\f\\n\\r\\t\", \"return_ns\":null,"
                "\"registry\":\"r\",\"call_ns\":-0,\"op\":\"lookup\","
                "\"client\":0 } ",
                &entry),
            absl::OkStatus());
  const auto& lookup =
      std::get<Lookup>(std::get<ReadOperation>(entry.operation));
  EXPECT_EQ(lookup.key, "\xe9\xe2\x82\xac\xf0\x9f\x98\x80\xc3\xa9/\b\f\n\r\t");
}

TEST(HistoryTest, SaysWhatIsWrong) {
  const std::string good =
      R"({"client":1,"op":"lookup","registry":"r","key":"k","call_ns":1,)"
      R"("return_ns":2,"result":{"error":"ok"}})";
  HistoryEntry entry;
  ASSERT_EQ(ParseHistoryLine(good, &entry), absl::OkStatus());
  struct Case {
    std::string from, to, expected;
  };
  const std::vector<Case> cases = {
      {R"("client":1)", R"("client":-1)", "not negative"},
      {R"("client":1)", R"("client":1.5)", "an integer expected"},
      {R"("client":1)", R"("client":01)", "a leading zero"},
      {R"("client":1)", R"("client":18446744073709551616)", "out of range"},
      {R"("call_ns":1)", R"("call_ns":9223372036854775808)", "out of range"},
      {R"("client":1,)", "", "'client' is missing"},
      {R"("key":"k",)", "", "'key' is missing"},
      {R"("op":"lookup")", R"("op":"look")", "unknown op 'look'"},
      {R"("op":"lookup",)", "", "'op' is missing"},
      {R"("key":"k")", R"("key":"k","key":"k")", "'key' a second time"},
      {R"("key":"k")", R"("key":"k","amount":1)", "nothing that lookup has"},
      {R"("key":"k")", R"("key":"k","bogus":1)", "unknown member 'bogus'"},
      {R"("key":"k")", R"("key":"\x")", "unknown escape"},
      {R"("key":"k")", R"("key":"\ud83d")", "half a surrogate"},
      {R"("key":"k")", R"("key":"\ude00")", "half a surrogate"},
      {R"("key":"k")", "\"key\":\"\n\"", "control character"},
      {R"("return_ns":2)", R"("return_ns":null)", "must both be null"},
      {R"("error":"ok")", R"("error":"fine")", "unknown error 'fine'"},
      {R"("error":"ok")", R"("count":1)", "without 'error'"},
      {R"("error":"ok")", R"("error":"ok","bogus":1)", "unknown member"},
      {R"(}})", R"(}}x)", "after the object"},
      {R"(}})", R"(})", "expected '}'"},
      {R"({"client")", R"(["client")", "expected '{'"},
      {R"("key":"k")", R"("key" "k")", "expected ':'"},
  };
  for (const Case& c : cases) {
    std::string line = good;
    const size_t at = line.find(c.from);
    ASSERT_NE(at, std::string::npos) << c.from;
    line.replace(at, c.from.size(), c.to);
    const absl::Status status = ParseHistoryLine(line, &entry);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << line;
    EXPECT_NE(std::string(status.message()).find(c.expected), std::string::npos)
        << line << "\n"
        << status;
  }
}

TEST(HistoryTest, NamesTheLineOfAnError) {
  std::istringstream in(LineOf(Samples().front()) + "\n\n{\"client\":x}\n");
  size_t visited = 0;
  const absl::Status status =
      ReadHistory(&in, [&](size_t line, HistoryEntry&&) {
        visited = line;
        return absl::OkStatus();
      });
  EXPECT_EQ(visited, 1u);
  EXPECT_EQ(status.message(), "line 3: an integer expected at byte 11");
}

TEST(HistoryTest, RecorderLeavesUnknownOutcomesOpen) {
  HistoryRecorder recorder;
  const Operation write = Register{"r", "k", "v"};
  const auto answered = recorder.Called(1, write, 10);
  const auto unknown = recorder.Called(1, write, 11);
  const auto compacted = recorder.Called(1, write, 12);
  const auto unfinished = recorder.Called(1, write, 13);
  recorder.SentAs(answered, SessionId(4), Sequence(2));
  recorder.Returned(answered, CommandReply{.error = Error::kNotOwner}, 20);
  recorder.Returned(unknown, Failure{.error = Error::kOutcomeUnknown}, 21);
  recorder.Returned(compacted, CommandReply{.error = Error::kCompacted}, 22);
  const auto& entries = recorder.entries();
  EXPECT_EQ(entries[answered].session, SessionId(4));
  EXPECT_EQ(entries[answered].return_ns, 20);
  EXPECT_EQ(ErrorOf(*entries[answered].result), Error::kNotOwner);
  for (const auto call : {unknown, compacted, unfinished}) {
    EXPECT_FALSE(entries[call].return_ns.has_value());
    EXPECT_FALSE(entries[call].result.has_value());
  }
}

}  // namespace
}  // namespace registry::checker
