"""Planted bugs: product code with one file changed by a patch.

The product carries no mutation switches. `planted` applies a patch to a copy of
the one file that it touches; `mutant` links `simulate` with it: the object is
linked whole, before the library that holds the true one, so the linker never
takes that. Only the patched file is compiled again. A patch that no longer
applies fails the build of `//...` and is to be refreshed; an object that does not define
all that the true one does is refused by the linker (defined twice).

Checkers are blinded in the same way: a mutant that is linked with a broken
checker as well must survive the seeds in which the checker found it.
"""

load("@rules_cc//cc:defs.bzl", "cc_binary", "cc_library")
load("//tools/tidy:python_test.bzl", "python_test")

# The library of a source, by its package, unless it is named by itself.
LIBRARIES = {
    "//raft": "//raft",
    "//raft/storage": "//raft/storage",
    "//raft:invariants.cc": "//raft:invariants",
    "//registry:client.cc": "//registry:client",
    "//registry:client_session.cc": "//registry:client",
    "//registry:leases.cc": "//registry:node",
    "//registry:node_commands.cc": "//registry:node",
    "//registry:node_reads.cc": "//registry:node",
    "//registry:replica_disk.cc": "//registry:replica",
    "//registry:session.cc": "//registry:state_machine",
    "//registry:state_machine.cc": "//registry:state_machine",
    "//registry:state_machine_read.cc": "//registry:state_machine",
    "//sim": "//sim:world",
}

def planted(name, file, patch, deps = []):
    """Defines `<name>_object`: `file` with `patch` applied.

    Args:
      name: of the patch.
      file: the label of the source that the patch touches.
      patch: the label of the patch.
      deps: what the source includes beyond its library.
    """
    package, base = file.split(":")
    copy = "planted/%s/%s" % (name, base)
    native.genrule(
        name = name + "_source",
        testonly = True,
        srcs = [file, patch],
        outs = [copy],
        cmd = ("cp $(location %s) $@ && chmod u+w $@ && " +
               "patch --quiet --fuzz=0 $@ $(location %s)") % (file, patch),
        message = "Planting " + name,
    )
    cc_library(
        name = name + "_object",
        testonly = True,
        srcs = [copy],
        alwayslink = True,
        tags = ["manual"],
        deps = [LIBRARIES.get(file) or LIBRARIES[package]] + deps,
    )

def mutant(name, patches, tool = "simulate"):
    """Defines `<tool>_<name>`: //tools:<tool> with one bug.

    Args:
      name: of the bug.
      patches: names of what was `planted`.
      tool: which tool of //tools.
    """
    cc_binary(
        name = "%s_%s" % (tool, name),
        testonly = True,
        tags = ["manual"],
        deps = [":%s_object" % patch for patch in patches] +
               ["//tools:%s_main" % tool],
    )

def blinded(name, patches, checker):
    """Defines `simulate_<name>_without_<checker>`: it cannot see the bug.

    Args:
      name: of the bug.
      patches: names of what was `planted` for it.
      checker: name of the patch that breaks the checker, `planted` as
        `without_<checker>`.
    """
    mutant("%s_without_%s" % (name, checker), patches + ["without_" + checker])

def _command(name, main, binaries, args, test, srcs = [], **kwargs):
    words = (["--sound=$(location //tools:simulate)"] + args +
             ["$(location %s)" % binary for binary in binaries])
    data = srcs + binaries + ["//tools:simulate"]
    if test:
        python_test(
            name = name,
            testonly = True,
            main = main,
            args = words,
            data = data,
            **kwargs
        )
    else:
        native.sh_binary(
            name = name,
            testonly = True,
            srcs = ["//tools/tidy:python_test.sh"],
            args = ["$(location %s)" % main] + words,
            data = [main] + data,
            **kwargs
        )

def mutant_suite(name, mutants, args = [], test = False, **kwargs):
    """A command (or test) that sweeps seeds until each mutant is found."""
    binaries = [":simulate_" + m for m in mutants]
    _command(name, "mutants.py", binaries, args, test, **kwargs)

def blinded_suite(name, pairs, args = [], test = False, **kwargs):
    """A command (or test): each mutant is found, and not without its checker.

    Args:
      name: of the command.
      pairs: {mutant: checker}, each `blinded`.
      args: before the binaries.
      test: whether it is a test.
      **kwargs: of the rule.
    """
    binaries = []
    for mutant_name, checker in pairs.items():
        binaries += [
            ":simulate_" + mutant_name,
            ":simulate_%s_without_%s" % (mutant_name, checker),
        ]
    _command(
        name,
        "blinded.py",
        binaries,
        args,
        test,
        srcs = ["mutants.py"],
        **kwargs
    )
