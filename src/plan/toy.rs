//! The prompts that the shipped toy models understand, see `models/toy/README.md`.

use crate::core::{Draft, Error, Finding, Kind, Resolution, Severity, Subject};

/// Start of the toy models' ids.
const TOY: &str = "toy-";
const SHAPES: [&str; 6] = ["circle", "ball", "disc", "square", "box", "triangle"];
const DIRECTIONS: [&str; 10] =
    ["right", "rightwards", "left", "leftwards", "up", "upwards", "top", "down", "downwards", "bottom"];

/// Most pixels of a frame for which a toy model is chosen by the program. Larger ones are sizes of Wan's models.
const MOST_PIXELS: u64 = 256 * 256;

/// The error if `size` is one of Wan's and the toy model `id` would make it although nobody chose the toy.
pub(super) fn stands_in(id: &str, size: Option<Resolution>) -> Option<Error> {
    let size = size.filter(|size| id.starts_with(TOY) && size.area() > MOST_PIXELS)?;
    Some(
        Error::new(
            Kind::MissingModel,
            format!("No Wan model that makes {size} is installed; the toy models only draw small shapes"),
        )
        .field("size")
        .remedy(format!("Install a Wan model, or choose the toy with --model {id}")),
    )
}

/// A note if `draft` is for a toy model and its prompt describes something that the model cannot draw.
pub(super) fn note(draft: &Draft, model_id: &str) -> Option<Finding> {
    if !model_id.starts_with(TOY) || draft.prompt.trim().is_empty() {
        return None;
    }
    let prompt = draft.prompt.to_lowercase();
    let has_any =
        |known: &[&str]| prompt.split(|c: char| !c.is_alphabetic()).any(|word| known.contains(&word));
    let has_image = draft.start_image.is_some() || draft.continue_from.is_some();
    let message = if has_image && !has_any(&DIRECTIONS) {
        "The toy model understands only where the shape in the image moves: right, left, up or down"
    } else if !has_image && !has_any(&SHAPES) {
        "The toy model draws only a red, green, blue, yellow, purple or orange circle, square or triangle that moves right, \
         left, up or down on a black, white, gray or navy background"
    } else {
        return None;
    };
    Some(Finding {
        severity: Severity::Note,
        subject: Subject::Model,
        message: message.to_owned(),
        fixes: Vec::new(),
        figures: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::draft;

    #[test]
    fn a_prompt_outside_the_toy_models_gets_a_note() {
        let asked = |prompt: &str, image: Option<&str>, model| {
            let draft = Draft { prompt: prompt.into(), start_image: image.map(Into::into), ..draft() };
            note(&draft, model).map(|finding| finding.message)
        };
        assert!(
            asked("a cat plays the piano", None, "toy-t2v-A14B")
                .unwrap()
                .contains("circle, square or triangle")
        );
        assert!(asked("a cat", Some("a.png"), "toy-i2v-A14B").unwrap().contains("right, left, up or down"));
        for (prompt, image) in [
            ("On gray, an orange ball is going to the left", None),
            ("moves left", Some("a.png")),
            ("", None),
        ] {
            assert_eq!(asked(prompt, image, "toy-ti2v-5B"), None, "{prompt}");
        }
        assert_eq!(asked("a cat", None, "t2v-A14B"), None);
    }
}
