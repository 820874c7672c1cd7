//! The `wandeck` program.

use std::env;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use wandeck::app;
use wandeck::cli::{self, RendererName};
use wandeck::core::Result;
use wandeck::engine::runtime::silence_telemetry;
use wandeck::store::LogLayer;

fn main() -> ExitCode {
    #[expect(unsafe_code, reason = "the switch is a variable of the process")]
    // SAFETY: this is the first line of main, so no other thread exists.
    unsafe {
        silence_telemetry();
    }
    let cli = match cli::parse(env::args_os()) {
        Ok(cli) => cli,
        Err(code) => return code.into(),
    };
    let level = ["warn", "info,ort=warn", "debug,ort=info"][usize::from(cli.verbosity()).min(2)];
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let terminal = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_target(false);
    tracing_subscriber::registry().with(terminal.with_filter(filter)).with(LogLayer).init();
    cli::run(cli, window).into()
}

fn window(renderer: RendererName, data_dir: PathBuf, models_dir: Option<PathBuf>) -> Result<()> {
    let renderer = match renderer {
        RendererName::Glow => app::Renderer::Glow,
        RendererName::Wgpu => app::Renderer::Wgpu,
    };
    app::run(data_dir, models_dir, renderer)
}
