// registryctl: registries, lookup, count, keys.
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "net/client.h"
#include "tools/registryctl_command.h"

namespace tools::registryctl {
namespace {

using registry::Error;
using registry::ReadReply;

std::string Number(uint64_t number) { return std::to_string(number); }

ReadReply Ask(const Invocation& ctl, registry::ReadOperation operation) {
  net::BlockingClient client({.client = ctl.ReadOptions()});
  return client.Read(std::move(operation));
}

// "12:0", or "12" for the main process.
absl::StatusOr<registry::Pid> ParsePid(std::string_view text) {
  const size_t colon = text.find(':');
  const auto session = ParseInteger(text.substr(0, colon));
  absl::StatusOr<int64_t> local = 0;
  if (colon != std::string_view::npos) {
    local = ParseInteger(text.substr(colon + 1));
  }
  if (!session.ok() || !local.ok() || *session < 0 || *local < 0) {
    return absl::InvalidArgumentError("\"" + Shown(text) +
                                      "\" is not SESSION:LOCAL");
  }
  return registry::Pid{registry::SessionId(static_cast<uint64_t>(*session)),
                       static_cast<uint64_t>(*local)};
}

}  // namespace

int RunRegistries(Invocation* ctl) {
  if (auto code = ctl->Parse(0, 0)) return *code;
  const ReadReply reply = Ask(*ctl, registry::ListRegistries{});
  if (reply.error != Error::kOk) return ctl->Report(reply);
  if (ctl->json()) {
    JsonWriter json;
    json.BeginObject();
    json.Key("revision").Unsigned(reply.revision.value());
    json.Key("registries").BeginArray();
    for (const registry::RegistryInfo& info : reply.registries) {
      json.BeginObject();
      json.Key("name").Text(info.name);
      json.Key("kind").Text(ToString(info.kind));
      json.Key("registrations").Unsigned(info.registrations);
      json.Key("created").Unsigned(info.created.value());
      json.EndObject();
    }
    json.EndArray().EndObject();
    PrintJson(&json);
    return kDone;
  }
  std::vector<std::vector<std::string>> rows = {
      {"REGISTRY", "KIND", "REGISTRATIONS", "CREATED"}};
  for (const registry::RegistryInfo& info : reply.registries) {
    rows.push_back({Shown(info.name), std::string(ToString(info.kind)),
                    Number(info.registrations), Number(info.created.value())});
  }
  PrintTable(rows);
  return kDone;
}

int RunLookup(Invocation* ctl) {
  if (auto code = ctl->Parse(2, 2)) return *code;
  const ReadReply reply =
      Ask(*ctl, registry::Lookup{ctl->word(0), ctl->word(1)});
  if (reply.error != Error::kOk) return ctl->Report(reply);
  if (ctl->json()) {
    JsonWriter json;
    json.BeginObject();
    json.Key("registry").Text(ctl->word(0));
    json.Key("key").Text(ctl->word(1));
    json.Key("revision").Unsigned(reply.revision.value());
    json.Key("registrations").BeginArray();
    for (const auto& registration : reply.registrations) {
      Write(registration, &json);
    }
    json.EndArray().EndObject();
    PrintJson(&json);
    return kDone;
  }
  std::vector<std::vector<std::string>> rows = {
      {"PROCESS", "REVISION", "MODIFIED", "VALUE"}};
  for (const auto& registration : reply.registrations) {
    rows.push_back({ShownPid(registration.pid),
                    Number(registration.revision.value()),
                    Number(registration.modified.value()),
                    ShownValue(registration.value)});
  }
  PrintTable(rows);
  return kDone;
}

int RunCount(Invocation* ctl) {
  if (auto code = ctl->Parse(1, 2)) return *code;
  registry::Count count{.registry = ctl->word(0)};
  if (ctl->words() == 2) count.key = ctl->word(1);
  const ReadReply reply = Ask(*ctl, count);
  if (reply.error != Error::kOk) return ctl->Report(reply);
  if (!ctl->json()) {
    std::printf("%s\n", Number(reply.count).c_str());
    return kDone;
  }
  JsonWriter json;
  json.BeginObject();
  json.Key("registry").Text(count.registry);
  if (count.key.has_value()) json.Key("key").Text(*count.key);
  json.Key("revision").Unsigned(reply.revision.value());
  json.Key("count").Unsigned(reply.count);
  json.EndObject();
  PrintJson(&json);
  return kDone;
}

int RunKeys(Invocation* ctl) {
  std::optional<std::string> process;
  ctl->flags().Text("process", &process, "SESSION:LOCAL",
                    "only the keys of this process, repeats and all");
  if (auto code = ctl->Parse(1, 1)) return *code;
  registry::Keys keys{.registry = ctl->word(0)};
  if (process.has_value()) {
    const absl::StatusOr<registry::Pid> pid = ParsePid(*process);
    if (!pid.ok()) {
      return ctl->Usage("--process: " + std::string(pid.status().message()));
    }
    keys.process = *pid;
  }
  net::BlockingClient client({.client = ctl->ReadOptions()});
  std::vector<std::string> all;
  std::vector<raft::Index> revisions;
  ReadReply reply;
  do {
    reply = client.Read(keys);
    if (reply.error != Error::kOk) return ctl->Report(reply);
    revisions.push_back(reply.revision);
    all.insert(all.end(), reply.keys.begin(), reply.keys.end());
    if (!reply.keys.empty()) keys.after = reply.keys.back();
  } while (reply.more && !reply.keys.empty());
  if (!ctl->json()) {
    for (const std::string& key : all) std::printf("%s\n", Shown(key).c_str());
    return kDone;
  }
  JsonWriter json;
  json.BeginObject();
  json.Key("registry").Text(keys.registry);
  json.Key("revisions").BeginArray();
  for (const raft::Index revision : revisions) json.Unsigned(revision.value());
  json.EndArray();
  json.Key("keys").BeginArray();
  for (const std::string& key : all) json.Text(key);
  json.EndArray().EndObject();
  PrintJson(&json);
  return kDone;
}

}  // namespace tools::registryctl
