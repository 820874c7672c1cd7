//! The command palette.

use eframe::egui::{Align, Button, Context, Id, Key, Layout, Modal, RichText, ScrollArea, TextEdit, vec2};
use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher};

use super::app::State;
use super::command::Command;
use super::shortcuts::Shortcuts;
use crate::app::theme;

/// The open palette.
pub(in crate::app) struct Palette {
    search: String,
    at: usize,
    matcher: Matcher,
}

impl Palette {
    pub(in crate::app) fn new() -> Self {
        Self { search: String::new(), at: 0, matcher: Matcher::new(Config::DEFAULT) }
    }

    /// The matching commands, best match first.
    fn found(&mut self) -> Vec<Command> {
        let all: Vec<Command> = Command::all().filter(|command| *command != Command::Palette).collect();
        if self.search.trim().is_empty() {
            return all;
        }
        let pattern = Pattern::parse(&self.search, CaseMatching::Ignore, Normalization::Smart);
        let mut buffer = Vec::new();
        let mut scored: Vec<_> = all
            .into_iter()
            .filter_map(|command| {
                let text = nucleo_matcher::Utf32Str::new(command.text(), &mut buffer);
                Some((pattern.score(text, &mut self.matcher)?, command))
            })
            .collect();
        // a command whose whole name was typed comes first, whatever else has these letters
        let is_named = |command: Command| command.text().eq_ignore_ascii_case(self.search.trim());
        scored.sort_by_key(|(score, command)| (!is_named(*command), std::cmp::Reverse(*score)));
        scored.into_iter().map(|(_, command)| command).collect()
    }

    /// Draws the palette. Returns the chosen command, and whether the palette stays open.
    pub(in crate::app) fn ui(&mut self, ctx: &Context, state: &State) -> (Option<Command>, bool) {
        let (up, down, enter) = ctx.input_mut(|input| {
            let none = eframe::egui::Modifiers::NONE;
            (
                input.consume_key(none, Key::ArrowUp),
                input.consume_key(none, Key::ArrowDown),
                input.consume_key(none, Key::Enter),
            )
        });
        let mut chosen = None;
        let modal = Modal::new(Id::unique("palette")).show(ctx, |ui| {
            ui.set_width(theme::PALETTE_WIDTH);
            let label = ui.label(RichText::new("Commands").strong());
            let edit = TextEdit::singleline(&mut self.search).hint_text("Type a few letters");
            let edit = ui.add(edit.desired_width(f32::INFINITY)).labelled_by(label.id);
            edit.request_focus();
            if edit.changed() {
                self.at = 0;
            }
            let found = self.found();
            let last = found.len().saturating_sub(1);
            self.at = (self.at + usize::from(down)).min(last).saturating_sub(usize::from(up));
            if found.is_empty() {
                ui.weak("No command is called like this");
            }
            ScrollArea::vertical().max_height(theme::PALETTE_HEIGHT).auto_shrink(false).show(ui, |ui| {
                for (index, command) in found.iter().enumerate() {
                    let may = state.may(*command);
                    let is_at = index == self.at;
                    let response = row_ui(ui, *command, &may, is_at);
                    if is_at && (up || down) {
                        response.scroll_to_me(None);
                    }
                    if (response.clicked() || (enter && is_at)) && may.is_ok() {
                        chosen = Some(*command);
                    }
                }
            });
        });
        let closes = modal.should_close() || chosen.is_some();
        (chosen, !closes)
    }
}

fn row_ui(
    ui: &mut eframe::egui::Ui,
    command: Command,
    may: &Result<(), String>,
    is_at: bool,
) -> eframe::egui::Response {
    let keys = Shortcuts::installed(ui.ctx());
    let keys = keys.of(command).first().map(|key| ui.ctx().format_shortcut(key)).unwrap_or_default();
    let text = (command.icon().rich_text(), RichText::new(command.text()));
    let button = Button::new(text).selected(is_at).frame(is_at).shortcut_text(keys);
    let button = button.min_size(vec2(ui.available_width(), theme::ROW_HEIGHT));
    let response = ui
        .with_layout(Layout::top_down_justified(Align::Min), |ui| ui.add_enabled(may.is_ok(), button))
        .inner
        .on_hover_text(command.about());
    match may {
        Ok(()) => response,
        Err(reason) => response.on_disabled_hover_text(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::shell::layout::PanelId;

    #[test]
    fn a_few_letters_find_a_command() {
        let mut palette = Palette::new();
        for (search, first) in [
            ("gen", Command::Generate),
            ("reslay", Command::ResetLayout),
            ("dark", Command::DarkTheme),
            ("models", Command::ShowPanel(PanelId::Models)),
        ] {
            palette.search = search.to_owned();
            assert_eq!(palette.found().first(), Some(&first), "{search}");
        }
        palette.search = "qqzz".to_owned();
        assert_eq!(palette.found(), []);
    }
}
