#!/usr/bin/env bash
# Runs every fuzz target for FUZZTIME (default 50000x: so many inputs). A failing input is written
# to the package's testdata/fuzz: commit it with the fix.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
n=0
while IFS=: read -r file name; do
	n=$((n + 1))
	echo "fuzz $(dirname "$file") $name"
	go test -run '^$' -fuzz "^$name\$" -fuzztime "${FUZZTIME:-50000x}" "./$(dirname "$file")"
done < <(git ls-files -co --exclude-standard -- '*_test.go' | xargs grep -HoE '^func Fuzz[A-Za-z0-9_]*' | sed 's/:func /:/' | sort)
echo "DONE $n fuzz targets"
