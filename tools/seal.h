// Seals this process, so that what it does can come from nowhere but its own
// memory: the proof that a simulated run depends on its scenario alone.
//
// After Seal() the process may use its memory, write to one descriptor (and to
// stderr), and end. Any other system call, the vDSO (clocks without a system
// call) and the time-stamp counter end it, and `tell` learns what was reached
// for. It cannot be undone.
//
// What a seal cannot see: addresses (compare runs with and without address
// randomisation, //tools/clothes) and the instructions RDRAND and RDSEED, which
// //tools/tidy:purity_test has no symbol for either.
#ifndef TOOLS_SEAL_H_
#define TOOLS_SEAL_H_

#include "absl/status/status.h"

namespace tools {

// `tell(what)` is called once, in a signal handler, then the process ends with
// _exit(kExitSealBroken): it may only do what a signal handler may, within the
// seal. Unimplemented if this machine or build cannot be sealed (it says why);
// then nothing has changed. Single-threaded processes only. x86-64.
absl::Status Seal(int write_fd, void (*tell)(const char* what));

inline constexpr int kExitSealBroken = 99;

}  // namespace tools

#endif  // TOOLS_SEAL_H_
