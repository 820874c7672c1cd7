//! Compute settings: provider, precision, weight placement, VAE tile size.

use eframe::egui::{Checkbox, CollapsingHeader, ComboBox, DragValue, Ui};

use crate::app::widgets::field::{problem_ui, row_ui};
use crate::core::{Draft, Error, PrecisionChoice, ProviderChoice, WeightsChoice};

/// The tile size when tiles are switched on, in pixels.
const FIRST_TILE: u32 = 256;

/// Draws the fields in a collapsed section; its heading shows the settings that are not automatic.
pub(in crate::app) fn ui(ui: &mut Ui, draft: &mut Draft, problems: &[Error]) {
    CollapsingHeader::new(title(draft)).id_salt("compute").show(ui, |ui| {
        choice_ui(
            ui,
            &Label { name: "Provider", about: "What the graphs run on" },
            &mut draft.provider,
            &[ProviderChoice::Auto, ProviderChoice::Cpu, ProviderChoice::Cuda, ProviderChoice::TensorRt],
            provider,
        );
        choice_ui(
            ui,
            &Label { name: "Precision", about: "The number format that is computed in" },
            &mut draft.precision,
            &[
                PrecisionChoice::Auto,
                PrecisionChoice::Fp32,
                PrecisionChoice::Bf16,
                PrecisionChoice::Fp16,
                PrecisionChoice::Int8,
                PrecisionChoice::Int4,
            ],
            precision,
        );
        choice_ui(
            ui,
            &Label {
                name: "Weights",
                about: "Packed is faster; in place needs less memory, for the same video",
            },
            &mut draft.weights,
            &[WeightsChoice::Auto, WeightsChoice::Packed, WeightsChoice::InPlace],
            weights,
        );
        let mut tiled = draft.vae_tile.is_some();
        if ui
            .add(Checkbox::new(&mut tiled, "Decode in tiles of a size"))
            .on_hover_text("Smaller tiles need less memory; otherwise the program chooses")
            .changed()
        {
            draft.vae_tile = tiled.then_some(FIRST_TILE);
        }
        if let Some(edge) = &mut draft.vae_tile {
            row_ui(ui, "Edge of a tile", "Width and height of a tile", |ui| {
                ui.add(DragValue::new(edge).range(0..=4096).suffix(" px"))
            });
        }
    });
    for field in ["provider", "precision", "vae_tile"] {
        problem_ui(ui, field, problems);
    }
}

/// The heading, with all settings that are not automatic.
fn title(draft: &Draft) -> String {
    let chosen = [
        (draft.provider != ProviderChoice::Auto).then(|| provider(draft.provider).to_owned()),
        (draft.precision != PrecisionChoice::Auto).then(|| precision(draft.precision).to_owned()),
        (draft.weights != WeightsChoice::Auto).then(|| format!("weights {}", weights(draft.weights))),
        draft.vae_tile.map(|edge| format!("tiles of {edge} px")),
    ];
    let chosen: Vec<_> = chosen.into_iter().flatten().collect();
    if chosen.is_empty() { "Compute".to_owned() } else { format!("Compute ({})", chosen.join(", ")) }
}

fn provider(choice: ProviderChoice) -> &'static str {
    match choice {
        ProviderChoice::Auto => "auto",
        ProviderChoice::Cpu => "CPU",
        ProviderChoice::Cuda => "CUDA",
        ProviderChoice::TensorRt => "TensorRT",
    }
}

fn precision(choice: PrecisionChoice) -> &'static str {
    match choice {
        PrecisionChoice::Auto => "auto",
        PrecisionChoice::Fp32 => "fp32",
        PrecisionChoice::Bf16 => "bf16",
        PrecisionChoice::Fp16 => "fp16",
        PrecisionChoice::Int8 => "int8",
        PrecisionChoice::Int4 => "int4",
    }
}

fn weights(choice: WeightsChoice) -> &'static str {
    match choice {
        WeightsChoice::Auto => "auto",
        WeightsChoice::Packed => "packed",
        WeightsChoice::InPlace => "in place",
    }
}

/// The label of a control and its tooltip.
struct Label<'a> {
    name: &'a str,
    about: &'a str,
}

fn choice_ui<T: Copy + PartialEq>(
    ui: &mut Ui,
    label: &Label<'_>,
    value: &mut T,
    choices: &[T],
    text: impl Fn(T) -> &'static str,
) {
    row_ui(ui, label.name, label.about, |ui| {
        ComboBox::from_id_salt(label.name)
            .selected_text(text(*value))
            .show_ui(ui, |ui| {
                for choice in choices {
                    ui.selectable_value(value, *choice, text(*choice));
                }
            })
            .response
    });
}

#[cfg(test)]
mod tests {
    use eframe::egui::accesskit::Role;
    use egui_kittest::kittest::Queryable as _;

    use super::*;
    use crate::app::panels::compose::fixture::{ComposeHarness, harness};
    use crate::app::panels::compose::view::ComposeAction;

    #[test]
    fn what_is_not_left_to_the_program_shows_in_the_heading_and_can_be_changed() {
        let mut bench = ComposeHarness::new();
        bench.draft.vae_tile = Some(128);
        let mut harness = harness(bench, |ui, view| {
            let mut draft = view.draft.clone();
            super::ui(ui, &mut draft, view.problems);
            if draft == *view.draft { Vec::new() } else { vec![ComposeAction::Edit(Box::new(draft))] }
        });
        harness.get_by_label("Compute (tiles of 128 px)").click();
        harness.run();
        harness.get_by_role_and_label(Role::ComboBox, "Provider").click();
        harness.run();
        harness.get_by_label("CPU").click();
        harness.run();
        harness.get_by_label("Decode in tiles of a size").click();
        harness.run();
        let draft = &harness.state().draft;
        assert_eq!((draft.provider, draft.vae_tile), (ProviderChoice::Cpu, None));
        harness.get_by_label("Compute (CPU)");
    }
}
