#include "tools/seal.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace tools {

#if !defined(__x86_64__)

absl::Status Seal(int, void (*)(const char*)) {
  return absl::UnimplementedError("only x86-64 is sealed");
}

#elif defined(RAREGISTRY_SANITIZED)  // .bazelrc; gcc has no macro for ubsan

absl::Status Seal(int, void (*)(const char*)) {
  return absl::UnimplementedError("a sanitizer's runtime reaches outside");
}

#else

namespace {

struct Range {
  uintptr_t begin = 0;
  uintptr_t end = 0;
  bool Has(uintptr_t address) const {
    return begin <= address && address < end;
  }
};

void (*tell_outside)(const char* what) = nullptr;
std::array<Range, 8> clock_pages;  // where the vDSO and its data were

struct SystemCall {
  long number;
  const char* name;
};
// Those that a run would most likely reach for.
constexpr SystemCall kNames[] = {
    {SYS_getrandom, "getrandom"},
    {SYS_clock_gettime, "clock_gettime"},
    {SYS_gettimeofday, "gettimeofday"},
    {SYS_time, "time"},
    {SYS_clock_nanosleep, "clock_nanosleep"},
    {SYS_nanosleep, "nanosleep"},
    {SYS_sched_yield, "sched_yield"},
    {SYS_open, "open"},
    {SYS_openat, "openat"},
    {SYS_read, "read"},
    {SYS_write, "write to another descriptor"},
    {SYS_close, "close"},
    {SYS_newfstatat, "stat"},
    {SYS_fsync, "fsync"},
    {SYS_socket, "socket"},
    {SYS_connect, "connect"},
    {SYS_poll, "poll"},
    {SYS_epoll_wait, "epoll_wait"},
    {SYS_futex, "futex"},
    {SYS_clone, "clone"},
    {SYS_clone3, "clone3"},
    {SYS_fork, "fork"},
    {SYS_execve, "execve"},
    {SYS_getcpu, "getcpu"},
    {SYS_sched_getaffinity, "sched_getaffinity"},
    {SYS_sysinfo, "sysinfo"},
    {SYS_getrusage, "getrusage"},
    {SYS_times, "times"},
};

[[noreturn]] void Tell(const char* what) {
  tell_outside(what);
  _exit(kExitSealBroken);
}

void OnSystemCall(int, siginfo_t* info, void*) {
  for (const SystemCall& call : kNames) {
    if (call.number == info->si_syscall) Tell(call.name);
  }
  char text[] = "system call 000";
  int number = info->si_syscall % 1000;
  for (char* digit = text + sizeof text - 2; *digit != ' '; --digit) {
    *digit = static_cast<char>('0' + number % 10);
    number /= 10;
  }
  Tell(text);
}

void OnFault(int signal_number, siginfo_t* info, void* context) {
  const auto* registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  const auto at = static_cast<uintptr_t>(registers[REG_RIP]);
  const auto touched = reinterpret_cast<uintptr_t>(info->si_addr);
  for (const Range& page : clock_pages) {
    if (page.Has(at) || page.Has(touched)) Tell("the clock of the vDSO");
  }
  if (info->si_code == SI_KERNEL) {
    unsigned char code[3];
    std::memcpy(code, reinterpret_cast<const void*>(at), sizeof code);
    if (code[0] == 0x0f && code[1] == 0x31) Tell("rdtsc");
    if (code[0] == 0x0f && code[1] == 0x01 && code[2] == 0xf9) Tell("rdtscp");
  }
  // An ordinary fault: it happens again, and kills.
  signal(signal_number, SIG_DFL);
}

void Catch(int signal_number, void (*handler)(int, siginfo_t*, void*)) {
  struct sigaction action = {};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO;
  sigaction(signal_number, &action, nullptr);
}

// The pages by which a clock is read without a system call.
void FindClockPages() {
  std::ifstream maps("/proc/self/maps");
  std::string line;
  size_t count = 0;
  while (std::getline(maps, line) && count < clock_pages.size()) {
    if (line.find("[vvar") == std::string::npos &&
        line.find("[vdso]") == std::string::npos) {
      continue;
    }
    std::istringstream in(line);
    char dash = 0;
    Range& range = clock_pages[count++];
    in >> std::hex >> range.begin >> dash >> range.end;
  }
}

void CloseClockPages() {
  for (const Range& page : clock_pages) {
    if (page.begin == page.end) continue;
    mmap(reinterpret_cast<void*>(page.begin), page.end - page.begin, PROT_NONE,
         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
  }
}

sock_filter Load(size_t offset) {
  return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset));
}
sock_filter Return(uint32_t what) { return BPF_STMT(BPF_RET | BPF_K, what); }
// Skips the next instruction unless what was loaded is `value`.
sock_filter If(long value) {
  return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(value), 0,
                  1);
}

std::vector<sock_filter> Filter(int write_fd) {
  std::vector<sock_filter> code = {
      Load(offsetof(seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
      Return(SECCOMP_RET_KILL_PROCESS),
      Load(offsetof(seccomp_data, nr)),
  };
  // Memory; the end of the process; what abort() does.
  for (const long call :
       {SYS_brk, SYS_mmap, SYS_munmap, SYS_mremap, SYS_madvise, SYS_mprotect,
        SYS_exit, SYS_exit_group, SYS_rt_sigprocmask, SYS_rt_sigaction,
        SYS_rt_sigreturn, SYS_getpid, SYS_gettid, SYS_tgkill}) {
    code.push_back(If(call));
    code.push_back(Return(SECCOMP_RET_ALLOW));
  }
  code.push_back(
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, uint32_t{SYS_write}, 1, 0));
  code.push_back(Return(SECCOMP_RET_TRAP));
  code.push_back(Load(offsetof(seccomp_data, args[0])));  // little-endian
  for (const int fd : {write_fd, STDERR_FILENO}) {
    code.push_back(If(fd));
    code.push_back(Return(SECCOMP_RET_ALLOW));
  }
  code.push_back(Return(SECCOMP_RET_TRAP));
  return code;
}

absl::Status Refused(const char* what) {
  return absl::UnimplementedError(std::string(what) + ": " +
                                  std::strerror(errno));
}

}  // namespace

absl::Status Seal(int write_fd, void (*tell)(const char* what)) {
  std::vector<sock_filter> code = Filter(write_fd);
  const sock_fprog program = {static_cast<unsigned short>(code.size()),
                              code.data()};
  FindClockPages();
  int counter = 0;
  if (prctl(PR_GET_TSC, &counter) != 0) return Refused("PR_GET_TSC");
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return Refused("PR_SET_NO_NEW_PRIVS");
  }
  // No filter is installed by this: it asks whether one could be.
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, nullptr) == 0 ||
      errno != EFAULT) {
    return Refused("seccomp");
  }
  tell_outside = tell;
  Catch(SIGSYS, OnSystemCall);
  Catch(SIGSEGV, OnFault);
  CloseClockPages();
  if (prctl(PR_SET_TSC, PR_TSC_SIGSEGV) != 0) return Refused("PR_SET_TSC");
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) {
    prctl(PR_SET_TSC, PR_TSC_ENABLE);
    return Refused("seccomp");
  }
  return absl::OkStatus();
}

#endif

}  // namespace tools
