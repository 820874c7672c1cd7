//! Command line and window plan the same job from the same wishes, or refuse them with the same error.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::path::{Path, PathBuf};

use clap::Parser as _;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use wandeck::app::Form;
use wandeck::cli::Cli;
use wandeck::core::{
    Draft, Error, Kind, Limits, LoraChoice, Mode, PrecisionChoice, ProviderChoice, Resolution, Result,
    Sampler, Strides, WeightsChoice,
};
use wandeck::jobs::JobSpec;
use wandeck::models::Installed;
use wandeck::plan::{Catalog, Folders, JobOptions, Planner, Profiles};
use wandeck::store::Settings;
use wandeck::wan::Family;

/// Size of the image that wishes begin from.
const IMAGE: Resolution = Resolution { width: 640, height: 160 };

/// What the user wants, before it is typed or clicked.
#[derive(Clone, Debug, Default)]
struct Wishes {
    prompt: String,
    negative: Option<String>,
    model: Option<String>,
    mode: Option<Mode>,
    start_image: bool,
    end_image: bool,
    seed: u64,
    steps: Option<u32>,
    guidance: Option<(f32, Option<f32>)>,
    shift: Option<f32>,
    sampler: Option<Sampler>,
    size: Option<Resolution>,
    frames: Option<u32>,
    fps: Option<u32>,
    loras: Vec<LoraChoice>,
    provider: Option<ProviderChoice>,
    precision: Option<PrecisionChoice>,
    vae_tile: Option<u32>,
    weights: Option<WeightsChoice>,
    output: Option<PathBuf>,
}

/// The files that wishes name.
struct Files {
    dir: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let pixels = image::RgbImage::new(IMAGE.width, IMAGE.height);
        pixels.save(dir.path().join("start.png")).unwrap();
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

fn word(value: impl serde::Serialize) -> String {
    serde_json::to_value(value).unwrap().as_str().unwrap().to_owned()
}

/// The wishes typed at a terminal.
fn command_line(wishes: &Wishes, files: &Files) -> Vec<String> {
    let mut line = vec!["wandeck".to_owned(), "generate".to_owned(), wishes.prompt.clone()];
    let mut flag = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            line.extend([format!("--{name}"), value]);
        }
    };
    let file = |given: bool, name: &str| given.then(|| files.path(name).display().to_string());
    flag("negative", wishes.negative.clone());
    flag("model", wishes.model.clone());
    flag("mode", wishes.mode.map(word));
    flag("image", file(wishes.start_image, "start.png"));
    flag("last-image", file(wishes.end_image, "end.png"));
    flag("seed", Some(wishes.seed.to_string()));
    flag("steps", wishes.steps.map(|steps| steps.to_string()));
    let scales = |(high, low): (f32, Option<f32>)| match low {
        Some(low) => format!("{high},{low}"),
        None => high.to_string(),
    };
    flag("guidance", wishes.guidance.map(scales));
    flag("shift", wishes.shift.map(|shift| shift.to_string()));
    flag("sampler", wishes.sampler.map(word));
    flag("size", wishes.size.map(|size| size.to_string()));
    flag("frames", wishes.frames.map(|frames| frames.to_string()));
    flag("fps", wishes.fps.map(|fps| fps.to_string()));
    flag("provider", wishes.provider.map(word));
    flag("precision", wishes.precision.map(word));
    flag("vae-tile", wishes.vae_tile.map(|edge| edge.to_string()));
    flag("weights", wishes.weights.map(word));
    flag("output", wishes.output.as_ref().map(|path| path.display().to_string()));
    for lora in &wishes.loras {
        flag("lora", Some(format!("{}:{}", lora.file.display(), lora.strength)));
    }
    line
}

fn by_command_line(wishes: &Wishes, files: &Files, planner: &Planner) -> Result<JobSpec> {
    let cli = Cli::try_parse_from(command_line(wishes, files)).unwrap();
    Ok(planner.plan(&cli.plan_request().unwrap()?)?.spec)
}

/// The wishes entered into the window: what is there to work with, then the choice of the model, then the rest.
fn by_window(wishes: &Wishes, files: &Files, planner: &Planner) -> Result<JobSpec> {
    let mut form = Form::new(planner.clone())?;
    form.draft.prompt.clone_from(&wishes.prompt);
    form.draft.seed = wishes.seed;
    form.draft.start_image = wishes.start_image.then(|| files.path("start.png"));
    form.draft.end_image = wishes.end_image.then(|| files.path("end.png"));
    form.draft.loras.clone_from(&wishes.loras);
    form.draft.size = wishes.size.unwrap_or(form.draft.size);
    match (&wishes.model, wishes.mode) {
        (Some(model), mode) => {
            form.draft.mode = mode;
            form.choose_model(model)?;
        }
        (None, Some(mode)) => form.choose_mode(mode)?,
        (None, None) => form.choose_by_inputs()?,
    }
    form.draft.mode = wishes.mode.or(form.draft.mode);
    if wishes.start_image && form.mode().is_some_and(|mode| mode != Mode::T2V) {
        form.start_from(files.path("start.png"), IMAGE)?;
    } else {
        form.draft.start_image = wishes.start_image.then(|| files.path("start.png"));
    }
    form.draft.end_image = wishes.end_image.then(|| files.path("end.png"));
    enter(wishes, &mut form.draft);
    form.work_in(JobOptions { output: wishes.output.clone(), ..JobOptions::default() })
}

/// Fills in the fields of the form.
fn enter(wishes: &Wishes, draft: &mut Draft) {
    let given = wishes.clone();
    draft.loras = given.loras;
    draft.negative_prompt = given.negative.unwrap_or_else(|| draft.negative_prompt.clone());
    draft.steps = given.steps.unwrap_or(draft.steps);
    if let Some((high, low)) = given.guidance {
        (draft.guidance, draft.guidance_low) = (high, low);
    }
    draft.shift = given.shift.unwrap_or(draft.shift);
    draft.sampler = given.sampler.unwrap_or(draft.sampler);
    draft.size = given.size.unwrap_or(draft.size);
    draft.frames = given.frames.unwrap_or(draft.frames);
    draft.fps = given.fps.unwrap_or(draft.fps);
    draft.provider = given.provider.unwrap_or(draft.provider);
    draft.precision = given.precision.unwrap_or(draft.precision);
    draft.vae_tile = given.vae_tile.or(draft.vae_tile);
    draft.weights = given.weights.unwrap_or(draft.weights);
}

/// The shipped toys as they are installed.
fn toys() -> Vec<Installed> {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let folders = Folders { data: models.join("no-data"), models: Some(models) };
    let all = folders.scan();
    let is_toy = |model: &Installed| model.id.starts_with("toy-") && model.limits.is_ok();
    let toys: Vec<_> = all.into_iter().filter(is_toy).collect();
    assert!(toys.len() >= 3, "the toys are in the checkout");
    toys
}

fn planner(models: Vec<Installed>, settings: Settings, data: &Path) -> Planner {
    let folders = Folders { data: data.to_path_buf(), models: None };
    let catalog = Catalog::new(models, Profiles::open(data).unwrap()).unwrap();
    Planner::new(folders, settings, catalog)
}

fn any_mode() -> impl Strategy<Value = Mode> {
    select(vec![Mode::T2V, Mode::I2V, Mode::TI2V])
}

fn any_limits() -> impl Strategy<Value = Limits> {
    let modes = subsequence(vec![Mode::T2V, Mode::I2V, Mode::TI2V], 1..=2);
    (modes, select(vec![8, 16]), select(vec![6, 64, 1024]), any::<bool>()).prop_map(
        |(modes, spatial, max_positions, lora)| Limits {
            model: String::new(),
            modes,
            strides: Strides { temporal: 4, spatial, patch: 2 },
            max_positions,
            lora,
            quantisation: None,
        },
    )
}

/// Some of the toys, and models with limits of any kind under official and other names.
fn any_models() -> impl Strategy<Value = Vec<Installed>> {
    let made = |id: &'static str, family: Option<Family>| {
        let model = (any_limits(), prop::bool::weighted(0.9)).prop_map(move |(limits, usable)| {
            let broken =
                || Error::new(Kind::CorruptModel, format!("{id} cannot be read")).remedy("Copy it again");
            let limits = Limits { model: id.to_owned(), ..limits };
            let limits = if usable { Ok(limits) } else { Err(broken()) };
            Installed {
                id: id.to_owned(),
                names: Vec::new(),
                path: Path::new("/models").join(id),
                limits,
                family,
                info: None,
                content: None,
            }
        });
        prop::option::of(model)
    };
    let others = (
        made("t2v-A14B", Some(Family::A14B)),
        made("i2v-A14B", Some(Family::A14B)),
        made("ti2v-5B", Some(Family::B5)),
        made("toy-t2v-A14B-int8", None),
        made("mine", None),
    );
    let toys = toys();
    let count = toys.len();
    (subsequence(toys, 0..=count), others).prop_map(|(mut models, (a, b, c, d, e))| {
        models.extend([a, b, c, d, e].into_iter().flatten());
        models.sort_by(|a, b| a.id.cmp(&b.id));
        models
    })
}

fn any_size() -> impl Strategy<Value = Resolution> {
    let known = [(64, 64), (65, 64), (0, 16), (832, 480), (1280, 704), (1920, 1088), (2560, 1440)];
    select(known.map(|(width, height)| Resolution::new(width, height)).to_vec())
}

fn any_lora() -> impl Strategy<Value = LoraChoice> {
    let strength = select(vec![0.5, 1.0, -2.0, 11.0]);
    strength.prop_map(|strength| LoraChoice { strength, ..LoraChoice::new("/loras/a.safetensors") })
}

fn any_wishes() -> impl Strategy<Value = Wishes> {
    let names = ["toy-t2v-A14B", "toy-i2v-A14B", "ti2v-5B", "t2v-A14B", "mine", "missing"];
    let given = (
        select(vec!["", " ", "a cat", "A red circle, moves!"]),
        prop::option::of(Just("blurry".to_owned())),
        prop::option::of(select(names.map(str::to_owned).to_vec())),
        prop::option::weighted(0.3, any_mode()),
        (prop::bool::weighted(0.4), prop::bool::weighted(0.2)),
        any::<u64>(),
    );
    let numbers = (
        prop::option::of(select(vec![0, 1, 4, 20, 90, 2000])),
        prop::option::of((select(vec![0.5, 1.0, 4.5]), prop::option::of(select(vec![1.0, 3.0, f32::NAN])))),
        prop::option::of(select(vec![0.0, 3.0, 12.0])),
        prop::option::of(any_size()),
        prop::option::of(select(vec![0, 1, 5, 16, 81, 2001])),
        prop::option::of(select(vec![0, 8, 24, 1000])),
        prop::option::of(select(vec![8, 64, 256])),
    );
    let choices = (
        prop::option::of(select(vec![Sampler::UniPc, Sampler::Euler])),
        prop::collection::vec(any_lora(), 0..2),
        prop::option::of(select(vec![ProviderChoice::Auto, ProviderChoice::Cpu, ProviderChoice::Cuda])),
        prop::option::of(select(vec![PrecisionChoice::Fp32, PrecisionChoice::Bf16, PrecisionChoice::Int8])),
        prop::option::of(Just(WeightsChoice::InPlace)),
        prop::option::of(select(vec!["/videos/a.mp4", "/videos/a.avi", "/videos/a.png", "/"])),
    );
    (given, numbers, choices).prop_map(|(given, numbers, choices)| {
        let (prompt, negative, model, mode, (start_image, end_image), seed) = given;
        let (steps, guidance, shift, size, frames, fps, vae_tile) = numbers;
        let (sampler, loras, provider, precision, weights, output) = choices;
        Wishes {
            prompt: prompt.to_owned(),
            negative,
            model,
            mode,
            start_image,
            end_image,
            seed,
            steps,
            guidance,
            shift,
            sampler,
            size,
            frames,
            fps,
            loras,
            provider,
            precision,
            vae_tile,
            weights,
            output: output.map(PathBuf::from),
        }
    })
}

fn any_settings() -> impl Strategy<Value = Settings> {
    let providers = select(vec![ProviderChoice::Auto, ProviderChoice::Cpu]);
    (providers, any::<bool>(), 0..3_u64).prop_map(|(provider, fallback, timeout)| {
        let mut settings = Settings::default();
        settings.hardware.provider = provider;
        settings.errors.timeout_s = timeout;
        settings.models.fallbacks = if fallback { vec!["mine".into(), "missing".into()] } else { Vec::new() };
        settings
    })
}

/// Kind, field and words of an error.
fn described(error: &Error) -> (Kind, Option<&'static str>, String) {
    (error.kind, error.field_name(), format!("{error:#}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_faces_plan_the_same_job_or_give_the_same_error(
        wishes in any_wishes(),
        models in any_models(),
        settings in any_settings(),
    ) {
        let files = Files::new();
        let planner = planner(models, settings, files.dir.path());
        let typed = by_command_line(&wishes, &files, &planner).map_err(|error| described(&error));
        let clicked = by_window(&wishes, &files, &planner).map_err(|error| described(&error));
        prop_assert_eq!(format!("{typed:?}"), format!("{clicked:?}"));
        if let Err((_, field, words)) = typed {
            prop_assert!(field.is_some(), "{words}");
        }
    }
}

#[test]
fn wishes_that_can_run_become_the_same_job_for_every_toy() {
    let files = Files::new();
    let planner = planner(toys(), Settings::default(), files.dir.path());
    for (prompt, start_image, model) in
        [("a cat", false, "toy-t2v-A14B"), ("", true, "toy-i2v-A14B"), ("a cat", true, "toy-ti2v-5B")]
    {
        for chosen in [None, Some(model.to_owned())] {
            let wishes =
                Wishes { prompt: prompt.into(), start_image, model: chosen, seed: 3, ..Wishes::default() };
            let spec = by_command_line(&wishes, &files, &planner).unwrap();
            assert_eq!(spec, by_window(&wishes, &files, &planner).unwrap());
            assert!(spec.model.ends_with(model), "{spec:?}");
            // the video has the image's shape, 4 to 1
            assert_eq!(spec.draft.size.width > spec.draft.size.height, start_image, "{spec:?}");
            let name = spec.output.file_name().unwrap().to_string_lossy().into_owned();
            let mode = model.split('-').nth(1).unwrap();
            let slug = if prompt.is_empty() { "_3.mp4" } else { "_3_a-cat.mp4" };
            assert!(name.ends_with(&format!("_{mode}{slug}")), "{name}");
            assert_eq!(spec.output.parent(), Some(files.path("outputs").as_path()));
        }
    }
}

#[test]
fn a_table_of_modes_of_ones_own_counts_in_both_faces() {
    let files = Files::new();
    let shipped = include_str!("../../presets/modes.ron");
    std::fs::write(files.path("modes.ron"), shipped.replacen("default: 40", "default: 33", 1)).unwrap();
    let limits = Limits {
        model: "t2v-A14B".into(),
        modes: vec![Mode::T2V],
        strides: Strides { temporal: 4, spatial: 8, patch: 2 },
        max_positions: 1024,
        lora: true,
        quantisation: None,
    };
    let official = Installed {
        id: "t2v-A14B".into(),
        path: "/models/t2v-A14B".into(),
        limits: Ok(limits),
        family: Some(Family::A14B),
        info: None,
        content: None,
        names: Vec::new(),
    };
    let planner = planner(vec![official], Settings::default(), files.dir.path());
    let wishes = Wishes { prompt: "a cat".into(), ..Wishes::default() };
    let spec = by_command_line(&wishes, &files, &planner).unwrap();
    assert_eq!((spec.draft.steps, spec.timeout_s), (33, None));
    assert_eq!(spec, by_window(&wishes, &files, &planner).unwrap());
}
