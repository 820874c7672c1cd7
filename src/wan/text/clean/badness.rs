//! Detects mojibake by sequences of characters that do not occur in any language.
//!
//! Characters are in classes by how they appear when UTF-8 is decoded as another character set. A rule is a sequence
//! of sets of classes; text that matches a rule anywhere is mojibake. Classes and rules are those of ftfy's
//! `badness.py`.

use super::fixes::is_space;

type Classes = u32;

/// Common characters, which indicate mojibake only in combination with others.
const COMMON: Classes = 1 << 0;
/// Control characters 80 to 9F.
const C1: Classes = 1 << 1;
/// Characters that occur almost only in mojibake.
const BAD: Classes = 1 << 2;
const LAW: Classes = 1 << 3;
const CURRENCY: Classes = 1 << 4;
/// Punctuation before a word.
const START: Classes = 1 << 5;
/// Punctuation after a word.
const END: Classes = 1 << 6;
const NUMERIC: Classes = 1 << 7;
/// Letters used in emoticons such as `(ò_ó)`.
const FACE: Classes = 1 << 8;
const UPPER: Classes = 1 << 9;
const LOWER: Classes = 1 << 10;
/// Greek and Cyrillic capitals, which are common next to each other.
const UPPER_COMMON: Classes = 1 << 11;
const LOWER_COMMON: Classes = 1 << 12;
/// Box drawing characters of code page 437.
const BOX: Classes = 1 << 13;
const ASCII_LOWER: Classes = 1 << 14;
const ASCII_UPPER: Classes = 1 << 15;
const SPACE: Classes = 1 << 16;
const WORD: Classes = 1 << 17;
const NO_ASCII_LETTER: Classes = 1 << 18;
const NO_NEWLINE: Classes = 1 << 19;

const ACCENTED: Classes = LOWER | UPPER;
const PUNCTUATION: Classes = START | END;
const ASCII_LETTER: Classes = ASCII_LOWER | ASCII_UPPER;
const SYMBOLS: Classes = BOX | PUNCTUATION | CURRENCY | NUMERIC | LAW;
/// Characters between two Arabic letters decoded as windows-1252.
const ARABIC_GAP: (Classes, &str) = (COMMON | CURRENCY | BAD | NUMERIC | START, "ŸŠ®°µ»");
/// Characters between two Cyrillic or Greek letters decoded as windows-1252.
const LETTER_GAP: Classes = C1 | BAD | PUNCTUATION | CURRENCY;

/// One position of a rule: the character must be in one of the classes or be one of the listed characters.
type Rule = &'static [(Classes, &'static str)];

const RULES: &[Rule] = &[
    &[(C1, "")],
    &[(ACCENTED | SYMBOLS, ""), (BAD, "")],
    &[(BAD, ""), (ACCENTED | SYMBOLS | BAD, "")],
    &[(ASCII_LETTER, ""), (LOWER_COMMON | UPPER_COMMON, ""), (BAD, "")],
    &[(LOWER | LOWER_COMMON | BOX | END | CURRENCY | NUMERIC, ""), (UPPER, "")],
    &[(BOX | END | CURRENCY | NUMERIC, ""), (LOWER, "")],
    &[(LOWER | BOX | END, ""), (CURRENCY, "")],
    &[(SPACE, ""), (UPPER, ""), (CURRENCY, "")],
    &[(UPPER | BOX, ""), (NUMERIC | LAW, "")],
    &[(ACCENTED | BOX | CURRENCY | END, ""), (START, ""), (NUMERIC, "")],
    &[(ACCENTED | CURRENCY | NUMERIC | BOX | LAW, ""), (END, ""), (START, "")],
    &[(CURRENCY | NUMERIC | BOX, ""), (START, "")],
    &[(ASCII_LOWER, ""), (UPPER, ""), (START | CURRENCY, "")],
    &[(BOX, ""), (FACE, "")],
    &[(ACCENTED | CURRENCY | NUMERIC | PUNCTUATION | LAW, ""), (BOX, "")],
    &[(BOX, ""), (END, "")],
    &[(ACCENTED, ""), (PUNCTUATION, ""), (WORD, "")],
    // a ligature that is not followed by a Latin letter
    &[(0, "Œœ"), (NO_ASCII_LETTER, "")],
    &[(UPPER, ""), (0, "°")],
    // windows-1252: two-byte sequences
    &[(0, "ÂÃÎÐ"), (PUNCTUATION, "€œŠš¢£Ÿž\u{a0}\u{ad}®°·»–—´")],
    &[(0, "×"), (0, "²³")],
    &[(0, "ØÙ"), ARABIC_GAP, (0, "ØÙ"), ARABIC_GAP],
    &[(0, "à"), (0, "²µ¹¼½¾")],
    // Mac Roman
    &[(0, "√"), (0, "±∂†≠®™´≤≥¥µø")],
    &[(0, "≈"), (0, "°¢")],
    &[(0, "‚"), (0, "Ä"), (0, "ìîïòôúùû†°¢π")],
    &[(0, "‚"), (0, "âó"), (0, "àä°ê")],
    // windows-1251: general punctuation, Latin and Cyrillic letters, and both at once
    &[(0, "в"), (0, "Ђ")],
    &[(0, "ВГРС"), (LETTER_GAP, "°µ"), (0, "ВГРС")],
    &[(0, "Г"), (0, "ў"), (0, "В"), (0, "Ђ"), (0, "В"), (NO_NEWLINE, ""), (ASCII_LETTER, " ")],
    // windows-1252: à, á and the no-break space
    &[(0, "Ã"), (0, "\u{a0}¡")],
    &[(ASCII_LOWER, ""), (0, "ÃÂ"), (0, " ")],
    &[(ASCII_LOWER, ""), (SPACE, ""), (0, "ÃÂ"), (0, " ")],
    &[(ASCII_LOWER | END, ".,?!"), (0, "Â"), (PUNCTUATION, " ")],
    // windows-1253 and windows-1257
    &[(0, "β"), (0, "€"), (0, "™\u{a0}Ά\u{ad}®°")],
    &[(0, "ΒΓΞΟ"), (LETTER_GAP, "°"), (0, "ΒΓΞΟ")],
    &[(0, "ā"), (0, "€")],
];

/// Whether the rule applies at the beginning of the text only.
const FIRST: Rule = &[(0, "ÃÂ"), (0, " ")];

/// Whether `text` contains a sequence of characters that indicates mojibake.
pub(super) fn is_bad(text: &str) -> bool {
    if text.is_ascii() {
        return false;
    }
    let chars: Vec<(char, Classes)> = text.chars().map(|c| (c, classes(c))).collect();
    let fits = |rule: Rule, at: &[(char, Classes)]| {
        at.len() >= rule.len()
            && rule.iter().zip(at).all(|(set, &(c, of))| set.0 & of != 0 || set.1.contains(c))
    };
    fits(FIRST, &chars) || (0..chars.len()).any(|at| RULES.iter().any(|&rule| fits(rule, &chars[at..])))
}

fn classes(c: char) -> Classes {
    let is = |yes: bool, class: Classes| if yes { class } else { 0 };
    let ascii = is(c.is_ascii_lowercase(), ASCII_LOWER)
        | is(c.is_ascii_uppercase(), ASCII_UPPER)
        | is(!c.is_ascii_alphabetic(), NO_ASCII_LETTER)
        | is(c != '\n', NO_NEWLINE)
        | is(is_space(c), SPACE)
        | is(c.is_alphanumeric() || c == '_', WORD);
    if c.is_ascii() { ascii } else { ascii | mark_classes(c) | is(is_face(c), FACE) | letter_classes(c) }
}

/// Classes of characters that are not letters, one of each.
fn mark_classes(c: char) -> Classes {
    const SETS: [(&str, Classes); 8] = [
        ("\u{a0}\u{ad}·´–—―…’", COMMON),
        ("¦¤¨¬¯¸ƒˆˇ˘˛˜†‡‰⌐◊\u{fffd}ªº", BAD),
        ("¶§", LAW),
        ("¢£¥₧€", CURRENCY),
        ("¡«¿©΄΅‘‚“„•‹\u{f8ff}", START),
        ("®»˝”›™", END),
        ("²³¹±¼½¾×µ÷⁄∂∆∏∑√∞∩∫≈≠≡≤≥№", NUMERIC),
        ("│┌┐┘├┤┬┼▀▄█▌▐░▒▓", BOX),
    ];
    match c {
        '\u{80}'..='\u{9f}' => C1,
        '═'..='╬' => BOX,
        c => SETS.iter().find(|(set, _)| set.contains(c)).map_or(0, |&(_, class)| class),
    }
}

fn is_face(c: char) -> bool {
    matches!(c, 'Ò'..='Ö' | 'Ù'..='Ü' | 'ò'..='ö' | 'ø'..='ü' | 'Ő' | 'Ō' | 'Ū' | 'Ų' | '°')
}

fn letter_classes(c: char) -> Classes {
    const UPPERS: &str = "ØÜÝĂĀĄĆČĎĐĘĚĒĖĞĢİĪĶĹĽŁĻŃŇŅŒŘŚŞŠŢŤŮŰŸŹŻŽҐ";
    const LOWERS: &str = "ßăąāćčďđęěēėğģįīķĺľłļœŕśşšťüźżžґﬁﬂ";
    match c {
        'À'..='Ñ' => UPPER,
        'à'..='ñ' => LOWER,
        'Þ' | 'Α'..='Ω' | 'Ά' | 'Έ' | 'Ή' | 'Ί' | 'Ό' | 'Ύ' | 'Ώ' | 'Ϊ' | 'Ϋ' | 'Ё'..='Я' => {
            UPPER_COMMON
        }
        'α'..='ω' | 'ά' | 'έ' | 'ή' | 'ί' | 'ΰ' | 'а'..='џ' => LOWER_COMMON,
        c if UPPERS.contains(c) => UPPER,
        c if LOWERS.contains(c) => LOWER,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_not_bad() {
        for text in [
            "Ein schöner Tag für Äpfel, Öl und Übermut – „ja“!",
            "Ça va très bien, l’été à Montréal coûte 5 €.",
            "¿Dónde está el niño? ¡Aquí!",
            "Příliš žluťoučký kůň úpěl ďábelské ódy",
            "Съешь же ещё этих мягких французских булок",
            "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία",
            "夜的海，风吹过。かわいい猫が走る。고양이",
            "قطة حمراء تمشي",
            "(ò_ó) °C ½ cup, 3 × 4 m²",
        ] {
            assert!(!is_bad(text), "{text}");
        }
    }

    #[test]
    fn mojibake_is_bad() {
        for text in ["schÃ¶n", "â€œ", "Ð¼Ð¸Ñ€", "ã\u{81}\u{82}", "√©", "Ã la mode", "РїСЂРёРІРµС‚", "├®"]
        {
            assert!(is_bad(text), "{text}");
        }
    }
}
