#!/usr/bin/env bash
# What one #include costs a consumer: seconds to compile a file with nothing else, and lines it brings in.
# Usage: bench/include_cost.sh [compiler]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
compiler=${1:-g++}
eigen=$(pkg-config --cflags-only-I eigen3 2>/dev/null || echo -I/usr/include/eigen3)

compile() { echo "$1" | "$compiler" -std=c++20 -O2 -Iinclude $eigen -x c++ -c - -o /dev/null; }

seconds() {  # median of seven
  for _ in 1 2 3 4 5 6 7; do
    local begin end
    begin=$(date +%s%N)
    compile "$1"
    end=$(date +%s%N)
    echo $(((end - begin) / 1000))
  done | sort -n | sed -n 4p | awk '{printf "%.2f", $1 / 1e6}'
}

printf '%-34s %8s %9s %6s %4s\n' header seconds lines Eigen fmt
printf '%-34s %8s\n' "(an empty file)" "$(seconds '')"
for header in model/model lookup/ngram_index decode/sequence decode/composer verify/greedy_verifier copyspec format; do
  line="#include <copyspec/$header.hpp>"
  text=$(echo "$line" | "$compiler" -std=c++20 -Iinclude $eigen -x c++ -E -)
  printf '%-34s %8s %9s %6s %4s\n' "copyspec/$header.hpp" "$(seconds "$line")" \
    "$(grep -vc '^#' <<<"$text")" "$(grep -q 'Eigen/' <<<"$text" && echo yes || echo no)" \
    "$(grep -q '/fmt/' <<<"$text" && echo yes || echo no)"
done
