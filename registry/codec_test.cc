// command_codec and protocol_codec: what goes on the wire comes back, and
// nothing that comes over it can do harm.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "raft/limits.h"
#include "registry/command_codec.h"
#include "registry/generators.h"
#include "registry/protocol_codec.h"
#include "registry/registry.pb.h"

namespace registry {
namespace {

using testing::Any;

// ------------------------------------------------------------- round trips

RC_GTEST_PROP(CommandCodec, RoundTrip, ()) {
  const Command command = *Any<Command>();
  const std::optional<Command> decoded = DecodeCommand(EncodeCommand(command));
  RC_ASSERT(decoded.has_value());
  RC_ASSERT(*decoded == command);
}

RC_GTEST_PROP(ProtocolCodec, RequestRoundTrip, ()) {
  const ClientRequest request = *Any<ClientRequest>();
  ClientRequest decoded;
  RC_ASSERT(DecodeClientRequest(EncodeClientRequest(request), &decoded));
  RC_ASSERT(decoded == request);
}

RC_GTEST_PROP(ProtocolCodec, ResponseRoundTrip, ()) {
  const ClientResponse response = *Any<ClientResponse>();
  ClientResponse decoded;
  RC_ASSERT(DecodeClientResponse(EncodeClientResponse(response), &decoded));
  RC_ASSERT(decoded == response);
}

// A decoder writes into whatever its caller used last.
TEST(ProtocolCodec, NothingOfAnEarlierMessageIsLeft) {
  ClientResponse reused;
  reused.body = ReadReply{.detail = "key", .count = 7, .keys = {"a"}};
  const ClientResponse next{.id = 2, .body = ReadReply{.more = true}};
  ASSERT_TRUE(DecodeClientResponse(EncodeClientResponse(next), &reused));
  EXPECT_EQ(reused, next);
}

// ----------------------------------------------------------------- garbage

// A decoder may refuse, or understand something; what it understood it must
// be able to say again.
void ExpectHarmless(const std::string& bytes) {
  if (const auto command = DecodeCommand(bytes)) {
    RC_ASSERT(DecodeCommand(EncodeCommand(*command)) == command);
  }
  Command command;
  std::string detail;
  ParseClientCommand(bytes, &command, &detail);
  ClientRequest request;
  if (DecodeClientRequest(bytes, &request)) {
    ClientRequest again;
    RC_ASSERT(DecodeClientRequest(EncodeClientRequest(request), &again));
    RC_ASSERT(again == request);
  }
  ClientResponse response;
  if (DecodeClientResponse(bytes, &response)) {
    ClientResponse again;
    RC_ASSERT(DecodeClientResponse(EncodeClientResponse(response), &again));
    RC_ASSERT(again == response);
  }
}

RC_GTEST_PROP(Codec, GarbageIsHarmless, ()) {
  ExpectHarmless(*rc::gen::arbitrary<std::string>());
}

RC_GTEST_PROP(Codec, DamagedMessagesAreHarmless, ()) {
  std::string bytes = *rc::gen::oneOf(
      rc::gen::map(Any<Command>(), EncodeCommand),
      rc::gen::map(Any<ClientRequest>(), EncodeClientRequest),
      rc::gen::map(Any<ClientResponse>(), EncodeClientResponse));
  RC_PRE(!bytes.empty());
  const int flips = *rc::gen::inRange(0, 4);
  for (int i = 0; i < flips; ++i) {
    const size_t at = *rc::gen::inRange<size_t>(0, bytes.size());
    bytes[at] = *rc::gen::arbitrary<char>();
  }
  bytes.resize(*rc::gen::inRange<size_t>(0, bytes.size() + 1));
  ExpectHarmless(bytes);
}

// ------------------------------------------- what a message cannot leave out

std::string Wire(void (*fill)(wire::Command*)) {
  wire::Command command;
  command.set_session(1);
  command.set_sequence(1);
  fill(&command);
  return command.SerializeAsString();
}

TEST(CommandCodec, RefusesWhatItCannotHold) {
  using C = wire::Command;
  const std::pair<const char*, std::string> cases[] = {
      {"no operation", Wire([](C*) {})},
      {"register without a value",
       Wire([](C* c) { c->mutable_register_()->set_key("k"); })},
      {"a value of no kind",
       Wire([](C* c) { c->mutable_register_()->mutable_value(); })},
      {"update without a change",
       Wire([](C* c) { c->mutable_update_value()->set_key("k"); })},
      {"kind 0", Wire([](C* c) { c->mutable_create_registry(); })},
      {"kind 3", Wire([](C* c) { c->mutable_create_registry()->set_kind(3); })},
      {"kind 257, which is 1 in a byte",
       Wire([](C* c) { c->mutable_create_registry()->set_kind(257); })},
      {"a ttl past the end of time", Wire([](C* c) {
         c->mutable_open_session()->set_ttl_us(uint64_t{1} << 63);
       })},
      {"bytes that are no message", "\xff\xff\xff"},
      {"nothing at all", ""},
  };
  for (const auto& [name, bytes] : cases) {
    EXPECT_FALSE(DecodeCommand(bytes).has_value()) << name;
    Command untouched{.session = SessionId(77)};
    std::string detail;
    EXPECT_EQ(ParseClientCommand(bytes, &untouched, &detail), Error::kInvalid)
        << name;
    EXPECT_EQ(detail, "command") << name;
    EXPECT_EQ(untouched, Command{.session = SessionId(77)}) << name;
  }
}

TEST(CommandCodec, IgnoresFieldsOfALaterVersion) {
  Command command{.session = SessionId(5), .sequence = Sequence(2)};
  command.operation = EndProcess{.process = 3};
  // Field 1000, varint 1: a number that this version does not know.
  const std::string later = EncodeCommand(command) + "\xc0\x3e\x01";
  EXPECT_EQ(DecodeCommand(later), command);
}

TEST(ProtocolCodec, RefusesWhatItCannotHold) {
  ClientRequest request;
  ClientResponse response;
  EXPECT_FALSE(DecodeClientRequest("", &request)) << "no body";
  EXPECT_FALSE(DecodeClientResponse("", &response)) << "no body";

  wire::ClientRequest no_read;
  no_read.mutable_read();
  EXPECT_FALSE(DecodeClientRequest(no_read.SerializeAsString(), &request));

  const auto refused = [&](auto fill) {
    wire::ClientResponse wire;
    fill(&wire);
    return !DecodeClientResponse(wire.SerializeAsString(), &response);
  };
  using R = wire::ClientResponse;
  EXPECT_TRUE(refused([](R* r) { r->mutable_failure()->set_error(18); }));
  EXPECT_TRUE(refused([](R* r) { r->mutable_command()->set_error(256); }));
  EXPECT_TRUE(refused([](R* r) { r->mutable_read()->set_error(999); }));
  EXPECT_TRUE(refused([](R* r) { r->mutable_keep_alive()->set_error(18); }));
  EXPECT_TRUE(refused([](R* r) { r->mutable_status()->set_role(4); }));
  EXPECT_TRUE(refused(
      [](R* r) { r->mutable_status()->mutable_node()->set_slot(256); }));
  EXPECT_TRUE(refused([](R* r) { r->mutable_command()->mutable_current(); }));
  EXPECT_TRUE(refused([](R* r) { r->mutable_read()->add_registrations(); }));
  EXPECT_TRUE(refused([](R* r) { r->mutable_read()->add_registries(); }));
}

// ------------------------------------------------------------------ limits

struct Verdict {
  Error error;
  std::string detail;
  bool operator==(const Verdict&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Verdict& verdict) {
  return out << ToString(verdict.error) << " \"" << verdict.detail << "\"";
}

Verdict Validate(Operation operation, uint64_t session = 1,
                 uint64_t sequence = 1, uint64_t acknowledged = 0) {
  const Command command{.session = SessionId(session),
                        .sequence = Sequence(sequence),
                        .acknowledged = Sequence(acknowledged),
                        .operation = std::move(operation)};
  Verdict verdict;
  verdict.error = ValidateCommand(command, &verdict.detail);
  // The door for a client's bytes says the same as the check of the value.
  Command parsed;
  Verdict door;
  door.error =
      ParseClientCommand(EncodeCommand(command), &parsed, &door.detail);
  EXPECT_EQ(door, verdict);
  if (door.error == Error::kOk) {
    EXPECT_EQ(parsed, command);
  }
  return verdict;
}
Verdict ValidateOpen(size_t nonce_bytes, int64_t ttl_us) {
  return Validate(OpenSession{.nonce = std::string(nonce_bytes, 'n'),
                              .ttl = raft::Micros(ttl_us)},
                  0, 0);
}
Verdict ValidateOneRead(ReadOperation operation) {
  Verdict verdict;
  verdict.error = ValidateRead(operation, &verdict.detail);
  return verdict;
}

const Verdict kFine{Error::kOk, ""};
Verdict Invalid(std::string what) { return {Error::kInvalid, std::move(what)}; }
Verdict TooLarge(std::string what) {
  return {Error::kTooLarge, std::move(what)};
}

TEST(Limits, WhoMaySayWhat) {
  const EndProcess end;
  EXPECT_EQ(Validate(end, 1, 1), kFine);
  EXPECT_EQ(Validate(end, 0, 1), Invalid("session"));
  EXPECT_EQ(Validate(end, 1, 0), Invalid("sequence"));
  EXPECT_EQ(Validate(end, 1, 5, 5), kFine);
  EXPECT_EQ(Validate(end, 1, 5, 6), Invalid("acknowledged"));

  const OpenSession open{.nonce = "12345678"};
  EXPECT_EQ(Validate(open, 0, 0), kFine);
  EXPECT_EQ(Validate(open, 1, 0), Invalid("session"));
  EXPECT_EQ(Validate(open, 0, 1), Invalid("sequence"));
  EXPECT_EQ(Validate(open, 0, 0, 1), Invalid("acknowledged"));

  // The leader's own: fit for the log, but not from a client.
  const ExpireSessions expire{.sessions = {SessionId(1)}};
  EXPECT_EQ(Validate(expire, 0, 0), Invalid("operation"));
  std::string detail;
  EXPECT_EQ(ValidateEntry(Command{.operation = expire}, &detail), Error::kOk);
}

TEST(Limits, NonceAndTtl) {
  EXPECT_EQ(ValidateOpen(7, 0), Invalid("nonce"));
  EXPECT_EQ(ValidateOpen(8, 0), kFine);
  EXPECT_EQ(ValidateOpen(64, 0), kFine);
  EXPECT_EQ(ValidateOpen(65, 0), Invalid("nonce"));
  EXPECT_EQ(ValidateOpen(8, 1), Invalid("ttl"));
  EXPECT_EQ(ValidateOpen(8, 99'999), Invalid("ttl"));
  EXPECT_EQ(ValidateOpen(8, 100'000), kFine);
  EXPECT_EQ(ValidateOpen(8, int64_t{86'400} * 1'000'000), kFine);
  EXPECT_EQ(ValidateOpen(8, int64_t{86'400} * 1'000'000 + 1), Invalid("ttl"));
  EXPECT_EQ(ValidateOpen(8, INT64_MAX), Invalid("ttl"));
}

TEST(Limits, NamesKeysAndValues) {
  const std::string r255(255, 'r'), r256(256, 'r');
  const std::string k1024(1024, 'k'), k1025(1025, 'k');
  const std::string v64k(64 << 10, 'v'), v64k1((64 << 10) + 1, 'v');
  const auto create = [](std::string r) {
    return Validate(CreateRegistry{.registry = std::move(r)});
  };
  EXPECT_EQ(create(""), Invalid("registry"));
  EXPECT_EQ(create(r255), kFine);
  EXPECT_EQ(create(r256), TooLarge("registry"));

  // The three that name a key agree.
  const auto add = [](std::string r, std::string k, Value v) {
    return Validate(Register{.registry = r, .key = k, .value = v});
  };
  const auto remove = [](std::string r, std::string k) {
    return Validate(Unregister{.registry = r, .key = k});
  };
  const auto update = [](std::string r, std::string k, Value v) {
    return Validate(
        UpdateValue{.registry = r, .key = k, .change = SetValue{.value = v}});
  };
  const std::pair<std::pair<std::string, std::string>, Verdict> names[] = {
      {{"r", "k"}, kFine},
      {{r255, k1024}, kFine},
      {{"", "k"}, Invalid("registry")},
      {{r256, "k"}, TooLarge("registry")},
      {{"r", ""}, Invalid("key")},
      {{"r", k1025}, TooLarge("key")},
      {{"", ""}, Invalid("registry")},
  };
  for (const auto& [name, verdict] : names) {
    EXPECT_EQ(add(name.first, name.second, "v"), verdict);
    EXPECT_EQ(remove(name.first, name.second), verdict);
    EXPECT_EQ(update(name.first, name.second, "v"), verdict);
    EXPECT_EQ(ValidateOneRead(Lookup{name.first, name.second}), verdict);
    EXPECT_EQ(ValidateOneRead(Count{name.first, name.second}), verdict);
  }
  EXPECT_EQ(add("r", "k", v64k), kFine);
  EXPECT_EQ(add("r", "k", v64k1), TooLarge("value"));
  EXPECT_EQ(add("r", "k", INT64_MIN), kFine);
  EXPECT_EQ(update("r", "k", v64k), kFine);
  EXPECT_EQ(update("r", "k", v64k1), TooLarge("value"));
  EXPECT_EQ(update("r", k1025, v64k1), TooLarge("key")) << "the first decides";
}

TEST(Limits, Kind) {
  std::string detail;
  const Command command{
      .session = SessionId(1),
      .sequence = Sequence(1),
      .operation = CreateRegistry{.registry = "r", .kind = RegistryKind(3)}};
  EXPECT_EQ(ValidateCommand(command, &detail), Error::kInvalid);
  EXPECT_EQ(detail, "kind");
}

TEST(Limits, Reads) {
  EXPECT_EQ(ValidateOneRead(ListRegistries()), kFine);
  EXPECT_EQ(ValidateOneRead(Count{.registry = "r"}), kFine);
  EXPECT_EQ(ValidateOneRead(Count{.registry = ""}), Invalid("registry"));
  EXPECT_EQ(ValidateOneRead(Keys{.registry = ""}), Invalid("registry"));
  EXPECT_EQ(ValidateOneRead(Keys{.registry = "r", .after = ""}), kFine);
  EXPECT_EQ(
      ValidateOneRead(Keys{.registry = "r", .after = std::string(1024, 'a')}),
      kFine);
  EXPECT_EQ(
      ValidateOneRead(Keys{.registry = "r", .after = std::string(1025, 'a')}),
      TooLarge("after"));
}

// A valid command wrapped in unknown fields is still an entry too large.
TEST(Limits, TheEntryAsAWhole) {
  const std::string small = EncodeCommand(Command{.session = SessionId(1),
                                                  .sequence = Sequence(1),
                                                  .operation = EndProcess{}});
  // Field 1000, length-delimited, of `size` bytes in all.
  const auto padded = [&](size_t size) {
    const size_t content = size - small.size() - 5;
    std::string out = small + "\xc2\x3e";
    out.push_back(static_cast<char>((content & 0x7f) | 0x80));
    out.push_back(static_cast<char>(((content >> 7) & 0x7f) | 0x80));
    out.push_back(static_cast<char>(content >> 14));
    return out + std::string(content, 'x');
  };
  Command command;
  std::string detail;
  EXPECT_EQ(ParseClientCommand(padded(raft::kEntryBytesMax), &command, &detail),
            Error::kOk);
  EXPECT_EQ(
      ParseClientCommand(padded(raft::kEntryBytesMax + 1), &command, &detail),
      Error::kTooLarge);
  EXPECT_EQ(detail, "command");
}

// The largest commands and answers that the limits allow fit where they go.
TEST(Limits, TheLargestFit) {
  const std::string name(kRegistryNameBytesMax, 'r');
  const std::string key(kKeyBytesMax, 'k');
  const Value value = std::string(kValueBytesMax, 'v');
  const Revision last(UINT64_MAX);
  const Registration registration{
      .pid = {.session = SessionId(UINT64_MAX), .local = UINT64_MAX},
      .value = value,
      .revision = last,
      .modified = last};
  const Command command{
      .session = SessionId(UINT64_MAX),
      .sequence = Sequence(UINT64_MAX),
      .acknowledged = Sequence(UINT64_MAX),
      .operation = UpdateValue{.registry = name,
                               .key = key,
                               .change = SetValue{.value = value},
                               .expected_modified = last,
                               .process = UINT64_MAX,
                               .any_owner = true}};
  EXPECT_LE(EncodeCommand(command).size(), raft::kEntryBytesMax);

  const auto fits = [](ReadReply reply) {
    reply.error = Error::kConflict;
    reply.revision = Revision(UINT64_MAX);
    const ClientResponse response{.id = UINT64_MAX, .body = std::move(reply)};
    return EncodeClientResponse(response).size() + raft::kFrameHeaderBytes <=
           raft::kFrameBytesMax;
  };
  EXPECT_TRUE(fits(
      {.keys = std::vector<std::string>(kKeysPageMax, key), .more = true}));
  const RegistryInfo info{.name = name,
                          .kind = RegistryKind::kDuplicate,
                          .registrations = UINT64_MAX,
                          .created = last};
  EXPECT_TRUE(
      fits({.registries = std::vector<RegistryInfo>(kRegistriesMax, info)}));
  // Lookups of many small values and of few large ones.
  Registration small = registration;
  small.value = INT64_MIN;
  const size_t smalls = kLookupBytesMax / (kRegistrationBytes + 8);
  const size_t larges = kLookupBytesMax / (kRegistrationBytes + kValueBytesMax);
  EXPECT_TRUE(
      fits({.registrations = std::vector<Registration>(smalls, small)}));
  EXPECT_TRUE(
      fits({.registrations = std::vector<Registration>(larges, registration)}));
}

}  // namespace
}  // namespace registry
