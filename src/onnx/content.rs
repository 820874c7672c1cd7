//! What identifies the values of a component, whatever its files are called and wherever they are.

use super::weights::{TensorInfo, Weights};
use crate::core::{Result, sha256_hex};

/// Tensors of which a part is read.
const SAMPLES: usize = 4;
/// Bytes that are read of each of them.
const SAMPLE_BYTES: u64 = 4096;
/// Small tensors that training changes in every transformer.
const ALWAYS: [&str; 2] = ["scale_shift_table", "proj_out.bias"];

impl Weights {
    /// SHA-256 over the name, type and shape of every tensor, and over a part of the values of some of them.
    ///
    /// It takes a few milliseconds for a file of any size, so it does not detect a change of a single value.
    pub fn content(&self) -> Result<String> {
        let all: Vec<_> = self.iter().collect();
        let line = |(name, info): &(&str, &TensorInfo)| format!("{name} {:?} {:?}\n", info.dtype, info.shape);
        let mut bytes = all.iter().map(line).collect::<String>().into_bytes();
        let step = all.len().div_ceil(SAMPLES).max(1);
        let evenly = all.iter().step_by(step).map(|(_, info)| *info);
        let always = ALWAYS.iter().filter_map(|name| self.get(name).ok());
        for info in evenly.chain(always) {
            let len = SAMPLE_BYTES.min(info.len);
            let offset = info.offset + (info.len - len) / 2;
            bytes.extend(self.bytes(&TensorInfo { offset, len, ..info.clone() })?);
        }
        Ok(sha256_hex(&bytes))
    }
}
