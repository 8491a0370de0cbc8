// demo: the main job on real input, in half a minute or less. Three registryd
// processes on this machine, a few hundred names, SIGKILL at the worst moments,
// and every acknowledged name checked. Any mismatch exits 1.
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "net/event_loop.h"
#include "tools/child_process.h"
#include "tools/demo_story.h"

namespace {

int Usage() {
  std::fputs(
      "demo: three nodes, one registry, and kill -9\n"
      "  --keep             leave the cluster running at the end\n"
      "  --registryd=PATH   the program to run (default: beside this one)\n"
      "  --plant_mismatch   believe that one name too many was acknowledged;\n"
      "                     the check must notice, and exit 1\n",
      stderr);
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  tools::DemoOptions options;
  options.registryd = tools::SiblingProgram(argv[0], "registryd");
  options.color = isatty(STDOUT_FILENO) != 0;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    if (arg == "--keep") {
      options.keep = true;
    } else if (arg == "--plant_mismatch") {
      options.plant_mismatch = true;
    } else if (arg.starts_with("--registryd=")) {
      options.registryd = arg.substr(std::strlen("--registryd="));
    } else {
      return Usage();
    }
  }
  signal(SIGPIPE, SIG_IGN);
  const absl::Status told = tools::TellDemo(options);
  if (told.ok()) return 0;
  std::printf("\n  FAILED  %s\n", std::string(told.message()).c_str());
  return absl::IsCancelled(told) ? 130 : 1;
}
