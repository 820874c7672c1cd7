//! What identifies the values of a component, whatever its files are called and wherever they are.

use super::weights::{TensorInfo, Weights};
use crate::core::{Result, sha256_hex};

/// Tensors of any kind of which a part is read.
const SAMPLES: usize = 4;
/// Matrices of which a part is read: a LoRA that is merged into a checkpoint changes nothing else.
const MATRICES: usize = 8;
/// Bytes that are read of each of them.
const SAMPLE_BYTES: u64 = 4096;
/// Small tensors that training changes in every transformer.
const ALWAYS: [&str; 2] = ["scale_shift_table", "proj_out.bias"];

impl Weights {
    /// SHA-256 over the name, type and shape of every tensor, and over a part of the values of some of them.
    ///
    /// It takes a few milliseconds for a file of any size, so it does not detect a change of a single value. A change of
    /// most matrices is detected.
    pub fn content(&self) -> Result<String> {
        let all: Vec<_> = self.iter().collect();
        let line = |(name, info): &(&str, &TensorInfo)| format!("{name} {:?} {:?}\n", info.dtype, info.shape);
        let mut bytes = all.iter().map(line).collect::<String>().into_bytes();
        let infos: Vec<_> = all.iter().map(|(_, info)| *info).collect();
        let matrices: Vec<_> = infos.iter().copied().filter(|info| info.shape.len() >= 2).collect();
        let always = ALWAYS.iter().filter_map(|name| self.get(name).ok());
        for info in evenly(&infos, SAMPLES).chain(evenly(&matrices, MATRICES)).chain(always) {
            let len = SAMPLE_BYTES.min(info.len);
            let offset = info.offset + (info.len - len) / 2;
            bytes.extend(self.bytes(&TensorInfo { offset, len, ..info.clone() })?);
        }
        Ok(sha256_hex(&bytes))
    }
}

/// About `count` of the tensors, from everywhere.
fn evenly<'a>(infos: &[&'a TensorInfo], count: usize) -> impl Iterator<Item = &'a TensorInfo> {
    infos.iter().step_by(infos.len().div_ceil(count).max(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Biases that are always the same, and a matrix of `value` beside each.
    fn content(value: u8) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.safetensors");
        let (bias, matrix) = (vec![1_u8; 64], vec![value; 64]);
        let tensors = (0..40).flat_map(|layer| {
            let view = |shape: &[usize], bytes| {
                safetensors::tensor::TensorView::new(safetensors::Dtype::U8, shape.to_vec(), bytes).unwrap()
            };
            [
                (format!("{layer:02}.bias"), view(&[64], &bias)),
                (format!("{layer:02}.weight"), view(&[8, 8], &matrix)),
            ]
        });
        std::fs::write(&path, safetensors::serialize(tensors, None).unwrap()).unwrap();
        Weights::from_files(&[path]).unwrap().content().unwrap()
    }

    #[test]
    fn a_merged_lora_changes_the_content() {
        assert_eq!(content(3), content(3));
        assert_ne!(content(3), content(4));
    }
}
