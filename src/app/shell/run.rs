//! Opens the window.

use std::path::PathBuf;

use eframe::egui::ViewportBuilder;

use crate::app::shell::app::App;
use crate::core::{Error, Kind, Result};
use crate::store::log_to_file;

/// The renderer of the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Renderer {
    /// OpenGL, which works nearly everywhere, also with software rendering.
    #[default]
    Glow,
    /// Vulkan, Metal or Direct3D.
    Wgpu,
}

/// Shows the window until it is closed. Must be called on the main thread.
pub fn run(data_dir: PathBuf, models_dir: Option<PathBuf>, renderer: Renderer) -> Result<()> {
    log_to_file(&data_dir);
    let options = eframe::NativeOptions {
        viewport: ViewportBuilder::default()
            .with_title("Wandeck")
            .with_app_id("wandeck")
            .with_inner_size([1440.0, 900.0])
            .with_min_inner_size([800.0, 500.0])
            .with_drag_and_drop(true),
        renderer: match renderer {
            Renderer::Glow => eframe::Renderer::Glow,
            Renderer::Wgpu => eframe::Renderer::Wgpu,
        },
        persist_window: true,
        persistence_path: Some(data_dir.join("egui.ron")),
        ..eframe::NativeOptions::default()
    };
    let create = move |cc: &eframe::CreationContext<'_>| -> Result<Box<dyn eframe::App>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Box::new(App::new(&cc.egui_ctx, data_dir, models_dir)?))
    };
    eframe::run_native("wandeck", options, Box::new(create)).map_err(|error| match error {
        eframe::Error::AppCreation(source) => match source.downcast::<Error>() {
            Ok(error) => *error,
            Err(source) => no_window(&source),
        },
        other => no_window(&other),
    })
}

fn no_window(why: &dyn std::fmt::Display) -> Error {
    Error::new(Kind::Device, "The window cannot be opened")
        .because(std::io::Error::other(why.to_string()))
        .remedy("Try another --renderer, or use the command line: wandeck generate")
}
