//! The columns of the queue: which are shown, how wide they are, and where each begins.

use std::collections::{BTreeMap, BTreeSet};

use eframe::egui::{
    Align, CursorIcon, Label, Layout, Rangef, Rect, RichText, Role, Sense, Ui, UiBuilder, WidgetInfo, pos2,
};
use serde::{Deserialize, Serialize};

use crate::app::theme;

/// Height of the row of titles.
pub(super) const HEADER_HEIGHT: f32 = 22.0;
/// Room between two columns.
const GAP: f32 = 8.0;
/// The prompt is not made narrower than this to show another column.
const PROMPT_ROOM: f32 = 190.0;
/// A narrower panel shows no thumbnails.
const THUMBNAIL_ROOM: f32 = 260.0;
/// Narrowest width that the user can give a column.
const MIN_WIDTH: f32 = 28.0;
/// Width of the area at a column's end that changes its width.
const HANDLE: f32 = 7.0;

/// A column, in the order from left to right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::app) enum Column {
    Thumbnail,
    Job,
    Prompt,
    Mode,
    Model,
    Size,
    Steps,
    Seed,
    Stage,
    Elapsed,
    Left,
    ReadyIn,
    Verbs,
}

impl Column {
    /// All of them, from left to right.
    pub(super) const ALL: [Self; 13] = [
        Self::Thumbnail,
        Self::Job,
        Self::Prompt,
        Self::Mode,
        Self::Model,
        Self::Size,
        Self::Steps,
        Self::Seed,
        Self::Stage,
        Self::Elapsed,
        Self::Left,
        Self::ReadyIn,
        Self::Verbs,
    ];

    /// Those that a wider panel shows, in the order in which they come.
    const BY_WIDTH: [Self; 9] = [
        Self::Verbs,
        Self::Left,
        Self::Elapsed,
        Self::Size,
        Self::Steps,
        Self::Seed,
        Self::Mode,
        Self::Model,
        Self::ReadyIn,
    ];

    /// Its title.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Thumbnail => "Image",
            Self::Job => "Job",
            Self::Prompt => "Prompt",
            Self::Mode => "Mode",
            Self::Model => "Model",
            Self::Size => "Size",
            Self::Steps => "Steps",
            Self::Seed => "Seed",
            Self::Stage => "State",
            Self::Elapsed => "Elapsed",
            Self::Left => "Left",
            Self::ReadyIn => "Ready in",
            Self::Verbs => "Actions",
        }
    }

    /// What it shows, one sentence.
    fn about(self) -> &'static str {
        match self {
            Self::Thumbnail => "The result, the live preview or the start image",
            Self::Job => "Number of the job",
            Self::Prompt => "Prompt, and the settings that have no column",
            Self::Mode => "Text, image, or text and image to video",
            Self::Model => "Model that makes the video",
            Self::Size => "Width × height × frames",
            Self::Steps => "Denoising steps",
            Self::Seed => "Seed of the starting noise",
            Self::Stage => "State, and the stage of a running job",
            Self::Elapsed => "Time since the job started, or the time that it took",
            Self::Left => "Time that the job still needs; for a waiting one, from earlier jobs",
            Self::ReadyIn => "Time until the job is done, after all that run before it",
            Self::Verbs => "What can be done with the job",
        }
    }

    fn is_number(self) -> bool {
        matches!(self, Self::Job | Self::Steps | Self::Seed | Self::Elapsed | Self::Left | Self::ReadyIn)
    }

    /// How its cells and its title are laid out.
    pub(super) fn align(self) -> Align {
        if self.is_number() || self == Self::Verbs { Align::Max } else { Align::Min }
    }

    fn default_width(self) -> f32 {
        match self {
            Self::Thumbnail => 52.0,
            Self::Job | Self::Steps => 36.0,
            Self::Prompt => 240.0,
            Self::Mode => 38.0,
            Self::Model => 104.0,
            Self::Size => 92.0,
            Self::Seed => 78.0,
            Self::Elapsed | Self::Left | Self::ReadyIn => 58.0,
            Self::Stage | Self::Verbs => 110.0,
        }
    }
}

/// What the user chose; nothing at first, so that the width of the panel decides.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::app) struct Columns {
    /// The columns that are shown; those that fit if `None`.
    chosen: Option<BTreeSet<Column>>,
    /// Widths in points of columns that were changed.
    widths: BTreeMap<Column, f32>,
}

impl Columns {
    fn width(&self, column: Column) -> f32 {
        self.widths.get(&column).copied().unwrap_or_else(|| column.default_width())
    }

    /// The columns in a panel of this width.
    pub(super) fn shown(&self, room: f32) -> BTreeSet<Column> {
        if let Some(chosen) = &self.chosen {
            return chosen.clone();
        }
        let mut shown = BTreeSet::from([Column::Prompt, Column::Stage]);
        let mut fixed = self.width(Column::Stage) + GAP;
        if room >= THUMBNAIL_ROOM {
            shown.insert(Column::Thumbnail);
            fixed += self.width(Column::Thumbnail) + GAP;
        }
        let mut left = room - fixed - PROMPT_ROOM;
        for column in Column::BY_WIDTH {
            left -= self.width(column) + GAP;
            if left < 0.0 {
                break;
            }
            shown.insert(column);
        }
        shown
    }

    /// Where each column is in a panel of this width; the prompt takes what the others leave.
    pub(super) fn place(&self, room: f32) -> Places {
        let shown = self.shown(room);
        let others: f32 = shown
            .iter()
            .filter(|column| **column != Column::Prompt)
            .map(|column| self.width(*column) + GAP)
            .sum();
        let prompt = self.widths.get(&Column::Prompt).copied().unwrap_or_else(|| {
            // with chosen columns the table may be wider than the panel
            let least = if self.chosen.is_some() { PROMPT_ROOM } else { MIN_WIDTH };
            (room - others).max(least)
        });
        let mut places = Vec::new();
        let mut left = 0.0;
        for column in shown {
            let width = if column == Column::Prompt { prompt } else { self.width(column) };
            places.push((column, Rangef::new(left, left + width)));
            left += width + GAP;
        }
        Places { places, width: (left - GAP).max(room) }
    }

    /// Shows or hides a column; from then on the width of the panel decides nothing.
    fn toggle(&mut self, column: Column, room: f32) {
        let mut shown = self.shown(room);
        if !shown.remove(&column) {
            shown.insert(column);
        }
        self.chosen = Some(shown);
    }

    /// Draws the list of columns; returns what was chosen.
    pub(super) fn menu_ui(&self, ui: &mut Ui, room: f32) -> Option<Self> {
        let mut changed = None;
        let shown = self.shown(room);
        for column in Column::ALL {
            // a row needs something to click on
            let is_fixed = column == Column::Prompt;
            let mut is_shown = shown.contains(&column);
            let name = format!("Column {}", column.title());
            let response = ui
                .add_enabled_ui(!is_fixed, |ui| {
                    ui.checkbox(&mut is_shown, name).on_hover_text(column.about())
                })
                .inner;
            if response.changed() {
                let mut columns = self.clone();
                columns.toggle(column, room);
                changed = Some(columns);
            }
        }
        ui.separator();
        let reset = ui.add_enabled(*self != Self::default(), eframe::egui::Button::new("Reset columns"));
        if reset.on_hover_text("Show the columns that fit the panel, in their own widths").clicked() {
            changed = Some(Self::default());
            ui.close();
        }
        changed
    }

    /// Draws the titles into `rect`; returns what was changed. A drag at the end of a title changes the width.
    pub(super) fn header_ui(&self, ui: &mut Ui, rect: Rect, places: &Places) -> Option<Self> {
        let mut changed = None;
        for (column, range) in &places.places {
            let (column, range) = (*column, *range);
            let cell = places.rect(range, rect);
            let layout = match column.align() {
                Align::Max => Layout::right_to_left(Align::Center),
                _ => Layout::left_to_right(Align::Center),
            };
            let title = if column == Column::Thumbnail { "" } else { column.title() };
            ui.scope_builder(UiBuilder::new().id_salt(column).max_rect(cell).layout(layout), |ui| {
                let text = RichText::new(title).small().weak();
                let response = ui.add(Label::new(text).truncate().selectable(false));
                // other panels have fields of the same name
                let name = format!("{} column", column.title());
                response.widget_info(|| WidgetInfo::labeled(Role::Label, true, name.clone()));
                response.on_hover_text(column.about());
            });
            let x = cell.right() + GAP / 2.0;
            let handle =
                Rect::from_x_y_ranges(Rangef::new(x - HANDLE / 2.0, x + HANDLE / 2.0), rect.y_range());
            changed = self.handle_ui(ui, handle, column, range.span()).or(changed);
        }
        ui.painter().hline(rect.x_range(), rect.bottom(), (1.0, theme::tokens(ui).line));
        changed
    }

    /// The end of a column's title: a drag changes the width, a double-click resets it.
    fn handle_ui(&self, ui: &Ui, rect: Rect, column: Column, width: f32) -> Option<Self> {
        let id = ui.scope_id().with(("width", column));
        let response =
            ui.interact(rect, id, Sense::click_and_drag()).on_hover_cursor(CursorIcon::ResizeColumn);
        response
            .widget_info(|| WidgetInfo::labeled(Role::Slider, true, format!("Width of {}", column.title())));
        let is_active = response.hovered() || response.dragged();
        let colour = if is_active { theme::tokens(ui).accent } else { theme::tokens(ui).line };
        ui.painter().vline(rect.center().x, rect.y_range().shrink(4.0), (1.0, colour));
        let mut columns = self.clone();
        if response.double_clicked() {
            columns.widths.remove(&column);
            return Some(columns);
        }
        let by = response.drag_delta().x;
        if by == 0.0 {
            return None;
        }
        columns.widths.insert(column, (width + by).max(MIN_WIDTH));
        Some(columns)
    }
}

/// Where the columns are, from the left edge of the table.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Places {
    places: Vec<(Column, Rangef)>,
    /// Width of the table.
    pub(super) width: f32,
}

impl Places {
    /// Whether a column is shown.
    pub(super) fn has(&self, column: Column) -> bool {
        self.places.iter().any(|(shown, _)| *shown == column)
    }

    /// Each column with its part of a row.
    pub(super) fn cells(&self, row: Rect) -> impl Iterator<Item = (Column, Rect)> + '_ {
        self.places.iter().map(move |(column, range)| (*column, self.rect(*range, row)))
    }

    /// Where the text of a row begins.
    pub(super) fn text_left(&self, row: Rect) -> f32 {
        let prompt = self.places.iter().find(|(column, _)| *column == Column::Prompt);
        row.left() + prompt.map_or(0.0, |(_, range)| range.min)
    }

    #[expect(clippy::unused_self, reason = "the ranges are relative to the same table")]
    fn rect(&self, range: Rangef, row: Rect) -> Rect {
        Rect::from_min_max(
            pos2(row.left() + range.min, row.top()),
            pos2(row.left() + range.max, row.bottom()),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wider_panel_shows_more_until_a_person_chooses() {
        let mut columns = Columns::default();
        let shown = |columns: &Columns, room| columns.shown(room).into_iter().collect::<Vec<_>>();
        assert_eq!(shown(&columns, 300.0), [Column::Thumbnail, Column::Prompt, Column::Stage]);
        assert!(columns.shown(580.0).is_superset(&BTreeSet::from([Column::Verbs, Column::Left])));
        assert_eq!(columns.shown(1400.0).len(), Column::ALL.len() - 1, "the number is in the details");
        columns.toggle(Column::Seed, 300.0);
        columns.toggle(Column::Thumbnail, 300.0);
        let chosen = [Column::Prompt, Column::Seed, Column::Stage];
        assert_eq!((shown(&columns, 300.0), shown(&columns, 1400.0)), (chosen.to_vec(), chosen.to_vec()));
        let text = ron::to_string(&columns).unwrap();
        assert_eq!(ron::from_str::<Columns>(&text).unwrap(), columns);
    }

    #[test]
    fn the_prompt_takes_what_the_others_leave() {
        let places = Columns::default().place(800.0);
        let last = places.cells(Rect::from_min_size(pos2(0.0, 0.0), [800.0, 40.0].into())).last();
        assert_eq!(last.map(|(_, cell)| cell.right()), Some(800.0));
    }
}
