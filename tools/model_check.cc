#include "tools/model_check.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"

namespace tools {
namespace {

constexpr uint64_t kProgressEvery = 1'000'000;

// A state on the way, and which of its ways on was taken last.
struct Place {
  ModelWorld world;
  std::vector<ModelAction> actions;
  size_t next = 0;
};

Place PlaceOf(ModelWorld world) {
  std::vector<ModelAction> actions = world.Actions();
  return {std::move(world), std::move(actions)};
}

std::vector<std::string> WayTo(const std::vector<Place>& places) {
  std::vector<std::string> way;
  for (const Place& place : places) {
    way.push_back("          " + place.world.Describe());
    way.push_back(place.world.Describe(place.actions[place.next - 1]));
  }
  return way;
}

}  // namespace

// A state knows how much of each bound is left, so that it is the same state
// only with the same future, and depth first misses nothing.
ModelCheckResult CheckModel(
    const ModelCheckOptions& options,
    const std::function<void(const ModelCheckResult&)>& progress) {
  ModelCheckResult result;
  absl::flat_hash_set<uint64_t> seen;
  std::vector<Place> places;
  places.push_back(PlaceOf(ModelWorld(options.bounds)));
  seen.insert(places.back().world.Hash());
  result.states = 1;
  result.broken = places.back().world.broken();
  if (!result.broken.empty()) return result;
  while (!places.empty()) {
    Place& here = places.back();
    if (here.next == here.actions.size()) {
      places.pop_back();
      continue;
    }
    ModelWorld world = here.world;
    result.broken = world.Do(here.actions[here.next++]);
    ++result.transitions;
    if (!result.broken.empty()) {
      result.way = WayTo(places);
      result.way.push_back("          " + world.Describe());
      return result;
    }
    if (!seen.insert(world.Hash()).second) continue;
    ++result.states;
    if (progress && result.states % kProgressEvery == 0) progress(result);
    if (result.states >= options.states_max) return result;
    places.push_back(PlaceOf(std::move(world)));
    result.depth = std::max<uint64_t>(result.depth, places.size());
  }
  result.exhausted = true;
  return result;
}

}  // namespace tools
