// Nothing grows without bound (RES), and nothing stays for ever: what a node
// holds on to is within its declared limits at every turn's end, and gone when
// everybody has been answered.
#ifndef SIM_LOAD_CHECKERS_H_
#define SIM_LOAD_CHECKERS_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "raft/raft.h"
#include "registry/node.h"

namespace sim {

struct Load {
  raft::RaftLoad raft;
  registry::NodeLoad node;
  raft::Limits raft_limits;  // of the node itself
  registry::Limits limits;
  // Of the follower that is furthest behind its leader.
  size_t appends_in_flight = 0;
  size_t append_bytes_in_flight = 0;
  // Entries of the log that are not applied, and, if they are few, their bytes.
  uint64_t unapplied = 0;
  uint64_t unapplied_bytes = 0;
};

// Entries whose bytes are counted again.
inline constexpr uint64_t kUnappliedCounted = 16;

Load LoadOf(const registry::Node& node);

// Empty, or which of the node's limits is passed.
std::string WhyTooMuch(const Load& load);

// Empty when nothing waits for anything, else what does.
std::string WhatWaits(const Load& load);

}  // namespace sim

#endif  // SIM_LOAD_CHECKERS_H_
