#!/usr/bin/env bash
# Everything that wants a GPU, in one go and under nine minutes, on a machine that has only Python's torch 2.11.0+cu130.
#
#   tests/gpu/run.sh package FILE.tar.xz [--lean]   here: an install of the build, with these programs and what they read, at most
#                                                   64 MiB; --lean leaves the embedded models' weights out
#   there, where the archive was unpacked (tar -xf FILE.tar.xz, or python3 -m tarfile -e FILE.tar.xz):
#   hn-gpu/share/hn/gpu/run.sh run hn-gpu OUT             tests on the device, times, memory; results in OUT
#   hn-gpu/share/hn/gpu/run.sh run hn-gpu OUT --dry-run   the same on the CPU with the embedded model, for machines without a GPU
#
# The package needs nothing of this tree; a lean one takes the weights from the tree in HN_TREE (the working directory). It holds
# no LibTorch: lib/hn/libtorch/lib is linked to the one of HN_TORCH_PYTHON (python3), or to the folder HN_TORCH_LIB; its build id
# must be the one that the package was built with. Its other libraries come with it, in lib/hn/system.
# HN_SCRATCH names the place for 34 GB of weights; left out: the memory's file system where it has room, else TMPDIR.
# OUT: summary.md grows step by step, logs.tar.gz holds every step's output.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PYTHON=${HN_TORCH_PYTHON:-python3}
LIMIT=${HN_GPU_SECONDS:-520} # for all of it; what would begin later is named as left out
SECONDS=0

die() { printf 'run.sh: %s\n' "$*" >&2; exit 1; }
say() { printf '== %4ss %s\n' "$SECONDS" "$*" | note; }
note() { if [ -n "${OUT:-}" ]; then tee -a "$OUT/summary.md" >&2; else cat >&2; fi; }

# ---- here

# Libraries of the system that the package links, but for those that every Linux with Python has.
system_libraries() { # dir
  local file
  find "$1/bin" "$1/lib" -type f \( -name '*.so*' -o -path '*/bin/*' \) | while read -r file; do ldd "$file" 2>/dev/null || true; done |
    awk '$3 ~ /^\// && $1 !~ /^(libtorch|libc10|libcu|libnv|libnccl|libgomp|libhnhost|libc\.|libm\.|libdl|librt|libpthread|libgcc_s|libstdc\+\+)/ {print $3}' | sort -u
}

package() {
  local file=$1 lean=${2:-} root build dir library weights mib
  root=$(cd "$HERE/../.." && pwd)
  build=${HN_BUILD:-$root/build/release}
  for program in gpu_test gpu_measure hnhost; do [ -x "$build/bin/$program" ] || die "$build/bin has no $program: build it first"; done
  WORK=$(mktemp -d)
  trap 'rm -rf "$WORK"' EXIT
  dir=$WORK/hn-gpu
  for part in sdk plugins host libtorch_link; do  # LibTorch comes with the Python of the other machine
    cmake --install "$build" --prefix "$dir" --strip --component $part >/dev/null
  done
  install -s "$build/bin/gpu_test" "$build/bin/gpu_measure" "$dir/bin/"
  # For building against, and for pulling weights, which brings libcurl along.
  rm -rf "$dir/include" "$dir/lib/cmake" "$dir/share/hn/templates" "$dir/lib/libhnhost_http.so"
  mkdir -p "$dir/share/hn/gpu" "$dir/lib/hn/system"
  cp "$HERE"/{run.sh,make_models.py,peer.py,report.py} "$root/tests/python/pipelines.py" "$dir/share/hn/gpu/"
  cp -r "$build/golden/gpu" "$dir/share/hn/gpu/golden"
  for library in $(system_libraries "$dir"); do cp -L "$library" "$dir/lib/hn/system/"; done
  rm -rf "$dir/lib/hn/libtorch"
  case $(readelf -d "$dir/lib/libhnhost_core.so") in
    *libtorch_cuda*) ;;
    *) say "this build is against LibTorch's CPU set: good for --dry-run alone" ;;
  esac
  if [ "$lean" = --lean ]; then
    for weights in "$dir"/lib/hn/plugins/*/weights; do
      (cd "$root" && ls -d plugins/*/"$(basename "${weights%.hnp/weights}")"/weights) >>"$dir/share/hn/gpu/weights.txt"
      rm -rf "$weights"
    done
  fi
  XZ_OPT=${XZ_OPT:--T0} tar -C "$WORK" -cJf "$file" hn-gpu
  mib=$(du -m "$file" | cut -f1)
  [ "$mib" -le 64 ] || die "the package has $mib MiB, more than 64"
  say "package: $file, $mib MiB"
}

# ---- there

# What a lean package left out, from a tree.
fetch_weights() { # dir
  local weights tree=${HN_TREE:-$PWD}
  [ -e "$1/share/hn/gpu/weights.txt" ] || return 0
  while read -r weights; do
    [ -d "$tree/$weights" ] || die "a lean package: expected $tree/$weights (HN_TREE), it is not there"
    cp -r "$tree/$weights" "$1/lib/hn/plugins/$(basename "$(dirname "$weights")").hnp/"
  done <"$1/share/hn/gpu/weights.txt"
}

# Python's torch in the place where the libraries look for LibTorch, if it is the one they were built with.
link_torch() { # dir
  local lib=${HN_TORCH_LIB:-}
  [ -n "$lib" ] || lib=$("$PYTHON" -c 'import importlib.util as i; print(i.find_spec("torch").submodule_search_locations[0] + "/lib")') ||
    die "$PYTHON has no torch"
  rm -rf "$1/lib/hn/libtorch" && mkdir -p "$1/lib/hn/libtorch"
  ln -s "$lib" "$1/lib/hn/libtorch/lib"
  "${HN[@]}" "$1/bin/hnhost" list plugins --json >"$LOGS/plugins.json"
  "$PYTHON" - "$lib/libtorch_cpu.so" "$LOGS/plugins.json" <<'PY'
import json, mmap, re, sys
library, listed = sys.argv[1:]
rows = json.load(open(listed))["plugins"]
wanted = {row["libtorch"] for row in rows if row.get("libtorch", "none") != "none"}
with open(library, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
    note = re.search(rb"\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0(.{20})", data, re.DOTALL)
    found = note.group(1).hex() if note else "none"
bad = [row for row in rows if row.get("status") != "ok"]
if wanted != {found} or bad:
    sys.exit(f"run.sh: the package was built with LibTorch {wanted}, {library} is {found}; plugins that are not ok: {bad}")
PY
}

# Runs a step unless the time is up, for at most so many seconds; a failure is noted and the rest goes on.
FAILED=()
step() { # name, seconds, command...
  local name=$1 most=$2 left=$((LIMIT - SECONDS)) code=0
  shift 2
  if [ "$left" -le 5 ]; then say "$name: left out, the time is up"; FAILED+=("$name (no time)"); return 1; fi
  [ "$most" -le "$left" ] || most=$left
  timeout -k 5 "$most" "$@" >"$LOGS/$name.txt" 2>"$LOGS/$name.err" || code=$?
  if [ "$code" -ne 0 ]; then
    say "$name: FAILED with $code (124 and 137: over $most s)"
    { grep -hE '^\[  FAILED|Failure$|^gpu_measure|Error' "$LOGS/$name.txt" "$LOGS/$name.err" | head -20; tail -n 8 "$LOGS/$name.err"; } | sed 's/^/    /' | note
    FAILED+=("$name")
    return 1
  fi
  say "$name: done"
  grep -h '^{"row"' "$LOGS/$name.txt" | note || true
  grep -hE '^\[  (PASSED|SKIPPED) +\] [0-9]+ test' "$LOGS/$name.txt" | sed 's/^/    /' | note || true
}

tests() { # name, filter
  step "$1" 120 "${HN[@]}" "$DIR/bin/gpu_test" "--gtest_filter=$2" --gtest_brief=0
}
measure() { # row, seconds, generator, flags...
  local row=$1 most=$2 generator=$3
  shift 3
  step "$row" "$most" "${HN[@]}" "$DIR/bin/gpu_measure" "$row" "$generator" "$DEVICE" "$DTYPE" "$WORK/prompts.txt" --repeats "$REPEATS" "$@"
}
peer() { # row, seconds, folder, size, flags...
  local row=$1 most=$2
  shift 2
  "$PYTHON" -c 'import diffusers, peft, transformers' 2>/dev/null || { say "$row: left out, $PYTHON has no diffusers, peft and transformers"; return 0; }
  step "$row" "$most" "$PYTHON" "$HERE/peer.py" "$row" "$1" "$DEVICE" "$DTYPE" "$2" "$REPEATS" "${@:3}"
}

# A model of published size: made, measured, measured in Python, removed.
published() { # model, size, rows...
  local model=$1 size=$2
  shift 2
  step "make_$model" 150 "$PYTHON" "$HERE/make_models.py" "$WORK/models" "$model" || { rm -rf "$WORK/models"; return 0; }
  cat "$LOGS/make_$model.txt" >>"$OUT/summary.md"
  "$@" "$WORK/models/$model" "$size" || true
  rm -rf "$WORK/models"
}
sd_turbo() { measure sd-turbo 90 sd-turbo --weights "$1" --size "$2" || true; peer sd-turbo-python 90 "$1" "$2"; }
sana_sprint() { measure sana-sprint 100 sana-sprint --weights "$1" --size "$2" || true; peer sana-sprint-python 100 "$1" "$2"; }
flux_schnell() {
  measure flux-schnell 120 flux-schnell --weights "$1" --size "$2" --train-option 'memory_budget = "16GiB"' || true
  flux_in_24_gb "$@" || true
  peer flux-schnell-python 150 "$1" "$2" --checkpointing
}
# A training step on a card of 24 GB: the allocator may take 23 GiB, the rest is the driver's. Where that is refused, the same
# without the bound says by how much.
flux_in_24_gb() {
  local total flags=(--weights "$1" --size "$2" --parts train
    --generator-option 'quantise = "int8"' --generator-option 'text_encoder = "free"' --generator-option 'prompt_cache = "off"'
    --generator-option 'vae_tile = 256' --train-option 'memory_budget = "4GiB"' --train-option 'micro_batch = 1')
  total=$(nvidia-smi --query-gpu=memory.total --format=csv,noheader,nounits | head -1)
  PYTORCH_CUDA_ALLOC_CONF=per_process_memory_fraction:$(awk "BEGIN {print 23 * 1024 / $total}") \
    measure flux-schnell-24gb 120 flux-schnell "${flags[@]}" || measure flux-schnell-24gb-unbounded 100 flux-schnell "${flags[@]}"
}

# The memory's file system is as fast as memory and needs no disk; it must hold the largest model.
scratch() {
  local shm=0
  shm=$(df -k --output=avail /dev/shm 2>/dev/null | tail -1) || true
  if [ -n "${HN_SCRATCH:-}" ]; then echo "$HN_SCRATCH"
  elif [ "${shm:-0}" -gt $((40 << 20)) ]; then echo /dev/shm
  else echo "${TMPDIR:-/tmp}"; fi
}

finish() {
  rm -rf "$WORK/models"
  { echo; "$PYTHON" "$HERE/report.py" "$LOGS"; } >>"$OUT/summary.md" 2>&1 || true
  tar -C "$WORK" -czf "$OUT/logs.tar.gz" logs || true
  rm -rf "$WORK"
}

run() {
  [ $# -ge 2 ] || die "run wants the package's folder and one for results"
  DIR=$(cd "$1" && pwd); mkdir -p "$2"; OUT=$(cd "$2" && pwd)
  case ${3:-} in '') DEVICE=cuda DTYPE=bfloat16 REPEATS=10 ;; --dry-run) DEVICE=cpu DTYPE=float32 REPEATS=2 ;; *) die "expected --dry-run, got $3" ;; esac
  WORK=$(mktemp -d "$(scratch)/hn-gpu.XXXXXX"); LOGS=$WORK/logs; mkdir "$LOGS"
  : >"$OUT/summary.md"
  trap finish EXIT
  export HN_TEST_PLUGINS=$DIR/lib/hn/plugins HN_TEST_GOLDEN=$DIR/share/hn/gpu/golden HN_GPU_DEVICE=$DEVICE HN_GPU_REQUIRED=1
  export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$(($(nproc) < 8 ? $(nproc) : 8))} OMP_WAIT_POLICY=PASSIVE PYTHONUNBUFFERED=1
  export HN_PROMPT_CACHE=$WORK/prompts
  # For the package's programs alone: Python has its own.
  HN=(env "LD_LIBRARY_PATH=$DIR/lib/hn/system${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}")
  printf 'a red cat\ntwo dogs on a hill\na blue car\nthree stars\n' >"$WORK/prompts.txt"
  { uname -m; nproc; nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader 2>/dev/null || echo "no GPU"
    "$PYTHON" -c 'import importlib.metadata as m; print("torch", m.version("torch"))' 2>/dev/null || true; } | note
  fetch_weights "$DIR"
  link_torch "$DIR"
  say "LibTorch is the one that the package was built with"

  tests tests_errors 'GpuErrors.*:GpuComparison.*' || true
  if grep -qs 'LibTorch finds no CUDA device' "$LOGS/tests_errors.txt"; then die "no CUDA device, or a package of a CPU build: --dry-run needs neither"; fi
  tests tests_streams 'StreamTest.*' || true
  tests tests_generators '*GpuGenerators.*:GpuTest.*' || true
  tests tests_rewards '*GpuRewards.*' || true
  tests tests_session 'GpuSession.*' || true
  step train_embedded 60 "${HN[@]}" "$DIR/bin/hnhost" --generator emoji-sprint --reward clip --device "$DEVICE" --steps 10 --batch 4 --rank 4 \
    --set eval.count=4 --out "$WORK/run" --overwrite --quiet || true
  measure emoji-sprint 60 emoji-sprint || true
  peer emoji-sprint-python 60 "$HN_TEST_PLUGINS/sana_sprint.hnp/weights/emoji-sprint" 64 || true
  if [ "$DEVICE" = cuda ]; then
    published sd-turbo 512 sd_turbo
    published sana-sprint 1024 sana_sprint
    published flux-schnell 512 flux_schnell
  fi
  if [ ${#FAILED[@]} -gt 0 ]; then say "failed: ${FAILED[*]}"; exit 1; fi
  say "all done"
}

case ${1:-} in
  package) [ $# -ge 2 ] || die "package wants a file"; package "${@:2}" ;;
  run) shift; run "$@" ;;
  *) sed -n '2,18p' "${BASH_SOURCE[0]}"; exit 2 ;;
esac
