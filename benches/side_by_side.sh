#!/usr/bin/env bash
# hubdns beside public servers, in one call: the tables of docs/performance.md.
#
#   benches/side_by_side.sh HARNESS [WORKLOADS [PEER…]]
#
# HARNESS is the folder of the side-by-side harness (bench.py, built with `make`); loopback only, as root it moves into a
# network namespace of its own. It runs seven rounds of each workload, another server first each time. WORKLOADS defaults
# to all that docs/performance.md knows, over UDP, with an OPT record and over TCP.
set -euo pipefail
harness=${1:?the folder of the side-by-side harness}
workloads=${2:-local,hit,alias,miss,mixed,local-edns,hit-edns,tcp-local,tcp-hit}
shift $(($# < 2 ? $# : 2))
peers=()
for peer in "${@:-}"; do
  [ -z "$peer" ] || peers+=(--peer "$peer")
done
root=$(cd "$(dirname "$0")/.." && pwd)
cargo build --release --manifest-path "$root/Cargo.toml"
cd "$harness"
exec python3 bench.py compare --command "${CARGO_TARGET_DIR:-$root/target}/release/hubdns serve -c {config}" \
  --workloads "$workloads" "${peers[@]}"
