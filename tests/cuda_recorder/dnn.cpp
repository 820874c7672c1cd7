// libcudnn: convolutions and the graph interface, which plans one engine for everything.
#include <cstdint>
#include <cstring>

#include "record.h"

namespace {
constexpr int VERSION = 92000;
constexpr int TYPE_INT64 = 3;
constexpr int TYPE_BACKEND_DESCRIPTOR = 15;
constexpr int TYPE_BEHAVIOUR_NOTE = 23;
constexpr int ENGINE_HEURISTICS = 202;
constexpr int ENGINE_COUNT = 203;

struct Descriptor {
    int kind;
};
}  // namespace

EXPORT size_t cudnnGetVersion() { return VERSION; }
EXPORT size_t cudnnGetCudartVersion() { return 13000; }

EXPORT int cudnnCreate(void** handle) {
    *handle = reinterpret_cast<void*>(1);
    return 0;
}

EXPORT int cudnnDestroy(void*) { return 0; }
EXPORT int cudnnSetStream(void*, void*) { return 0; }
EXPORT const char* cudnnGetErrorString(int) { return "not supported by the recorder"; }

EXPORT int cudnnGetLastErrorString(char* text, size_t length) {
    if (length > 0) text[0] = 0;
    return 0;
}

EXPORT int cudnnGetReductionIndicesSize(void*, void*, void*, void*, size_t* bytes) {
    *bytes = 0;
    return 0;
}

EXPORT int cudnnGetReductionWorkspaceSize(void*, void*, void*, void*, size_t* bytes) {
    *bytes = 0;
    return 0;
}

EXPORT int cudnnBackendCreateDescriptor(int kind, void** made) {
    *made = new Descriptor{kind};
    return 0;
}

EXPORT int cudnnBackendDestroyDescriptor(void* descriptor) {
    delete static_cast<Descriptor*>(descriptor);
    return 0;
}

EXPORT int cudnnBackendFinalize(void*) { return 0; }
EXPORT int cudnnBackendSetAttribute(void*, int, int, int64_t, const void*) { return 0; }

// One engine without workspace and without behaviour notes.
EXPORT int cudnnBackendGetAttribute(void*, int name, int type, int64_t requested, int64_t* found, void* values) {
    int64_t count = 0;
    if (name == ENGINE_HEURISTICS || name == ENGINE_COUNT) {
        count = 1;
    } else if (name == 1 || (type == TYPE_INT64 && requested >= 1)) {
        count = 1;
        if (values && requested >= 1) *static_cast<int64_t*>(values) = 0;
    } else if (type == TYPE_BACKEND_DESCRIPTOR) {
        count = requested < 1 ? requested : 1;
    } else if (type == TYPE_BEHAVIOUR_NOTE) {
        count = 1;
        if (values) *static_cast<int32_t*>(values) = 0;
    }
    if (found) *found = count;
    return 0;
}

EXPORT int cudnnBackendExecute(void*, void*, void*) {
    record("cudnn execute");
    return 0;
}

// The older interface; calls that work on data show in the record.
#define RECORDED(name)          \
    EXPORT int name(...) {      \
        record("cudnn " #name); \
        return 0;               \
    }
#define ACCEPTED(name) \
    EXPORT int name(...) { return 0; }

RECORDED(cudnnReduceTensor)
RECORDED(cudnnActivationForward)
RECORDED(cudnnAddTensor)
RECORDED(cudnnBatchNormalizationForwardInference)
RECORDED(cudnnBatchNormalizationForwardTraining)
RECORDED(cudnnConvolutionBiasActivationForward)
RECORDED(cudnnConvolutionForward)
RECORDED(cudnnDropoutGetStatesSize)
RECORDED(cudnnFindConvolutionForwardAlgorithmEx)
RECORDED(cudnnLRNCrossChannelForward)
RECORDED(cudnnPoolingForward)
RECORDED(cudnnRNNForward)
RECORDED(cudnnSoftmaxForward)

ACCEPTED(cudnnCreateActivationDescriptor)
ACCEPTED(cudnnCreateConvolutionDescriptor)
ACCEPTED(cudnnCreateDropoutDescriptor)
ACCEPTED(cudnnCreateFilterDescriptor)
ACCEPTED(cudnnCreateLRNDescriptor)
ACCEPTED(cudnnCreatePoolingDescriptor)
ACCEPTED(cudnnCreateRNNDataDescriptor)
ACCEPTED(cudnnCreateRNNDescriptor)
ACCEPTED(cudnnCreateReduceTensorDescriptor)
ACCEPTED(cudnnCreateTensorDescriptor)
ACCEPTED(cudnnDeriveBNTensorDescriptor)
ACCEPTED(cudnnDestroyActivationDescriptor)
ACCEPTED(cudnnDestroyConvolutionDescriptor)
ACCEPTED(cudnnDestroyDropoutDescriptor)
ACCEPTED(cudnnDestroyFilterDescriptor)
ACCEPTED(cudnnDestroyLRNDescriptor)
ACCEPTED(cudnnDestroyPoolingDescriptor)
ACCEPTED(cudnnDestroyRNNDataDescriptor)
ACCEPTED(cudnnDestroyRNNDescriptor)
ACCEPTED(cudnnDestroyReduceTensorDescriptor)
ACCEPTED(cudnnDestroyTensorDescriptor)
ACCEPTED(cudnnGetConvolutionForwardAlgorithm_v7)
ACCEPTED(cudnnGetConvolutionForwardWorkspaceSize)
ACCEPTED(cudnnGetRNNTempSpaceSizes)
ACCEPTED(cudnnGetRNNWeightParams)
ACCEPTED(cudnnGetStream)
ACCEPTED(cudnnGetTensorNdDescriptor)
ACCEPTED(cudnnSetActivationDescriptor)
ACCEPTED(cudnnSetConvolutionGroupCount)
ACCEPTED(cudnnSetConvolutionMathType)
ACCEPTED(cudnnSetConvolutionNdDescriptor)
ACCEPTED(cudnnSetDropoutDescriptor)
ACCEPTED(cudnnSetFilterNdDescriptor)
ACCEPTED(cudnnSetLRNDescriptor)
ACCEPTED(cudnnSetPoolingNdDescriptor)
ACCEPTED(cudnnSetRNNDataDescriptor)
ACCEPTED(cudnnSetRNNDescriptor_v8)
ACCEPTED(cudnnSetReduceTensorDescriptor)
ACCEPTED(cudnnSetTensorNdDescriptor)
