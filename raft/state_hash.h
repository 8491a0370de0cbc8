// StateHash: what decides how a node goes on, in 64 bits; for the exhaustive
// search of tools/model_check.
//
// Clocks and counters are outside: two states that differ only in how late it
// is, in the number of a round or a token or in the draw of a timeout are one.
// What a clock says about the state is inside: whether the node still refuses
// votes to others, who was heard since the leader must step down without.
#ifndef RAFT_STATE_HASH_H_
#define RAFT_STATE_HASH_H_

#include <cstdint>

#include "raft/digest.h"
#include "raft/message.h"
#include "raft/raft.h"

namespace raft {

struct StateHash {
  // `reads`: reads are under way somewhere, so that rounds matter.
  static uint64_t Of(const Raft& raft, bool reads);
  static uint64_t Of(const Message& message, bool reads);

 private:
  static void AddLog(const Log& log, Digest* digest);
  static void AddPeer(const Raft& raft, const Peer& peer, Digest* digest);
};

}  // namespace raft

#endif  // RAFT_STATE_HASH_H_
