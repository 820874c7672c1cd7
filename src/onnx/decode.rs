//! Conversion between stored floating-point types and fp32.

use super::spec::Dtype;

/// Decodes `bytes` and appends the values; returns false if `dtype` is not floating point.
pub fn decode(dtype: Dtype, bytes: &[u8], values: &mut Vec<f32>) -> bool {
    match dtype {
        Dtype::F32 => values.extend(bytes.as_chunks().0.iter().map(|&four| f32::from_le_bytes(four))),
        Dtype::Bf16 => values.extend(bytes.as_chunks().0.iter().map(|&two| bf16(u16::from_le_bytes(two)))),
        Dtype::F16 => values.extend(bytes.as_chunks().0.iter().map(|&two| f16(u16::from_le_bytes(two)))),
        Dtype::F8E4M3 => values.extend(bytes.iter().map(|&byte| f8e4m3(byte))),
        Dtype::F8E5M2 => values.extend(bytes.iter().map(|&byte| small(byte.into(), 5, 2))),
        Dtype::Bool | Dtype::U8 | Dtype::I8 | Dtype::I32 | Dtype::I64 => return false,
    }
    true
}

/// Number of values in `bytes` that are infinite or not a number; 0 for integers.
pub fn num_not_finite(dtype: Dtype, bytes: &[u8]) -> u64 {
    // their exponents are all ones
    let words = |mask: u16| {
        let (pairs, _) = bytes.as_chunks::<2>();
        pairs.iter().filter(|pair| u16::from_le_bytes(**pair) & mask == mask).count()
    };
    let found = match dtype {
        Dtype::F32 => {
            let (values, _) = bytes.as_chunks::<4>();
            values.iter().filter(|value| !f32::from_le_bytes(**value).is_finite()).count()
        }
        Dtype::F16 => words(0x7C00),
        Dtype::Bf16 => words(0x7F80),
        Dtype::F8E4M3 => bytes.iter().filter(|byte| **byte & 0x7F == 0x7F).count(),
        Dtype::F8E5M2 => bytes.iter().filter(|byte| **byte & 0x7C == 0x7C).count(),
        Dtype::U8 | Dtype::I8 | Dtype::I32 | Dtype::I64 | Dtype::Bool => 0,
    };
    found as u64
}

/// Decodes an fp16 number.
pub(super) fn f16(bits: u16) -> f32 {
    small(bits.into(), 5, 10)
}

fn bf16(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// Decodes float8 E4M3FN, which has no infinities: the largest exponent holds finite values up to 448 and NaN.
pub fn f8e4m3(byte: u8) -> f32 {
    if byte & 0x7f == 0x7f {
        return f32::NAN;
    }
    if byte & 0x78 == 0x78 {
        let magnitude = (8 + u32::from(byte & 7)) as f32 * 32.0;
        return if byte & 0x80 == 0 { magnitude } else { -magnitude };
    }
    small(byte.into(), 4, 3)
}

/// Decodes an IEEE 754 value with fewer bits than fp32.
fn small(bits: u32, exponent_bits: u32, mantissa_bits: u32) -> f32 {
    let mantissa = bits & ((1 << mantissa_bits) - 1);
    let largest = (1 << exponent_bits) - 1;
    let exponent = (bits >> mantissa_bits) & largest;
    let sign = (bits >> (mantissa_bits + exponent_bits)) << 31;
    let bias = largest >> 1;
    if exponent == 0 {
        let unit = (1.0 - bias as f32 - mantissa_bits as f32).exp2();
        return f32::from_bits((mantissa as f32 * unit).to_bits() | sign);
    }
    let exponent = if exponent == largest { 255 } else { exponent + 127 - bias };
    f32::from_bits(sign | (exponent << 23) | (mantissa << (23 - mantissa_bits)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_standards() {
        let one = |dtype, bytes: &[u8]| {
            let mut values = Vec::new();
            assert!(decode(dtype, bytes, &mut values));
            values[0]
        };
        for (bits, value) in [(0x3c00_u16, 1.0), (0xc000, -2.0), (0x7bff, 65_504.0), (1, 5.960_464_5e-8)] {
            assert_eq!(one(Dtype::F16, &bits.to_le_bytes()), value);
        }
        assert_eq!(one(Dtype::F16, &0x7c00_u16.to_le_bytes()), f32::INFINITY);
        for (bits, value) in [(0x38, 1.0), (0x7e, 448.0), (0xf8, -256.0), (0x81, -0.001_953_125), (0, 0.0)] {
            assert_eq!(one(Dtype::F8E4M3, &[bits]), value);
        }
        assert!(one(Dtype::F8E4M3, &[0xff]).is_nan());
        for (bits, value) in [(0x3c, 1.0), (0x7b, 57_344.0), (0x81, -1.525_878_9e-5)] {
            assert_eq!(one(Dtype::F8E5M2, &[bits]), value);
        }
        assert_eq!(one(Dtype::Bf16, &0xc049_u16.to_le_bytes()), -3.140_625);
    }
}
