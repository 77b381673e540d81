#!/usr/bin/env bash
# The benchmarks: ABI crossings (Google Benchmark), then each case beside Python's diffusers + peft in the same run.
# HN_PYTHON names a Python with diffusers, transformers and peft; without one only hn's own figures are taken.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
BIN=build/release/bin
THREADS=${HN_THREADS:-2}
export OMP_NUM_THREADS=$THREADS OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-PASSIVE}

[ "${1:-}" = paired ] || "$BIN/bench_abi" --benchmark_counters_tabular=true
peer=${HN_PYTHON:-}
[ -n "$peer" ] || printf 'HN_PYTHON is not set: no peer\n' >&2

printf '\n| case | hn, ms | peer, ms | peer / hn | hn, MiB | peer, MiB |\n|---|---|---|---|---|---|\n'
for case in sample_core_b1 sample_core_b16 adapted_sample_b1 adapted_sample_b16 train_redness train_clip; do
  ours=$("$BIN/bench_session" "$case" --threads "$THREADS")
  theirs='{}'
  [ -n "$peer" ] && theirs=$("$peer" -W ignore tests/python/bench_peer.py --case "$case" --threads "$THREADS" 2>/dev/null | tail -n 1)
  python3 - "$case" "$ours" "$theirs" <<'PY'
import json, sys
case, ours, theirs = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
def ms(r): return f"{1e3 * r['median_s']:.1f} ({1e3 * r['min_s']:.1f}-{1e3 * r['max_s']:.1f})" if r else "-"
ratio = f"{theirs['median_s'] / ours['median_s']:.2f}" if theirs else "-"
print(f"| {case} | {ms(ours)} | {ms(theirs)} | {ratio} | {ours['peak_rss_mib']:.0f} | {theirs.get('peak_rss_mib', 0):.0f} |")
PY
done
