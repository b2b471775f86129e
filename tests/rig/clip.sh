#!/bin/bash
# tests/rig/clip.sh [h264|h265] [OUT.mp4]: makes the street scene of Debian's opencv-doc (vtest.avi) into an MP4 as a
# camera would send it: 768x576, 10 frames a second, no B frames, a key frame every 3 s. Prints where it is.
#
# h264 is the whole scene (79.5 s); h265 its first 20 s. Made once, then left alone.
set -euo pipefail

codec=${1:-h264}
repository=$(cd "$(dirname "$0")/../.." && pwd)
case $codec in
  h264) encoder=(-c:v libx264 -preset veryfast -profile:v main -crf 23 -x264-params scenecut=0) ;;
  h265) encoder=(-c:v libx265 -preset ultrafast -crf 28 -x265-params log-level=error:scenecut=0:keyint=30:min-keyint=30 -tag:v hvc1 -t 20) ;;
  *) echo "usage: clip.sh [h264|h265] [OUT.mp4]" >&2; exit 2 ;;
esac
out=${2:-${CARGO_TARGET_DIR:-$repository/target}/rig/vtest-$codec.mp4}

if [ ! -s "$out" ]; then
  # Which folder it is in differs between versions of the package; some ship it compressed.
  scene=$(dpkg -L opencv-doc 2>/dev/null | grep -E '/vtest\.avi(\.gz)?$' | head -n 1) || true
  [ -n "$scene" ] || { echo "clip.sh: vtest.avi is not here; install Debian's package opencv-doc (make setup does)" >&2; exit 1; }
  [ -r "$scene" ] || { echo "clip.sh: opencv-doc is installed, but $scene was left out; reinstall it without a dpkg path-exclude for /usr/share/doc" >&2; exit 1; }
  mkdir -p "$(dirname "$out")"
  part=$(mktemp --suffix=.mp4 "$(dirname "$out")/.part-XXXXXX")
  trap 'rm -f "$part"' EXIT
  echo "clip.sh: making $(basename "$out") from vtest.avi (a few seconds)" >&2
  case $scene in *.gz) open=(gzip -dc "$scene") ;; *) open=(cat "$scene") ;; esac
  ffmpeg -hide_banner -loglevel error -nostdin -y -f avi -i pipe:0 -an "${encoder[@]}" -pix_fmt yuv420p \
    -bf 0 -g 30 -keyint_min 30 -flags +bitexact -fflags +bitexact -movflags +faststart "$part" \
    < <("${open[@]}" 2>/dev/null)   # not a pipe: it may be cut short, which is no failure
  chmod 644 "$part"
  mv "$part" "$out"
fi
echo "$out"
