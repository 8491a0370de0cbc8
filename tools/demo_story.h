// The demo's story, step by step (demo.cc is its command line).
#ifndef TOOLS_DEMO_STORY_H_
#define TOOLS_DEMO_STORY_H_

#include <string>

#include "absl/status/status.h"

namespace tools {

struct DemoOptions {
  std::string registryd;  // path of the program
  bool keep = false;      // leave the cluster running, and say how to use it
  bool plant_mismatch = false;
  std::string record_dir;  // node traces go there (//tools:replay); or nowhere
  bool color = false;
};

// Tells it on standard output and cleans up after itself. DataLoss when an
// acknowledged name is missing or different, Cancelled on Ctrl-C.
absl::Status TellDemo(const DemoOptions& options);

}  // namespace tools

#endif  // TOOLS_DEMO_STORY_H_
