//! Paths in files that others made, such as lists of files to fetch.

/// Whether a path with forward slashes stays in its folder on every system.
pub fn is_plain_path(path: &str) -> bool {
    let is_plain =
        |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', ':', '\0']);
    path.split('/').all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_in_their_folder() {
        assert!(is_plain_path("a/b.json"));
        for odd in ["", "/a", "a//b", "../a", "a/..", "C:/a", "a\\b", "a\0"] {
            assert!(!is_plain_path(odd), "{odd}");
        }
    }
}
