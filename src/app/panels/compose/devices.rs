//! The rows that pin a job to devices, under Advanced.

use eframe::egui::{ComboBox, Ui};

use super::fields::{Fields, RowLabel};
use crate::core::{DeviceChoice, DeviceId, Draft, FIRST_DEVICE, Provider};
use crate::monitor::DeviceInfo;
use crate::plan::DraftField;

/// Characters of a UUID that tell two devices of one name apart.
const SHORT_UUID: usize = 12;

/// Whether there is anything to choose: two devices, or what was chosen on another machine.
pub(super) fn are_shown(fields: &Fields<'_>) -> bool {
    fields.devices.len() > 1 || !fields.draft.devices.is_empty()
}

/// Draws the row of a field.
pub(super) fn ui(ui: &mut Ui, fields: &mut Fields<'_>, field: DraftField) {
    match field {
        DraftField::Device => {
            let about = "The job runs on this GPU only and waits for it; auto takes whichever is free";
            row_ui(
                ui,
                fields,
                &Row {
                    field,
                    error: "device",
                    about,
                    none: "auto",
                    value: |draft| &mut draft.devices.device,
                },
            );
        }
        DraftField::CfgParallel => {
            let about = "A second GPU, which computes the guidance pass for the negative prompt while the first one computes \
                         that for the prompt: up to twice as fast, and each needs the memory of the transformer";
            row_ui(
                ui,
                fields,
                &Row {
                    field,
                    error: "cfg_parallel",
                    about,
                    none: "off",
                    value: |draft| &mut draft.devices.cfg_parallel,
                },
            );
        }
        _ => {}
    }
}

/// One choice of a device.
struct Row {
    field: DraftField,
    /// The name that errors have for it.
    error: &'static str,
    /// The tooltip.
    about: &'static str,
    /// The word for no device.
    none: &'static str,
    /// Where it is in the form.
    value: fn(&mut Draft) -> &mut Option<DeviceChoice>,
}

fn row_ui(ui: &mut Ui, fields: &mut Fields<'_>, row: &Row) {
    let label = RowLabel { name: row.field.label(), note: "", about: row.about };
    let devices = fields.devices;
    fields.row_ui(ui, label, row.field, &[row.error], |ui, draft| {
        let value = (row.value)(draft);
        let chosen = value.as_ref().map_or_else(|| row.none.to_owned(), |choice| words(choice, devices));
        let chooser = ComboBox::from_id_salt(row.field.label()).selected_text(chosen).truncate();
        let shown = chooser.show_ui(ui, |ui| {
            ui.selectable_value(value, None, row.none);
            for device in devices {
                let choice = DeviceChoice::Uuid(device.uuid.clone());
                let words = words(&choice, devices);
                ui.selectable_value(value, Some(choice), words);
            }
        });
        Some(shown.response)
    });
}

/// For instance "A card", "A card (GPU-8d2ee0a7)" where there are two of that name, or "1".
fn words(choice: &DeviceChoice, devices: &[DeviceInfo]) -> String {
    let is_it = |device: &&DeviceInfo| {
        // the monitor does not know the order of CUDA
        let id =
            DeviceId { provider: Provider::Cuda, ordinal: FIRST_DEVICE, uuid: Some(device.uuid.clone()) };
        matches!(choice, DeviceChoice::Uuid(_)) && choice.names(&id)
    };
    let Some(device) = devices.iter().find(is_it) else { return choice.to_string() };
    let namesakes = devices.iter().filter(|other| other.name == device.name).count();
    match device.uuid.get(..SHORT_UUID) {
        Some(short) if namesakes > 1 => format!("{} ({short})", device.name),
        _ => device.name.clone(),
    }
}

#[cfg(test)]
mod tests {
    use eframe::egui::accesskit::Role;
    use egui_kittest::kittest::Queryable as _;

    use super::*;
    use crate::app::panels::compose::fixture::{ComposeHarness, fields_harness};

    fn device(name: &str, uuid: &str) -> DeviceInfo {
        DeviceInfo { name: name.to_owned(), uuid: uuid.to_owned(), ..DeviceInfo::default() }
    }

    #[test]
    fn a_device_is_chosen_by_its_uuid_and_the_rows_show_where_there_are_two() {
        let cards = vec![device("A card", "GPU-8d2ee0a7-1"), device("A card", "GPU-11112222-2")];
        let bench = ComposeHarness { devices: cards.clone(), ..ComposeHarness::new() };
        let mut harness = fields_harness(bench, "The model", |ui, fields, _, _| {
            assert!(are_shown(fields));
            super::ui(ui, fields, DraftField::Device);
            super::ui(ui, fields, DraftField::CfgParallel);
        });
        for (row, card) in [("Device", "A card (GPU-8d2ee0a7)"), ("CFG parallel", "A card (GPU-11112222)")] {
            harness.get_by_role_and_label(Role::ComboBox, row).click();
            harness.run();
            harness.get_by_label(card).click();
            harness.run();
        }
        let devices = harness.state().draft.devices.clone();
        assert_eq!(devices.device, Some(DeviceChoice::Uuid("GPU-8d2ee0a7-1".into())));
        assert_eq!(devices.cfg_parallel, Some(DeviceChoice::Uuid("GPU-11112222-2".into())));
        assert_eq!(words(&DeviceChoice::Ordinal(1), &cards), "1");
        assert_eq!(words(&DeviceChoice::Uuid("GPU-11112222-2".into()), &cards[1..]), "A card");
        assert_eq!(words(&DeviceChoice::Uuid("GPU-33".into()), &cards), "GPU-33", "it is gone");
    }
}
