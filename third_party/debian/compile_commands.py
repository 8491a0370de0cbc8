#!/usr/bin/env python3
"""Writes compile_commands.json (for clangd, clang-tidy) into the workspace.

Usage: third_party/debian/compile_commands.py [Bazel option]...

Options go to Bazel's aquery, for instance --config=clang. Build //... first:
generated headers (.pb.h) have to exist. Paths are relative to Bazel's execution
root, which the `directory` of each entry names.
"""

import json
import os
import subprocess
import sys

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
# Nothing that only Bazel needs: where to write, and dependency files.
DROPPED = ["-MD", "-frandom-seed", "-fno-canonical-system-headers"]


def bazel(*arguments):
    return subprocess.run(
        [os.path.join(ROOT, "bazelw"), *arguments],
        check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        text=True).stdout


def clean(arguments):
    kept = []
    skip = False
    for argument in arguments:
        if skip:
            skip = False
        elif argument in ("-MF", "-o"):
            skip = True
        elif not any(argument.startswith(d) for d in DROPPED):
            kept.append(argument)
    return kept


def main():
    options = sys.argv[1:]
    directory = bazel("info", "execution_root").strip()
    actions = json.loads(
        bazel("aquery", *options, "--output=jsonproto",
              'mnemonic("CppCompile", //...)')).get("actions", [])
    entries = {}
    for action in actions:
        arguments = action["arguments"]
        source = arguments[arguments.index("-c") + 1]
        entries[source] = {
            "directory": directory,
            "file": source,
            "arguments": clean(arguments),
        }
    path = os.path.join(ROOT, "compile_commands.json")
    with open(path, "w") as output:
        json.dump([entries[s] for s in sorted(entries)], output, indent=1)
    print(f"{len(entries)} files in {path}")


if __name__ == "__main__":
    main()
