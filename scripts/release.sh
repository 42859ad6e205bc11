#!/usr/bin/env bash
# Builds the release into DIST (dist/): for each platform an archive with the
# binary, README, licences and the unit file, an SPDX document of the binary, and
# SHA256SUMS of all. The same commit gives the same bytes, in any folder and on
# any machine with the same version of Go: no times, paths or names of the
# builder get in.
#
#   VERSION=v1.2.3 scripts/release.sh      (default: the tag of the commit)
#   PLATFORMS="linux/amd64" DIST=/tmp/x scripts/release.sh
#
# Nothing is signed here: see docs/releasing.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
HOME=$(scripts/home.sh) && export HOME
export CGO_ENABLED=0 GOFLAGS=-mod=readonly GOAMD64=v1 GOARM64=v8.0 LC_ALL=C TZ=UTC
unset GOEXPERIMENT GODEBUG GOWORK

version=${VERSION:-$(git describe --tags --exact-match 2>/dev/null || git describe --tags --always --dirty)}
[[ $version =~ ^[A-Za-z0-9][A-Za-z0-9._+-]*$ ]] || { echo "release: $version is no version" >&2; exit 1; }
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
created=$(date -u -d "@$epoch" +%Y-%m-%dT%H:%M:%SZ 2>/dev/null || date -u -r "$epoch" +%Y-%m-%dT%H:%M:%SZ)
dist=${DIST:-dist}
platforms=${PLATFORMS:-linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64}

rm -rf "$dist" && mkdir -p "$dist"
dist=$(cd "$dist" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
GOOS='' GOARCH='' go build -trimpath -o "$tmp/sbom" ./internal/gen/sbom
GOOS='' GOARCH='' go build -trimpath -o "$tmp/archive" ./internal/gen/archive
go mod download

for platform in $platforms; do
	os=${platform%/*} arch=${platform#*/} ext=
	[ "$os" != windows ] || ext=.exe
	name=runsheet_${version#v}_${os}_$arch
	dir=$tmp/$name
	mkdir -p "$dir/licences"
	# -buildvcs=false: the state of the clone would get in. -buildid=: so would the
	# builder's cache.
	GOOS=$os GOARCH=$arch go build -trimpath -buildvcs=false -ldflags "-s -w -buildid= -X main.version=$version" -o "$dir/runsheet$ext" ./cmd/runsheet
	cp LICENSE README.md CHANGELOG.md "$dir/"
	cp docs/licences.md "$dir/licences/README.md"
	[ "$os" != linux ] || cp packaging/runsheet.service packaging/runsheet.env "$dir/"
	# The licence texts of what this very binary contains.
	go version -m "$dir/runsheet$ext" | awk '$1 == "dep" { print $2 "@" $3 }' | while read -r mod; do
		src=$(go mod download -json "$mod" | sed -n 's/^\t"Dir": "\(.*\)",*$/\1/p')
		found=
		for f in "$src"/LICEN[CS]E* "$src"/COPYING* "$src"/[Ll]icen[cs]e* "$src"/NOTICE*; do
			[ -f "$f" ] || continue
			found=1
			to=$dir/licences/${mod%@*}
			mkdir -p "$to" && install -m 644 "$f" "$to/"
		done
		[ -n "$found" ] || { echo "release: $mod has no licence file" >&2; exit 1; }
	done
	install -m 644 "$(go env GOROOT)/LICENSE" "$dir/licences/GO-LICENSE"
	"$tmp/sbom" -version "$version" -created "$created" "$dir/runsheet$ext" >"$dist/$name.spdx.json"
	format=.tar.gz
	[ "$os" != windows ] || format=.zip
	"$tmp/archive" -epoch "$epoch" -o "$dist/$name$format" "$dir"
	echo "$name$format"
done
(cd "$dist" && sha256sum -- runsheet_* >SHA256SUMS)
echo "DONE release $version in $dist"
