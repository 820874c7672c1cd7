#!/usr/bin/env bash
# Exports the graphs of small models for TensorRT for RTX, in every precision, and builds engines of them for the three
# generations of cards. Needs the wheel of tensorrt-rtx, which is installed into the environment of PYTHON; without it,
# the check is skipped and says so.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3}
if ! "$python" -m pip install -q --disable-pip-version-check tensorrt-rtx==1.7.1.116 onnx==1.23.2; then
    echo "SKIPPED: the wheel of tensorrt-rtx cannot be had here, so no engine was built for TensorRT for RTX"
    exit 0
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
wandeck() { cargo run --quiet --locked -- "$@" >/dev/null; }
mkdir "$folder/profiles"
WANDECK_RTX_PROFILES="$folder/profiles" cargo test --quiet --locked --test models write_the_profiles_of_rtx -- --ignored
engines() {
    local model=$1 precision=$2 capabilities=$3 like=${4:-$(basename "$1")} video=${5:-128x96x17}
    local graphs="$folder/$(basename "$model")-$precision"
    wandeck graph export "$model" "$graphs" --provider rtx --precision "$precision"
    "$python" tests/rtx_engines/build.py "$folder/profiles/$like-$video.json" "$capabilities" "$graphs"/*/*.onnx
}
engines tests/golden/models/tiny-t2v bf16 sm86,sm89,sm120
engines tests/golden/models/tiny-t2v fp16 sm86,sm89,sm120
engines tests/golden/models/tiny-t2v fp32 sm89
engines models/toy-i2v-A14B bf16 sm89
engines models/toy-ti2v-5B bf16 sm86,sm120
engines models/toy-ti2v-5B fp16 sm89
engines models/toy-ti2v-5B fp32 sm120
# the cards of 8.6 have no fp8, and no engine with it can be built for them
for check in "int8 sm86,sm89,sm120" "fp8 sm89,sm120"; do
    read -r precision capabilities <<<"$check"
    wandeck models convert models/toy-t2v-A14B --precision "$precision" -o "$folder/$precision"
    engines "$folder/$precision" auto "$capabilities" toy-t2v-A14B
done
# the plugin's own limit for a dimension is 32,767: this video has 73,920 tokens
engines models/toy-t2v-A14B bf16 sm89 toy-t2v-A14B 1280x704x81
engines models/toy-ti2v-5B bf16 sm89 toy-ti2v-5B 1280x704x81
