"""Shows that it is the checker that rings.

For each pair of binaries, a planted bug and the same bug with a checker broken:
the bug is found, and some run in which it was found is let through without the
checker. (In others another checker may ring as well.) Exit 1 if a bug is not
found, or is found as often blindly.
"""

import argparse
import sys

import mutants

# Failing seeds that are tried without the checker.
SEEDS_TRIED = 20


def compare(seeing, blind, args):
    """What is said of a pair, and whether it is as it should be."""
    name, _, checker = mutants.name_of(blind).partition("_without_")
    if mutants.name_of(seeing) != name:
        return f"{mutants.name_of(seeing)} is not {name}", False
    found = mutants.find(seeing, args.sound, 0, args.most, args.jobs)
    if not found["found"]:
        return f"{name} survives {args.most} seeds", False
    text = f"{name}: seed {found['seed']} by {', '.join(found['checkers'])}"
    tried = found["seeds"][:SEEDS_TRIED]
    passed = [s for s in tried if not mutants.sweep(blind, s, s, 1)[0]]
    text += (
        f"; without {checker} {len(passed)} of {len(tried)} seeds that failed"
        " are let through"
    )
    return text, bool(passed)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--most", type=int, default=2000, help="seeds each")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--sound", help="simulate without a bug")
    parser.add_argument("binaries", nargs="+", help="seeing, blind, seeing, ...")
    args = parser.parse_args()

    good = len(args.binaries) % 2 == 0
    for seeing, blind in zip(args.binaries[::2], args.binaries[1::2]):
        text, as_it_should_be = compare(seeing, blind, args)
        good = good and as_it_should_be
        print(text)
        sys.stdout.flush()
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
