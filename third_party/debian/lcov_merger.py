#!/usr/bin/env python3
"""Makes one lcov report; Bazel's coverage support runs it in two places.

After each test, with --coverage_dir: every .gcda file below that folder goes
through gcov. At the end, with --reports_file (a list of lcov files): their sum.
"""

import argparse
import collections
import json
import os
import re
import subprocess
import sys


class Source:
    """What is known of one source file."""

    def __init__(self):
        self.lines = collections.Counter()  # line -> executions
        self.functions = {}  # name -> (first line, executions)

    def add_function(self, name, line, executions):
        before = self.functions.get(name, (line, 0))[1]
        self.functions[name] = (line, before + executions)


def read_gcda(path, sources):
    # Bazel's own script runs gcov as well, but drops the results of all
    # same-named files into one folder, where they overwrite each other.
    gcov = os.environ.get("COVERAGE_GCOV_PATH") or "gcov"
    output = subprocess.run(
        [gcov, "--json-format", "--stdout", path],
        check=True, stdout=subprocess.PIPE, text=True).stdout
    for document in output.splitlines():
        for entry in json.loads(document)["files"]:
            source = sources[entry["file"].removeprefix("/proc/self/cwd/")]
            for line in entry["lines"]:
                source.lines[line["line_number"]] += line["count"]
            for function in entry["functions"]:
                source.add_function(function["name"], function["start_line"],
                                    function["execution_count"])


def read_lcov(path, sources):
    first_lines = {}
    with open(path) as report:
        for line in report:
            tag, _, rest = line.strip().partition(":")
            if tag == "SF":
                source = sources[rest]
            elif tag == "FN":
                number, _, name = rest.partition(",")
                first_lines[name] = int(number)
            elif tag == "FNDA":
                count, _, name = rest.partition(",")
                source.add_function(name, first_lines[name], int(count))
            elif tag == "DA":
                number, count = rest.split(",")[:2]
                source.lines[int(number)] += int(count)


def write_lcov(sources, output):
    for name, source in sorted(sources.items()):
        output.write(f"SF:{name}\n")
        functions = sorted(source.functions.items(), key=lambda f: f[1][0])
        for function, (line, _) in functions:
            output.write(f"FN:{line},{function}\n")
        for function, (_, count) in functions:
            output.write(f"FNDA:{count},{function}\n")
        output.write(f"FNF:{len(functions)}\n")
        output.write(f"FNH:{sum(c > 0 for _, (_, c) in functions)}\n")
        for line, count in sorted(source.lines.items()):
            output.write(f"DA:{line},{count}\n")
        output.write(f"LH:{sum(c > 0 for c in source.lines.values())}\n")
        output.write(f"LF:{len(source.lines)}\nend_of_record\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--coverage_dir")
    parser.add_argument("--reports_file")
    parser.add_argument("--output_file", required=True)
    parser.add_argument("--filter_sources", action="append", default=[])
    args, _ = parser.parse_known_args()

    sources = collections.defaultdict(Source)
    if args.coverage_dir:
        for folder, _, names in os.walk(args.coverage_dir):
            for name in names:
                path = os.path.join(folder, name)
                # Bazel keeps the .gcno of what its instrumentation filter
                # selects; what else was compiled leaves a lone .gcda.
                if (name.endswith(".gcda") and
                        os.path.exists(path[:-len("da")] + "no")):
                    read_gcda(path, sources)
    if args.reports_file:
        with open(args.reports_file) as reports:
            for report in reports.read().split():
                read_lcov(report, sources)

    # Neither system headers nor generated code.
    unwanted = [re.compile(f)
                for f in args.filter_sources + ["/.*", "bazel-out/.*"]]
    kept = {name: source for name, source in sources.items()
            if not any(u.fullmatch(name) for u in unwanted)}
    with open(args.output_file, "w") as output:
        write_lcov(kept, output)


if __name__ == "__main__":
    sys.exit(main())
