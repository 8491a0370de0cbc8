// Planted for purity_test: the core must not ask the wall clock.
#include "absl/time/clock.h"

absl::Time PlantedNow() { return absl::Now(); }
