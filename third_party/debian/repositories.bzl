"""The repositories that WORKSPACE declares, made from installed packages.

Debian's headers lie in /usr/include, which the compiler knows by itself: most
targets are therefore nothing but the linker's flags and a few defines. Labels
are the ones that the projects themselves use (@com_google_absl//absl/strings),
so that BUILD files stay right if the repositories one day come from elsewhere.
"""

# What Abseil calls its targets, by package; Debian 12 has release 20220623.
_ABSL = {
    "algorithm": ["algorithm", "container"],
    "base": [
        "base",
        "config",
        "core_headers",
        "dynamic_annotations",
        "endian",
        "log_severity",
        "prefetch",
    ],
    "cleanup": ["cleanup"],
    "container": [
        "btree",
        "fixed_array",
        "flat_hash_map",
        "flat_hash_set",
        "inlined_vector",
        "node_hash_map",
        "node_hash_set",
    ],
    "debugging": [
        "failure_signal_handler",
        "leak_check",
        "stacktrace",
        "symbolize",
    ],
    "flags": [
        "commandlineflag",
        "config",
        "flag",
        "marshalling",
        "parse",
        "reflection",
        "usage",
    ],
    "functional": ["any_invocable", "bind_front", "function_ref"],
    "hash": ["hash"],
    "memory": ["memory"],
    "meta": ["type_traits"],
    "numeric": ["bits", "int128"],
    "random": [
        "bit_gen_ref",
        "distributions",
        "random",
        "seed_gen_exception",
        "seed_sequences",
    ],
    "status": ["status", "statusor"],
    "strings": ["cord", "str_format", "strings"],
    "synchronization": ["synchronization"],
    "time": ["civil_time", "time"],
    "types": [
        "any",
        "bad_any_cast",
        "bad_optional_access",
        "bad_variant_access",
        "compare",
        "optional",
        "span",
        "variant",
    ],
    "utility": ["utility"],
}

_ABSL_EXCEPTIONS = {
    "algorithm:container": "algorithm_container",
    "flags:flag": "flags",
}

def _absl_module(package, target):
    """The absl_*.pc file (without the prefix) behind //absl/package:target."""
    label = package + ":" + target
    if label in _ABSL_EXCEPTIONS:
        return _ABSL_EXCEPTIONS[label]
    if package in ["flags", "random"]:
        return package + "_" + target
    return target

def _pkg_config_dir(rctx, file):
    """The multiarch folder of /usr/lib that holds the .pc file named."""
    for entry in rctx.path("/usr/lib").readdir():
        if entry.basename.endswith("-linux-gnu"):
            dir = entry.get_child("pkgconfig")
            if dir.get_child(file).exists:
                return dir
    fail("no %s under /usr/lib; use ./bazelw, which installs it" % file)

_PUBLIC = 'package(default_visibility = ["//visibility:public"])\n\n'
_LOAD_CC = 'load("@rules_cc//cc:defs.bzl", "cc_library")\n\n'

def _com_google_absl_impl(rctx):
    modules = {}
    for file in _pkg_config_dir(rctx, "absl_base.pc").readdir():
        if not (file.basename.startswith("absl_") and
                file.basename.endswith(".pc")):
            continue
        deps = []
        libs = []
        for line in rctx.read(file).split("\n"):
            if line.startswith("Requires:"):
                # "absl_base = 20220623, absl_bits = 20220623"
                for requirement in line[len("Requires:"):].split(","):
                    words = requirement.strip().split(" ")
                    if words[0].startswith("absl_"):
                        deps.append(":" + words[0])
            elif line.startswith("Libs:"):
                libs = [w for w in line.split(" ") if w.startswith("-labsl_")]
        modules[file.basename[:-len(".pc")]] = (deps, libs)

    build = _LOAD_CC + _PUBLIC
    for name, (deps, libs) in sorted(modules.items()):
        build += "cc_library(name = %r, linkopts = %r, deps = %r)\n" % (
            name,
            libs + ["-pthread"],
            deps,
        )
    rctx.file("BUILD.bazel", build)

    for package, targets in _ABSL.items():
        build = _PUBLIC
        for target in targets:
            module = "absl_" + _absl_module(package, target)
            if module not in modules:
                fail("libabsl-dev has no %s.pc" % module)
            build += 'alias(name = "%s", actual = "//:%s")\n' % (target, module)
        rctx.file("absl/%s/BUILD.bazel" % package, build)
    rctx.file("WORKSPACE", "")

com_google_absl = repository_rule(
    implementation = _com_google_absl_impl,
    local = True,
)

# The well-known types, with what each imports.
_WELL_KNOWN = {
    "any": [],
    "api": ["source_context", "type"],
    "descriptor": [],
    "duration": [],
    "empty": [],
    "field_mask": [],
    "source_context": [],
    "struct": [],
    "timestamp": [],
    "type": ["any", "source_context"],
    "wrappers": [],
}

def _com_google_protobuf_impl(rctx):
    rctx.symlink("/usr/bin/protoc", "protoc")
    rctx.symlink("/usr/include/google/protobuf", "src/google/protobuf")
    build = _LOAD_CC + _PUBLIC + """
exports_files(["protoc"])

cc_library(
    name = "protobuf",
    linkopts = ["-lprotobuf", "-pthread"],
)

cc_library(
    name = "protobuf_lite",
    linkopts = ["-lprotobuf-lite", "-pthread"],
)

# What is compiled into libprotobuf already must not be generated again.
proto_lang_toolchain(
    name = "cc_toolchain",
    blacklisted_protos = %r,
    command_line = "--cpp_out=$(OUT)",
    runtime = ":protobuf",
)
""" % [":%s_proto" % name for name in _WELL_KNOWN]
    for name, deps in _WELL_KNOWN.items():
        build += """
proto_library(
    name = "{name}_proto",
    srcs = ["src/google/protobuf/{name}.proto"],
    strip_import_prefix = "src",
    deps = {deps},
)
""".format(name = name, deps = [":%s_proto" % dep for dep in deps])
    rctx.file("BUILD.bazel", build)
    rctx.file("WORKSPACE", "")

com_google_protobuf = repository_rule(
    implementation = _com_google_protobuf_impl,
    local = True,
)

def _rules_cc_impl(rctx):
    # Debian's rules_cc is newer than Debian's Bazel: two of its files call
    # use_cpp_toolchain(), which that Bazel does not have yet. One symlink for
    # each file, because nothing can be written inside a symlinked folder.
    rctx.file("WORKSPACE", 'workspace(name = "rules_cc")\n')
    for dir in ["cc", "cc/private/rules_impl", "cc/private/toolchain"]:
        for file in rctx.path("/usr/share/bazel/rules/cc/" + dir).readdir():
            to = dir + "/" + file.basename
            if to == "cc/private":
                continue
            if file.basename in ["cc_flags_supplier.bzl", "compiler_flag.bzl"]:
                rctx.template(to, file, substitutions = {
                    ', "use_cpp_toolchain")': ")",
                    "use_cpp_toolchain()": '["@bazel_tools//tools/cpp:toolchain_type"]',
                })
            else:
                rctx.symlink(file, to)

rules_cc = repository_rule(implementation = _rules_cc_impl, local = True)

def _remote_coverage_tools_impl(rctx):
    # Every cc_test asks for this repository, coverage or not.
    rctx.file("WORKSPACE", "")
    rctx.file("BUILD.bazel", _PUBLIC + "\n".join([
        'sh_binary(name = "%s", srcs = ["%s"])' % (name, source)
        for name, source in [
            ("coverage_report_generator", "@raregistry//third_party/debian:lcov_merger.py"),
            ("lcov_merger", "@raregistry//third_party/debian:lcov_merger.py"),
        ]
    ]))

remote_coverage_tools = repository_rule(
    implementation = _remote_coverage_tools_impl,
    local = True,
)

def _system_library_impl(rctx):
    rctx.file("WORKSPACE", "")
    rctx.file("BUILD.bazel", _LOAD_CC + _PUBLIC + rctx.attr.build)

# A repository whose whole content is the BUILD file given.
_system_library = repository_rule(
    implementation = _system_library_impl,
    attrs = {"build": attr.string(mandatory = True)},
    local = True,
)

def debian_repositories():
    rules_cc(name = "rules_cc")

    # Asked for by every build: @bazel_tools loads it.
    native.local_repository(
        name = "rules_java",
        path = "/usr/share/bazel/rules/java",
    )
    remote_coverage_tools(name = "remote_coverage_tools")

    com_google_absl(name = "com_google_absl")
    com_google_protobuf(name = "com_google_protobuf")

    _system_library(name = "com_google_googletest", build = """
cc_library(
    name = "gtest",
    testonly = True,
    defines = ["GTEST_HAS_PTHREAD=1"],
    linkopts = ["-lgmock", "-lgtest", "-pthread"],
)

cc_library(
    name = "gtest_main",
    testonly = True,
    linkopts = ["-lgtest_main"],
    deps = [":gtest"],
)
""")

    _system_library(name = "com_google_benchmark", build = """
cc_library(
    name = "benchmark",
    linkopts = ["-lbenchmark", "-pthread"],
)

cc_library(
    name = "benchmark_main",
    linkopts = ["-lbenchmark_main"],
    deps = [":benchmark"],
)
""")

    _system_library(name = "rapidcheck", build = """
cc_library(
    name = "rapidcheck",
    testonly = True,
    linkopts = ["-lrapidcheck"],
)
""")

    _system_library(name = "asio", build = """
cc_library(
    name = "asio",
    defines = ["ASIO_STANDALONE"],
    linkopts = ["-pthread"],
)
""")

    _system_library(name = "openssl", build = """
cc_library(
    name = "crypto",
    linkopts = ["-lcrypto"],
)

cc_library(
    name = "ssl",
    linkopts = ["-lssl"],
    deps = [":crypto"],
)

alias(name = "openssl", actual = ":ssl")
""")

    # How the library was compiled has to be repeated, or it does not link.
    _system_library(name = "spdlog", build = """
cc_library(
    name = "spdlog",
    defines = [
        "SPDLOG_COMPILED_LIB",
        "SPDLOG_FMT_EXTERNAL",
        "SPDLOG_SHARED_LIB",
    ],
    linkopts = ["-lspdlog", "-lfmt", "-pthread"],
)
""")

    # Likewise, except that here it links: class layouts would differ silently.
    _system_library(name = "httplib", build = """
cc_library(
    name = "httplib",
    defines = [
        "CPPHTTPLIB_BROTLI_SUPPORT",
        "CPPHTTPLIB_OPENSSL_SUPPORT",
        "CPPHTTPLIB_ZLIB_SUPPORT",
    ],
    linkopts = ["-lcpp-httplib", "-pthread"],
    deps = ["@openssl//:ssl"],
)
""")

    _system_library(name = "prometheus_cpp", build = """
cc_library(
    name = "core",
    linkopts = ["-lprometheus-cpp-core", "-pthread"],
)

alias(name = "prometheus_cpp", actual = ":core")
""")
