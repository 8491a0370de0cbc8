#!/usr/bin/env bash
# The demo succeeds, from any folder, and leaves nothing behind; its check can
# fail; and what its nodes recorded happens again, step by step.
set -euo pipefail

demo="$PWD/tools/demo"
replay="$PWD/tools/replay"
cd /
export NO_COLOR=1

fail() { echo "FAILED: $*"; cat "$TEST_TMPDIR/out"; exit 1; }
left() { find "$TEST_TMPDIR" -maxdepth 1 -name 'raregistry-demo-*'; }

"$demo" --record="$TEST_TMPDIR/traces" >"$TEST_TMPDIR/out" 2>&1 ||
  fail "exit code $?"
cat "$TEST_TMPDIR/out"
grep -q "every acknowledged name was kept" "$TEST_TMPDIR/out" ||
  fail "no happy end"
[[ "$(grep -c "found, each with its port" "$TEST_TMPDIR/out")" == 2 ]] ||
  fail "not looked up twice"
[[ -z "$(left)" ]] || fail "left behind: $(left)"

# Three nodes; one lived three times and two twice.
traces=("$TEST_TMPDIR"/traces/*.trace)
[[ "${#traces[@]}" == 7 ]] || fail "${#traces[@]} traces, not 7"
"$replay" "${traces[@]}" || fail "a trace does not replay"

code=0
"$demo" --plant_mismatch >"$TEST_TMPDIR/out" 2>&1 || code=$?
[[ "$code" == 1 ]] || fail "a planted mismatch: exit code $code, not 1"
grep -q "planted/tcp" "$TEST_TMPDIR/out" || fail "the mismatch is not named"
[[ -z "$(left)" ]] || fail "left behind: $(left)"
