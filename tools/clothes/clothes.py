"""Runs the same seeds in different clothes, and compares the digests.

A run depends on its scenario alone. So it is the same with another compiler,
with sanitizers, at other addresses, over another heap and beside other runs.
Clothes differ in:

  binary     this build, and one for each of --configs (built here with bazelw)
             and of --binaries
  addresses  randomised, or not (setarch -R); with them the salt of absl::Hash
  heap       fresh memory as it comes, or filled with a byte; caches on or off
  jobs       how many processes share the seeds, so which runs came before in a
             process

The first step in which two runs of a seed differ is found by running both side
by side, and printed. Exit codes: 0 all equal, 13 a difference, 2 usage.
"""

import argparse
import dataclasses
import os
import subprocess
import sys
import tempfile

FILL = 0x5A  # what malloc returns is full of this byte
EXIT_DIFFER = 13
TRIES = 8  # to see once more what may depend on chance


@dataclasses.dataclass
class Clothes:
    name: str
    binary: str
    jobs: int = 1
    environment: dict = dataclasses.field(default_factory=dict)
    prefix: list = dataclasses.field(default_factory=list)

    def command(self, *args):
        return self.prefix + [self.binary, *args]

    def env(self):
        return {**os.environ, **self.environment}


def without_aslr():
    """The command that switches address randomisation off, or []."""
    prefix = ["setarch", "-R"]
    try:
        works = subprocess.run(prefix + ["true"], check=False).returncode == 0
    except FileNotFoundError:
        works = False
    if not works:
        print("addresses cannot be fixed here (setarch -R is refused)")
    return prefix if works else []


def wardrobe(binaries, jobs):
    """All clothes: each binary in its own, the first in several."""
    # AddressSanitizer brings its own heap, which fills with a byte of its own.
    sanitizer = os.environ.get("ASAN_OPTIONS", "")
    fill = {
        "MALLOC_PERTURB_": str(0xFF - FILL),  # glibc takes the complement
        "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0",
        "ASAN_OPTIONS": f"{sanitizer}:malloc_fill_byte={FILL}".lstrip(":"),
    }
    clothes = [Clothes("plain", binaries[0][1], jobs)]
    clothes.append(
        Clothes(
            "fixed addresses, filled heap, one process more",
            binaries[0][1],
            jobs + 1,
            fill,
            without_aslr(),
        )
    )
    for name, binary in binaries[1:]:
        clothes.append(Clothes(name, binary, jobs, {"MALLOC_PERTURB_": "7"}))
    return clothes


def digests(clothes, seeds, flags):
    """{seed: digest} of a sweep; a seed that died has none."""
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "digests")
        done = subprocess.run(
            clothes.command(
                f"--seeds={seeds}", f"--jobs={clothes.jobs}", f"--digests_out={out}", *flags
            ),
            env=clothes.env(),
            check=False,
            stdout=subprocess.DEVNULL,
        )
        if done.returncode == 2 or not os.path.exists(out):
            sys.exit(f"{clothes.binary} ended with code {done.returncode}")
        with open(out, encoding="utf-8") as lines:
            return dict(line.split() for line in lines)


def steps(process):
    """The steps that a simulate tells, each a list of lines."""
    step = []
    for line in process.stdout:
        if "us  step " in line:
            if step:
                yield step
            step = [line.rstrip("\n")]
        elif line.startswith("    ") and step:
            step.append(line.rstrip("\n"))
        elif step:
            break
    if step:
        yield step
    while True:
        yield ["(the run is over)"]


def first_difference(a, b, seed, flags):
    """Runs both step by step; the steps that differ, or None."""
    processes = [
        subprocess.Popen(
            clothes.command(f"--seed={seed}", f"--steps=1..{2**62}", *flags),
            env=clothes.env(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            errors="replace",
        )
        for clothes in (a, b)
    ]
    before = None
    try:
        for left, right in zip(*map(steps, processes)):
            # The digest stands in the first line and covers all that is before.
            if left != right:
                return before, left, right
            if left == ["(the run is over)"]:
                return None
            before = left
    finally:
        for process in processes:
            process.kill()
            process.wait()
            process.stdout.close()


def show(a, b, seed, flags):
    """Prints where the runs of a seed part."""
    for _ in range(TRIES):
        found = first_difference(a, b, seed, flags)
        if found is None:
            continue
        before, left, right = found
        print("the last step that is the same in both:")
        print("\n".join(before or ["(none)"]))
        print(f"the first that is not, in \"{a.name}\":")
        print("\n".join(left))
        print(f"and in \"{b.name}\":")
        print("\n".join(right))
        if left[1:] == right[1:]:
            print("(what differs is not in the text: long values are cut there)")
        return
    print("run by itself the seed does not differ: what ran before it matters")


def build(config):
    """Builds //tools:simulate with bazelw; "asan+ubsan" is two configurations."""
    os.chdir(os.environ["BUILD_WORKSPACE_DIRECTORY"])
    if config == "O0":
        flags = ["--compilation_mode=dbg"]
    else:
        flags = [f"--config={word}" for word in config.split("+")]
    subprocess.run(["./bazelw", "build", *flags, "//tools:simulate"], check=True)
    folder = subprocess.check_output(
        ["./bazelw", "info", *flags, "bazel-bin"], text=True, stderr=subprocess.DEVNULL
    ).strip()
    return config, os.path.join(folder, "tools/simulate")


def main():
    parser = argparse.ArgumentParser(
        allow_abbrev=False, epilog="other flags are simulate's, as --profile=net"
    )
    parser.add_argument("--seeds", default="1..100", help="A..B")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--configs", default="", help="builds to compare with: clang,asan+ubsan,O0"
    )
    parser.add_argument("--binaries", default="", help="simulate, built elsewhere: A,B")
    parser.add_argument("simulate")
    args, flags = parser.parse_known_args()

    binaries = [("this build", os.path.abspath(args.simulate))]
    binaries += [(path, os.path.abspath(path)) for path in args.binaries.split(",") if path]
    binaries += [build(config) for config in args.configs.split(",") if config]
    clothes = wardrobe(binaries, args.jobs)
    plain, differ = None, 0
    for one in clothes:
        found = digests(one, args.seeds, flags)
        plain = plain or found
        different = [
            seed
            for seed in sorted({*plain, *found}, key=int)
            if plain.get(seed) != found.get(seed)
        ]
        differ += len(different)
        print(f"{one.name}: {len(found)} seeds, {len(different)} not as in plain", flush=True)
        if different:
            print(f"seed {different[0]}:")
            show(clothes[0], one, different[0], flags)
    sys.exit(EXIT_DIFFER if differ else 0)


if __name__ == "__main__":
    main()
