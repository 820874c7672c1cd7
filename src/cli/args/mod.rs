//! The arguments of the command line, a file for each group of verbs.

mod bench;
mod desktop;
mod generate;
mod inspect;
mod models;
mod program;
mod queue;
mod records;
mod runtime;
mod settings;
mod sweep;
mod value;

pub(super) use bench::{BenchArgs, BenchVerb};
pub(super) use desktop::{DesktopArgs, DesktopVerb};
pub(super) use generate::Generate;
pub(super) use inspect::{Graph, GraphVerb, Lora, LoraVerb, Presets, PresetsVerb};
pub(super) use models::{
    ComponentName, Convert, DtypeName, FetchModel, LayoutName, LikeName, Models, ModelsVerb, Synth,
    TargetName,
};
pub use program::{Cli, RendererName};
pub(super) use program::{Command, Common};
pub(super) use queue::{QueueArgs, QueueVerb};
pub(super) use records::{Analysis, Compare, Doctor, Monitor, Tasks};
pub(super) use runtime::{RuntimeArgs, RuntimeVerb};
pub(super) use settings::{SettingsArgs, SettingsVerb};
pub(super) use sweep::{DraftArgs, SampleName, SweepArgs};
