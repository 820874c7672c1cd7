//! Every combination of what can be given.

use proptest::prelude::*;

use super::catalog::Catalog;
use super::fixture::form;
use super::profiles::Profiles;
use super::route::{Route, RouteRequest, route};
use crate::core::{Draft, Kind, Limits, Mode, Resolution, Result, Strides};
use crate::models::Installed;
use crate::wan::Family;

/// Name, mode, LoRA, family.
type Model = (&'static str, Mode, bool, Option<Family>);

const ALL: [Model; 6] = [
    ("toy-t2v-A14B", Mode::T2V, true, None),
    ("toy-i2v-A14B", Mode::I2V, true, None),
    ("toy-ti2v-5B", Mode::TI2V, false, None),
    ("t2v-A14B", Mode::T2V, true, Some(Family::A14B)),
    ("i2v-A14B", Mode::I2V, true, Some(Family::A14B)),
    ("ti2v-5B", Mode::TI2V, false, Some(Family::B5)),
];
const TOYS: &[Model] = ALL.split_at(3).0;
const OFFICIAL: &[Model] = ALL.split_at(3).1;

fn limits(&(model, mode, lora, _): &Model) -> Limits {
    Limits {
        model: model.to_owned(),
        modes: vec![mode],
        strides: Strides { temporal: 4, spatial: if mode == Mode::TI2V { 16 } else { 8 }, patch: 2 },
        max_positions: 1024,
        lora,
        quantisation: None,
    }
}

fn catalog(models: &[Model]) -> Catalog {
    let installed = |model: &Model| Installed {
        id: model.0.to_owned(),
        names: Vec::new(),
        path: model.0.into(),
        limits: Ok(limits(model)),
        family: model.3,
        info: None,
        content: None,
    };
    Catalog::new(models.iter().map(installed).collect(), Profiles::shipped().unwrap()).unwrap()
}

fn choose(asked: &RouteRequest<'_>, models: &[Model]) -> Result<Route> {
    route(asked, &catalog(models))
}

fn asked(prompt: &str, image: bool) -> RouteRequest<'_> {
    RouteRequest {
        prompt,
        start_image: image,
        end_image: false,
        clip: false,
        loras: false,
        size: None,
        model: None,
        mode: None,
    }
}

#[test]
fn the_table() {
    for (models, prefix) in [(TOYS, "toy-"), (OFFICIAL, "")] {
        for (prompt, image, mode, model) in [
            ("a cat", false, Mode::T2V, "t2v-A14B"),
            ("", true, Mode::I2V, "i2v-A14B"),
            ("a cat", true, Mode::TI2V, "ti2v-5B"),
        ] {
            let route = choose(&asked(prompt, image), models).unwrap();
            assert_eq!((route.mode, route.model), (mode, format!("{prefix}{model}")));
        }
    }
    let clip = RouteRequest { clip: true, ..asked("", false) };
    assert_eq!(choose(&clip, TOYS).unwrap().mode, Mode::I2V);
    let last = RouteRequest { end_image: true, ..asked("a cat", true) };
    assert_eq!(choose(&last, &ALL).unwrap().model, "i2v-A14B");
    let lora = RouteRequest { loras: true, ..asked("a cat", true) };
    let route = choose(&lora, &ALL).unwrap();
    assert_eq!((route.mode, route.reasons[1].as_str()), (Mode::I2V, "ti2v-5B does not support LoRAs"));
}

#[test]
fn the_reason_is_said() {
    let chosen_text = |asked: &RouteRequest<'_>, models: &[Model]| choose(asked, models).unwrap().to_string();
    assert_eq!(
        chosen_text(&asked("", true), TOYS),
        "i2v with toy-i2v-A14B: an image was given; no official Wan model that can do this is installed"
    );
    assert_eq!(chosen_text(&asked("a cat", false), &ALL), "t2v with t2v-A14B: only a prompt was given");
    let chosen = RouteRequest { model: Some("toy-i2v-A14B"), ..asked("", true) };
    assert_eq!(chosen_text(&chosen, &ALL), "i2v with toy-i2v-A14B: you chose the model");
    let chosen = RouteRequest { mode: Some(Mode::TI2V), ..asked("a cat", false) };
    assert_eq!(chosen_text(&chosen, OFFICIAL), "ti2v with ti2v-5B: you set the mode");
}

#[test]
fn what_is_not_installed_is_named() {
    let hd = Some(Resolution::new(1920, 1088));
    let only_5b = &OFFICIAL[2..];
    for (asked, models, field, words) in [
        (
            RouteRequest { size: hd, ..asked("a cat", false) },
            only_5b,
            "size",
            "ti2v-5B takes 480p and 720p: 1080p needs t2v-A14B, which is not installed",
        ),
        (
            RouteRequest { size: hd, model: Some("ti2v-5B"), ..asked("a cat", true) },
            OFFICIAL,
            "size",
            "ti2v-5B takes 480p and 720p: 1080p needs i2v-A14B",
        ),
        (asked("", true), &TOYS[..1], "start_image", "No installed model supports i2v: an image was given"),
        (asked("a cat", false), &[][..], "model", "No usable model"),
        (asked(" ", false), TOYS, "prompt", "needs a prompt"),
        (RouteRequest { clip: true, ..asked("", true) }, TOYS, "continue_from", "cannot be used together"),
        (RouteRequest { end_image: true, ..asked("a", false) }, TOYS, "start_image", "without a start image"),
        (
            RouteRequest { model: Some("toy-t2v-A14B"), ..asked("a", true) },
            TOYS,
            "start_image",
            "choose the model toy-i2v-A14B",
        ),
        (
            RouteRequest { model: Some("toy-t2v-A14B"), mode: Some(Mode::I2V), ..asked("a", true) },
            TOYS,
            "mode",
            "supports t2v, not i2v",
        ),
        (
            RouteRequest { model: Some("ti2v-5B"), end_image: true, ..asked("a", true) },
            OFFICIAL,
            "end_image",
            "i2v-A14B",
        ),
        (
            RouteRequest { model: Some("ti2v-5B"), loras: true, ..asked("a", true) },
            OFFICIAL,
            "lora",
            "does not support LoRAs",
        ),
        (RouteRequest { model: Some("none"), ..asked("a", false) }, TOYS, "model", "is not installed"),
        (
            RouteRequest { mode: Some(Mode::TI2V), ..asked("a", false) },
            &TOYS[..2],
            "mode",
            "you set this mode",
        ),
    ] {
        let error = choose(&asked, models).unwrap_err();
        assert_eq!(error.field_name(), Some(field), "{error:#}");
        assert!(format!("{error:#}").contains(words), "{error:#}");
    }
    // where another installed model can, it is taken and the reason said
    let route = choose(&RouteRequest { size: hd, ..asked("a cat", true) }, OFFICIAL).unwrap();
    assert_eq!(route.model, "i2v-A14B");
    assert!(route.to_string().contains("1080p needs i2v-A14B"), "{route}");
}

fn any_mode() -> impl Strategy<Value = Option<Mode>> {
    prop_oneof![Just(None), Just(Some(Mode::T2V)), Just(Some(Mode::I2V)), Just(Some(Mode::TI2V))]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_combination_gives_a_plan_that_runs_or_an_error_that_names_the_field(
        prompt in prop_oneof![Just(""), Just("  "), Just("a cat")],
        given in prop::array::uniform4(any::<bool>()),
        there in prop::array::uniform6(any::<bool>()),
        model in prop_oneof![Just(None), (0..7_usize).prop_map(Some)],
        mode in any_mode(),
        size in prop::option::of((0..200_u32, 0..200_u32)),
    ) {
        let models: Vec<_> = ALL.into_iter().zip(there).filter(|(_, there)| *there).map(|(model, _)| model).collect();
        let [image, end_image, clip, loras] = given;
        let model = model.map(|index| ALL.get(index).map_or("none", |model| model.0));
        let size = size.map(|(width, height)| Resolution::new(width * 16, height * 16));
        let asked = RouteRequest { prompt, start_image: image, end_image, clip, loras, size, model, mode };
        match choose(&asked, &models) {
            Err(error) => {
                prop_assert!(error.field_name().is_some(), "{error:#}");
                prop_assert!(error.remedy_text().is_some(), "{error:#}");
            }
            Ok(route) => {
                let chosen = models.iter().find(|model| model.0 == route.model);
                prop_assert!(chosen.is_some_and(|model| model.1 == route.mode));
                prop_assert!(model.is_none_or(|model| model == route.model));
                prop_assert!(mode.is_none_or(|mode| mode == route.mode));
                prop_assert!(!route.reasons.is_empty());
                // the form parses for the mode that was chosen
                let path = |given: bool| given.then(|| "a.png".into());
                let mut draft = Draft { prompt: prompt.to_owned(), ..form() };
                draft.start_image = path(image);
                draft.end_image = path(end_image);
                draft.continue_from = path(clip);
                draft.mode = mode;
                draft.size = Resolution::new(64, 64);
                draft.loras = if loras { vec![crate::core::LoraChoice::new("a")] } else { Vec::new() };
                let problems = draft.problems(&limits(chosen.unwrap()));
                prop_assert!(problems.is_empty(), "{problems:?}");
            }
        }
    }
}

#[test]
fn a_toy_never_stands_in_for_a_size_of_wan() {
    let toy: Model = ("toy-t2v-A14B", Mode::T2V, true, None);
    let wan: Model = ("t2v-A14B-fp16", Mode::T2V, true, Some(Family::A14B));
    let size = |width, height| Some(Resolution::new(width, height));
    let large = RouteRequest { size: size(1280, 720), ..asked("a cat", false) };
    let error = choose(&large, &[toy]).unwrap_err();
    assert_eq!((error.kind, error.field_name()), (Kind::MissingModel, Some("size")));
    assert!(format!("{error:#}").contains("No Wan model that makes 1280x720 is installed"), "{error:#}");
    assert_eq!(choose(&large, &[toy, wan]).unwrap().model, "t2v-A14B-fp16");
    // who chooses the toy gets it, and a small video needs no choice
    assert!(choose(&RouteRequest { model: Some("toy-t2v-A14B"), ..large }, &[toy]).is_ok());
    let small = RouteRequest { size: size(64, 64), ..asked("a cat", false) };
    assert_eq!(choose(&small, &[toy]).unwrap().model, "toy-t2v-A14B");
}
