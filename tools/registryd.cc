// registryd: one node of a registry cluster.
//
//   registryd                       a development cluster of one node
//   registryd format --data_dir=... --node=... --cluster_token=...
//   --cluster=... registryd --config=FILE         serve; flags override the
//   file
//
// Exit codes: 0 stopped by a signal, 1 cannot start, 2 wrong usage or
// configuration, 3 the data directory is refused, 4 the disk failed.
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "net/posix_vfs.h"
#include "net/server.h"
#include "raft/check.h"
#include "spdlog/sinks/stdout_color_sinks.h"
#include "spdlog/spdlog.h"
#include "tools/args.h"
#include "tools/registryd_config.h"

namespace tools {
namespace {

enum ExitCode {
  kStopped = 0,
  kCannotStart = 1,
  kWrongUsage = 2,
  kDataRefused = 3,
  kDiskFailed = 4,
};

struct CommandLine {
  bool format = false;
  bool help = false;
  bool print_config = false;
  std::string config_file;
  int64_t incarnation = 0;  // 0: as `node` says
  RegistrydConfig config;
  bool development = false;  // nothing says which cluster this is
};

// For the hook of CHECK, which gets no context.
net::Server* running_server = nullptr;

int Fail(ExitCode code, std::string_view text) {
  std::fprintf(stderr, "registryd: %.*s\n", static_cast<int>(text.size()),
               text.data());
  return code;
}

// ------------------------------------------------------------ command line

void Declare(CommandLine* line, Flags* flags) {
  DeclareKeys(&line->config, flags);
  flags->Text("config", &line->config_file, "FILE",
              "read the keys above from FILE; flags override it");
  flags->Number("incarnation", &line->incarnation, 0, UINT32_MAX, "I",
                "with format: a node whose disk was lost, as a new one");
  flags->Switch("print-effective-config", &line->print_config,
                "print every key with its value, and exit");
  flags->Switch("help", &line->help, "print this, and exit");
}

void PrintHelp() {
  CommandLine line;
  Flags flags;
  Declare(&line, &flags);
  std::printf(
      "registryd: one node of a registry cluster\n\n"
      "  registryd            a development cluster of one node\n"
      "  registryd --config=FILE | --KEY=VALUE ...\n"
      "  registryd format --data_dir=DIR --node=N --cluster_token=TEXT\n"
      "                   --cluster=LIST [--incarnation=I]\n\n"
      "Keys are flags, or `key = value` lines of a file:\n\n%s",
      flags.Help().c_str());
}

absl::StatusOr<CommandLine> ParseCommandLine(
    const std::vector<std::string>& args) {
  // First for the file alone: what it says gives way to the flags.
  CommandLine first;
  Flags first_flags;
  Declare(&first, &first_flags);
  const absl::StatusOr<std::vector<std::string>> words =
      first_flags.Parse(args);
  if (!words.ok()) return words.status();
  CommandLine line;
  if (!first.config_file.empty()) {
    Flags keys;
    DeclareKeys(&line.config, &keys);
    const absl::Status read = ReadConfigFile(first.config_file, keys);
    if (!read.ok()) return read;
  }
  Flags flags;
  Declare(&line, &flags);
  CHECK(flags.Parse(args).ok());
  line.format = !words->empty() && words->front() == "format";
  if (words->size() > (line.format ? 1 : 0)) {
    return absl::InvalidArgumentError("unexpected argument \"" + words->back() +
                                      "\"");
  }
  const RegistrydConfig& config = line.config;
  line.development = !line.format && config.data_dir.empty() &&
                     !config.node.valid() && config.cluster.empty();
  return line;
}

// ----------------------------------------------------------------- format

absl::Status MakeFolders(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (!error) return absl::OkStatus();
  return absl::UnknownError(
      absl::StrCat("cannot create ", path, ": ", error.message()));
}

absl::Status FormatDirectory(const RegistrydConfig& config) {
  const absl::Status made = MakeFolders(config.data_dir);
  if (!made.ok()) return made;
  net::PosixVfs vfs;
  return raft::storage::Format(&vfs, config.data_dir, IdentityOf(config));
}

// The node itself becomes `incarnation`, in the list of members too.
void SetIncarnation(uint32_t incarnation, RegistrydConfig* config) {
  for (registry::MemberStatus& member : config->cluster) {
    if (member.node.slot == config->node.slot) {
      member.node.incarnation = incarnation;
    }
  }
  config->node.incarnation = incarnation;
}

int RunFormat(const CommandLine& line) {
  RegistrydConfig config = line.config;
  if (line.incarnation != 0) {
    SetIncarnation(static_cast<uint32_t>(line.incarnation), &config);
  }
  const absl::Status valid = Validate(config);
  if (!valid.ok()) return Fail(kWrongUsage, std::string(valid.message()));
  const absl::Status formatted = FormatDirectory(config);
  if (!formatted.ok()) {
    return Fail(kDataRefused, std::string(formatted.message()));
  }
  std::printf("formatted %s for node %s\n", config.data_dir.c_str(),
              ToString(config.node).c_str());
  return kStopped;
}

std::string FormatCommand(const RegistrydConfig& config) {
  return absl::StrCat("registryd format --data_dir=", config.data_dir,
                      " --node=", ToString(config.node).substr(1),
                      " --cluster_token=", config.cluster_token,
                      " --cluster=", FormatCluster(config.cluster));
}

// ------------------------------------------------------ development cluster

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string DevelopmentDirectory() {
  if (const std::string data = Variable("XDG_DATA_HOME"); !data.empty()) {
    return data + "/raregistry/development";
  }
  if (const std::string home = Variable("HOME"); !home.empty()) {
    return home + "/.local/share/raregistry/development";
  }
  const std::string temporary = Variable("TMPDIR");
  return absl::StrCat(temporary.empty() ? "/tmp" : temporary,
                      "/raregistry-development-", getuid());
}

// A cluster of this one node. Its ports are free to choose: nobody has to be
// told beforehand.
void SetUpDevelopment(RegistrydConfig* config) {
  config->data_dir = DevelopmentDirectory();
  config->node = {.slot = 1, .incarnation = 1};
  if (config->cluster_token.empty()) config->cluster_token = "development";
  config->cluster = {{.node = config->node,
                      .peer_address = "127.0.0.1:0",
                      .client_address = "127.0.0.1:7200"}};
}

// Formats the directory unless that was done already.
absl::Status MakeDevelopmentDirectory(const RegistrydConfig& config) {
  const absl::Status formatted = FormatDirectory(config);
  return absl::IsFailedPrecondition(formatted) ? absl::OkStatus() : formatted;
}

// ------------------------------------------------------------------- serve

void SetUpLog(const RegistrydConfig& config) {
  spdlog::set_default_logger(spdlog::stderr_color_mt("registryd"));
  spdlog::set_pattern("%Y-%m-%d %H:%M:%S.%e %^%l%$ " + ToString(config.node) +
                      ": %v");
  spdlog::set_level(spdlog::level::from_str(config.log_level));
  raft::SetCheckFailureHook([](const char*) {
    spdlog::critical("this program is wrong, and stops before it does harm");
    spdlog::shutdown();
    // The last steps are the ones to look at.
    if (running_server != nullptr) running_server->FlushTrace();
  });
}

net::ServerOptions ServerOptionsOf(const RegistrydConfig& config) {
  net::ServerOptions options;
  options.self = config.node;
  options.peer_listen = config.peer_listen;
  options.client_listen = config.client_listen;
  options.record_dir = config.record;
  options.replica.data_dir = config.data_dir;
  options.replica.members = config.cluster;
  options.replica.cluster = ClusterIdOf(config.cluster_token);
  options.replica.heartbeat = raft::Millis(config.heartbeat_ms);
  options.replica.election = raft::Millis(config.election_ms);
  options.replica.session_ttl_max = raft::Millis(config.session_ttl_ms);
  options.replica.seed = ClusterIdOf(config.cluster_token).value();
  return options;
}

int StartFailed(const RegistrydConfig& config, const absl::Status& status) {
  const std::string message(status.message());
  switch (status.code()) {
    case absl::StatusCode::kNotFound:
      return Fail(kDataRefused,
                  absl::StrCat(message,
                               "\n  a data directory is made once, by:"
                               "\n  ",
                               FormatCommand(config)));
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kDataLoss:
      return Fail(kDataRefused, message);
    default:
      return Fail(kCannotStart, message);
  }
}

int Serve(const CommandLine& line) {
  const RegistrydConfig& config = line.config;
  if (line.development) {
    const absl::Status made = MakeDevelopmentDirectory(config);
    if (!made.ok()) return Fail(kCannotStart, std::string(made.message()));
  }
  SetUpLog(config);
  net::ServerOptions options = ServerOptionsOf(config);
  absl::StatusOr<std::unique_ptr<net::Server>> server =
      net::Server::Start(options);
  if (line.development && absl::IsAlreadyExists(server.status())) {
    options.replica.members[0].client_address = "127.0.0.1:0";
    server = net::Server::Start(options);
  }
  if (!server.ok()) return StartFailed(config, server.status());
  (*server)->StopOnSignals();
  const std::string& clients = (*server)->client_address();
  if (line.development) {
    std::printf(
        "a development cluster of one node; Ctrl-C stops it\n"
        "  data     %s\n"
        "  clients  %s\n"
        "  try      registryctl --endpoints=%s status\n",
        config.data_dir.c_str(), clients.c_str(), clients.c_str());
  }
  std::printf("ready node=%s peer=%s client=%s data_dir=%s\n",
              ToString(config.node).c_str(), (*server)->peer_address().c_str(),
              clients.c_str(), config.data_dir.c_str());
  std::fflush(stdout);
  running_server = server->get();
  const absl::Status ran = (*server)->Run();
  running_server = nullptr;
  if (!ran.ok()) {
    return Fail(kDiskFailed, absl::StrCat("halted: ", ran.message()));
  }
  return kStopped;
}

int Main(const std::vector<std::string>& args) {
  absl::StatusOr<CommandLine> line = ParseCommandLine(args);
  if (!line.ok()) {
    return Fail(kWrongUsage, std::string(line.status().message()));
  }
  if (line->help) {
    PrintHelp();
    return kStopped;
  }
  if (line->format) return RunFormat(*line);
  if (line->development) SetUpDevelopment(&line->config);
  if (line->print_config) {
    std::fputs(EffectiveConfig(line->config).c_str(), stdout);
    return kStopped;
  }
  const absl::Status valid = Validate(line->config);
  if (!valid.ok()) {
    return Fail(kWrongUsage,
                absl::StrCat(valid.message(), "; see registryd --help"));
  }
  return Serve(*line);
}

}  // namespace
}  // namespace tools

int main(int argc, char** argv) {
  return tools::Main(std::vector<std::string>(argv + 1, argv + argc));
}
