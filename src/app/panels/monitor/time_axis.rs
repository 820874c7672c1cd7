//! The time axis of the rows: where a time is drawn, and the labels below.

use eframe::egui::{Align2, FontId, Rect, Sense, Stroke, Ui, pos2, vec2};

use crate::core::Secs;
use crate::monitor::{JobTrack, TimeRange};

/// Height of the labels in points.
pub(super) const LABELS: f32 = 13.0;
/// Least distance between two labels in points.
const APART: f32 = 84.0;
/// Distances of labels in seconds.
const STEPS: [f64; 19] = [
    0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0,
    21600.0, 86400.0,
];

/// Where times are drawn: the rows' left and right edge.
pub(super) struct TimeAxis {
    pub(super) left: f32,
    pub(super) right: f32,
    range: TimeRange,
}

impl TimeAxis {
    /// The axis of rows in `area`, whose names take `names` points on the left.
    pub(super) fn new(ui: &Ui, area: Rect, names: f32, range: TimeRange) -> Self {
        Self { left: area.left() + names + ui.spacing().item_spacing.x, right: area.right(), range }
    }

    /// Where `at` is drawn.
    pub(super) fn x(&self, at: Secs) -> f32 {
        let part = (at.0 - self.range.from.0) / self.range.seconds().0.max(f64::EPSILON);
        self.left + (self.right - self.left) * part.clamp(0.0, 1.0) as f32
    }

    /// The time at `x`.
    pub(super) fn at(&self, x: f32) -> Secs {
        let part = f64::from((x - self.left) / (self.right - self.left).max(1.0));
        Secs(self.range.from.0 + self.range.seconds().0 * part)
    }
}

/// Draws the labels: times since the start of the job, or before the end of the range if there is none in it.
pub(super) fn labels_ui(ui: &mut Ui, names: f32, range: TimeRange, job: Option<&JobTrack>) {
    let (area, _) = ui.allocate_exact_size(vec2(ui.available_width(), LABELS), Sense::hover());
    let axis = TimeAxis::new(ui, area, names, range);
    let colour = ui.visuals().weak_text_color();
    let font = FontId::proportional(10.0);
    for (at, text) in labels(range, job, axis.right - axis.left) {
        let x = axis.x(at);
        ui.painter().vline(x, area.top()..=area.top() + 3.0, Stroke::new(1.0, colour));
        // those at the edges stay inside
        let align = match (x - axis.left < 0.5 * APART, axis.right - x < 0.5 * APART) {
            (true, _) => Align2::LEFT_TOP,
            (_, true) => Align2::RIGHT_TOP,
            _ => Align2::CENTER_TOP,
        };
        ui.painter().text(pos2(x, area.top() + 2.0), align, text, font.clone(), colour);
    }
}

/// The labelled times of `range` where `width` points are free.
fn labels(range: TimeRange, job: Option<&JobTrack>, width: f32) -> Vec<(Secs, String)> {
    let is_seen = |job: &&JobTrack| job.began < range.to && job.ended.is_none_or(|end| end > range.from);
    let origin = job.filter(is_seen).map_or(range.to, |job| job.began);
    let most = f64::from((width / APART).max(1.0));
    let least = range.seconds().0 / most;
    let step =
        STEPS.into_iter().find(|step| *step >= least).unwrap_or_else(|| 86400.0 * (least / 86400.0).ceil());
    let first = ((range.from.0 - origin.0) / step).ceil();
    let count = ((range.to.0 - origin.0) / step).floor() - first;
    // a range of a broken clock has no labels rather than millions
    let count = if count.is_finite() { count.clamp(-1.0, 2.0 * most) } else { -1.0 };
    (0..=count as i64)
        .filter(|_| count >= 0.0)
        .map(|index| {
            let since = (first + index as f64) * step;
            (Secs(origin.0 + since), since_text(since))
        })
        .collect()
}

fn since_text(since: f64) -> String {
    let sign = if since < 0.0 { "\u{2212}" } else { "" };
    let tenths = (10.0 * since.abs()).round() as u64;
    let (whole, tenth) = (tenths / 10, tenths % 10);
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    match (hours, minutes, seconds, tenth) {
        (0, 0, 0, 0) => "0".to_owned(),
        (0, 0, _, 0) => format!("{sign}{seconds} s"),
        (0, 0, ..) => format!("{sign}{seconds}.{tenth} s"),
        (0, _, 0, 0) => format!("{sign}{minutes} min"),
        (0, _, _, 0) => format!("{sign}{minutes} min {seconds:02} s"),
        (0, ..) => format!("{sign}{minutes} min {seconds:02}.{tenth} s"),
        (_, 0, ..) => format!("{sign}{hours} h"),
        _ => format!("{sign}{hours} h {minutes:02} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(from: f64, to: f64, job: Option<&JobTrack>, width: f32) -> Vec<String> {
        let range = TimeRange { from: Secs(from), to: Secs(to) };
        labels(range, job, width).into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn times_count_from_the_start_of_the_job_else_from_the_end() {
        let job = JobTrack::new("a", 1, Secs(100.0));
        assert_eq!(
            texts(100.0, 400.0, Some(&job), 500.0),
            ["0", "1 min", "2 min", "3 min", "4 min", "5 min"]
        );
        assert_eq!(texts(95.0, 101.0, Some(&job), 300.0), ["\u{2212}4 s", "\u{2212}2 s", "0"]);
        assert_eq!(texts(0.0, 60.0, None, 300.0), ["\u{2212}1 min", "\u{2212}30 s", "0"]);
        assert_eq!(texts(0.0, 60.0, Some(&job), 300.0).last().unwrap(), "0", "the job ran later");
        assert_eq!(texts(5.0, 5.0, None, 300.0).len(), 1);
        assert!(texts(f64::NAN, 5.0, None, 300.0).is_empty());
    }

    #[test]
    fn a_time_is_found_where_it_is_drawn() {
        let axis =
            TimeAxis { left: 100.0, right: 300.0, range: TimeRange { from: Secs(2.0), to: Secs(4.0) } };
        assert_eq!(axis.at(axis.x(Secs(2.5))), Secs(2.5));
        assert_eq!(axis.x(Secs(9.0)), 300.0);
    }
}
