//! The sizes that `TensorRT` for RTX builds engines for. Without them, its plugin builds for a height and a width of 1, which
//! fails for every graph but the text encoder.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use wandeck::core::Provider;
use wandeck::models;
use wandeck::onnx::{ComputeType, Graph, GraphTarget, SizeRanges};
use wandeck::wan::Checkpoint;
use wandeck::wan::graphs::{self, Segments, StreamCall};

const MODELS: [&str; 4] =
    ["models/toy-t2v-A14B", "models/toy-i2v-A14B", "models/toy-ti2v-5B", "tests/golden/models/tiny-t2v"];

/// Widths, heights and frames of videos: a small one, and the largest of Wan's own sizes.
const VIDEOS: [[usize; 3]; 2] = [[128, 96, 17], [1280, 704, 81]];

fn open(model: &str) -> Checkpoint {
    models::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join(model)).unwrap()
}

/// Each graph for RTX, and how large its inputs become for a video.
fn graphs_with_sizes(
    model: &Checkpoint,
    [width, height, frames]: [usize; 3],
) -> Vec<(&str, Graph, SizeRanges)> {
    let (text, part, vae) = (&model.text_encoder, &model.transformer, &model.vae);
    let target = GraphTarget { provider: Provider::Rtx, compute: ComputeType::Bf16 };
    let stride = vae.config.scale_factor_spatial as usize;
    let cells = [height / stride, width / stride];
    let latent = [frames.div_ceil(4), cells[0], cells[1]];
    let segments = if model.expand_timesteps { Segments::Two } else { Segments::One };
    let transformer = graphs::transformer(&part.config, &part.weights, segments, target).unwrap();
    let decoder = graphs::vae_decoder(&vae.config, &vae.weights, target).unwrap();
    let encoder = |call| graphs::vae_encoder(&vae.config, &vae.weights, call, target).unwrap().graph;
    let encoder_sizes = graphs::vae_encoder_sizes(&vae.config, cells);
    vec![
        (
            "text_encoder",
            graphs::text_encoder(&text.config, &text.weights, target).unwrap(),
            graphs::text_encoder_sizes(),
        ),
        ("transformer", transformer, graphs::transformer_sizes(&part.config, latent)),
        ("vae_decoder", decoder.graph, graphs::vae_decoder_sizes(&vae.config, &decoder.numbers, cells)),
        ("vae_encoder_first", encoder(StreamCall::First), encoder_sizes.clone()),
        ("vae_encoder", encoder(StreamCall::Later), encoder_sizes),
    ]
}

fn profile(graph: &Graph, sizes: &SizeRanges) -> [String; 3] {
    sizes.profile(&graph.spec.inputs).unwrap().unwrap()
}

#[test]
fn every_graph_has_the_sizes_of_its_video() {
    for model in MODELS.map(open) {
        for (name, graph, sizes) in graphs_with_sizes(&model, VIDEOS[1]) {
            let usual = &profile(&graph, &sizes)[1];
            let shape =
                |input: &str| usual.split(',').find_map(|shape| shape.strip_prefix(&format!("{input}:")));
            let channels = model.transformer.config.in_channels;
            let is_folded = model.vae.config.scale_factor_spatial == 16;
            match name {
                "transformer" if is_folded => {
                    assert_eq!(shape("hidden_states"), Some(&*format!("1x{channels}x21x44x80")));
                    assert!(shape("rope_cos").unwrap().starts_with("18480x"));
                    assert_eq!(shape("seg_split"), Some("880"));
                }
                "transformer" => {
                    assert_eq!(shape("hidden_states"), Some(&*format!("1x{channels}x21x88x160")));
                    assert!(shape("rope_cos").unwrap().starts_with("73920x"));
                }
                "vae_decoder" => {
                    let cells = if is_folded { "x44x80" } else { "x88x160" };
                    assert!(shape("latent").unwrap().ends_with(cells));
                }
                "vae_encoder" => assert_eq!(shape("frames"), Some("1x3x4x704x1280")),
                _ => {}
            }
        }
    }
}

/// Writes the profiles that the program gives to the plugin, by graph, into `WANDECK_RTX_PROFILES`: one file for each model
/// and video, such as `toy-t2v-A14B-1280x704x81.json`.
#[test]
#[ignore = "writes files for tests/rtx_engines/run.sh"]
fn write_the_profiles_of_rtx() {
    let folder = PathBuf::from(std::env::var_os("WANDECK_RTX_PROFILES").unwrap());
    for model in MODELS {
        let name = Path::new(model).file_name().unwrap().to_str().unwrap();
        for [width, height, frames] in VIDEOS {
            let checkpoint = open(model);
            let graphs = graphs_with_sizes(&checkpoint, [width, height, frames]);
            let profiles: BTreeMap<_, _> =
                graphs.iter().map(|(name, graph, sizes)| (name, profile(graph, sizes))).collect();
            let file = folder.join(format!("{name}-{width}x{height}x{frames}.json"));
            std::fs::write(file, serde_json::to_vec(&profiles).unwrap()).unwrap();
        }
    }
}
