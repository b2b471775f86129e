#!/bin/bash
# tests/fuzz/guided/run.sh [SECONDS] [TARGET…]: builds the fuzz targets with coverage and runs each for so many seconds.
#
# What a run learns stays in target/fuzz/corpus/<target>, so that the next one goes on from there. An input that breaks
# something is left in target/fuzz/found; keep it as tests/fuzz/found/<what>-<target> and `make test` knows it for good.
set -euo pipefail

cd "$(dirname "$0")/../../.."
seconds=${1:-60}
shift || true
here=$PWD/tests/fuzz/guided
target=${CARGO_TARGET_DIR:-target}
# A build script probes the compiler; only real crates are instrumented, and only in this folder's own build.
RUSTC_WORKSPACE_WRAPPER=$here/rustc.sh cargo build --quiet --package gridpost-fuzz
program=$target/debug/gridpost-fuzz
[ $# -gt 0 ] || mapfile -t all < <("$program" 2>/dev/null || true)
[ $# -gt 0 ] && all=("$@")
[ "${#all[@]}" -gt 0 ] || { echo "fuzz: $program names no target" >&2; exit 1; }

broken=0
for name in "${all[@]}"; do
  corpus=$target/fuzz/corpus/$name found=$target/fuzz/found
  mkdir -p "$corpus" "$found"
  log=$target/fuzz/$name.log
  if GRIDPOST_FUZZ_TARGET=$name GRIDPOST_FUZZ_CORPUS=$corpus "$program" "$corpus" \
    -max_total_time="$seconds" -max_len=16384 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="$found/$name-" >"$log" 2>&1; then
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    covered=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -1)
    printf '%-16s %10s inputs in %s s, %s places covered, %s kept in the corpus, nothing found\n' \
      "$name" "$runs" "$seconds" "$covered" "$(find "$corpus" -type f | wc -l)"
  else
    broken=1
    printf '%-16s BROKEN; the input is in %s, the log is %s:\n' "$name" "$found" "$log"
    grep -E 'panicked|ERROR|SUMMARY|Test unit written' -A2 "$log" | tail -12
  fi
done
exit $broken
