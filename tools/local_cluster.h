// LocalCluster: registryd processes of one cluster on this machine, each with
// a data directory of its own; to be killed and started again.
#ifndef TOOLS_LOCAL_CLUSTER_H_
#define TOOLS_LOCAL_CLUSTER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "net/client.h"
#include "net/event_loop.h"
#include "tools/child_process.h"

namespace tools {

struct LocalClusterOptions {
  std::string registryd;  // path of the program
  std::string folder;     // holds n1, n2, ... and n1.log, n2.log, ...
  size_t nodes = 3;
  std::vector<std::string> flags;  // further ones, for every node
  bool dies_with_parent = true;
};

// Nodes are counted from 0 here; node 0 is n1.
class LocalCluster {
 public:
  // Formats the data directories; starts nothing.
  static absl::StatusOr<std::unique_ptr<LocalCluster>> Create(
      const LocalClusterOptions& options);

  size_t size() const { return nodes_.size(); }
  // Starts a node that does not run, and waits until it listens.
  absl::Status Start(size_t node);
  absl::Status StartAll();
  // The same in two steps, for a caller whose loop must go on meanwhile.
  absl::Status Launch(size_t node);
  bool IsListening(size_t node);  // asked repeatedly; waits a millisecond
  void Kill(size_t node);         // SIGKILL; waits for its end
  int Terminate(size_t node);     // SIGTERM; its exit code
  int WaitForEnd(size_t node);    // of one that ends by itself; its exit code
  bool running(size_t node) const;
  // Lets the running nodes live on without this process.
  void Release();

  pid_t pid(size_t node) const { return nodes_[node].process->pid(); }
  std::string name(size_t node) const;
  const std::string& peer_address(size_t node) const {
    return nodes_[node].peer_address;
  }
  const std::string& client_address(size_t node) const {
    return nodes_[node].client_address;
  }
  std::string data_dir(size_t node) const;
  std::string log_path(size_t node) const;
  std::vector<std::string> endpoints() const;
  // What starts the node: program and flags.
  std::vector<std::string> Command(size_t node) const;

 private:
  struct Node {
    std::string peer_address;
    std::string client_address;
    std::unique_ptr<ChildProcess> process;
  };
  explicit LocalCluster(const LocalClusterOptions& options);
  std::vector<std::string> IdentityFlags(size_t node) const;

  const LocalClusterOptions options_;
  std::vector<Node> nodes_;
};

// Runs turns of `loop` until `client`, which is in it, has the answer;
// `unavailable` when the loop was stopped before.
registry::CallResult Await(net::EventLoop* loop, net::AsyncClient* client,
                           registry::CallBody body);

}  // namespace tools

#endif  // TOOLS_LOCAL_CLUSTER_H_
