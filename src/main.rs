//! The `wandeck` program.

use std::env;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use wandeck::app;
use wandeck::cli::{self, RendererName};
use wandeck::core::Result;
use wandeck::engine::runtime::{share_one_heap, silence_telemetry};
use wandeck::store::LogLayer;

fn main() -> ExitCode {
    #[expect(unsafe_code, reason = "the switch is a variable of the process")]
    // SAFETY: this is the first line of main, so no other thread exists.
    unsafe {
        silence_telemetry();
    }
    share_one_heap();
    let cli = match cli::parse(env::args_os()) {
        Ok(cli) => cli,
        Err(code) => return code.into(),
    };
    if let Err(error) = start_log(cli.verbosity()) {
        // what it would have said is not worth the video
        drop(writeln!(io::stderr(), "Warning: {error:#}"));
    }
    cli::run(cli, window).into()
}

/// Starts the log on standard error, as detailed as `RUST_LOG` or the number of `--verbose` says.
fn start_log(verbosity: u8) -> anyhow::Result<()> {
    // every session for a card warns that integer arithmetic on shapes stays on the CPU, as it should
    let level =
        ["warn,ort=error,winit=error", "info,ort=warn", "debug,ort=info"][usize::from(verbosity).min(2)];
    let (filter, ignored) = match env::var(EnvFilter::DEFAULT_ENV) {
        Ok(text) => match EnvFilter::builder().parse(&text) {
            Ok(filter) => (filter, None),
            Err(error) => {
                let why = format!("{}={text} is ignored", EnvFilter::DEFAULT_ENV);
                (EnvFilter::new(level), Some(anyhow::Error::new(error).context(why)))
            }
        },
        Err(_) => (EnvFilter::new(level), None),
    };
    let terminal = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_target(false);
    tracing_subscriber::registry()
        .with(terminal.with_filter(filter))
        .with(LogLayer)
        .try_init()
        .context("Cannot start the log")?;
    ignored.map_or(Ok(()), Err)
}

fn window(renderer: RendererName, data_dir: PathBuf, models_dir: Option<PathBuf>) -> Result<()> {
    let renderer = match renderer {
        RendererName::Glow => app::Renderer::Glow,
        RendererName::Wgpu => app::Renderer::Wgpu,
    };
    app::run(data_dir, models_dir, renderer)
}
