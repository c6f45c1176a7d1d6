#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds, tests and measures everything that needs a GPU, on this machine, within ten minutes and without network:
#
#   bench/gpu/run.sh OUT
#
# OUT receives results.json, table.md, picture.svg and log.txt. The exit status is zero if no step failed. Needs a GPU,
# CUDA 13, CMake and Ninja; doctest comes from the system or from the folder that COPYSPEC_DEPS names; FlashInfer's
# headers in that folder, PyTorch and compute-sanitizer are used if they are there, and what lacks them is said.
set -uo pipefail

if [[ $# -ne 1 ]]; then
  sed -n '3,10s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
  exit 2
fi
mkdir -p "$1"
out=$(cd "$1" && pwd)
if [[ -n ${COPYSPEC_DEPS:-} ]]; then
  COPYSPEC_DEPS=$(realpath "$COPYSPEC_DEPS")
  export COPYSPEC_DEPS
fi
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 2
build=$PWD/build/gpu
raw=$build/measured
rm -rf "$raw"
mkdir -p "$raw"
PATH=$PATH:/usr/local/cuda/bin
python=$(command -v python3 || true)
failed=0
# Seconds after which nothing begins any more.
readonly enough=560

# note NAME OUTCOME SECONDS
note() {
  printf '%s\t%s\t%s\n' "$1" "$2" "$3" >>"$raw/steps.tsv"
  printf '%-30s %s (%s s)\n' "$1" "$2" "$3"
}

skip() {
  note "$1" "not run: $2" 0
}

# step NAME LIMIT COMMAND...: runs it for at most LIMIT seconds, its output into NAME.log
step() {
  local name=$1 limit=$2 status=0 begin=$SECONDS
  shift 2
  local left=$((enough - SECONDS))
  if ((left < 5)); then
    skip "$name" "no time was left"
    failed=1
    return 1
  fi
  limit=$((limit < left ? limit : left))
  timeout --kill-after=5 "$limit" "$@" >"$raw/$name.log" 2>&1 || status=$?
  if ((status == 0)); then
    note "$name" passed $((SECONDS - begin))
  else
    if ((status == 124 || status == 137)); then
      note "$name" "FAILED: longer than $limit s" $((SECONDS - begin))
    else
      note "$name" "FAILED: status $status" $((SECONDS - begin))
    fi
    failed=1
  fi
  return "$status"
}

# What is known by now.
report() {
  tail -n +1 "$raw"/*.log >"$out/log.txt"
  if [[ -z $python ]]; then
    echo "no table: python3 is not installed" >&2
  elif ! timeout 20 "$python" bench/gpu/report.py "$raw" "$out"; then
    failed=1
  fi
}

if ! capability=$(timeout 60 nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | head -n 1) ||
  [[ ! $capability =~ ^[0-9]+\.[0-9]+$ ]]; then
  echo "bench/gpu/run.sh: no GPU found, this needs a machine with a GPU" >&2
  exit 2
fi
timeout 60 nvidia-smi >"$raw/nvidia-smi.log" 2>&1

# What no device needs is left out: no other library is then needed either.
if ! step configure 90 cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_CUDA_FLAGS=-lineinfo \
  -DCOPYSPEC_CUDA=ON "-DCMAKE_CUDA_ARCHITECTURES=${capability/./}-real" -DCOPYSPEC_BUILD_TESTS=OFF \
  -DCOPYSPEC_BUILD_EXAMPLES=OFF -DCOPYSPEC_BUILD_BENCH=OFF -DCOPYSPEC_BUILD_GPU=ON -DCOPYSPEC_INSTALL=OFF; then
  cat "$raw/configure.log" >&2
  report
  exit 1
fi
# One program that cannot be built does not keep the others from running.
step build 240 cmake --build "$build" -- -k 0
tests=$build/bin/copyspec-gpu-tests

# A process a unit: after a fault in one, the device does nothing more for that process. Among these are capture and
# replay, and the ten thousand repeats with poisoned outputs.
for source in tests/cuda/*.cu tests/cuda/detail/*.cu; do
  unit=${source#tests/cuda/}
  unit=${unit%.cu}
  step "tests.${unit/\//.}" 60 "$tests" --duration=true "--source-file=*/$source"
done
step examples 30 bash -c "'$build/bin/device_quick_start' && '$build/bin/verify_batch'"

step bench 70 bash -c "'$build/bin/copyspec-gpu-bench' >'$raw/bench.jsonl'"
step sample_bench 60 bash -c "'$build/bin/copyspec-gpu-sample-bench' >'$raw/sample.jsonl'"
if [[ -n $python ]] &&
  timeout 60 "$python" -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then
  step torch 70 bash -c "'$python' bench/gpu/torch_argmax.py >'$raw/torch.jsonl'"
  step torch_sampling 40 bash -c "'$python' bench/gpu/torch_sampling.py >'$raw/torch_sampling.jsonl'"
else
  skip torch "PyTorch with CUDA is not installed"
fi
report

sanitizer=$(command -v compute-sanitizer || true)
if [[ -z $sanitizer ]]; then
  skip compute-sanitizer "it is not installed"
else
  for tool in memcheck initcheck synccheck; do
    step "$tool" 60 "$sanitizer" --tool "$tool" --error-exitcode 9 "$tests" \
      '--test-case-exclude=stress*,vocabularies*,what a launch*cannot do*,rough noise*'
  done
  # It sees shared memory only, which this unit has all uses of.
  step racecheck 40 "$sanitizer" --tool racecheck --error-exitcode 9 "$tests" \
    '--source-file=*/tests/cuda/detail/block_team.cu'
fi
report
if [[ -f $out/table.md ]]; then cat "$out/table.md"; fi
exit "$failed"
