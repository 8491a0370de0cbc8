// The four ports that differ between the simulator and production: Vfs (in
// raft/storage/vfs.h), Transport, DiskQueue, TraceSink. All calls of one
// replica, in both directions, happen on one thread, except the body of a disk
// job, which runs on its lane's thread.
#ifndef REGISTRY_PORTS_H_
#define REGISTRY_PORTS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "raft/storage/vfs.h"
#include "registry/node_io.h"

namespace registry {

// Reliable ordered byte streams that can break at any byte. The replica owns
// framing, hello, dialling and back-off; the transport owns sockets.
class Transport {
 public:
  virtual ~Transport() = default;

  // Starts dialling; answered later by OnOpened or OnClosed, never from inside
  // the call. Ids are unique within the transport's life, across dialled and
  // accepted connections.
  virtual ConnectionId Connect(const std::string& address) = 0;

  // Queues bytes; returns the bytes now queued on this connection and not yet
  // taken by the network, so that the caller can bound them. Ignored (0) on a
  // connection that is closed or not yet open.
  virtual size_t Send(ConnectionId connection, std::string bytes) = 0;

  // Closes at once, dropping queued bytes; no OnClosed follows.
  virtual void Close(ConnectionId connection) = 0;
};

// Which door an accepted connection came through.
enum class Listener : uint8_t { kPeer = 1, kClient = 2 };

// What a transport calls; implemented by Replica and by the client link.
class TransportHandler {
 public:
  virtual ~TransportHandler() = default;
  virtual void OnAccepted(ConnectionId connection, Listener listener) = 0;
  virtual void OnOpened(ConnectionId connection) = 0;  // a dialled one
  // Valid only during the call; any split of the stream is possible.
  virtual void OnBytes(ConnectionId connection, std::string_view bytes) = 0;
  // By the other side or a failure; also for a dial that failed.
  virtual void OnClosed(ConnectionId connection) = 0;
};

// kWal: token order binds it. kBulk: snapshots.
enum class DiskLane : uint8_t { kWal = 0, kBulk = 1 };

// Runs blocking storage work off the replica's thread: in order within a lane,
// lanes independent. Completion comes back as Replica::OnDiskDone(job, status)
// on the replica's thread, never from inside Submit.
class DiskQueue {
 public:
  virtual ~DiskQueue() = default;
  virtual void Submit(DiskLane lane, uint64_t job,
                      std::function<absl::Status()> work) = 0;
};

// Takes the records of a node trace (trace.h), in order. Must not block for
// long; losing the tail in a crash is allowed.
class TraceSink {
 public:
  virtual ~TraceSink() = default;
  virtual void Append(std::string_view record) = 0;
};

struct Ports {
  raft::storage::Vfs* vfs = nullptr;
  Transport* transport = nullptr;
  DiskQueue* disk = nullptr;
  TraceSink* trace = nullptr;  // optional
};

}  // namespace registry

#endif  // REGISTRY_PORTS_H_
