// Planted for purity_test: the core must not start a thread.
#include <thread>

void PlantedThread() { std::thread([] {}).join(); }
