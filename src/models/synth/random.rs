//! A fast random number generator with the same values on every platform.

/// A stream of random numbers (xoshiro256++, Blackman and Vigna).
#[derive(Clone, Debug)]
pub(super) struct RandomStream([u64; 4]);

impl RandomStream {
    /// The stream of the tensor `name` of a model made with `seed`.
    pub(super) fn new(seed: u64, name: &str) -> Self {
        // FNV-1a hashes the name, splitmix64 makes the state of it
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        });
        let mut state = hash ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self(std::array::from_fn(|_| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        }))
    }

    /// An approximately normal value with mean 0 and standard deviation 1, at most [`MAX_NORMAL`] in magnitude: the sum
    /// of four uniform values.
    pub(super) fn normal(&mut self) -> f32 {
        let bits = self.next();
        let sum = (bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff) + (bits >> 48);
        // mean 2 * 65535, variance 4 / 12 * 65536^2
        (sum as f32 - 131_070.0) * (1.0 / 37_837.23)
    }

    /// The next 64 random bits.
    fn next(&mut self) -> u64 {
        let s = &mut self.0;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }
}

/// Largest magnitude of [`RandomStream::normal`].
pub(super) const MAX_NORMAL: f32 = 3.47;

/// Mean and standard deviation of the tensor that diffusers calls `name`.
///
/// Norms are near 1, biases and modulation are small, and matrices keep the scale of their inputs.
pub(super) fn moments(name: &str, shape: &[usize]) -> (f32, f32) {
    let leaf = name.rsplit('.').next().unwrap_or(name);
    let fan_in: usize = shape.iter().skip(1).product();
    let matrix = (fan_in.max(1) as f32).sqrt().recip();
    match leaf {
        "bias" => (0.0, 0.02),
        "scale_shift_table" => (0.0, 0.1),
        "gamma" => (1.0, 0.05),
        "weight" if name.contains("norm") => (1.0, 0.05),
        _ if name == "shared.weight" => (0.0, 1.0),
        _ if name.contains("relative_attention_bias") => (0.0, 0.5),
        // UMT5 does not divide attention scores by the square root of the head width, 64
        _ if name.ends_with("SelfAttention.q.weight") => (0.0, matrix / 8.0),
        _ => (0.0, matrix),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_normal_and_reproducible() {
        let mut numbers = RandomStream::new(1, "a");
        let values: Vec<_> = (0..100_000).map(|_| f64::from(numbers.normal())).collect();
        let mean = values.iter().sum::<f64>() / 1e5;
        let variance = values.iter().map(|value| value * value).sum::<f64>() / 1e5;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
        assert!(values.iter().all(|value| value.abs() <= f64::from(MAX_NORMAL)));
        let first = |seed, name: &str| RandomStream::new(seed, name).normal();
        assert_eq!(first(1, "a"), first(1, "a"));
        assert!(first(1, "a") != first(2, "a") && first(1, "a") != first(1, "b"));
    }
}
