#!/bin/sh
# Bring axe-core, as its registry has it, and its licences: ./refresh.sh 4.14.1
set -eu
cd "$(dirname "$0")"
version=${1:?the version, such as 4.14.1}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
npm pack "axe-core@$version" --silent --pack-destination "$work"
tar -xzf "$work/axe-core-$version.tgz" -C "$work"
cp "$work/package/axe.min.js" axe.min.js
cp "$work/package/LICENSE" axe-core.LICENSE
cp "$work/package/LICENSE-3RD-PARTY.txt" axe-core.LICENSE-3RD-PARTY.txt
sha256sum axe.min.js axe-core.LICENSE axe-core.LICENSE-3RD-PARTY.txt > SHA256SUMS
