//! The plots of a range as an image, drawn without a window.

use std::io::Cursor;

use eframe::egui::{
    Context, CornerRadius, Frame, Margin, Pos2, RawInput, Rect, RichText, ThemePreference, Ui, vec2,
};

use super::plots::{self, PlotFrame};
use super::raster::{Canvas, Textures};
use super::side::totals_text;
use super::view::MonitorView;
use crate::app::theme;
use crate::core::{Error, Kind, Result};
use crate::monitor::{JobTrack, RangeTotals, StageMap, TimeRange, slowdowns, why_slow};

/// Size in points.
const SIZE: [f32; 2] = [1280.0, 520.0];
/// Pixels for each point.
const SCALE: f32 = 1.5;
/// Room for the heading above the plots and the sentence below.
const TEXT: f32 = 86.0;
/// Passes until the layout of the plots is settled.
const PASSES: usize = 3;

/// What is drawn and in which theme.
#[derive(Clone, Copy)]
pub(in crate::app) struct PlotImage<'a> {
    /// The measurements.
    pub(in crate::app) view: MonitorView<'a>,
    /// The range.
    pub(in crate::app) range: TimeRange,
    /// Whether the background is dark.
    pub(in crate::app) is_dark: bool,
}

impl PlotImage<'_> {
    /// The image as a PNG file.
    pub(in crate::app) fn png(self) -> Result<Vec<u8>> {
        let mut bytes = Cursor::new(Vec::new());
        self.draw()
            .write_to(&mut bytes, image::ImageFormat::Png)
            .map_err(|error| Error::new(Kind::Bug, "Cannot make an image of the plots").because(error))?;
        Ok(bytes.into_inner())
    }

    fn draw(self) -> image::RgbImage {
        let ctx = Context::default();
        theme::install(&ctx);
        ctx.set_theme(if self.is_dark { ThemePreference::Dark } else { ThemePreference::Light });
        let screen = Rect::from_min_size(Pos2::ZERO, vec2(SIZE[0], SIZE[1]));
        let mut textures = Textures::default();
        let mut shapes = Vec::new();
        for _ in 0..PASSES {
            let mut input = RawInput { screen_rect: Some(screen), ..RawInput::default() };
            input.viewports.entry(input.viewport_id).or_default().native_pixels_per_point = Some(SCALE);
            let output = ctx.run_ui(input, |ui| self.ui(ui));
            textures.update(output.textures_delta);
            shapes = output.shapes;
        }
        let background = ctx.global_style().visuals.panel_fill;
        let mut canvas = Canvas::new(SIZE, SCALE, background);
        canvas.draw(&ctx.tessellate(shapes, SCALE), &textures);
        canvas.into_image()
    }

    fn ui(self, ui: &mut Ui) {
        let Self { view, range, .. } = self;
        let fill = ui.visuals().panel_fill;
        let frame = Frame::new().fill(fill).inner_margin(Margin::same(16)).corner_radius(CornerRadius::ZERO);
        frame.show(ui, |ui| {
            let job = shown_job(&view.snapshot.jobs, range);
            ui.strong(job.map_or_else(|| "Wandeck".to_owned(), |job| format!("Wandeck, job {}", job.job)));
            let totals = RangeTotals::of(&view.snapshot.samples, range);
            ui.label(RichText::new(totals_text(&totals, view)).weak());
            let found = job.map(|job| slowdowns(job, &view.snapshot.samples)).unwrap_or_default();
            let earlier = view.overlay.zip(job).map(|(overlay, job)| StageMap::between(&overlay.track, job));
            let height = SIZE[1] - TEXT;
            let frame = PlotFrame {
                view,
                job,
                earlier,
                range,
                selection: None,
                cursor: None,
                drag_from: None,
                height,
            };
            plots::ui(ui, &frame, &found);
            if let Some(job) = job {
                let ended = job.ended.unwrap_or(view.snapshot.now);
                ui.label(why_slow(&found, crate::core::Secs(ended.0 - job.began.0)));
            }
        });
    }
}

/// The last job that ran in `range`.
fn shown_job(jobs: &[JobTrack], range: TimeRange) -> Option<&JobTrack> {
    let is_seen =
        |job: &&JobTrack| job.began <= range.to && job.ended.is_none_or(|ended| ended >= range.from);
    jobs.iter().rev().find(is_seen)
}
