#!/bin/bash
# tests/rig/setup.sh [demo|test|bench]: installs the system packages that building and the demo need; test adds what
# tests need, bench what `make bench-media` needs.
#
# Says what it installs and why, and how much, before it does. With everything there it is silent and quick.
# On a system without these packages it prints what is needed and ends with 2.
set -uo pipefail

set_name=${1:-demo}
case $set_name in demo | test | bench) ;; *) echo "usage: setup.sh [demo|test|bench]" >&2; exit 2 ;; esac

# package | found when this command exists (else: when dpkg has the package) | why
demo_packages='
build-essential||C compiler and linker for the crates with C in them
pkg-config|pkg-config|finds the FFmpeg libraries
libclang-dev||reads the FFmpeg headers at build time
libavcodec-dev||FFmpeg: decodes video
libavformat-dev||FFmpeg: RTSP and MP4
libavutil-dev||FFmpeg: what the others share
libswscale-dev||FFmpeg: scales pictures
ffmpeg|ffmpeg|makes the clip of the demo, checks the clips of incidents
python3||runs the demo; Python 3.11 or newer
python3-venv||private environment of the model converter
python3-gi||the RTSP server of the demo, from Python
gir1.2-gst-rtsp-server-1.0||the RTSP server of the demo
gir1.2-gstreamer-1.0||the RTSP server of the demo
gstreamer1.0-plugins-base||the RTSP server of the demo
gstreamer1.0-plugins-good||the RTSP server of the demo: RTP and MP4
gstreamer1.0-plugins-bad||the RTSP server of the demo: H.264 and H.265
opencv-doc||vtest.avi, the street scene of the demo
mosquitto-clients|mosquitto_pub|presses the emergency button
npm|npm|fetches the model, and what the page of officers is built with
ca-certificates||npm and pip over TLS
'
test_packages='
mosquitto|mosquitto|a real MQTT broker for the tests; it is not left running as a service
chromium|chromium|plays the clips of incidents, and the page of officers
fonts-noto-cjk||Chinese on the screenshots of the page of officers
libva-dev||the VA-API driver of the tests (tests/devices/va_software.c) is built with it
xvfb|Xvfb|a display on which that driver can be opened
espeak-ng|espeak-ng|reads texts for loudspeakers
baresip|baresip|a real SIP speaker
'

bench_packages='
motion|motion|one of those that the bench compares with; it is not left running as a service
linux-perf|perf|says where the time goes
'

say() { printf 'setup: %s\n' "$*" >&2; }
stop() { say "$1"; exit "${2:-1}"; }

wanted=$demo_packages
[ "$set_name" = test ] && wanted+=$test_packages
[ "$set_name" = bench ] && wanted+=$bench_packages

# One dpkg-query for all: a call for each would take longer than everything else here.
installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 2>/dev/null | sed -n 's/^installed //p')
missing=()
why=()
while IFS='|' read -r package command reason; do
  [ -n "$package" ] || continue
  if [ -n "$command" ]; then
    PATH=$PATH:/usr/sbin:/sbin command -v "$command" >/dev/null && continue
  else
    grep -qxF -- "$package" <<<"$installed" && continue
  fi
  missing+=("$package")
  why+=("$reason")
done <<<"$wanted"

list() {
  for i in "${!missing[@]}"; do printf '  %-28s %s\n' "${missing[i]}" "${why[i]}" >&2; done
}

check_rust() {
  local need have
  need=$(sed -n 's/^rust-version *= *"\(.*\)"/\1/p' "$(dirname "$0")/../../Cargo.toml")
  command -v cargo >/dev/null ||
    stop "no Rust toolchain (cargo) is on PATH; install Rust ${need:-} or newer, e.g. with rustup, and run this again" 2
  have=$(rustc --version 2>/dev/null | cut -d ' ' -f 2)
  [ "$(printf '%s\n%s\n' "${need:-0}" "${have:-0}" | sort -V | head -n 1)" = "${need:-0}" ] ||
    stop "Rust $have is too old; install $need or newer, e.g. with rustup, and run this again" 2
}

check_rust
[ ${#missing[@]} -gt 0 ] || exit 0

# ---- something is missing ------------------------------------------------------------------------------------------
id=unknown like='' version=0
# shellcheck disable=SC1091
[ -r /etc/os-release ] && { id=$(. /etc/os-release && echo "${ID:-unknown}"); like=$(. /etc/os-release && echo "${ID_LIKE:-}"); version=$(. /etc/os-release && echo "${VERSION_ID:-99}"); }
known=no
case $id in
  debian) [ "${version%%.*}" -ge 12 ] 2>/dev/null && known=yes ;;
  *) case " $id $like " in *' debian '* | *' ubuntu '*) known=yes ;; esac ;;
esac
if [ "$known" = no ] || ! command -v apt-get >/dev/null; then
  say "this is $id $version; only Debian 12 and newer (and its relatives) are set up by themselves."
  say "Please install what these Debian packages hold, then run this again:"
  list
  exit 2
fi

say "these packages are missing and will be installed with apt-get:"
list
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || stop "installing needs root, and there is no sudo; run as root: apt-get install ${missing[*]}" 2
  as_root=(sudo)
  say "sudo may now ask for your password"
fi

log_file=$(mktemp) || stop "cannot write a temporary file; check TMPDIR and free space"
trap 'rm -f "$log_file"' EXIT

# Runs apt-get as root: its progress comes out on stdout, its words go to the log. The progress descriptor is opened
# behind sudo, which closes all but the first three.
apt() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive LC_ALL=C sh -c \
    'exec apt-get -q -y -o APT::Status-Fd=3 -o DPkg::Lock::Timeout=120 "$@" 3>&1 1>&2' apt "$@" 2>>"$log_file"
}
progress() {
  awk -F: -v what="$1" '{ step = int($3 / 10); if (($1 == "dlstatus" || $1 == "pmstatus") && ($1 step) != last) {
    printf "setup:   %s %d %%\n", ($1 == "dlstatus" ? "downloading" : what), step * 10; fflush(); last = $1 step } }' >&2
}
update() {
  say "reading the package lists (apt-get update)"
  apt update </dev/null | progress reading
  [ "${PIPESTATUS[0]}" -eq 0 ]
}
failed() {
  grep -E '^(E|W|Err)' "$log_file" | tail -n 5 >&2
  stop "$1"
}

unknown=()
for package in "${missing[@]}"; do apt-cache show "$package" >/dev/null 2>&1 || unknown+=("$package"); done
if [ ${#unknown[@]} -gt 0 ]; then
  update || failed "apt-get update failed; check the network and /etc/apt, then run this again"
  unknown=()
  for package in "${missing[@]}"; do apt-cache show "$package" >/dev/null 2>&1 || unknown+=("$package"); done
  [ ${#unknown[@]} -eq 0 ] ||
    stop "$id $version has no package ${unknown[*]}; install what it stands for yourself, then run this again" 2
fi

size=$(LC_ALL=C apt-get install --assume-no --no-install-recommends "${missing[@]}" 2>/dev/null |
  sed -n 's/^\(Need to get .*\)\.$/\1/p; s/^After this operation, \(.*\) of additional.*/\1 on disk/p' | paste -sd ';' | sed 's/;/; /')
[ -n "$size" ] && say "$size"

# A package that is a service would start it. Tests start what they need themselves, on a free port.
policy=/usr/sbin/policy-rc.d
held=no
hold_services() {
  [ -e "$policy" ] && return
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null && "${as_root[@]}" chmod 755 "$policy" && held=yes
}
release_services() { [ "$held" = yes ] && "${as_root[@]}" rm -f "$policy"; }
trap 'release_services; rm -f "$log_file"' EXIT
trap 'exit 130' INT TERM
hold_services

install() { apt install --no-install-recommends "${missing[@]}" </dev/null | progress installing; [ "${PIPESTATUS[0]}" -eq 0 ]; }
if ! install; then
  # The usual cause is a package list that is older than the server's newest versions.
  update || failed "apt-get update failed; check the network and /etc/apt, then run this again"
  install || failed "apt-get install failed; the reason is above. Put it right, then run this again"
fi
case " ${missing[*]} " in
  *' mosquitto '*) command -v systemctl >/dev/null && "${as_root[@]}" systemctl --quiet disable mosquitto.service >/dev/null 2>&1 ;;
  *' motion '*) command -v systemctl >/dev/null && "${as_root[@]}" systemctl --quiet disable motion.service >/dev/null 2>&1 ;;
esac
say "done"
