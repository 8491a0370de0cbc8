// How the checkers name things in what they report.
#ifndef SIM_CHECKER_TEXT_H_
#define SIM_CHECKER_TEXT_H_

#include <cstdint>
#include <string>

#include "raft/types.h"
#include "sim/log_checkers.h"

namespace sim {

inline std::string NodeName(uint32_t node) {
  return "n" + std::to_string(node + 1);
}
inline std::string Text(raft::Index index) {
  return std::to_string(index.value());
}
inline std::string Text(raft::Term term) {
  return std::to_string(term.value());
}
inline std::string Text(const Mark& mark) {
  return "(term " + Text(mark.term) + ", chain " + std::to_string(mark.chain) +
         ")";
}

}  // namespace sim

#endif  // SIM_CHECKER_TEXT_H_
