#!/bin/bash
# tests/rig/prove_deb.sh OLD.deb NEW.deb: both packages in a clean Debian 12, made by mmdebstrap: installed, started as its
# user, used (a press that is acknowledged and delivered), upgraded, removed, purged. Says each step, ends with 1 at the
# first that is not so. Needs root and mmdebstrap. There is no systemd in a chroot: the service's ExecStart is run as its
# user by setpriv, and what systemd does at install (enable, restart) is not proved here.
set -euo pipefail

stop() { echo "prove-deb: $1" >&2; exit 1; }
say() { echo "prove-deb: $*"; }
[ $# -eq 2 ] || stop "usage: prove_deb.sh OLD.deb NEW.deb"
[ "$(id -u)" -eq 0 ] || stop "needs root, because it makes a root"
command -v mmdebstrap >/dev/null || stop "mmdebstrap is not installed: apt-get install mmdebstrap"
old=$(readlink -f "$1") new=$(readlink -f "$2")
work=$(mktemp -d -t gridpost-deb.XXXXXX)
root=$work/root
trap 'umount "$root/proc" 2>/dev/null || true; rm -rf --one-file-system "$work"' EXIT

say "a clean Debian 12 …"
# GRIDPOST_ROOT_TAR=FILE keeps it for the next time.
tar=${GRIDPOST_ROOT_TAR:-$work/root.tar}
[ -f "$tar" ] || mmdebstrap --quiet --variant=apt --include=mosquitto-clients,libavformat59,libswscale6,ca-certificates bookworm "$tar"
mkdir -p "$root" && tar -xf "$tar" -C "$root"
for file in /etc/resolv.conf /etc/hosts; do cp "$file" "$root$file"; done
grep -lis acquire /etc/apt/apt.conf /etc/apt/apt.conf.d/* 2>/dev/null | while read -r file; do cp "$file" "$root/etc/apt/apt.conf.d/"; done || true
[ ! -f /etc/ssl/certs/ca-certificates.crt ] || install -D -m 644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
mount -t proc proc "$root/proc"
cp "$old" "$root/old.deb"; cp "$new" "$root/new.deb"
in_root() { DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 chroot "$root" "$@"; }
must() { in_root "$@" >"$work/said" 2>&1 || { cat "$work/said" >&2; stop "$* failed"; }; }
events=/var/lib/gridpost/events.jsonl

# ExecStart of the unit that was installed, with its environment, as its user.
start() {
  local unit=$root/lib/systemd/system/gridpost.service command environment
  command=$(sed -n 's/^ExecStart=//p' "$unit")
  environment=$(sed -n 's/^Environment=//p' "$unit")
  rm -f "$root/var/lib/gridpost/run.json"
  chroot "$root" setpriv --reuid gridpost --regid gridpost --clear-groups --no-new-privs --inh-caps=-all \
    env -i "$environment" $command >>"$work/log" 2>&1 &
  daemon=$!
  for _ in $(seq 300); do
    [ -f "$root/var/lib/gridpost/run.json" ] && return
    kill -0 $daemon 2>/dev/null || { cat "$work/log" >&2; stop "the gateway ended"; }
    sleep 0.1
  done
  cat "$work/log" >&2; stop "the gateway did not start within 30 s"
}
end() { kill $daemon; wait $daemon || stop "it did not stop cleanly"; }
press() {
  in_root mosquitto_pub -h 127.0.0.1 -q 1 -t gridpost/qiaobei/button/btn-0686 -m "{\"event\":\"press\",\"id\":\"$1\",\"battery\":87}" ||
    stop "press $1 was not acknowledged"
}
told() {
  for _ in $(seq 100); do
    grep -q "$1" "$root$events" 2>/dev/null && return
    sleep 0.1
  done
  stop "no $1 in $events"
}
owner() { [ "$(in_root stat -c %U:%G:%a "$1")" = "$2" ] || stop "$1 is $(in_root stat -c %U:%G:%a "$1"), not $2"; }
chosen() {
  [ "$(in_root readlink /usr/lib/gridpost/current)" = "$1" ] || stop "current is $(in_root readlink /usr/lib/gridpost/current), not $1"
  must gridpost --version
}

must apt-get update
must apt-get install -y --no-install-recommends /old.deb
say "installed: $(in_root dpkg-query -W -f '${Version}' gridpost), $(in_root gridpost --version)"
in_root getent passwd gridpost >/dev/null || stop "no user gridpost"
owner /var/lib/gridpost gridpost:gridpost:750
owner /etc/gridpost/gridpost.toml root:gridpost:640
must gridpost check -c /etc/gridpost/gridpost.toml

start; press 1; told emergency-button; end
say "started as its user; a press was acknowledged and delivered"
in_root runuser -u gridpost -- gridpost doctor -c /etc/gridpost/gridpost.toml --no-pictures >"$work/doctor" || true
grep -q '网关没有运行' "$work/doctor" || { cat "$work/doctor" >&2; stop "the doctor does not say that nothing runs"; }

echo '# changed by hand' >>"$root/etc/gridpost/gridpost.toml"
# A password that a shell would take to pieces.
install -m 600 /dev/null "$root/etc/gridpost/environment"
echo 'PASS=a&b c' >"$root/etc/gridpost/environment"
start; press 2
must apt-get install -y --no-install-recommends /new.deb
chosen "versions/$(in_root dpkg-query -W -f '${Version}' gridpost)"
grep -q 'changed by hand' "$root/etc/gridpost/gridpost.toml" || stop "the upgrade took the configuration away"
owner /etc/gridpost/gridpost.toml root:gridpost:640
press 3
end; start; press 4
in_root runuser -u gridpost -- gridpost store ledger -c /etc/gridpost/gridpost.toml >"$work/ledger"
grep -q 'the sums hold' "$work/ledger" || stop "the ledger does not hold"
presses=$(in_root runuser -u gridpost -- gridpost incidents -c /etc/gridpost/gridpost.toml --since today --json | grep -c emergency-button || true)
[ "$presses" -ge 1 ] || stop "the presses are gone after the upgrade"
end
say "upgraded while it ran to $(in_root dpkg-query -W -f '${Version}' gridpost): configuration, data and presses are there"

version=$(in_root dpkg-query -W -f '${Version}' gridpost)
cp "$root/etc/gridpost/gridpost.toml" "$work/config"
echo 'nonsense = [' >>"$root/etc/gridpost/gridpost.toml"
# The power may go after each of these two: a whole program is there.
must dpkg --unpack /new.deb; chosen "versions/$version+kept"
must dpkg --configure gridpost
grep -q 'cannot use this configuration' "$work/said" || stop "a configuration that was refused is not told"
chosen "versions/$version+kept"
cat "$work/config" >"$root/etc/gridpost/gridpost.toml"
must dpkg-reconfigure gridpost; chosen "versions/$version"
[ ! -e "$root/usr/lib/gridpost/versions/$version+kept" ] || stop "what was kept stays for good"
say "a new program that refuses the configuration is not switched to until that is mended"

must apt-get remove -y gridpost
[ ! -e "$root/usr/bin/gridpost" ] || stop "removed, and the program is there"
[ ! -e "$root/usr/lib/gridpost" ] || stop "removed, and the models are there"
[ -s "$root$events" ] && [ -d "$root/var/lib/gridpost/journal" ] || stop "removal took data away"
[ -f "$root/etc/gridpost/gridpost.toml" ] || stop "removal took the configuration away"
say "removed: data and configuration stay"
must apt-get install -y --no-install-recommends /new.deb
chosen "versions/$version"
must systemctl is-enabled gridpost.service gridpost-update.timer
[ ! -e "$root/etc/gridpost/.removed" ] || stop "the mark of the removal stays"
must apt-get remove -y gridpost
say "installed again, it is enabled as it was"
must dpkg --purge gridpost
for gone in /var/lib/gridpost /etc/gridpost /lib/systemd/system/gridpost.service /usr/share/gridpost; do
  [ ! -e "$root$gone" ] || stop "purged, and $gone is there"
done
! in_root getent passwd gridpost >/dev/null || stop "purged, and the user is there"
say "purged: nothing is left"
say "fine"
