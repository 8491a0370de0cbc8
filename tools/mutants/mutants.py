"""Sweeps seeds over planted bugs until each is found; prints the table.

A mutant is found by a checker that reports a violation. A CHECK of the product
counts too, unless it stands in the function that the patch changed; which
checker it was is printed, so the reader can judge. Exit 1 if one survives.
"""

import argparse
import json
import os
import subprocess
import sys


def sweep(binary, first, last, jobs):
    """The failures of a range of seeds, and the CPU seconds it took."""
    out = subprocess.run(
        [binary, f"--seeds={first}..{last}", f"--jobs={jobs}", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=False,
        text=True,
    ).stdout
    result = json.loads(out)
    return result["failures"], result["cpu_seconds"]


def find(binary, most, jobs):
    """Sweeps in growing steps, so that a bug found early costs little."""
    name = os.path.basename(binary).removeprefix("simulate_")
    cpu_seconds, first, step = 0, 1, 10
    while first <= most:
        last = min(most, first + step - 1)
        failures, cpu = sweep(binary, first, last, jobs)
        cpu_seconds += cpu
        if failures:
            found = min(failures, key=lambda failure: failure["seed"])
            same = [f for f in failures if f["seed"] == found["seed"]]
            return {
                "mutant": name,
                "found": True,
                "seed": found["seed"],
                "kind": found["kind"],
                "checkers": sorted({f["checker"] for f in same}),
                "text": found["text"],
                "cpu_seconds": cpu_seconds,
            }
        first, step = last + 1, step * 3
    return {
        "mutant": name,
        "found": False,
        "seeds": most,
        "cpu_seconds": cpu_seconds,
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--most", type=int, default=2000, help="seeds each")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", help="one mutant")
    parser.add_argument("--json", help="write the results there")
    parser.add_argument("binaries", nargs="+")
    args = parser.parse_args()

    results = []
    print(f"{'mutant':28} {'seed':>6}  {'cpu s':>6}  found by")
    for binary in args.binaries:
        if args.only and not binary.endswith("simulate_" + args.only):
            continue
        result = find(binary, args.most, args.jobs)
        results.append(result)
        if result["found"]:
            by = f"{result['kind']}: {', '.join(result['checkers'])}"
            seed = result["seed"]
        else:
            by, seed = f"SURVIVED {args.most} seeds", "-"
        print(f"{result['mutant']:28} {seed:>6}  {result['cpu_seconds']:>6}  {by}")
        if result["found"]:
            print(f"    {result['text'][:160]}")
        sys.stdout.flush()
    if args.json:
        path = os.path.join(os.environ.get("RAREGISTRY_CALLER_DIR", ""), args.json)
        with open(path, "w", encoding="utf-8") as out:
            json.dump(results, out, indent=1)
            out.write("\n")
    survivors = [r["mutant"] for r in results if not r["found"]]
    print(f"{len(results) - len(survivors)} of {len(results)} found")
    sys.exit(1 if survivors or not results else 0)


if __name__ == "__main__":
    main()
