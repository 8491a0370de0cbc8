#include "tools/registryd_config.h"

#include <algorithm>
#include <fstream>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "net/address.h"
#include "raft/digest.h"
#include "raft/limits.h"
#include "registry/command.h"

namespace tools {
namespace {

using raft::NodeId;
using registry::MemberStatus;

absl::Status SetAddress(std::string_view value, std::string* out) {
  const absl::StatusOr<net::Address> address = net::ParseAddress(value);
  if (!address.ok()) return address.status();
  *out = std::string(value);
  return absl::OkStatus();
}

// Sets *out from what `parse` makes of the text.
template <typename T, typename Parse>
Flags::Setter Parsed(const Parse& parse, T* out) {
  return [parse, out](std::string_view text) {
    absl::StatusOr<T> value = parse(text);
    if (value.ok()) *out = *std::move(value);
    return value.status();
  };
}

Flags::Setter ParsedAddress(std::string* out) {
  return [out](std::string_view text) { return SetAddress(text, out); };
}

std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r";
  const size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return "";
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

absl::Status ReadLine(std::string_view line, const Flags& flags,
                      std::set<std::string>* seen) {
  line = Trimmed(line);
  if (line.empty() || line.starts_with('#')) return absl::OkStatus();
  const size_t equals = line.find('=');
  if (equals == std::string_view::npos) {
    return absl::InvalidArgumentError("wanted is key = value");
  }
  const std::string key(Trimmed(line.substr(0, equals)));
  if (!seen->insert(key).second) {
    return absl::InvalidArgumentError(key + " is given twice");
  }
  return flags.Set(key, Trimmed(line.substr(equals + 1)));
}

absl::StatusOr<MemberStatus> ParseMember(std::string_view text) {
  const size_t equals = text.find('=');
  const size_t slash = text.find('/');
  if (equals == std::string_view::npos || slash == std::string_view::npos ||
      slash < equals) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", std::string(text),
                     "\" is not a member; wanted is "
                     "N=PEER_ADDRESS/CLIENT_ADDRESS, as in "
                     "1=127.0.0.1:7101/127.0.0.1:7201"));
  }
  const absl::StatusOr<NodeId> node = ParseNode(text.substr(0, equals));
  if (!node.ok()) return node.status();
  MemberStatus member{.node = *node};
  absl::Status set = SetAddress(text.substr(equals + 1, slash - equals - 1),
                                &member.peer_address);
  if (set.ok())
    set = SetAddress(text.substr(slash + 1), &member.client_address);
  if (!set.ok()) return set;
  return member;
}

}  // namespace

void DeclareKeys(RegistrydConfig* config, Flags* flags) {
  flags->Text("data_dir", &config->data_dir, "DIR",
              "where this node keeps its log; `registryd format` makes it");
  flags->Add("node", Parsed(ParseNode, &config->node), "N",
             "this node's place, 1 to 255 (N.I: its I-th incarnation)");
  flags->Add("cluster", Parsed(ParseCluster, &config->cluster), "LIST",
             "N=PEER_ADDRESS/CLIENT_ADDRESS of every node, by commas");
  flags->Text("cluster_token", &config->cluster_token, "TEXT",
              "a text of the cluster's own: nodes of two clusters never meet");
  flags->Add("peer_listen", ParsedAddress(&config->peer_listen), "ADDRESS",
             "where to listen for nodes (the peer address in `cluster`)");
  flags->Add("client_listen", ParsedAddress(&config->client_listen), "ADDRESS",
             "where to listen for clients (the client address there)");
  flags->Number("heartbeat_ms", &config->heartbeat_ms, 1, 60'000, "MS",
                "the leader's heartbeat");
  flags->Number("election_ms", &config->election_ms, 10, 600'000, "MS",
                "a follower campaigns after one to two times this of silence");
  flags->Number("session_ttl_ms", &config->session_ttl_ms,
                registry::kTtlMin.value() / 1000,
                registry::kTtlMax.value() / 1000, "MS",
                "the longest lease that a client may ask for");
  flags->Text("record", &config->record, "DIR",
              "write a trace of this node's inputs there");
  flags->Choice("log_level", &config->log_level,
                {"debug", "info", "warning", "error", "off"},
                "what is said on standard error");
}

absl::Status ReadConfigFile(const std::string& path, const Flags& flags) {
  std::ifstream file(path);
  if (!file) return absl::NotFoundError(absl::StrCat("cannot read ", path));
  std::set<std::string> seen;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    const absl::Status read = ReadLine(line, flags, &seen);
    if (!read.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ":", number, ": ", read.message()));
    }
  }
  return absl::OkStatus();
}

absl::Status Validate(const RegistrydConfig& config) {
  const auto wrong = [](const std::string& text) {
    return absl::InvalidArgumentError(text);
  };
  if (config.data_dir.empty()) return wrong("data_dir is missing");
  if (!config.node.valid()) return wrong("node is missing");
  if (config.cluster.empty()) return wrong("cluster is missing");
  if (config.cluster_token.empty()) return wrong("cluster_token is missing");
  const bool listed = std::ranges::any_of(
      config.cluster,
      [&](const MemberStatus& m) { return m.node == config.node; });
  if (!listed) {
    return wrong(
        absl::StrCat("node ", ToString(config.node),
                     " is not in cluster = ", FormatCluster(config.cluster)));
  }
  // A follower must survive the loss of a heartbeat or two.
  if (config.election_ms < 3 * config.heartbeat_ms) {
    return wrong(absl::StrCat(
        "election_ms = ", config.election_ms,
        " is less than three times heartbeat_ms = ", config.heartbeat_ms));
  }
  return absl::OkStatus();
}

std::string EffectiveConfig(const RegistrydConfig& config) {
  const std::pair<const char*, std::string> values[] = {
      {"data_dir", config.data_dir},
      {"node", config.node.valid() ? ToString(config.node).substr(1) : ""},
      {"cluster", FormatCluster(config.cluster)},
      {"cluster_token", config.cluster_token},
      {"peer_listen", config.peer_listen},
      {"client_listen", config.client_listen},
      {"heartbeat_ms", absl::StrCat(config.heartbeat_ms)},
      {"election_ms", absl::StrCat(config.election_ms)},
      {"session_ttl_ms", absl::StrCat(config.session_ttl_ms)},
      {"record", config.record},
      {"log_level", config.log_level},
  };
  std::string out;
  for (const auto& [key, value] : values) {
    // What is empty is not set: the line must be readable as a file again.
    absl::StrAppend(&out, value.empty() ? "# " : "", key, " = ", value, "\n");
  }
  return out;
}

absl::StatusOr<std::vector<MemberStatus>> ParseCluster(std::string_view text) {
  std::vector<MemberStatus> members;
  while (true) {
    const size_t comma = text.find(',');
    absl::StatusOr<MemberStatus> member =
        ParseMember(Trimmed(text.substr(0, comma)));
    if (!member.ok()) return member.status();
    members.push_back(*std::move(member));
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
  }
  std::ranges::sort(members, {}, &MemberStatus::node);
  for (size_t i = 1; i < members.size(); ++i) {
    if (members[i - 1].node.slot == members[i].node.slot) {
      return absl::InvalidArgumentError(absl::StrCat(
          "node ", static_cast<int>(members[i].node.slot), " stands twice"));
    }
  }
  if (members.size() > raft::kVotersMax) {
    return absl::InvalidArgumentError(absl::StrCat(
        members.size(), " nodes; at most ", raft::kVotersMax, " can vote"));
  }
  return members;
}

std::string FormatCluster(const std::vector<MemberStatus>& members) {
  std::string out;
  for (const MemberStatus& member : members) {
    absl::StrAppend(&out, out.empty() ? "" : ",",
                    ToString(member.node).substr(1), "=", member.peer_address,
                    "/", member.client_address);
  }
  return out;
}

raft::ClusterId ClusterIdOf(std::string_view token) {
  raft::Digest digest;
  digest.AddText(token);
  // 0 stands for "not known" elsewhere.
  return raft::ClusterId(std::max<uint64_t>(digest.value(), 1));
}

raft::storage::Identity IdentityOf(const RegistrydConfig& config) {
  raft::storage::Identity identity{.cluster = ClusterIdOf(config.cluster_token),
                                   .node = config.node};
  for (const MemberStatus& member : config.cluster) {
    identity.initial_voters.push_back(member.node);
  }
  return identity;
}

}  // namespace tools
