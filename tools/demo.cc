// demo: the main job on real input, in half a minute or less. Three registryd
// processes on this machine, a few hundred names, SIGKILL at the worst moments,
// and every acknowledged name checked. Any mismatch exits 1.
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "tools/args.h"
#include "tools/caller_path.h"
#include "tools/child_process.h"
#include "tools/demo_story.h"

int main(int argc, char** argv) {
  tools::DemoOptions options;
  options.registryd = tools::SiblingProgram(argv[0], "registryd");
  options.color = isatty(STDOUT_FILENO) != 0;
  tools::Flags flags;
  flags.Switch("keep", &options.keep, "leave the cluster running at the end");
  flags.Text("record", &options.record_dir, "DIR",
             "write a trace of each node's life there, for //tools:replay");
  flags.Text("registryd", &options.registryd, "PATH", "the program to run");
  flags.Switch("plant_mismatch", &options.plant_mismatch,
               "believe that one name too many was acknowledged: must exit 1");
  const auto words = flags.Parse({argv + 1, argv + argc});
  if (!words.ok() || !words->empty()) {
    std::fprintf(stderr, "demo: %s\n%s",
                 std::string(words.status().message()).c_str(),
                 flags.Help().c_str());
    return 2;
  }
  options.record_dir = tools::CallerPath(options.record_dir);
  signal(SIGPIPE, SIG_IGN);
  const absl::Status told = tools::TellDemo(options);
  if (told.ok()) return 0;
  std::printf("\n  FAILED  %s\n", std::string(told.message()).c_str());
  return absl::IsCancelled(told) ? 130 : 1;
}
