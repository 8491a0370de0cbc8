// registryctl status: every endpoint's own view of itself and the cluster.
#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "net/client.h"
#include "tools/registryctl_command.h"

namespace tools::registryctl {
namespace {

using registry::Error;
using registry::StatusReply;

struct Answer {
  std::string endpoint;
  registry::CallResult result;

  // nullptr: it did not answer.
  const StatusReply* status() const {
    return std::get_if<StatusReply>(&result);
  }
};

std::vector<Answer> AskAll(const Invocation& ctl) {
  net::EventLoop loop;
  std::vector<Answer> answers;
  std::vector<std::unique_ptr<net::AsyncClient>> clients;
  size_t open = ctl.endpoints().size();
  answers.reserve(open);  // the answers come by address
  for (const std::string& endpoint : ctl.endpoints()) {
    answers.push_back({.endpoint = endpoint, .result = {}});
    clients.push_back(
        std::make_unique<net::AsyncClient>(&loop, net::OneMember(endpoint)));
    clients.back()->Start(
        registry::StatusRequest{},
        [answer = &answers.back(), &open](const registry::CallResult& result) {
          answer->result = result;
          --open;
        },
        ctl.timeout());
  }
  loop.RunUntil([&] { return open == 0; });
  return answers;
}

std::string_view RoleName(raft::Role role) {
  switch (role) {
    case raft::Role::kLeader:
      return "leader";
    case raft::Role::kCandidate:
      return "candidate";
    case raft::Role::kPreCandidate:
      return "pre-candidate";
    case raft::Role::kFollower:
      return "follower";
  }
  return "unknown";
}

std::string DigestText(const StatusReply& status) {
  char text[33];
  std::snprintf(text, sizeof(text), "%016llx%016llx",
                static_cast<unsigned long long>(status.state_digest_high),
                static_cast<unsigned long long>(status.state_digest_low));
  return text;
}

constexpr std::string_view kRefusedPrefix = "frames_refused.";

uint64_t FramesRefused(const StatusReply& status) {
  uint64_t sum = 0;
  for (const auto& [name, count] : status.counters) {
    if (name.starts_with(kRefusedPrefix)) sum += count;
  }
  return sum;
}

// Members that applied the same entries to different ends: the worst there is.
std::vector<std::string> Disagreements(const std::vector<Answer>& answers) {
  std::map<std::pair<raft::ClusterId, raft::Index>, const Answer*> seen;
  std::vector<std::string> found;
  for (const Answer& answer : answers) {
    const StatusReply* status = answer.status();
    if (status == nullptr) continue;
    const auto [it, fresh] =
        seen.emplace(std::pair(status->cluster, status->applied), &answer);
    if (fresh || DigestText(*it->second->status()) == DigestText(*status)) {
      continue;
    }
    found.push_back(it->second->endpoint + " and " + answer.endpoint +
                    " disagree about the state at index " +
                    std::to_string(status->applied.value()));
  }
  return found;
}

void WriteStatus(const StatusReply& status, JsonWriter* json) {
  char cluster[17];  // 64 bits, all used: no JSON number
  std::snprintf(cluster, sizeof(cluster), "%016llx",
                static_cast<unsigned long long>(status.cluster.value()));
  json->Key("cluster").Text(cluster);
  json->Key("node").Text(raft::ToString(status.node));
  json->Key("role").Text(RoleName(status.role));
  json->Key("leader");
  if (status.leader.valid()) {
    json->Text(raft::ToString(status.leader));
  } else {
    json->Null();
  }
  json->Key("term").Unsigned(status.term.value());
  json->Key("commit").Unsigned(status.commit.value());
  json->Key("applied").Unsigned(status.applied.value());
  json->Key("last_index").Unsigned(status.last_index.value());
  json->Key("state_digest").Text(DigestText(status));
  json->Key("sessions").Unsigned(status.sessions);
  json->Key("registrations").Unsigned(status.registrations);
  json->Key("members").BeginArray();
  for (const registry::MemberStatus& member : status.members) {
    json->BeginObject();
    json->Key("node").Text(raft::ToString(member.node));
    json->Key("peer_address").Text(member.peer_address);
    json->Key("client_address").Text(member.client_address);
    json->EndObject();
  }
  json->EndArray();
  json->Key("counters").BeginObject();
  for (const auto& [name, count] : status.counters) {
    json->Key(name).Unsigned(count);
  }
  json->EndObject();
}

void PrintAsJson(const std::vector<Answer>& answers,
                 const std::vector<std::string>& disagreements) {
  JsonWriter json;
  json.BeginObject();
  json.Key("endpoints").BeginArray();
  for (const Answer& answer : answers) {
    json.BeginObject();
    json.Key("endpoint").Text(answer.endpoint);
    if (const StatusReply* status = answer.status()) {
      WriteStatus(*status, &json);
    } else {
      const auto& failure = std::get<registry::Failure>(answer.result);
      json.Key("error").Text(ToString(failure.error));
      json.Key("detail").Text(failure.detail);
    }
    json.EndObject();
  }
  json.EndArray();
  json.Key("disagreements").BeginArray();
  for (const std::string& text : disagreements) json.Text(text);
  json.EndArray().EndObject();
  PrintJson(&json);
}

// Members that are known to those who answered, but were not asked.
void PrintNotAsked(const std::vector<Answer>& answers) {
  std::set<std::string> nodes;
  for (const Answer& answer : answers) {
    if (answer.status() != nullptr) {
      nodes.insert(raft::ToString(answer.status()->node));
    }
  }
  std::set<std::string> told;
  for (const Answer& answer : answers) {
    if (answer.status() == nullptr) continue;
    for (const registry::MemberStatus& member : answer.status()->members) {
      const std::string node = raft::ToString(member.node);
      const bool asked =
          std::any_of(answers.begin(), answers.end(), [&](const Answer& other) {
            return other.endpoint == member.client_address;
          });
      if (asked || nodes.contains(node) || !told.insert(node).second) continue;
      std::printf("%s at %s is a member, but no endpoint given\n", node.c_str(),
                  Shown(member.client_address).c_str());
    }
  }
}

void PrintAsTable(const std::vector<Answer>& answers,
                  const std::vector<std::string>& disagreements) {
  std::vector<std::vector<std::string>> rows = {
      {"ENDPOINT", "NODE", "ROLE", "LEADER", "TERM", "COMMIT", "APPLIED",
       "SESSIONS", "NAMES", "REFUSED", "DIGEST"}};
  for (const Answer& answer : answers) {
    const StatusReply* status = answer.status();
    if (status == nullptr) {
      rows.push_back({Shown(answer.endpoint), "-", "no answer"});
      continue;
    }
    rows.push_back(
        {Shown(answer.endpoint), raft::ToString(status->node),
         std::string(RoleName(status->role)),
         status->leader.valid() ? raft::ToString(status->leader) : "-",
         std::to_string(status->term.value()),
         std::to_string(status->commit.value()),
         std::to_string(status->applied.value()),
         std::to_string(status->sessions),
         std::to_string(status->registrations),
         std::to_string(FramesRefused(*status)),
         DigestText(*status).substr(0, 12)});
  }
  PrintTable(rows);
  for (const Answer& answer : answers) {
    const StatusReply* status = answer.status();
    if (status == nullptr) continue;
    for (const auto& [name, count] : status->counters) {
      if (!name.starts_with(kRefusedPrefix) || count == 0) continue;
      std::printf("%s refused %s frames: %s\n",
                  raft::ToString(status->node).c_str(),
                  std::to_string(count).c_str(),
                  Shown(name.substr(kRefusedPrefix.size())).c_str());
    }
  }
  PrintNotAsked(answers);
  for (const std::string& text : disagreements) {
    std::printf("ALARM: %s\n", Shown(text).c_str());
  }
}

}  // namespace

int RunStatus(Invocation* ctl) {
  if (auto code = ctl->Parse(0, 0)) return *code;
  const std::vector<Answer> answers = AskAll(*ctl);
  const std::vector<std::string> disagreements = Disagreements(answers);
  if (ctl->json()) {
    PrintAsJson(answers, disagreements);
  } else {
    PrintAsTable(answers, disagreements);
  }
  if (!disagreements.empty()) return kRefused;
  const bool all = std::all_of(
      answers.begin(), answers.end(),
      [](const Answer& answer) { return answer.status() != nullptr; });
  return all ? kDone : kNoAnswer;
}

}  // namespace tools::registryctl
