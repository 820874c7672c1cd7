//! Starting noise: the values of `torch.randn` on a CPU, bit for bit.
//!
//! The same seed must give the same video as in diffusers, so the sequence is torch's: MT19937, 24-bit uniforms and
//! Box–Muller in blocks of 16. On x86 CPUs with AVX2, torch evaluates logarithm, sine and cosine by the single-precision
//! polynomials of Cephes with fused multiply-adds. The same polynomials are used here, so the values do not depend on the
//! platform's mathematics library.

use rand_mt::Mt;

use crate::core::Seed;

/// Number of values that torch's vectorised path makes at once: 8 radii and 8 angles.
const BLOCK: usize = 16;
const LANES: usize = BLOCK / 2;

/// The first `len` values of `torch.randn(len, generator=torch.Generator().manual_seed(seed))`.
///
/// Like torch, it uses the low 32 bits of the seed, and a different sequence for fewer than 16 values.
pub fn standard_normal(seed: Seed, len: usize) -> Vec<f32> {
    let mut source = Mt::new(seed.0 as u32);
    if len < BLOCK {
        return few(&mut source, len);
    }
    let mut out = vec![0.0; len];
    let (blocks, rest) = out.as_chunks_mut::<BLOCK>();
    for block in blocks {
        fill_block(&mut source, block);
    }
    if !rest.is_empty() {
        // torch draws a uniform for every value first, then draws the last 16 values again
        for _ in 0..rest.len() {
            source.next_u32();
        }
        if let Some(tail) = out.last_chunk_mut::<BLOCK>() {
            fill_block(&mut source, tail);
        }
    }
    out
}

/// Box–Muller of 16 uniforms: the first half gives 8 radii, the second 8 angles.
fn fill_block(source: &mut Mt, block: &mut [f32; BLOCK]) {
    let mut uniform = [0.0_f32; BLOCK];
    for value in &mut uniform {
        *value = (source.next_u32() & 0x00ff_ffff) as f32 * (1.0 / 16_777_216.0);
    }
    for lane in 0..LANES {
        let radius = (-2.0 * ln(1.0 - uniform[lane])).sqrt();
        let (sin, cos) = sin_cos(std::f32::consts::TAU * uniform[lane + LANES]);
        block[lane] = radius * cos;
        block[lane + LANES] = radius * sin;
    }
}

/// torch's scalar path: pairs in double precision from 53-bit uniforms.
fn few(source: &mut Mt, len: usize) -> Vec<f32> {
    let mut uniform = || {
        let high = u64::from(source.next_u32());
        let bits = (high << 32 | u64::from(source.next_u32())) & ((1 << 53) - 1);
        bits as f64 * (1.0 / (1_u64 << 53) as f64)
    };
    let mut out = Vec::with_capacity(len + 1);
    while out.len() < len {
        let (angle, depth) = (std::f64::consts::TAU * uniform(), uniform());
        let radius = (-2.0 * (-depth).ln_1p()).sqrt();
        out.extend([(radius * angle.cos()) as f32, (radius * angle.sin()) as f32]);
    }
    out.truncate(len);
    out
}

/// `a * b + c` with a single rounding except for rare ties, because the product is exact in f64. Unlike `f32::mul_add`,
/// which is a library call where the target has no FMA, it vectorises on every target.
fn fused(a: f32, b: f32, c: f32) -> f32 {
    (f64::from(a) * f64::from(b) + f64::from(c)) as f32
}

/// `((c0 * x + c1) * x + c2)…`
fn horner<const N: usize>(x: f32, first: f32, then: [f32; N]) -> f32 {
    then.into_iter().fold(first, |sum, coefficient| fused(sum, x, coefficient))
}

/// Natural logarithm of a normal number in (0, 1] (Cephes `logf`: mantissa in [√½, √2), polynomial of degree 8).
fn ln(x: f32) -> f32 {
    const MANTISSA: u32 = 0x007f_ffff;
    const HALF: u32 = 0x3f00_0000;
    let mantissa = f32::from_bits(x.to_bits() & MANTISSA | HALF);
    let exponent = (x.to_bits() >> 23) as i32 - 126;
    let below = mantissa < std::f32::consts::FRAC_1_SQRT_2;
    let exponent = (exponent - i32::from(below)) as f32;
    let r = mantissa - 1.0 + if below { mantissa } else { 0.0 };
    let square = r * r;
    let poly = horner(
        r,
        7.037_683_6e-2,
        [
            -1.151_461e-1,
            1.167_699_84e-1,
            -1.242_014_1e-1,
            1.424_932_3e-1,
            -1.666_805_7e-1,
            2.000_071_4e-1,
            -2.499_999_4e-1,
            3.333_333e-1,
        ],
    );
    // ln 2 as a sum of two terms, the larger one exact in few bits
    let tail = fused(poly * r, square, exponent * -2.121_944_4e-4) - square * 0.5;
    fused(exponent, 0.693_359_4, r + tail)
}

/// Sine and cosine of an angle in [0, 2π] (Cephes `sinf`, `cosf`: reduction to ±π/4, two polynomials).
fn sin_cos(angle: f32) -> (f32, f32) {
    let octant = ((angle * (4.0 / std::f32::consts::PI)) as i32 + 1) & !1;
    let y = octant as f32;
    // π/4 as a sum of three terms
    let x = fused(y, -3.774_895e-8, fused(y, -2.418_756_5e-4, fused(y, -0.785_156_25, angle)));
    let z = x * x;
    let c = horner(z, 2.443_315_7e-5, [-1.388_731_6e-3, 4.166_664_6e-2]) * z;
    let even = fused(c, z, -0.5 * z) + 1.0;
    let s = horner(z, -1.951_529_6e-4, [8.332_161e-3, -1.666_665_5e-1]) * z;
    let odd = fused(s, x, x);
    let (sin, cos) = if octant & 2 == 0 { (odd, even) } else { (even, odd) };
    let sign = |negative: bool| if negative { -1.0 } else { 1.0 };
    (sin * sign(octant & 4 != 0), cos * sign((octant + 2) & 4 != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polynomials_are_close_to_the_functions() {
        for step in 1..=10_000_u16 {
            let x = f32::from(step) / 10_000.0;
            let wrong = (f64::from(ln(x)) - f64::from(x).ln()).abs();
            assert!(wrong <= 1e-7 * f64::from(x).ln().abs().max(1e-7), "ln {x}: {wrong:e}");
            let angle = std::f32::consts::TAU * x;
            let (sin, cos) = sin_cos(angle);
            assert!((f64::from(sin) - f64::from(angle).sin()).abs() < 1.2e-7, "sin {angle}");
            assert!((f64::from(cos) - f64::from(angle).cos()).abs() < 1.2e-7, "cos {angle}");
        }
    }
}
