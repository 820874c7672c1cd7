//! Takes prompts, paths and names out of a text.

/// Shortest secret that is looked for; shorter ones are words of the program.
const SHORTEST: usize = 3;
const PATH: &str = "<path>";
const FILE: &str = "<file>";
/// Ends of files whose names a person chose.
const EXTENSIONS: [&str; 13] = [
    ".mp4",
    ".png",
    ".gif",
    ".jpg",
    ".jpeg",
    ".webp",
    ".bmp",
    ".tiff",
    ".safetensors",
    ".gguf",
    ".onnx",
    ".json",
    ".ron",
];

/// Replaces what must not leave the machine.
pub(super) struct Redactor {
    secrets: Vec<(String, &'static str)>,
}

impl Redactor {
    /// A redactor for these texts, each with what stands in its place.
    pub(super) fn new(secrets: impl IntoIterator<Item = (String, &'static str)>) -> Self {
        let mut secrets: Vec<_> =
            secrets.into_iter().filter(|(secret, _)| secret.trim().chars().count() >= SHORTEST).collect();
        // a longer one may hold a shorter one
        secrets.sort_by_key(|(secret, _)| std::cmp::Reverse(secret.len()));
        secrets.dedup();
        Self { secrets }
    }

    /// `text` without secrets, paths and names of files.
    pub(super) fn clean(&self, text: &str) -> String {
        text.lines().map(|line| self.clean_line(line)).collect::<Vec<_>>().join("\n")
    }

    fn clean_line(&self, line: &str) -> String {
        let mut line = line.to_owned();
        for (secret, instead) in &self.secrets {
            line = line.replace(secret.as_str(), instead);
        }
        let mut cleaned: Vec<String> = Vec::new();
        let mut in_path = false;
        for word in line.split(' ') {
            if in_path {
                // a folder's name may hold spaces: the path goes on until something ends it
                if let Some(path) = cleaned.last_mut().filter(|_| ends(word)) {
                    path.push_str(tail(word));
                }
                in_path = !ends(word);
                continue;
            }
            let bare = word.trim_start_matches(['"', '\'', '(', '[', '`', '=']);
            if is_absolute(bare) {
                let lead = &word[..word.len() - bare.len()];
                cleaned.push(format!("{lead}{PATH}{}", tail(word)));
                in_path = !ends(word);
            } else if bare.matches(['/', '\\']).count() >= 1
                && bare.chars().any(char::is_alphabetic)
                && !is_unit(bare)
            {
                cleaned.push(format!("{PATH}{}", tail(word)));
            } else if EXTENSIONS.iter().any(|end| bare.to_lowercase().contains(end)) {
                cleaned.push(format!("{FILE}{}", tail(word)));
            } else {
                cleaned.push(word.to_owned());
            }
        }
        cleaned.join(" ")
    }
}

fn is_absolute(word: &str) -> bool {
    let mut letters = word.chars();
    let is_drive = matches!((letters.next(), letters.next(), letters.next()), (Some(drive), Some(':'), Some('\\' | '/')) if drive.is_ascii_alphabetic());
    is_drive
        || word.starts_with('/')
        || word.starts_with("~/")
        || word.starts_with("\\\\")
        || word.contains("=/")
}

/// "MB/s" and "n/a" are no paths.
fn is_unit(word: &str) -> bool {
    word.len() <= 5 && word.matches('/').count() == 1
}

/// Whether a path ends with this word.
fn ends(word: &str) -> bool {
    word.ends_with([':', ';', ',', '"', '\'', ')', ']', '`', '|'])
}

/// The punctuation at a word's end.
fn tail(word: &str) -> &str {
    &word[word.trim_end_matches([':', ';', ',', '"', '\'', ')', ']', '`']).len()..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_paths_and_names_are_replaced_and_numbers_stay() {
        let redactor = Redactor::new([
            ("a secret garden".to_owned(), "<prompt>"),
            ("erika".to_owned(), "<user>"),
            ("ab".to_owned(), "<short>"),
        ]);
        for (text, expected) in [
            ("Job 3 failed: \"a secret garden\" is odd", "Job 3 failed: \"<prompt>\" is odd"),
            ("Cannot read /home/erika/My Videos/a.mp4: no such file", "Cannot read <path>: no such file"),
            ("Cannot read /home/erika/a.mp4", "Cannot read <path>"),
            ("in \"C:\\Users\\Erika\\Wan\", 3 files", "in \"<path>\", 3 files"),
            ("My clip.mp4 carries no settings", "My <file> carries no settings"),
            ("outputs/2026_t2v.mp4, 38 MB/s, about 4 s", "<path>, 38 MB/s, about 4 s"),
            ("erika's machine has 2 cores", "<user>'s machine has 2 cores"),
        ] {
            assert_eq!(redactor.clean(text), expected);
        }
    }
}
