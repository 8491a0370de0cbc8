"""Sweeps seeds over planted bugs until each is found; prints the table.

A mutant is found by a checker that reports a violation. A CHECK of the product
counts too, unless it stands in the function that the patch changed; which
checker it was is printed, so the reader can judge. Exit 1 if one survives.

With --shrink each failure becomes its smallest scenario, which must fail in the
same way when it is read from its file and run alone.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile


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
                "seeds": sorted({f["seed"] for f in failures}),
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


def shrink(binary, seeds, folder):
    """The smallest scenario of the first seed that fails in a run of its own.

    (A bug that leaves something behind in its process may need the runs before
    it; such a seed is passed over.)
    """
    for seed in seeds:
        out = subprocess.run(
            [binary, f"--seed={seed}", "--shrink", "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
            text=True,
        ).stdout
        small = json.loads(out)
        if "scenario" not in small:
            continue
        name = os.path.basename(binary).removeprefix("simulate_")
        path = os.path.abspath(os.path.join(folder, name + ".scenario"))
        with open(path, "w", encoding="utf-8") as file:
            file.write(small.pop("scenario"))
        # The file expects its failure: 0 if it is the one that comes.
        alone = subprocess.run(
            [binary, f"--scenario={path}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        ).returncode
        small["fails_alone"] = small["fails_alone"] and alone == 0
        return small | {"seed": seed}
    return None


def shrink_and_tell(binary, result, folder, faults_max):
    """Adds what a found bug shrinks to; False if that is not good enough."""
    small = shrink(binary, result["seeds"], folder)
    result["shrunk"] = small
    if small is None:
        print("    no seed fails in a run of its own")
        return False
    print(
        f"    shrunk from {small['faults_before']} faults and"
        f" {small['operations_before']} operations to {small['faults']} and"
        f" {small['operations']} in {small['cpu_ms'] / 1000:.1f} CPU seconds"
        + ("" if small["fails_alone"] else "; BUT IT DOES NOT FAIL ALONE")
    )
    return small["fails_alone"] and small["faults"] <= faults_max


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--most", type=int, default=2000, help="seeds each")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", help="one mutant")
    parser.add_argument("--json", help="write the results there")
    parser.add_argument("--shrink", action="store_true")
    parser.add_argument("--faults-max", type=int, default=1000, help="shrunk")
    parser.add_argument("--scenarios", help="folder for what is shrunk")
    parser.add_argument("binaries", nargs="+")
    args = parser.parse_args()

    caller = os.environ.get("RAREGISTRY_CALLER_DIR", "")
    folder = (
        os.path.join(caller, args.scenarios)
        if args.scenarios
        else tempfile.mkdtemp(dir=os.environ.get("TEST_TMPDIR"))
    )
    results, badly_shrunk = [], 0
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
        if result["found"] and args.shrink:
            badly_shrunk += not shrink_and_tell(
                binary, result, folder, args.faults_max
            )
        sys.stdout.flush()
    if args.json:
        path = os.path.join(caller, args.json)
        with open(path, "w", encoding="utf-8") as out:
            json.dump(results, out, indent=1)
            out.write("\n")
    survivors = [r["mutant"] for r in results if not r["found"]]
    print(f"{len(results) - len(survivors)} of {len(results)} found")
    shrunk = [r["shrunk"] for r in results if r.get("shrunk")]
    if shrunk:
        faults = sorted(small["faults"] for small in shrunk)
        print(
            f"{len(shrunk)} shrunk, to {faults[len(faults) // 2]} faults in the"
            f" median, in at most {max(s['cpu_ms'] for s in shrunk) / 1000:.1f}"
            " CPU seconds"
        )
    sys.exit(1 if survivors or badly_shrunk or not results else 0)


if __name__ == "__main__":
    main()
