// Which operations can be of use on the way to another one.
#ifndef REGISTRY_CHECKER_KEY_AIM_H_
#define REGISTRY_CHECKER_KEY_AIM_H_

#include "registry/checker/key_model.h"
#include "registry/command.h"

namespace registry::checker {

// Whether `candidate`, an operation without an answer, can be part of a
// shortest way from `state` to one in which `aim` is possible. What only has to
// be undone again is no part of one, and a longer way leads to the same state
// with more used up. (That holds only if nothing else looks on meanwhile: no
// other answered operation is under way.)
bool Helps(RegistryKind kind, const KeyOp& candidate, const KeyOp& aim,
           const KeyState& state);

}  // namespace registry::checker

#endif  // REGISTRY_CHECKER_KEY_AIM_H_
