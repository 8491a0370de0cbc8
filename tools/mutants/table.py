"""Prints what mutants.py --json=FILE wrote as the tables of docs/mutants.md."""

import json
import statistics
import sys


def found_table(results):
    yield "| bug | seed | median | CPU s | kind | checkers that fired at that seed |"
    yield "|---|---|---|---|---|---|"
    for result in results:
        name = f"`{result['mutant']}`"
        if not result["found"]:
            yield f"| {name} | - | - | {result['cpu_seconds']} | survived | |"
            continue
        checkers = ", ".join(result["checkers"])
        if result["profile"] != "all":
            checkers += f" (`--profile={result['profile']}`)"
        yield (
            f"| {name} | {result['took'][0]} | {result['median'] or '-'} |"
            f" {result['cpu_seconds']} | {result['kind']} | {checkers} |"
        )


def shrunk_table(results):
    yield (
        "| bug | seed | kind and checker | faults | shrunk | operations | shrunk |"
        " CPU s |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    for result in results:
        small = result.get("shrunk")
        if not small:
            continue
        yield (
            f"| `{result['mutant']}` | {small['seed']} | {small['kind']}"
            f" {small['checker']} | {small['faults_before']} | {small['faults']} |"
            f" {small['operations_before']} | {small['operations']} |"
            f" {small['cpu_ms'] / 1000:.1f} |"
        )


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        results = json.load(file)
    print("\n".join(found_table(results)))
    shrunk = [r["shrunk"] for r in results if r.get("shrunk")]
    if shrunk:
        print()
        print("\n".join(shrunk_table(results)))
        faults = [small["faults"] for small in shrunk]
        print(f"\nThe median is {statistics.median_high(faults)} (at most {max(faults)}).")


if __name__ == "__main__":
    main()
