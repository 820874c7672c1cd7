//! Faults made on purpose: the one seam through which tests see what happens when memory, disk or device fail.
//!
//! Off unless asked for by [`FAULTS_VARIABLE`] or by a test.

use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::cancel::CancelToken;
use super::error::{Error, Kind, Result};

/// Makes faults on purpose, for instance `out-of-memory@step:3, slow@step:1=2000, panic@decode x2`: at the named
/// point (its third step), for so many milliseconds, so many times.
pub const FAULTS_VARIABLE: &str = "WANDECK_FAULTS";

/// Where a fault can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultPoint {
    /// A network is loaded.
    Load,
    /// A denoising step, from 1.
    Step(u32),
    /// A decoded frame, from 1.
    Decode(u32),
    /// The finished video is given its name.
    Output,
    /// A record is appended to the journal.
    Journal,
    /// Where a run stands is written down.
    Checkpoint,
    /// The model's files are read.
    Read,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FaultKind {
    /// Memory runs out.
    OutOfMemory,
    /// The numbers are no numbers any more.
    NotFinite,
    /// The device is lost.
    DeviceLost,
    /// It takes so much longer.
    Slow(Duration),
    /// The disk is full.
    DiskFull,
    /// The file is damaged.
    Corrupt,
    /// The program has a mistake.
    Panic,
}

#[derive(Clone, Debug, PartialEq)]
struct Planned {
    fault: FaultKind,
    /// Name of the point, and which one if not any.
    point: (String, Option<u32>),
    times: u32,
}

/// Faults that are yet to happen. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Mutex<Vec<Planned>>>);

/// What else the caller has to do about a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Injected {
    /// Nothing.
    No,
    /// Make the numbers no numbers.
    NotFinite,
}

impl Faults {
    /// What [`FAULTS_VARIABLE`] asks for; nothing if it is not set.
    pub fn from_env() -> Result<Self> {
        match std::env::var(FAULTS_VARIABLE) {
            Ok(text) if !text.trim().is_empty() => text.parse(),
            _ => Ok(Self::default()),
        }
    }

    /// Plans more faults, in the form of [`FAULTS_VARIABLE`].
    pub fn add(&self, text: &str) -> Result<()> {
        let more = text.split(',').map(planned).collect::<Result<Vec<_>>>()?;
        self.planned().extend(more);
        Ok(())
    }

    /// Forgets those that did not happen.
    pub fn clear(&self) {
        self.planned().clear();
    }

    /// Whether any fault is yet to happen.
    pub fn is_empty(&self) -> bool {
        self.planned().is_empty()
    }

    /// Lets the faults planned for `point` happen: the error, the wait or the panic.
    pub fn inject(&self, point: FaultPoint, cancel: &CancelToken) -> Result<Injected> {
        match self.take(point) {
            None => Ok(Injected::No),
            Some(FaultKind::NotFinite) => Ok(Injected::NotFinite),
            Some(FaultKind::Slow(time)) => cancel.check_after(time).map(|()| Injected::No),
            Some(FaultKind::Panic) => break_a_promise(),
            Some(fault) => Err(fault.error()),
        }
    }

    fn take(&self, point: FaultPoint) -> Option<FaultKind> {
        let (name, index) = point.parts();
        let mut planned = self.planned();
        let fits =
            |one: &Planned| one.point.0 == name && one.point.1.is_none_or(|asked| index == Some(asked));
        let at = planned.iter().position(fits)?;
        planned[at].times -= 1;
        let fault = planned[at].fault;
        planned.retain(|one| one.times > 0);
        Some(fault)
    }

    fn planned(&self) -> std::sync::MutexGuard<'_, Vec<Planned>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(clippy::panic, reason = "asked for")]
fn break_a_promise() -> ! {
    panic!("a fault made on purpose")
}

impl FaultPoint {
    fn parts(self) -> (&'static str, Option<u32>) {
        match self {
            Self::Load => ("load", None),
            Self::Step(step) => ("step", Some(step)),
            Self::Decode(frame) => ("decode", Some(frame)),
            Self::Output => ("output", None),
            Self::Journal => ("journal", None),
            Self::Checkpoint => ("checkpoint", None),
            Self::Read => ("read", None),
        }
    }
}

const POINTS: [&str; 7] = ["load", "step", "decode", "output", "journal", "checkpoint", "read"];

impl FaultKind {
    fn error(self) -> Error {
        let (kind, what) = match self {
            Self::OutOfMemory => (Kind::OutOfMemory, "Memory ran out"),
            Self::DeviceLost => (Kind::Device, "The device was lost"),
            Self::DiskFull => (Kind::Io, "The disk is full"),
            Self::Corrupt => (Kind::CorruptModel, "The model's file is damaged"),
            Self::NotFinite | Self::Slow(_) | Self::Panic => (Kind::Bug, "A fault"),
        };
        Error::new(kind, format!("{what} (a fault made on purpose)"))
            .remedy(format!("Unset {FAULTS_VARIABLE}"))
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
fn planned(text: &str) -> Result<Planned> {
    let wrong = || {
        Error::new(Kind::Input, format!("\"{}\" is no fault", text.trim())).remedy(format!(
            "{FAULTS_VARIABLE} takes FAULT@POINT[:N][=MILLISECONDS][ xTIMES] with the faults out-of-memory, \
             not-finite, device-lost, slow, disk-full, corrupt and panic, and the points {}",
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
    let (point, index) = match point.split_once(':') {
        Some((point, index)) => (point, Some(number(index)?)),
        None => (point, None),
    };
    let fault = match name {
        "out-of-memory" => FaultKind::OutOfMemory,
        "not-finite" => FaultKind::NotFinite,
        "device-lost" => FaultKind::DeviceLost,
        "slow" => FaultKind::Slow(Duration::from_millis(u64::from(millis))),
        "disk-full" => FaultKind::DiskFull,
        "corrupt" => FaultKind::Corrupt,
        "panic" => FaultKind::Panic,
        _ => return Err(wrong()),
    };
    if times == 0 || !POINTS.contains(&point) {
        return Err(wrong());
    }
    Ok(Planned { fault, point: (point.to_owned(), index), times })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_happen_where_and_as_often_as_asked() {
        let faults: Faults = "out-of-memory@step:2 x2, not-finite@step:3".parse().unwrap();
        let cancel = CancelToken::new();
        let inject = |point| faults.inject(point, &cancel).map_err(|error| error.kind);
        assert_eq!(inject(FaultPoint::Step(1)), Ok(Injected::No));
        assert_eq!(inject(FaultPoint::Step(2)), Err(Kind::OutOfMemory));
        assert_eq!(inject(FaultPoint::Step(3)), Ok(Injected::NotFinite));
        assert_eq!(inject(FaultPoint::Step(2)), Err(Kind::OutOfMemory));
        assert!(faults.is_empty());
        assert_eq!(inject(FaultPoint::Step(2)), Ok(Injected::No));
    }

    #[test]
    fn a_slow_step_can_be_cancelled() {
        let faults: Faults = "slow@step=60000".parse().unwrap();
        let cancel = CancelToken::new();
        cancel.cancel();
        assert_eq!(faults.inject(FaultPoint::Step(1), &cancel).unwrap_err().kind, Kind::Cancelled);
    }

    #[test]
    fn nonsense_is_refused_with_the_form() {
        for text in ["", "x", "panic@nowhere", "panic@step:a", "panic@step x0"] {
            let error = text.parse::<Faults>().unwrap_err();
            assert!(format!("{error:#}").contains("FAULT@POINT"), "{text}");
        }
    }
}
