//! The images and clips of the form: what they do to mode, model and size.

use std::path::{Path, PathBuf};

use super::form::Form;
use crate::app::background::inputs::{Fitting, InputSource, InputWell};
use crate::core::{Draft, Mode, Resolution, Result};

impl Form {
    /// Takes a start image into the form; the video takes its shape. A model that takes none gives way to one that does.
    pub fn start_from(&mut self, path: PathBuf, size: Resolution) -> Result<()> {
        self.take_start(&InputSource::Image(path), size)
    }

    /// Continues from the last frame of a video. Selects another model if the current one takes no image.
    pub fn continue_from(&mut self, path: PathBuf) -> Result<()> {
        let with_clip = Draft { start_image: None, continue_from: Some(path), ..self.draft.clone() };
        let takes_image = self.limits().is_err() || self.planner.takes_image(&self.draft);
        let before = std::mem::replace(&mut self.draft, with_clip);
        if takes_image { Ok(()) } else { self.choose_by_inputs().inspect_err(|_| self.draft = before) }
    }

    /// Puts an image or clip into a well, as soon as it is named. Mode, model and size follow once it was read.
    pub(in crate::app) fn set_input(&mut self, well: InputWell, source: Option<InputSource>) {
        match well {
            InputWell::Start => InputSource::set_start(source.clone(), &mut self.draft),
            InputWell::End => {
                self.draft.end_image = source.as_ref().map(|source| source.path().to_path_buf());
            }
        }
        if source.is_none() && !self.is_mode_set() && !self.context.is_model_chosen {
            // without a start image there may be nothing to choose by; the form says what is missing then
            drop(self.choose_by_inputs());
        }
        self.awaited = source.map(|source| (well, source));
    }

    /// Swaps start and end image.
    pub(in crate::app) fn swap_images(&mut self) {
        std::mem::swap(&mut self.draft.start_image, &mut self.draft.end_image);
    }

    /// Takes in that a well's image was read. Mode, model and size follow it if a person has just put it there.
    pub(in crate::app) fn input_read(
        &mut self,
        well: InputWell,
        path: &Path,
        size: Resolution,
    ) -> Result<()> {
        let Some((_, source)) =
            self.awaited.take_if(|(for_well, source)| *for_well == well && source.path() == path)
        else {
            return Ok(());
        };
        match well {
            InputWell::Start => self.take_start(&source, size),
            InputWell::End => self.take_end(path.to_path_buf()),
        }
    }

    /// What the wells hold.
    pub(in crate::app) fn input(&self, well: InputWell) -> Option<InputSource> {
        match well {
            InputWell::Start => InputSource::start_of(&self.draft),
            InputWell::End => self.draft.end_image.clone().map(InputSource::Image),
        }
    }

    /// How the model will see an image.
    pub(in crate::app) fn fitting(&self) -> Option<Fitting> {
        Fitting::of(self.mode(), self.limits().ok()?, self.draft.size)
    }

    fn take_start(&mut self, source: &InputSource, size: Resolution) -> Result<()> {
        let mut with_image = self.draft.clone();
        InputSource::set_start(Some(source.clone()), &mut with_image);
        self.image = Some((source.path().to_path_buf(), size));
        if self.limits().is_ok() && !self.planner.takes_image(&self.draft) {
            let before = std::mem::replace(&mut self.draft, with_image);
            if self.is_mode_set() {
                return Ok(());
            }
            return self.choose_by_inputs().inspect_err(|_| self.draft = before);
        }
        self.draft = with_image;
        self.draft.size = self.planner.size_like(&self.draft, size);
        self.context.given_size = Some(self.draft.size);
        Ok(())
    }

    /// Takes an end image in. A model that takes none gives way to one that does, if there is a start image too.
    fn take_end(&mut self, path: PathBuf) -> Result<()> {
        self.draft.end_image = Some(path);
        let is_open = !self.is_mode_set() && self.draft.starts_from_image();
        if is_open && self.limits().is_ok() && self.mode() != Some(Mode::I2V) {
            let before: Draft = self.draft.clone();
            return self.choose_by_inputs().inspect_err(|_| self.draft = before);
        }
        Ok(())
    }
}
