"""Sweeps seeds over planted bugs until each is found; prints the table.

A mutant is found by a checker that reports a violation. A CHECK of the product
that aborts the run finds it too, but tells less; which it was is printed. A seed
that fails without the bug as well proves nothing and is passed over. Exit 1 if a
bug survives.

What no seed of all faults together finds is looked for in the profiles of one kind
of faults each, in which such faults come often and alone.

With --bases=N each bug is looked for N times, in seeds that have nothing to do
with each other; the median says how many seeds a bug of its kind takes.

With --shrink each failure becomes its smallest scenario, which must fail in the
same way when it is read from its file and run alone.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

BASE_STEP = 1_000_000
PROFILES = ["all", "net", "disk", "clock", "process", "membership"]
CHECK = "worker"  # what a sweep calls the death of a run


def name_of(binary):
    return os.path.basename(binary).removeprefix("simulate_")


def sweep(binary, first, last, jobs, profile="all"):
    """The failures of a range of seeds, and the CPU seconds it took."""
    out = subprocess.run(
        [
            binary,
            f"--seeds={first}..{last}",
            f"--jobs={jobs}",
            f"--profile={profile}",
            "--json",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=False,
        text=True,
    ).stdout
    result = json.loads(out)
    return result["failures"], result["cpu_seconds"]


def first_of(failures, sound, profile):
    """The failures of the first seed that is fine without the bug."""
    for seed in sorted({failure["seed"] for failure in failures}):
        if sound and sweep(sound, seed, seed, 1, profile)[0]:
            continue
        return [failure for failure in failures if failure["seed"] == seed]
    return []


def find(binary, sound, base, most, jobs, profile="all"):
    """Sweeps in growing steps, so that a bug found early costs little."""
    cpu_seconds, first, step = 0, base + 1, 10
    while first <= base + most:
        last = min(base + most, first + step - 1)
        failures, cpu = sweep(binary, first, last, jobs, profile)
        cpu_seconds += cpu
        found = first_of(failures, sound, profile)
        if found:
            return {
                "mutant": name_of(binary),
                "found": True,
                "profile": profile,
                "seed": found[0]["seed"],
                "seeds": sorted({f["seed"] for f in failures}),
                "kind": found[0]["kind"],
                "checkers": sorted({f["checker"] for f in found}),
                "text": found[0]["text"],
                "cpu_seconds": cpu_seconds,
            }
        first, step = last + 1, step * 3
    return {
        "mutant": name_of(binary),
        "found": False,
        "seeds": most,
        "cpu_seconds": cpu_seconds,
    }


def find_in_profiles(binary, args):
    """In the first profile whose seeds find it."""
    cpu_seconds = 0
    for profile in args.profiles.split(","):
        run = find(binary, args.sound, 0, args.most, args.jobs, profile)
        cpu_seconds += run["cpu_seconds"]
        if run["found"]:
            break
    return run | {"cpu_seconds": cpu_seconds}


def find_often(binary, args):
    """Of the first base, with the seeds that each base took."""
    runs = [find_in_profiles(binary, args)]
    if runs[0]["found"]:
        runs += [
            find(
                binary,
                args.sound,
                i * BASE_STEP,
                args.most,
                args.jobs,
                runs[0]["profile"],
            )
            for i in range(1, args.bases)
        ]
    took = [
        run["seed"] - i * BASE_STEP if run["found"] else None
        for i, run in enumerate(runs)
    ]
    result = dict(runs[0])
    result["took"] = took
    result["cpu_seconds"] = sum(run["cpu_seconds"] for run in runs)
    # One that was not found took more seeds than all others.
    median = statistics.median_high([t or sys.maxsize for t in took])
    result["median"] = None if median == sys.maxsize else median
    return result


def shrink(binary, seeds, profile, folder):
    """The smallest scenario of the first seed that fails in a run of its own.

    (A bug that leaves something behind in its process may need the runs before
    it; such a seed is passed over.)
    """
    for seed in seeds:
        out = subprocess.run(
            [
                binary,
                f"--seed={seed}",
                f"--profile={profile}",
                "--shrink",
                "--json",
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
            text=True,
        ).stdout
        small = json.loads(out)
        if "scenario" not in small:
            continue
        path = os.path.abspath(os.path.join(folder, name_of(binary) + ".scenario"))
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
    small = shrink(binary, result["seeds"], result["profile"], folder)
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


def tell(result, args):
    if result["found"]:
        by = f"{result['kind']}: {', '.join(result['checkers'])}"
        if result["profile"] != "all":
            by += f" (--profile={result['profile']})"
        seed = result["took"][0]
    else:
        by, seed = f"SURVIVED {args.most} seeds", "-"
    print(
        f"{result['mutant']:28} {seed:>6} {result['median'] or '-':>6}"
        f"  {result['cpu_seconds']:>6}  {by}"
    )
    if result["found"]:
        print(f"    {result['text'][:160]}")


def summarise(results):
    survivors = [r["mutant"] for r in results if not r["found"]]
    print(f"{len(results) - len(survivors)} of {len(results)} found")
    if survivors:
        print("survived: " + ", ".join(survivors))
    aborted = [
        r["mutant"] for r in results if r["found"] and r["checkers"] == [CHECK]
    ]
    if aborted:
        print("found by a CHECK alone: " + ", ".join(aborted))
    shrunk = [r["shrunk"] for r in results if r.get("shrunk")]
    if shrunk:
        faults = sorted(small["faults"] for small in shrunk)
        print(
            f"{len(shrunk)} shrunk, to {faults[len(faults) // 2]} faults in the"
            f" median, in at most {max(s['cpu_ms'] for s in shrunk) / 1000:.1f}"
            " CPU seconds"
        )
    return bool(survivors)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--most", type=int, default=2000, help="seeds each")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--bases", type=int, default=1, help="ranges of seeds")
    parser.add_argument("--profiles", default=",".join(PROFILES))
    parser.add_argument("--sound", help="simulate without a bug")
    parser.add_argument("--only", help="these mutants, by commas")
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
    os.makedirs(folder, exist_ok=True)
    only = args.only.split(",") if args.only else None
    results, badly_shrunk = [], 0
    print(f"{'mutant':28} {'seed':>6} {'median':>6}  {'cpu s':>6}  found by")
    for binary in args.binaries:
        if only and name_of(binary) not in only:
            continue
        result = find_often(binary, args)
        results.append(result)
        tell(result, args)
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
    survived = summarise(results)
    sys.exit(1 if survived or badly_shrunk or not results else 0)


if __name__ == "__main__":
    main()
