//! Writes GGUF files as city96's and llama.cpp's converters do, and says which numbers they hold.

use std::path::Path;

use wandeck::onnx::{Dtype, push_float};

/// Element type of a tensor that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GgufType {
    F32,
    Q8_0,
    Q4K,
}

impl GgufType {
    /// The type for a tensor of this shape: `wanted` where its rows are whole blocks, else the next larger one.
    pub(crate) fn fitting(wanted: Self, shape: &[usize]) -> Self {
        match shape {
            [_, inputs] if wanted == Self::Q4K && inputs % 256 == 0 => Self::Q4K,
            [_, inputs] if wanted != Self::F32 && inputs % 32 == 0 => Self::Q8_0,
            _ => Self::F32,
        }
    }

    fn number(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::Q8_0 => 8,
            Self::Q4K => 12,
        }
    }

    /// The bytes of `values`, and the numbers that they stand for.
    fn encode(self, values: &[f32]) -> (Vec<u8>, Vec<f32>) {
        let mut bytes = Vec::new();
        let numbers = match self {
            Self::F32 => {
                bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
                values.to_vec()
            }
            Self::Q8_0 => values.chunks_exact(32).flat_map(|block| q8_0(block, &mut bytes)).collect(),
            Self::Q4K => values.chunks_exact(256).flat_map(|block| q4_k(block, &mut bytes)).collect(),
        };
        (bytes, numbers)
    }
}

/// Appends `value` as fp16 and returns the number that it became.
fn half(value: f32, bytes: &mut Vec<u8>) -> f32 {
    let start = bytes.len();
    push_float(bytes, value, Dtype::F16);
    let bits = u16::from_le_bytes([bytes[start], bytes[start + 1]]);
    let exponent = i32::from(bits >> 10 & 31);
    let (mantissa, sign) = (f32::from(bits & 1023), if bits >> 15 == 1 { -1.0 } else { 1.0 });
    if exponent == 0 {
        sign * mantissa * (-24_f32).exp2()
    } else {
        sign * (1024.0 + mantissa) * ((exponent - 25) as f32).exp2()
    }
}

fn q8_0(block: &[f32], bytes: &mut Vec<u8>) -> Vec<f32> {
    let scale = half(block.iter().fold(0_f32, |most, value| most.max(value.abs())) / 127.0, bytes);
    let rounded = block
        .iter()
        .map(|value| if scale == 0.0 { 0.0 } else { (value / scale).round().clamp(-127.0, 127.0) });
    let rounded: Vec<f32> = rounded.collect();
    bytes.extend(rounded.iter().map(|value| (*value as i8).cast_unsigned()));
    rounded.iter().map(|value| value * scale).collect()
}

fn q4_k(block: &[f32], bytes: &mut Vec<u8>) -> Vec<f32> {
    let groups: Vec<&[f32]> = block.chunks_exact(32).collect();
    let lows: Vec<f32> = groups.iter().map(|group| group.iter().fold(0_f32, |a, &b| a.min(b))).collect();
    let highs = groups.iter().map(|group| group.iter().fold(0_f32, |a, &b| a.max(b)));
    let scales: Vec<f32> = highs.zip(&lows).map(|(high, low)| (high - low) / 15.0).collect();
    let most = |values: &mut dyn Iterator<Item = f32>| values.fold(0_f32, f32::max);
    let d = half(most(&mut scales.iter().copied()) / 63.0, bytes);
    let dmin = half(most(&mut lows.iter().map(|low| -low)) / 63.0, bytes);
    let six = |value: f32, unit: f32| if unit == 0.0 { 0 } else { (value / unit).round().min(63.0) as u8 };
    let sc: Vec<u8> = scales.iter().map(|&scale| six(scale, d)).collect();
    let mins: Vec<u8> = lows.iter().map(|&low| six(-low, dmin)).collect();
    let mut packed = [0; 12];
    for group in 0..4 {
        packed[group] = sc[group] | (sc[group + 4] >> 4 << 6);
        packed[group + 4] = mins[group] | (mins[group + 4] >> 4 << 6);
        packed[group + 8] = (sc[group + 4] & 15) | (mins[group + 4] & 15) << 4;
    }
    bytes.extend(packed);
    let (mut nibbles, mut numbers) = (vec![0_u8; 128], Vec::new());
    for (at, &value) in block.iter().enumerate() {
        let group = at / 32;
        let (scale, minimum) = (d * f32::from(sc[group]), dmin * f32::from(mins[group]));
        let nibble =
            if scale == 0.0 { 0 } else { ((value + minimum) / scale).round().clamp(0.0, 15.0) as u8 };
        nibbles[at / 64 * 32 + at % 32] |= nibble << (at % 64 / 32 * 4);
        numbers.push(scale * f32::from(nibble) - minimum);
    }
    bytes.extend(nibbles);
    numbers
}

/// A tensor of a file.
pub(crate) struct GgufTensor {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) kind: GgufType,
    pub(crate) values: Vec<f32>,
}

/// Writes a file, and returns the numbers that it holds, by tensor in the same order.
pub(crate) fn write_gguf(path: &Path, tensors: &[GgufTensor]) -> Vec<Vec<f32>> {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut head = b"GGUF".to_vec();
    let text = |head: &mut Vec<u8>, text: &str| {
        head.extend((text.len() as u64).to_le_bytes());
        head.extend(text.as_bytes());
    };
    head.extend(3_u32.to_le_bytes());
    head.extend((tensors.len() as u64).to_le_bytes());
    head.extend(1_u64.to_le_bytes());
    text(&mut head, "general.architecture");
    head.extend(8_u32.to_le_bytes());
    text(&mut head, "wan");
    let (mut data, mut numbers) = (Vec::new(), Vec::new());
    for tensor in tensors {
        text(&mut head, &tensor.name);
        head.extend((tensor.shape.len() as u32).to_le_bytes());
        head.extend(tensor.shape.iter().rev().flat_map(|&size| (size as u64).to_le_bytes()));
        head.extend(tensor.kind.number().to_le_bytes());
        head.extend((data.len() as u64).to_le_bytes());
        let (bytes, values) = tensor.kind.encode(&tensor.values);
        data.extend(bytes);
        data.resize(data.len().next_multiple_of(32), 0);
        numbers.push(values);
    }
    head.resize(head.len().next_multiple_of(32), 0);
    head.extend(data);
    std::fs::write(path, head).unwrap();
    numbers
}
