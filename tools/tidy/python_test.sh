#!/usr/bin/env bash
# Runs a Python program as a test. (py_test's own start-up asks for a command
# named `python`, which Debian does not have.)
set -euo pipefail
exec python3 "$@"
