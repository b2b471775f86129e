#!/bin/bash
# packaging/update/make.sh BINARY VERSION KEY.pem OUT.update: an update for `gridpost update`, signed by the vendor.
#
# The key, once, kept off the network:   openssl genpkey -algorithm ed25519 -out update.pem
# What boxes get as keys/update.pub:     packaging/update/make.sh --public update.pem
# STORE_FORMAT=N where the program writes another format of data folder than 3 (FORMAT_VERSION of gateway/store/format.rs).
# STORE_WRITES=N for the oldest that it can write while it is tried (OLDEST_WRITTEN there), where that leaves a way back.
set -euo pipefail
public() { openssl pkey -in "$1" -pubout -outform DER | tail -c 32 | base64 -w 0; echo; }
if [ "${1:-}" = --public ]; then public "$2"; exit; fi
[ $# -eq 4 ] || { sed -n 's/^# \{0,1\}//;2,7p' "$0" >&2; exit 2; }
binary=$1 version=$2 key=$3 out=$4
case $(readelf -h "$binary" | sed -n 's/.*Machine: *//p') in
  *X86-64*) arch=x86_64 ;;
  *AArch64*) arch=aarch64 ;;
  *) echo "update: $binary is for neither x86-64 nor arm64" >&2; exit 1 ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$binary" "$work/gridpost"
printf '{"version":"%s","arch":"%s","sha256":"%s","store_format":%s%s}' "$version" "$arch" \
  "$(sha256sum "$work/gridpost" | cut -d ' ' -f 1)" "${STORE_FORMAT:-3}" \
  "${STORE_WRITES:+,\"store_writes\":$STORE_WRITES}" >"$work/manifest.json"
openssl pkeyutl -sign -rawin -inkey "$key" -in "$work/manifest.json" | base64 -w 0 >"$work/manifest.sig"
tar --format=ustar --owner=0 --group=0 --numeric-owner --mtime=@0 -C "$work" -cf "$out" manifest.json manifest.sig gridpost
echo "$out: version $version, $arch"
