//! Wandeck: a native workstation for making video with the Wan 2.2 models.
//!
//! Wan's components run as ONNX graphs through ONNX Runtime. The graphs are built in memory and their weights
//! point into the checkpoint's own safetensors files, so nothing is converted. ARCHITECTURE.md has the map.
//!
//! # A video from a prompt
//!
//! What the command line does, without the queue: a preset and a prompt make a draft, the draft and a model make a job,
//! and the job runs to a checked file. [`worker::Worker`] is the way for programs: it queues, retries and resumes.
//!
//! ```
//! use std::path::Path;
//!
//! use wandeck::attempt::run_job;
//! use wandeck::core::{CancelToken, Event, FrameCount};
//! use wandeck::engine::runtime;
//! use wandeck::jobs::JobSpec;
//! use wandeck::media::{Reader, read_metadata};
//! use wandeck::presets;
//! use wandeck::store::StoredTensors;
//!
//! # fn main() -> wandeck::core::Result<()> {
//! # let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
//! # let data_dir = repository.join("target/test-data");
//! # let dir = tempfile::tempdir().unwrap();
//! # let output = dir.path().join("circle.mp4");
//! let mut draft = presets::by_name("toy-t2v")?.draft("a red circle moves right on a black background");
//! (draft.steps, draft.frames) = (4, 5);
//! let job = JobSpec::new(draft, repository.join("models/toy-t2v-A14B"), output);
//!
//! let cancel = CancelToken::new();
//! // found on this machine, or fetched
//! let runtime = runtime::ensure(&data_dir, &cancel, &mut |_| {})?;
//! let mut cache = StoredTensors::new(&data_dir);
//! let mut steps = 0;
//! let outcome = run_job(&runtime, &job, &mut cache, &cancel, &mut |event| {
//!     steps += u32::from(matches!(event, Event::Step { .. }));
//! })?;
//! assert!(steps >= 4, "denoising steps and decoded chunks");
//!
//! let mut video = Reader::open(&outcome.output)?;
//! assert_eq!(video.info().frames, FrameCount(5));
//! while let Some(frame) = video.next_frame()? {
//!     assert_eq!(frame.rgb.len(), 64 * 64 * 3);
//! }
//! // the file carries the request that made it
//! assert!(read_metadata(&outcome.output)?.is_some());
//! # Ok(())
//! # }
//! ```

pub mod app;
pub mod attempt;
pub mod bench;
pub mod cli;
pub mod compare;
pub mod core;
pub mod engine;
pub mod jobs;
pub mod library;
pub mod media;
pub mod metrics;
pub mod models;
pub mod monitor;
pub mod onnx;
pub mod pipeline;
pub mod plan;
pub mod preflight;
pub mod presets;
pub mod queue;
pub mod stop_signals;
pub mod store;
pub mod sweep;
pub mod transfers;
pub mod wan;
pub mod worker;
