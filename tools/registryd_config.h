// What registryd can be told, by flag or by config file.
#ifndef TOOLS_REGISTRYD_CONFIG_H_
#define TOOLS_REGISTRYD_CONFIG_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "raft/storage/storage.h"
#include "registry/protocol.h"
#include "tools/args.h"

namespace tools {

struct RegistrydConfig {
  std::string data_dir;
  raft::NodeId node;
  std::vector<registry::MemberStatus> cluster;  // sorted by node
  std::string cluster_token;                    // its hash is the cluster's id
  std::string peer_listen;    // empty: this node's peer address
  std::string client_listen;  // empty: this node's client address
  int64_t heartbeat_ms = 50;
  int64_t election_ms = 300;
  int64_t session_ttl_ms = 24 * 3600 * 1000;
  std::string record;  // empty: no trace
  std::string log_level = "info";

  bool operator==(const RegistrydConfig&) const = default;
};

// Declares every key: as flags of a command line and as keys of a config file
// alike. `config` must outlive `flags`.
void DeclareKeys(RegistrydConfig* config, Flags* flags);

// Reads `key = value` lines into what `flags` were declared for; empty lines
// and lines that start with # are skipped. InvalidArgument for an unknown key
// (with a hint), one given twice or a value that does not fit, naming `path`
// and the line; NotFound when the file cannot be read.
absl::Status ReadConfigFile(const std::string& path, const Flags& flags);

// Everything is there and fits together; also says which setting is missing.
absl::Status Validate(const RegistrydConfig& config);

// Every key with its value, in the form of a config file.
std::string EffectiveConfig(const RegistrydConfig& config);

// "1=127.0.0.1:7101/127.0.0.1:7201,2=...": peer address, then client address.
absl::StatusOr<std::vector<registry::MemberStatus>> ParseCluster(
    std::string_view text);
std::string FormatCluster(const std::vector<registry::MemberStatus>& members);

raft::ClusterId ClusterIdOf(std::string_view token);
// What `registryd format` writes for this node.
raft::storage::Identity IdentityOf(const RegistrydConfig& config);

}  // namespace tools

#endif  // TOOLS_REGISTRYD_CONFIG_H_
