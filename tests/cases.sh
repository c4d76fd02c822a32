#!/bin/sh
# Runs each script FOLDER/*.py with --check. Prints if dmad is right or wrong; fails if it is wrong.
# Usage: tests/cases.sh FOLDER
export DMAD="${DMAD:-$PWD/.venv/bin/dmad}" OMP_NUM_THREADS=1
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
status=0
for case in "$1"/*.py; do
    verdict=right
    result=$(.venv/bin/python tests/run_case.py "$case" "$place/input" --check 2>&1) || verdict=wrong status=1
    [ $verdict = right ] || verdict="$verdict: $(echo "$result" | tail -n 1 | sed 's/^wrong: //')"
    echo "$(basename "$case" .py): $verdict"
    rm -rf "$place/input"
done
exit $status
