//! One error for the whole program: what happened, why, and what to do now.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::fix::Fix;

/// Shorthand for a result with the program's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of thing went wrong; decides exit code, retry and the button that is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The request cannot run as it is written.
    Input,
    /// A model, or a file of it, is not there.
    MissingModel,
    /// A model's files are there but wrong: truncated, other shapes, a wrong pair.
    CorruptModel,
    /// What was asked is not possible with this model, provider or build.
    Unsupported,
    /// ONNX Runtime itself is missing or of the wrong version.
    Runtime,
    /// Memory ran out, on the device or on the host.
    OutOfMemory,
    /// The device failed or was lost.
    Device,
    /// The computation itself failed or gave numbers that are no video.
    Generation,
    /// It took longer than it may.
    Timeout,
    /// A file could not be read or written.
    Io,
    /// The person stopped it; not a failure.
    Cancelled,
    /// A broken promise inside the program.
    Bug,
}

/// The categories that history and `--json` speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// The form or the command line.
    InputValidation,
    /// Device or host memory.
    VramMemory,
    /// A model is missing, corrupt or does not fit.
    ModelLoading,
    /// The run itself.
    GenerationPipeline,
    /// Runtime, driver, device.
    SystemResource,
    /// Disk and files.
    FileSystem,
    /// Stopped by the person.
    Cancelled,
    /// Our mistake.
    Bug,
}

/// What a person can do about an error; the window shows it as a button.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recovery {
    /// Change the field that is named.
    EditRequest,
    /// Look at the models: fetch, verify, choose another.
    OpenModels,
    /// Take smaller size, fewer frames or another precision.
    LowerSettings,
    /// Choose another folder or free some space.
    PickFolder,
    /// Try the same again.
    Retry,
    /// Install or point to ONNX Runtime.
    InstallRuntime,
    /// Tell us.
    Report,
}

impl Kind {
    /// The category that history and `--json` speak of.
    pub fn category(self) -> Category {
        match self {
            Self::Input | Self::Unsupported => Category::InputValidation,
            Self::MissingModel | Self::CorruptModel => Category::ModelLoading,
            Self::Runtime | Self::Device => Category::SystemResource,
            Self::OutOfMemory => Category::VramMemory,
            Self::Generation | Self::Timeout => Category::GenerationPipeline,
            Self::Io => Category::FileSystem,
            Self::Cancelled => Category::Cancelled,
            Self::Bug => Category::Bug,
        }
    }

    /// What a person can do, most useful first.
    pub fn recovery(self) -> &'static [Recovery] {
        match self {
            Self::Input => &[Recovery::EditRequest],
            Self::Unsupported => &[Recovery::EditRequest, Recovery::OpenModels],
            Self::MissingModel | Self::CorruptModel => &[Recovery::OpenModels],
            Self::Runtime => &[Recovery::InstallRuntime],
            Self::OutOfMemory => &[Recovery::LowerSettings, Recovery::Retry],
            Self::Device | Self::Generation | Self::Timeout => &[Recovery::Retry, Recovery::LowerSettings],
            Self::Io => &[Recovery::PickFolder],
            Self::Cancelled => &[],
            Self::Bug => &[Recovery::Report],
        }
    }
}

/// What happened, why, and what to do now.
///
/// `Display` gives what happened; the alternate form (`{:#}`) adds the cause and the remedy.
#[derive(Clone, Debug)]
pub struct Error {
    /// What kind of thing went wrong.
    pub kind: Kind,
    /// One sentence with the values in it, without a full stop.
    pub message: String,
    remedy: Option<String>,
    field: Option<&'static str>,
    changes: Vec<Fix>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of `kind` that says `message`.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), remedy: None, field: None, changes: Vec::new(), source: None }
    }

    /// The error of a run that was stopped.
    pub fn cancelled() -> Self {
        Self::new(Kind::Cancelled, "Cancelled")
    }

    /// Adds what to do now, one sentence.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Names the field of the request that is wrong.
    #[must_use]
    pub fn field(mut self, field: &'static str) -> Self {
        self.field = Some(field);
        self
    }

    /// Names changes of the form of which each may mend it, the one that costs the picture least first.
    #[must_use]
    pub fn with_fixes(mut self, changes: Vec<Fix>) -> Self {
        self.changes = changes;
        self
    }

    /// Keeps the cause.
    #[must_use]
    pub fn because(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// What to do now, if it was said.
    pub fn remedy_text(&self) -> Option<&str> {
        self.remedy.as_deref()
    }

    /// Changes of the form that may mend it.
    pub fn changes(&self) -> &[Fix] {
        &self.changes
    }

    /// The field of the request that is wrong, if one is.
    pub fn field_name(&self) -> Option<&'static str> {
        self.field
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if f.alternate() {
            if let Some(source) = &self.source {
                // a cause of foreign make may bring its own full stop
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
    fn says_what_why_and_what_now() {
        let io = std::io::Error::other("disk says no.");
        let error = Error::new(Kind::Io, "Cannot write the video").because(io).remedy("Free some space");
        assert_eq!(error.to_string(), "Cannot write the video");
        assert_eq!(format!("{error:#}"), "Cannot write the video: disk says no. Free some space");
        let json = serde_json::to_value(&error).unwrap();
        assert_eq!(json["category"], "file_system");
        assert_eq!(json["cause"], "disk says no.");
        assert_eq!(json["recovery"][0], "pick_folder");
    }
}
