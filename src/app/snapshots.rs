//! Snapshots of panels in both themes, compared with those in `tests/snapshots`.
//!
//! They are drawn by a software Vulkan driver (`mesa-vulkan-drivers` on Debian) where there is one. After a change that is
//! meant, `UPDATE_SNAPSHOTS=1 cargo test --lib snapshot` writes them anew; look at them before they are committed.

use eframe::egui::{CentralPanel, Theme, Ui, Vec2};
use egui_kittest::{Harness, SnapshotOptions, SnapshotResults};

use super::theme;

/// Pixels that may differ: drivers round the edges of glyphs in different ways.
const MAX_DIFFERENT: usize = 400;

/// Draws a panel at `size` points in the dark and in the light theme and compares it with its snapshots.
pub(super) fn compare(name: &str, size: Vec2, mut draw: impl FnMut(&mut Ui)) {
    let mut results = SnapshotResults::new();
    for (theme, suffix) in [(Theme::Dark, "dark"), (Theme::Light, "light")] {
        let mut harness = Harness::builder()
            .with_size(size)
            .with_theme(theme)
            .with_context_setup(theme::install)
            .wgpu()
            .build_ui(|ui| {
                CentralPanel::default().show(ui, |ui| draw(ui));
            });
        for _ in 0..3 {
            harness.step();
        }
        let options = SnapshotOptions::new().output_path("tests/snapshots").max_failed_pixels(MAX_DIFFERENT);
        results.add(harness.try_snapshot_options(format!("{name}-{suffix}"), &options));
    }
}
