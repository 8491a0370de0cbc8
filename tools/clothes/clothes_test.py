"""Clothes make no difference; a planted uninitialised read does, and is found.

Usage: clothes_test.py CLOTHES SIMULATE PLANTED HASH_SALT
"""

import re
import subprocess
import sys
import unittest

CLOTHES, SIMULATE, PLANTED, HASH_SALT = sys.argv[1:5]
PLANTED_AT_US = 1_000_000  # testdata/mutants/uninitialised_read.patch


def run(*args):
    done = subprocess.run(
        [sys.executable, CLOTHES, *args], check=False, text=True, stdout=subprocess.PIPE
    )
    return done.returncode, done.stdout


class ClothesTest(unittest.TestCase):
    def test_seeds_are_the_same_in_all(self):
        code, out = run("--seeds=1..30", "--jobs=1", "--seconds=5", SIMULATE)
        self.assertEqual(code, 0, out)
        self.assertIn("plain: 30 seeds, 0 not as in plain", out)
        self.assertIn("one process more: 30 seeds, 0 not as in plain", out)

    def test_a_planted_difference_is_found_at_its_step(self):
        code, out = run("--seeds=1..3", "--jobs=1", "--seconds=2", PLANTED)
        self.assertEqual(code, 13, out)
        told = re.findall(r"^ *(\d+) us  step (\d+) ", out, re.MULTILINE)
        self.assertEqual(len(told), 3, out)
        (same_us, same), (left_us, left), (right_us, right) = (
            (int(us), int(step)) for us, step in told
        )
        # The first step after the moment at which the bug strikes.
        self.assertLess(same_us, PLANTED_AT_US)
        self.assertGreaterEqual(left_us, PLANTED_AT_US)
        self.assertEqual((left, right), (same + 1, same + 1))
        # A microsecond later, or (if it was a wake-up, which is void when it
        # comes at another time than was asked for) another step altogether.
        self.assertGreater(right_us, left_us)

    def test_addresses_salt_the_hash(self):
        """What absl::Hash gives depends on where the program lies."""
        salts = {subprocess.check_output([HASH_SALT]) for _ in range(8)}
        self.assertGreater(len(salts), 1)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
