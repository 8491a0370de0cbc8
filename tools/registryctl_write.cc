// registryctl: create, register, unregister, update, end-session.
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <utility>

#include "net/client.h"
#include "raft/check.h"
#include "tools/registryctl_command.h"

namespace tools::registryctl {
namespace {

using registry::CommandReply;
using registry::Error;

constexpr raft::Duration kShortTtl = raft::Millis(10'000);
// Ending the session is tidiness: what is not ended soon runs out by itself.
constexpr raft::Duration kEndTimeout = raft::Millis(1000);

// One command in a session of its own, which ends with it.
CommandReply DoOnce(const Invocation& ctl, registry::Operation operation) {
  net::BlockingClient client({.client = ctl.WriteOptions(kShortTtl)});
  const CommandReply reply = client.Do(std::move(operation));
  if (client.session() != registry::SessionId()) {
    client.Do(registry::EndSession{}, kEndTimeout);
  }
  return reply;
}

absl::StatusOr<registry::Value> MakeValue(const std::string& text,
                                          bool integer) {
  if (!integer) return registry::Value(text);
  const absl::StatusOr<int64_t> number = ParseInteger(text);
  if (!number.ok()) return number.status();
  return registry::Value(*number);
}

// Signals to be waited for; blocked in every thread that starts after this.
class Signals {
 public:
  Signals() {
    sigemptyset(&set_);
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGUSR1}) {
      sigaddset(&set_, number);
    }
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set_, nullptr), 0);
  }
  int Wait() const {
    int number = 0;
    CHECK_EQ(sigwait(&set_, &number), 0);
    return number;
  }

 private:
  sigset_t set_;
};

void PrintRegistered(const Invocation& ctl,
                     const registry::Registration& registration,
                     raft::Duration ttl, bool hold) {
  if (ctl.json()) {
    JsonWriter json;
    json.BeginObject();
    json.Key("registry").Text(ctl.word(0));
    json.Key("key").Text(ctl.word(1));
    json.Key("registration");
    Write(registration, &json);
    json.Key("ttl_ms").Number(ttl.value() / 1000);
    json.Key("held").Bool(hold);
    json.EndObject();
    PrintJson(&json);
  } else {
    std::printf("registered %s for process %s at revision %s\n",
                Shown(ctl.word(1)).c_str(), ShownPid(registration.pid).c_str(),
                std::to_string(registration.revision.value()).c_str());
    std::printf(
        hold ? "held until Ctrl-C\n" : "the session runs out after %lld ms\n",
        static_cast<long long>(ttl.value() / 1000));
  }
  std::fflush(stdout);  // who holds may be read through a pipe
}

}  // namespace

int RunCreate(Invocation* ctl) {
  std::string kind;
  ctl->flags().Choice("kind", &kind, {"unique", "duplicate"},
                      "one holder a key, or any number");
  if (auto code = ctl->Parse(1, 1)) return *code;
  if (kind.empty()) return ctl->Usage("which --kind?");
  const CommandReply reply =
      DoOnce(*ctl, registry::CreateRegistry{
                       ctl->word(0), kind == "unique"
                                         ? registry::RegistryKind::kUnique
                                         : registry::RegistryKind::kDuplicate});
  if (reply.error != Error::kOk) return ctl->Report(reply);
  if (ctl->json()) {
    JsonWriter json;
    json.BeginObject();
    json.Key("registry").Text(ctl->word(0));
    json.Key("kind").Text(kind);
    json.Key("revision").Unsigned(reply.revision.value());
    json.EndObject();
    PrintJson(&json);
  } else {
    std::printf("%s stands since revision %s\n", Shown(ctl->word(0)).c_str(),
                std::to_string(reply.revision.value()).c_str());
  }
  return kDone;
}

int RunRegister(Invocation* ctl) {
  std::optional<raft::Duration> ttl;
  bool hold = false;
  bool integer = false;
  ctl->flags().Time("ttl", &ttl, "TIME",
                    "the session's time to live (10s with --hold)");
  ctl->flags().Switch("hold", &hold, "keep the session alive until Ctrl-C");
  ctl->flags().Switch("integer", &integer, "VALUE is an integer, not a text");
  if (auto code = ctl->Parse(3, 3)) return *code;
  if (!ttl.has_value() && !hold) {
    return ctl->Usage(
        "a registration lives as long as its session, and this command's ends "
        "with it:\n  say --hold to keep it until Ctrl-C, or --ttl=10s to let "
        "it run out by itself");
  }
  const absl::StatusOr<registry::Value> value =
      MakeValue(ctl->word(2), integer);
  if (!value.ok()) {
    return ctl->Usage("VALUE: " + std::string(value.status().message()));
  }
  const raft::Duration lease = ttl.value_or(kShortTtl);
  if (lease == raft::Duration(0)) {
    return ctl->Usage("--ttl=0 would be for ever; that is what import is for");
  }

  const Signals signals;
  net::BlockingClient client({.client = ctl->WriteOptions(lease),
                              .on_session_lost = [](registry::SessionId) {
                                kill(getpid(), SIGUSR1);
                              }});
  const CommandReply reply = client.Do(registry::Register{
      .registry = ctl->word(0), .key = ctl->word(1), .value = *value});
  if (reply.error != Error::kOk || !reply.current.has_value()) {
    const int code = ctl->Report(reply);
    if (client.session() != registry::SessionId()) {
      client.Do(registry::EndSession{}, kEndTimeout);
    }
    return code;
  }
  PrintRegistered(*ctl, *reply.current, lease, hold);
  if (!hold) return kDone;
  if (signals.Wait() == SIGUSR1) {
    return ctl->Report(Error::kSessionExpired,
                       "the session was lost, and its registration with it");
  }
  const CommandReply end = client.Do(registry::EndSession{});
  if (end.error == Error::kOk || end.error == Error::kSessionExpired) {
    return kDone;
  }
  return ctl->Report(end);
}

int RunUnregister(Invocation* ctl) {
  bool force = false;
  ctl->flags().Switch("force", &force, "whoever the owner is");
  if (auto code = ctl->Parse(2, 2)) return *code;
  const CommandReply reply =
      DoOnce(*ctl, registry::Unregister{.registry = ctl->word(0),
                                        .key = ctl->word(1),
                                        .any_owner = force});
  if (reply.error != Error::kOk) {
    const int code = ctl->Report(reply);
    if (reply.error == Error::kNotOwner && !ctl->json()) {
      std::fprintf(stderr, "  --force removes it all the same\n");
    }
    return code;
  }
  if (ctl->json()) {
    JsonWriter json;
    json.BeginObject();
    json.Key("registry").Text(ctl->word(0));
    json.Key("key").Text(ctl->word(1));
    json.Key("revision").Unsigned(reply.revision.value());
    json.Key("removed").Unsigned(reply.removed);
    json.EndObject();
    PrintJson(&json);
  } else {
    std::printf("removed %s at revision %s\n",
                std::to_string(reply.removed).c_str(),
                std::to_string(reply.revision.value()).c_str());
  }
  return kDone;
}

int RunUpdate(Invocation* ctl) {
  std::optional<std::string> set;
  std::optional<int64_t> add;
  std::optional<int64_t> expect;
  bool integer = false;
  ctl->flags().Text("set", &set, "VALUE", "the new value");
  ctl->flags().Number("add", &add, INT64_MIN, INT64_MAX, "NUMBER",
                      "add to an integer");
  ctl->flags().Number("expect", &expect, 1, INT64_MAX, "REVISION",
                      "only if it was last modified there, else conflict");
  ctl->flags().Switch("integer", &integer, "--set an integer, not a text");
  if (auto code = ctl->Parse(2, 2)) return *code;
  if (set.has_value() == add.has_value()) {
    return ctl->Usage("either --set or --add");
  }
  registry::UpdateValue update{
      .registry = ctl->word(0), .key = ctl->word(1), .any_owner = true};
  if (set.has_value()) {
    const absl::StatusOr<registry::Value> value = MakeValue(*set, integer);
    if (!value.ok()) {
      return ctl->Usage("--set: " + std::string(value.status().message()));
    }
    update.change = registry::SetValue{*value};
  } else {
    update.change = registry::AddValue{*add};
  }
  if (expect.has_value()) {
    update.expected_modified = raft::Index(static_cast<uint64_t>(*expect));
  }
  const CommandReply reply = DoOnce(*ctl, update);
  if (reply.error != Error::kOk || !reply.current.has_value()) {
    return ctl->Report(reply);
  }
  if (ctl->json()) {
    JsonWriter json;
    json.BeginObject();
    json.Key("registry").Text(ctl->word(0));
    json.Key("key").Text(ctl->word(1));
    json.Key("registration");
    Write(*reply.current, &json);
    if (reply.previous.has_value()) {
      json.Key("previous").Value(*reply.previous);
    }
    json.EndObject();
    PrintJson(&json);
  } else {
    std::printf(
        "%s -> %s at revision %s\n",
        reply.previous.has_value() ? ShownValue(*reply.previous).c_str() : "?",
        ShownValue(reply.current->value).c_str(),
        std::to_string(reply.current->modified.value()).c_str());
  }
  return kDone;
}

int RunEndSession(Invocation* ctl) {
  if (auto code = ctl->Parse(1, 1)) return *code;
  const absl::StatusOr<int64_t> session = ParseInteger(ctl->word(0));
  if (!session.ok() || *session <= 0) {
    return ctl->Usage("SESSION: \"" + Shown(ctl->word(0)) +
                      "\" is not the number of a session");
  }
  const CommandReply reply =
      DoOnce(*ctl, registry::EndSession{
                       registry::SessionId(static_cast<uint64_t>(*session))});
  if (reply.error != Error::kOk) return ctl->Report(reply);
  if (ctl->json()) {
    JsonWriter json;
    json.BeginObject();
    json.Key("session").Number(*session);
    json.Key("revision").Unsigned(reply.revision.value());
    json.Key("removed").Unsigned(reply.removed);
    json.EndObject();
    PrintJson(&json);
  } else {
    std::printf("ended; %s registrations went with it\n",
                std::to_string(reply.removed).c_str());
  }
  return kDone;
}

}  // namespace tools::registryctl
