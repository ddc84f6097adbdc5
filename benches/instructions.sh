#!/usr/bin/env bash
# Instructions per answer, by kind, counted by callgrind: stable on a busy machine. The core alone, then with what a
# worker counts beside it.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --bench instructions --quiet
binary=$(find "${CARGO_TARGET_DIR:-target}/release/deps" -name 'instructions-*' -perm -u+x -type f -printf '%T@ %p\n' |
  sort -n | tail -n 1 | cut -d' ' -f2)
count() {
  valgrind --tool=callgrind --callgrind-out-file=/dev/null "$binary" "$@" 2>&1 |
    sed -n 's/.*Collected : //p'
}
for kind in endpoint zone nxdomain hit alias miss refused; do
  few=$(count "$kind" 1000) many=$(count "$kind" 11000)
  few_served=$(count "$kind" 1000 served) many_served=$(count "$kind" 11000 served)
  printf '%-10s %6d %6d\n' "$kind" $(((many - few) / 10000)) $(((many_served - few_served) / 10000))
done
