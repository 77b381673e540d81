#!/usr/bin/env bash
# Everything that wants a GPU, in one go and under nine minutes, on a machine that has only Python's torch 2.11.0+cu130.
#
#   tests/gpu/run.sh package DIR     here: installs the build into DIR, stripped, with this folder's program (at most 64 MiB)
#   tests/gpu/run.sh run DIR [OUT]   there: checks, contract suite on the device, times and peak memory; results in OUT
#   tests/gpu/run.sh run DIR OUT --dry-run   the same on the CPU with the embedded model, for machines without a GPU
#
# The package holds no LibTorch: DIR/lib/hn/libtorch is linked to Python's torch, whose build id must be the one that the package was
# built with (HN_LIBTORCH=.../site-packages/torch).
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=${HN_BUILD:-$ROOT/build/release}
LIMIT=530 # seconds for all of it; whatever is due after that is named as left out
SECONDS=0

die() { printf 'run.sh: %s\n' "$*" >&2; exit 1; }
say() { printf '== %4ss %s\n' "$SECONDS" "$*" >&2; }

package() {
  local dir=$1
  cmake --install "$BUILD" --prefix "$dir" --strip >/dev/null
  install -s "$BUILD/bin/gpu_measure" "$dir/bin/"
  rm -rf "$dir/lib/hn/libtorch"
  local mib
  mib=$(du -sm "$dir" | cut -f1)
  [ "$mib" -le 64 ] || die "the package has $mib MiB, more than 64"
  say "package: $dir, $mib MiB"
}

# Python's torch in the place where the libraries look for LibTorch.
link_torch() {
  local dir=$1 torch
  torch=$(python3 -c 'import os, torch; print(os.path.dirname(torch.__file__))') || die "python3 has no torch"
  mkdir -p "$dir/lib/hn/libtorch"
  rm -rf "$dir/lib/hn/libtorch/lib"
  ln -s "$torch/lib" "$dir/lib/hn/libtorch/lib"
  "$dir/bin/hnhost" list plugins --json >"$OUT/plugins.json"
  python3 - "$dir" "$torch" "$OUT/plugins.json" <<'PY'
import json, re, subprocess, sys
folder, torch, listed = sys.argv[1:]
notes = subprocess.run(["readelf", "-n", torch + "/lib/libtorch_cpu.so"], capture_output=True, text=True).stdout
found = re.search(r"Build ID: ([0-9a-f]+)", notes)
wanted = {row["libtorch"] for row in json.load(open(listed))["plugins"] if row.get("libtorch", "none") != "none"}
if found and wanted != {found.group(1)}:
    sys.exit(f"run.sh: the package was built with LibTorch {wanted}, this machine has {found.group(1)}")
PY
}

# Runs a step unless the time is up; its output goes to OUT, its failure is noted and the rest goes on.
FAILED=()
step() { # name, command...
  local name=$1; shift
  if [ "$SECONDS" -ge "$LIMIT" ]; then say "$name: left out, the time is up"; FAILED+=("$name (time)"); return 0; fi
  say "$name"
  if ! timeout $((LIMIT - SECONDS + 5)) "$@" >"$OUT/$name.txt" 2>"$OUT/$name.err"; then
    tail -5 "$OUT/$name.err" >&2
    FAILED+=("$name")
  fi
}

run() {
  local dir=$1 dry=${3:-}
  OUT=${2:-gpu-results}
  mkdir -p "$OUT"
  dir=$(cd "$dir" && pwd); OUT=$(cd "$OUT" && pwd)
  link_torch "$dir"
  local device=cuda dtype=bfloat16 repeats=10
  if [ "$dry" = --dry-run ]; then device=cpu dtype=float32 repeats=2; fi
  { uname -m; nvidia-smi -L 2>/dev/null || echo "no GPU"; python3 -c 'import torch; print("torch", torch.__version__)'; } >"$OUT/machine.txt"
  printf 'a red cat\ntwo dogs on a hill\na blue car\nthree stars\n' >"$OUT/prompts.txt"

  # Streams, devices and gradients as the ABI says, on the device.
  step validate_sana "$dir/bin/hnhost" validate sana_sprint --set "device=$device"
  step validate_clip "$dir/bin/hnhost" validate clip --set "device=$device"
  step train_embedded "$dir/bin/hnhost" --generator emoji-sprint --reward redness --device "$device" --steps 20 --batch 4 \
    --rank 4 --set eval.count=4 --out "$OUT/run" --overwrite --quiet
  step times_emoji "$dir/bin/gpu_measure" emoji-sprint "$device" float32 "$OUT/prompts.txt" --repeats "$repeats"
  if [ "$dry" != --dry-run ]; then
    step make_models python3 "$ROOT/tests/gpu/make_models.py" "$OUT/models" sana-sprint sd-turbo
    measure sana-sprint 1024
    measure sd-turbo 512
    rm -rf "$OUT/models"
  fi
  cat "$OUT"/times_*.txt 2>/dev/null || true
  if [ ${#FAILED[@]} -gt 0 ]; then die "failed: ${FAILED[*]}"; fi
  say "all done"
}

# Times of one model, and the most memory that the device had in use meanwhile.
measure() { # model, size
  nvidia-smi --query-gpu=memory.used --format=csv,noheader,nounits -lms 100 >"$OUT/peak.log" 2>/dev/null &
  local watcher=$!
  step "times_$1" "$dir/bin/gpu_measure" "$1" cuda bfloat16 "$OUT/prompts.txt" --weights "$OUT/models/$1" --size "$2" --repeats 10
  kill "$watcher" 2>/dev/null || true
  sort -n "$OUT/peak.log" | tail -1 >"$OUT/peak_$1.mib"
  rm -f "$OUT/peak.log"
  if python3 -c 'import diffusers' 2>/dev/null; then
    step "peer_$1" python3 "$ROOT/tests/gpu/peer.py" "$OUT/models/$1" cuda bfloat16 "$2" 10
  fi
}

case ${1:-} in
  package) [ $# -eq 2 ] || die "package wants a folder"; package "$2" ;;
  run) [ $# -ge 2 ] || die "run wants the package's folder"; shift; run "$@" ;;
  *) sed -n '2,11p' "$0"; exit 2 ;;
esac
