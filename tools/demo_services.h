// testdata/services.jsonl, as part of the program: it then works from anywhere.
#ifndef TOOLS_DEMO_SERVICES_H_
#define TOOLS_DEMO_SERVICES_H_

namespace tools {

// One JSON object a line: registry, key ("name/protocol"), value (port).
extern const char kDemoServices[];

}  // namespace tools

#endif  // TOOLS_DEMO_SERVICES_H_
