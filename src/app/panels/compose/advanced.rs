//! The fields that most people leave alone: sampling, and how the form is computed. They can be searched.

use eframe::egui::{CollapsingHeader, ComboBox, DragValue, TextEdit, Ui};

use super::devices;
use super::fields::{Fields, RowLabel};
use super::numbers::named;
use crate::core::{Draft, PrecisionChoice, ProviderChoice, Sampler, WeightsChoice};
use crate::plan::{self, DraftField};

/// The tile size that a person begins with who wants tiles.
const FIRST_TILE: u32 = 256;
/// The threshold that a person begins with who wants a step cache, as the method's authors do.
const FIRST_THRESHOLD: f32 = 0.05;
/// The boundary that a person begins with who wants another one: that of Wan 2.2 for text to video.
const FIRST_BOUNDARY: f32 = 0.875;
/// Fields of this part, with the words that a search finds beside the name.
const FIELDS: [(DraftField, &str); 11] = [
    (DraftField::Fps, "frames per second fps rate speed"),
    (DraftField::Sampler, "sampler scheduler unipc euler dpm"),
    (DraftField::Shift, "flow shift sigma schedule"),
    (DraftField::Boundary, "boundary switch experts high noise low noise"),
    (DraftField::StepCache, "step cache easycache skip steps speed faster threshold"),
    (DraftField::Provider, "provider cpu cuda tensorrt gpu device"),
    (DraftField::Device, "device gpu card cuda pin"),
    (DraftField::CfgParallel, "cfg parallel guidance device gpu two second faster"),
    (DraftField::Precision, "precision fp32 bf16 fp16 int8 int4 type"),
    (DraftField::Weights, "weights packed in place memory offload"),
    (DraftField::VaeTile, "vae tile decode memory"),
];

/// The words that find the time limit.
const TIME_LIMIT: &str = "time limit timeout minutes";

/// What is searched for.
#[derive(Default)]
pub(super) struct Advanced {
    search: String,
}

impl Advanced {
    /// Draws the fields, folded up; a search opens them, and only those with a problem or a match show then.
    /// `time_limit` draws the row that is about the job and not its draft.
    pub(super) fn ui(&mut self, ui: &mut Ui, fields: &mut Fields<'_>, time_limit: impl FnOnce(&mut Ui)) {
        let differing: Vec<_> = fields.differing().filter(|field| of_this_part(*field)).collect();
        let title = match differing.len() {
            0 => "Advanced".to_owned(),
            1 => format!("Advanced ({} differs)", differing[0].label()),
            count => format!("Advanced ({count} differ)"),
        };
        let has_problem = fields
            .problems
            .iter()
            .any(|problem| FIELDS.iter().any(|(field, _)| problem.field_name() == Some(error_name(*field))));
        let mut folded = CollapsingHeader::new(title).id_salt("advanced");
        if has_problem || !self.search.is_empty() {
            folded = folded.open(Some(true));
        }
        folded.show(ui, |ui| {
            let edit = TextEdit::singleline(&mut self.search).hint_text("Search settings");
            named(&ui.add(edit.desired_width(f32::INFINITY)), "Search settings");
            let wanted: Vec<_> = self.search.to_lowercase().split_whitespace().map(str::to_owned).collect();
            let mut found = false;
            for (field, words) in FIELDS {
                let is_of_devices = matches!(field, DraftField::Device | DraftField::CfgParallel);
                let is_shown = !is_of_devices || devices::are_shown(fields);
                if is_shown && wanted.iter().all(|word| words.contains(word.as_str())) {
                    field_ui(ui, fields, field);
                    found = true;
                }
            }
            if wanted.iter().all(|word| TIME_LIMIT.contains(word.as_str())) {
                time_limit(ui);
                found = true;
            }
            if !found {
                ui.weak("No setting has this name");
            }
        });
    }
}

/// Whether a field is drawn here.
fn of_this_part(field: DraftField) -> bool {
    FIELDS.iter().any(|(own, _)| *own == field)
}

/// The name that errors have for a field.
fn error_name(field: DraftField) -> &'static str {
    match field {
        DraftField::Fps => "fps",
        DraftField::Shift => "shift",
        DraftField::Provider => "provider",
        DraftField::Device => "device",
        DraftField::CfgParallel => "cfg_parallel",
        DraftField::Precision => "precision",
        DraftField::VaeTile => "vae_tile",
        DraftField::StepCache => "step_cache",
        DraftField::Boundary => "boundary",
        _ => "",
    }
}

fn field_ui(ui: &mut Ui, fields: &mut Fields<'_>, field: DraftField) {
    let label = |about| RowLabel { name: field.label(), note: "", about };
    let errors = [error_name(field)];
    match field {
        DraftField::Fps => {
            let about = "How fast the video plays; the model was trained for its preset's";
            fields.row_ui(ui, label(about), field, &errors, |ui, draft| {
                Some(ui.add(DragValue::new(&mut draft.fps).range(0..=240).speed(0.1)))
            });
        }
        DraftField::Sampler => {
            let about = "How a step is computed from the model's prediction";
            let all = &Sampler::ALL;
            let value: fn(&mut Draft) -> &mut Sampler = |draft| &mut draft.sampler;
            choice_ui(ui, fields, &Choice { field, about, all, value, word: Sampler::label });
        }
        DraftField::Shift => {
            let about =
                "Flow shift: higher spends more steps on the large shapes and motion, lower on the details";
            fields.row_ui(ui, label(about), field, &errors, |ui, draft| {
                let value = DragValue::new(&mut draft.shift).range(0.0..=100.0);
                Some(ui.add(value.speed(0.05).max_decimals(2)))
            });
        }
        DraftField::Provider => {
            let (all, about) = (&ProviderChoice::ALL, "What the graphs run on");
            let value: fn(&mut Draft) -> &mut ProviderChoice = |draft| &mut draft.provider;
            choice_ui(ui, fields, &Choice { field, about, all, value, word: plan::provider });
        }
        DraftField::Precision => {
            let all = [
                PrecisionChoice::Auto,
                PrecisionChoice::Fp32,
                PrecisionChoice::Bf16,
                PrecisionChoice::Fp16,
                PrecisionChoice::Int8,
                PrecisionChoice::Int4,
            ];
            let (all, about) = (&all, "The number format that is computed in");
            let value: fn(&mut Draft) -> &mut PrecisionChoice = |draft| &mut draft.precision;
            choice_ui(ui, fields, &Choice { field, about, all, value, word: plan::precision });
        }
        DraftField::Weights => {
            let about = "Packed is faster; in place and streamed need less memory, for the same video";
            let all = &[
                WeightsChoice::Auto,
                WeightsChoice::Packed,
                WeightsChoice::InPlace,
                WeightsChoice::Streamed,
            ];
            let value: fn(&mut Draft) -> &mut WeightsChoice = |draft| &mut draft.weights;
            choice_ui(ui, fields, &Choice { field, about, all, value, word: plan::weights });
        }
        DraftField::Device | DraftField::CfgParallel => devices::ui(ui, fields, field),
        DraftField::VaeTile => tile_ui(ui, fields),
        DraftField::StepCache => step_cache_ui(ui, fields),
        DraftField::Boundary => boundary_ui(ui, fields),
        _ => {}
    }
}

/// Automatic, or a size of VAE tiles.
fn tile_ui(ui: &mut Ui, fields: &mut Fields<'_>) {
    let about = "Smaller VAE tiles need less memory; auto leaves the size to the program";
    let label = RowLabel { name: "VAE tile", note: "", about };
    fields.row_ui(ui, label, DraftField::VaeTile, &["vae_tile"], |ui, draft| {
        if ui.selectable_label(draft.vae_tile.is_none(), "auto").on_hover_text(about).clicked() {
            draft.vae_tile = if draft.vae_tile.is_some() { None } else { Some(FIRST_TILE) };
        }
        let tile = draft.vae_tile.as_mut()?;
        Some(ui.add(DragValue::new(tile).range(0..=4096).suffix(" px")))
    });
}

/// Off, or a threshold of the step cache.
fn step_cache_ui(ui: &mut Ui, fields: &mut Fields<'_>) {
    let about = "Skips steps whose prediction would hardly change: faster, but another video. The first 7 steps and the \
                 last one are always computed. A higher threshold skips more";
    let label = RowLabel { name: "Step cache", note: "", about };
    fields.row_ui(ui, label, DraftField::StepCache, &["step_cache"], |ui, draft| {
        if ui.selectable_label(draft.step_cache.is_none(), "off").on_hover_text(about).clicked() {
            draft.step_cache = if draft.step_cache.is_some() { None } else { Some(FIRST_THRESHOLD) };
        }
        let threshold = draft.step_cache.as_mut()?;
        let value = DragValue::new(threshold).range(0.001..=3.0).speed(0.001).max_decimals(3);
        Some(ui.add(value))
    });
}

/// The model's boundary, or another one.
fn boundary_ui(ui: &mut Ui, fields: &mut Fields<'_>) {
    let about = "Noise level at which the low-noise expert takes over, for models with two experts: a higher boundary \
                 gives it more of the steps";
    let label = RowLabel { name: "Boundary", note: "", about };
    fields.row_ui(ui, label, DraftField::Boundary, &["boundary"], |ui, draft| {
        if ui.selectable_label(draft.boundary.is_none(), "the model's").on_hover_text(about).clicked() {
            draft.boundary = if draft.boundary.is_some() { None } else { Some(FIRST_BOUNDARY) };
        }
        let boundary = draft.boundary.as_mut()?;
        Some(ui.add(DragValue::new(boundary).range(0.0..=1.0).speed(0.005).max_decimals(3)))
    });
}

/// A field with a few values.
struct Choice<'a, T> {
    field: DraftField,
    /// The tooltip.
    about: &'a str,
    /// The values, in the order in which they are offered.
    all: &'a [T],
    /// Where it is in the form.
    value: fn(&mut Draft) -> &mut T,
    /// The word for a value.
    word: fn(T) -> &'static str,
}

fn choice_ui<T: Copy + PartialEq>(ui: &mut Ui, fields: &mut Fields<'_>, choice: &Choice<'_, T>) {
    let Choice { field, about, all, value, word } = *choice;
    let label = RowLabel { name: field.label(), note: "", about };
    fields.row_ui(ui, label, field, &[error_name(field)], |ui, draft| {
        let value = value(draft);
        let chooser = ComboBox::from_id_salt(field.label()).selected_text(word(*value));
        let shown = chooser.show_ui(ui, |ui| {
            for one in all {
                ui.selectable_value(value, *one, word(*one));
            }
        });
        Some(shown.response)
    });
}

#[cfg(test)]
mod tests {
    use eframe::egui::accesskit::Role;
    use egui_kittest::Harness;
    use egui_kittest::kittest::Queryable as _;

    use super::*;
    use crate::app::panels::compose::fixture::{ComposeHarness, fields_harness};

    fn advanced(bench: ComposeHarness) -> Harness<'static, ComposeHarness> {
        let mut advanced = Advanced::default();
        fields_harness(bench, "The model", move |ui, fields, _, _| advanced.ui(ui, fields, |_| {}))
    }

    #[test]
    fn what_differs_shows_in_the_heading_and_can_be_changed() {
        let mut bench = ComposeHarness::new();
        bench.draft.vae_tile = Some(128);
        let mut harness = advanced(bench);
        harness.get_by_label("Advanced (VAE tile differs)").click();
        harness.run();
        harness.get_by_role_and_label(Role::ComboBox, "Provider").click();
        harness.run();
        harness.get_by_label("CPU").click();
        harness.run();
        harness.get_by_label("Advanced (2 differ)");
        harness.get_by_role_and_label(Role::Button, "Reset VAE tile").click();
        harness.run();
        let draft = &harness.state().draft;
        assert_eq!((draft.provider, draft.vae_tile), (ProviderChoice::Cpu, None));
    }

    #[test]
    fn a_search_leaves_what_it_finds() {
        let mut harness = advanced(ComposeHarness::new());
        harness.get_by_label("Advanced").click();
        harness.run();
        harness.get_by_label("Search settings").focus();
        harness.run();
        harness.get_by_label("Search settings").type_text("sched");
        harness.run();
        harness.get_by_role_and_label(Role::ComboBox, "Sampler");
        harness.get_by_role_and_label(Role::SpinButton, "Flow shift");
        assert!(harness.query_by_role_and_label(Role::ComboBox, "Provider").is_none());
        harness.get_by_label("Search settings").type_text("zzz");
        harness.run();
        harness.get_by_label("No setting has this name");
    }
}
