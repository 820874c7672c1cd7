//! The two prompts, with their tokens against what the model reads.

use eframe::egui::{Align, Layout, Response, RichText, ScrollArea, TextEdit, TextStyle, Ui};

use super::fields::Fields;
use super::view::ComposeView;
use crate::app::shell::command::Command;
use crate::app::theme;
use crate::app::widgets::field::{mark_form_text, problem_frame_ui};
use crate::plan::{DraftField, MAX_TOKENS};

/// Lines of the prompt that show at once.
const PROMPT_ROWS: usize = 3;
/// Lines of the negative prompt that show at once.
const NEGATIVE_ROWS: usize = 2;
/// Lines up to which a field grows with its text; a longer one scrolls in it.
const MOST_ROWS: usize = 10;

/// Draws the prompt.
pub(super) fn prompt_ui(ui: &mut Ui, fields: &mut Fields<'_>, view: &ComposeView<'_>) -> Response {
    let label = ui
        .horizontal(|ui| {
            let label = ui.label("Prompt");
            let right = Layout::right_to_left(Align::Center);
            ui.with_layout(right, |ui| tokens_ui(ui, view.tokens.map(|tokens| tokens.prompt)));
            label
        })
        .inner;
    let [earlier, later] =
        [Command::PreviousPrompt, Command::NextPrompt].map(|command| command.tooltip(ui.ctx()));
    let label = label.on_hover_text(format!("What should be seen. {earlier}. {later}"));
    let edit =
        TextEdit::multiline(&mut fields.draft.prompt).hint_text("What should be seen, and how it moves");
    let response = text_ui(ui, "prompt", edit.desired_rows(PROMPT_ROWS)).labelled_by(label.id);
    mark_form_text(&response);
    problem_frame_ui(ui, response.rect, &["prompt"], fields.problems);
    response
}

/// A text of several lines, which does not push away what is below it.
fn text_ui(ui: &mut Ui, salt: &str, edit: TextEdit<'_>) -> Response {
    let height = ui.text_style_height(&TextStyle::Body) * MOST_ROWS as f32;
    let area = ScrollArea::vertical().id_salt(salt).max_height(height).min_scrolled_height(height);
    area.show(ui, |ui| ui.add(edit.desired_width(f32::INFINITY))).inner
}

/// Draws the negative prompt, and says whether it is the model's own.
pub(super) fn negative_ui(ui: &mut Ui, fields: &mut Fields<'_>, view: &ComposeView<'_>) {
    let label = ui
        .horizontal(|ui| {
            let label = ui.label("Negative prompt").on_hover_text("What should not be seen");
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                fields.mark_ui(ui, DraftField::NegativePrompt);
                origin_ui(ui, fields, view);
            });
            label
        })
        .inner;
    // without guidance it has no effect
    let is_used = fields.draft.guidance > 1.0 || fields.draft.guidance_low.is_some_and(|low| low > 1.0);
    let hint = if is_used { "What should not be seen" } else { "Not used: guidance is 1" };
    let edit = TextEdit::multiline(&mut fields.draft.negative_prompt).hint_text(hint);
    let response = text_ui(ui, "negative prompt", edit.desired_rows(NEGATIVE_ROWS)).labelled_by(label.id);
    mark_form_text(&response);
    problem_frame_ui(ui, response.rect, &["negative_prompt"], fields.problems);
}

/// "official", "not used", or its tokens.
fn origin_ui(ui: &mut Ui, fields: &Fields<'_>, view: &ComposeView<'_>) {
    let draft = &fields.draft;
    let is_default =
        fields.reference.is_some_and(|reference| DraftField::NegativePrompt.is_same(reference, draft));
    if draft.guidance <= 1.0 && draft.guidance_low.is_none_or(|low| low <= 1.0) {
        ui.weak("not used").on_hover_text("Guidance is 1, so the negative prompt has no effect");
    } else if is_default && view.profile.is_some() && !draft.negative_prompt.is_empty() {
        ui.weak("official").on_hover_text("The negative prompt that the model was made with");
    } else if !draft.negative_prompt.is_empty() {
        tokens_ui(ui, view.tokens.map(|tokens| tokens.negative));
    }
}

/// For instance "38 / 512 tokens".
fn tokens_ui(ui: &mut Ui, count: Option<usize>) {
    let Some(count) = count else { return };
    let text = format!("{count} / {MAX_TOKENS} tokens");
    if count > MAX_TOKENS {
        let text = RichText::new(text).color(theme::tokens(ui).warning);
        ui.label(text).on_hover_text("The model reads the first 512 tokens; the rest has no effect");
    } else {
        ui.weak(text).on_hover_text("Counted with the model's own tokenizer; it reads 512 at most");
    }
}

#[cfg(test)]
mod tests {
    use egui_kittest::Harness;
    use egui_kittest::kittest::Queryable as _;

    use super::*;
    use crate::app::panels::compose::fixture::{ComposeHarness, fields_harness};
    use crate::app::panels::compose::view::TokenCounts;

    fn prompts(bench: ComposeHarness) -> Harness<'static, ComposeHarness> {
        fields_harness(bench, "The model", |ui, fields, view, _| {
            prompt_ui(ui, fields, view);
            negative_ui(ui, fields, view);
        })
    }

    #[test]
    fn tokens_stand_beside_the_prompt() {
        let tokens = Some(TokenCounts { prompt: 38, negative: 2 });
        let harness = prompts(ComposeHarness { tokens, ..ComposeHarness::new() });
        let count = harness.get_by_label("38 / 512 tokens").rect();
        assert!(count.bottom() < harness.get_by_label("Negative prompt").rect().top());
    }

    #[test]
    fn a_long_prompt_scrolls_in_its_field() {
        let place = |prompt: &str| {
            let mut bench = ComposeHarness::new();
            bench.draft.prompt = prompt.to_owned();
            prompts(bench).get_by_label("Negative prompt").rect().top()
        };
        let (short, long) = (place("a cat"), place(&"a line of its own\n".repeat(300)));
        assert!(long - short < 160.0, "{short} {long}");
    }

    #[test]
    fn the_official_negative_prompt_is_called_so_and_one_without_effect_too() {
        let mut official = ComposeHarness { is_official: true, ..ComposeHarness::new() };
        official.draft.negative_prompt = "色调艳丽".into();
        official.reference = official.draft.clone();
        prompts(official).get_by_label("official");
        let mut without = ComposeHarness::new();
        without.draft.guidance = 1.0;
        prompts(without).get_by_label("not used");
    }
}
