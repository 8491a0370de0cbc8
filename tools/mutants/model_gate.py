"""The exhaustive search finds planted bugs of the core, and nothing without them.

Usage: model_gate.py MODEL_CHECK BINARY...
"""

import os
import subprocess
import sys
import unittest

SOUND, *MUTANTS = sys.argv[1:]
# All of these states in seconds, and enough for each bug to strike.
BOUNDS = "elections=1,heartbeats=0,crashes=1,proposals=1,messages=4"
# ... of which only a part is looked at.
WIDE = "elections=2,heartbeats=1,crashes=0,proposals=1,messages=3"
STATES_MAX = 1_000_000


def search(binary, bounds, *flags):
    done = subprocess.run(
        [binary, "--quiet", f"--bounds={bounds}", *flags],
        check=False,
        text=True,
        stdout=subprocess.PIPE,
    )
    return done.returncode, done.stdout


class ModelGate(unittest.TestCase):
    def test_the_core_that_ships_breaks_no_rule(self):
        code, out = search(SOUND, BOUNDS)
        self.assertEqual(code, 0, out)
        self.assertIn("all states, nothing broken", out)

    def test_every_bug_breaks_one(self):
        for binary in MUTANTS:
            with self.subTest(os.path.basename(binary)):
                code, out = search(binary, WIDE, f"--states_max={STATES_MAX}")
                self.assertEqual(code, 1, out)
                # The way there is told, and ends with the rule.
                self.assertRegex(out, r"(?s)n1 .*: .*\nbroken: ")

    def test_a_bound_that_nobody_knows_is_refused(self):
        code, _ = search(SOUND, "electoins=1")
        self.assertEqual(code, 2)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
