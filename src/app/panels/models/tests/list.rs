//! The list of models and what is done with them.

use std::path::Path;

use eframe::egui::accesskit::Role;
use eframe::egui::vec2;
use egui_kittest::kittest::Queryable as _;

use super::fixture::{Page, page, page_of};
use crate::app::panels::models::{ModelTask, ModelsAction, RemovedModel};
use crate::core::{Bytes, Secs};

#[test]
fn every_model_is_listed_with_its_state_and_the_selected_one_with_its_parts() {
    let mut harness = page(None);
    harness.get_by_label("corrupt: The file ends early");
    harness.get_by_label("high-noise expert");
    harness.get_by_role_and_label(Role::Button, "toy-ti2v-5B").click();
    harness.run();
    harness.get_by_label("transformer");
    harness.get_by_role_and_label(Role::Button, "Use").click();
    harness.run();
    assert_eq!(harness.state().actions, [ModelsAction::Use("toy-ti2v-5B".into())]);
}

#[test]
fn removing_says_what_it_frees_before_it_is_done() {
    let mut harness = page(None);
    harness.get_by_role_and_label(Role::Button, "Remove…").click();
    harness.run();
    assert_eq!(harness.state().actions, []);
    harness.get_by_label_contains("Remove: frees ").click();
    harness.run();
    assert_eq!(harness.state().actions, [ModelsAction::Remove("toy-t2v-A14B".into())]);
}

#[test]
fn a_removed_model_can_be_brought_back_where_tasks_are_shown() {
    let mut harness = page(None);
    let list = harness.get_by_role_and_label(Role::Button, "toy-ti2v-5B").rect();
    let removed = RemovedModel { id: "old".to_owned(), frees: Bytes(3 << 20), paths: vec!["/m/old".into()] };
    harness.state_mut().removed = Some(removed);
    harness.run();
    harness.get_by_label("It is in the bin until that is emptied: 3.0 MiB");
    assert_eq!(harness.get_by_role_and_label(Role::Button, "toy-ti2v-5B").rect(), list, "nothing moves");
    harness.get_by_role_and_label(Role::Button, "Bring back old").click();
    harness.run();
    assert_eq!(harness.state().actions, [ModelsAction::BringBack]);
}

#[test]
fn a_task_shows_how_far_it_is_and_can_be_stopped() {
    let what = "Verifying toy-t2v-A14B".to_owned();
    let task = ModelTask { what, done: Bytes(3 << 20), total: Some(Bytes(6 << 20)), elapsed: Secs(4.0) };
    let without_total = ModelTask { total: None, ..task.clone() };
    page(Some(without_total)).get_by_label("Verifying toy-t2v-A14B · 3.0 MiB · 4.0 s");
    let mut harness = page(Some(task));
    harness.get_by_label("Verifying toy-t2v-A14B · 3.0 MiB of 6.0 MiB · 4.0 s");
    harness.get_by_role_and_label(Role::Button, "Stop").click();
    harness.step();
    // one task at a time
    harness.get_by_label_contains("Verify (").click();
    harness.step();
    assert_eq!(harness.state().actions, [ModelsAction::CancelTask]);
}

#[test]
fn files_that_are_part_of_no_model_are_listed_with_what_they_seem_to_be() {
    let dir = tempfile::tempdir().unwrap();
    let lora = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/loras/rslora.safetensors");
    std::fs::create_dir_all(dir.path().join("models/mixed")).unwrap();
    std::fs::copy(lora, dir.path().join("models/mixed/style.safetensors")).unwrap();
    let others = crate::models::other_files(dir.path(), None, &[]);
    let mut harness = page_of(Page { others, ..Page::default() }, vec2(1300.0, 900.0));
    harness.get_by_label("1 other file").click();
    harness.run();
    harness.get_by_label("style.safetensors");
    harness.get_by_label_contains("Seems to be a LoRA");
    harness.get_by_role_and_label(Role::Button, "Move style.safetensors to the LoRAs").click();
    harness.run();
    let [from, to] =
        ["mixed", "loras"].map(|folder| dir.path().join("models").join(folder).join("style.safetensors"));
    assert_eq!(harness.state().actions, [ModelsAction::Move(from, to)]);
}
