// What is done to the nodes of a Cluster; the fault model is in cluster.h.
#include "sim/cluster.h"
#include "sim/cluster_internal.h"

namespace sim {

void Cluster::Crash(uint32_t node, bool power, int64_t down_us,
                    uint32_t crashes_in_boot) {
  if (!up(node)) return;
  at(node).crashes_in_boot = crashes_in_boot;
  Die(node, power, down_us);
}

void Cluster::CrashAtEffect(uint32_t node, uint32_t effects, bool power,
                            int64_t down_us) {
  if (!up(node)) return;
  Node& armed = at(node);
  armed.ports->Arm(effects);
  armed.effect_crash_power = power;
  armed.effect_crash_down_us = down_us;
}

void Cluster::CrashInDiskJob(uint32_t node, uint32_t operations,
                             int64_t down_us) {
  if (!up(node)) return;
  at(node).file_operations = operations;
  at(node).disk_crash_down_us = down_us;
}

void Cluster::CleanStop(uint32_t node, int64_t down_us) {
  if (!up(node)) return;
  at(node).stop_down_us = down_us;
  at(node).stop_told = false;
  at(node).turns.Request();
}

void Cluster::FailOperation(uint32_t node, const DiskError& error,
                            int64_t down_us) {
  at(node).disk.FailLater(error);
  at(node).halt_down_us = down_us;
}

void Cluster::FillDisk(uint32_t node, uint64_t room) {
  SimDisk& disk = at(node).disk;
  disk.set_capacity(disk.bytes_used() + room);
}

void Cluster::FreeDisk(uint32_t node) { at(node).disk.set_capacity(0); }

void Cluster::SetReadOnly(uint32_t node, bool read_only) {
  at(node).disk.set_read_only(read_only);
}

void Cluster::Pause(uint32_t node, int64_t length_us) {
  if (up(node)) at(node).turns.Pause(scheduler_->now() + length_us);
}

void Cluster::StallDisk(uint32_t node, int64_t length_us) {
  if (up(node)) at(node).queue.Stall(scheduler_->now() + length_us);
}

void Cluster::SetSlowness(uint32_t node, int64_t percent) {
  at(node).slowness = percent;
  at(node).turns.set_slowness(percent);
}

void Cluster::SetDiskSlowness(uint32_t node, int64_t percent) {
  at(node).queue.SetSlowness(percent);
}

void Cluster::SetClockRate(uint32_t node, int64_t rate_ppm) {
  ++effects_.clocks_changed;
  at(node).turns.clock().SetRate(scheduler_->now(), rate_ppm);
  if (up(node)) at(node).turns.Request();  // its deadline is elsewhere now
}

void Cluster::JumpClock(uint32_t node, int64_t ahead_us) {
  at(node).turns.clock().Jump(scheduler_->now(), ahead_us);
  if (up(node)) at(node).turns.Request();
}

void Cluster::SetClockGrain(uint32_t node, int64_t grain_us) {
  at(node).turns.clock().SetGrain(scheduler_->now(), grain_us);
  if (up(node)) at(node).turns.Request();
}

void Cluster::SetTimerLateness(uint32_t node, int64_t percent) {
  at(node).turns.set_lateness(percent);
}

void Cluster::HoldTimers(uint32_t node, int64_t length_us) {
  if (up(node)) at(node).turns.HoldTimers(scheduler_->now() + length_us);
}

void Cluster::Heal() {
  healed_ = true;
  for (uint32_t i = 0; i < size(); ++i) {
    Node& node = at(i);
    node.ports->Disarm();
    node.file_operations.reset();
    node.stop_down_us.reset();
    node.disk.ForgetErrors();
    node.disk.set_capacity(0);
    node.disk.set_read_only(false);
    node.crashes_in_boot = 0;
    if (node.replica != nullptr) {
      node.turns.Resume();
      node.queue.EndStall();
    } else {
      Revive(i);
    }
  }
}

void Cluster::Revive(uint32_t node) {
  if (at(node).restart_due) ScheduleRestart(node, kHealedRestartUs);
}

}  // namespace sim
