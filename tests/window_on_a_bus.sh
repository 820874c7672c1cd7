#!/usr/bin/env bash
# A real window on a software display and a session bus of its own: while it runs a job, a dock receives the progress; when
# the job ends and the window has no focus, the desktop is asked for a notification. Ended by a signal at that moment, the
# window closes by itself and knows the video when it is opened again.
#   bash tests/window_on_a_bus.sh PROGRAM
set -euo pipefail
cd "$(dirname "$0")/.."
program=$(realpath "${1:-target/release/wandeck}")
data=$(mktemp -d)
trap 'rm -rf "$data"' EXIT
export WANDECK_DATA_DIR="$data" MODELS_ROOT="$PWD/models"

"$program" queue add "a red circle moves right on a black background" --preset toy-t2v >"$data/added"
cat >"$data/session" <<'INNER'
dbus-monitor --session >"$WANDECK_DATA_DIR/bus" 2>/dev/null &
monitor=$!
timeout 60 "$1" --renderer glow 2>"$WANDECK_DATA_DIR/errors" &
window=$!
for _ in $(seq 550); do
    if grep -q '"Job 1 is done"' "$WANDECK_DATA_DIR/bus"; then break; fi
    sleep 0.1
done
# timeout hands it on to the window, and a moment later to the whole group, so that the window gets it twice
kill -TERM "$window"
wait "$window" && code=0 || code=$?
echo "$code" >"$WANDECK_DATA_DIR/code"
sleep 1
kill "$monitor" 2>/dev/null || true
wait || true
INNER
xvfb-run -a dbus-run-session -- bash "$data/session" "$program"
cat "$data/errors"

says() {
    grep -q -- "$1" "$data/bus" || { echo "The bus has no $1:"; grep -E 'member=|string' "$data/bus" | tail -n 40; exit 1; }
}
test "$(cat "$data/code")" = 0 || { echo "The window ended with $(cat "$data/code")"; exit 1; }
grep -q 'video:Some("[^"]*/outputs/' "$data/window.ron" || { echo "The window has not saved its video"; exit 1; }
says 'interface=com.canonical.Unity.LauncherEntry; member=Update'
says 'string "application://wandeck.desktop"'
says 'interface=org.freedesktop.Notifications; member=Notify'
says '"Job 1 is done"'
python3 - "$data/bus" <<'INNER'
import pathlib
import re
import sys

text = pathlib.Path(sys.argv[1]).read_text()
updates = text.split("member=Update")[1:]
progress = [float(value) for update in updates for value in re.findall(r'"progress"\s+variant\s+double (\S+)', update)]
shown = [value == "true" for update in updates for value in re.findall(r'"progress-visible"\s+variant\s+boolean (\w+)', update)]
assert len(progress) >= 3 and len(progress) == len(shown), (progress, shown)
rising = [value for value, is_shown in zip(progress, shown) if is_shown]
assert rising == sorted(rising), rising
assert shown[0] and not shown[-1], "the bar goes when the job has ended"
print(f"{len(progress)} updates, up to {max(progress):.0%}")
INNER
