//! The wells of the start image (or a clip whose last frame counts) and of the end image.

use std::path::PathBuf;

use eframe::egui::{
    Align, Align2, Context, FontId, Id, Image, Label, Layout, Rect, Response, RichText, Sense, Stroke,
    StrokeKind, TextEdit, TextureHandle, Ui, Vec2, pos2, vec2,
};
use egui_material_icons::icons::{
    ICON_BROKEN_IMAGE, ICON_CLOSE, ICON_CONTENT_PASTE, ICON_FOLDER_OPEN, ICON_HOURGLASS_EMPTY, ICON_MOVIE,
    ICON_SWAP_VERT,
};

use super::fields::Fields;
use super::numbers::named;
use super::view::{ComposeAction, ComposeView};
use crate::app::background::inputs::{InputSource, InputWell, WellImage, WellView};
use crate::app::theme;
use crate::app::widgets::field::{button_row_ui, mark_form_text, problem_frame_ui};
use crate::app::widgets::icon::icon_button;
use crate::core::Mode;

/// Size of a well's thumbnail.
const THUMBNAIL: Vec2 = vec2(88.0, 58.0);
/// How much of the background covers what is cut off.
const SHADE: f32 = 0.7;
/// Side of the larger image shown under the pointer.
const LARGE: f32 = 320.0;

/// The texts of both wells, and where they were drawn.
#[derive(Default)]
pub(super) struct Wells {
    texts: [PathText; 2],
    places: Vec<(InputWell, Rect)>,
    /// When they were drawn, in passes.
    drawn: u64,
}

/// A path as it is typed. It stays as it is while the form has the path that it stands for.
#[derive(Default)]
struct PathText {
    text: String,
}

impl PathText {
    /// The text for what the form has.
    fn show(&mut self, path: Option<&PathBuf>) -> &mut String {
        if InputSource::parse(&self.text).as_ref() != path {
            self.text = path.map(|path| path.display().to_string()).unwrap_or_default();
        }
        &mut self.text
    }
}

impl Wells {
    /// Draws the wells that the installed models or the form have a use for.
    pub(super) fn ui(
        &mut self,
        ui: &mut Ui,
        fields: &Fields<'_>,
        view: &ComposeView<'_>,
        actions: &mut Vec<ComposeAction>,
    ) {
        self.places.clear();
        self.drawn = ui.ctx().cumulative_pass_nr();
        let any = |mode| {
            view.models
                .iter()
                .any(|model| model.limits.as_ref().is_ok_and(|limits| limits.modes.contains(&mode)))
        };
        let draft = view.draft;
        if any(Mode::I2V) || any(Mode::TI2V) || draft.starts_from_image() {
            let well = ui.scope(|ui| self.well_ui(ui, InputWell::Start, view, actions));
            let names = ["start_image", "continue_from"];
            problem_frame_ui(ui, well.response.rect, &names, fields.problems);
        }
        if draft.end_image.is_some() || any(Mode::I2V) && draft.starts_from_image() {
            let well = ui.scope(|ui| self.well_ui(ui, InputWell::End, view, actions));
            problem_frame_ui(ui, well.response.rect, &["end_image"], fields.problems);
        }
    }

    /// The well under the pointer, if the wells were drawn just now.
    pub(super) fn under_pointer(&self, ctx: &Context) -> Option<InputWell> {
        let pointer = ctx.input(|input| input.pointer.latest_pos())?;
        let is_shown = ctx.cumulative_pass_nr() <= self.drawn + 3;
        let found = self.places.iter().find(|(_, place)| place.contains(pointer));
        found.filter(|_| is_shown).map(|(well, _)| *well)
    }

    fn well_ui(
        &mut self,
        ui: &mut Ui,
        well: InputWell,
        view: &ComposeView<'_>,
        actions: &mut Vec<ComposeAction>,
    ) {
        let source = match well {
            InputWell::Start => InputSource::start_of(view.draft),
            InputWell::End => view.draft.end_image.clone().map(InputSource::Image),
        };
        let shown = view.wells[well as usize];
        let text = &mut self.texts[well as usize];
        let place = ui.push_id(well, |ui| {
            // the field keeps the focus whatever is drawn beside it
            let id = ui.scope_id().with("path");
            if source.is_none() || shown.image.is_none() {
                button_row_ui(ui, |ui| {
                    let title = name_ui(ui, well);
                    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                        verbs_ui(ui, well, view, source.is_some(), actions);
                        actions.extend(path_ui(ui, &PathField { id, well, title }, text, source.as_ref()));
                    });
                });
                return;
            }
            let title = ui.horizontal(|ui| heading_ui(ui, well, source.as_ref(), shown)).inner;
            ui.horizontal(|ui| {
                thumbnail_ui(ui, shown);
                ui.vertical(|ui| {
                    actions.extend(path_ui(ui, &PathField { id, well, title }, text, source.as_ref()));
                    ui.horizontal(|ui| verbs_ui(ui, well, view, true, actions));
                });
            });
        });
        let place = place.response.rect;
        if ui.input(|input| !input.raw.hovered_files.is_empty()) {
            let stroke = Stroke::new(1.5, theme::tokens(ui).accent);
            ui.painter().rect_stroke(place.expand(3.0), 4.0, stroke, StrokeKind::Outside);
        }
        self.places.push((well, place));
    }
}

/// The name of a well.
fn name_ui(ui: &mut Ui, well: InputWell) -> Response {
    let (name, about) = match well {
        InputWell::Start => {
            ("Start image", "What the video starts from: an image, or the last frame of a clip")
        }
        InputWell::End => ("End image", "What the video ends with"),
    };
    ui.label(name).on_hover_text(about)
}

/// The name, and what is in the well in a few words.
fn heading_ui(ui: &mut Ui, well: InputWell, source: Option<&InputSource>, shown: WellView<'_>) -> Response {
    let label = name_ui(ui, well);
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        let words = match shown.image {
            _ if shown.is_pending => "reading…".to_owned(),
            Some(Ok(image)) => in_words(image, source),
            Some(Err(_)) => "cannot be read".to_owned(),
            None => String::new(),
        };
        ui.add(Label::new(RichText::new(words).weak()).truncate());
    });
    label
}

/// For instance "640x480, cropped" or "last frame, 832x480".
fn in_words(image: &WellImage, source: Option<&InputSource>) -> String {
    let last = if matches!(source, Some(InputSource::LastFrame(_))) { "last frame, " } else { "" };
    let cut = if image.is_cut { ", cropped" } else { "" };
    format!("{last}{}{cut}", image.size)
}

/// The image, with what the video cuts off in the dark; larger and as the model sees it under the pointer.
fn thumbnail_ui(ui: &mut Ui, shown: WellView<'_>) {
    let (place, response) = ui.allocate_exact_size(THUMBNAIL, Sense::hover());
    let tokens = theme::tokens(ui);
    ui.painter().rect_filled(place, 4.0, tokens.stage);
    let (Some(texture), Some(Ok(image))) = (shown.whole, shown.image) else {
        let icon = if matches!(shown.image, Some(Err(_))) { ICON_BROKEN_IMAGE } else { ICON_HOURGLASS_EMPTY };
        let colour = ui.visuals().weak_text_color();
        let (middle, align) = (place.center(), Align2::CENTER_CENTER);
        let font = FontId::proportional(theme::ICON_SIZE);
        ui.painter().text(middle, align, icon.codepoint, font, colour);
        let frame = Stroke::new(1.0, tokens.line);
        ui.painter().rect_stroke(place, 4.0, frame, StrokeKind::Inside);
        if let Some(Err(error)) = shown.image {
            response.on_hover_text(format!("{error:#}"));
        }
        return;
    };
    cropped_ui(ui, place, texture, image.kept);
    response.on_hover_ui(|ui| {
        if let Some(fitted) = shown.fitted {
            let side = LARGE / fitted.size_vec2().max_elem().max(1.0);
            ui.add(Image::new((fitted.id(), fitted.size_vec2() * side)));
        }
        let words =
            if image.is_cut { "As the model sees it; the rest is cut off" } else { "As the model sees it" };
        ui.label(words);
    });
}

/// The whole image in `place`, darker where the video does not show it.
fn cropped_ui(ui: &Ui, place: Rect, texture: &TextureHandle, kept: [f32; 2]) {
    let size = texture.size_vec2();
    let scale = (place.width() / size.x.max(1.0)).min(place.height() / size.y.max(1.0));
    let whole = Rect::from_center_size(place.center(), size * scale);
    let painter = ui.painter();
    Image::new((texture.id(), whole.size())).paint_at(ui, whole);
    let [width, height] = kept;
    if width >= 1.0 && height >= 1.0 {
        return;
    }
    let inner = Rect::from_center_size(whole.center(), vec2(whole.width() * width, whole.height() * height));
    let shade = theme::tokens(ui).stage.gamma_multiply(SHADE);
    for part in [
        Rect::from_min_max(whole.min, pos2(whole.right(), inner.top())),
        Rect::from_min_max(pos2(whole.left(), inner.bottom()), whole.max),
        Rect::from_min_max(pos2(whole.left(), inner.top()), pos2(inner.left(), inner.bottom())),
        Rect::from_min_max(pos2(inner.right(), inner.top()), pos2(whole.right(), inner.bottom())),
    ] {
        if part.is_positive() {
            painter.rect_filled(part, 0.0, shade);
        }
    }
    painter.rect_stroke(inner, 0.0, Stroke::new(1.0, theme::tokens(ui).accent), StrokeKind::Inside);
}

/// The field of a path: its id, its well and its name.
struct PathField {
    id: Id,
    well: InputWell,
    title: Response,
}

/// The path, to type or to paste.
fn path_ui(
    ui: &mut Ui,
    field: &PathField,
    text: &mut PathText,
    source: Option<&InputSource>,
) -> Option<ComposeAction> {
    let path = source.map(|source| source.path().to_path_buf());
    let text = text.show(path.as_ref());
    let edit = TextEdit::singleline(text).id(field.id).hint_text("drop, paste, or path");
    let response = ui.add(edit.desired_width(f32::INFINITY)).labelled_by(field.title.id);
    mark_form_text(&response);
    let typed = InputSource::parse(text);
    if !response.changed() || typed == path {
        return None;
    }
    let typed = typed.map(|path| match field.well {
        InputWell::Start => InputSource::of(path),
        InputWell::End => InputSource::Image(path),
    });
    Some(ComposeAction::SetInput(field.well, typed))
}

/// A verb of a well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WellVerb {
    Browse,
    Paste,
    LastFrame,
    Swap,
    Remove,
}

/// The verbs of a well, from left to right in either direction of the layout.
fn verbs_ui(
    ui: &mut Ui,
    well: InputWell,
    view: &ComposeView<'_>,
    is_set: bool,
    actions: &mut Vec<ComposeAction>,
) {
    let mut verbs = vec![WellVerb::Browse, WellVerb::Paste];
    verbs.extend((well == InputWell::Start).then_some(WellVerb::LastFrame));
    verbs.extend((well == InputWell::End && is_set).then_some(WellVerb::Swap));
    verbs.extend(is_set.then_some(WellVerb::Remove));
    if ui.layout().prefer_right_to_left() {
        verbs.reverse();
    }
    ui.spacing_mut().item_spacing.x = 4.0;
    for verb in verbs {
        verb_ui(ui, verb, well, view, actions);
    }
}

fn verb_ui(
    ui: &mut Ui,
    verb: WellVerb,
    well: InputWell,
    view: &ComposeView<'_>,
    actions: &mut Vec<ComposeAction>,
) {
    let name = match well {
        InputWell::Start => "start image",
        InputWell::End => "end image",
    };
    let (icon, verb_name, about, action) = match verb {
        WellVerb::LastFrame => return results_ui(ui, view, actions),
        WellVerb::Browse => {
            (ICON_FOLDER_OPEN, format!("Choose {name}"), "Choose a file", ComposeAction::Browse(well))
        }
        WellVerb::Paste => {
            let about = "Paste an image, or an image file, from the clipboard";
            (ICON_CONTENT_PASTE, format!("Paste {name}"), about, ComposeAction::Paste(well))
        }
        WellVerb::Swap => {
            let about = "Swap start and end image";
            (ICON_SWAP_VERT, "Swap images".to_owned(), about, ComposeAction::SwapImages)
        }
        WellVerb::Remove => {
            let action = ComposeAction::SetInput(well, None);
            (ICON_CLOSE, format!("Remove {name}"), "Make the video without it", action)
        }
    };
    let can_swap = view.draft.start_image.is_some() && view.draft.end_image.is_some();
    let is_enabled = verb != WellVerb::Swap || can_swap;
    if ui.add_enabled_ui(is_enabled, |ui| icon_button(ui, icon, &verb_name, about).clicked()).inner {
        actions.push(action);
    }
}

/// The finished videos whose last frame can be used.
fn results_ui(ui: &mut Ui, view: &ComposeView<'_>, actions: &mut Vec<ComposeAction>) {
    let about = "Go on from the last frame of a finished video";
    ui.add_enabled_ui(!view.results.is_empty(), |ui| {
        let menu = ui.menu_button(ICON_MOVIE.rich_text().size(theme::ICON_SIZE), |ui| {
            for result in view.results {
                if ui.button(&result.title).on_hover_text(result.path.display().to_string()).clicked() {
                    let source = InputSource::LastFrame(result.path.clone());
                    actions.push(ComposeAction::SetInput(InputWell::Start, Some(source)));
                    ui.close();
                }
            }
        });
        let response = menu.response.on_hover_text(about);
        named(&response.on_disabled_hover_text("No video is finished yet"), "Use last frame of…");
    });
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use eframe::egui::accesskit::Role;
    use egui_kittest::Harness;
    use egui_kittest::kittest::Queryable as _;

    use super::*;
    use crate::app::panels::compose::fixture::{ComposeHarness, harness};
    use crate::app::panels::compose::view::ResultFile;

    fn wells(bench: ComposeHarness) -> Harness<'static, ComposeHarness> {
        let mut wells = Wells::default();
        harness(bench, move |ui, view| {
            let (mut actions, mut draft) = (Vec::new(), view.draft.clone());
            let fields = Fields {
                draft: &mut draft,
                reference: None,
                reference_name: "",
                problems: view.problems,
                devices: view.devices,
            };
            wells.ui(ui, &fields, view, &mut actions);
            for action in &actions {
                if let ComposeAction::SetInput(InputWell::Start, source) = action {
                    InputSource::set_start(source.clone(), &mut draft);
                }
            }
            if draft != *view.draft {
                actions.push(ComposeAction::Edit(Box::new(draft)));
            }
            actions
        })
    }

    #[test]
    fn no_character_of_a_typed_path_is_lost() {
        let mut harness = wells(ComposeHarness::new());
        harness.get_by_role_and_label(Role::TextInput, "Start image").focus();
        harness.run();
        let typed = "/home/me/my  photos//a b .png";
        for letter in typed.chars() {
            harness.get_by_role_and_label(Role::TextInput, "Start image").type_text(&letter.to_string());
            harness.run();
        }
        let field = harness.get_by_role_and_label(Role::TextInput, "Start image");
        assert_eq!(field.value().as_deref(), Some(typed));
        assert_eq!(
            harness.state().draft.start_image.as_deref(),
            Some(Path::new("/home/me/my  photos/a b .png"))
        );
    }

    #[test]
    fn what_the_form_gets_otherwise_shows_in_the_field_and_can_be_removed() {
        let mut bench = ComposeHarness::new();
        bench.draft.start_image = Some("/a/cat.png".into());
        let mut harness = wells(bench);
        let field = harness.get_by_role_and_label(Role::TextInput, "Start image");
        assert_eq!(field.value().as_deref(), Some("/a/cat.png"));
        harness.get_by_role_and_label(Role::Button, "Remove start image").click();
        harness.run();
        assert_eq!(harness.state().draft.start_image, None);
    }

    #[test]
    fn a_file_is_chosen_pasted_or_taken_from_a_result() {
        let results = vec![ResultFile { title: "a red circle".into(), path: "/out/a.gif".into() }];
        let mut harness = wells(ComposeHarness { results, ..ComposeHarness::new() });
        for name in ["Choose start image", "Paste start image", "Use last frame of…"] {
            harness.get_by_role_and_label(Role::Button, name).click();
            harness.run();
        }
        harness.get_by_label("a red circle").click();
        harness.run();
        let actions = &harness.state().actions;
        assert_eq!(actions[0], ComposeAction::Browse(InputWell::Start));
        assert_eq!(actions[1], ComposeAction::Paste(InputWell::Start));
        let clip = InputSource::LastFrame("/out/a.gif".into());
        assert_eq!(actions[2], ComposeAction::SetInput(InputWell::Start, Some(clip)));
        assert_eq!(harness.state().draft.continue_from.as_deref(), Some(Path::new("/out/a.gif")));
    }

    #[test]
    fn both_images_can_be_swapped() {
        let mut bench = ComposeHarness::new();
        (bench.draft.start_image, bench.draft.end_image) = (Some("a.png".into()), Some("b.png".into()));
        let mut harness = wells(bench);
        harness.get_by_role_and_label(Role::Button, "Swap images").click();
        harness.run();
        assert_eq!(harness.state().actions, [ComposeAction::SwapImages]);
    }
}
