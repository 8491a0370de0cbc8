// Prints a hash, so that clothes_test can see that its salt changes from
// process to process.
#include <cstdio>

#include "absl/hash/hash.h"

int main() { std::printf("%zu\n", absl::HashOf(1)); }
