//! The data and actions of the sweep panel.

use std::path::PathBuf;

use eframe::egui::{TextureId, Vec2};

use crate::app::background::searches::SearchStatus;
use crate::core::{Draft, Error};
use crate::jobs::JobId;
use crate::presets::Preset;
use crate::queue::GroupVerb;
use crate::sweep::{
    CellDifference, CellResult, SearchTrace, Sweep, SweepEstimate, SweepPlan, SweepRecord, SweepTable,
};

/// Gives the texture of a cell's current frame, or of its thumbnail, and its size in pixels.
pub(super) type FrameOfCell<'a> = &'a dyn Fn(&CellResult) -> Option<(TextureId, Vec2)>;

/// Gives the difference of the job with an id to the reference cell.
pub(super) type DifferenceOfCell<'a> = &'a dyn Fn(&str) -> Option<Result<CellDifference, &'a Error>>;

/// The data that the panel shows.
#[derive(Clone, Copy)]
pub(in crate::app) struct SweepView<'a> {
    /// All sweeps, the newest first.
    pub(in crate::app) records: &'a [SweepRecord],
    /// The sweep in the grid, and what became of its cells.
    pub(in crate::app) open: Option<(&'a SweepRecord, &'a SweepTable)>,
    /// The current frame of a cell's video; its thumbnail where the cell does not play.
    pub(in crate::app) frame: FrameOfCell<'a>,
    /// Stars of the job with this id.
    pub(in crate::app) stars: &'a dyn Fn(&str) -> u8,
    /// The difference of the job with this id to the reference cell; none while it is not measured.
    pub(in crate::app) difference: DifferenceOfCell<'a>,
    /// What the search in the grid has found; none for a sweep that is no search.
    pub(in crate::app) trace: Option<&'a SearchTrace>,
    /// Where that search is; none for one that is not carried on.
    pub(in crate::app) search_status: Option<&'a SearchStatus>,
    /// The sweep that would be started, or why it cannot be made.
    pub(in crate::app) plan: Option<&'a Result<SweepPlan, Error>>,
    /// What it would cost; none while it is estimated.
    pub(in crate::app) estimate: Option<&'a Result<SweepEstimate, Error>>,
    /// The form, which every cell starts from.
    pub(in crate::app) draft: &'a Draft,
    /// The preset of the form.
    pub(in crate::app) preset: Option<&'a Preset>,
}

/// Actions of the sweep panel.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::app) enum SweepAction {
    /// Plan this sweep of the form and estimate its cost; nothing for no sweep.
    Plan(Option<Box<Sweep>>),
    /// Start the planned sweep.
    Start,
    /// Show this sweep in the grid.
    Open(String),
    /// Do this with all jobs of the sweep in the grid.
    Group(GroupVerb),
    /// Finish these drafts, and cancel the other drafts of the sweep.
    Finish(Vec<JobId>),
    /// Show this cell first, or at its place again.
    Pin(Vec<u32>),
    /// Compare the others with this cell, or no more.
    Reference(Vec<u32>),
    /// Show this cell no more.
    Drop(Vec<u32>),
    /// Show the dropped cells again.
    ShowDropped,
    /// Give the job with this id so many stars.
    Star(String, u8),
    /// Save these settings as a preset of this name.
    SavePreset(String, Box<Draft>),
    /// Show this video in the player.
    Show(JobId, PathBuf),
    /// Open these videos in the comparison, the first one as the reference.
    Compare(Vec<PathBuf>),
    /// Take these settings into the form.
    Reuse(Box<Draft>),
    /// Write the sweep in the grid to a new folder.
    Export,
    /// Continue the search with this id.
    ContinueSearch(String),
}
