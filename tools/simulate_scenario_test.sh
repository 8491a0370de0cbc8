#!/usr/bin/env bash
# simulate with scenarios that are written: exit codes, what is expected, and
# shrinking. The disks lie (a canary of the simulator), so no bug is planted.
set -uo pipefail
simulate="$PWD/$1"
cd "$TEST_TMPDIR" || exit 1
failures=0

# expect CODE TEXT ARGUMENT...: the exit code, and a part of the output.
expect() {
  local code="$1" text="$2" out
  shift 2
  out="$("$simulate" "$@" 2>&1 </dev/null)"
  local got=$?
  if [[ "$got" != "$code" || "$out" != *"$text"* ]]; then
    echo "simulate $*: exit code $got, expected $code with '$text'; it said:"
    echo "$out"
    failures=$((failures + 1))
  fi
}

cat >lying <<'END'
seed 1
config lying_disks=yes
op 600000 client=0 Register registry="unique" key="a"
op 700000 client=1 Register registry="unique" key="b"
at 900000 Pause victim=n2 length_us=10000
at 1000000 PowerCut down_us=100000
heal 2000000
END
{ cat lying && echo "expect safety durable_log"; } >lying_expected
{ cat lying && echo "expect ok"; } >lying_unexpected
{ grep -v lying_disks lying && echo "expect ok"; } >honest
{ grep -v lying_disks lying && echo "expect liveness progress"; } >too_good

# Without expectations the failure tells; with some it is whether they are met.
expect 10 "safety, durable_log" --scenario=lying
expect 10 "--scenario=lying" --scenario=lying
expect 0 "1 failed" --scenario=lying_expected
expect 10 "expected ok, but it was safety durable_log" \
  --scenario=lying_unexpected
expect 0 "0 failed" --scenario=honest --check_determinism
expect 16 "expected liveness progress, but it was ok" --scenario=too_good

# What one run can tell, a scenario can.
expect 0 "fault: PowerCut" --scenario=honest --verbose
expect 0 '"failed":0' --scenario=honest --json
expect 0 "0 failed" --scenario=honest --history_out=history
grep -q '"progress-0"' history || { echo "no history"; failures=1; }

# The smallest: no fault but the loss of power, if that. It fails alone.
expect 10 "0 operations (of 2)" --scenario=lying --shrink --scenario_out=small
expect 0 "1 failed" --scenario=small
expect 10 '"fails_alone":true' --scenario=lying --shrink --json
grep -q Pause small && { echo "a pause does not matter"; failures=1; }
expect 0 "0 failed" --seed=7 --shrink

# A seed, written down.
expect 0 "0 failed" --seed=7 --seconds=2 --scenario_out=seed_7
expect 0 "0 failed" --scenario=seed_7
grep -q "^expect ok$" seed_7 || { echo "the end is not written"; failures=1; }

echo "at 5 Crash victim=somebody" >broken
expect 2 "broken: line 1: field \"victim\" wants" --scenario=broken
expect 2 "cannot read absent" --scenario=absent
expect 2 "has its seed in its file" --scenario=honest --seed=1
expect 2 "needs --seed or --scenario" --seeds=1..2 --shrink
exit "$((failures > 0))"
