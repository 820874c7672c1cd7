//! Builds the header of a safetensors file.

use serde_json::{Map, Value, json};

use super::spec::Dtype;

/// The header bytes for tensors with a name, type and shape, padded so that the data begins at a multiple of eight, and
/// the offset of each tensor in the data. `metadata` becomes the file's `__metadata__`.
pub fn safetensors_header<'a>(
    metadata: Value,
    tensors: impl IntoIterator<Item = (&'a str, Dtype, &'a [usize])>,
) -> (Vec<u8>, Vec<u64>) {
    let (mut entries, mut places, mut offset) = (Map::new(), Vec::new(), 0);
    entries.insert("__metadata__".to_owned(), metadata);
    for (name, dtype, shape) in tensors {
        let end = offset + (shape.iter().product::<usize>() * dtype.size()) as u64;
        let entry = json!({"dtype": dtype_name(dtype), "shape": shape, "data_offsets": [offset, end]});
        entries.insert(name.to_owned(), entry);
        places.push(offset);
        offset = end;
    }
    let mut bytes = Value::Object(entries).to_string().into_bytes();
    bytes.resize(bytes.len().next_multiple_of(8), b' ');
    (bytes, places)
}

fn dtype_name(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::F32 => "F32",
        Dtype::F16 => "F16",
        Dtype::Bf16 => "BF16",
        Dtype::F8E4M3 => "F8_E4M3",
        Dtype::F8E5M2 => "F8_E5M2",
        Dtype::Bool => "BOOL",
        Dtype::U8 => "U8",
        Dtype::I8 => "I8",
        Dtype::I32 => "I32",
        Dtype::I64 => "I64",
    }
}
