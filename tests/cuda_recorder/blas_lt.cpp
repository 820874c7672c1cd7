// libcublasLt: fp8 matrix products.
#include <cstdint>
#include <cstring>

#include "record.h"

namespace {
struct Layout {
    int type;
    uint64_t rows, columns;
};

int handle(void** made) {
    *made = std::malloc(8);
    return 0;
}
}  // namespace

EXPORT int cublasLtCreate(void** made) { return handle(made); }

EXPORT int cublasLtDestroy(void* made) {
    std::free(made);
    return 0;
}

EXPORT int cublasLtMatrixLayoutCreate(Layout** made, int type, uint64_t rows, uint64_t columns, int64_t) {
    *made = new Layout{type, rows, columns};
    return 0;
}

EXPORT int cublasLtMatrixLayoutDestroy(Layout* made) {
    delete made;
    return 0;
}

EXPORT int cublasLtMatmul(void*, void*, const void*, const void*, Layout* a, const void*, Layout* b, const void*,
                          const void*, Layout*, void*, Layout* d, ...) {
    record("gemmlt %lu %lu %lu type%d type%d", d->rows, d->columns, b->rows, a->type, d->type);
    return 0;
}

EXPORT int cublasLtMatmulAlgoGetHeuristic(void*, void*, void*, void*, void*, void*, void*, int, void* results, int* found) {
    std::memset(results, 0, 64);
    *found = 1;
    return 0;
}

EXPORT int cublasLtMatmulDescCreate(void** made, ...) { return handle(made); }
EXPORT int cublasLtMatmulPreferenceCreate(void** made) { return handle(made); }
EXPORT int cublasLtMatrixTransformDescCreate(void** made, ...) { return handle(made); }

#define ACCEPTED(name) \
    EXPORT int name(...) { return 0; }

ACCEPTED(cublasLtMatmulAlgoConfigSetAttribute)
ACCEPTED(cublasLtMatmulAlgoInit)
ACCEPTED(cublasLtMatmulDescDestroy)
ACCEPTED(cublasLtMatmulDescSetAttribute)
ACCEPTED(cublasLtMatmulPreferenceDestroy)
ACCEPTED(cublasLtMatmulPreferenceSetAttribute)
ACCEPTED(cublasLtMatrixLayoutSetAttribute)
ACCEPTED(cublasLtMatrixTransform)
ACCEPTED(cublasLtMatrixTransformDescDestroy)
