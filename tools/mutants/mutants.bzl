"""Planted bugs: product code with one file changed by a patch.

The product carries no mutation switches. `mutant` applies a patch to a copy of
the one file that it touches and links `simulate` with it: the object is linked
whole, before the library that holds the true one, so the linker never takes
that. Only the patched file is compiled again. A patch that no longer applies
fails the build and is to be refreshed; an object that does not define all that
the true one does is refused by the linker (defined twice).
"""

load("@rules_cc//cc:defs.bzl", "cc_binary", "cc_library")
load("//tools/tidy:python_test.bzl", "python_test")

def mutant(name, file = None, library = None, patches = None, deps = []):
    """Defines `simulate_<name>`: //tools:simulate with one bug.

    Args:
      name: of testdata/mutants/<name>.patch.
      file: the label of the source that the patch touches.
      library: the label of the library that the source belongs to.
      patches: instead of `file` and `library`, for a bug in several places:
        {name of a patch: [file, library]}.
      deps: what the sources include beyond their libraries.
    """
    objects = []
    for patch_name, (source, owner) in (patches or {name: [file, library]}).items():
        base = source.split(":")[1]
        copy = "planted/%s/%s" % (name, base)
        patch = "//testdata/mutants:%s.patch" % patch_name
        native.genrule(
            name = patch_name + "_source",
            testonly = True,
            srcs = [source, patch],
            outs = [copy],
            cmd = ("cp $(location %s) $@ && chmod u+w $@ && " +
                   "patch --quiet --fuzz=0 $@ $(location %s)") % (source, patch),
            message = "Planting " + patch_name,
            tags = ["manual"],
        )
        cc_library(
            name = patch_name + "_object",
            testonly = True,
            srcs = [copy],
            alwayslink = True,
            tags = ["manual"],
            deps = [owner] + deps,
        )
        objects.append(":%s_object" % patch_name)
    cc_binary(
        name = "simulate_" + name,
        testonly = True,
        tags = ["manual"],
        deps = objects + ["//tools:simulate_main"],
    )

def mutant_suite(name, mutants, args = [], test = False, **kwargs):
    """A command (or test) that sweeps seeds until each mutant is found."""
    words = args + ["$(location :simulate_%s)" % m for m in mutants]
    data = [":simulate_" + m for m in mutants]
    if test:
        python_test(
            name = name,
            testonly = True,
            main = "mutants.py",
            args = words,
            data = data,
            **kwargs
        )
    else:
        native.sh_binary(
            name = name,
            testonly = True,
            srcs = ["//tools/tidy:python_test.sh"],
            args = ["$(location mutants.py)"] + words,
            data = ["mutants.py"] + data,
            **kwargs
        )
