//! Encoding of fp32 values as fp16, bf16 and fp8.

use super::spec::Dtype;

/// A binary floating-point format; values beyond `max` are clamped, so infinities are never written.
struct Format {
    mantissa_bits: u32,
    /// Exponent of the smallest normal number.
    min_exponent: i32,
    sign_bit: u32,
    max: f32,
}

const F16: Format = Format { mantissa_bits: 10, min_exponent: -14, sign_bit: 15, max: 65_504.0 };
const F8E4M3: Format = Format { mantissa_bits: 3, min_exponent: -6, sign_bit: 7, max: 448.0 };

/// Appends `value` as a `dtype`, rounded to the nearest.
pub fn push_float(bytes: &mut Vec<u8>, value: f32, dtype: Dtype) {
    match dtype {
        Dtype::F16 => bytes.extend((F16.bits(value) as u16).to_le_bytes()),
        Dtype::Bf16 => bytes.extend(bf16_from(value).to_le_bytes()),
        Dtype::F8E4M3 => bytes.push(F8E4M3.bits(value) as u8),
        _ => bytes.extend(value.to_le_bytes()),
    }
}

/// The bits of the nearest bf16; ties go to even.
fn bf16_from(value: f32) -> u16 {
    let bits = value.to_bits();
    if value.is_nan() {
        // rounding could carry a NaN's mantissa into infinity
        return (bits >> 16) as u16 | 0x40;
    }
    ((bits + 0x7fff + ((bits >> 16) & 1)) >> 16) as u16
}

impl Format {
    /// The bits of the nearest value; ties go to even.
    fn bits(&self, value: f32) -> u32 {
        let magnitude = value.abs().min(self.max);
        let exponent = ((magnitude.to_bits() >> 23) as i32 - 127).max(self.min_exponent);
        // in units of the last place; a carry out of the mantissa increments the exponent
        let unit = exponent - self.mantissa_bits as i32;
        let per_unit = f64::from_bits(((1023 - unit) as u64) << 52);
        let units = (f64::from(magnitude) * per_unit).round_ties_even() as u32;
        let implied = 1 << self.mantissa_bits;
        let bits = if units < implied {
            units
        } else {
            (((exponent - self.min_exponent + 1) as u32) << self.mantissa_bits) + (units - implied)
        };
        bits | (u32::from(value.is_sign_negative()) << self.sign_bit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_encoded_by_the_standards() {
        for (format, value, bits) in [
            (&F16, 1.0, 0x3c00),
            (&F16, -2.0, 0xc000),
            (&F16, 65_504.0, 0x7bff),
            (&F16, 5.960_464_5e-8, 0x0001),
            (&F16, 0.333_251_95, 0x3555),
            (&F8E4M3, 1.0, 0x38),
            (&F8E4M3, 448.0, 0x7e),
            (&F8E4M3, 1000.0, 0x7e),
            (&F8E4M3, -0.001_953_125, 0x81),
            (&F8E4M3, 0.0, 0),
            // ties go to even
            (&F8E4M3, 1.062_5, 0x38),
            (&F8E4M3, 1.187_5, 0x3a),
            (&F8E4M3, 1.99, 0x40),
        ] {
            assert_eq!(format.bits(value), bits, "{value}");
        }
    }

    #[test]
    fn bf16_rounds_to_the_nearest_and_ties_to_even() {
        for (value, bits) in [
            (1.0, 0x3f80),
            (0.1, 0x3dcd),
            (f32::from_bits(0x3f80_8000), 0x3f80),
            (f32::from_bits(0x3f81_8000), 0x3f82),
            (f32::from_bits(0x3f80_8001), 0x3f81),
            (f32::MAX, 0x7f80),
            (-0.0, 0x8000),
        ] {
            assert_eq!(bf16_from(value), bits, "{value}");
        }
        let bits = u32::from(bf16_from(f32::from_bits(0x7fff_ffff)));
        assert!(f32::from_bits(bits << 16).is_nan());
    }
}
