#include "tools/local_cluster.h"

#include <signal.h>

#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "raft/check.h"

namespace tools {
namespace {

// From the start of a process until it listens: recovery of its log included.
constexpr raft::Duration kStartMax = raft::Millis(20'000);

}  // namespace

LocalCluster::LocalCluster(const LocalClusterOptions& options)
    : options_(options), nodes_(options.nodes) {
  const std::vector<uint16_t> ports = FreePorts(2 * nodes_.size());
  for (size_t i = 0; i < nodes_.size(); ++i) {
    nodes_[i].peer_address = absl::StrCat("127.0.0.1:", ports[2 * i]);
    nodes_[i].client_address = absl::StrCat("127.0.0.1:", ports[2 * i + 1]);
  }
}

absl::StatusOr<std::unique_ptr<LocalCluster>> LocalCluster::Create(
    const LocalClusterOptions& options) {
  std::unique_ptr<LocalCluster> cluster(new LocalCluster(options));
  for (size_t node = 0; node < cluster->size(); ++node) {
    std::vector<std::string> argv = {options.registryd, "format"};
    for (std::string& flag : cluster->IdentityFlags(node)) {
      argv.push_back(std::move(flag));
    }
    const auto format =
        ChildProcess::Start(argv, {.stderr_path = cluster->log_path(node)});
    if (!format.ok()) return format.status();
    const std::string said = (*format)->ReadOutput();
    if ((*format)->Wait() != 0) {
      return absl::UnknownError(absl::StrCat(
          "cannot format ", cluster->data_dir(node), "; see ",
          cluster->log_path(node), said.empty() ? "" : "\n", said));
    }
  }
  return cluster;
}

std::string LocalCluster::name(size_t node) const {
  return absl::StrCat("n", node + 1);
}
std::string LocalCluster::data_dir(size_t node) const {
  return absl::StrCat(options_.folder, "/", name(node));
}
std::string LocalCluster::log_path(size_t node) const {
  return data_dir(node) + ".log";
}

std::vector<std::string> LocalCluster::endpoints() const {
  std::vector<std::string> all;
  for (const Node& node : nodes_) all.push_back(node.client_address);
  return all;
}

std::vector<std::string> LocalCluster::IdentityFlags(size_t node) const {
  std::string cluster;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    absl::StrAppend(&cluster, i == 0 ? "" : ",", i + 1, "=",
                    nodes_[i].peer_address, "/", nodes_[i].client_address);
  }
  return {absl::StrCat("--data_dir=", data_dir(node)),
          absl::StrCat("--node=", node + 1),
          absl::StrCat("--cluster_token=", options_.folder),
          absl::StrCat("--cluster=", cluster)};
}

std::vector<std::string> LocalCluster::Command(size_t node) const {
  std::vector<std::string> argv = {options_.registryd};
  for (std::string& flag : IdentityFlags(node)) argv.push_back(std::move(flag));
  argv.insert(argv.end(), options_.flags.begin(), options_.flags.end());
  return argv;
}

absl::Status LocalCluster::Launch(size_t node) {
  CHECK(!running(node));
  auto started = ChildProcess::Start(
      Command(node), {.stderr_path = log_path(node),
                      .dies_with_parent = options_.dies_with_parent});
  if (started.ok()) nodes_[node].process = *std::move(started);
  return started.status();
}

bool LocalCluster::IsListening(size_t node) {
  return nodes_[node].process->WaitForLine("ready ", raft::Millis(1)).ok();
}

absl::Status LocalCluster::Start(size_t node) {
  const absl::Status launched = Launch(node);
  if (!launched.ok()) return launched;
  const auto ready = nodes_[node].process->WaitForLine("ready ", kStartMax);
  if (ready.ok()) return absl::OkStatus();
  nodes_[node].process.reset();
  return absl::Status(
      ready.status().code(),
      absl::StrCat(name(node), " did not start; see ", log_path(node), "; ",
                   ready.status().message()));
}

absl::Status LocalCluster::StartAll() {
  for (size_t node = 0; node < size(); ++node) {
    if (running(node)) continue;
    const absl::Status started = Start(node);
    if (!started.ok()) return started;
  }
  return absl::OkStatus();
}

bool LocalCluster::running(size_t node) const {
  return nodes_[node].process != nullptr && nodes_[node].process->running();
}

void LocalCluster::Kill(size_t node) { nodes_[node].process.reset(); }

int LocalCluster::Terminate(size_t node) {
  nodes_[node].process->Signal(SIGTERM);
  return WaitForEnd(node);
}

int LocalCluster::WaitForEnd(size_t node) {
  const int code = nodes_[node].process->Wait();
  nodes_[node].process.reset();
  return code;
}

void LocalCluster::Release() {
  for (Node& node : nodes_) {
    if (node.process != nullptr) node.process->Release();
  }
}

registry::CallResult Await(net::EventLoop* loop, net::AsyncClient* client,
                           registry::CallBody body) {
  // Shared: when the loop was stopped, the answer may still come later.
  auto answer = std::make_shared<std::optional<registry::CallResult>>();
  client->Start(std::move(body), [answer](const registry::CallResult& result) {
    *answer = result;
  });
  loop->RunUntil([&answer] { return answer->has_value(); });
  if (answer->has_value()) return **answer;
  return registry::Failure{.error = registry::Error::kUnavailable,
                           .detail = "interrupted"};
}

}  // namespace tools
