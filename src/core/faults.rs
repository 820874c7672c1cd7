//! Injected faults, with which tests observe failures of memory, disk or device.
//!
//! Off unless [`FAULTS_VARIABLE`] is set or a test plans some.

use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::cancel::CancelToken;
use super::error::{Error, Kind, Result};

/// Environment variable that plans faults, for instance `out-of-memory@step:3, slow@step:1=2000, panic@decode x2`.
///
/// Each is `FAULT@POINT[:N][=MILLISECONDS][ xTIMES]`: at occurrence `N` of the point (any if not given), for a duration
/// (of `slow` only), a number of times.
pub const FAULTS_VARIABLE: &str = "WANDECK_FAULTS";

/// Point in the program where a fault can be injected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultPoint {
    /// The checks before a run.
    Preflight,
    /// Building the networks of a run.
    Prepare,
    /// Loading a component.
    Load,
    /// A denoising step, counted from 1.
    Step(u32),
    /// A decoded frame, counted from 1.
    Decode(u32),
    /// Renaming the finished video to its final name.
    Output,
    /// Appending a record to the journal.
    Journal,
    /// Saving the resume point.
    ResumePoint,
    /// Reading the model's files.
    Read,
}

/// Kind of an injected fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FaultKind {
    /// An out-of-memory error.
    OutOfMemory,
    /// The result becomes NaN.
    NotFinite,
    /// A failure of the device.
    DeviceFailed,
    /// A device that is lost to this process.
    DeviceLost,
    /// A delay.
    Slow(Duration),
    /// A full disk.
    DiskFull,
    /// A damaged file.
    Corrupt,
    /// A panic.
    Panic,
}

#[derive(Clone, Debug, PartialEq)]
struct PlannedFault {
    fault: FaultKind,
    /// Name of the point.
    point: String,
    /// Occurrence of the point, counted from 1; any if `None`.
    occurrence: Option<u32>,
    times: u32,
}

/// Planned faults that have not happened yet. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Mutex<Vec<PlannedFault>>>);

/// What the caller has to do itself to complete an injected fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Injected {
    /// Nothing to do.
    Nothing,
    /// Replace the result by NaN.
    NotFinite,
}

impl Faults {
    /// The faults planned by [`FAULTS_VARIABLE`]; none if it is not set.
    pub fn from_env() -> Result<Self> {
        match std::env::var(FAULTS_VARIABLE) {
            Ok(text) if !text.trim().is_empty() => text.parse(),
            _ => Ok(Self::default()),
        }
    }

    /// Plans more faults, in the syntax of [`FAULTS_VARIABLE`].
    pub fn add(&self, text: &str) -> Result<()> {
        let more = text.split(',').map(parse_fault).collect::<Result<Vec<_>>>()?;
        self.planned().extend(more);
        Ok(())
    }

    /// Discards the faults that have not happened yet.
    pub fn clear(&self) {
        self.planned().clear();
    }

    /// Whether no fault is planned.
    pub fn is_empty(&self) -> bool {
        self.planned().is_empty()
    }

    /// Injects the next fault planned for `point`: returns its error, waits or panics.
    pub fn inject(&self, point: FaultPoint, cancel: &CancelToken) -> Result<Injected> {
        match self.take(point) {
            None => Ok(Injected::Nothing),
            Some(FaultKind::NotFinite) => Ok(Injected::NotFinite),
            Some(FaultKind::Slow(time)) => cancel.check_after(time).map(|()| Injected::Nothing),
            Some(FaultKind::Panic) => injected_panic(),
            Some(fault) => Err(fault.error()),
        }
    }

    fn take(&self, point: FaultPoint) -> Option<FaultKind> {
        let (name, number) = point.name_and_number();
        let mut planned = self.planned();
        let matches = |plan: &PlannedFault| {
            plan.point == name && plan.occurrence.is_none_or(|wanted| number == Some(wanted))
        };
        let at = planned.iter().position(matches)?;
        planned[at].times -= 1;
        let fault = planned[at].fault;
        planned.retain(|plan| plan.times > 0);
        Some(fault)
    }

    fn planned(&self) -> std::sync::MutexGuard<'_, Vec<PlannedFault>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(clippy::panic, reason = "this is the fault")]
fn injected_panic() -> ! {
    panic!("injected fault")
}

impl FaultPoint {
    fn name_and_number(self) -> (&'static str, Option<u32>) {
        match self {
            Self::Preflight => ("preflight", None),
            Self::Prepare => ("prepare", None),
            Self::Load => ("load", None),
            Self::Step(step) => ("step", Some(step)),
            Self::Decode(frame) => ("decode", Some(frame)),
            Self::Output => ("output", None),
            Self::Journal => ("journal", None),
            Self::ResumePoint => (RESUME_POINT, None),
            Self::Read => ("read", None),
        }
    }
}

const RESUME_POINT: &str = "resume-point";
/// Former name of [`RESUME_POINT`], still accepted.
const CHECKPOINT: &str = "checkpoint";
const POINTS: [&str; 9] =
    ["preflight", "prepare", "load", "step", "decode", "output", "journal", RESUME_POINT, "read"];

impl FaultKind {
    fn error(self) -> Error {
        let (kind, what) = match self {
            Self::OutOfMemory => (Kind::OutOfMemory, "Out of memory"),
            Self::DeviceFailed => (Kind::Device, "The device failed"),
            Self::DeviceLost => (Kind::DeviceLost, "The device is lost to this program"),
            Self::DiskFull => (Kind::Io, "The disk is full"),
            Self::Corrupt => (Kind::CorruptModel, "The model file is damaged"),
            Self::NotFinite | Self::Slow(_) | Self::Panic => (Kind::Bug, "A fault happened"),
        };
        Error::new(kind, format!("{what} (injected fault)")).remedy(format!("Unset {FAULTS_VARIABLE}"))
    }
}

impl FromStr for Faults {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let faults = Self::default();
        faults.add(text)?;
        Ok(faults)
    }
}

/// `FAULT@POINT[:N][=MS][ xTIMES]`
fn parse_fault(text: &str) -> Result<PlannedFault> {
    let wrong = || {
        Error::new(Kind::Input, format!("\"{}\" is not a fault", text.trim())).remedy(format!(
            "Set {FAULTS_VARIABLE} to FAULT@POINT[:N][=MILLISECONDS][ xTIMES] with the faults out-of-memory, \
             not-finite, device-failed, device-lost, slow, disk-full, corrupt and panic, and the points {}",
            POINTS.join(", ")
        ))
    };
    let number = |text: &str| text.trim().parse::<u32>().map_err(|error| wrong().because(error));
    let (rest, times) = match text.trim().split_once(" x") {
        Some((rest, times)) => (rest, number(times)?),
        None => (text.trim(), 1),
    };
    let (rest, millis) = match rest.split_once('=') {
        Some((rest, millis)) => (rest, number(millis)?),
        None => (rest, 0),
    };
    let (name, point) = rest.split_once('@').ok_or_else(wrong)?;
    let (point, occurrence) = match point.split_once(':') {
        Some((point, occurrence)) => (point, Some(number(occurrence)?)),
        None => (point, None),
    };
    let fault = match name {
        "out-of-memory" => FaultKind::OutOfMemory,
        "not-finite" => FaultKind::NotFinite,
        "device-failed" => FaultKind::DeviceFailed,
        "device-lost" => FaultKind::DeviceLost,
        "slow" => FaultKind::Slow(Duration::from_millis(u64::from(millis))),
        "disk-full" => FaultKind::DiskFull,
        "corrupt" => FaultKind::Corrupt,
        "panic" => FaultKind::Panic,
        _ => return Err(wrong()),
    };
    let point = if point == CHECKPOINT { RESUME_POINT } else { point };
    if times == 0 || !POINTS.contains(&point) {
        return Err(wrong());
    }
    Ok(PlannedFault { fault, point: point.to_owned(), occurrence, times })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_happen_at_their_point_and_as_often_as_planned() {
        let faults: Faults = "out-of-memory@step:2 x2, not-finite@step:3".parse().unwrap();
        let cancel = CancelToken::new();
        let inject = |point| faults.inject(point, &cancel).map_err(|error| error.kind);
        assert_eq!(inject(FaultPoint::Step(1)), Ok(Injected::Nothing));
        assert_eq!(inject(FaultPoint::Step(2)), Err(Kind::OutOfMemory));
        assert_eq!(inject(FaultPoint::Step(3)), Ok(Injected::NotFinite));
        assert_eq!(inject(FaultPoint::Step(2)), Err(Kind::OutOfMemory));
        assert!(faults.is_empty());
        assert_eq!(inject(FaultPoint::Step(2)), Ok(Injected::Nothing));
    }

    #[test]
    fn a_slow_step_can_be_cancelled() {
        let faults: Faults = "slow@step=60000".parse().unwrap();
        let cancel = CancelToken::new();
        cancel.cancel();
        assert_eq!(faults.inject(FaultPoint::Step(1), &cancel).unwrap_err().kind, Kind::Cancelled);
    }

    #[test]
    fn the_former_name_of_the_resume_point_is_accepted() {
        for text in ["disk-full@resume-point", "disk-full@checkpoint"] {
            let faults: Faults = text.parse().unwrap();
            let error = faults.inject(FaultPoint::ResumePoint, &CancelToken::new()).unwrap_err();
            assert_eq!(error.message, "The disk is full (injected fault)");
        }
    }

    #[test]
    fn invalid_text_is_rejected_with_the_syntax() {
        for text in ["", "x", "panic@nowhere", "panic@step:a", "panic@step x0"] {
            let error = text.parse::<Faults>().unwrap_err();
            assert!(format!("{error:#}").contains("FAULT@POINT"), "{text}");
        }
    }
}
