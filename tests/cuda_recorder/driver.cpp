// libcuda: the driver's questions about devices.
#include <cstring>

#include "record.h"

namespace {
constexpr int CAPABILITY_MAJOR = 75;
constexpr int CAPABILITY_MINOR = 76;
constexpr int INVALID_DEVICE = 101;
thread_local int current_device = 0;
}  // namespace

EXPORT int cuInit(unsigned) { return 0; }

EXPORT int cuDriverGetVersion(int* version) {
    *version = 13000;
    return 0;
}

EXPORT int cuDeviceGetCount(int* count) {
    *count = device_count();
    return 0;
}

EXPORT int cuDeviceGet(int* device, int ordinal) {
    if (ordinal >= device_count()) return INVALID_DEVICE;
    *device = ordinal;
    return 0;
}

EXPORT int cuDeviceGetName(char* name, int length, int) {
    snprintf(name, length, "Recording device");
    return 0;
}

EXPORT int cuDeviceGetUuid_v2(unsigned char* uuid, int device) {
    std::memset(uuid, 0x11, 16);
    uuid[15] = static_cast<unsigned char>(device);
    return 0;
}

EXPORT int cuDeviceTotalMem_v2(size_t* bytes, int) {
    *bytes = device_memory();
    return 0;
}

EXPORT int cuDeviceGetAttribute(int* value, int attribute, int) {
    switch (attribute) {
        case CAPABILITY_MAJOR: *value = compute_capability() / 10; break;
        case CAPABILITY_MINOR: *value = compute_capability() % 10; break;
        default: *value = 1;
    }
    return 0;
}

EXPORT int cuDevicePrimaryCtxRetain(void** context, int device) {
    *context = reinterpret_cast<void*>(static_cast<size_t>(device) + 1);
    return 0;
}

EXPORT int cuCtxSetCurrent(void* context) {
    current_device = static_cast<int>(reinterpret_cast<size_t>(context)) - 1;
    return 0;
}

EXPORT int cuStreamCreate(void** stream, unsigned) {
    *stream = reinterpret_cast<void*>(size_t{1});
    return 0;
}

EXPORT int cuStreamDestroy_v2(void*) { return 0; }

EXPORT int cuStreamSynchronize(void*) { return 0; }

EXPORT int cuMemcpyHtoDAsync_v2(unsigned long long, const void*, size_t bytes, void*) {
    record("upload %zu%s", bytes, on(current_device));
    return 0;
}

EXPORT int cuMemcpyHtoD_v2(unsigned long long, const void*, size_t bytes) {
    record("copy pinned-device %zu%s", bytes, on(current_device));
    return 0;
}

EXPORT int cuMemsetD8Async(unsigned long long, unsigned char, size_t bytes, void*) {
    record("set %zu", bytes);
    return 0;
}

EXPORT int cuTensorMapEncodeTiled(...) { return 0; }
