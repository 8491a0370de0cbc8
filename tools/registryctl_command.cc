#include "tools/registryctl_command.h"

#include <algorithm>
#include <cstdio>
#include <utility>

namespace tools::registryctl {

using registry::Error;

ExitCode ExitCodeOf(Error error) {
  if (error == Error::kOk) return kDone;
  return error == Error::kUnavailable || error == Error::kOutcomeUnknown
             ? kNoAnswer
             : kRefused;
}

void Settings::Declare(Flags* flags) {
  flags->List("endpoints", &endpoints, "HOST:PORT,...",
              "client addresses of members");
  flags->Choice("output", &output, {"table", "json"}, "how to print");
  flags->Time("timeout", &timeout, "TIME",
              "give up after this long (5s; import: 30s)");
  flags->Switch("help", &help, "print this, and exit");
}

// ------------------------------------------------------------- invocation

Invocation::Invocation(const Command& command, std::vector<std::string> args)
    : command_(command), args_(std::move(args)) {
  settings_.Declare(&flags_);
}

std::optional<int> Invocation::Parse(size_t words_min, size_t words_max) {
  absl::StatusOr<std::vector<std::string>> words = flags_.Parse(args_);
  if (!words.ok()) return Usage(std::string(words.status().message()));
  if (settings_.help) {
    std::printf("registryctl %s %s\n  %s\n", std::string(command_.name).c_str(),
                std::string(command_.words).c_str(),
                std::string(command_.summary).c_str());
    if (!command_.notes.empty()) {
      std::printf("\n%s\n", std::string(command_.notes).c_str());
    }
    std::printf("\n%s", flags_.Help().c_str());
    return kDone;
  }
  words_ = *std::move(words);
  if (words_.size() < words_min) return Usage("something is missing");
  if (words_.size() > words_max) {
    return Usage("\"" + Shown(words_[words_max]) + "\" is one word too many");
  }
  if (timeout() <= raft::Duration(0)) {
    return Usage("--timeout: must be longer than nothing");
  }
  return std::nullopt;
}

int Invocation::Usage(std::string_view problem) const {
  const std::string name(command_.name);
  std::fprintf(stderr,
               "registryctl %s: %s\n"
               "usage: registryctl %s %s\n"
               "       registryctl %s --help\n",
               name.c_str(), std::string(problem).c_str(), name.c_str(),
               std::string(command_.words).c_str(), name.c_str());
  return kWrongUsage;
}

registry::ClientOptions Invocation::ReadOptions() const {
  registry::ClientOptions options;
  options.endpoints = endpoints();
  options.open_session = false;
  options.deadline = timeout();
  return options;
}

registry::ClientOptions Invocation::WriteOptions(raft::Duration ttl) const {
  registry::ClientOptions options;
  options.endpoints = endpoints();
  options.session_ttl = ttl;
  options.deadline = timeout();
  return options;
}

int Invocation::Report(
    Error error, std::string_view detail,
    const std::optional<registry::Registration>& holder) const {
  const std::string name(ToString(error));
  if (json()) {
    JsonWriter writer;
    writer.BeginObject();
    writer.Key("error").Text(name);
    writer.Key("detail").Text(detail);
    if (holder.has_value()) {
      writer.Key("holder");
      Write(*holder, &writer);
    }
    writer.EndObject();
    PrintJson(&writer);
    return ExitCodeOf(error);
  }
  std::string text = name;
  if (!detail.empty()) text += ": " + Shown(detail);
  if (holder.has_value()) {
    text += "\n  held by process " + ShownPid(holder->pid) +
            " since revision " + std::to_string(holder->revision.value()) +
            " with the value " + ShownValue(holder->value) +
            ", last changed at revision " +
            std::to_string(holder->modified.value());
  }
  std::fprintf(stderr, "registryctl %s: %s\n",
               std::string(command_.name).c_str(), text.c_str());
  return ExitCodeOf(error);
}

// ----------------------------------------------------------------- output

std::string Shown(std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  const bool utf8 = IsValidUtf8(text);
  std::string shown;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f || (byte >= 0x80 && !utf8)) {
      shown += "\\x";
      shown += kHex[byte >> 4];
      shown += kHex[byte & 15];
    } else if (c == '\\') {
      shown += "\\\\";
    } else {
      shown += c;
    }
  }
  return shown;
}

std::string ShownValue(const registry::Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) {
    return "\"" + Shown(*text) + "\"";
  }
  return std::to_string(std::get<int64_t>(value));
}

std::string ShownPid(const registry::Pid& pid) {
  return std::to_string(pid.session.value()) + ":" + std::to_string(pid.local);
}

void Write(const registry::Registration& registration, JsonWriter* json) {
  json->BeginObject();
  json->Key("session").Unsigned(registration.pid.session.value());
  json->Key("process").Unsigned(registration.pid.local);
  json->Key("value").Value(registration.value);
  json->Key("revision").Unsigned(registration.revision.value());
  json->Key("modified").Unsigned(registration.modified.value());
  json->EndObject();
}

void PrintJson(JsonWriter* json) { std::printf("%s\n", json->Take().c_str()); }

void PrintTable(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], row[i].size());
    }
  }
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] + 2 - row[i].size(), ' ');
    }
    std::printf("%s\n", line.c_str());
  }
}

}  // namespace tools::registryctl
