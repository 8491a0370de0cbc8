// Trail: the digest of a run, rolling over every (time, process, event,
// effects), and the means to look at it closely. Two runs that should be one
// differ first at one step; their digests at every 64th step tell in which 64
// it is, and the texts of those tell which.
#ifndef SIM_TRAIL_H_
#define SIM_TRAIL_H_

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "raft/digest.h"
#include "sim/scheduler.h"

namespace sim {

// One step, told: what a process was given and what it did. Processes are
// numbered nodes first; kWorld is a digest of everything's state.
struct Step {
  static constexpr Process kWorld = std::numeric_limits<Process>::max();
  uint64_t number = 0;  // from 1
  Instant at;
  Process process = 0;
  uint64_t digest = 0;  // of the run, this step included
  std::string event;
  std::vector<std::string> effects;
  std::string state;  // of the process, after the step
};

// Who follows a trail; nobody changes it.
struct TrailObserver {
  // Told of the digest after every `every`th step; 0: of none.
  uint64_t every = 0;
  std::function<void(uint64_t step, uint64_t digest)> on_digest;
  // Told of each step whose number is in [first, last] and whose time is in
  // [first_us, last_us].
  std::function<void(const Step& step)> on_step;
  uint64_t first = 1;
  uint64_t last = std::numeric_limits<uint64_t>::max();
  int64_t first_us = 0;
  int64_t last_us = std::numeric_limits<int64_t>::max();
};

class Trail {
 public:
  // The observer outlives the trail.
  explicit Trail(const TrailObserver& observer) : observer_(observer) {}

  uint64_t digest() const { return digest_.value(); }
  uint64_t steps() const { return steps_; }

  // `state()` is asked for a text of the process's state if anyone looks.
  template <typename Event, typename Effect, typename State>
  void OnStep(Instant at, Process process, const Event& event,
              const std::vector<Effect>& effects, State&& state) {
    digest_.Add(at);
    digest_.AddNumber(process);
    digest_.Add(event);
    digest_.Add(effects);
    ++steps_;
    if (observer_.every > 0 && steps_ % observer_.every == 0) {
      observer_.on_digest(steps_, digest_.value());
    }
    if (!Watched(at)) return;
    Step step{.number = steps_,
              .at = at,
              .process = process,
              .digest = digest_.value(),
              .event = raft::Describe(event),
              .state = std::forward<State>(state)()};
    for (const Effect& effect : effects) {
      step.effects.push_back(raft::Describe(effect));
    }
    observer_.on_step(step);
  }

 private:
  bool Watched(Instant at) const {
    return observer_.on_step != nullptr && steps_ >= observer_.first &&
           steps_ <= observer_.last && at.value() >= observer_.first_us &&
           at.value() <= observer_.last_us;
  }

  const TrailObserver& observer_;
  raft::Digest digest_;
  uint64_t steps_ = 0;
};

}  // namespace sim

#endif  // SIM_TRAIL_H_
