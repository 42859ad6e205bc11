#!/usr/bin/env bash
# Prints the path of a development tool, building it first if need be:
#   "$(scripts/tool.sh gofumpt)" -l .
# tools/go.mod pins the versions; a tool with a folder of its own below tools is
# built from there, with C and C++ if it has a folder include. Built tools are kept
# outside the clone, in RUNSHEET_CACHE (default ~/.cache/runsheet), one folder per
# set of versions. With FIND_ONLY=1 a tool that is not there is not built: exit 3.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
name=${1:?usage: tool.sh NAME}
HOME=$(scripts/home.sh) && export HOME

mod=tools pkg=.
if [ -f "tools/$name/go.mod" ]; then
	mod=tools/$name
else
	pkg=$(awk -v n="$name" '$1 == ")" { inside = 0 } inside && $1 ~ ("/" n "$") { print $1 } $0 == "tool (" { inside = 1 }' tools/go.mod)
	[ -n "$pkg" ] || { echo "tool.sh: tools/go.mod has no tool $name" >&2; exit 1; }
fi

# Of C and C++, optimised but without what only a debugger reads.
cgo=0
if [ -d "$mod/include" ]; then
	cgo=1
	export CGO_CPPFLAGS="-I$PWD/$mod/include" CGO_CFLAGS="-O2 -g0" CGO_CXXFLAGS="-O2 -g0"
fi

key=$(cd "$mod" && { cat go.mod go.sum; [ "$pkg" != . ] || cat ./*.go; [ ! -d include ] || cat include/*/*; go env GOVERSION GOOS GOARCH; } | git hash-object --stdin)
dir=${RUNSHEET_CACHE:-$HOME/.cache/runsheet}/tools/${key:0:16}
if [ ! -x "$dir/$name" ]; then
	[ -z "${FIND_ONLY:-}" ] || exit 3
	mkdir -p "$dir"
	# The tests of several packages may want it at once: one of them builds.
	if command -v flock >/dev/null; then exec 9>"$dir/.lock"; flock 9; fi
fi
if [ ! -x "$dir/$name" ]; then
	echo "building $name (once)" >&2
	new=$(mktemp "$dir/.$name.XXXXXX")
	trap 'rm -f "$new"' EXIT
	(cd "$mod" && CGO_ENABLED=$cgo GOFLAGS=-mod=readonly go build -trimpath -ldflags "-s -w" -o "$new" "$pkg") >&2
	chmod +x "$new"
	mv "$new" "$dir/$name"
fi
echo "$dir/$name"
