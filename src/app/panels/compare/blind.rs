//! Blind comparisons: which of two videos is better, and the ranking.

use eframe::egui::{CollapsingHeader, Grid, Label, RichText, Ui};

use super::view::CompareAction;
use crate::app::background::comparison::comparison::{Blind, Preference};
use crate::core::counted;

pub(super) fn ui(ui: &mut Ui, series: &Blind, actions: &mut Vec<CompareAction>) {
    let text = "Which is better? The names are hidden, and the sides are random.";
    ui.add(Label::new(RichText::new(text).weak()).wrap());
    ui.horizontal_wrapped(|ui| {
        for (label, preference) in [
            ("A is better", Preference::Left),
            ("No preference", Preference::None),
            ("B is better", Preference::Right),
        ] {
            if ui.button(label).clicked() {
                actions.push(CompareAction::Vote(preference));
            }
        }
        let made = counted(series.num_made(), "pair");
        ui.weak(format!("{made} compared in this session"));
    });
    CollapsingHeader::new("Ranking (shows the names)").id_salt("ranking").show(ui, |ui| {
        Grid::new("ranks").striped(true).spacing([16.0, 4.0]).show(ui, |ui| {
            for heading in ["Rank", "Video", "Points", "Won", "Lost", "No preference"] {
                ui.strong(heading);
            }
            ui.end_row();
            for (place, (name, ranked)) in series.ranking().enumerate() {
                ui.label((place + 1).to_string());
                ui.add(Label::new(&name).truncate().show_tooltip_when_elided(false)).on_hover_text(&name);
                ui.label(format!("{:.0}", ranked.points));
                for count in [ranked.wins, ranked.losses, ranked.ties] {
                    ui.label(count.to_string());
                }
                ui.end_row();
            }
        });
        ui.weak("Bradley-Terry points: 1000 is average, 400 more is preferred ten times out of eleven.");
    });
}
