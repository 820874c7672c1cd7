#!/usr/bin/env bash
# Everything that can only be known on an NVIDIA card: run.sh [PART…]. See README.md.
set -euo pipefail
exec "${PYTHON:-python3}" "$(dirname "$0")/run.py" "$@"
