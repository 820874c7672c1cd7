//! LoRAs in every format against diffusers on the same files (tests/golden/lora.py).

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

use std::path::{Path, PathBuf};

use ndarray::{ArrayD, Axis, Slice};
use wandeck::attempt::run_job;
use wandeck::core::{CancelToken, Draft, Error, Kind, LoraChoice, Outcome, Resolution, Result};
use wandeck::engine::{Input, Session, SessionOptions, StreamedSession};
use wandeck::jobs::JobSpec;
use wandeck::media::Reader;
use wandeck::models::convert::{ConversionOptions, ConversionTarget, convert};
use wandeck::onnx::{Adapter, ComputeType, Weights};
use wandeck::store::StoredTensors;
use wandeck::wan::graphs::{Segments, TEXT_TOKENS, adapted_transformer, streamed_transformer};
use wandeck::wan::lora::{LoraFile, LoraMatch, MatchTarget, SkipReason, match_keys};
use wandeck::wan::{TransformerConfig, rope};

use crate::common;

/// Share of the results' standard deviation, which is 1.4 to 1.6; the model without a LoRA is as far off.
const TOLERANCE: f32 = 1e-5;
/// The strength of the references.
pub(crate) const STRENGTH: f32 = 0.7;
const WEIGHTS: &str = "diffusion_pytorch_model";

fn lora(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/loras/{name}.safetensors"))
}

/// The high-noise expert of tiny-t2v.
pub(crate) struct Model {
    config: TransformerConfig,
    weights: Weights,
}

impl Model {
    pub(crate) fn open() -> Self {
        Self::at(&common::golden_model("tiny-t2v"))
    }

    pub(crate) fn at(model: &Path) -> Self {
        let dir = model.join("transformer");
        Self { config: common::config(&dir), weights: Weights::open(&dir, WEIGHTS).unwrap() }
    }

    /// tiny-t2v's expert with other weights.
    pub(crate) fn of(weights: Weights) -> Self {
        let dir = common::golden_model("tiny-t2v").join("transformer");
        Self { config: common::config(&dir), weights }
    }

    pub(crate) fn fit(&self, name: &str, strength: &str) -> LoraMatch {
        self.try_fit(&lora(name), strength).unwrap()
    }

    pub(crate) fn try_fit(&self, path: &Path, strength: &str) -> Result<LoraMatch> {
        let file = LoraFile::open(path)?;
        let fit = match_keys(&file, MatchTarget::only(&self.weights), strength)?;
        fit.check(&file, "tiny-t2v", self.config.width())?;
        Ok(fit)
    }

    pub(crate) fn adapter(&self, fit: LoraMatch) -> Adapter {
        fit.into_adapter(&self.weights, &CancelToken::new()).unwrap()
    }

    pub(crate) fn load(&self, adapters: &[Adapter]) -> Session {
        let graph =
            adapted_transformer(&self.config, &self.weights, Segments::One, ComputeType::Fp32, adapters)
                .unwrap();
        Session::load(&common::runtime(), &graph, &SessionOptions::default(), &CancelToken::new()).unwrap()
    }

    /// The input of `refs/dit_t2v_high` at these strengths.
    pub(crate) fn run(&self, session: &mut Session, strengths: &[(&str, f32)]) -> ArrayD<f32> {
        self.with_inputs(strengths, |inputs| {
            session.run(inputs, &CancelToken::new()).unwrap().swap_remove(0).view().unwrap().to_owned()
        })
    }

    /// Calls `run` with the input of `refs/dit_t2v_high` at these strengths.
    fn with_inputs<R>(&self, strengths: &[(&str, f32)], run: impl FnOnce(Vec<(&str, Input<'_>)>) -> R) -> R {
        let golden = common::golden("dit_t2v_high");
        let hidden = golden.f32("hidden_states");
        let [_, _, t, h, w] = hidden.shape() else { panic!("five dimensions") };
        let tokens = t * (h / 2) * (w / 2);
        let (cos, sin) = rope::tables(*t, h / 2, w / 2, self.config.attention_head_dim);
        let table = |values| {
            ArrayD::from_shape_vec(vec![tokens, self.config.attention_head_dim / 2], values).unwrap()
        };
        let (cos, sin) = (table(cos), table(sin));
        let rows = golden.f32("text");
        let written = rows.shape()[0];
        let mut text = ArrayD::zeros(vec![written + 1, self.config.text_dim]);
        text.slice_axis_mut(Axis(0), Slice::from(..written)).assign(&rows);
        let index = (0..TEXT_TOKENS).map(|row| row.min(written) as i64).collect();
        let index = ArrayD::from_shape_vec(vec![TEXT_TOKENS], index).unwrap();
        let (timestep, position) = (golden.f32("timestep"), ArrayD::zeros(vec![1]));
        let strengths: Vec<_> =
            strengths.iter().map(|&(name, value)| (name, ArrayD::from_elem(vec![1], value))).collect();
        let mut inputs = vec![
            ("hidden_states", Input::F32(hidden.view())),
            ("timestep", Input::F32(timestep.view())),
            ("encoder_hidden_states", Input::F32(text.view())),
            ("text_index", Input::I64(index.view())),
            ("rope_cos", Input::F32(cos.view())),
            ("rope_sin", Input::F32(sin.view())),
            ("pos", Input::I64(position.view())),
        ];
        inputs.extend(strengths.iter().map(|(name, value)| (*name, Input::F32(value.view()))));
        run(inputs)
    }
}

fn worst(a: &ArrayD<f32>, b: &ArrayD<f32>) -> f32 {
    assert_eq!(a.shape(), b.shape());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// The largest difference, in standard deviations of the reference.
pub(crate) fn apart(found: &ArrayD<f32>, reference: &ArrayD<f32>) -> f32 {
    worst(found, reference) / reference.std(0.0)
}

/// Deltas of LoRAs are streamed with the weights of their block.
#[test]
fn a_streamed_transformer_has_its_loras() {
    let model = Model::open();
    let adapters = ["diffusers", "musubi"].map(|name| model.adapter(model.fit(name, name)));
    let strengths = [("diffusers", 1.0), ("musubi", 0.5)];
    let expected = model.run(&mut model.load(&adapters), &strengths);
    let (config, cancel) = (&model.config, CancelToken::new());
    let chain =
        streamed_transformer(config, &model.weights, Segments::One, ComputeType::Fp32, &adapters).unwrap();
    let mut streamed =
        StreamedSession::load(&common::runtime(), &chain, &SessionOptions::default(), &cancel).unwrap();
    for _ in 0..2 {
        let found = model.with_inputs(&strengths, |inputs| streamed.run(&inputs, &cancel).unwrap());
        assert_eq!(found.view().unwrap(), expected);
    }
}

#[test]
fn every_format_gives_what_diffusers_gives() {
    let (model, golden) = (Model::open(), common::golden("lora"));
    for (name, reference, format, matched) in [
        ("diffusers", "diffusers", "diffusers", 26),
        ("original", "original", "original names (PEFT)", 26),
        ("bare", "diffusers", "bare names", 26),
        ("diffsynth", "diffusers", "DiffSynth", 26),
        ("musubi", "musubi", "musubi", 20),
        ("fun", "musubi", "Wan-Fun", 20),
        ("lycoris", "musubi", "LyCORIS", 20),
        ("mixed", "musubi", "musubi with dots", 20),
        ("kohya", "kohya", "original names (kohya)", 26),
        ("rslora", "rslora", "PEFT", 16),
        ("rslora_metadata", "rslora_metadata", "diffusers", 16),
    ] {
        let file = LoraFile::open(&lora(name)).unwrap();
        assert_eq!(file.summary().format, format, "{name}");
        let fit = model.fit(name, "s");
        let report = fit.report.clone();
        assert_eq!(report.matched.len(), matched, "{name}");
        assert_eq!(report.skipped, [], "{name}");
        assert_eq!(
            report.all_zero.len(),
            if name == "kohya" { 4 } else { 0 },
            "{name}: {:?}",
            report.all_zero
        );
        assert_eq!(report.notes.len(), usize::from(name == "rslora"), "{name}: {:?}", report.notes);
        let sample = model.run(&mut model.load(&[model.adapter(fit)]), &[("s", STRENGTH)]);
        let apart = apart(&sample, &golden.f32(reference));
        assert!(apart <= TOLERANCE, "{name}: off by {apart:e}");
    }
}

#[test]
fn strengths_are_inputs_and_loras_add_up() {
    let model = Model::open();
    let plain = model.run(&mut model.load(&[]), &[]);
    let mut session =
        model.load(&[model.adapter(model.fit("kohya", "a")), model.adapter(model.fit("musubi", "b"))]);
    let mut run = |a, b| model.run(&mut session, &[("a", a), ("b", b)]);
    assert!(worst(&run(0.0, 0.0), &plain) <= 1e-6, "no strength is no LoRA");
    let golden = common::golden("lora");
    assert!(apart(&run(STRENGTH, 0.0), &golden.f32("kohya")) <= TOLERANCE);
    assert!(apart(&run(0.0, STRENGTH), &golden.f32("musubi")) <= TOLERANCE);
    let both = run(0.3, -0.6);
    assert!(worst(&both, &plain) > 0.1);
    let mut turned =
        model.load(&[model.adapter(model.fit("musubi", "b")), model.adapter(model.fit("kohya", "a"))]);
    assert!(apart(&both, &model.run(&mut turned, &[("a", 0.3), ("b", -0.6)])) <= TOLERANCE);
    // the same file twice is the file at the sum of the strengths
    let mut twice =
        model.load(&[model.adapter(model.fit("musubi", "a")), model.adapter(model.fit("musubi", "b"))]);
    let halves = model.run(&mut twice, &[("a", 0.4), ("b", STRENGTH - 0.4)]);
    assert!(apart(&halves, &golden.f32("musubi")) <= TOLERANCE);
}

/// Root of the summed squares of the difference over that of the reference.
fn relative_l2(found: &ArrayD<f32>, reference: &ArrayD<f32>) -> f32 {
    assert_eq!(found.shape(), reference.shape());
    let squares = |values: &ArrayD<f32>| values.iter().map(|value| value * value).sum::<f32>();
    (squares(&(found - reference)) / squares(reference)).sqrt()
}

#[test]
fn loras_change_a_model_in_eight_bits_as_they_change_the_whole_one() {
    let dir = tempfile::tempdir().unwrap();
    let small = dir.path().join("small");
    let options = ConversionOptions::new(ConversionTarget::Int8);
    convert(&common::golden_model("tiny-t2v"), &small, options, &CancelToken::new(), &mut |_| {}).unwrap();
    let (whole, small) = (Model::open(), Model::at(&small));
    let plain = whole.run(&mut whole.load(&[]), &[]);
    let golden = common::golden("lora");
    // low-rank branches, biases and norms, whole matrices
    for name in ["musubi", "kohya", "original"] {
        let sample = small.run(&mut small.load(&[small.adapter(small.fit(name, "s"))]), &[("s", STRENGTH)]);
        let (off, change) = (relative_l2(&sample, &golden.f32(name)), relative_l2(&plain, &golden.f32(name)));
        assert!(
            off < 1e-2 && change > 10.0 * off,
            "{name}: off by {off:e}, where the LoRA changes {change:e}"
        );
    }
}

/// Writes tensors of ones, and of zeros for the second block.
fn write(dir: &Path, name: &str, tensors: &[(&str, &[usize])]) -> PathBuf {
    let path = dir.join(name);
    let data: Vec<(String, Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|(key, shape)| {
            let count = shape.iter().product();
            let value: f32 = if key.contains("blocks.1.") { 0.0 } else { 1.0 };
            (
                (*key).to_owned(),
                shape.to_vec(),
                std::iter::repeat_n(value.to_le_bytes(), count).flatten().collect(),
            )
        })
        .collect();
    let views = data.iter().map(|(key, shape, bytes)| {
        let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes);
        (key, view.unwrap())
    });
    std::fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    path
}

#[test]
fn loras_for_other_models_are_refused_with_their_model() {
    let (model, dir) = (Model::open(), tempfile::tempdir().unwrap());
    type Tensors<'a> = &'a [(&'a str, &'a [usize])];
    let cases: [(Tensors<'_>, &str); 9] = [
        (
            &[
                ("lora_unet_blocks_0_self_attn_q.lora_down.weight", &[2, 3072]),
                ("lora_unet_blocks_0_self_attn_q.lora_up.weight", &[3072, 2]),
            ],
            "made for Wan 2.2 5B",
        ),
        (&[("lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight", &[2, 64])], "FLUX or HunyuanVideo"),
        (&[("lora_te_text_model_encoder_layers_0_mlp_fc1.lora_down.weight", &[2, 64])], "text encoder"),
        (&[("unet.down_blocks.0.attentions.0.to_q.lora_A.weight", &[2, 64])], "Stable Diffusion"),
        (&[("blocks.0.attn1.to_q.weight", &[64, 64])], "not a LoRA"),
        (&[("lycoris_blocks_0_self_attn_to_q.oft_blocks", &[8, 8, 8])], "OFT is not supported"),
        (&[("lycoris_blocks_0_self_attn_to_q.lokr_w1", &[8, 8])], "tensors that belong to it are missing"),
        (
            &[
                ("diffusion_model.blocks.0.cross_attn.k_img.lora_down.weight", &[2, 64]),
                ("diffusion_model.blocks.0.cross_attn.k_img.lora_up.weight", &[64, 2]),
            ],
            "image branch of Wan 2.1",
        ),
        (&[], "has no tensors"),
    ];
    for (tensors, words) in cases {
        let error = model.try_fit(&write(dir.path(), "a.safetensors", tensors), "s").unwrap_err();
        assert_eq!((error.kind, error.field_name()), (Kind::Input, Some("lora")), "{error:#}");
        assert!(error.message.contains(words), "{error:#}");
    }
    std::fs::write(dir.path().join("p.safetensors"), "version https://git-lfs.github.com/spec/v1\n").unwrap();
    let error = model.try_fit(&dir.path().join("p.safetensors"), "s").unwrap_err();
    assert_eq!((error.kind, error.field_name()), (Kind::CorruptModel, Some("lora")), "{error:#}");
}

#[test]
fn what_is_not_used_is_said_and_the_rest_is_used() {
    let (model, dir) = (Model::open(), tempfile::tempdir().unwrap());
    let path = write(
        dir.path(),
        "a.safetensors",
        &[
            ("diffusion_model.blocks.0.self_attn.q.lora_down.weight", &[2, 64]),
            ("diffusion_model.blocks.0.self_attn.q.lora_up.weight", &[64, 2]),
            ("diffusion_model.blocks.0.self_attn.q.dora_scale", &[64, 1]),
            ("diffusion_model.blocks.0.self_attn.k.lora_down.weight", &[2, 64]),
            ("diffusion_model.blocks.0.cross_attn.v_img.lora_down.weight", &[2, 64]),
            ("diffusion_model.blocks.9.ffn.0.lora_down.weight", &[2, 64]),
            ("diffusion_model.patch_embedding.diff", &[64, 36, 1, 2, 2]),
            ("diffusion_model.blocks.0.diff_m", &[1, 6, 64]),
            ("diffusion_model.blocks.0.norm3.diff", &[64]),
            ("diffusion_model.head.diff_m", &[1, 2, 64]),
            ("diffusion_model.something", &[1]),
            ("diffusion_model.blocks.1.ffn.2.lora_down.weight", &[2, 128]),
            ("diffusion_model.blocks.1.ffn.2.lora_up.weight", &[64, 2]),
        ],
    );
    let fit = model.try_fit(&path, "s").unwrap();
    let report = fit.report.clone();
    let matched =
        ["blocks.0.attn1.to_q", "blocks.0.norm2", "blocks.0.scale_shift_table", "scale_shift_table"];
    assert_eq!(report.matched, matched);
    let why = |key: &str| {
        let found = report.skipped.iter().find(|left| left.key.contains(key));
        found.unwrap_or_else(|| panic!("{key}: {:?}", report.skipped)).reason.clone()
    };
    assert_eq!(report.magnitudes, 1);
    assert_eq!(why("self_attn.k."), SkipReason::Incomplete);
    assert_eq!(why("v_img"), SkipReason::ImageBranch);
    assert_eq!(why("blocks.9"), SkipReason::NoModule);
    assert!(
        matches!(why("patch_embedding"), SkipReason::Shape { .. }),
        "a LoRA for I2V goes on T2V without it"
    );
    assert_eq!(why("something"), SkipReason::NoLora);
    assert_eq!((report.skipped.len(), report.reasons().len()), (5, 5));
    assert_eq!(report.all_zero, ["diffusion_model.blocks.1.ffn.2.lora_down.weight"]);
    let plain = model.run(&mut model.load(&[]), &[]);
    let mut session = model.load(&[model.adapter(fit)]);
    assert!(worst(&model.run(&mut session, &[("s", 0.0)]), &plain) <= 1e-6);
    assert!(worst(&model.run(&mut session, &[("s", 0.1)]), &plain) > 1e-3);
}

#[test]
fn a_change_of_the_patch_embedding_is_a_change_of_its_weight() {
    let (model, dir) = (Model::open(), tempfile::tempdir().unwrap());
    let full =
        write(dir.path(), "f.safetensors", &[("diffusion_model.patch_embedding.diff", &[64, 16, 1, 2, 2])]);
    let low: &[(&str, &[usize])] = &[
        ("diffusion_model.patch_embedding.lora_down.weight", &[2, 16, 1, 2, 2]),
        ("diffusion_model.patch_embedding.lora_up.weight", &[64, 2, 1, 1, 1]),
    ];
    let low = write(dir.path(), "l.safetensors", low);
    // ones times ones over a rank of 2 are twos
    let [full, low] =
        [full, low].map(|path| model.load(&[model.adapter(model.try_fit(&path, "s").unwrap())]));
    let (mut full, mut low) = (full, low);
    assert!(apart(&model.run(&mut full, &[("s", 0.2)]), &model.run(&mut low, &[("s", 0.1)])) <= TOLERANCE);
}

#[test]
fn loras_change_integers_as_they_change_floats() {
    let dir = tempfile::tempdir().unwrap();
    let bytes: Vec<u8> = (0..128 * 64).flat_map(|index| (index as f32).sin().to_le_bytes()).collect();
    let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![128, 64], &bytes).unwrap();
    let full = dir.path().join("f.safetensors");
    let tensors = [("diffusion_model.blocks.0.ffn.0.diff", view)];
    std::fs::write(&full, safetensors::serialize(tensors, None).unwrap()).unwrap();
    // what the LoRAs add to a model's result: low-rank changes of everything, and a whole matrix
    let effect = |model: &Model| {
        let (low, full) =
            (model.adapter(model.fit("kohya", "a")), model.adapter(model.try_fit(&full, "b").unwrap()));
        let mut session = model.load(&[low, full]);
        let mut with = |a, b| model.run(&mut session, &[("a", a), ("b", b)]);
        let plain = with(0.0, 0.0);
        [with(STRENGTH, 0.0) - &plain, with(0.0, 0.05) - &plain]
    };
    let exact = effect(&Model::open());
    for (target, bound) in [(ConversionTarget::Int8, 0.15), (ConversionTarget::Int4, 0.25)] {
        let small = dir.path().join(target.word());
        let source = common::golden_model("tiny-t2v");
        convert(&source, &small, ConversionOptions::new(target), &CancelToken::new(), &mut |_| {}).unwrap();
        for (found, exact) in effect(&Model::at(&small)).iter().zip(&exact) {
            let size = |values: &ArrayD<f32>| values.iter().map(|value| value * value).sum::<f32>().sqrt();
            let off = size(&(found - exact)) / size(exact);
            assert!(off < bound, "{}: {off}", target.word());
        }
    }
}

#[test]
fn the_5b_model_refuses_loras_unless_it_says_otherwise() {
    let dir = tempfile::tempdir().unwrap();
    let tiny = common::golden_model("tiny-t2v");
    for part in ["transformer", "transformer_2", "text_encoder", "vae"] {
        std::fs::create_dir(dir.path().join(part)).unwrap();
        for file in std::fs::read_dir(tiny.join(part)).unwrap().map(|entry| entry.unwrap()) {
            std::fs::copy(file.path(), dir.path().join(part).join(file.file_name())).unwrap();
        }
    }
    let index = std::fs::read_to_string(tiny.join("model_index.json")).unwrap();
    let mut streamed: serde_json::Value = serde_json::from_str(&index).unwrap();
    streamed["expand_timesteps"] = true.into();
    streamed["transformer_2"] = serde_json::json!([null, null]);
    streamed["boundary_ratio"] = serde_json::Value::Null;
    let mut allowed = streamed.clone();
    allowed["_lora"] = true.into();
    for (index, lora) in [(index, true), (streamed.to_string(), false), (allowed.to_string(), true)] {
        std::fs::write(dir.path().join("model_index.json"), index).unwrap();
        assert_eq!(wandeck::models::open(dir.path()).unwrap().limits().lora, lora);
        // a model that streams has one transformer
        let second = dir.path().join("transformer_2");
        if second.exists() {
            std::fs::remove_dir_all(second).unwrap();
        }
    }
}

/// The request of `refs/pipeline_lora.json`.
pub(crate) fn draft() -> Draft {
    let choice =
        |name: &str, tail: &str| -> LoraChoice { format!("{}{tail}", lora(name).display()).parse().unwrap() };
    Draft {
        size: Resolution::new(48, 32),
        frames: 5,
        loras: vec![
            choice("kohya", ":0.5:high"),
            choice("musubi", ":-0.4:high"),
            choice("kohya", ":0.25:low"),
        ],
        ..common::draft()
    }
}

pub(crate) fn run(draft: Draft, output: &Path) -> Result<Outcome> {
    let work = JobSpec::new(draft, common::golden_model("tiny-t2v"), output.into());
    let kept = tempfile::tempdir().unwrap();
    let mut cache = StoredTensors::new(kept.path());
    run_job(&common::runtime(), &work, &mut cache, &CancelToken::new(), &mut |_| {})
}

#[test]
fn a_whole_run_gives_the_frames_of_diffusers() {
    let dir = tempfile::tempdir().unwrap();
    let outcome = run(draft(), &dir.path().join("frames")).unwrap();
    let mut reader = Reader::open(&outcome.output).unwrap();
    let mut found = Vec::new();
    while let Some(frame) = reader.next_frame().unwrap() {
        found.extend(frame.rgb);
    }
    let expected = common::golden("pipeline_lora").u8("frames");
    assert_eq!(found.len(), expected.len());
    let same = found.iter().zip(&expected).filter(|(a, b)| a == b).count();
    let worst = found.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
    let num = found.len();
    assert!(same as f64 >= 0.999 * num as f64 && worst <= 1, "{same} of {num} equal, off by {worst}");

    assert_eq!(outcome.loras.len(), 3);
    assert!(outcome.loras.iter().all(|record| record.sha256.len() == 64 && record.experts.len() == 1));
    assert_eq!((outcome.loras[0].matched, outcome.loras[0].all_zero), (26, 4));
}

#[test]
fn the_output_says_which_loras_made_it() {
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("o.mp4");
    let outcome = run(draft(), &output).unwrap();
    let kept = wandeck::media::read_metadata(&output).unwrap().unwrap();
    let kept: serde_json::Value = serde_json::from_str(&kept).unwrap();
    assert_eq!(kept["loras"][1]["sha256"], outcome.loras[1].sha256);
    let again: Draft = serde_json::from_value(kept["request"].clone()).unwrap();
    assert_eq!(again.loras, draft().loras);
}

#[test]
fn a_wrong_lora_fails_before_anything_runs() {
    let dir = tempfile::tempdir().unwrap();
    let with = |choice: LoraChoice| -> Error {
        run(Draft { loras: vec![choice], ..draft() }, &dir.path().join("o.mp4")).unwrap_err()
    };
    let gone = with(LoraChoice::new(dir.path().join("gone.safetensors")));
    let strong = with(LoraChoice { strength: 11.0, ..LoraChoice::new(lora("musubi")) });
    for error in [gone, strong] {
        assert_eq!((error.kind, error.field_name()), (Kind::Input, Some("lora")), "{error:#}");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left behind");
}
