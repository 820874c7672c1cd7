#!/usr/bin/env bash
# Builds the recording libraries into FOLDER/lib and unpacks the GPU build of ONNX Runtime into FOLDER/site-packages.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mkdir -p "$1" && cd "$1" && pwd)
# fetch PACKAGE FOLDER FILE: unpacks a wheel into FOLDER, unless FILE is there
fetch() {
    test -e "$2/$3" && return
    local wheels
    wheels=$(mktemp -d)
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$wheels" "$1"
    mkdir -p "$2"
    python3 -m zipfile -e "$wheels"/*.whl "$2"
    rm -r "$wheels"
}

# the version that the program is built for
fetch onnxruntime-gpu==1.31.1 "$folder/site-packages" onnxruntime/capi/libonnxruntime_providers_cuda.so
# not beside it: the program would find the real libraries
fetch "nvidia-cuda-runtime==13.*" "$folder/headers" nvidia/cu13/include/cuda_runtime_api.h
fetch "nvidia-cuda-crt==13.*" "$folder/headers" nvidia/cu13/include/crt

build() {
    local source=$here/$1 library=$folder/lib/$2 version=${3:-}
    test "$library" -nt "$source" && test "$library" -nt "$here/record.h" && return
    local options=()
    if [ -n "$version" ]; then
        echo "$version { global: *; };" >"$folder/lib/$2.map"
        options=("-Wl,--version-script=$folder/lib/$2.map")
    fi
    g++ -std=c++20 -O1 -Wall -Wextra -shared -fPIC -I"$folder/headers/nvidia/cu13/include" "$source" -o "$library" \
        "-Wl,-soname,$2" "${options[@]}"
}

mkdir -p "$folder/lib"
build driver.cpp libcuda.so.1
build runtime.cpp libcudart.so.13 libcudart.so.13
build blas.cpp libcublas.so.13 libcublas.so.13
build blas_lt.cpp libcublasLt.so.13 libcublasLt.so.13
build dnn.cpp libcudnn.so.9
build rand.cpp libcurand.so.10
