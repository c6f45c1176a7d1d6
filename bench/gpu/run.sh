#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds, tests and measures everything that needs a GPU, on this machine, within ten minutes and without network:
#
#   bench/gpu/run.sh OUT
#
# OUT receives results.json, table.md, picture.svg, steps.tsv and the log of every step. The exit status is zero if no
# step failed. Needs a GPU, CUDA 13, CMake and Ninja; doctest comes from the system or from the folder that
# COPYSPEC_DEPS names; FlashInfer's headers in that folder, PyTorch and compute-sanitizer are used if they are there, and
# what lacks them is said.
set -uo pipefail

if [[ $# -ne 1 ]]; then
  sed -n '3,11s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
  exit 2
fi
mkdir -p "$1"
out=$(cd "$1" && pwd)
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
build=$root/build/gpu
PATH=$PATH:/usr/local/cuda/bin
failed=0
: >"$out/steps.tsv"

# note NAME OUTCOME SECONDS
note() {
  printf '%s\t%s\t%s\n' "$1" "$2" "$3" >>"$out/steps.tsv"
  printf '%-28s %s (%s s)\n' "$1" "$2" "$3"
}

# step NAME LIMIT COMMAND...: runs it for at most LIMIT seconds, its output into NAME.log
step() {
  local name=$1 limit=$2 status=0 begin=$SECONDS
  shift 2
  timeout --kill-after=10 "$limit" "$@" >"$out/$name.log" 2>&1 || status=$?
  if [[ $status -eq 0 ]]; then
    note "$name" passed $((SECONDS - begin))
  else
    if [[ $status -eq 124 || $status -eq 137 ]]; then
      note "$name" "FAILED: longer than $limit s" $((SECONDS - begin))
    else
      note "$name" "FAILED: status $status, see $name.log" $((SECONDS - begin))
    fi
    failed=1
  fi
  return "$status"
}

skip() {
  note "$1" "not run: $2" 0
}

if ! capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | head -n 1) ||
  [[ ! $capability =~ ^[0-9]+\.[0-9]+$ ]]; then
  echo "bench/gpu/run.sh: no GPU found, this needs a machine with a GPU" >&2
  exit 2
fi
nvidia-smi >"$out/nvidia-smi.log" 2>&1

# What no device needs is left out: no other library is then needed either.
step configure 20 cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCOPYSPEC_CUDA=ON \
  "-DCMAKE_CUDA_ARCHITECTURES=${capability/./}-real" -DCOPYSPEC_BUILD_TESTS=OFF -DCOPYSPEC_BUILD_EXAMPLES=OFF \
  -DCOPYSPEC_BUILD_BENCH=OFF -DCOPYSPEC_BUILD_GPU=ON -DCOPYSPEC_INSTALL=OFF &&
  step build 130 cmake --build "$build" || exit 1
tests=$build/bin/copyspec-gpu-tests

# All tests, among them capture and replay, and the ten thousand repeats with poisoned outputs.
step tests 75 "$tests" --duration=true
step example 10 bash -c "'$build/bin/device_quick_start' && '$build/bin/verify_batch'"

sanitizer=$(command -v compute-sanitizer || true)
for tool in memcheck initcheck synccheck; do
  if [[ -z $sanitizer ]]; then
    skip "$tool" "compute-sanitizer is not installed"
    continue
  fi
  step "$tool" 55 "$sanitizer" --tool "$tool" --error-exitcode 9 "$tests" \
    '--test-case-exclude=stress*,vocabularies*,what a launch*cannot do*,rough noise*'
done

step bench 70 bash -c "'$build/bin/copyspec-gpu-bench' >'$out/bench.jsonl'"
step sample_bench 40 bash -c "'$build/bin/copyspec-gpu-sample-bench' >'$out/sample.jsonl'"
python=$(command -v python3 || true)
if [[ -z $python ]]; then
  skip torch "python3 is not installed"
  skip report "python3 is not installed"
  exit "$failed"
fi
if "$python" -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then
  step torch 50 bash -c "'$python' bench/gpu/torch_argmax.py >'$out/torch.jsonl'"
  step torch_sampling 30 bash -c "'$python' bench/gpu/torch_sampling.py >'$out/torch_sampling.jsonl'"
else
  skip torch "PyTorch with CUDA is not installed"
fi
step report 10 "$python" bench/gpu/report.py "$out"
[[ -f $out/table.md ]] && cat "$out/table.md"
exit "$failed"
