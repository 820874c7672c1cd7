//! The table of `docs/memory.md`: which weights each card holds while the published models run.
//!
//! `WANDECK_UPDATE_DOCUMENTS=1` writes it anew.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::fmt::Write as _;
use std::path::Path;

use wandeck::core::{Bytes, CancelToken, Draft, GenRequest, Provider, Resolution};
use wandeck::models::synth::{
    Shapes, SynthComponent, SynthDtype, SynthLayout, SynthModel, SynthWeights, plan,
};
use wandeck::pipeline::ComponentId;
use wandeck::preflight::{
    DeviceFacts, DeviceFit, ModelSize, PreflightFacts, ValueBytes, device_fit, row_chunks,
};

use crate::common;

const GIB: u64 = 1 << 30;
/// Memory of cards in GiB.
const CARDS: [u64; 7] = [8, 12, 16, 24, 32, 48, 80];
/// The line before the table and the line behind it.
const BEGIN: &str = "<!-- table: tests/program/memory_table.rs -->\n";
const END: &str = "<!-- end of the table -->\n";

/// A published model in one type, and the clips that it is asked for.
struct Published {
    name: &'static str,
    like: SynthModel,
    dtype: SynthDtype,
    clips: [(Resolution, u32); 2],
}

fn published() -> [Published; 4] {
    let a14b = [(Resolution::new(832, 480), 81), (Resolution::new(1280, 720), 81)];
    let ti2v = [(Resolution::new(832, 480), 121), (Resolution::new(1280, 704), 121)];
    [
        ("A14B, bf16", SynthModel::T2vA14b, SynthDtype::Bf16, a14b),
        ("A14B, fp8", SynthModel::T2vA14b, SynthDtype::Fp8Scaled, a14b),
        ("5B, bf16", SynthModel::Ti2v5b, SynthDtype::Bf16, ti2v),
        ("5B, fp8", SynthModel::Ti2v5b, SynthDtype::Fp8Scaled, ti2v),
    ]
    .map(|(name, like, dtype, clips)| Published { name, like, dtype, clips })
}

/// What a card does for one clip, from the worst to the best, with the forecast memory.
type Cell = (u8, String, Bytes);

fn cell(model: &ModelSize, request: &GenRequest, gib: u64) -> Cell {
    let memory = Bytes(gib * GIB);
    let value_bytes = ValueBytes { text_encoder: 2, transformer: 2, vae: 4 };
    let facts = PreflightFacts {
        request,
        model,
        steps: [20, 20],
        loras: [Bytes(0); 2],
        free_memory: None,
        keeps_sessions: true,
        disk_space: &[],
        device: Some(DeviceFacts { total: memory, free: Some(memory), value_bytes }),
        second_device: None,
        time_limit: None,
        cores: 8,
        has_fast_int8: true,
        provider: Provider::Cuda,
        variants: &[],
        suggests_quantised: false,
        history: &[],
        similar_runs: None,
    };
    let (fit, peak) = device_fit(&facts).unwrap();
    let (rank, words) = match &fit {
        DeviceFit::TooLarge => (0, "too large"),
        DeviceFit::Streamed(all) if all[..] == [ComponentId::TextEncoder] => (2, "text streamed"),
        DeviceFit::Streamed(all) if !all.contains(&ComponentId::TextEncoder) => (2, "transformer streamed"),
        DeviceFit::Streamed(_) => (1, "both streamed"),
        DeviceFit::OneAtATime => (3, "one at a time"),
        DeviceFit::Resident => (4, "resident"),
    };
    let chunks = match row_chunks(&facts).count() {
        chunks if chunks > 1 && rank > 0 => format!(" in {chunks} chunks"),
        _ => String::new(),
    };
    (rank, format!("{words}{chunks}, {:.1}", peak.0 as f64 / GIB as f64), peak)
}

/// Rows of models and clips, columns of cards.
fn table() -> String {
    let mut table = String::from("| | ");
    for gib in CARDS {
        write!(table, "{gib} GiB | ").unwrap();
    }
    table.truncate(table.trim_end().len());
    table += "\n|---|---|---|---|---|---|---|---|\n";
    for Published { name, like, dtype, clips } in published() {
        let dir = tempfile::tempdir().unwrap();
        let layout = if dtype == SynthDtype::Fp8Scaled { SynthLayout::Comfy } else { SynthLayout::Diffusers };
        let all = [SynthComponent::Transformer, SynthComponent::TextEncoder, SynthComponent::Vae];
        let weights = SynthWeights { seed: 0, sparse: true };
        let plan = plan(&Shapes::official(like), layout, dtype, &all).unwrap();
        plan.write(dir.path(), weights, &CancelToken::new(), &mut |_| {}).unwrap();
        let checkpoint = wandeck::models::open(dir.path()).unwrap();
        let model = ModelSize::of(&checkpoint);
        for (size, frames) in clips {
            let draft = Draft { size, frames, ..common::draft() };
            let request = GenRequest::parse(&draft, &checkpoint.limits()).unwrap();
            write!(table, "| {name}, {size}, {frames} frames |").unwrap();
            let mut last = 0;
            for gib in CARDS {
                let (rank, words, peak) = cell(&model, &request, gib);
                assert!(rank >= last, "{name} {size}: {gib} GiB are worse than less");
                assert_eq!(rank == 0, peak.0 > gib * GIB, "{name} {size} {gib} GiB: {peak}");
                last = rank;
                write!(table, " {words} |").unwrap();
            }
            table += "\n";
        }
    }
    table
}

#[test]
fn the_documented_table_is_what_the_planner_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/memory.md");
    let document = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = document.split_once(BEGIN).unwrap();
    let (found, after) = rest.split_once(END).unwrap();
    let expected = format!("\n{}\n", table());
    if std::env::var_os("WANDECK_UPDATE_DOCUMENTS").is_some() {
        std::fs::write(&path, [before, BEGIN, &expected, END, after].concat()).unwrap();
        return;
    }
    assert_eq!(found, expected, "run it with WANDECK_UPDATE_DOCUMENTS=1 if this is meant");
}
