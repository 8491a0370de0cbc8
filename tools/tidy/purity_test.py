"""The pure core can reach no clock, socket, file, thread or entropy.

Compares what the core's own object files leave undefined (nm) and what its
sources include with committed allow-lists; anything that is not on a list is
named and fails. `--expect_violation=REGEX` turns the check round for the
planted libraries: the test passes only if each REGEX is among what was found,
so the alarm is seen to ring. `--all_sources=DIRECTORY` finds sources that were
not handed in and are not known to be for tests (`--support`).
"""

import argparse
import os
import re
import subprocess
import sys


def read_patterns(path):
    with open(path, encoding="utf-8") as lines:
        stripped = (re.sub(r"(^|\s)#.*", "", line).strip() for line in lines)
        return [re.compile(line) for line in stripped if line]


def symbols(archives):
    """(undefined, defined) symbols of the archives, demangled."""
    undefined, defined = set(), set()
    for archive in archives:
        out = subprocess.run(
            ["nm", "-C", archive], check=True, capture_output=True, text=True
        ).stdout
        for line in out.splitlines():
            match = re.match(r"^[0-9a-f ]{16} ([A-Za-z]) (.*)$", line)
            if not match:
                continue
            kind, name = match.groups()
            (undefined if kind in "Uvw" else defined).add(name)
    return undefined, defined


def includes(sources):
    """What each #include names; computed names are named as they stand."""
    found = set()
    for source in sources:
        with open(source, encoding="utf-8") as text:
            for line in text:
                match = re.match(r"^\s*#\s*include\b\s*(.*?)\s*(//.*)?$", line)
                if match:
                    found.add(match.group(1))
    return found


def unlisted(names, patterns):
    return sorted(
        name for name in names if not any(p.fullmatch(name) for p in patterns)
    )


def strays(directories, known, support):
    """Sources under the directories that are neither known nor for tests."""
    found = []
    for directory in directories:
        for folder, _, names in os.walk(directory):
            for name in names:
                path = os.path.normpath(os.path.join(folder, name))
                if path.endswith((".h", ".cc")) and path not in known:
                    found.append(path)
    return unlisted(found, support)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--symbols", required=True)
    parser.add_argument("--includes", required=True)
    parser.add_argument("--support")
    parser.add_argument("--all_sources", action="append", default=[])
    parser.add_argument("--expect_violation", action="append", default=[])
    parser.add_argument("files", nargs="+")
    args = parser.parse_args()

    archives = [f for f in args.files if f.endswith(".a")]
    sources = [f for f in args.files if f.endswith((".h", ".cc"))]
    if not archives or not sources:
        sys.exit("nothing to check: no archive or no source was given")
    undefined, defined = symbols(archives)
    if not undefined:
        sys.exit("nm found no symbol: the check would see nothing")
    violations = [
        f"symbol: {name}"
        for name in unlisted(undefined - defined, read_patterns(args.symbols))
    ]
    violations += [
        f"include: {name}"
        for name in unlisted(includes(sources), read_patterns(args.includes))
    ]
    if args.all_sources:
        known = {os.path.normpath(source) for source in sources}
        violations += [
            f"not in the core, nor known as support of tests: {path}"
            for path in strays(
                args.all_sources, known, read_patterns(args.support)
            )
        ]

    for violation in violations:
        print(violation)
    print(
        f"{len(archives)} archives with {len(undefined)} undefined symbols, "
        f"{len(sources)} sources: {len(violations)} violations"
    )
    for expected in args.expect_violation:
        if not any(re.fullmatch(expected, v) for v in violations):
            sys.exit(f"the planted '{expected}' was not found")
    if violations and not args.expect_violation:
        sys.exit("the pure core reaches beyond its allow-lists (see above)")


if __name__ == "__main__":
    main()
