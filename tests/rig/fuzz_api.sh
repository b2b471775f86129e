#!/bin/bash
# tests/rig/fuzz_api.sh GRIDPOST FOLDER [EXAMPLES]: schemathesis over every address of the OpenAPI document, against a gateway
# of its own on loopback: whatever is sent, no answer is the gateway's own fault, and each is as the document says it.
# FOLDER keeps schemathesis (from PyPI, about 60 MB) for the next time. GRIDPOST_SEED repeats a run.
set -euo pipefail

VERSION=4.32.5
stop() { echo "fuzz-api: $1" >&2; exit 1; }
[ $# -ge 2 ] || stop "usage: fuzz_api.sh GRIDPOST FOLDER [EXAMPLES]"
gridpost=$(readlink -f "$1") examples=${3:-50}
mkdir -p "$2"
folder=$(readlink -f "$2")
if ! "$folder/venv/bin/schemathesis" --version 2>/dev/null | grep -q "$VERSION"; then
    python3 -m venv "$folder/venv" || stop "python3 -m venv fails: apt-get install python3-venv"
    "$folder/venv/bin/pip" -q install "schemathesis==$VERSION" || stop "PyPI has not given schemathesis $VERSION"
fi

work=$(mktemp -d -t gridpost-api.XXXXXX)
cat > "$work/gridpost.toml" <<TOML
[site]
id = "fuzzed"
[data]
path = "$work/data"
[web]
listen = "127.0.0.1:0"
[[button]]
id = "btn-1"
TOML
"$gridpost" run -c "$work/gridpost.toml" >"$work/log" 2>&1 &
gateway=$!
trap 'kill $gateway 2>/dev/null || true; wait $gateway 2>/dev/null || true; rm -rf --one-file-system "$work"' EXIT
for _ in $(seq 100); do
    web=$(sed -n 's/.*"web" *: *"\([^"]*\)".*/\1/p' "$work/data/run.json" 2>/dev/null) && [ -n "$web" ] && break
    kill -0 $gateway 2>/dev/null || { cat "$work/log" >&2; stop "the gateway ended"; }
    sleep 0.2
done
[ -n "${web:-}" ] || stop "the gateway does not say where it listens"
"$gridpost" schema api > "$work/api.json"
# It keeps a folder of its own where it runs.
cd "$work"
# WebSockets are no requests, and a search floods the network.
"$folder/venv/bin/schemathesis" run "$work/api.json" --url "http://$web" --no-color \
    -H "Authorization: Bearer $(cat "$work/data/token")" --exclude-path-regex "/(changes|live|find)$" \
    --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance \
    --max-examples "$examples" --request-timeout 20 --seed "${GRIDPOST_SEED:-1}" || stop "see above"
kill -0 $gateway 2>/dev/null || { tail -20 "$work/log" >&2; stop "the gateway ended meanwhile"; }
