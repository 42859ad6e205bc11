#!/usr/bin/env bash
# Checks everything about the sources that is not a test. Every check runs,
# also after one has failed; the names of the failed ones come last.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
HOME=$(scripts/home.sh) && export HOME
export CGO_ENABLED=0
export GOFLAGS="${GOFLAGS:-} -trimpath" # as in the Makefile, with which this shares what is compiled

max_binary_bytes=$((50 * 1000 * 1000))
max_readme_words=900
# What is built of another system or processor than this machine's. darwin/amd64, which the release
# has too, is neither: there, each package must have its files.
platforms="linux/arm64 darwin/arm64 windows/amd64"
listed="darwin/amd64"

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=()
check() {
	local name=$1 start=$SECONDS
	shift
	if "$@"; then
		echo "ok    $name ($((SECONDS - start)) s)"
	else
		echo "FAIL  $name"
		failed+=("$name")
	fi
}
modules() { git ls-files -co --exclude-standard -- go.mod '*/go.mod' | xargs -n1 dirname; }
# tools/ollama cannot be read without its C; it is a few lines.
testmodules() { modules | grep -vx -e . -e tools -e tools/ollama; }
# Everything that is generated, as "hash path" lines.
generated() { git ls-files -co --exclude-standard | grep -E '^(deps\.txt|docs/(states/.*|errors\.md|events\.md|workflow-kinds\.md|licences\.md)|.*/gen/.*\.ts|.*\.gen\.[a-z]+|.*openapi\.(yaml|json))$' | while read -r f; do [ ! -f "$f" ] || echo "$(git hash-object "$f") $f"; done; }

fresh() {
	generated >"$tmp/before"
	make -s generate || return 1
	generated >"$tmp/after"
	diff "$tmp/before" "$tmp/after" >"$tmp/diff" && return 0
	echo "not up to date; make generate has changed:"
	cut -d' ' -f3 "$tmp/diff" | sort -u
	return 1
}
format() {
	local out
	out=$(git ls-files -co --exclude-standard -- '*.go' | xargs "$(scripts/tool.sh gofumpt)" -l) || return 1
	[ -z "$out" ] || { echo "not formatted (run make fmt):"; echo "$out"; return 1; }
}
lint() {
	local bin dir root=$PWD
	bin=$(scripts/tool.sh golangci-lint) || return 1
	"$bin" run ./... || return 1
	for dir in $(testmodules); do (cd "$dir" && "$bin" run --config "$root/.golangci.yml" ./...) || return 1; done
}
tidy() {
	local dir bad=0
	for dir in $(modules); do
		(cd "$dir" && go mod tidy -diff) >"$tmp/tidy" 2>&1 || { bad=1; echo "$dir/go.mod is not tidy:"; head -n 30 "$tmp/tidy"; }
	done
	return $bad
}
# Functions that no command reaches. Known ones stand in scripts/deadcode.txt
# with a reason; the list may only shrink.
dead() {
	"$(scripts/tool.sh deadcode)" ./cmd/... >"$tmp/dead.full" || return 1
	sed -E 's/^([^:]+):[0-9]+:[0-9]+: unreachable func: (.*)$/\1 \2/' "$tmp/dead.full" | sort -u >"$tmp/dead"
	sed -E 's/[[:space:]]*#.*$//; /^$/d' scripts/deadcode.txt | sort -u >"$tmp/dead.known"
	local new gone
	new=$(comm -23 "$tmp/dead" "$tmp/dead.known")
	gone=$(comm -13 "$tmp/dead" "$tmp/dead.known")
	[ -z "$new" ] || { echo "no command reaches:"; echo "$new"; }
	[ -z "$gone" ] || { echo "no longer dead, remove from scripts/deadcode.txt:"; echo "$gone"; }
	[ -z "$new$gone" ]
}
cross() {
	local p
	for p in $platforms; do GOOS=${p%/*} GOARCH=${p#*/} go build -o "$tmp/cross" ./cmd/runsheet || { echo "does not build for $p"; return 1; }; done
	for p in $listed; do GOOS=${p%/*} GOARCH=${p#*/} go list -deps ./cmd/runsheet >/dev/null || { echo "lacks files for $p"; return 1; }; done
}
size() {
	make -s build || return 1
	local bytes
	bytes=$(wc -c <bin/runsheet)
	echo "bin/runsheet has $bytes bytes of at most $max_binary_bytes"
	[ "$bytes" -lt "$max_binary_bytes" ]
}
static() {
	[ "$(uname -s)" = Linux ] || return 0
	! go version -m bin/runsheet | grep -q 'CGO_ENABLED=1' && ! grep -qa '/ld-linux' bin/runsheet
}
readme() {
	local words
	words=$(wc -w <README.md)
	echo "README.md has $words words of at most $max_readme_words"
	[ "$words" -le "$max_readme_words" ]
}

check "generated files, deps.txt and licences are up to date" fresh
check "web pages: types, lint, tests, budgets, ui/dist" scripts/ui.sh verify
check "gofumpt" format
check "golangci-lint" lint
check "go mod tidy" tidy
check "deadcode" dead
check "cross builds: $platforms" cross
check "same hash of two builds of the last commit" scripts/reproduce.sh
check "size of the binary" size
check "static binary" static
check "length of the README" readme

if [ ${#failed[@]} -gt 0 ]; then
	printf 'verify: failed: %s\n' "${failed[@]}"
	exit 1
fi
echo "DONE verify"
