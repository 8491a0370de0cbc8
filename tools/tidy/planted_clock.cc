// Planted for purity_test: the core must not read a clock.
#include <time.h>

long PlantedClock() {
  timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  return now.tv_nsec;
}
