#!/usr/bin/env bash
# Runs every fuzz target for FUZZTIME (default 10000x: so many inputs). A failing input is written
# to the package's testdata/fuzz: commit it with the fix.
#
# A package is built once for all its targets: "go test -fuzz" builds and links it for each.
# Targets that read or play whole workflows take milliseconds an input: they get a tenth.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cache=$(go env GOCACHE)/fuzz
module=$(go list -m)
n=0 built=
while IFS=: read -r file name; do
	n=$((n + 1))
	dir=$(dirname "$file")
	time="${FUZZTIME:-10000x}"
	case "$name:$time" in
	FuzzDocuments:*x | FuzzRehearsal:*x) time="$((${time%x} / 10))x" ;;
	esac
	echo "fuzz $dir $name"
	if [ "$built" != "$dir" ]; then
		go test -c -fuzz=Fuzz -ldflags "-s -w" -o "$tmp/fuzz.test" "./$dir"
		built=$dir
	fi
	(cd "$dir" && "$tmp/fuzz.test" -test.run '^$' -test.fuzz "^$name\$" -test.fuzztime "$time" -test.fuzzcachedir "$cache/$module/$dir") </dev/null 2>&1 | tee "$tmp/out"
	if grep -q 'without coverage' "$tmp/out"; then exit 1; fi # that would find little
done < <(git ls-files -co --exclude-standard -- '*_test.go' | xargs grep -HoE '^func Fuzz[A-Za-z0-9_]*' | sed 's/:func /:/' | sort)
echo "DONE $n fuzz targets"
