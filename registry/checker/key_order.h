// The order of the revisions that answers show, as an axis for the search.
#ifndef REGISTRY_CHECKER_KEY_ORDER_H_
#define REGISTRY_CHECKER_KEY_ORDER_H_

#include <optional>
#include <string>
#include <vector>

#include "registry/checker/key_model.h"
#include "registry/command.h"

namespace registry::checker {

// Sets KeyOp::call and end_by of operations on one key so that those whose
// revision is known come one after the other, in the order of revisions (a read
// after the command at the same one), and the others wherever real time lets
// them be between those. An operation without an answer whose effect an answer
// shows gets its revision from there, if no other could have had that effect.
//
// Returns what is wrong if that order contradicts real time.
std::optional<std::string> OrderByRevision(
    RegistryKind kind, const std::vector<std::string>& texts,
    std::vector<KeyOp>* ops);

// The axis of real time instead.
void OrderByTime(std::vector<KeyOp>* ops);

}  // namespace registry::checker

#endif  // REGISTRY_CHECKER_KEY_ORDER_H_
