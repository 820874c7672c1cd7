//! The grid with its search and filters.

use std::collections::BTreeSet;
use std::sync::Arc;

use eframe::egui::{
    Button, ComboBox, EventFilter, Key, Modifiers, Response, Role, ScrollArea, TextEdit, Ui, WidgetInfo,
};

use super::age::Age;
use super::tile::{TILE, tile_ui};
use super::verb::{GalleryAction, GalleryVerb, STARS};
use crate::app::background::library::Library;
use crate::app::widgets::row_menu::RowMenu;
use crate::core::{Mode, Utc, counted};
use crate::library::{GalleryFilter, GalleryItem, GalleryOrder, MAX_RATING};

/// Space between tiles.
const GAP: f32 = 8.0;
/// Width of the filters beside the search.
const FILTERS_WIDTH: f32 = 745.0;
/// Width of what is beside the search where the filters are folded up.
const FOLDED_WIDTH: f32 = 215.0;
/// Least width of the search.
const LEAST_SEARCH: f32 = 100.0;

/// The data that the gallery shows.
pub(in crate::app) struct GalleryView<'a> {
    /// Finished work and its thumbnails.
    pub(in crate::app) library: &'a Library,
    /// How many files the last deletion moved to the bin; 0 if there is nothing to undo.
    pub(in crate::app) num_deleted: usize,
}

/// The view state of the gallery.
#[derive(Default)]
pub(in crate::app) struct GalleryPanel {
    filter: GalleryFilter,
    /// The age that the filter's date comes from.
    age: Age,
    order: GalleryOrder,
    /// Whether the filters are unfolded in a panel that is too narrow for one row.
    shows_filters: bool,
    /// Ids of the selected items.
    selected: BTreeSet<String>,
    /// Whether `selected` is that of an earlier window, whose library was not read yet.
    awaits_items: bool,
    /// Index among the shown items that keys start from.
    focus: usize,
    /// Id of the item that keys start from.
    focused: Option<String>,
    shown: Vec<usize>,
    shown_of: Option<(u64, GalleryFilter, GalleryOrder)>,
    /// Scroll to the focus in the next frame and give it the keyboard.
    follow: bool,
    /// Whether a tile had the keyboard in the last frame.
    has_keyboard: bool,
    menu: RowMenu,
}

impl GalleryPanel {
    /// Whether a result has the keyboard, so that plain keys are for it.
    pub(in crate::app) fn has_keyboard(&self) -> bool {
        self.has_keyboard
    }

    /// With the results of these ids selected.
    pub(in crate::app) fn with_selection(selected: BTreeSet<String>) -> Self {
        Self { selected, awaits_items: true, ..Self::default() }
    }

    /// The ids of the selected results.
    pub(in crate::app) fn selected(&self) -> &BTreeSet<String> {
        &self.selected
    }

    /// Draws the gallery; returns the user's actions.
    pub(in crate::app) fn ui(&mut self, ui: &mut Ui, view: &GalleryView<'_>) -> Vec<GalleryAction> {
        let mut actions = Vec::new();
        let items = Arc::clone(view.library.items());
        self.filters_ui(ui, view, &mut actions);
        self.refresh(view.library.revision(), &items);
        if self.shown.is_empty() {
            self.empty_ui(ui, &items);
            return actions;
        }
        self.grid_ui(ui, view.library, &items, &mut actions);
        actions
    }

    /// Search, filters, order and undo, in places that stay.
    fn filters_ui(&mut self, ui: &mut Ui, view: &GalleryView<'_>, actions: &mut Vec<GalleryAction>) {
        let items = view.library.items();
        let is_wide = ui.available_width() >= FILTERS_WIDTH + LEAST_SEARCH;
        ui.horizontal_wrapped(|ui| {
            let others = if is_wide { FILTERS_WIDTH } else { FOLDED_WIDTH };
            let width = (ui.available_width() - others).max(LEAST_SEARCH);
            let search = TextEdit::singleline(&mut self.filter.search)
                .hint_text("Search prompts")
                .desired_width(width);
            name(&ui.add(search), Role::TextInput, "Search prompts");
            if is_wide {
                self.choices_ui(ui, items);
            } else {
                let text = match self.num_filters() {
                    0 => "Filters".to_owned(),
                    count => format!("Filters ({count})"),
                };
                let about = "Mode, model, preset, date, rating, order and failed jobs";
                let button = Button::selectable(self.shows_filters, text).frame_when_inactive(true);
                self.shows_filters ^= ui.add(button).on_hover_text(about).clicked();
            }
            undo_ui(ui, view.num_deleted, actions);
        });
        if !is_wide && self.shows_filters {
            ui.horizontal_wrapped(|ui| self.choices_ui(ui, items));
        }
    }

    /// How many filters are set besides the search.
    fn num_filters(&self) -> usize {
        let filter = &self.filter;
        let set = [
            filter.mode.is_some(),
            filter.model.is_some(),
            filter.preset.is_some(),
            filter.since.is_some(),
            filter.min_rating > 0,
            filter.failed,
        ];
        set.into_iter().filter(|is_set| *is_set).count()
    }

    fn choices_ui(&mut self, ui: &mut Ui, items: &[GalleryItem]) {
        self.mode_ui(ui);
        self.model_ui(ui, items);
        self.preset_ui(ui, items);
        self.date_ui(ui);
        self.rating_ui(ui);
        let order = ComboBox::from_id_salt("gallery order").width(80.0).selected_text(self.order.label());
        let shown = order.show_ui(ui, |ui| {
            for order in GalleryOrder::ALL {
                ui.selectable_value(&mut self.order, order, order.label());
            }
        });
        name(&shown.response, Role::ComboBox, "Order");
        let failed = Button::selectable(self.filter.failed, "Failed").frame_when_inactive(true);
        let about = "Only failed and cancelled jobs";
        self.filter.failed ^= ui.add(failed).on_hover_text(about).clicked();
    }

    fn preset_ui(&mut self, ui: &mut Ui, items: &[GalleryItem]) {
        let text = self.filter.preset.as_deref().unwrap_or("All presets").to_owned();
        let list = ComboBox::from_id_salt("gallery preset").width(84.0).selected_text(text);
        let shown = list.show_ui(ui, |ui| {
            ui.selectable_value(&mut self.filter.preset, None, "All presets");
            let presets: BTreeSet<&str> = items.iter().filter_map(|item| item.preset.as_deref()).collect();
            for preset in presets {
                ui.selectable_value(&mut self.filter.preset, Some(preset.to_owned()), preset);
            }
        });
        name(&shown.response, Role::ComboBox, "Preset filter");
    }

    fn date_ui(&mut self, ui: &mut Ui) {
        let list = ComboBox::from_id_salt("gallery date").width(80.0).selected_text(self.age.label());
        let mut age = self.age;
        let shown = list.show_ui(ui, |ui| {
            for choice in Age::ALL {
                ui.selectable_value(&mut age, choice, choice.label());
            }
        });
        name(&shown.response, Role::ComboBox, "Date filter");
        if age != self.age {
            self.age = age;
            self.filter.since = age.since(Utc::now());
        }
    }

    fn mode_ui(&mut self, ui: &mut Ui) {
        let text = self.filter.mode.map_or_else(|| "All modes".to_owned(), |mode| mode.to_string());
        let shown =
            ComboBox::from_id_salt("gallery mode").width(84.0).selected_text(text).show_ui(ui, |ui| {
                ui.selectable_value(&mut self.filter.mode, None, "All modes");
                for mode in [Mode::T2V, Mode::I2V, Mode::TI2V] {
                    ui.selectable_value(&mut self.filter.mode, Some(mode), mode.to_string());
                }
            });
        name(&shown.response, Role::ComboBox, "Mode filter");
    }

    fn model_ui(&mut self, ui: &mut Ui, items: &[GalleryItem]) {
        let text = self.filter.model.as_deref().unwrap_or("All models").to_owned();
        let shown =
            ComboBox::from_id_salt("gallery model").width(96.0).selected_text(text).show_ui(ui, |ui| {
                ui.selectable_value(&mut self.filter.model, None, "All models");
                let models: BTreeSet<&str> = items.iter().map(|item| item.model.as_str()).collect();
                for model in models {
                    ui.selectable_value(&mut self.filter.model, Some(model.to_owned()), model);
                }
            });
        name(&shown.response, Role::ComboBox, "Model filter");
    }

    fn rating_ui(&mut self, ui: &mut Ui) {
        let label = |stars: u8| match stars {
            0 => "Any rating".to_owned(),
            MAX_RATING => "5 stars".to_owned(),
            stars => format!("{} or more", counted(stars, "star")),
        };
        let text = label(self.filter.min_rating);
        let shown =
            ComboBox::from_id_salt("gallery rating").width(88.0).selected_text(text).show_ui(ui, |ui| {
                for stars in 0..=MAX_RATING {
                    ui.selectable_value(&mut self.filter.min_rating, stars, label(stars));
                }
            });
        name(&shown.response, Role::ComboBox, "Rating filter");
    }

    /// Filters and sorts again only when something changed.
    fn refresh(&mut self, revision: u64, items: &[GalleryItem]) {
        let of = (revision, self.filter.clone(), self.order);
        if self.shown_of.as_ref() == Some(&of) {
            return;
        }
        self.shown = self.filter.apply(items, self.order);
        self.shown_of = Some(of);
        // items that come or go in front of it move it
        let is_focused = |index: &usize| Some(&items[*index].id) == self.focused.as_ref();
        let last = self.shown.len().saturating_sub(1);
        self.focus = self.shown.iter().position(is_focused).unwrap_or_else(|| self.focus.min(last));
        let known: BTreeSet<&str> = self.shown.iter().map(|&index| items[index].id.as_str()).collect();
        if self.awaits_items && !items.is_empty() {
            self.awaits_items = false;
            // keys start from what was selected
            let place = |index: &usize| self.selected.contains(&items[*index].id);
            let place = self.shown.iter().position(place).unwrap_or(0);
            self.focus_on(place, items);
        }
        self.selected.retain(|id| self.awaits_items || known.contains(id.as_str()));
    }

    fn empty_ui(&mut self, ui: &mut Ui, items: &[GalleryItem]) {
        ui.centered_and_justified(|ui| {
            let is_filtered = self.filter != GalleryFilter::default();
            if is_filtered && !items.is_empty() {
                ui.vertical_centered(|ui| {
                    ui.add_space(24.0);
                    ui.weak("Nothing matches the search and filters.");
                    if ui.button("Clear search and filters").clicked() {
                        (self.filter, self.age) = (GalleryFilter::default(), Age::default());
                    }
                });
            } else {
                ui.weak("Finished videos appear here. Write a prompt and press Generate.");
            }
        });
    }

    fn grid_ui(
        &mut self,
        ui: &mut Ui,
        library: &Library,
        items: &[GalleryItem],
        actions: &mut Vec<GalleryAction>,
    ) {
        let columns = (((ui.available_width() + GAP) / (TILE.x + GAP)) as usize).max(1);
        let num_rows = self.shown.len().div_ceil(columns);
        self.keys(ui, items, columns, actions);
        let mut area = ScrollArea::vertical().auto_shrink(false);
        let follow = std::mem::take(&mut self.follow);
        let mut has_keyboard = false;
        if follow {
            let row = (self.focus / columns) as f32;
            area = area.vertical_scroll_offset((row * (TILE.y + GAP) - TILE.y).max(0.0));
        }
        ui.spacing_mut().item_spacing = [GAP, GAP].into();
        area.show_rows(ui, TILE.y, num_rows, |ui, rows| {
            for row in rows {
                let places = row * columns..((row + 1) * columns).min(self.shown.len());
                ui.horizontal(|ui| {
                    for place in places {
                        let response = self.item_ui(ui, library, &items[self.shown[place]]);
                        let takes_focus = follow && place == self.focus;
                        has_keyboard |= holds_keyboard(ui, &response, takes_focus);
                        self.clicked(ui, &response, place, items, actions);
                    }
                });
            }
        });
        self.has_keyboard = has_keyboard;
    }

    fn item_ui(&self, ui: &mut Ui, library: &Library, item: &GalleryItem) -> Response {
        let output = item.output.as_deref().filter(|_| item.exists);
        let texture = output.and_then(|output| library.thumbnail(output));
        let selected = self.selected.contains(&item.id);
        ui.push_id(&item.id, |ui| tile_ui(ui, item, texture, selected)).inner
    }

    fn clicked(
        &mut self,
        ui: &Ui,
        response: &Response,
        place: usize,
        items: &[GalleryItem],
        actions: &mut Vec<GalleryAction>,
    ) {
        let id = &items[self.shown[place]].id;
        // the menu is about what is under the pointer, unless that is one of several that were chosen
        if response.secondary_clicked() && !self.selected.contains(id) {
            self.select_only(place, items);
        }
        if response.clicked() {
            response.request_focus();
            let modifiers = ui.input(|input| input.modifiers);
            if modifiers.command {
                if !self.selected.remove(id) {
                    self.selected.insert(id.clone());
                }
                self.focus_on(place, items);
            } else if modifiers.shift {
                let range = self.focus.min(place)..=self.focus.max(place);
                self.selected = range.map(|place| items[self.shown[place]].id.clone()).collect();
            } else {
                self.select_only(place, items);
            }
        }
        if response.double_clicked() {
            actions.extend(GalleryVerb::Open.action(&[&items[self.shown[place]]]));
        }
        let mut menu = std::mem::take(&mut self.menu);
        menu.ui(response, |ui| self.menu_ui(ui, items, actions));
        self.menu = menu;
    }

    fn menu_ui(&self, ui: &mut Ui, items: &[GalleryItem], actions: &mut Vec<GalleryAction>) {
        let chosen = self.chosen(items);
        for verb in GalleryVerb::ALL {
            let action = verb.action(&chosen);
            let mut button = Button::new(verb.label());
            if let Some(shortcut) = verb.shortcut() {
                button = button.shortcut_text(ui.ctx().format_shortcut(&shortcut));
            }
            let response = ui.add_enabled(action.is_some(), button);
            if response.on_disabled_hover_text(verb.needs()).clicked() {
                actions.extend(action);
                ui.close();
            }
        }
        ui.menu_button("Rate", |ui| {
            for stars in 0..=MAX_RATING {
                let label = if stars == 0 { "No stars".to_owned() } else { format!("{stars} of 5") };
                if ui.button(label).clicked() {
                    actions.extend(rate(&chosen, stars));
                    ui.close();
                }
            }
        });
    }

    /// The selected items, the one with the focus first if it is one of them.
    fn chosen<'a>(&self, items: &'a [GalleryItem]) -> Vec<&'a GalleryItem> {
        let focused = self.shown.get(self.focus).map(|&index| &items[index]);
        let focused = focused.filter(|item| self.selected.contains(&item.id));
        let rest = self.shown.iter().map(|&index| &items[index]);
        let rest = rest.filter(|item| self.selected.contains(&item.id) && Some(*item) != focused);
        focused.into_iter().chain(rest).collect()
    }

    fn focus_on(&mut self, place: usize, items: &[GalleryItem]) {
        self.focus = place;
        self.focused = self.shown.get(place).map(|&index| items[index].id.clone());
    }

    fn select_only(&mut self, place: usize, items: &[GalleryItem]) {
        self.focus_on(place, items);
        self.selected = std::iter::once(items[self.shown[place]].id.clone()).collect();
    }

    /// Arrows move the focus, plain keys act on the selection; only while a tile has the keyboard focus.
    fn keys(&mut self, ui: &Ui, items: &[GalleryItem], columns: usize, actions: &mut Vec<GalleryAction>) {
        if self.selected.is_empty() || !self.has_keyboard {
            return;
        }
        let last = self.shown.len() - 1;
        let moves = [
            (Key::ArrowLeft, self.focus.saturating_sub(1)),
            (Key::ArrowRight, (self.focus + 1).min(last)),
            (Key::ArrowUp, self.focus.saturating_sub(columns)),
            (Key::ArrowDown, (self.focus + columns).min(last)),
        ];
        for (key, to) in moves {
            if ui.input_mut(|input| input.consume_key(Modifiers::NONE, key)) {
                self.select_only(to, items);
                self.follow = true;
            }
        }
        let chosen = self.chosen(items);
        for verb in GalleryVerb::ALL {
            let pressed =
                verb.shortcut().is_some_and(|keys| ui.input_mut(|input| input.consume_shortcut(&keys)));
            if pressed {
                actions.extend(verb.action(&chosen));
            }
        }
        for (stars, key) in (0..).zip(STARS) {
            if ui.input_mut(|input| input.consume_key(Modifiers::NONE, key)) {
                actions.extend(rate(&chosen, stars));
            }
        }
    }
}

/// Whether a tile has the keyboard; then arrows move the selection and not egui's focus.
fn holds_keyboard(ui: &Ui, response: &Response, takes_focus: bool) -> bool {
    if takes_focus {
        response.request_focus();
    }
    if response.has_focus() {
        let arrows = EventFilter { horizontal_arrows: true, vertical_arrows: true, ..EventFilter::default() };
        ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, arrows));
    }
    response.has_focus()
}

/// Offers to undo the last deletion.
fn undo_ui(ui: &mut Ui, count: usize, actions: &mut Vec<GalleryAction>) {
    let about = match count {
        0 => "Nothing was moved to the bin".to_owned(),
        1 => "Restore the file from the bin".to_owned(),
        count => format!("Restore {count} files from the bin"),
    };
    let button = ui.add_enabled(count > 0, Button::new("Undo delete"));
    if button.on_hover_text(&about).on_disabled_hover_text(&about).clicked() {
        actions.push(GalleryAction::UndoDelete);
    }
}

fn rate(items: &[&GalleryItem], stars: u8) -> Vec<GalleryAction> {
    items.iter().map(|item| GalleryAction::Rate { id: item.id.clone(), stars }).collect()
}

/// Gives a control a name for screen readers.
fn name(response: &Response, role: Role, name: &'static str) {
    let enabled = response.enabled();
    response.widget_info(|| WidgetInfo::labeled(role, enabled, name));
}
