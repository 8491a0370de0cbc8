// The bytes of a snapshot's state, in pieces: the first byte says how large.
// Whatever comes, the loader refuses it or gives a state that can be taken and
// loaded again.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "raft/check.h"
#include "registry/snapshot_loader.h"

namespace {

absl::StatusOr<registry::StateMachine> Load(std::string_view bytes,
                                            size_t piece) {
  registry::SnapshotLoader loader;
  while (!bytes.empty()) {
    const absl::Status status = loader.Add(bytes.substr(0, piece));
    if (!status.ok()) return status;
    bytes.remove_prefix(std::min(piece, bytes.size()));
  }
  return loader.Finish();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1,
                               size - 1);
  absl::StatusOr<registry::StateMachine> state =
      Load(bytes, data[0] + size_t{1});
  if (!state.ok()) return 0;
  std::string again;
  state->BeginSnapshot();
  while (state->TakeSlice(data[0] + size_t{1}, &again)) {
  }
  const absl::StatusOr<registry::StateMachine> loaded = Load(again, 100);
  CHECK(loaded.ok());
  CHECK(loaded->digest() == state->digest());
  CHECK(loaded->applied() == state->applied());
  return 0;
}
