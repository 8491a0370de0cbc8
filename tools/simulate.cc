#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include "sim/simulation.h"
int main(int argc, char** argv) {
  uint64_t a = argc > 1 ? strtoull(argv[1], 0, 10) : 1;
  uint64_t b = argc > 2 ? strtoull(argv[2], 0, 10) : a;
  bool verbose = argc > 3;
  uint64_t digest = 0;
  int fails = 0;
  int64_t us = 0;
  for (uint64_t s = a; s <= b; ++s) {
    sim::SimulationOptions o;
    o.seed = s;
    if (verbose) o.narrator = [](std::string_view l) { printf("%.*s\n", (int)l.size(), l.data()); };
    auto r = sim::Simulate(o);
    digest = raft::Mix(digest, r.digest);
    us += r.simulated_us;
    if (a == b) {
      for (auto& [n, c] : r.faults) printf("  %-32s %lu\n", n.c_str(), c);
      for (auto& [n, c] : r.counts) printf("  %-32s %lu\n", n.c_str(), c);
      printf("events %lu us %ld digest %016lx nodes %u\n", r.events, r.simulated_us, r.digest, r.nodes);
    }
    if (!r.violations.empty()) {
      ++fails;
      for (size_t i = 0; i < r.violations.size() && i < (a==b?20:1); ++i) {
        auto& v = r.violations[i];
        printf("seed %lu nodes %u at %ld: %s %s: %.600s\n", s, r.nodes, r.simulated_us, std::string(ToString(v.kind)).c_str(), v.checker.c_str(), v.text.c_str());
      }
    }
    fflush(stdout);
  }
  printf("%d of %lu fail; digest %016lx; simulated %.1f s; cpu %.2f s\n", fails, b - a + 1, digest, us / 1e6, clock() / 1e6);
}
