#!/usr/bin/env bash
# Runs our graphs through the WebGPU plugin on SwiftShader, Vulkan in software: device memory, bound inputs and outputs, and
# numbers without a card. Needs the plugin's wheel and a libvk_swiftshader.so (SWIFTSHADER, or that of Chromium); without
# them the check is skipped and says so.
set -euo pipefail
cd "$(dirname "$0")/../.."
skip() {
    echo "SKIPPED: $1, so nothing was computed on WebGPU"
    exit 0
}
driver=${SWIFTSHADER:-$(ls /usr/lib/chromium*/libvk_swiftshader.so 2>/dev/null | head -n 1 || true)}
test -f "$driver" || skip "there is no SwiftShader (Debian's package chromium-common has it)"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cargo run --quiet --locked -- runtime install webgpu --data-dir "$folder" || skip "the wheel of the plugin cannot be had"
printf '{"file_format_version": "1.0.0", "ICD": {"library_path": "%s", "api_version": "1.1.0"}}' "$driver" >"$folder/icd.json"
export VK_DRIVER_FILES=$folder/icd.json ORT_WEBGPU_EP_ALLOW_SOFTWARE_ADAPTER=1
export WANDECK_WEBGPU_PLUGIN=$folder/runtime/webgpu/libonnxruntime_providers_webgpu.so
# one at a time: the plugin ends the process if two threads make its first session at once
cargo test --locked --test models webgpu -- --ignored --test-threads=1 "$@"
