// libcublas: matrix products by shape and type.
#include "record.h"

namespace {
// cudaDataType_t as ONNX Runtime's types are called.
const char* type_name(int type) {
    switch (type) {
        case 0: return "fp32";
        case 1: return "fp64";
        case 2: return "fp16";
        case 3: return "int8";
        case 14: return "bf16";
        case 28: return "fp8e4m3";
        case 29: return "fp8e5m2";
        default: return "other";
    }
}

void gemm(int m, int n, int k, const char* type, int batch = 1) {
    record("gemm %d %d %d %s%s", m, n, k, type, batch > 1 ? " batched" : "");
}
}  // namespace

EXPORT int cublasCreate_v2(void** handle) {
    *handle = reinterpret_cast<void*>(1);
    return 0;
}

EXPORT int cublasDestroy_v2(void*) { return 0; }
EXPORT int cublasSetStream_v2(void*, void*) { return 0; }
EXPORT int cublasSetMathMode(void*, int) { return 0; }

EXPORT int cublasGetMathMode(void*, int* mode) {
    *mode = 0;
    return 0;
}

EXPORT const char* cublasGetStatusName(int) { return "CUBLAS_STATUS_NOT_SUPPORTED"; }
EXPORT const char* cublasGetStatusString(int) { return "not supported by the recorder"; }

EXPORT int cublasGemmEx(void*, int, int, int m, int n, int k, const void*, const void*, int type, ...) {
    gemm(m, n, k, type_name(type));
    return 0;
}

EXPORT int cublasGemmStridedBatchedEx(void*, int, int, int m, int n, int k, const void*, const void*, int type, ...) {
    gemm(m, n, k, type_name(type), 2);
    return 0;
}

EXPORT int cublasGemmBatchedEx(void*, int, int, int m, int n, int k, const void*, const void*, int type, ...) {
    gemm(m, n, k, type_name(type), 2);
    return 0;
}

EXPORT int cublasSgemm_v2(void*, int, int, int m, int n, int k, ...) {
    gemm(m, n, k, "fp32");
    return 0;
}

EXPORT int cublasDgemm_v2(void*, int, int, int m, int n, int k, ...) {
    gemm(m, n, k, "fp64");
    return 0;
}

EXPORT int cublasSgemmStridedBatched(void*, int, int, int m, int n, int k, ...) {
    gemm(m, n, k, "fp32", 2);
    return 0;
}

// ONNX Runtime transposes matrices with it.
EXPORT int cublasSgeam(void*, int, int, int m, int n, ...) {
    record("transpose %d %d", m, n);
    return 0;
}

// Functions that our graphs do not reach; one that is reached shows in the record.
#define UNREACHED(name)              \
    EXPORT int name(...) {           \
        record("unexpected " #name); \
        return 15;                   \
    }

UNREACHED(cublasDgeam)
UNREACHED(cublasDgemmBatched)
UNREACHED(cublasDgemmStridedBatched)
UNREACHED(cublasDgetrfBatched)
UNREACHED(cublasDgetriBatched)
UNREACHED(cublasScopy_v2)
UNREACHED(cublasSgemmBatched)
UNREACHED(cublasSgetrfBatched)
UNREACHED(cublasSgetriBatched)
UNREACHED(cublasSscal_v2)
