//! The error type of the whole program: what happened, why, and what to do now.

use std::fmt;
use std::io::{self, ErrorKind};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::fix::Fix;

/// A result with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Kind of an error; decides the exit code, the retry and the recovery that the window offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The request is invalid.
    Input,
    /// A model, or one of its files, is missing.
    MissingModel,
    /// A model's files are truncated, damaged or do not belong together.
    CorruptModel,
    /// Not supported by this model, provider or build.
    Unsupported,
    /// ONNX Runtime is missing or has the wrong version.
    Runtime,
    /// Out of device or host memory.
    OutOfMemory,
    /// The device failed.
    Device,
    /// The device is lost to this process: every further call to it fails, and only a new process can use it again.
    DeviceLost,
    /// The computation failed or gave NaN or infinite values.
    Generation,
    /// The time limit was exceeded.
    Timeout,
    /// A file could not be read or written.
    Io,
    /// A server could not be reached, or its answer cannot be used.
    Network,
    /// Cancelled by the user; not a failure.
    Cancelled,
    /// An internal error of the program.
    Bug,
}

/// Category of an error in history and `--json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// Settings of the job or the command line.
    InputValidation,
    /// Device or host memory.
    VramMemory,
    /// A model that is missing, corrupt or incompatible.
    ModelLoading,
    /// The generation itself.
    GenerationPipeline,
    /// ONNX Runtime, driver or device.
    SystemResource,
    /// Disk or files.
    FileSystem,
    /// Cancelled by the user.
    Cancelled,
    /// An internal error of the program.
    Bug,
}

impl Category {
    /// The word for it in records and `--json`.
    pub fn word(self) -> &'static str {
        match self {
            Self::InputValidation => "input_validation",
            Self::VramMemory => "vram_memory",
            Self::ModelLoading => "model_loading",
            Self::GenerationPipeline => "generation_pipeline",
            Self::SystemResource => "system_resource",
            Self::FileSystem => "file_system",
            Self::Cancelled => "cancelled",
            Self::Bug => "bug",
        }
    }
}

/// A recovery from an error that the window offers as a button.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recovery {
    /// Change the field that the error names.
    EditRequest,
    /// Open the models: fetch, verify or choose another.
    OpenModels,
    /// Use a smaller size, fewer frames or another precision.
    LowerSettings,
    /// Choose another folder, or free some disk space.
    PickFolder,
    /// Retry unchanged.
    Retry,
    /// Install ONNX Runtime, or set the path to it.
    InstallRuntime,
    /// Report the error to the developers.
    Report,
}

impl Recovery {
    /// What to do, as a sentence without a full stop.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::EditRequest => "Change the setting that the error names",
            Self::OpenModels => "Check the model's files, or choose another model",
            Self::LowerSettings => "Use a smaller size, fewer frames or another precision",
            Self::PickFolder => "Choose another folder, or free some disk space",
            Self::Retry => "Try again",
            Self::InstallRuntime => "Install ONNX Runtime, or set ORT_DYLIB_PATH to its library",
            Self::Report => "Report the error to the developers",
        }
    }
}

impl Kind {
    /// The category of this kind.
    pub fn category(self) -> Category {
        match self {
            Self::Input | Self::Unsupported => Category::InputValidation,
            Self::MissingModel | Self::CorruptModel => Category::ModelLoading,
            Self::Runtime | Self::Device | Self::DeviceLost | Self::Network => Category::SystemResource,
            Self::OutOfMemory => Category::VramMemory,
            Self::Generation | Self::Timeout => Category::GenerationPipeline,
            Self::Io => Category::FileSystem,
            Self::Cancelled => Category::Cancelled,
            Self::Bug => Category::Bug,
        }
    }

    /// Recoveries, the most useful first.
    pub fn recovery(self) -> &'static [Recovery] {
        match self {
            Self::Input => &[Recovery::EditRequest],
            Self::Unsupported => &[Recovery::EditRequest, Recovery::OpenModels],
            Self::MissingModel | Self::CorruptModel => &[Recovery::OpenModels],
            Self::Runtime => &[Recovery::InstallRuntime],
            Self::OutOfMemory => &[Recovery::LowerSettings, Recovery::Retry],
            Self::Device | Self::Generation | Self::Timeout => &[Recovery::Retry, Recovery::LowerSettings],
            Self::Io => &[Recovery::PickFolder],
            Self::DeviceLost | Self::Network => &[Recovery::Retry],
            Self::Cancelled => &[],
            Self::Bug => &[Recovery::Report],
        }
    }
}

/// An error of the program: what happened, why, and what to do now.
///
/// `Display` shows what happened; the alternate form (`{:#}`) adds the cause and the remedy.
#[derive(Clone, Debug)]
pub struct Error {
    /// Kind of the error.
    pub kind: Kind,
    /// What happened: one sentence that contains the values, without a full stop.
    pub message: String,
    remedy: Option<String>,
    field: Option<&'static str>,
    fixes: Vec<Fix>,
    is_disk_full: bool,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of `kind` with the sentence `message`.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        let message = message.into();
        let fixes = Vec::new();
        Self { kind, message, remedy: None, field: None, fixes, is_disk_full: false, source: None }
    }

    /// The error of a cancelled job.
    pub fn cancelled() -> Self {
        Self::new(Kind::Cancelled, "Cancelled")
    }

    /// Sets what to do now: one sentence without a full stop.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Sets the name of the request's invalid field.
    #[must_use]
    pub fn field(mut self, field: &'static str) -> Self {
        self.field = Some(field);
        self
    }

    /// Sets suggested fixes, each of which may help by itself, the one with the least effect on the video first.
    #[must_use]
    pub fn with_fixes(mut self, fixes: Vec<Fix>) -> Self {
        self.fixes = fixes;
        self
    }

    /// Marks an error as that of a disk with too little space, where no write has failed.
    #[must_use]
    pub fn of_full_disk(mut self) -> Self {
        self.is_disk_full = true;
        self
    }

    /// Sets the cause.
    #[must_use]
    pub fn because(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// Whether a disk has too little space: it is marked so, or a write has failed for it.
    pub fn is_disk_full(&self) -> bool {
        let mut cause = std::error::Error::source(self);
        while let Some(inner) = cause {
            let io = inner.downcast_ref::<io::Error>().map(io::Error::kind);
            if matches!(io, Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded)) {
                return true;
            }
            cause = inner.source();
        }
        self.is_disk_full
    }

    /// What to do now, if known.
    pub fn remedy_text(&self) -> Option<&str> {
        self.remedy.as_deref()
    }

    /// Suggested fixes.
    pub fn fixes(&self) -> &[Fix] {
        &self.fixes
    }

    /// Name of the request's invalid field, if the error is about one.
    pub fn field_name(&self) -> Option<&'static str> {
        self.field
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if f.alternate() {
            if let Some(source) = &self.source {
                // errors of other crates may end with a full stop
                write!(f, ": {}", source.to_string().trim_end_matches('.'))?;
            }
            if let Some(remedy) = &self.remedy {
                write!(f, ". {remedy}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source.as_ref() as _)
    }
}

impl Serialize for Error {
    /// `{category, kind, field, message, cause, remedy, recovery[]}`.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        let mut out = serializer.serialize_struct("Error", 7)?;
        out.serialize_field("category", &self.kind.category())?;
        out.serialize_field("kind", &self.kind)?;
        out.serialize_field("field", &self.field)?;
        out.serialize_field("message", &self.message)?;
        out.serialize_field("cause", &self.source.as_ref().map(ToString::to_string))?;
        out.serialize_field("remedy", &self.remedy)?;
        out.serialize_field("recovery", self.kind.recovery())?;
        out.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_message_cause_and_remedy() {
        let io = std::io::Error::other("disk says no.");
        let error = Error::new(Kind::Io, "Cannot write the video").because(io).remedy("Free some space");
        assert_eq!(error.to_string(), "Cannot write the video");
        assert_eq!(format!("{error:#}"), "Cannot write the video: disk says no. Free some space");
        let json = serde_json::to_value(&error).unwrap();
        assert_eq!(json["category"], "file_system");
        assert_eq!(json["cause"], "disk says no.");
        assert_eq!(json["recovery"][0], "pick_folder");
    }

    #[test]
    fn a_full_disk_is_known_by_its_mark_and_by_its_cause() {
        let error = Error::new(Kind::Io, "Cannot write the video");
        assert!(!error.is_disk_full());
        assert!(error.clone().of_full_disk().is_disk_full());
        let below = error.clone().because(io::Error::from(ErrorKind::StorageFull));
        assert!(below.is_disk_full());
        assert!(Error::new(Kind::Io, "The job failed").because(below).is_disk_full(), "at any depth");
        assert!(!error.because(io::Error::from(ErrorKind::NotFound)).is_disk_full());
    }
}
