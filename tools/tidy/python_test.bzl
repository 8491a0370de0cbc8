"""python_test: a py_test that only needs /usr/bin/python3."""

def python_test(name, main, srcs = [], args = [], data = [], **kwargs):
    """Runs `main` with `args`; `srcs` are modules that it imports from beside it."""
    native.sh_test(
        name = name,
        srcs = ["//tools/tidy:python_test.sh"],
        args = ["$(location %s)" % main] + args,
        data = [main] + srcs + data,
        **kwargs
    )
