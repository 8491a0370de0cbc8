#include "registry/checker/history.h"

#include <istream>
#include <type_traits>
#include <utility>

#include "raft/check.h"

namespace registry::checker {
namespace {

constexpr std::string_view NameOf(const OpenSession&) { return "open_session"; }
constexpr std::string_view NameOf(const EndSession&) { return "end_session"; }
constexpr std::string_view NameOf(const ExpireSessions&) {
  return "expire_sessions";
}
constexpr std::string_view NameOf(const CreateRegistry&) {
  return "create_registry";
}
constexpr std::string_view NameOf(const Register&) { return "register"; }
constexpr std::string_view NameOf(const Unregister&) { return "unregister"; }
constexpr std::string_view NameOf(const UpdateValue&) { return "update"; }
constexpr std::string_view NameOf(const EndProcess&) { return "end_process"; }
constexpr std::string_view NameOf(const Lookup&) { return "lookup"; }
constexpr std::string_view NameOf(const Count&) { return "count"; }
constexpr std::string_view NameOf(const Keys&) { return "keys"; }
constexpr std::string_view NameOf(const ListRegistries&) {
  return "registries";
}

// Writes members, with commas where they belong.
class Writer {
 public:
  explicit Writer(std::string* out) : out_(out) {}

  void Open(char bracket) {
    out_->push_back(bracket);
    first_ = true;
  }
  void Close(char bracket) {
    out_->push_back(bracket);
    first_ = false;
  }
  void Next() {
    if (!first_) out_->push_back(',');
    first_ = false;
  }
  void Name(std::string_view name) {
    Next();
    out_->push_back('"');
    out_->append(name);
    out_->append("\":");
    first_ = true;
  }
  void Put(std::string_view text) {
    first_ = false;
    out_->push_back('"');
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      if (c == '"' || c == '\\') {
        out_->push_back('\\');
        out_->push_back(c);
      } else if (byte >= 0x20 && byte < 0x7f) {
        out_->push_back(c);
      } else {
        constexpr char kHex[] = "0123456789abcdef";
        out_->append("\\u00");
        out_->push_back(kHex[byte >> 4]);
        out_->push_back(kHex[byte & 15]);
      }
    }
    out_->push_back('"');
  }
  void Literal(std::string_view text) {
    first_ = false;
    out_->append(text);
  }
  void Put(const Value& value) {
    if (const auto* text = std::get_if<std::string>(&value)) {
      Put(std::string_view(*text));
    } else {
      Literal(std::to_string(std::get<int64_t>(value)));
    }
  }

  void Member(std::string_view name, std::string_view text) {
    Name(name);
    Put(text);
  }
  void Member(std::string_view name, const std::string& text) {
    Member(name, std::string_view(text));
  }
  void Member(std::string_view name, const Value& value) {
    Name(name);
    Put(value);
  }
  template <typename T>
  requires std::is_integral_v<T>
  void Member(std::string_view name, T n) {
    Name(name);
    Literal(std::to_string(n));
  }
  // Left out when it says nothing.
  template <typename T>
  void Optional(std::string_view name, const T& value) {
    if (value != T()) Member(name, value);
  }
  void Flag(std::string_view name, bool value) {
    if (!value) return;
    Name(name);
    Literal("true");
  }

 private:
  std::string* out_;
  bool first_ = true;  // no comma before what comes next
};

void WriteArguments(const OpenSession& op, Writer* out) {
  out->Member("nonce", op.nonce);
  out->Member("ttl_us", op.ttl.value());
}
void WriteArguments(const EndSession& op, Writer* out) {
  out->Optional("target", op.target.value());
}
void WriteArguments(const ExpireSessions& op, Writer* out) {
  out->Name("sessions");
  out->Open('[');
  for (const SessionId session : op.sessions) {
    out->Next();
    out->Literal(std::to_string(session.value()));
  }
  out->Close(']');
}
void WriteArguments(const CreateRegistry& op, Writer* out) {
  out->Member("registry", op.registry);
  out->Member("kind", ToString(op.kind));
}
void WriteArguments(const Register& op, Writer* out) {
  out->Member("registry", op.registry);
  out->Member("key", op.key);
  out->Member("value", op.value);
  out->Optional("process", op.process);
}
void WriteArguments(const Unregister& op, Writer* out) {
  out->Member("registry", op.registry);
  out->Member("key", op.key);
  out->Optional("process", op.process);
  out->Flag("any_owner", op.any_owner);
}
void WriteArguments(const UpdateValue& op, Writer* out) {
  out->Member("registry", op.registry);
  out->Member("key", op.key);
  if (const auto* set = std::get_if<SetValue>(&op.change)) {
    out->Member("value", set->value);
  } else {
    out->Member("amount", std::get<AddValue>(op.change).amount);
  }
  if (op.expected_modified.has_value()) {
    out->Member("expected_modified", op.expected_modified->value());
  }
  out->Optional("process", op.process);
  out->Flag("any_owner", op.any_owner);
}
void WriteArguments(const EndProcess& op, Writer* out) {
  out->Optional("process", op.process);
}
void WriteArguments(const Lookup& op, Writer* out) {
  out->Member("registry", op.registry);
  out->Member("key", op.key);
}
void WriteArguments(const Count& op, Writer* out) {
  out->Member("registry", op.registry);
  if (op.key.has_value()) out->Member("key", *op.key);
}
void WriteArguments(const Keys& op, Writer* out) {
  out->Member("registry", op.registry);
  if (op.process.has_value()) {
    out->Name("pid");
    out->Open('{');
    out->Member("session", op.process->session.value());
    out->Member("process", op.process->local);
    out->Close('}');
  }
  if (op.after.has_value()) out->Member("after", *op.after);
  out->Optional("limit", op.limit);
}
void WriteArguments(const ListRegistries&, Writer*) {}

void Write(const Registration& registration, Writer* out) {
  out->Open('{');
  out->Member("session", registration.pid.session.value());
  out->Optional("process", registration.pid.local);
  out->Member("value", registration.value);
  out->Optional("revision", registration.revision.value());
  out->Optional("modified", registration.modified.value());
  out->Close('}');
}

void WriteError(Error error, const std::string& detail, Writer* out) {
  out->Member("error", ToString(error));
  out->Optional("detail", detail);
}

void WriteResult(const CommandReply& reply, Writer* out) {
  WriteError(reply.error, reply.detail, out);
  out->Optional("revision", reply.revision.value());
  out->Optional("session", reply.session.value());
  if (reply.current.has_value()) {
    out->Name("current");
    Write(*reply.current, out);
  }
  if (reply.previous.has_value()) out->Member("previous", *reply.previous);
  out->Optional("removed", reply.removed);
}

void WriteResult(const ReadReply& reply, Writer* out) {
  WriteError(reply.error, reply.detail, out);
  out->Optional("revision", reply.revision.value());
  if (!reply.registrations.empty()) {
    out->Name("registrations");
    out->Open('[');
    for (const Registration& registration : reply.registrations) {
      out->Next();
      Write(registration, out);
    }
    out->Close(']');
  }
  out->Optional("count", reply.count);
  if (!reply.keys.empty()) {
    out->Name("keys");
    out->Open('[');
    for (const std::string& key : reply.keys) {
      out->Next();
      out->Put(std::string_view(key));
    }
    out->Close(']');
  }
  out->Flag("more", reply.more);
  if (!reply.registries.empty()) {
    out->Name("registries");
    out->Open('[');
    for (const RegistryInfo& info : reply.registries) {
      out->Next();
      out->Open('{');
      out->Member("name", info.name);
      out->Member("kind", ToString(info.kind));
      out->Member("registrations", info.registrations);
      out->Member("created", info.created.value());
      out->Close('}');
    }
    out->Close(']');
  }
}

void WriteResult(const KeepAliveReply& reply, Writer* out) {
  WriteError(reply.error, "", out);
}

void WriteResult(const Failure& failure, Writer* out) {
  out->Flag("failed", true);
  WriteError(failure.error, failure.detail, out);
  out->Optional("leader_address", failure.leader_address);
}

}  // namespace

Error ErrorOf(const HistoryResult& result) {
  return std::visit([](const auto& body) { return body.error; }, result);
}

std::string_view OperationName(const HistoryOperation& operation) {
  if (std::holds_alternative<KeepAliveRequest>(operation)) return "keep_alive";
  const auto name = [](const auto& op) { return NameOf(op); };
  if (const auto* command = std::get_if<Operation>(&operation)) {
    return std::visit(name, *command);
  }
  return std::visit(name, std::get<ReadOperation>(operation));
}

void AppendHistoryLine(const HistoryEntry& entry, std::string* out) {
  CHECK_EQ(entry.return_ns.has_value(), entry.result.has_value());
  Writer writer(out);
  writer.Open('{');
  writer.Member("client", entry.client);
  writer.Member("op", OperationName(entry.operation));
  const auto* keep_alive = std::get_if<KeepAliveRequest>(&entry.operation);
  writer.Optional("session", keep_alive != nullptr ? keep_alive->session.value()
                                                   : entry.session.value());
  writer.Optional("sequence", entry.sequence.value());
  const auto arguments = [&](const auto& op) { WriteArguments(op, &writer); };
  if (const auto* command = std::get_if<Operation>(&entry.operation)) {
    std::visit(arguments, *command);
  } else if (keep_alive == nullptr) {
    std::visit(arguments, std::get<ReadOperation>(entry.operation));
  }
  writer.Member("call_ns", entry.call_ns);
  writer.Name("return_ns");
  writer.Literal(entry.return_ns ? std::to_string(*entry.return_ns) : "null");
  writer.Name("result");
  if (entry.result.has_value()) {
    writer.Open('{');
    std::visit([&](const auto& result) { WriteResult(result, &writer); },
               *entry.result);
    writer.Close('}');
  } else {
    writer.Literal("null");
  }
  writer.Close('}');
  out->push_back('\n');
}

absl::Status ReadHistory(std::istream* in, const HistoryVisitor& visit) {
  std::string text;
  for (size_t line = 1; std::getline(*in, text); ++line) {
    if (text.empty()) continue;
    HistoryEntry entry;
    absl::Status status = ParseHistoryLine(text, &entry);
    if (status.ok()) status = visit(line, std::move(entry));
    if (!status.ok()) {
      return absl::Status(status.code(), "line " + std::to_string(line) + ": " +
                                             std::string(status.message()));
    }
  }
  if (in->bad()) return absl::DataLossError("the history could not be read");
  return absl::OkStatus();
}

HistoryRecorder::CallNumber HistoryRecorder::Called(uint64_t client,
                                                    HistoryOperation operation,
                                                    int64_t call_ns) {
  HistoryEntry entry;
  entry.client = client;
  entry.operation = std::move(operation);
  entry.call_ns = call_ns;
  entries_.push_back(std::move(entry));
  return entries_.size() - 1;
}

void HistoryRecorder::SentAs(CallNumber call, SessionId session,
                             Sequence sequence) {
  CHECK_LT(call, entries_.size());
  entries_[call].session = session;
  entries_[call].sequence = sequence;
}

void HistoryRecorder::Returned(CallNumber call, HistoryResult result,
                               int64_t return_ns) {
  CHECK_LT(call, entries_.size());
  HistoryEntry& entry = entries_[call];
  CHECK(!entry.return_ns.has_value());
  CHECK_GE(return_ns, entry.call_ns);
  const Error error = ErrorOf(result);
  if (error == Error::kOutcomeUnknown) return;
  // The first answer to this command is forgotten: it may have been done.
  if (error == Error::kCompacted &&
      std::holds_alternative<Operation>(entry.operation)) {
    return;
  }
  entry.return_ns = return_ns;
  entry.result = std::move(result);
}

}  // namespace registry::checker
