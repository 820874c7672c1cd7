//! Supported builds of ONNX Runtime, pinned by version and checksum.
//!
//! They are the libraries in the wheels of the Python package `onnxruntime`. All are cp312 wheels, whatever Python fetches
//! them: the library does not depend on Python, so one wheel per platform is enough.

use std::env::consts;

use crate::core::{Bytes, Error, Kind, Result};

/// Version of ONNX Runtime that the program is built and measured with.
pub const VERSION: &str = "1.31.1";

/// Wheel of one platform, and the library in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Build {
    /// Operating system as `std::env::consts::OS` has it.
    pub os: &'static str,
    /// Architecture as `std::env::consts::ARCH` has it.
    pub arch: &'static str,
    /// Platform tags of the wheel, any of which an index may carry.
    pub tags: &'static [&'static str],
    /// SHA-256 of the wheel.
    pub wheel_sha256: &'static str,
    /// Size of the wheel.
    pub wheel_size: Bytes,
    /// The library inside the wheel.
    pub member: &'static str,
    /// SHA-256 of the library.
    pub library_sha256: &'static str,
    /// Size of the library.
    pub library_size: Bytes,
    /// File name of the stored library; contains the version, so that it is known without loading the library.
    pub file_name: &'static str,
}

const BUILDS: [Build; 4] = [
    Build {
        os: "linux",
        arch: "x86_64",
        tags: &["manylinux_2_28_x86_64", "manylinux_2_27_x86_64"],
        wheel_sha256: "1f3dea47f2f0e5117c2404cea7d21fd253ae7836a3bf167a501cdfbb2600d536",
        wheel_size: Bytes(23_760_988),
        member: "onnxruntime/capi/libonnxruntime.so.1.31.1",
        library_sha256: "fc44112fbe06d7d689c57e11d3862031f64711007e4ee020f8eed5185fd2c1d3",
        library_size: Bytes(29_352_200),
        file_name: "libonnxruntime.so.1.31.1",
    },
    Build {
        os: "linux",
        arch: "aarch64",
        tags: &["manylinux_2_28_aarch64", "manylinux_2_27_aarch64"],
        wheel_sha256: "0b9a492176886992e0e875f06bc0367e333f5fff11711a2d642e18b02f3009cc",
        wheel_size: Bytes(21_420_803),
        member: "onnxruntime/capi/libonnxruntime.so.1.31.1",
        library_sha256: "8aa3b76b28c778a2b1dd660d34161adb1d508c9ccd04ff9dc80e26eca5df8467",
        library_size: Bytes(25_265_040),
        file_name: "libonnxruntime.so.1.31.1",
    },
    Build {
        os: "macos",
        arch: "aarch64",
        tags: &["macosx_14_0_arm64"],
        wheel_sha256: "96dd2564b10ea7153ad9c207e7cd8e5917cb3ba521e0e0a62ac03486fdc8d56c",
        wheel_size: Bytes(20_882_125),
        member: "onnxruntime/capi/libonnxruntime.1.31.1.dylib",
        library_sha256: "d586cbe89effc085a09d3341b3cfbd5c322517f9d397aeb20814af21433f2b36",
        library_size: Bytes(33_037_336),
        file_name: "libonnxruntime.1.31.1.dylib",
    },
    Build {
        os: "windows",
        arch: "x86_64",
        tags: &["win_amd64"],
        wheel_sha256: "ae8a9a351efda685cc59a66226cdefaa37a126c1d66872ca23a2de9425326130",
        wheel_size: Bytes(14_888_466),
        member: "onnxruntime/capi/onnxruntime.dll",
        library_sha256: "e45f61e50d8650885452be538a00bb14a715e46a1bc3691000ce947e89ed0306",
        library_size: Bytes(19_288_376),
        // Windows may have its own onnxruntime.dll; another name cannot be confused with it.
        file_name: "onnxruntime-1.31.1.dll",
    },
];

impl Build {
    /// The build for this machine; fails with [`Kind::Runtime`] if there is none.
    pub fn for_this_machine() -> Result<&'static Self> {
        // The wheels are made against glibc; musl cannot load them.
        let os = if cfg!(target_env = "musl") { "linux with musl" } else { consts::OS };
        Self::for_platform(os, consts::ARCH)
    }

    /// The build for an operating system and an architecture, named as in `std::env::consts`.
    pub fn for_platform(os: &str, arch: &str) -> Result<&'static Self> {
        BUILDS.iter().find(|build| build.os == os && build.arch == arch).ok_or_else(|| {
            Error::new(Kind::Runtime, format!("ONNX Runtime {VERSION} cannot be fetched for {os} on {arch}"))
                .remedy("Build or download that version and set ORT_DYLIB_PATH to its library")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_build_is_pinned_by_whole_checksums_and_carries_the_version() {
        for build in BUILDS {
            assert!(build.file_name.contains(VERSION), "{build:?}");
            for sum in [build.wheel_sha256, build.library_sha256] {
                assert!(sum.len() == 64 && sum.bytes().all(|byte| byte.is_ascii_hexdigit()), "{build:?}");
            }
            assert_eq!(Build::for_platform(build.os, build.arch).unwrap(), &build);
        }
    }

    #[test]
    fn an_intel_mac_gets_advice() {
        let error = Build::for_platform("macos", "x86_64").unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains("macos on x86_64") && text.contains("ORT_DYLIB_PATH"), "{text}");
    }
}
