#!/usr/bin/env bash
# run.sh without a GPU: an archive of this build, unpacked elsewhere, runs its dry run from start to end; and what run.sh says
# where something is missing.
#   package_test.sh BUILD LIBTORCH_LIB
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
fail() { printf 'package_test: %s\n' "$*" >&2; exit 1; }
# Runs something that must fail and say this.
refused() { # text, command...
  local text=$1
  shift
  if "$@" >"$WORK/log" 2>&1; then fail "expected a failure: $*"; fi
  grep -q "$text" "$WORK/log" || { cat "$WORK/log"; fail "expected '$text' of: $*"; }
}
export HN_BUILD=$1 HN_TORCH_LIB=$2 HN_SCRATCH=$WORK

XZ_OPT=-0 "$HERE/run.sh" package "$WORK/lean.tar.xz" --lean
tar -C "$WORK" -xf "$WORK/lean.tar.xz"
run=$WORK/hn-gpu/share/hn/gpu/run.sh
[ ! -e "$WORK/hn-gpu/lib/hn/plugins/sana_sprint.hnp/weights" ] || fail "a lean package with weights"
refused "expected $WORK/plugins/" env HN_TREE="$WORK" "$run" run "$WORK/hn-gpu" "$WORK/out" --dry-run
export HN_TREE=$HERE/../..

mkdir "$WORK/other" && printf 'no library' >"$WORK/other/libtorch_cpu.so"
refused 'was built with LibTorch' env HN_TORCH_LIB="$WORK/other" "$run" run "$WORK/hn-gpu" "$WORK/out" --dry-run
refused 'has no gpu_test: build it first' env HN_BUILD="$WORK" "$HERE/run.sh" package "$WORK/none.tar.xz"
refused 'expected --dry-run, got --dry' "$run" run "$WORK/hn-gpu" "$WORK/out" --dry
refused 'left out, the time is up' env HN_GPU_SECONDS=1 "$run" run "$WORK/hn-gpu" "$WORK/out" --dry-run
grep -q 'failed: .*tests_session (no time)' "$WORK/out/summary.md" || fail "what was left out is no failure"
# A GPU that is not there is a failure, not a number of skipped tests.
if ! command -v nvidia-smi >/dev/null; then refused 'no CUDA device, or a package of a CPU build' "$run" run "$WORK/hn-gpu" "$WORK/out"; fi

"$run" run "$WORK/hn-gpu" "$WORK/out" --dry-run
grep -q 'all done' "$WORK/out/summary.md" || fail "the dry run did not end"
grep -q '^| train step, ms | [0-9]' "$WORK/out/summary.md" || fail "no table of times"
tar -tzf "$WORK/out/logs.tar.gz" | grep -q 'logs/tests_generators.txt' || fail "no logs"
[ -z "$(find "$WORK" -maxdepth 1 -name 'hn-gpu.*')" ] || fail "a scratch folder was left behind"
