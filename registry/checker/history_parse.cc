// Lines of a history, read back. Members are collected flat, as they may come
// in any order, and become an operation when the line has ended.
#include <array>
#include <utility>

#include "registry/checker/history.h"
#include "registry/checker/json_scanner.h"

namespace registry::checker {
namespace {

// ------------------------------------------------------------ what a line has

enum Member : uint32_t {
  kClient,
  kOp,
  kSession,
  kSequence,
  kRegistry,
  kKey,
  kValue,
  kAmount,
  kExpectedModified,
  kProcess,
  kAnyOwner,
  kNonce,
  kTtl,
  kTarget,
  kSessions,
  kKind,
  kAfter,
  kLimit,
  kPid,
  kCallNs,
  kReturnNs,
  kResult,
  kMembers,
};
constexpr std::array<std::string_view, kMembers> kMemberNames = {
    "client", "op",      "session",           "sequence", "registry",  "key",
    "value",  "amount",  "expected_modified", "process",  "any_owner", "nonce",
    "ttl_us", "target",  "sessions",          "kind",     "after",     "limit",
    "pid",    "call_ns", "return_ns",         "result",
};

using MemberSet = uint32_t;
template <typename... M>
constexpr MemberSet SetOf(M... members) {
  return (MemberSet{0} | ... | (MemberSet{1} << members));
}
constexpr MemberSet kAlways = SetOf(kClient, kOp, kCallNs, kReturnNs, kResult);
constexpr MemberSet kName = SetOf(kSession, kSequence);

enum class Op {
  kOpenSession,
  kEndSession,
  kExpireSessions,
  kCreateRegistry,
  kRegister,
  kUnregister,
  kUpdate,
  kEndProcess,
  kLookup,
  kCount,
  kKeys,
  kRegistries,
  kKeepAlive,
};
struct OpRule {
  std::string_view name;
  Op op;
  MemberSet required;
  MemberSet allowed;
};
constexpr std::array<OpRule, 13> kOps = {{
    {"open_session", Op::kOpenSession, SetOf(kNonce, kTtl), kName},
    {"end_session", Op::kEndSession, 0, kName | SetOf(kTarget)},
    {"expire_sessions", Op::kExpireSessions, SetOf(kSessions), kName},
    {"create_registry", Op::kCreateRegistry, SetOf(kRegistry, kKind), kName},
    {"register", Op::kRegister, SetOf(kRegistry, kKey, kValue),
     kName | SetOf(kProcess)},
    {"unregister", Op::kUnregister, SetOf(kRegistry, kKey),
     kName | SetOf(kProcess, kAnyOwner)},
    {"update", Op::kUpdate, SetOf(kRegistry, kKey),
     kName | SetOf(kValue, kAmount, kExpectedModified, kProcess, kAnyOwner)},
    {"end_process", Op::kEndProcess, 0, kName | SetOf(kProcess)},
    {"lookup", Op::kLookup, SetOf(kRegistry, kKey), kName},
    {"count", Op::kCount, SetOf(kRegistry), kName | SetOf(kKey)},
    {"keys", Op::kKeys, SetOf(kRegistry), kName | SetOf(kPid, kAfter, kLimit)},
    {"registries", Op::kRegistries, 0, kName},
    {"keep_alive", Op::kKeepAlive, SetOf(kSession), 0},
}};

struct FlatResult {
  bool present = false;
  bool failed = false;
  Error error = Error::kOk;
  std::string detail;
  uint64_t revision = 0;
  uint64_t session = 0;
  std::optional<Registration> current;
  std::optional<Value> previous;
  uint64_t removed = 0;
  std::vector<Registration> registrations;
  uint64_t count = 0;
  std::vector<std::string> keys;
  bool more = false;
  std::vector<RegistryInfo> registries;
  std::string leader_address;
};

struct FlatLine {
  MemberSet seen = 0;
  uint64_t client = 0;
  const OpRule* rule = nullptr;
  uint64_t session = 0;
  uint64_t sequence = 0;
  std::string registry;
  std::string key;
  Value value;
  int64_t amount = 0;
  uint64_t expected_modified = 0;
  uint64_t process = 0;
  bool any_owner = false;
  std::string nonce;
  int64_t ttl_us = 0;
  uint64_t target = 0;
  std::vector<SessionId> sessions;
  RegistryKind kind = RegistryKind::kUnique;
  std::string after;
  uint64_t limit = 0;
  Pid pid;
  int64_t call_ns = 0;
  std::optional<int64_t> return_ns;
  FlatResult result;

  bool Has(Member member) const { return (seen >> member & 1) != 0; }
};

// ------------------------------------------------------------------- parsing

bool ParseValue(JsonScanner* in, Value* out) {
  if (in->AtString()) {
    std::string text;
    if (!in->ParseString(&text)) return false;
    *out = std::move(text);
    return true;
  }
  int64_t n = 0;
  if (!in->ParseInt(&n)) return false;
  *out = n;
  return true;
}

bool ParseKind(JsonScanner* in, RegistryKind* out) {
  std::string text;
  if (!in->ParseString(&text)) return false;
  for (const RegistryKind kind :
       {RegistryKind::kUnique, RegistryKind::kDuplicate}) {
    if (text == ToString(kind)) {
      *out = kind;
      return true;
    }
  }
  return in->Fail("an unknown kind '" + text + "'");
}

template <typename Strong>
bool ParseStrong(JsonScanner* in, Strong* out) {
  uint64_t n = 0;
  if (!in->ParseUint(&n)) return false;
  *out = Strong(n);
  return true;
}

bool Unknown(JsonScanner* in, const std::string& name) {
  return in->Fail("an unknown member '" + name + "'");
}

bool ParsePid(JsonScanner* in, Pid* out) {
  return in->ParseObject([&](const std::string& name) {
    if (name == "session") return ParseStrong(in, &out->session);
    if (name == "process") return in->ParseUint(&out->local);
    return Unknown(in, name);
  });
}

bool ParseRegistration(JsonScanner* in, Registration* out) {
  return in->ParseObject([&](const std::string& name) {
    if (name == "session") return ParseStrong(in, &out->pid.session);
    if (name == "process") return in->ParseUint(&out->pid.local);
    if (name == "value") return ParseValue(in, &out->value);
    if (name == "revision") return ParseStrong(in, &out->revision);
    if (name == "modified") return ParseStrong(in, &out->modified);
    return Unknown(in, name);
  });
}

bool ParseRegistryInfo(JsonScanner* in, RegistryInfo* out) {
  return in->ParseObject([&](const std::string& name) {
    if (name == "name") return in->ParseString(&out->name);
    if (name == "kind") return ParseKind(in, &out->kind);
    if (name == "registrations") return in->ParseUint(&out->registrations);
    if (name == "created") return ParseStrong(in, &out->created);
    return Unknown(in, name);
  });
}

bool ParseError(JsonScanner* in, Error* out) {
  std::string text;
  if (!in->ParseString(&text)) return false;
  const std::optional<Error> error = ErrorFromString(text);
  if (!error.has_value()) return in->Fail("an unknown error '" + text + "'");
  *out = *error;
  return true;
}

bool ParseResultMember(JsonScanner* in, const std::string& name,
                       FlatResult* out) {
  if (name == "failed") return in->ParseBool(&out->failed);
  if (name == "detail") return in->ParseString(&out->detail);
  if (name == "revision") return in->ParseUint(&out->revision);
  if (name == "session") return in->ParseUint(&out->session);
  if (name == "current") {
    return ParseRegistration(in, &out->current.emplace());
  }
  if (name == "previous") return ParseValue(in, &out->previous.emplace());
  if (name == "removed") return in->ParseUint(&out->removed);
  if (name == "registrations") {
    return in->ParseArray([&] {
      return ParseRegistration(in, &out->registrations.emplace_back());
    });
  }
  if (name == "count") return in->ParseUint(&out->count);
  if (name == "keys") {
    return in->ParseArray(
        [&] { return in->ParseString(&out->keys.emplace_back()); });
  }
  if (name == "more") return in->ParseBool(&out->more);
  if (name == "registries") {
    return in->ParseArray(
        [&] { return ParseRegistryInfo(in, &out->registries.emplace_back()); });
  }
  if (name == "leader_address") return in->ParseString(&out->leader_address);
  return Unknown(in, name);
}

bool ParseResult(JsonScanner* in, FlatResult* out) {
  if (in->SkipNull()) return true;
  out->present = true;
  bool has_error = false;
  const bool parsed = in->ParseObject([&](const std::string& name) {
    if (name != "error") return ParseResultMember(in, name, out);
    has_error = true;
    return ParseError(in, &out->error);
  });
  if (!parsed) return false;
  return has_error || in->Fail("a result without 'error'");
}

bool ParseOp(JsonScanner* in, const OpRule** out) {
  std::string text;
  if (!in->ParseString(&text)) return false;
  for (const OpRule& rule : kOps) {
    if (rule.name == text) {
      *out = &rule;
      return true;
    }
  }
  return in->Fail("an unknown op '" + text + "'");
}

bool ParseReturn(JsonScanner* in, std::optional<int64_t>* out) {
  return in->SkipNull() || in->ParseInt(&out->emplace());
}

bool ParseMember(JsonScanner* in, Member member, FlatLine* line) {
  switch (member) {
    case kClient:
      return in->ParseUint(&line->client);
    case kOp:
      return ParseOp(in, &line->rule);
    case kSession:
      return in->ParseUint(&line->session);
    case kSequence:
      return in->ParseUint(&line->sequence);
    case kRegistry:
      return in->ParseString(&line->registry);
    case kKey:
      return in->ParseString(&line->key);
    case kValue:
      return ParseValue(in, &line->value);
    case kAmount:
      return in->ParseInt(&line->amount);
    case kExpectedModified:
      return in->ParseUint(&line->expected_modified);
    case kProcess:
      return in->ParseUint(&line->process);
    case kAnyOwner:
      return in->ParseBool(&line->any_owner);
    case kNonce:
      return in->ParseString(&line->nonce);
    case kTtl:
      return in->ParseInt(&line->ttl_us);
    case kTarget:
      return in->ParseUint(&line->target);
    case kSessions:
      return in->ParseArray(
          [&] { return ParseStrong(in, &line->sessions.emplace_back()); });
    case kKind:
      return ParseKind(in, &line->kind);
    case kAfter:
      return in->ParseString(&line->after);
    case kLimit:
      return in->ParseUint(&line->limit);
    case kPid:
      return ParsePid(in, &line->pid);
    case kCallNs:
      return in->ParseInt(&line->call_ns);
    case kReturnNs:
      return ParseReturn(in, &line->return_ns);
    case kResult:
      return ParseResult(in, &line->result);
    case kMembers:
      break;
  }
  return in->Fail("an unknown member");
}

bool ParseLine(JsonScanner* in, FlatLine* line) {
  const bool parsed = in->ParseObject([&](const std::string& name) {
    for (uint32_t i = 0; i < kMembers; ++i) {
      if (kMemberNames[i] != name) continue;
      if ((line->seen >> i & 1) != 0) {
        return in->Fail("'" + name + "' a second time");
      }
      line->seen |= MemberSet{1} << i;
      return ParseMember(in, static_cast<Member>(i), line);
    }
    return Unknown(in, name);
  });
  return parsed && in->ParseEnd();
}

// ------------------------------------------------------------------ checking

absl::Status Invalid(const std::string& what) {
  return absl::InvalidArgumentError(what);
}

absl::Status CheckMembers(const FlatLine& line) {
  if (!line.Has(kOp)) return Invalid("'op' is missing");
  const MemberSet required = kAlways | line.rule->required;
  const MemberSet allowed = required | line.rule->allowed;
  for (uint32_t i = 0; i < kMembers; ++i) {
    const bool seen = (line.seen >> i & 1) != 0;
    const std::string name(kMemberNames[i]);
    if ((required >> i & 1) != 0 && !seen) {
      return Invalid("'" + name + "' is missing");
    }
    if (seen && (allowed >> i & 1) == 0) {
      return Invalid("'" + name + "' is nothing that " +
                     std::string(line.rule->name) + " has");
    }
  }
  if (line.rule->op == Op::kUpdate && line.Has(kValue) == line.Has(kAmount)) {
    return Invalid("update needs one of 'value' and 'amount'");
  }
  if (line.limit > UINT32_MAX) return Invalid("'limit' is out of range");
  if (line.return_ns.has_value() != line.result.present) {
    return Invalid("'return_ns' and 'result' must both be null, or neither");
  }
  return absl::OkStatus();
}

HistoryOperation UpdateOf(FlatLine* line) {
  UpdateValue op{.registry = std::move(line->registry),
                 .key = std::move(line->key)};
  if (line->Has(kAmount)) {
    op.change = AddValue{line->amount};
  } else {
    op.change = SetValue{std::move(line->value)};
  }
  if (line->Has(kExpectedModified)) {
    op.expected_modified = Revision(line->expected_modified);
  }
  op.process = line->process;
  op.any_owner = line->any_owner;
  return op;
}

HistoryOperation KeysOf(FlatLine* line) {
  Keys op{.registry = std::move(line->registry)};
  if (line->Has(kPid)) op.process = line->pid;
  if (line->Has(kAfter)) op.after = std::move(line->after);
  op.limit = static_cast<uint32_t>(line->limit);
  return op;
}

HistoryOperation CountOf(FlatLine* line) {
  Count op{.registry = std::move(line->registry)};
  if (line->Has(kKey)) op.key = std::move(line->key);
  return op;
}

HistoryOperation OperationOf(FlatLine* line) {
  switch (line->rule->op) {
    case Op::kOpenSession:
      return OpenSession{std::move(line->nonce), raft::Micros(line->ttl_us)};
    case Op::kEndSession:
      return EndSession{SessionId(line->target)};
    case Op::kExpireSessions:
      return ExpireSessions{std::move(line->sessions)};
    case Op::kCreateRegistry:
      return CreateRegistry{std::move(line->registry), line->kind};
    case Op::kRegister:
      return Register{std::move(line->registry), std::move(line->key),
                      std::move(line->value), line->process};
    case Op::kUnregister:
      return Unregister{std::move(line->registry), std::move(line->key),
                        line->process, line->any_owner};
    case Op::kUpdate:
      return UpdateOf(line);
    case Op::kEndProcess:
      return EndProcess{line->process};
    case Op::kLookup:
      return Lookup{std::move(line->registry), std::move(line->key)};
    case Op::kCount:
      return CountOf(line);
    case Op::kKeys:
      return KeysOf(line);
    case Op::kRegistries:
      return ListRegistries{};
    case Op::kKeepAlive:
      break;
  }
  return KeepAliveRequest{SessionId(line->session)};
}

HistoryResult ResultOf(FlatResult* flat, const HistoryOperation& operation) {
  if (flat->failed) {
    return Failure{flat->error, std::move(flat->detail),
                   std::move(flat->leader_address)};
  }
  if (std::holds_alternative<Operation>(operation)) {
    return CommandReply{flat->error,
                        std::move(flat->detail),
                        Revision(flat->revision),
                        SessionId(flat->session),
                        std::move(flat->current),
                        std::move(flat->previous),
                        flat->removed};
  }
  if (std::holds_alternative<ReadOperation>(operation)) {
    return ReadReply{flat->error,
                     std::move(flat->detail),
                     Revision(flat->revision),
                     std::move(flat->registrations),
                     flat->count,
                     std::move(flat->keys),
                     flat->more,
                     std::move(flat->registries)};
  }
  return KeepAliveReply{flat->error};
}

}  // namespace

absl::Status ParseHistoryLine(std::string_view text, HistoryEntry* entry) {
  JsonScanner scanner(text);
  FlatLine line;
  if (!ParseLine(&scanner, &line)) return Invalid(scanner.error());
  if (absl::Status status = CheckMembers(line); !status.ok()) return status;
  entry->client = line.client;
  const bool keep_alive = line.rule->op == Op::kKeepAlive;
  entry->session = SessionId(keep_alive ? 0 : line.session);
  entry->sequence = Sequence(line.sequence);
  entry->operation = OperationOf(&line);
  entry->call_ns = line.call_ns;
  entry->return_ns = line.return_ns;
  entry->result.reset();
  if (line.result.present) {
    entry->result = ResultOf(&line.result, entry->operation);
  }
  return absl::OkStatus();
}

}  // namespace registry::checker
