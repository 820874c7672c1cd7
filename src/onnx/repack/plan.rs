//! Which tensors are repacked into what, and where they will be in the file.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;

use super::super::quantised::{QUANTIZATION_KEY, logical_shape, quantization_layout, scale_name, scale_of};
use super::super::safetensors_header::safetensors_header;
use super::super::spec::Dtype;
use super::super::weights::{StoredForm, TensorInfo, Weights};
use crate::core::{Bytes, Quantisation, Result, sha256_hex};

/// Changed when the same source would give another file.
const VERSION: u32 = 2;
/// Values above which a tensor that stays floating point is stored in fp16: blocks are less exact than that.
const LARGE: usize = 1 << 20;

/// What the matrices become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepackTarget {
    /// Linear layers become int8 with a scale for each output.
    Int8,
    /// Everything becomes floating point of this type.
    Float(Dtype),
}

/// How a tensor gets into the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Its bytes are copied.
    Copy,
    /// It is rounded to int8; its scales are the next tensor.
    Int8Rows,
    /// Scales that are written together with their matrix.
    Scales,
    /// Its values are written as floating-point numbers of the tensor's type.
    Convert,
}

/// A tensor of the file.
#[derive(Clone, Debug)]
pub(super) struct RepackedTensor {
    pub(super) name: String,
    pub(super) dtype: Dtype,
    /// Shape as stored.
    pub(super) shape: Vec<usize>,
    pub(super) action: Action,
    /// Offset in the file.
    pub(super) offset: u64,
}

impl RepackedTensor {
    pub(super) fn size(&self) -> u64 {
        (self.shape.iter().product::<usize>() * self.dtype.size()) as u64
    }
}

/// The plan of one file.
#[derive(Clone, Debug)]
pub struct Repack {
    pub(super) tensors: Vec<RepackedTensor>,
    /// Length and header as they are written.
    pub(super) header: Vec<u8>,
    result: Weights,
}

impl Weights {
    /// Whether graphs cannot read all of its tensors as they are stored, or only at the cost of fp32.
    pub fn needs_repack(&self) -> bool {
        self.iter().any(|(name, _)| self.is_packed(name))
    }

    /// The form of most of the bytes that are repacked, for instance `Q4_K`; `None` if nothing is.
    pub fn packed_form(&self) -> Option<&'static str> {
        let packed = self.iter().filter(|(name, _)| self.is_packed(name));
        by_bytes(packed.map(|(_, info)| (info.form_word(), info.len))).first().copied()
    }

    /// Whether the tensor `name` is quantised in a form that is repacked.
    pub fn is_packed(&self, name: &str) -> bool {
        let Ok(info) = self.get(name) else { return false };
        let is_int8 = info.dtype == Dtype::I8 && info.shape.len() == 2;
        let has_scale = || scale_name(name).is_some_and(|scale| self.contains(&scale));
        info.form != StoredForm::Plain || (is_int8 && has_scale() && self.quantisation_of(name).is_none())
    }
}

impl Repack {
    /// Plans a file in `dir`, named after what it is made from; `is_linear` says which matrices belong to linear layers.
    ///
    /// If `target` is a type of 16 bits, those in fp32 are narrowed to it where they have more than `most_cast` bytes
    /// together. Fewer are left to the graph, which casts them.
    ///
    /// `None` if nothing needs to be repacked. Reads a part of the source's values.
    pub fn plan(
        source: &Weights,
        target: RepackTarget,
        is_linear: impl Fn(&str, &[usize]) -> bool,
        most_cast: Bytes,
        dir: &Path,
    ) -> Result<Option<Self>> {
        let narrowed = narrowed(source, target, &is_linear, most_cast);
        if !source.needs_repack() && narrowed.is_none() {
            return Ok(None);
        }
        let planned = |(name, info): (&str, &TensorInfo)| match narrowed {
            Some(dtype) if is_narrowed(source, name, info, &is_linear) => {
                vec![tensor(name, dtype, &info.shape, Action::Convert)]
            }
            _ => planned(source, name, info, target, &is_linear),
        };
        let mut tensors: Vec<_> = source.iter().flat_map(planned).collect();
        // sorted by element size, so that all are aligned
        tensors.sort_by_key(|tensor| std::cmp::Reverse(tensor.dtype.size()));
        let mut notes = json!({"made_by": env!("CARGO_PKG_NAME")});
        let mut metadata = BTreeMap::new();
        if tensors.iter().any(|tensor| tensor.action == Action::Int8Rows) {
            let layout = quantization_layout(Quantisation::Int8);
            notes[QUANTIZATION_KEY] = json!(layout);
            metadata.insert(QUANTIZATION_KEY.to_owned(), layout.to_owned());
        }
        let entries =
            tensors.iter().map(|tensor| (tensor.name.as_str(), tensor.dtype, tensor.shape.as_slice()));
        let (json, places) = safetensors_header(notes, entries);
        let mut header = (json.len() as u64).to_le_bytes().to_vec();
        header.extend(json);
        for (tensor, place) in tensors.iter_mut().zip(places) {
            tensor.offset = header.len() as u64 + place;
        }
        let path = dir.join(format!("{}.safetensors", key(source, &header)?));
        let infos = tensors.iter().map(|tensor| (tensor.name.clone(), info(tensor))).collect();
        let result = Weights::repacked(source, path, infos, metadata);
        Ok(Some(Self { tensors, header, result }))
    }

    /// The repacked weights. Only their layout is known until the file is written.
    pub fn weights(&self) -> &Weights {
        &self.result
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.result.files()[0]
    }

    /// Size of the file.
    pub fn size(&self) -> Bytes {
        Bytes(self.header.len() as u64 + self.tensors.iter().map(RepackedTensor::size).sum::<u64>())
    }

    /// What it is made from.
    pub(super) fn source(&self) -> &Weights {
        self.result.stored()
    }

    /// Size of the source's tensors.
    pub fn source_size(&self) -> Bytes {
        self.source().size()
    }

    /// Whether the file was written before.
    pub fn is_written(&self) -> bool {
        std::fs::metadata(self.path()).is_ok_and(|about| about.is_file() && about.len() == self.size().0)
    }

    /// The forms that are repacked, the largest first, for messages: for instance `Q4_K and Q6_K`.
    pub fn source_forms(&self) -> String {
        let repacked = self.repacked().filter_map(|tensor| self.source().get(&tensor.name).ok());
        by_bytes(repacked.map(|info| (info.form_word(), info.len))).join(" and ")
    }

    /// What most of the repacked values become, for messages: for instance `int8` or `bf16`.
    pub fn result_form(&self) -> String {
        let becomes = self.repacked().map(|tensor| (tensor.dtype.to_string(), tensor.size()));
        by_bytes(becomes).into_iter().next().unwrap_or_default()
    }

    /// The tensors that are not copied as they are.
    fn repacked(&self) -> impl Iterator<Item = &RepackedTensor> {
        self.tensors.iter().filter(|tensor| matches!(tensor.action, Action::Convert | Action::Int8Rows))
    }
}

/// The different words, the one with most bytes first.
fn by_bytes<Word: Ord>(words: impl Iterator<Item = (Word, u64)>) -> Vec<Word> {
    let mut bytes = BTreeMap::<Word, u64>::new();
    for (word, size) in words {
        *bytes.entry(word).or_default() += size;
    }
    let mut words: Vec<_> = bytes.into_iter().collect();
    words.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    words.into_iter().map(|(word, _)| word).collect()
}

impl TensorInfo {
    /// The floating-point type that quantised values are stored in where they are not multiplied as integers.
    pub fn widened(&self) -> Dtype {
        if self.shape.iter().product::<usize>() > LARGE { Dtype::F16 } else { Dtype::F32 }
    }

    /// The name of its form, for instance `Q4_K` or `int8`.
    pub fn form_word(&self) -> &'static str {
        match &self.form {
            StoredForm::Blocks(kind) => kind.word(),
            StoredForm::Scaled(form) => form.word,
            StoredForm::Plain => match self.dtype {
                Dtype::I8 => "int8 (row-major)",
                Dtype::F8E4M3 | Dtype::F8E5M2 => "fp8",
                Dtype::F16 => "fp16",
                Dtype::Bf16 => "bf16",
                Dtype::F32 => "fp32",
                Dtype::Bool | Dtype::U8 | Dtype::I32 | Dtype::I64 => "integers",
            },
        }
    }
}

/// The type that the fp32 matrices of `source` are narrowed to, if they have more than `most_cast` bytes.
fn narrowed(
    source: &Weights,
    target: RepackTarget,
    is_linear: &impl Fn(&str, &[usize]) -> bool,
    most_cast: Bytes,
) -> Option<Dtype> {
    let RepackTarget::Float(dtype @ (Dtype::F16 | Dtype::Bf16)) = target else { return None };
    let narrowed = source.iter().filter(|(name, info)| is_narrowed(source, name, info, is_linear));
    (narrowed.map(|(_, info)| info.len).sum::<u64>() > most_cast.0).then_some(dtype)
}

fn is_narrowed(
    source: &Weights,
    name: &str,
    info: &TensorInfo,
    is_linear: &impl Fn(&str, &[usize]) -> bool,
) -> bool {
    let has_scale = || scale_name(name).is_some_and(|scale| source.contains(&scale));
    let is_plain = info.dtype == Dtype::F32 && info.form == StoredForm::Plain;
    is_plain && is_linear(name, &info.shape) && !has_scale()
}

fn tensor(name: &str, dtype: Dtype, shape: &[usize], action: Action) -> RepackedTensor {
    RepackedTensor { name: name.to_owned(), dtype, shape: shape.to_vec(), action, offset: 0 }
}

/// The tensors that the tensor `name` of the source becomes: one, a matrix with its scales, or none.
fn planned(
    source: &Weights,
    name: &str,
    info: &TensorInfo,
    target: RepackTarget,
    is_linear: &impl Fn(&str, &[usize]) -> bool,
) -> Vec<RepackedTensor> {
    if let Some(module) = name.strip_suffix(".scale_weight")
        && source.is_packed(&format!("{module}.weight"))
    {
        // the matrix gets new scales or none
        return Vec::new();
    }
    if !source.is_packed(name) {
        return vec![tensor(name, info.dtype, &info.shape, Action::Copy)];
    }
    match (target, &info.shape[..]) {
        (RepackTarget::Int8, &[outputs, inputs]) if is_linear(name, &info.shape) => {
            vec![
                tensor(name, Dtype::I8, &[inputs, outputs], Action::Int8Rows),
                tensor(&scale_of(name), Dtype::F32, &[outputs], Action::Scales),
            ]
        }
        (RepackTarget::Int8, shape) => {
            vec![tensor(name, info.widened(), shape, Action::Convert)]
        }
        (RepackTarget::Float(dtype), shape) => vec![tensor(name, dtype, shape, Action::Convert)],
    }
}

/// The place of a repacked tensor.
fn info(tensor: &RepackedTensor) -> TensorInfo {
    let shape = match tensor.action {
        Action::Int8Rows => logical_shape(Some(Quantisation::Int8), tensor.dtype, &tensor.shape),
        _ => tensor.shape.clone(),
    };
    TensorInfo {
        dtype: tensor.dtype,
        shape,
        form: StoredForm::Plain,
        file: 0,
        offset: tensor.offset,
        len: tensor.size(),
        rotation: None,
    }
}

/// Identifies the content of a file: what it is made from, and how.
///
/// Two files may have one header, one size and, once copied or unpacked, one time, and differ in values that are not read:
/// which file of the disk it is tells them apart, and when it was last changed in any way.
fn key(source: &Weights, header: &[u8]) -> Result<String> {
    let mut lines = vec![format!("{VERSION} {} {}", sha256_hex(header), source.content()?)];
    lines.extend(source.file_states());
    lines.extend(source.iter().map(|(name, info)| format!("{name} {info:?}")));
    Ok(sha256_hex(lines.join("\n").as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::time::{Duration, SystemTime};

    use super::*;

    /// Writes twelve int8 matrices with scales, the sixth all of `value`; the time of the file is always the same.
    fn write(path: &Path, value: u8) {
        let data: Vec<Vec<u8>> =
            (0..12).map(|matrix| vec![if matrix == 5 { value } else { matrix }; 1 << 14]).collect();
        let (scale, shape) = (1_f32.to_le_bytes(), vec![1 << 7, 1 << 7]);
        let view = |dtype, shape, bytes| safetensors::tensor::TensorView::new(dtype, shape, bytes).unwrap();
        let matrices = data.iter().enumerate().flat_map(|(index, bytes)| {
            [
                (format!("{index:02}.weight"), view(safetensors::Dtype::I8, shape.clone(), bytes)),
                (format!("{index:02}.scale_weight"), view(safetensors::Dtype::F32, vec![], &scale)),
            ]
        });
        fs::write(path, safetensors::serialize(matrices, None).unwrap()).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn what_differs_in_one_value_has_a_file_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let [one, other] = ["a", "b"].map(|name| dir.path().join(name).with_extension("safetensors"));
        let plan = |path: &Path| {
            let source = Weights::from_files(&[path.to_path_buf()]).unwrap();
            let all = |_: &str, _: &[usize]| true;
            let repack = Repack::plan(&source, RepackTarget::Int8, all, Bytes(u64::MAX), dir.path());
            let repack = repack.unwrap().unwrap();
            (source.content().unwrap(), repack.path().to_path_buf())
        };
        write(&one, 5);
        write(&other, 105);
        let ((content, first), (other_content, second)) = (plan(&one), plan(&other));
        assert_eq!(content, other_content, "the value is one that is not read");
        assert_ne!(first, second);
        assert_eq!(plan(&one).1, first);
        // the same file with another value, the same size and the same time
        std::thread::park_timeout(Duration::from_millis(50));
        write(&one, 105);
        assert_ne!(plan(&one).1, first);
    }
}
