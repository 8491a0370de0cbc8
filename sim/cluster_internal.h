// Shared by cluster.cc and cluster_faults.cc only: a node, and what stands
// between it and its ports.
#ifndef SIM_CLUSTER_INTERNAL_H_
#define SIM_CLUSTER_INTERNAL_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "registry/ports.h"
#include "registry/replica.h"
#include "sim/cluster.h"
#include "sim/sim_disk.h"
#include "sim/sim_disk_queue.h"
#include "sim/turns.h"

namespace sim {

inline constexpr char kDataDir[] = "data";
inline constexpr int64_t kHealedRestartUs = 100'000;

inline raft::NodeId IdOf(uint32_t node) {
  return {.slot = static_cast<uint8_t>(node + 1), .incarnation = 1};
}

// What waits for a node's next turn.
struct Cluster::Input {
  bool is_disk = false;
  NetworkInput network;
  uint64_t job = 0;
  absl::Status status;
};

// A node's transport and disk queue, with a fuse: when it blows, the process
// is dead between two of its effects, and nothing that the turn still tries
// reaches the world.
class Cluster::Ports : public registry::Transport, public registry::DiskQueue {
 public:
  Ports(registry::Transport* transport, registry::DiskQueue* disk)
      : transport_(transport), disk_(disk) {}

  registry::ConnectionId Connect(const std::string& address) override {
    // Dead processes dial nobody; the id is one that no connection has.
    return Pass() ? transport_->Connect(address)
                  : registry::ConnectionId(UINT64_MAX - suppressed_);
  }
  size_t Send(registry::ConnectionId connection, std::string bytes) override {
    return Pass() ? transport_->Send(connection, std::move(bytes)) : 0;
  }
  void Close(registry::ConnectionId connection) override {
    if (Pass()) transport_->Close(connection);
  }
  void Submit(registry::DiskLane lane, uint64_t job,
              std::function<absl::Status()> work) override {
    if (Pass()) disk_->Submit(lane, job, std::move(work));
  }

  void Arm(uint32_t effects) { fuse_ = effects; }
  // Blows at the call of this number, over all lives; 0: never.
  void CutAt(uint64_t call) { cut_at_ = call; }
  bool cut() const { return cut_at_ != 0 && calls_ >= cut_at_; }
  uint64_t calls() const { return calls_; }
  void Disarm() { fuse_.reset(); }
  // From now on nothing passes.
  void Blow() { blown_ = true; }
  void Reset() {
    blown_ = false;
    fuse_.reset();
  }
  bool blown() const { return blown_; }
  uint64_t suppressed() const { return suppressed_; }

 private:
  bool Pass() {
    if (!blown_ && fuse_.has_value() && (*fuse_)-- == 0) blown_ = true;
    if (!blown_ && ++calls_ == cut_at_) blown_ = true;
    suppressed_ += blown_;
    return !blown_;
  }

  registry::Transport* const transport_;
  registry::DiskQueue* const disk_;
  std::optional<uint32_t> fuse_;
  uint64_t calls_ = 0;
  uint64_t cut_at_ = 0;
  bool blown_ = false;
  uint64_t suppressed_ = 0;
};

struct Cluster::Node {
  Node(SimDiskOptions disk_options, SimDiskQueue disk_queue, Turns node_turns)
      : disk(disk_options),
        queue(std::move(disk_queue)),
        turns(std::move(node_turns)) {}

  SimDisk disk;
  SimDiskQueue queue;
  Turns turns;
  std::unique_ptr<Ports> ports;
  std::unique_ptr<registry::Replica> replica;  // dies before what it stands on
  std::vector<Input> inbox;
  std::vector<Input> reading;  // its memory, between two turns
  uint64_t boots = 0;
  uint64_t crashes = 0;
  uint64_t clocks = 0;
  bool clock_lost = false;  // the machine lost power: another clock follows
  uint64_t file_operations_done = 0;
  uint64_t cut_at_file_operation = 0;  // 0: nowhere

  // What is planned for it.
  bool effect_crash_power = false;
  int64_t effect_crash_down_us = 0;
  std::optional<uint32_t> file_operations;  // until the power fails
  int64_t disk_crash_down_us = 0;
  std::optional<int64_t> stop_down_us;  // it is told to stop, and down then
  bool stop_told = false;               // ... and has heard it
  bool handing_over = false;            // seen last
  int64_t halt_down_us = 0;             // after its disk has stopped it
  bool found_lost = false;              // it says that its disk lost something
  uint64_t failures_at_boot = 0;        // of the disk, before this life
  uint32_t crashes_in_boot = 0;
  bool restart_due = false;
  uint64_t restart = 0;  // number of the restart that counts
  int64_t slowness = 100;
};

}  // namespace sim

#endif  // SIM_CLUSTER_INTERNAL_H_
