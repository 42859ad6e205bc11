#!/usr/bin/env bash
# Same hash: releases the last commit twice, in two folders with different names,
# the second time with an empty build cache, and compares every file.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
HOME=$(scripts/home.sh) && export HOME
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export PLATFORMS=${PLATFORMS:-linux/amd64} VERSION=v0.0.0-same-hash
commit=$(git rev-parse HEAD) # both of the same, also when somebody commits meanwhile
for name in one a/longer/folder; do
	mkdir -p "$(dirname "$tmp/$name")"
	git clone -q --no-hardlinks . "$tmp/$name"
	git -C "$tmp/$name" checkout -q --detach "$commit"
	(cd "$tmp/$name" && DIST=$tmp/dist-${name%%/*} scripts/release.sh >/dev/null)
	export GOCACHE=$tmp/cache
done
diff "$tmp/dist-one/SHA256SUMS" "$tmp/dist-a/SHA256SUMS" || { echo "the two builds differ" >&2; exit 1; }
echo "DONE same hash: $(wc -l <"$tmp/dist-one/SHA256SUMS") files"
