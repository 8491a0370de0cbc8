// Planted for purity_test: the core must not open a file.
#include <fcntl.h>

int PlantedOpen() { return open("/dev/null", O_RDONLY); }
