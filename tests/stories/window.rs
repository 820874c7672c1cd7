//! A window under test: the actions of a user, and how a story waits for what it shows.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use eframe::App as _;
use eframe::egui::accesskit::{Role, Toggled};
use eframe::egui::{
    DroppedFile, Event, Key, Memory, Modifiers, MouseWheelSource, MouseWheelUnit, Rect, TouchPhase, Vec2,
    vec2,
};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use egui_kittest::{Harness, HarnessBuilder, Node};
use wandeck::app::App;
use wandeck::jobs::{EndStatus, HistoryEntry, Job};

/// How long a story waits for something to happen.
const PATIENCE: Duration = Duration::from_mins(2);

/// A window on a data folder, with the toy models and the runtime of the checkout.
pub(crate) struct Window {
    harness: Harness<'static, App>,
}

/// How a window is opened.
#[derive(Default)]
struct Opening<'a> {
    screen: Screen,
    /// What an earlier window kept of its view.
    view: Option<&'a str>,
}

/// Points on the screen and pixels per point.
#[derive(Clone, Copy)]
pub(crate) struct Screen {
    pub(crate) points: Vec2,
    pub(crate) scale: f32,
}

impl Default for Screen {
    fn default() -> Self {
        Self { points: vec2(1600.0, 1000.0), scale: 1.0 }
    }
}

#[derive(Debug)]
struct Dropped(PathBuf);

impl DroppedFile for Dropped {
    fn path(&self) -> &Path {
        &self.0
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        std::fs::read(&self.0).map_err(|error| error.to_string())
    }
}

fn shipped_models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models")
}

impl Window {
    /// Opens the window on a data folder that has the runtime; another window may have left it.
    pub(crate) fn open(data_dir: &Path) -> Self {
        Self::open_on(data_dir, &Screen::default())
    }

    /// Opens the window on a data folder, with what an earlier one kept of its view.
    pub(crate) fn open_with_view(data_dir: &Path, screen: &Screen, view: &str) -> Self {
        let opening = Opening { screen: *screen, view: Some(view) };
        Self::build(data_dir, &shipped_models(), &opening, |builder| builder)
    }

    /// What the program's storage keeps of the view: what is scrolled and unfolded.
    pub(crate) fn view(&self) -> String {
        self.harness.ctx.memory(ron::to_string).unwrap()
    }

    pub(crate) fn open_on(data_dir: &Path, screen: &Screen) -> Self {
        let opening = Opening { screen: *screen, ..Opening::default() };
        Self::build(data_dir, &shipped_models(), &opening, |builder| builder)
    }

    /// A window that finds only the models in `models`.
    pub(crate) fn open_with_models(data_dir: &Path, models: &Path) -> Self {
        Self::build(data_dir, models, &Opening::default(), |builder| builder)
    }

    /// A window on a screen that finds only the models in `models`.
    pub(crate) fn open_with_models_on(data_dir: &Path, models: &Path, screen: &Screen) -> Self {
        let opening = Opening { screen: *screen, ..Opening::default() };
        Self::build(data_dir, models, &opening, |builder| builder)
    }

    /// A window that can be drawn into an image; it needs a graphics driver, and a software one is enough.
    pub(crate) fn open_drawn(data_dir: &Path, models: &Path, screen: &Screen) -> Self {
        let opening = Opening { screen: *screen, ..Opening::default() };
        Self::build(data_dir, models, &opening, HarnessBuilder::wgpu)
    }

    fn build(
        data_dir: &Path,
        models: &Path,
        opening: &Opening<'_>,
        renderer: impl FnOnce(HarnessBuilder<App>) -> HarnessBuilder<App>,
    ) -> Self {
        let (data_dir, models) = (data_dir.to_path_buf(), models.to_path_buf());
        let Screen { points, scale } = opening.screen;
        let view = opening.view.map(|view| ron::from_str::<Memory>(view).unwrap());
        let builder = Harness::builder().with_size(points).with_pixels_per_point(scale);
        let harness = renderer(builder).build_eframe(move |cc| {
            if let Some(view) = view {
                // the harness has options of its own
                cc.egui_ctx.memory_mut(|memory| {
                    let options = memory.options.clone();
                    *memory = view;
                    memory.options = options;
                });
            }
            App::new(&cc.egui_ctx, data_dir, Some(models)).unwrap()
        });
        let mut window = Self { harness };
        // the models come from a thread of their own
        window.wait("the models", |window| !window.shows("Looking for models"));
        window
    }

    /// Draws until `done`, as the window would when it is woken.
    pub(crate) fn wait(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let began = Instant::now();
        while !done(self) {
            assert!(began.elapsed() < PATIENCE, "{what}: {:?}", self.notifications());
            std::thread::park_timeout(Duration::from_millis(5));
            self.harness.step();
        }
    }

    /// Draws until something has a label with `text` in it.
    pub(crate) fn wait_for(&mut self, text: &str) {
        self.wait(text, |window| window.shows(text));
    }

    /// Whether something has a label with `text` in it.
    pub(crate) fn shows(&self, text: &str) -> bool {
        self.harness.query_all_by_label_contains(text).next().is_some()
    }

    /// Whether there is a button with this label.
    pub(crate) fn has_button(&self, label: &str) -> bool {
        self.harness.query_all_by_role_and_label(Role::Button, label).next().is_some()
    }

    /// Whether there is a control with this role and label.
    pub(crate) fn has_control(&self, role: Role, label: &str) -> bool {
        self.harness.query_all_by_role_and_label(role, label).next().is_some()
    }

    /// The one control with this role and label.
    pub(crate) fn control<'a>(&'a self, role: Role, label: &'a str) -> Node<'a> {
        self.harness.get_by_role_and_label(role, label)
    }

    /// Clicks the one button with this label.
    pub(crate) fn click(&mut self, label: &str) {
        self.control(Role::Button, label).click();
        self.step();
    }

    /// Waits for the button, then clicks it.
    pub(crate) fn click_when_there(&mut self, label: &str) {
        self.wait(label, |window| window.has_button(label));
        self.click(label);
    }

    /// The number in a field, as it stands there.
    pub(crate) fn number(&self, label: &str) -> String {
        self.control(Role::SpinButton, label).value().unwrap()
    }

    /// The seed in its field.
    pub(crate) fn seed(&self) -> String {
        self.control(Role::TextInput, "Seed").value().unwrap()
    }

    /// Replaces the number in a field.
    pub(crate) fn set_number(&mut self, label: &str, text: &str) {
        self.control(Role::SpinButton, label).focus();
        self.step();
        self.press(Modifiers::COMMAND, Key::A);
        self.control(Role::SpinButton, label).type_text(text);
        self.press(Modifiers::NONE, Key::Enter);
        self.step();
    }

    /// Replaces the text in a field of one line.
    pub(crate) fn set_text(&mut self, label: &str, text: &str) {
        self.control(Role::TextInput, label).focus();
        self.step();
        self.press(Modifiers::COMMAND, Key::A);
        self.control(Role::TextInput, label).type_text(text);
        self.step();
    }

    /// The words in the prompt field.
    pub(crate) fn prompt(&self) -> String {
        self.control(Role::MultilineTextInput, "Prompt").value().unwrap()
    }

    /// Replaces the prompt.
    pub(crate) fn set_prompt(&mut self, text: &str) {
        self.control(Role::MultilineTextInput, "Prompt").focus();
        self.step();
        self.press(Modifiers::COMMAND, Key::A);
        self.control(Role::MultilineTextInput, "Prompt").type_text(text);
        self.step();
    }

    /// The path in the well of the start image.
    pub(crate) fn start_image(&self) -> String {
        self.control(Role::TextInput, "Start image").value().unwrap()
    }

    /// Turns the wheel over a button, which moves what is below up.
    pub(crate) fn scroll_at(&mut self, label: &str, points: f32) {
        let place = self.control(Role::Button, label).rect().center();
        self.harness.hover_at(place);
        self.harness.event(Event::MouseWheel {
            unit: MouseWheelUnit::Point,
            delta: vec2(0.0, -points),
            phase: TouchPhase::Move,
            source: MouseWheelSource::Unknown,
            modifiers: Modifiers::NONE,
        });
        self.rest(20);
    }

    /// Presses a key and lets the window draw.
    pub(crate) fn press(&mut self, modifiers: Modifiers, key: Key) {
        self.harness.key_press_modifiers(modifiers, key);
        self.step();
    }

    /// Types into whatever has the focus.
    pub(crate) fn type_text(&mut self, text: &str) {
        self.harness.event(Event::Text(text.to_owned()));
        self.step();
    }

    /// Drops a file onto the window.
    pub(crate) fn drop_file(&mut self, path: PathBuf) {
        self.harness.input_mut().dropped_files.push(Arc::new(Dropped(path)));
        self.step();
    }

    /// Drops a file onto a control.
    pub(crate) fn drop_file_on(&mut self, path: PathBuf, role: Role, label: &str) {
        let place = self.control(role, label).rect().center();
        self.harness.hover_at(place);
        self.step();
        self.drop_file(path);
    }

    /// Drags the row whose label begins with `from` onto the upper half of the row that begins with `to`.
    pub(crate) fn drag_row(&mut self, from: &str, to: &str) {
        let rect = |window: &Self, label: &str| window.harness.get_by_label_contains(label).rect();
        let (from, to) = (rect(self, from).center(), rect(self, to));
        self.harness.drag_at(from);
        self.step();
        let aim = eframe::egui::pos2(to.center().x, to.top() + 4.0);
        for part in 1..=4 {
            self.harness.hover_at(from + (aim - from) * (part as f32 / 4.0));
            self.step();
        }
        self.harness.drop_at(aim);
        self.step();
    }

    /// Runs a verb from the palette.
    pub(crate) fn command(&mut self, name: &str) {
        self.press(Modifiers::COMMAND, Key::K);
        self.type_text(name);
        self.press(Modifiers::NONE, Key::Enter);
        self.step();
    }

    /// Lets the signals of the system close the window, as the program does.
    pub(crate) fn close_on_signals(&mut self) {
        let ctx = self.harness.ctx.clone();
        self.harness.state_mut().close_on_signals(&ctx).unwrap();
    }

    /// Closes the window as the person would.
    pub(crate) fn close(mut self) {
        self.harness.state_mut().on_exit(None);
    }

    /// Asks the window to close, as the button of its frame does.
    pub(crate) fn request_close(&mut self) {
        let events = |window: &mut Self, events| {
            let viewport = eframe::egui::ViewportId::ROOT;
            window.harness.input_mut().viewports.entry(viewport).or_default().events = events;
        };
        events(self, vec![eframe::egui::ViewportEvent::Close]);
        self.step();
        events(self, Vec::new());
        self.step();
    }

    /// Whether the window has asked its frame to close in the last frame.
    pub(crate) fn closes(&self) -> bool {
        let viewports = &self.harness.output().viewport_output;
        let mut commands = viewports.values().flat_map(|viewport| &viewport.commands);
        commands.any(|command| *command == eframe::egui::ViewportCommand::Close)
    }

    /// Whether the dark theme is on.
    pub(crate) fn is_dark(&self) -> bool {
        self.harness.ctx.theme() == eframe::egui::Theme::Dark
    }

    /// Where a button is, in points.
    pub(crate) fn rect_of_button(&self, label: &str) -> Rect {
        self.control(Role::Button, label).rect()
    }

    /// What the window looks like now.
    pub(crate) fn screenshot(&mut self) -> image::RgbaImage {
        self.harness.render().unwrap()
    }

    /// Draws so many frames, some time apart.
    pub(crate) fn rest(&mut self, frames: usize) {
        for _ in 0..frames {
            std::thread::park_timeout(Duration::from_millis(20));
            self.step();
        }
    }

    /// Clicks the first button whose label contains `text`.
    pub(crate) fn click_containing(&mut self, text: &str) {
        let mut found = self.harness.query_all_by_label_contains(text);
        found.find(|node| node.accesskit_node().role() == Role::Button).unwrap().click();
        drop(found);
        self.step();
    }

    /// Whether the first button whose label contains `text` is selected.
    pub(crate) fn is_selected(&self, text: &str) -> bool {
        let mut found = self.harness.query_all_by_label_contains(text);
        let button = found.find(|node| node.accesskit_node().role() == Role::Button).unwrap();
        button.accesskit_node().toggled() == Some(Toggled::True)
    }

    /// Chooses a verb from the context menu of the button with this label.
    pub(crate) fn choose(&mut self, label: &str, verb: &str) {
        self.control(Role::Button, label).click_secondary();
        self.wait_for(verb);
        self.click_containing(verb);
    }

    /// Clicks what has this label, whatever it is.
    pub(crate) fn click_label(&mut self, label: &str) {
        self.harness.get_by_label(label).click();
        self.step();
    }

    /// Clicks a button with the key that adds to a selection.
    pub(crate) fn add_to_selection(&mut self, label: &str) {
        self.control(Role::Button, label).click_modifiers(Modifiers::COMMAND);
        self.step();
    }

    /// Types words into the gallery's search.
    pub(crate) fn search_gallery(&mut self, words: &str) {
        self.control(Role::TextInput, "Search prompts").focus();
        self.step();
        self.type_text(words);
    }

    /// Draws one frame.
    pub(crate) fn step(&mut self) {
        self.harness.step();
    }

    /// Every job of the queue, ended ones too.
    pub(crate) fn jobs(&self) -> &[Job] {
        self.harness.state().queue()
    }

    /// What was shown in the list of notifications.
    pub(crate) fn notifications(&self) -> Vec<String> {
        self.harness.state().notifications()
    }

    /// Waits until no job is open, and there are `count` ended ones.
    pub(crate) fn wait_for_ends(&mut self, count: usize) {
        self.wait("all jobs end", |window| {
            let jobs = window.jobs();
            jobs.len() >= count && jobs.iter().all(|job| job.ended().is_some())
        });
    }

    /// How the jobs ended, in the order of the queue.
    pub(crate) fn ends(&self) -> Vec<EndStatus> {
        self.jobs().iter().filter_map(|job| job.ended().map(|end| end.status)).collect()
    }

    /// The record of the job that ended last, which must be done.
    pub(crate) fn outcome(&self) -> HistoryEntry {
        let record = self.jobs().iter().rev().find_map(Job::ended).cloned().unwrap();
        assert_eq!(record.status, EndStatus::Done, "{record:?}");
        record
    }

    /// Adds a job with this prompt and number of steps, and waits for its row.
    pub(crate) fn add_job(&mut self, prompt: &str, steps: &str) {
        let before = self.jobs().len();
        self.set_prompt(prompt);
        self.set_number("Steps", steps);
        self.press(Modifiers::COMMAND, Key::Enter);
        self.wait("the job is in the queue", |window| window.jobs().len() > before);
    }
}
