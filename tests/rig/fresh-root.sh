#!/bin/bash
# tests/rig/fresh-root.sh [--keep] [COMMAND ...]: runs commands on a clean clone in a bare Debian 12, made by mmdebstrap.
#
# Without a command: `make demo SECONDS=40`, then again (it must start within seconds), then `make test`.
# The root has Debian's base system, git, make and ca-certificates; the Rust toolchain of this machine is mounted into
# it. How this machine reaches its package indexes (proxies, certificates, npm, pip, cargo and apt settings) is handed
# through as it is here. What is tested is the last commit. Needs root, mmdebstrap and about 12 GB under TMPDIR.
set -euo pipefail

keep=no
[ "${1:-}" = --keep ] && { keep=yes; shift; }
stop() { echo "fresh-root: $1" >&2; exit 2; }
say() { echo "fresh-root: $*" >&2; }
[ "$(id -u)" -eq 0 ] || stop "needs root, because it mounts; run it with sudo"
command -v mmdebstrap >/dev/null || stop "mmdebstrap is not installed: apt-get install mmdebstrap"
command -v rustc >/dev/null || stop "no Rust toolchain is on PATH"
repository=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
toolchain=$(rustc --print sysroot)
work=$(mktemp -d -t gridpost-root.XXXXXX)
root=$work/root
clean() {
  if [ "$keep" = yes ]; then
    say "kept: $root"
  else
    rm -rf --one-file-system "$work"
  fi
}
trap clean EXIT

say "making a bare Debian 12 in $root"
mmdebstrap --quiet --variant=minbase --include=git,make,ca-certificates bookworm "$root"

# What this machine is told about reaching package indexes.
for file in /etc/resolv.conf /etc/hosts /etc/npmrc /etc/pip.conf /etc/ssl/certs/ca-certificates.crt \
  ~/.npmrc ~/.pip/pip.conf ~/.config/pip/pip.conf "${CARGO_HOME:-$HOME/.cargo}/config.toml"; do
  [ -f "$file" ] || continue
  target=$file
  case $file in
    "${CARGO_HOME:-$HOME/.cargo}"/*) target=/root/.cargo/config.toml ;;
    "$HOME"/*) target=/root/${file#"$HOME"/} ;;
  esac
  install -D -m 644 "$file" "$root$target"
done
grep -lis 'acquire' /etc/apt/apt.conf /etc/apt/apt.conf.d/* | while read -r file; do cp "$file" "$root/etc/apt/apt.conf.d/"; done || true
grep -v '^#' /etc/environment 2>/dev/null >"$root/etc/environment" || true
settings=()
while IFS= read -r -d '' pair; do
  case ${pair%%=*} in
    PIP_FIND_LINKS | CARGO_HOME | CARGO_TARGET_DIR) ;;
    PIP_* | NPM_CONFIG_* | npm_config_* | NODE_EXTRA_CA_CERTS | SSL_CERT_* | CARGO_BUILD_JOBS | CARGO_HTTP_* | CARGO_NET_* | CARGO_REGISTRIES_* | CARGO_SOURCE_* | *_proxy | *_PROXY)
      settings+=("$pair") ;;
  esac
done < <(env -0)

git clone --quiet --no-hardlinks "$repository" "$root/root/gridpost"
mkdir -p "$root/opt/rust"

# Commands run with mounts and processes of their own: nothing stays behind when they end.
enter() {
  unshare --mount --pid --fork --kill-child bash -euc '
    root=$1 toolchain=$2; shift 2
    mount --bind -o ro "$toolchain" "$root/opt/rust"
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount --rbind /sys "$root/sys"
    exec chroot "$root" "$@"' enter "$root" "$toolchain" \
    env -i HOME=/root USER=root TERM="${TERM:-dumb}" LANG=C.UTF-8 "${settings[@]}" \
    PATH=/opt/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    bash -c 'cd /root/gridpost && "$@"' run "$@"
}
step() {
  local started=$SECONDS code=0
  say "--- $*"
  enter "$@" || code=$?
  say "--- $* ended with $code after $((SECONDS - started)) s"
  return "$code"
}

if [ $# -gt 0 ]; then
  step "$@"
else
  step make demo SECONDS=40
  step make demo SECONDS=40
  step make test
  step git status --short
fi
