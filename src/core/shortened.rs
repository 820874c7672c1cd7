//! Text for a place with little room.

/// `text`, or its first `max_chars` characters with "…" after them if it has more.
pub fn shortened(text: &str, max_chars: usize) -> String {
    match text.char_indices().nth(max_chars) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_longer_text_is_cut_between_characters() {
        for (text, short) in
            [("", ""), ("circle", "circle"), ("circles", "circle…"), ("色调艳丽，过曝", "色调艳丽，过…")]
        {
            assert_eq!(shortened(text, 6), short);
        }
    }
}
