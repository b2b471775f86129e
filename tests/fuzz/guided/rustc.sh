#!/bin/sh
# The compiler with coverage for libFuzzer, for the workspace's own crates only (RUSTC_WORKSPACE_WRAPPER): all of it
# stable flags, the same that cargo-fuzz gives. Dependencies stay as `make test` built them.
exec "$@" -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
  -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Copt-level=2 -Cdebug-assertions=on \
  -Cincremental= --cfg fuzzing --check-cfg 'cfg(fuzzing)'
