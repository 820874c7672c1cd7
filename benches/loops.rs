//! The loops that are ours: starting noise, a scheduler step, colour conversion, writing a graph.
//!
//!     cargo bench

#![expect(clippy::expect_used, reason = "a bench that cannot go on should stop")]

use std::path::Path;

use divan::{Bencher, black_box};
use wandeck::core::{FlowShift, Frame, Resolution, Sampler, Seed, StepCount};
use wandeck::media::Yuv420;
use wandeck::onnx::ComputeType;
use wandeck::wan::graphs::{Segments, transformer};
use wandeck::wan::noise::standard_normal;
use wandeck::wan::schedule::Solver;

fn main() {
    divan::main();
}

/// Values of a latent: the toy's, and T2V-A14B's at 832x480 and 1280x720, 81 frames.
const LATENTS: [usize; 3] = [16 * 5 * 8 * 8, 16 * 21 * 60 * 104, 16 * 21 * 90 * 160];

#[divan::bench(args = LATENTS)]
fn starting_noise(len: usize) -> Vec<f32> {
    standard_normal(black_box(Seed(7)), len)
}

#[divan::bench(args = LATENTS)]
fn unipc_step(bencher: Bencher<'_, '_>, len: usize) {
    let velocity = standard_normal(Seed(1), len);
    let mut warm = Solver::new(Sampler::UniPc, StepCount(20), FlowShift(5.0));
    let mut sample = standard_normal(Seed(2), len);
    // the third step has both a corrector and a predictor of order 2
    warm.step(&velocity, &mut sample);
    warm.step(&velocity, &mut sample);
    bencher.with_inputs(|| (warm.clone(), sample.clone())).bench_values(|(mut solver, mut sample)| {
        solver.step(&velocity, &mut sample);
        sample
    });
}

#[divan::bench(args = [(64, 64), (832, 480), (1280, 720)])]
fn yuv_from_rgb(bencher: Bencher<'_, '_>, (width, height): (u32, u32)) {
    let size = Resolution::new(width, height);
    let rgb = (0..size.area() * 3).map(|index| (index * 31 % 256) as u8).collect();
    let frame = Frame { size, rgb };
    bencher.with_inputs(|| Yuv420::new(size)).bench_local_refs(|yuv| yuv.read_rgb(&frame));
}

#[divan::bench]
fn transformer_graph(bencher: Bencher<'_, '_>) {
    let toy = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/toy-t2v-A14B");
    let checkpoint = wandeck::models::open(&toy).expect("the shipped toy model opens");
    let part = &checkpoint.transformer;
    bencher.bench(|| {
        transformer(&part.config, &part.weights, Segments::One, ComputeType::Fp32)
            .map(|graph| graph.to_bytes())
    });
}
