//! The form: models, modes, presets, undo, and the job that is edited in it.

use std::path::Path;
use std::time::Instant;

use super::*;
use crate::core::{Draft, Expert, Limits, Mode, PrecisionChoice, ProviderChoice, Strides};
use crate::jobs::{Job, JobId, JobSpec, JobState};
use crate::models::Installed;
use crate::plan::{DraftField, MemoryFit, ModelFit};
use crate::presets;
use crate::store::Settings;
use crate::wan::Family;

fn form(settings: Settings) -> (tempfile::TempDir, Form) {
    let dir = tempfile::tempdir().unwrap();
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let mut form = Form::first(dir.path().to_path_buf(), Some(models), settings).unwrap();
    assert_eq!(form.problems().len(), 1, "nothing runs before the models are known");
    let scan = form.scan();
    assert!(form.take_scan(scan()).is_none() && form.problems().is_empty());
    (dir, form)
}

fn waiting(work: JobSpec) -> Job {
    Job::new(JobId(3), "3".into(), work)
}

#[test]
fn work_of_the_window_is_as_the_person_has_set_it() {
    let mut settings = Settings::default();
    settings.errors.timeout_s = 77;
    settings.hardware.provider = ProviderChoice::Cpu;
    settings.optimization.precision = PrecisionChoice::Fp32;
    let (_dir, mut own) = form(settings);
    for _ in 0..2 {
        let work = own.work().unwrap();
        assert_eq!(work.timeout_s, Some(77));
        assert_eq!(work.draft.provider, ProviderChoice::Cpu);
        assert_eq!(work.draft.precision, PrecisionChoice::Fp32);
        // another model has a form of its own, as new as the first
        own.choose_model("toy-t2v-A14B").unwrap();
    }
    let (_dir, without) = form(Settings {
        errors: crate::store::ErrorSettings { timeout_s: 0, ..Default::default() },
        ..Default::default()
    });
    assert_eq!(without.work().unwrap().timeout_s, None, "0 means no limit");
}

#[test]
fn the_time_limit_of_the_form_goes_before_that_of_the_settings() {
    let (_dir, mut form) = form(Settings {
        errors: crate::store::ErrorSettings { timeout_s: 60, ..Default::default() },
        ..Default::default()
    });
    let limit = |form: &Form| (form.time_limit().map(|limit| limit.0), form.work().unwrap().timeout_s);
    assert_eq!(limit(&form), (Some(60.0), Some(60)));
    form.context.timeout_s = Some(90);
    assert_eq!(limit(&form), (Some(90.0), Some(90)));
    let sweep = crate::sweep::Sweep::with_axes(vec!["seed=1, 2".parse().unwrap()]);
    let plan = form.sweep_base().plan(sweep).unwrap();
    assert!(plan.specs.iter().all(|spec| spec.timeout_s == Some(90)), "cells have the form's limit, too");
    form.context.timeout_s = Some(0);
    assert_eq!(limit(&form), (None, None));
}

#[test]
fn a_job_comes_into_the_form_and_what_was_there_comes_back() {
    let (_dir, mut form) = form(Settings::default());
    let before = form.draft.clone();
    let of_job = Draft { prompt: "a blue square".into(), ..before.clone() };
    let named = JobSpec { draft: of_job.clone(), ..form.work().unwrap() };
    let output = named.output.with_file_name(format!("x_{}_a-blue-square.mp4", of_job.seed));
    let entry = waiting(JobSpec { output, timeout_s: Some(5), ..named });
    form.edit(&entry);
    assert_eq!(form.draft, of_job);
    // another one is edited before the first was saved
    form.edit(&entry);
    form.draft.prompt = "a green square".into();
    let edited = form.edited(&entry).unwrap();
    assert_eq!((edited.draft.prompt.as_str(), edited.timeout_s), ("a green square", Some(5)));
    assert!(edited.output.to_string_lossy().ends_with("a-green-square.mp4"), "{:?}", edited.output);
    let chosen = waiting(JobSpec { output: "mine.gif".into(), ..entry.spec.clone() });
    assert_eq!(form.edited(&chosen).unwrap().output, Path::new("mine.gif"));
    let running = Job { state: JobState::Running { worker: "me".into() }, ..entry.clone() };
    assert_eq!(form.editing(&[entry]).unwrap().locked_reason, None);
    assert!(form.editing(&[running]).unwrap().locked_reason.is_some());
    form.end_editing();
    assert_eq!((&form.draft, form.editing(&[])), (&before, None));
}

#[test]
fn a_mode_that_was_set_stays_until_it_is_reset() {
    let (_dir, mut form) = form(Settings::default());
    form.choose_mode(Mode::I2V).unwrap();
    assert!(form.is_mode_set());
    assert_eq!(form.mode(), Some(Mode::I2V));
    form.choose_automatically().unwrap();
    assert!(!form.is_mode_set());
    assert_eq!((form.mode(), form.reason().is_empty()), (Some(Mode::T2V), false));
}

#[test]
fn a_lora_goes_to_the_expert_of_its_name_where_there_are_two() {
    let (_dir, mut form) = form(Settings::default());
    form.choose_model("toy-t2v-A14B").unwrap();
    form.add_lora("low.safetensors".into(), Some(Expert::Low), None);
    assert_eq!(form.draft.loras[0].expert, Some(Expert::Low));
    form.choose_model("toy-ti2v-5B").unwrap();
    form.add_lora("low.safetensors".into(), Some(Expert::Low), None);
    assert_eq!(form.draft.loras[0].expert, None);
}

#[test]
fn the_mode_that_the_router_picked_is_still_its_own_after_a_restart() {
    let (_dir, mut form) = form(Settings::default());
    form.draft.model = "toy-ti2v-5B".into();
    (form.draft.mode, form.context.routed_mode) = (Some(Mode::TI2V), Some(Mode::TI2V));
    assert!(!form.is_mode_set());
    let text = ron::to_string(&form.context).unwrap();
    let mut later = Form::first("no-data".into(), None, Settings::default()).unwrap();
    later.restore(form.draft.clone(), ron::from_str(&text).unwrap());
    assert!(!later.is_mode_set());
    // another model does not make it the user's
    form.choose_model("toy-ti2v-5B").unwrap();
    assert!(!form.is_mode_set());
}

#[test]
fn whatever_changes_the_form_can_be_undone() {
    let (_dir, mut form) = form(Settings::default());
    let now = Instant::now();
    let first = form.draft.clone();
    crate::core::Fix::VaeTile(128).apply(&mut form.draft);
    form.observe(now);
    form.apply_preset(&presets::by_name("toy-ti2v").unwrap());
    form.observe(now);
    let preset = form.draft.clone();
    assert_eq!((preset.model.as_str(), preset.prompt == first.prompt), ("toy-ti2v-5B", true));
    form.choose_mode(Mode::I2V).unwrap();
    form.undo(now);
    assert_eq!((&form.draft, form.is_mode_set()), (&preset, false));
    form.undo(now);
    form.undo(now);
    assert_eq!((&form.draft, form.can_undo()), (&first, false));
    form.redo(now);
    assert_eq!(form.draft.vae_tile, Some(128));
    // the seed that a job got is no step of its own
    form.show_seed(99, now);
    form.undo(now);
    assert_eq!(form.draft.vae_tile, None);
}

#[test]
fn fields_are_compared_with_the_preset_and_reset_one_by_one_or_all() {
    let (_dir, mut form) = form(Settings::default());
    let differing = |form: &Form| {
        let reference = form.reference().unwrap();
        DraftField::ALL
            .into_iter()
            .filter(|field| !field.is_same(&reference, &form.draft))
            .collect::<Vec<_>>()
    };
    assert_eq!(differing(&form), []);
    (form.draft.steps, form.draft.shift) = (7, 9.0);
    assert_eq!(differing(&form), [DraftField::Steps, DraftField::Shift]);
    DraftField::Steps.copy(&form.reference().unwrap(), &mut form.draft);
    assert_eq!((form.draft.steps, form.draft.shift), (20, 9.0));
    form.draft.shift = 3.0;
    let previews = form.preset_previews();
    let of = |name: &str| previews.iter().find(|preview| preview.name == name).unwrap();
    assert_eq!(of("toy-t2v").differences, []);
    assert_eq!(of("t2v-A14B").missing_model.as_deref(), Some("t2v-A14B"));
    assert!(of("t2v-A14B-4step").differences.iter().any(|found| found.field == DraftField::Steps));
}

#[test]
fn the_first_start_takes_the_best_official_model_that_fits_and_a_later_one_does_not() {
    let limits = |id: &str, mode| Limits {
        model: id.into(),
        modes: vec![mode],
        strides: Strides { temporal: 4, spatial: 8, patch: 2 },
        max_positions: 1024,
        lora: true,
        quantisation: None,
    };
    let model = |id: &str, mode, family| Installed {
        id: id.into(),
        names: Vec::new(),
        path: id.into(),
        limits: Ok(limits(id, mode)),
        family: Some(family),
        info: None,
        content: None,
    };
    let models = vec![
        model("t2v-A14B", Mode::T2V, Family::A14B),
        model("t2v-A14B-int8", Mode::T2V, Family::A14B),
        model("i2v-A14B", Mode::I2V, Family::A14B),
        model("ti2v-5B", Mode::TI2V, Family::B5),
    ];
    let fit = |id: &str, fit| ModelFit { model: id.into(), fit, needed: None };
    let fits = vec![
        fit("t2v-A14B", MemoryFit::TooLarge),
        fit("t2v-A14B-int8", MemoryFit::Fits),
        fit("i2v-A14B", MemoryFit::Fits),
        fit("ti2v-5B", MemoryFit::Fits),
    ];
    let mut form = Form::first("no-data".into(), None, Settings::default()).unwrap();
    form.planner.set_models(models);
    form.take_fits(fits.clone()).unwrap();
    assert_eq!(form.draft.model, "t2v-A14B-int8");
    assert!(!form.can_undo() && form.reason().contains("fits this machine"));
    // what the user chose meanwhile stays
    form.draft.model = "ti2v-5B".into();
    form.take_fits(fits).unwrap();
    assert_eq!(form.draft.model, "ti2v-5B");
}

#[test]
fn a_distilled_lora_brings_its_settings_and_says_so() {
    let (_dir, mut form) = form(Settings::default());
    let profile = crate::wan::DistilledSettings { steps: 4, guidance: 1.0, shift: 5.0 };
    form.draft.steps = 30;
    let changed = form.add_lora("lightning_high.safetensors".into(), None, Some(profile)).unwrap();
    assert!(changed.contains("4 steps instead of 30"), "{changed}");
    assert_eq!((form.draft.steps, form.draft.guidance, form.draft.shift), (4, 1.0, 5.0));
    assert_eq!(
        form.add_lora("lightning_low.safetensors".into(), None, Some(profile)),
        None,
        "nothing is left"
    );
}
