// registryctl import: registers every line of a file in a permanent session.
//
// Safe to repeat: a line that is there already, with this value, is left
// alone whoever holds it; only what differs is a conflict. A run's session is
// its own (its sequences would not fit into an earlier run's), so what several
// runs registered belongs to several sessions.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "net/client.h"
#include "tools/caller_path.h"
#include "tools/registryctl_command.h"

namespace tools::registryctl {
namespace {

using registry::CallResult;
using registry::CommandReply;
using registry::Error;
using registry::ReadReply;
using registry::RegistryKind;

constexpr size_t kInFlight = 256;
constexpr raft::Duration kTimeout = raft::Millis(30'000);

struct Line {
  size_t number = 0;  // in the file, from 1
  ImportLine entry;
};

struct Refusal {
  size_t line = 0;  // index into the lines
  Error error = Error::kOk;
  std::string detail;
  std::optional<registry::Registration> holder;  // a conflict
};

// Every line, or the first that is wrong.
absl::StatusOr<std::vector<Line>> Load(const std::string& path) {
  std::ifstream file;
  if (path != "-") {
    file.open(CallerPath(path), std::ios::binary);
    if (!file) return absl::NotFoundError(path + ": cannot be read");
  }
  std::istream& in = path == "-" ? std::cin : file;
  std::vector<Line> lines;
  std::string text;
  for (size_t number = 1; std::getline(in, text); ++number) {
    if (text.find_first_not_of(" \t\r") == std::string::npos) continue;
    absl::StatusOr<ImportLine> entry = ParseImportLine(text);
    if (!entry.ok()) {
      return absl::InvalidArgumentError(path + ":" + std::to_string(number) +
                                        ": " +
                                        std::string(entry.status().message()));
    }
    lines.push_back({number, *std::move(entry)});
  }
  if (in.bad()) return absl::NotFoundError(path + ": cannot be read");
  return lines;
}

// One import: connects, checks against the registries that stand, registers
// with many calls in flight, tells its progress.
class Import {
 public:
  Import(const Invocation& ctl, std::vector<Line> lines)
      : ctl_(ctl), lines_(std::move(lines)), client_(&loop_, Options(ctl)) {}

  // The exit code.
  int Run(const std::string& create_kind);

 private:
  static registry::ClientOptions Options(const Invocation& ctl) {
    registry::ClientOptions options = ctl.WriteOptions(raft::Duration(0));
    options.deadline = ctl.timeout(kTimeout);
    options.in_flight_max = kInFlight;
    return options;
  }

  CallResult Call(registry::CallBody body);
  std::optional<int> LearnKinds(const std::string& create_kind);
  std::optional<int> CheckLines();
  void RegisterAll();
  void StartMore();
  void Begin(size_t line);
  void Register(size_t line);
  void OnRegistered(size_t line, const CallResult& result);
  void Done() { ++done_; }
  void ShowProgress(bool last);
  void EndEmptySession();
  void PrintAsJson() const;
  void PrintAsText() const;
  void WriteRefusals(bool conflicts, JsonWriter* json) const;

  const Invocation& ctl_;
  const std::vector<Line> lines_;
  net::EventLoop loop_;
  net::AsyncClient client_;
  std::map<std::string, RegistryKind> kinds_;
  std::vector<size_t> todo_;  // lines, without exact repeats
  size_t next_ = 0;           // into todo_
  size_t done_ = 0;
  size_t registered_ = 0;
  size_t already_there_ = 0;
  size_t no_answer_ = 0;  // unavailable or outcome_unknown: nothing new starts
  std::vector<Refusal> refusals_;
  raft::Time started_;
  raft::Time shown_;
  bool ended_ = false;
};

CallResult Import::Call(registry::CallBody body) {
  std::optional<CallResult> answer;
  client_.Start(std::move(body),
                [&](const CallResult& result) { answer = result; });
  loop_.RunUntil([&] { return answer.has_value(); });
  return *std::move(answer);
}

std::string DetailOf(const CallResult& result) {
  if (const auto* failure = std::get_if<registry::Failure>(&result)) {
    return failure->detail;
  }
  if (const auto* reply = std::get_if<CommandReply>(&result)) {
    return reply->detail;
  }
  const auto* read = std::get_if<ReadReply>(&result);
  return read != nullptr ? read->detail : "";
}

std::optional<int> Import::LearnKinds(const std::string& create_kind) {
  const CallResult result =
      Call(registry::ReadOperation(registry::ListRegistries{}));
  if (registry::ErrorOf(result) != Error::kOk) {
    return ctl_.Report(registry::ErrorOf(result), DetailOf(result));
  }
  for (const auto& info : std::get<ReadReply>(result).registries) {
    kinds_[info.name] = info.kind;
  }
  for (const Line& line : lines_) {
    const std::string& name = line.entry.registry;
    if (kinds_.contains(name)) continue;
    if (create_kind.empty()) {
      return ctl_.Report(Error::kNotFound,
                         "registry " + name + " (line " +
                             std::to_string(line.number) +
                             "); create it, or say --create=unique|duplicate");
    }
    const RegistryKind kind = create_kind == "unique"
                                  ? RegistryKind::kUnique
                                  : RegistryKind::kDuplicate;
    const CallResult created =
        Call(registry::Operation(registry::CreateRegistry{name, kind}));
    if (registry::ErrorOf(created) != Error::kOk) {
      return ctl_.Report(registry::ErrorOf(created), DetailOf(created));
    }
    kinds_[name] = kind;
  }
  return std::nullopt;
}

// Exact repeats count once. One key of a unique registry with two values has
// no meaning, since calls in flight together have no order.
std::optional<int> Import::CheckLines() {
  std::map<std::pair<std::string_view, std::string_view>, size_t> unique;
  std::set<std::tuple<std::string_view, std::string_view, registry::Value>>
      duplicate;
  for (size_t i = 0; i < lines_.size(); ++i) {
    const ImportLine& entry = lines_[i].entry;
    if (kinds_.at(entry.registry) == RegistryKind::kDuplicate) {
      if (duplicate.emplace(entry.registry, entry.key, entry.value).second) {
        todo_.push_back(i);
      }
      continue;
    }
    const auto [it, fresh] =
        unique.emplace(std::pair<std::string_view, std::string_view>(
                           entry.registry, entry.key),
                       i);
    if (fresh) {
      todo_.push_back(i);
    } else if (lines_[it->second].entry.value != entry.value) {
      return ctl_.Usage("lines " + std::to_string(lines_[it->second].number) +
                        " and " + std::to_string(lines_[i].number) +
                        " give the key " + Shown(entry.key) +
                        " of a unique registry two values");
    }
  }
  return std::nullopt;
}

void Import::StartMore() {
  while (next_ < todo_.size() && next_ - done_ < kInFlight && no_answer_ == 0) {
    Begin(todo_[next_++]);
  }
}

void Import::Begin(size_t line) {
  const ImportLine& entry = lines_[line].entry;
  if (kinds_.at(entry.registry) == RegistryKind::kUnique) {
    Register(line);
    return;
  }
  // A duplicate registry would take it once more.
  client_.Start(
      registry::ReadOperation(registry::Lookup{entry.registry, entry.key}),
      [this, line](const CallResult& result) {
        const auto* reply = std::get_if<ReadReply>(&result);
        const registry::Value& value = lines_[line].entry.value;
        if (reply == nullptr ||
            (reply->error != Error::kOk && reply->error != Error::kNotFound)) {
          OnRegistered(line, result);
        } else if (std::any_of(reply->registrations.begin(),
                               reply->registrations.end(),
                               [&](const registry::Registration& there) {
                                 return there.value == value;
                               })) {
          ++already_there_;
          Done();
          StartMore();
        } else {
          Register(line);
        }
      });
}

void Import::Register(size_t line) {
  const ImportLine& entry = lines_[line].entry;
  client_.Start(
      registry::Operation(registry::Register{
          .registry = entry.registry, .key = entry.key, .value = entry.value}),
      [this, line](const CallResult& result) { OnRegistered(line, result); });
}

void Import::OnRegistered(size_t line, const CallResult& result) {
  Done();
  const Error error = registry::ErrorOf(result);
  const auto* reply = std::get_if<CommandReply>(&result);
  const auto holder = reply != nullptr ? reply->current : std::nullopt;
  if (error == Error::kOk) {
    ++registered_;
  } else if (error == Error::kAlreadyRegistered && holder.has_value() &&
             holder->value == lines_[line].entry.value) {
    ++already_there_;
  } else {
    no_answer_ += ExitCodeOf(error) == kNoAnswer;
    refusals_.push_back({line, error, DetailOf(result), holder});
  }
  StartMore();
}

void Import::RegisterAll() {
  started_ = net::Now();
  StartMore();
  while (done_ < next_) {
    loop_.Turn(net::Now() + raft::Millis(100));
    ShowProgress(/*last=*/false);
  }
  ShowProgress(/*last=*/true);
}

// [#######-------------]  3,500 of 10,000
void Import::ShowProgress(bool last) {
  if (isatty(STDERR_FILENO) == 0 || todo_.empty()) return;
  const raft::Time now = net::Now();
  if (!last && (now - shown_).value() < 100'000) return;
  shown_ = now;
  constexpr size_t kWidth = 40;
  const size_t filled = done_ * kWidth / todo_.size();
  const int64_t elapsed = std::max<int64_t>((now - started_).value(), 1);
  const int64_t rate = static_cast<int64_t>(done_) * 1'000'000 / elapsed;
  std::fprintf(stderr, "\r[%s%s] %zu of %zu, %lld a second%s",
               std::string(filled, '#').c_str(),
               std::string(kWidth - filled, '-').c_str(), done_, todo_.size(),
               static_cast<long long>(rate), last ? "\n" : "");
}

// A session that holds nothing is only litter.
void Import::EndEmptySession() {
  if (registered_ > 0 || client_.client().session() == registry::SessionId()) {
    return;
  }
  const bool unknown = std::any_of(
      refusals_.begin(), refusals_.end(), [](const Refusal& refusal) {
        return refusal.error == Error::kOutcomeUnknown;
      });
  if (unknown) return;  // perhaps it does hold something
  const Error error =
      registry::ErrorOf(Call(registry::Operation(registry::EndSession{})));
  ended_ = error == Error::kOk;
}

void Import::WriteRefusals(bool conflicts, JsonWriter* json) const {
  json->BeginArray();
  for (const Refusal& refusal : refusals_) {
    if ((refusal.error == Error::kAlreadyRegistered) != conflicts) continue;
    const Line& line = lines_[refusal.line];
    json->BeginObject();
    json->Key("line").Unsigned(line.number);
    json->Key("registry").Text(line.entry.registry);
    json->Key("key").Text(line.entry.key);
    if (!conflicts) {
      json->Key("error").Text(ToString(refusal.error));
      json->Key("detail").Text(refusal.detail);
    } else if (refusal.holder.has_value()) {
      json->Key("holder");
      Write(*refusal.holder, json);
    }
    json->EndObject();
  }
  json->EndArray();
}

void Import::PrintAsJson() const {
  JsonWriter json;
  json.BeginObject();
  json.Key("lines").Unsigned(lines_.size());
  json.Key("registered").Unsigned(registered_);
  json.Key("already_there").Unsigned(already_there_);
  json.Key("repeated").Unsigned(lines_.size() - todo_.size());
  json.Key("not_tried").Unsigned(todo_.size() - next_);
  json.Key("conflicts");
  WriteRefusals(/*conflicts=*/true, &json);
  json.Key("failed");
  WriteRefusals(/*conflicts=*/false, &json);
  json.Key("session");
  if (ended_) {
    json.Null();
  } else {
    json.Unsigned(client_.client().session().value());
  }
  json.Key("elapsed_ms").Number((net::Now() - started_).value() / 1000);
  json.EndObject();
  PrintJson(&json);
}

void Import::PrintAsText() const {
  std::printf("registered %zu", registered_);
  if (already_there_ > 0) {
    std::printf(", %zu were there already", already_there_);
  }
  if (lines_.size() > todo_.size()) {
    std::printf(", %zu lines were repeats", lines_.size() - todo_.size());
  }
  std::printf("\n");
  constexpr size_t kShownMax = 20;
  for (size_t i = 0; i < refusals_.size() && i < kShownMax; ++i) {
    const Refusal& refusal = refusals_[i];
    const Line& line = lines_[refusal.line];
    std::string text = "line " + std::to_string(line.number) + ": " +
                       Shown(line.entry.registry) + " " +
                       Shown(line.entry.key) + ": " +
                       std::string(ToString(refusal.error));
    if (refusal.holder.has_value()) {
      text += ", held by " + ShownPid(refusal.holder->pid) + " with " +
              ShownValue(refusal.holder->value);
    } else if (!refusal.detail.empty()) {
      text += ": " + Shown(refusal.detail);
    }
    std::fprintf(stderr, "%s\n", text.c_str());
  }
  if (refusals_.size() > kShownMax) {
    std::fprintf(stderr, "and %zu more (--output=json lists all)\n",
                 refusals_.size() - kShownMax);
  }
  if (no_answer_ > 0) {
    std::fprintf(stderr,
                 "%zu lines without an answer, %zu not tried: run it again\n",
                 no_answer_, todo_.size() - next_);
  }
  if (registered_ > 0) {
    const std::string session =
        std::to_string(client_.client().session().value());
    std::printf("held by session %s; registryctl end-session %s removes them\n",
                session.c_str(), session.c_str());
  }
}

int Import::Run(const std::string& create_kind) {
  if (auto code = LearnKinds(create_kind)) return *code;
  if (auto code = CheckLines()) return *code;
  RegisterAll();
  EndEmptySession();
  std::sort(refusals_.begin(), refusals_.end(),
            [](const Refusal& a, const Refusal& b) { return a.line < b.line; });
  if (ctl_.json()) {
    PrintAsJson();
  } else {
    PrintAsText();
  }
  if (no_answer_ > 0) return kNoAnswer;
  return refusals_.empty() ? kDone : kRefused;
}

}  // namespace

int RunImport(Invocation* ctl) {
  std::string create;
  ctl->flags().Choice("create", &create, {"unique", "duplicate"},
                      "create registries that do not stand");
  if (auto code = ctl->Parse(1, 1)) return *code;
  absl::StatusOr<std::vector<Line>> lines = Load(ctl->word(0));
  if (!lines.ok()) return ctl->Usage(std::string(lines.status().message()));
  return Import(*ctl, *std::move(lines)).Run(create);
}

}  // namespace tools::registryctl
