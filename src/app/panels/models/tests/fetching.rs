//! What can be downloaded, and fetching it.

use eframe::egui::accesskit::Role;
use eframe::egui::vec2;
use egui_kittest::kittest::Queryable as _;

use super::fixture::{Page, another, page, page_of, plan};
use crate::app::panels::models::{FetchStatus, ModelsAction, ModelsPanel};
use crate::core::Bytes;
use crate::models::fetch::FetchProgress;

#[test]
fn what_can_be_downloaded_is_in_the_list_with_how_far_it_is() {
    let mut plan = plan(1);
    plan.folder = "/m/another".into();
    let progress = FetchProgress { done: Bytes(30), of: Bytes(100), ..FetchProgress::default() };
    let state = Page { available: vec![another()], ..Page::default() };
    let mut harness = page_of(state, vec2(1300.0, 900.0));
    harness.get_by_label("available");
    harness.state_mut().fetch = FetchStatus::Paused(plan.clone(), progress);
    harness.run();
    harness.get_by_label("30 %, paused");
    harness.state_mut().fetch = FetchStatus::Idle;
    harness.run();
    harness.get_by_role_and_label(Role::Button, "another").click();
    harness.run();
    harness.get_by_label("/m/another");
    harness.get_by_role_and_label(Role::Button, "Fetch another…").click();
    harness.run();
    assert_eq!(harness.state().actions, [ModelsAction::PlanFetch("another".into())]);
    // a folder with a model in it is one row
    harness.state_mut().models[0].path = "/m/another".into();
    harness.run();
    assert!(harness.query_by_role_and_label(Role::Button, "another").is_none());
}

#[test]
fn the_buttons_of_a_plan_with_many_files_stay_in_reach() {
    let fetch = FetchStatus::Planned(plan(60));
    let mut harness = page_of(Page { fetch, ..Page::default() }, vec2(900.0, 400.0));
    harness.run();
    let button = harness.get_by_role_and_label(Role::Button, "Not now");
    assert!(button.rect().bottom() < 400.0, "{:?}", button.rect());
    button.click();
    harness.run();
    assert_eq!(harness.state().actions, [ModelsAction::CloseFetch]);
}

#[test]
fn another_model_can_be_fetched_while_one_is_paused_only() {
    let progress = FetchProgress::default();
    for (fetch, is_possible) in
        [(FetchStatus::Running(plan(1), progress), false), (FetchStatus::Paused(plan(1), progress), true)]
    {
        let panel = ModelsPanel::at_download();
        let page = Page { panel, fetch, available: vec![another()], ..Page::default() };
        let mut harness = page_of(page, vec2(1300.0, 900.0));
        harness.step();
        harness.get_by_role_and_label(Role::Button, "Fetch another…").click();
        harness.step();
        harness.step();
        assert_eq!(!harness.state().actions.is_empty(), is_possible);
    }
}

#[test]
fn asking_the_hub_can_be_stopped() {
    let fetch = FetchStatus::Planning("large-bf16".to_owned());
    let mut harness = page_of(Page { fetch, ..Page::default() }, vec2(900.0, 400.0));
    harness.get_by_role_and_label(Role::Button, "Stop asking").click();
    harness.run();
    assert_eq!(harness.state().actions, [ModelsAction::StopFetch]);
}

#[test]
fn without_a_model_what_can_be_downloaded_is_shown_first() {
    let mut harness = page(None);
    assert!(harness.query_by_role_and_label(Role::Button, "Browse models…").is_none());
    harness.state_mut().models.clear();
    harness.run();
    harness.get_by_role_and_label(Role::Button, "Browse models…");
    harness.get_by_role_and_label(Role::Button, "On disk").click();
    harness.run();
    harness.get_by_label("No models found");
}
