#!/usr/bin/env bash
# Instructions per answer, by kind, counted by callgrind: stable on a busy machine. The core alone, then with what a
# worker counts beside it.
#
#   benches/instructions.sh                  of the release build
#   benches/instructions.sh compare [REV]    beside those of REV, else of HEAD's first parent; above +3 % it fails, unless
#                                            a commit since REV says why in a line that begins with `Instructions:`
set -euo pipefail
cd "$(dirname "$0")/.."
# More than so many hundredths of a percent of REV's count fail.
most=10300
few=200 many=2200

# The bench of the sources in a folder, built with these options: prints its path.
build() {
  local folder=$1
  shift
  (cd "$folder" && cargo build --locked --quiet --bench instructions --message-format=json "$@") |
    sed -n 's/.*"executable":"\([^"]*\/instructions-[^"]*\)".*/\1/p'
}

# Instructions of one run; fails where the bench does not know the kind.
run() {
  local said
  said=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null "$@" 2>&1) || return 1
  sed -n 's/.*Collected : //p' <<<"$said"
}

# A line a kind that the bench knows: KIND CORE COUNTED.
count() {
  local binary=$1 kind from to from_served to_served
  shift
  for kind; do
    from=$(run "$binary" "$kind" "$few") || continue
    to=$(run "$binary" "$kind" "$many")
    from_served=$(run "$binary" "$kind" "$few" served)
    to_served=$(run "$binary" "$kind" "$many" served)
    echo "$kind $(((to - from) / (many - few))) $(((to_served - from_served) / (many - few)))"
  done
}

# Both sides alike and soon built: optimized, yet without the release's LTO, on dependencies that the tests have built.
compare() {
  local rev=${1:-HEAD~1} commit before after kinds folder package=profile.dev.package.hubdns
  if ! commit=$(git rev-parse --verify --quiet "$rev^{commit}"); then
    [ $# -eq 0 ] || { echo "there is no commit $rev" >&2 && return 2; }
    echo 'SKIPPED: instructions are compared with no other commit, for this clone has no history'
    return
  fi
  if ! command -v valgrind >/dev/null 2>&1; then
    echo 'SKIPPED: instructions are not counted, for there is no valgrind'
    return
  fi
  if git diff --quiet "$commit" -- src benches/instructions.rs benches/kinds Cargo.toml Cargo.lock; then
    echo "the sources are those of $(git rev-parse --short "$commit"): there is nothing to count"
    return
  fi
  folder=${CARGO_TARGET_DIR:-target}/instructions
  rm -rf "$folder"
  mkdir -p "$folder"
  folder=$(cd "$folder" && pwd)
  export CARGO_TARGET_DIR=${folder%/*} CARGO_INCREMENTAL=0
  # shellcheck disable=SC2064
  trap "rm -rf '$folder' && git worktree prune" EXIT
  git worktree prune
  git worktree add --quiet --detach "$folder/sources" "$commit"
  # A version of its own: else cargo takes what it built of one side for the other's.
  sed -i '0,/^version = /s/^version = .*/version = "0.0.0"/' "$folder/sources/Cargo.toml"
  sed -i '/^name = "hubdns"$/{n;s/.*/version = "0.0.0"/}' "$folder/sources/Cargo.lock"
  local options=(--config "$package.opt-level=2" --config "$package.codegen-units=16"
    --config "$package.debug-assertions=false" --config "$package.debug=0")
  before=$(build "$folder/sources" "${options[@]}") || before=''
  after=$(build . "${options[@]}")
  mapfile -t kinds < <("$after" kinds)
  [ ${#kinds[@]} -gt 0 ] || { echo 'the bench names no kinds' >&2 && return 1; }
  echo "instructions an answer at $(git rev-parse --short "$commit"), here, and the difference"
  count_both "$before" "$after" "$folder" "${kinds[@]}"
  if ! [ -s "$folder/before" ]; then
    echo "SKIPPED: instructions are compared with no other commit, for $rev has no bench that builds and knows a kind"
    return
  fi
  table "$folder/before" "$folder/after" && return
  # A seed of a hash map now and then costs a hundredth: the lesser of two counts has none.
  echo 'once more, and the lesser of both:'
  count_both "$before" "$after" "$folder" "${kinds[@]}"
  table "$folder/before" "$folder/after" && return
  if git log --format=%B "$commit..HEAD" | grep '^Instructions:'; then
    return
  fi
  echo "more than +$((most / 100 - 100)) %: mend it, or say why in a line of the commit message: Instructions: ..." >&2
  return 1
}

# Adds what both benches count to two files of a folder, at the same time.
count_both() {
  local before=$1 after=$2 folder=$3
  shift 3
  count "$before" "$@" >>"$folder/before" &
  count "$after" "$@" >>"$folder/after"
  wait $!
}

# One table of two files, of the least count a kind; fails where one has grown by more than the bound.
table() {
  awk -v most="$most" '
    function ratio(before, after) {
      if (after * 10000 > before * most) bad = 1
      return sprintf("%+.1f %%", (after / before - 1) * 100)
    }
    function least(counts, kind, count) {
      if (!(kind in counts) || count < counts[kind]) counts[kind] = count
    }
    NR == FNR { least(core, $1, $2); least(counted, $1, $3); next }
    !($1 in new_core) { kinds[++n] = $1 }
    { least(new_core, $1, $2); least(new_counted, $1, $3) }
    END {
      printf "%-10s %27s   %27s\n", "kind", "the core", "with what a worker counts"
      for (i = 1; i <= n; i++) {
        kind = kinds[i]
        if (kind in core)
          printf "%-10s %8d %8d %9s   %8d %8d %9s\n", kind, core[kind], new_core[kind], ratio(core[kind], new_core[kind]),
            counted[kind], new_counted[kind], ratio(counted[kind], new_counted[kind])
        else
          printf "%-10s %8s %8d %9s   %8s %8d %9s\n", kind, "-", new_core[kind], "new", "-", new_counted[kind], "new"
      }
      exit bad
    }' "$1" "$2"
}

case ${1:-} in
'')
  binary=$(build . --release)
  mapfile -t kinds < <("$binary" kinds)
  count "$binary" "${kinds[@]}" | while read -r kind core counted; do
    printf '%-10s %6d %6d\n' "$kind" "$core" "$counted"
  done
  ;;
compare)
  shift
  compare "$@"
  ;;
*)
  sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
  exit 2
  ;;
esac
