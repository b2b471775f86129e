#!/bin/bash
# tests/rig/pictures.sh SCREENS TO: the screenshots of `make test` that the README shows, as small WebP files.
set -euo pipefail
[ $# -eq 2 ] || { echo "usage: pictures.sh SCREENS TO" >&2; exit 2; }
most=150000
mkdir -p "$2"
# name of the screenshot | name of the picture
while read -r screen picture; do
  from=$1/$screen.png
  [ -f "$from" ] || { echo "pictures: $from is not there: the test of the screens has not run here" >&2; exit 1; }
  for quality in 82 70 55; do
    ffmpeg -v error -nostdin -y -i "$from" -c:v libwebp -quality $quality -compression_level 6 "$2/$picture.webp"
    [ "$(stat -c %s "$2/$picture.webp")" -le $most ] && break
  done
  [ "$(stat -c %s "$2/$picture.webp")" -le $most ] || { echo "pictures: $picture is over $most bytes" >&2; exit 1; }
  echo "$2/$picture.webp: $(stat -c %s "$2/$picture.webp") bytes"
done <<END
2-now-desk-zh-dark now.zh
8-emergency-desk-zh-dark emergency.zh
3-incident-desk-en-light incident.en
END
