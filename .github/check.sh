#!/usr/bin/env bash
# Run a make target and keep what it printed, and its exit code, in _build/checks for report.py: check.sh TARGET
set -uo pipefail
mkdir -p _build/checks
make --no-print-directory "$1" 2>&1 | tee "_build/checks/output.txt"
code=${PIPESTATUS[0]}
echo "$code" > _build/checks/code.txt
exit "$code"
