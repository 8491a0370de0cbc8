#!/usr/bin/env bash
# The command simulate: a campaign that is killed and goes on, parts that add up,
# and one run looked at closely.
set -euo pipefail
simulate="$PWD/$1"
cd "$TEST_TMPDIR"

fail() {
  echo "$*" >&2
  exit 1
}
# expect CODE COMMAND...: runs it, its output in ./out
expect() {
  local wanted="$1" code=0
  shift
  "$@" >out 2>err || code=$?
  ((code == wanted)) || fail "$* ended with $code, not $wanted: $(cat err)"
}
digest() { sed -E 's/.*"digest":"([0-9a-f]+)".*/\1/' "$1"; }

runs=(--seconds=1 --profile=net)
expect 0 "$simulate" --seeds=1..30 "${runs[@]}" --json
cp out whole.json

# Killed when it has some chunks; the same command does the next ones.
campaign=("$simulate" "${runs[@]}" --chunk=3 --json_out=campaign.json)
"${campaign[@]}" --seeds=1..1000000 >/dev/null 2>&1 &
until [[ -s campaign.json ]]; do :; done
kill -9 $!
wait $! || true
last=$(($(wc -l <campaign.json) * 3 + 27))
expect 0 "${campaign[@]}" --seeds=1..$last --json
cp out campaign.out
grep -q "seeds $((last - 2))..$last are done" err || fail "no end: $(cat err)"
if grep -q 'seeds 1..3 are done' err; then fail "the first chunk ran twice"; fi
expect 0 "$simulate" --seeds=1..$last "${runs[@]}" --json
[[ "$(digest out)" == "$(digest campaign.out)" ]] || fail "not all: $(cat out)"
expect 2 "$simulate" --seeds=1..30 --json_out=campaign.json
grep -q 'other options' err || fail "not refused: $(cat err)"

# Three parts are the whole, whatever their order.
for part in 0 1 2; do
  expect 0 "$simulate" --seeds=1..30 --shard=$part/3 "${runs[@]}" --json
  cp out part$part.json
done
expect 0 "$simulate" --merge part2.json part0.json part1.json --json
[[ "$(digest out)" == "$(digest whole.json)" ]] || fail "not the whole: $(cat out)"
expect 2 "$simulate" --merge part1.json whole.json
grep -q 'seeds 11..20 are in both' err || fail "no overlap: $(cat err)"
expect 2 "$simulate" --shard=3/3 --seeds=1..30
expect 2 "$simulate" --merge

# A run, step by step: the trail's digests are those of the steps.
expect 0 "$simulate" --seed=4 "${runs[@]}" --steps=120..130 --trail_out=trail \
  --digests_out=digests
(($(grep -c ' us  step ' out) == 11)) || fail "not 11 steps: $(cat out)"
of_step() { sed -nE "s/.* step 128  \[([0-9a-f]+)\].*/\1/p" out; }
grep -q "^128 $(of_step)\$" trail || fail "step 128 is not in the trail"
[[ "4 $(tail -1 trail | cut -d' ' -f2)" == "$(cat digests)" ]] ||
  fail "the trail does not end with the digest of the run"
expect 2 "$simulate" --seeds=4..5 --steps=1..2
expect 2 "$simulate" --steps=2..1 --seed=4
