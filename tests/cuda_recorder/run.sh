#!/usr/bin/env bash
# Runs the program under the recording CUDA: tests/cuda.rs. Arguments go to the tests.
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=${CARGO_TARGET_DIR:-target}/cuda-recorder
tests/cuda_recorder/build.sh "$folder"
CUDA_RECORDER=$(cd "$folder" && pwd) cargo test --locked --test cuda -- --ignored "$@"
