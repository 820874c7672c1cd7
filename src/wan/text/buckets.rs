//! Relative position buckets of the UMT5 encoder, which quantise the distance of two tokens.

/// Buckets per direction (half of `relative_attention_num_buckets`, 32).
const ONE_SIDE: i64 = 16;
/// Smaller distances have their own bucket; larger ones share buckets by their logarithm.
const EXACT: i64 = ONE_SIDE / 2;
/// Distance at which the last bucket begins (`relative_attention_max_distance`).
const FAR: f32 = 128.0;

/// The bucket of every (query, key) pair: `[len, len]`, row by query. Keys after the query use the upper half.
pub fn relative_buckets(len: usize) -> Vec<i64> {
    let by_distance: Vec<i64> = (0..len).map(bucket_of_distance).collect();
    let mut out = Vec::with_capacity(len * len);
    for query in 0..len {
        out.extend(by_distance[..=query].iter().rev());
        out.extend(by_distance[1..len - query].iter().map(|bucket| bucket + ONE_SIDE));
    }
    out
}

/// The bucket of a distance, computed in f32 like T5, because the bounds depend on rounding.
fn bucket_of_distance(distance: usize) -> i64 {
    let exact = EXACT as f32;
    if (distance as i64) < EXACT {
        return distance as i64;
    }
    let ratio = (distance as f32 / exact).ln() / (FAR / exact).ln();
    (EXACT + (ratio * (ONE_SIDE - EXACT) as f32) as i64).min(ONE_SIDE - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_are_where_t5_has_them() {
        // first distance of each bucket, read off transformers' UMT5Attention
        let edges = [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91];
        let firsts: Vec<usize> =
            (0..16).map(|bucket| (0..600).find(|&d| bucket_of_distance(d) == bucket).unwrap()).collect();
        assert_eq!(firsts, edges);
    }

    #[test]
    fn rows_are_queries_and_later_keys_are_upper() {
        assert_eq!(relative_buckets(3), [0, 17, 18, 1, 0, 17, 2, 1, 0]);
        assert!(relative_buckets(0).is_empty());
    }
}
