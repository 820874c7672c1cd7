//! How the processor multiplies 8-bit integers.

/// Whether the processor has instructions for products of 8-bit integers, which ONNX Runtime's int8 kernels need to be
/// faster than its fp32 ones: VNNI on x86-64 (AVX-512 or AVX), the dot product on 64-bit Arm.
///
/// Without them int8 saves memory only: a pass of two blocks of the 5B model's width took 0.98 of fp32's processor time
/// on an EPYC of the first generation, which has AVX2, and 0.41 to 0.48 on one with AVX512-VNNI.
pub fn has_fast_int8() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("avx512vnni")
        || std::arch::is_x86_feature_detected!("avxvnni");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("dotprod");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    return false;
}

/// Whether products of unsigned by signed 8-bit integers are inexact: without VNNI, x86-64 adds two of them in 16 bits
/// and clips the sum (`vpmaddubsw`), for which ONNX Runtime's documentation of quantisation advises 7 bits. Products of
/// unsigned integers are exact there, and as fast.
pub fn clips_signed_int8() -> bool {
    cfg!(target_arch = "x86_64") && !has_fast_int8()
}
