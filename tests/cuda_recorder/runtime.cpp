// libcudart: memory, copies, launches, streams. Device memory is address space of the host that is never touched, except
// by small copies: sizes that the provider computes on the device must come back right.
#include <cuda_runtime_api.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "record.h"

namespace {
constexpr size_t PAGE = 4096;
// Larger copies between host and device are recorded only.
constexpr size_t COPIED = 1 << 20;

// Blocks of memory by address, of every device.
class Blocks {
public:
    struct Block {
        size_t bytes;
        int device;
    };

    void add(void* start, size_t bytes, int device) {
        blocks_[static_cast<char*>(start)] = {bytes, device};
        now_[device] += bytes;
        peak_[device] = std::max(peak_[device], now_[device]);
    }

    // The block at `start`, which is forgotten; one of 0 bytes if there is none.
    Block remove(void* start) {
        auto found = blocks_.find(static_cast<char*>(start));
        if (found == blocks_.end()) return {0, 0};
        Block block = found->second;
        blocks_.erase(found);
        now_[block.device] -= block.bytes;
        return block;
    }

    // The block that holds an address.
    const Block* at(const void* address) const {
        auto place = static_cast<char*>(const_cast<void*>(address));
        auto next = blocks_.upper_bound(place);
        if (next == blocks_.begin()) return nullptr;
        --next;
        return place < next->first + next->second.bytes ? &next->second : nullptr;
    }

    bool holds(const void* address) const { return at(address) != nullptr; }
    size_t now(int device) const { return now_[device]; }
    size_t peak(int device) const { return peak_[device]; }

private:
    std::map<char*, Block> blocks_;
    size_t now_[MAX_DEVICES] = {};
    size_t peak_[MAX_DEVICES] = {};
};

std::recursive_mutex guard;
Blocks on_device;
Blocks pinned;
std::unordered_map<const void*, std::string> kernels;
std::atomic<long> allocations{0};
std::atomic<long> launches{0};
std::atomic<long> handles{1};
std::atomic<bool> is_lost{false};
thread_local int current_device = 0;
thread_local cudaError_t last_error = cudaSuccess;

using Lock = std::lock_guard<std::recursive_mutex>;

struct AtEnd {
    ~AtEnd() {
        for (int device = 0; device < device_count(); device++)
            record("end peak %zu%s", on_device.peak(device), on(device));
    }
} at_end;

cudaError_t failed(cudaError_t error) {
    last_error = error;
    return error;
}

// What every call returns once the device is lost: such an error stays.
cudaError_t state() { return is_lost ? failed(cudaErrorLaunchFailure) : cudaSuccess; }

// Memory of the program that is in no file, in bytes.
size_t host_memory() {
    unsigned long pages = 0, shared = 0;
    std::FILE* file = std::fopen("/proc/self/statm", "r");
    if (!file) return 0;
    if (std::fscanf(file, "%*u %lu %lu", &pages, &shared) != 2) pages = shared = 0;
    std::fclose(file);
    return (pages - shared) * sysconf(_SC_PAGESIZE);
}

cudaError_t allocate(void** made, size_t bytes) {
    Lock lock(guard);
    if (is_lost) return state();
    if (bytes > COPIED) record("host %zu", host_memory());
    long nth = ++allocations;
    long failing = setting("RECORDER_FAIL_ALLOCATION", 0);
    int device = current_device;
    if (on_device.now(device) + bytes > device_memory() || (failing > 0 && nth >= failing)) {
        record("refused %zu%s", bytes, on(device));
        *made = nullptr;
        return failed(cudaErrorMemoryAllocation);
    }
    size_t whole = std::max(PAGE, (bytes + PAGE - 1) / PAGE * PAGE);
    void* start = mmap(nullptr, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED) return failed(cudaErrorMemoryAllocation);
    on_device.add(start, whole, device);
    *made = start;
    record("malloc %zu now %zu%s", bytes, on_device.now(device), on(device));
    return cudaSuccess;
}

cudaError_t pin(void** made, size_t bytes) {
    Lock lock(guard);
    *made = std::malloc(std::max<size_t>(bytes, 1));
    pinned.add(*made, bytes, 0);
    record("pin %zu", bytes);
    return cudaSuccess;
}

const char* place(const void* address) {
    if (on_device.holds(address)) return "device";
    return pinned.holds(address) ? "pinned" : "pageable";
}

cudaError_t copy(void* to, const void* from, size_t bytes) {
    Lock lock(guard);
    if (is_lost) return state();
    const Blocks::Block* block = on_device.holds(from) ? on_device.at(from) : on_device.at(to);
    record("copy %s-%s %zu%s", place(from), place(to), bytes, on(block ? block->device : 0));
    if (bytes <= COPIED || !on_device.holds(from)) {
        if (bytes <= COPIED || !on_device.holds(to)) std::memcpy(to, from, bytes);
    } else if (!on_device.holds(to)) {
        std::memset(to, 0, bytes);
    }
    return cudaSuccess;
}

// Whole numbers are computed for real: they become sizes.
void compute_integers(const std::string& kernel, void** arguments) {
    if (!arguments || kernel.find("BinaryElementWiseSimple") == std::string::npos ||
        kernel.find("IlllE") == std::string::npos)
        return;
    auto* left = *static_cast<long**>(arguments[0]);
    auto* right = *static_cast<long**>(arguments[1]);
    auto* result = *static_cast<long**>(arguments[2]);
    int count = *static_cast<int*>(arguments[4]);
    for (int i = 0; i < std::min(count, 64); i++) {
        if (kernel.find("OP_Mul") != std::string::npos) result[i] = left[i] * right[i];
        if (kernel.find("OP_Sub") != std::string::npos) result[i] = left[i] - right[i];
        if (kernel.find("OP_Add") != std::string::npos) result[i] = left[i] + right[i];
    }
}

cudaError_t launch(const void* function, dim3 grid, dim3 block, void** arguments) {
    static const long duration = setting("RECORDER_LAUNCH_US", 0);
    if (duration > 0) usleep(duration);
    Lock lock(guard);
    long nth = ++launches;
    long failing = setting("RECORDER_FAIL_LAUNCH", 0);
    if (failing > 0 && nth >= failing) is_lost = true;
    if (is_lost) return state();
    auto found = kernels.find(function);
    std::string kernel = found == kernels.end() ? "unknown" : found->second;
    compute_integers(kernel, arguments);
    unsigned threads = block.x * block.y * block.z;
    record("launch %u,%u,%u %u %s%s", grid.x, grid.y, grid.z, threads, kernel.c_str(), on(current_device));
    bool is_empty = grid.x == 0 || grid.y == 0 || grid.z == 0 || threads == 0;
    if (is_empty || grid.y > 65535 || grid.z > 65535 || threads > 1024) record("invalid %s", kernel.c_str());
    return cudaSuccess;
}

template <typename Handle>
cudaError_t handle(Handle* made) {
    *made = reinterpret_cast<Handle>(0x100000 + 16 * handles++);
    return cudaSuccess;
}

// What differs between the generations, as far as the provider asks.
struct Generation {
    int processors;
    int threads;
    size_t shared_memory;
    size_t shared_memory_of_block;
};

Generation generation() {
    switch (compute_capability()) {
        case 80: return {108, 2048, 167936, 166912};
        case 86: return {84, 1536, 102400, 101376};
        case 89: return {128, 1536, 102400, 101376};
        case 90: return {132, 2048, 233472, 232448};
        case 120: return {170, 1536, 102400, 101376};
        default: return {28, 1536, 102400, 101376};
    }
}
}  // namespace

EXPORT cudaError_t cudaMalloc(void** made, size_t bytes) { return allocate(made, bytes); }
EXPORT cudaError_t cudaMallocFromPoolAsync(void** made, size_t bytes, cudaMemPool_t, cudaStream_t) {
    return allocate(made, bytes);
}

EXPORT cudaError_t cudaFree(void* start) {
    Lock lock(guard);
    auto [bytes, device] = on_device.remove(start);
    if (!start || bytes == 0) return start ? failed(cudaErrorInvalidValue) : cudaSuccess;
    munmap(start, bytes);
    record("free %zu now %zu%s", bytes, on_device.now(device), on(device));
    return cudaSuccess;
}

EXPORT cudaError_t cudaFreeAsync(void* start, cudaStream_t) { return cudaFree(start); }
EXPORT cudaError_t cudaMallocHost(void** made, size_t bytes) { return pin(made, bytes); }
EXPORT cudaError_t cudaHostAlloc(void** made, size_t bytes, unsigned) { return pin(made, bytes); }

EXPORT cudaError_t cudaFreeHost(void* start) {
    Lock lock(guard);
    pinned.remove(start);
    std::free(start);
    return cudaSuccess;
}

EXPORT cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind) { return copy(to, from, bytes); }
EXPORT cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind, cudaStream_t) {
    return copy(to, from, bytes);
}

EXPORT cudaError_t cudaMemcpy2DAsync(void* to, size_t, const void* from, size_t, size_t width, size_t height, cudaMemcpyKind,
                                     cudaStream_t) {
    Lock lock(guard);
    record("copy %s-%s %zu", place(from), place(to), width * height);
    return state();
}

EXPORT cudaError_t cudaMemcpyFromSymbol(void*, const void*, size_t, size_t, cudaMemcpyKind) { return state(); }

EXPORT cudaError_t cudaMemset(void* to, int value, size_t bytes) {
    Lock lock(guard);
    record("set %zu", bytes);
    if (!on_device.holds(to)) std::memset(to, value, bytes);
    return state();
}

EXPORT cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t) { return cudaMemset(to, value, bytes); }

EXPORT cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
    Lock lock(guard);
    *total = device_memory();
    *free = device_memory() - on_device.now(current_device);
    return state();
}

EXPORT cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* address) {
    Lock lock(guard);
    std::memset(attributes, 0, sizeof *attributes);
    auto pointer = const_cast<void*>(address);
    if (on_device.holds(address)) {
        attributes->type = cudaMemoryTypeDevice;
        attributes->device = on_device.at(address)->device;
        attributes->devicePointer = pointer;
    } else if (pinned.holds(address)) {
        attributes->type = cudaMemoryTypeHost;
        attributes->devicePointer = attributes->hostPointer = pointer;
    } else {
        attributes->type = cudaMemoryTypeUnregistered;
    }
    return cudaSuccess;
}

EXPORT cudaError_t cudaGetDeviceCount(int* count) {
    *count = device_count();
    return cudaSuccess;
}

EXPORT cudaError_t cudaGetDevice(int* device) {
    *device = current_device;
    return cudaSuccess;
}

EXPORT cudaError_t cudaSetDevice(int device) {
    if (device < 0 || device >= device_count()) return failed(cudaErrorInvalidDevice);
    current_device = device;
    return state();
}

EXPORT cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
    std::memset(properties, 0, sizeof *properties);
    auto [processors, threads, shared_memory, shared_memory_of_block] = generation();
    std::strcpy(properties->name, "Recording device");
    properties->totalGlobalMem = device_memory();
    properties->sharedMemPerBlock = 49152;
    properties->sharedMemPerBlockOptin = shared_memory_of_block;
    properties->sharedMemPerMultiprocessor = shared_memory;
    properties->regsPerBlock = properties->regsPerMultiprocessor = 65536;
    properties->warpSize = 32;
    properties->memPitch = 2147483647;
    properties->maxThreadsPerBlock = properties->maxThreadsDim[0] = properties->maxThreadsDim[1] = 1024;
    properties->maxThreadsDim[2] = 64;
    properties->maxGridSize[0] = 2147483647;
    properties->maxGridSize[1] = properties->maxGridSize[2] = 65535;
    properties->totalConstMem = 65536;
    properties->major = compute_capability() / 10;
    properties->minor = compute_capability() % 10;
    properties->textureAlignment = 512;
    properties->multiProcessorCount = processors;
    properties->maxThreadsPerMultiProcessor = threads;
    properties->maxBlocksPerMultiProcessor = 32;
    properties->l2CacheSize = 50 << 20;
    properties->asyncEngineCount = 3;
    properties->canMapHostMemory = properties->concurrentKernels = properties->unifiedAddressing = 1;
    properties->managedMemory = properties->cooperativeLaunch = properties->memoryPoolsSupported = 1;
    properties->hostRegisterSupported = 1;
    return cudaSuccess;
}

EXPORT cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
    auto [processors, threads, shared_memory, shared_memory_of_block] = generation();
    switch (attribute) {
        case cudaDevAttrComputeCapabilityMajor: *value = compute_capability() / 10; break;
        case cudaDevAttrComputeCapabilityMinor: *value = compute_capability() % 10; break;
        case cudaDevAttrMultiProcessorCount: *value = processors; break;
        case cudaDevAttrMaxThreadsPerMultiProcessor: *value = threads; break;
        case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = static_cast<int>(shared_memory_of_block); break;
        case cudaDevAttrMaxSharedMemoryPerMultiprocessor: *value = static_cast<int>(shared_memory); break;
        case cudaDevAttrMaxSharedMemoryPerBlock: *value = 49152; break;
        case cudaDevAttrWarpSize: *value = 32; break;
        case cudaDevAttrMaxThreadsPerBlock: *value = 1024; break;
        case cudaDevAttrMaxRegistersPerBlock: *value = 65536; break;
        case cudaDevAttrL2CacheSize: *value = 50 << 20; break;
        case cudaDevAttrMaxGridDimX: *value = 2147483647; break;
        case cudaDevAttrMaxGridDimY:
        case cudaDevAttrMaxGridDimZ: *value = 65535; break;
        default: *value = 1;
    }
    return cudaSuccess;
}

EXPORT cudaError_t cudaDriverGetVersion(int* version) {
    *version = 13000;
    return cudaSuccess;
}

EXPORT cudaError_t cudaRuntimeGetVersion(int* version) {
    *version = 13000;
    return cudaSuccess;
}

// The words of the real library for the errors that the recorder can provoke.
EXPORT const char* cudaGetErrorName(cudaError_t error) {
    switch (error) {
        case cudaErrorMemoryAllocation: return "cudaErrorMemoryAllocation";
        case cudaErrorLaunchFailure: return "cudaErrorLaunchFailure";
        default: return "cudaErrorUnknown";
    }
}

EXPORT const char* cudaGetErrorString(cudaError_t error) {
    switch (error) {
        case cudaErrorMemoryAllocation: return "out of memory";
        case cudaErrorLaunchFailure: return "unspecified launch failure";
        default: return "unknown error";
    }
}

EXPORT cudaError_t cudaGetLastError() {
    cudaError_t error = is_lost ? cudaErrorLaunchFailure : last_error;
    last_error = cudaSuccess;
    return error;
}

EXPORT cudaError_t cudaPeekAtLastError() { return is_lost ? cudaErrorLaunchFailure : last_error; }

EXPORT cudaError_t cudaGetDriverEntryPointByVersion(const char*, void** function, unsigned, unsigned long long,
                                                    cudaDriverEntryPointQueryResult* result) {
    if (function) *function = nullptr;
    if (result) *result = cudaDriverEntryPointSymbolNotFound;
    return failed(cudaErrorNotSupported);
}

EXPORT cudaError_t cudaEventCreate(cudaEvent_t* event) { return handle(event); }
EXPORT cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) { return handle(event); }
EXPORT cudaError_t cudaEventDestroy(cudaEvent_t) { return cudaSuccess; }

EXPORT cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t, cudaEvent_t) {
    *milliseconds = 1;
    return cudaSuccess;
}

EXPORT cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t) { return state(); }
EXPORT cudaError_t cudaEventRecordWithFlags(cudaEvent_t, cudaStream_t, unsigned) { return state(); }

EXPORT cudaError_t cudaEventSynchronize(cudaEvent_t) {
    record("wait event");
    return state();
}

EXPORT cudaError_t cudaDeviceSynchronize() {
    record("wait device");
    return state();
}

EXPORT cudaError_t cudaStreamCreate(cudaStream_t* stream) { return handle(stream); }
EXPORT cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) { return handle(stream); }
EXPORT cudaError_t cudaStreamDestroy(cudaStream_t) { return cudaSuccess; }

EXPORT cudaError_t cudaStreamSynchronize(cudaStream_t) {
    record("wait stream");
    return state();
}

EXPORT cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned) { return state(); }

EXPORT cudaError_t cudaStreamIsCapturing(cudaStream_t, cudaStreamCaptureStatus* status) {
    *status = cudaStreamCaptureStatusNone;
    return cudaSuccess;
}

EXPORT cudaError_t cudaStreamBeginCapture(cudaStream_t, cudaStreamCaptureMode) { return failed(cudaErrorNotSupported); }
EXPORT cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t*) { return failed(cudaErrorNotSupported); }
EXPORT cudaError_t cudaGraphDestroy(cudaGraph_t) { return cudaSuccess; }
EXPORT cudaError_t cudaGraphExecDestroy(cudaGraphExec_t) { return cudaSuccess; }
EXPORT cudaError_t cudaGraphInstantiate(cudaGraphExec_t*, cudaGraph_t, unsigned long long) {
    return failed(cudaErrorNotSupported);
}
EXPORT cudaError_t cudaGraphLaunch(cudaGraphExec_t, cudaStream_t) { return failed(cudaErrorNotSupported); }

EXPORT cudaError_t cudaLaunchHostFunc(cudaStream_t, cudaHostFn_t function, void* data) {
    function(data);
    return state();
}

EXPORT cudaError_t cudaMemPoolCreate(cudaMemPool_t* pool, const cudaMemPoolProps*) { return handle(pool); }
EXPORT cudaError_t cudaMemPoolDestroy(cudaMemPool_t) { return cudaSuccess; }

EXPORT cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t, cudaMemPoolAttr, void* value) {
    *static_cast<unsigned long long*>(value) = 0;
    return cudaSuccess;
}

EXPORT cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void*) { return cudaSuccess; }
EXPORT cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, size_t) { return cudaSuccess; }

EXPORT cudaError_t cudaLaunchKernel(const void* function, dim3 grid, dim3 block, void** arguments, size_t, cudaStream_t) {
    return launch(function, grid, block, arguments);
}

EXPORT cudaError_t cudaLaunchCooperativeKernel(const void* function, dim3 grid, dim3 block, void** arguments, size_t,
                                               cudaStream_t) {
    return launch(function, grid, block, arguments);
}

EXPORT cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t* config, const void* function, void** arguments) {
    return launch(function, config->gridDim, config->blockDim, arguments);
}

EXPORT cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void** arguments, size_t, cudaStream_t) {
    return launch(reinterpret_cast<const void*>(kernel), grid, block, arguments);
}

EXPORT cudaError_t __cudaGetKernel(cudaKernel_t* kernel, const void* function) {
    *kernel = reinterpret_cast<cudaKernel_t>(const_cast<void*>(function));
    return cudaSuccess;
}

namespace {
struct CallConfiguration {
    dim3 grid, block;
    size_t shared_memory;
    cudaStream_t stream;
};
thread_local std::vector<CallConfiguration> configurations;
}  // namespace

EXPORT unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared_memory, cudaStream_t stream) {
    configurations.push_back({grid, block, shared_memory, stream});
    return 0;
}

EXPORT cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, size_t* shared_memory, void* stream) {
    if (configurations.empty()) return failed(cudaErrorUnknown);
    auto last = configurations.back();
    configurations.pop_back();
    *grid = last.grid;
    *block = last.block;
    *shared_memory = last.shared_memory;
    *static_cast<cudaStream_t*>(stream) = last.stream;
    return cudaSuccess;
}

EXPORT void** __cudaRegisterFatBinary(void*) {
    static void* binary;
    return &binary;
}

EXPORT void __cudaRegisterFatBinaryEnd(void**) {}
EXPORT void __cudaUnregisterFatBinary(void**) {}

EXPORT void __cudaRegisterFunction(void**, const char* function, char*, const char* name, int, uint3*, uint3*, dim3*, dim3*,
                                   int*) {
    Lock lock(guard);
    kernels[function] = name;
}

EXPORT void __cudaRegisterVar(void**, char*, char*, const char*, int, size_t, int, int) {}

EXPORT cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void*) {
    std::memset(attributes, 0, sizeof *attributes);
    attributes->maxThreadsPerBlock = 1024;
    attributes->numRegs = 64;
    attributes->binaryVersion = attributes->ptxVersion = compute_capability();
    attributes->maxDynamicSharedSizeBytes = static_cast<int>(generation().shared_memory_of_block);
    return cudaSuccess;
}

EXPORT cudaError_t cudaFuncSetAttribute(const void*, cudaFuncAttribute attribute, int value) {
    bool is_too_large = attribute == cudaFuncAttributeMaxDynamicSharedMemorySize &&
                        static_cast<size_t>(value) > generation().shared_memory_of_block;
    return is_too_large ? failed(cudaErrorInvalidValue) : cudaSuccess;
}

EXPORT cudaError_t cudaKernelSetAttributeForDevice(cudaKernel_t, cudaFuncAttribute, int, int) { return cudaSuccess; }
EXPORT cudaError_t cudaLibraryGetKernel(cudaKernel_t*, cudaLibrary_t, const char*) { return failed(cudaErrorNotSupported); }
EXPORT cudaError_t cudaLibraryLoadData(cudaLibrary_t*, const void*, cudaJitOption*, void**, unsigned, cudaLibraryOption*,
                                       void**, unsigned) {
    return failed(cudaErrorNotSupported);
}
EXPORT cudaError_t cudaLibraryUnload(cudaLibrary_t) { return cudaSuccess; }

EXPORT cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, const void*, int, size_t, unsigned) {
    *blocks = 1;
    return cudaSuccess;
}
