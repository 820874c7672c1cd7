//! Opens the window.

use std::path::PathBuf;

use eframe::egui::{IconData, ViewportBuilder};

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
            .with_icon(icon())
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
        let mut app = App::new(&cc.egui_ctx, data_dir, models_dir)?;
        app.close_on_signals(&cc.egui_ctx)?;
        Ok(Box::new(app))
    };
    eframe::run_native("wandeck", options, Box::new(create)).map_err(|error| match error {
        eframe::Error::AppCreation(source) => match source.downcast::<Error>() {
            Ok(error) => *error,
            Err(source) => no_window(&source),
        },
        other => no_window(&other),
    })
}

/// The icon in the taskbar and in the window's frame; on Wayland it is that of the desktop file.
fn icon() -> IconData {
    eframe::icon_data::from_png_bytes(include_bytes!("../../../assets/icon.png")).unwrap_or_default()
}

fn no_window(why: &dyn std::fmt::Display) -> Error {
    let why = why.to_string();
    tracing::debug!("no window: {why}");
    if why.contains(NO_DISPLAY) {
        return Error::new(
            Kind::Device,
            "The window cannot be opened: there is no display (neither WAYLAND_DISPLAY nor DISPLAY is set)",
        )
        .remedy("Start it in a graphical session, or use the command line: wandeck generate");
    }
    Error::new(Kind::Device, "The window cannot be opened")
        .because(std::io::Error::other(without_source_place(&why).to_owned()))
        .remedy("Try another --renderer, or use the command line: wandeck generate")
}

/// How winit says that neither a Wayland nor an X server is known.
const NO_DISPLAY: &str = "nor DISPLAY is set";

/// An error of winit without the place in winit's source, a path of the machine that built the program:
/// `os error at FILE:LINE: WHY`.
fn without_source_place(why: &str) -> &str {
    let after = why.split_once(" error at ").and_then(|(_, place)| place.split_once(".rs:"));
    after.and_then(|(_, rest)| rest.split_once(": ")).map_or(why, |(_, why)| why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_has_an_icon_of_its_own() {
        assert_eq!((icon().width, icon().height), (128, 128));
    }

    #[test]
    fn no_message_has_a_path_of_the_build_machine() {
        let missing = "winit EventLoopError: os error at /build/winit-0.30.13/src/linux/mod.rs:765: neither \
                       WAYLAND_DISPLAY nor WAYLAND_SOCKET nor DISPLAY is set.";
        let said = format!("{:#}", no_window(&missing));
        assert!(said.contains("there is no display") && !said.contains("/build"), "{said}");
        let other = "winit EventLoopError: os error at /build/winit/src/x11/mod.rs:9: the X server ended";
        let said = format!("{:#}", no_window(&other));
        assert!(said.contains("cannot be opened: the X server ended") && !said.contains("/build"), "{said}");
    }
}
