#include "tools/registryd_config.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <numeric>
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

struct Setting {
  std::string_view key;
  std::string_view value_name;
  std::string_view help;
  absl::Status (*set)(std::string_view value, RegistrydConfig* config);
  std::string (*show)(const RegistrydConfig& config);
};

template <typename T>
bool ParseNumber(std::string_view text, T* out) {
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), *out);
  return error == std::errc() && end == text.data() + text.size();
}

absl::Status SetMillis(std::string_view value, int64_t min, int64_t max,
                       int64_t* out) {
  int64_t number = 0;
  if (!ParseNumber(value, &number) || number < min || number > max) {
    return absl::InvalidArgumentError(absl::StrCat(
        "wanted is a number of milliseconds from ", min, " to ", max));
  }
  *out = number;
  return absl::OkStatus();
}

absl::Status SetAddress(std::string_view value, std::string* out) {
  const absl::StatusOr<net::Address> address = net::ParseAddress(value);
  if (!address.ok()) return address.status();
  *out = std::string(value);
  return absl::OkStatus();
}

template <std::string RegistrydConfig::*kField>
absl::Status SetText(std::string_view value, RegistrydConfig* config) {
  if (value.empty()) return absl::InvalidArgumentError("it is empty");
  config->*kField = std::string(value);
  return absl::OkStatus();
}
template <std::string RegistrydConfig::*kField>
absl::Status SetListen(std::string_view value, RegistrydConfig* config) {
  return SetAddress(value, &(config->*kField));
}
template <std::string RegistrydConfig::*kField>
std::string ShowText(const RegistrydConfig& config) {
  return config.*kField;
}

absl::Status SetNode(std::string_view value, RegistrydConfig* config) {
  const absl::StatusOr<NodeId> node = ParseNode(value);
  if (!node.ok()) return node.status();
  config->node = *node;
  return absl::OkStatus();
}
std::string ShowNode(const RegistrydConfig& config) {
  return config.node.valid() ? ToString(config.node).substr(1) : "";
}

absl::Status SetCluster(std::string_view value, RegistrydConfig* config) {
  absl::StatusOr<std::vector<MemberStatus>> members = ParseCluster(value);
  if (!members.ok()) return members.status();
  config->cluster = *std::move(members);
  return absl::OkStatus();
}

absl::Status SetLogLevel(std::string_view value, RegistrydConfig* config) {
  constexpr std::string_view kLevels[] = {"debug", "info", "warning", "error",
                                          "off"};
  if (std::ranges::find(kLevels, value) == std::end(kLevels)) {
    return absl::InvalidArgumentError(
        "wanted is debug, info, warning, error or off");
  }
  config->log_level = std::string(value);
  return absl::OkStatus();
}

constexpr Setting kSettings[] = {
    {"data_dir", "DIR", "where this node keeps its log; `format` makes it",
     SetText<&RegistrydConfig::data_dir>, ShowText<&RegistrydConfig::data_dir>},
    {"node", "N", "this node's place, 1 to 255 (N.I: its I-th incarnation)",
     SetNode, ShowNode},
    {"cluster", "LIST",
     "N=PEER_ADDRESS/CLIENT_ADDRESS of every node, by commas", SetCluster,
     [](const RegistrydConfig& c) { return FormatCluster(c.cluster); }},
    {"cluster_token", "TEXT",
     "a text of the cluster's own, so that nodes of two clusters never meet",
     SetText<&RegistrydConfig::cluster_token>,
     ShowText<&RegistrydConfig::cluster_token>},
    {"peer_listen", "ADDRESS",
     "where to listen for nodes, if not on the peer address in `cluster`",
     SetListen<&RegistrydConfig::peer_listen>,
     ShowText<&RegistrydConfig::peer_listen>},
    {"client_listen", "ADDRESS",
     "where to listen for clients, if not on the client address in `cluster`",
     SetListen<&RegistrydConfig::client_listen>,
     ShowText<&RegistrydConfig::client_listen>},
    {"heartbeat_ms", "MS", "the leader's heartbeat (50)",
     [](std::string_view v, RegistrydConfig* c) {
       return SetMillis(v, 1, 60'000, &c->heartbeat_ms);
     },
     [](const RegistrydConfig& c) { return absl::StrCat(c.heartbeat_ms); }},
    {"election_ms", "MS",
     "a follower campaigns after this to twice this of silence (300)",
     [](std::string_view v, RegistrydConfig* c) {
       return SetMillis(v, 10, 600'000, &c->election_ms);
     },
     [](const RegistrydConfig& c) { return absl::StrCat(c.election_ms); }},
    {"session_ttl_ms", "MS",
     "the longest lease that a client may ask for (86400000, a day)",
     [](std::string_view v, RegistrydConfig* c) {
       return SetMillis(v, registry::kTtlMin.value() / 1000,
                        registry::kTtlMax.value() / 1000, &c->session_ttl_ms);
     },
     [](const RegistrydConfig& c) { return absl::StrCat(c.session_ttl_ms); }},
    {"record", "DIR", "write a trace of this node's inputs there",
     SetText<&RegistrydConfig::record>, ShowText<&RegistrydConfig::record>},
    {"log_level", "LEVEL", "debug, info, warning, error or off (info)",
     SetLogLevel, ShowText<&RegistrydConfig::log_level>},
};

// How many single-character edits lead from `a` to `b`.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t substituted = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({row[j] + 1, row[j + 1] + 1, substituted});
    }
  }
  return row.back();
}

std::string_view ClosestKey(std::string_view key) {
  return std::ranges::min_element(kSettings, {},
                                  [key](const Setting& setting) {
                                    return EditDistance(key, setting.key);
                                  })
      ->key;
}

std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r";
  const size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return "";
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

absl::Status ReadLine(std::string_view line, RegistrydConfig* config) {
  line = Trimmed(line);
  if (line.empty() || line.starts_with('#')) return absl::OkStatus();
  const size_t equals = line.find('=');
  if (equals == std::string_view::npos) {
    return absl::InvalidArgumentError("wanted is key = value");
  }
  return SetKey(Trimmed(line.substr(0, equals)),
                Trimmed(line.substr(equals + 1)), config);
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

absl::Status SetKey(std::string_view key, std::string_view value,
                    RegistrydConfig* config) {
  for (const Setting& setting : kSettings) {
    if (setting.key != key) continue;
    const absl::Status set = setting.set(value, config);
    if (set.ok()) return set;
    return absl::InvalidArgumentError(absl::StrCat(
        std::string(key), " = \"", std::string(value), "\": ", set.message()));
  }
  return absl::InvalidArgumentError(
      absl::StrCat("unknown key \"", std::string(key), "\"; did you mean \"",
                   std::string(ClosestKey(key)), "\"?"));
}

absl::Status ReadConfigFile(const std::string& path, RegistrydConfig* config) {
  std::ifstream file(path);
  if (!file) return absl::NotFoundError(absl::StrCat("cannot read ", path));
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    const absl::Status read = ReadLine(line, config);
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
  std::string out;
  for (const Setting& setting : kSettings) {
    const std::string value = setting.show(config);
    // What is empty is not set: the line must be readable as a file again.
    absl::StrAppend(&out, value.empty() ? "# " : "", std::string(setting.key),
                    " = ", value, "\n");
  }
  return out;
}

std::string DescribeKeys() {
  std::string out;
  for (const Setting& setting : kSettings) {
    std::string flag = absl::StrCat("  --", std::string(setting.key), "=",
                                    std::string(setting.value_name));
    flag.resize(std::max<size_t>(flag.size() + 1, 26), ' ');
    absl::StrAppend(&out, flag, std::string(setting.help), "\n");
  }
  return out;
}

absl::StatusOr<NodeId> ParseNode(std::string_view text) {
  NodeId node{.incarnation = 1};
  const size_t dot = text.find('.');
  const bool good = ParseNumber(text.substr(0, dot), &node.slot) &&
                    node.slot != 0 &&
                    (dot == std::string_view::npos ||
                     (ParseNumber(text.substr(dot + 1), &node.incarnation) &&
                      node.incarnation != 0));
  if (good) return node;
  return absl::InvalidArgumentError(absl::StrCat(
      "\"", std::string(text),
      "\" is not a node; wanted is a number from 1 to 255, or as in 2.3 with "
      "its incarnation"));
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
