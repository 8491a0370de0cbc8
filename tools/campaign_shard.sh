#!/usr/bin/env bash
# A shard of a campaign under `bazel test`, by hand:
#
#   bazel test //tools:campaign --test_env=SIM_SEEDS=1..1000000
#
# Its record is among the shard's undeclared outputs, for simulate --merge.
set -euo pipefail
if [[ -n "${TEST_SHARD_STATUS_FILE:-}" ]]; then
  touch "$TEST_SHARD_STATUS_FILE"
fi
# shellcheck disable=SC2086  # SIM_FLAGS are words
exec "$1" --seeds="${SIM_SEEDS:-1..20000}" \
  --shard="${TEST_SHARD_INDEX:-0}/${TEST_TOTAL_SHARDS:-1}" \
  --json_out="$TEST_UNDECLARED_OUTPUTS_DIR/campaign.json" ${SIM_FLAGS:-}
