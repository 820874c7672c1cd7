//! The threads behind the image wells, and the textures of what they found.

use std::path::{Path, PathBuf};
use std::time::Duration;

use eframe::egui::{ColorImage, Context, TextureHandle, TextureOptions};

use super::clipboard::{paste, save_pasted};
use super::source::InputSource;
use super::well_image::{Decoder, Fitting, Question, WellImage, path_of};
use crate::app::background::file_dialog;
use crate::app::background::frame_image::color_image;
use crate::app::background::newest::Newest;
use crate::app::background::task::TaskThread;
use crate::core::{Error, Frame, Resolution, Result, Waker};

/// Time without typing before a path is opened.
const REST: Duration = Duration::from_millis(150);

/// Extensions that the dialog offers.
const IMAGES: [&str; 10] = ["png", "jpg", "jpeg", "webp", "gif", "bmp", "tif", "tiff", "mp4", "mov"];

/// A place of the form that takes an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::app) enum InputWell {
    /// What the video starts from.
    Start,
    /// What it ends with.
    End,
}

/// A file that was chosen in a dialog or pasted.
pub(in crate::app) struct Chosen {
    /// Where it goes.
    pub(in crate::app) well: InputWell,
    /// The file, or why there is none.
    pub(in crate::app) path: Result<PathBuf>,
}

/// The threads of both wells.
pub(in crate::app) struct Inputs {
    wells: [Well; 2],
    dialogs: TaskThread<Result<Option<(InputWell, PathBuf)>>>,
    clipboard: TaskThread<(InputWell, Result<PathBuf>)>,
    data_dir: PathBuf,
}

struct Well {
    thread: Newest<Question, Result<WellImage>>,
    whole: Option<TextureHandle>,
    fitted: Option<TextureHandle>,
}

/// What a well shows.
#[derive(Clone, Copy, Default)]
pub(in crate::app) struct WellView<'a> {
    /// The decoded image, or why there is none.
    pub(in crate::app) image: Option<&'a Result<WellImage>>,
    /// The texture of the whole image.
    pub(in crate::app) whole: Option<&'a TextureHandle>,
    /// The texture of what the model will see.
    pub(in crate::app) fitted: Option<&'a TextureHandle>,
    /// Whether the image is being read.
    pub(in crate::app) is_pending: bool,
}

impl Inputs {
    /// Starts the threads for a data folder. `waker` is called after each answer.
    pub(in crate::app) fn start(data_dir: &Path, waker: &Waker) -> Result<Self> {
        let well = |name| -> Result<Well> {
            let mut decoder = Decoder::default();
            let thread = Newest::start(name, REST, waker.clone(), move |question| decoder.decode(question))?;
            Ok(Well { thread, whole: None, fitted: None })
        };
        Ok(Self {
            wells: [well("start image")?, well("end image")?],
            dialogs: TaskThread::start_for_dialogs("image dialogs", waker.clone())?,
            clipboard: TaskThread::start("clipboard", waker.clone())?,
            data_dir: data_dir.to_path_buf(),
        })
    }

    /// Reads the image of a well, unless it is the one that was asked for last.
    pub(in crate::app) fn look(
        &mut self,
        well: InputWell,
        source: Option<InputSource>,
        fitting: Option<Fitting>,
    ) {
        let Well { thread, whole, fitted } = &mut self.wells[well as usize];
        if let Some(source) = source {
            thread.ask(Question { source, fitting });
        } else {
            thread.forget();
            (*whole, *fitted) = (None, None);
        }
    }

    /// Takes in the threads' answers; says which images were read, with their sizes.
    pub(in crate::app) fn drain(&mut self, ctx: &Context) -> Vec<(InputWell, PathBuf, Resolution)> {
        let mut found = Vec::new();
        for (well, state) in [InputWell::Start, InputWell::End].into_iter().zip(&mut self.wells) {
            if !state.thread.drain() {
                continue;
            }
            let image = state.thread.answer().and_then(|answer| answer.as_ref().ok());
            let texture = |frame: &Frame, what: &str| {
                let pixels = color_image(frame);
                ctx.load_texture(format!("{what} of {well:?}"), pixels, TextureOptions::LINEAR)
            };
            state.whole = image.map(|image| texture(&image.whole, "image"));
            let fitted = image.and_then(|image| image.fitted.as_ref());
            state.fitted = fitted.map(|frame| texture(frame, "crop"));
            let path = state.thread.asked().map(path_of);
            found.extend(path.zip(image).map(|(path, image)| (well, path, image.size)));
        }
        found
    }

    /// What a well shows.
    pub(in crate::app) fn view(&self, well: InputWell) -> WellView<'_> {
        let Well { thread, whole, fitted } = &self.wells[well as usize];
        // an image stays on screen while only the video's size changes
        let is_same = |(question, _): &&(Question, _)| {
            thread.asked().is_some_and(|asked| asked.source == question.source)
        };
        let image = thread.latest().filter(is_same).map(|(_, image)| image);
        let [whole, fitted] = [whole, fitted].map(|texture| texture.as_ref().filter(|_| image.is_some()));
        WellView { image, whole, fitted, is_pending: thread.is_pending() }
    }

    /// Shows the system's dialog for a well.
    pub(in crate::app) fn browse(&self, well: InputWell) {
        let title = match well {
            InputWell::Start => "Choose an image or clip to start from",
            InputWell::End => "Choose an image to end with",
        };
        self.dialogs.submit(move || {
            let dialog = rfd::FileDialog::new().set_title(title);
            let dialog = dialog.add_filter("Images and clips", &IMAGES).add_filter("All files", &["*"]);
            Ok(file_dialog::ask(|| dialog.pick_file())?.map(|path| (well, path)))
        });
    }

    /// Reads the clipboard for a well.
    pub(in crate::app) fn paste(&self, well: InputWell) {
        let data_dir = self.data_dir.clone();
        self.clipboard.submit(move || (well, paste(&data_dir)));
    }

    /// Saves an image that was pasted into the window, for a well.
    pub(in crate::app) fn paste_image(&self, well: InputWell, image: &ColorImage) {
        let (data_dir, [width, height]) = (self.data_dir.clone(), image.size);
        let rgba: Vec<u8> = image.pixels.iter().flat_map(|pixel| pixel.to_srgba_unmultiplied()).collect();
        let size = Resolution::new(width as u32, height as u32);
        self.clipboard.submit(move || (well, save_pasted(&data_dir, size, rgba)));
    }

    /// The next file that was chosen or pasted.
    pub(in crate::app) fn chosen(&self) -> Option<Chosen> {
        let failed = |error: Error| Chosen { well: InputWell::Start, path: Err(error) };
        if let Some(answer) = self.clipboard.poll() {
            return Some(match answer {
                Ok((well, path)) => Chosen { well, path },
                Err(error) => failed(error),
            });
        }
        while let Some(answer) = self.dialogs.poll() {
            match answer.flatten() {
                Ok(Some((well, path))) => return Some(Chosen { well, path: Ok(path) }),
                Ok(None) => {}
                Err(error) => return Some(failed(error)),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use super::*;
    use crate::media::{ImageFit, write_png};

    #[test]
    fn a_well_shows_the_part_that_the_video_will_show() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("wide.png");
        let size = Resolution::new(64, 32);
        write_png(&path, &Frame { size, rgb: vec![90; 64 * 32 * 3] }).unwrap();
        let waker: Waker = Arc::new(|| {});
        let mut inputs = Inputs::start(dir.path(), &waker).unwrap();
        let ctx = Context::default();
        let wait = |inputs: &mut Inputs| {
            let began = Instant::now();
            loop {
                let found = inputs.drain(&ctx);
                if !inputs.view(InputWell::Start).is_pending {
                    return found;
                }
                assert!(began.elapsed() < Duration::from_secs(20), "no answer");
                std::thread::park_timeout(Duration::from_millis(5));
            }
        };
        let fitting = Fitting { size: Resolution::new(32, 32), fit: ImageFit::Crop, token: 16 };
        inputs.look(InputWell::Start, Some(InputSource::Image(path.clone())), Some(fitting));
        assert_eq!(wait(&mut inputs), [(InputWell::Start, path.clone(), size)]);
        let view = inputs.view(InputWell::Start);
        let image = view.image.unwrap().as_ref().unwrap();
        assert_eq!((image.kept, image.is_cut), ([0.5, 1.0], true));
        assert!(view.whole.is_some() && view.fitted.is_some());
        inputs.look(InputWell::Start, Some(InputSource::Image(dir.path().join("none.png"))), None);
        assert!(inputs.view(InputWell::Start).is_pending);
        assert_eq!(wait(&mut inputs), []);
        assert!(inputs.view(InputWell::Start).image.unwrap().is_err());
        assert!(inputs.view(InputWell::Start).whole.is_none(), "the image of before is gone");
        inputs.look(InputWell::Start, None, None);
        assert!(inputs.view(InputWell::Start).image.is_none());
    }
}
