// Paths as the user means them. `bazel run` starts programs in a folder of its
// own, and bazelw runs Bazel at the root: a relative path counts from where the
// user stood.
#ifndef TOOLS_CALLER_PATH_H_
#define TOOLS_CALLER_PATH_H_

#include <cstdlib>
#include <string>

namespace tools {

// `path` as the caller's shell would read it. Unchanged when it is absolute or
// empty, or when no one handed a folder on (a program started by itself).
inline std::string CallerPath(const std::string& path) {
  if (path.empty() || path.starts_with('/')) return path;
  for (const char* name :
       {"RAREGISTRY_CALLER_DIR", "BUILD_WORKING_DIRECTORY"}) {
    const char* folder = std::getenv(name);
    // Only under `bazel run`, which sets the second: what bazelw started some
    // other way already stands where its caller did.
    if (folder != nullptr &&
        std::getenv("BUILD_WORKING_DIRECTORY") != nullptr) {
      return std::string(folder) + "/" + path;
    }
  }
  return path;
}

}  // namespace tools

#endif  // TOOLS_CALLER_PATH_H_
