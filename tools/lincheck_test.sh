#!/usr/bin/env bash
# lincheck as a command: its exit codes and what it prints.
set -uo pipefail
lincheck="$1"
histories="$2"
failures=0

# expect CODE TEXT ARGUMENT...: the exit code, and a part of the output.
expect() {
  local code="$1" text="$2" out
  shift 2
  out="$("$lincheck" "$@" 2>&1 </dev/null)"
  local got=$?
  if [[ "$got" != "$code" || "$out" != *"$text"* ]]; then
    echo "lincheck $*: exit code $got, expected $code with '$text'; it said:"
    echo "$out"
    failures=$((failures + 1))
  fi
}

expect 0 "5 operations on 1 keys judged" "$histories/ok_late_write.jsonl" \
  --configurations=1000
expect 1 "no order explains" "$histories/illegal_stale_read.jsonl"
expect 1 "revision 7" "$histories/illegal_by_revisions_only.jsonl"
expect 0 "ok" --black_box "$histories/illegal_by_revisions_only.jsonl"
expect 2 "given up" --configurations=0 "$histories/illegal_lost_update.jsonl"
expect 3 "no call to judge" /dev/null
expect 3 "cannot open" "$histories/no_such_file.jsonl"
expect 3 "usage" --bogus "$histories/ok_bytes.jsonl"
expect 3 "usage"

broken="$TEST_TMPDIR/broken.jsonl"
{
  head -n 2 "$histories/ok_bytes.jsonl"
  echo '{"client":'
} >"$broken"
expect 3 "line 3: an integer expected at byte 11" "$broken"

# From standard input.
"$lincheck" - <"$histories/illegal_count.jsonl" >/dev/null
[[ $? == 1 ]] || { echo "standard input: wrong verdict"; failures=1; }
exit "$((failures > 0))"
