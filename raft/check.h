// CHECK: we are wrong. Prints the condition with both sides, hands the flight
// recorder its chance, and aborts. Never compiled out (architecture decision
// 11): a wrong replica that goes on is worse than a dead one.
#ifndef RAFT_CHECK_H_
#define RAFT_CHECK_H_

#include <sstream>
#include <string>
#include <type_traits>

namespace raft {

// Called once with the failure text before the process aborts. The host sets
// it (to dump its flight recorder); nullptr is allowed. Not thread-safe: set it
// before the first node runs.
using CheckFailureHook = void (*)(const char* text);
void SetCheckFailureHook(CheckFailureHook hook);

namespace check_internal {

[[noreturn]] void Fail(const char* file, int line, const std::string& text);

template <typename T>
std::string Show(const T& value) {
  std::ostringstream out;
  if constexpr (requires { out << value; }) {
    out << value;
  } else if constexpr (requires { ToString(value); }) {
    out << ToString(value);
  } else if constexpr (requires { value.value(); }) {
    out << value.value();
  } else if constexpr (std::is_enum_v<T>) {
    out << static_cast<long long>(value);
  } else {
    out << "?";
  }
  return out.str();
}

// Out of line and cold: a check that holds costs its caller one comparison. The
// text built in place would give each function with a check a large frame.
template <typename A, typename B>
[[noreturn, gnu::cold, gnu::noinline]] void FailComparison(
    const char* file, int line, const char* text, const A& a, const B& b) {
  Fail(file, line, std::string(text) + " (" + Show(a) + " vs " + Show(b) + ")");
}

}  // namespace check_internal
}  // namespace raft

#define CHECK(condition)                                            \
  do {                                                              \
    if (!(condition)) [[unlikely]]                                  \
      ::raft::check_internal::Fail(__FILE__, __LINE__, #condition); \
  } while (false)

#define RAFT_CHECK_OP(a, op, b)                                               \
  do {                                                                        \
    const auto& raft_check_a = (a);                                           \
    const auto& raft_check_b = (b);                                           \
    if (!(raft_check_a op raft_check_b)) [[unlikely]]                         \
      ::raft::check_internal::FailComparison(                                 \
          __FILE__, __LINE__, #a " " #op " " #b, raft_check_a, raft_check_b); \
  } while (false)

#define CHECK_EQ(a, b) RAFT_CHECK_OP(a, ==, b)
#define CHECK_NE(a, b) RAFT_CHECK_OP(a, !=, b)
#define CHECK_LT(a, b) RAFT_CHECK_OP(a, <, b)
#define CHECK_LE(a, b) RAFT_CHECK_OP(a, <=, b)
#define CHECK_GT(a, b) RAFT_CHECK_OP(a, >, b)
#define CHECK_GE(a, b) RAFT_CHECK_OP(a, >=, b)

#endif  // RAFT_CHECK_H_
