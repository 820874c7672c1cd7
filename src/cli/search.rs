//! A guided search on the command line: runs its trials, rates them, and prints its trace.

use super::args::Generate;
use super::report::{Output, note, out};
use super::sweep::{RunningJobs, saved_table};
use super::{Places, plan, service};
use crate::core::{Error, Kind, Result, Secs};
use crate::jobs::JobSpec;
use crate::library::Ratings;
use crate::plan::{JobOptions, Planner};
use crate::queue::{QueueCommand, Scope};
use crate::sweep::{
    Goal, SearchCommands, SearchDriver, SearchProgress, SearchStart, SearchTrace, SweepPlan, SweepRecord,
    TrialRow,
};

/// Width of the plot in characters.
const PLOT: usize = 40;
const WHO: &str = "wandeck sweep";
const RESUME: &str = "\"wandeck sweep --continue NAME\" resumes the search where it is";

/// What the jobs of further trials are planned with.
pub(super) struct Plans {
    pub(super) planner: Planner,
    pub(super) options: JobOptions,
}

/// Runs a new search until it ends or waits for the user.
pub(super) fn run(started: SweepPlan, plans: &Plans, places: &Places, output: Output) -> Result<()> {
    note(&format!(
        "Search for the {} in {}",
        started.record.sweep.search.map_or_else(String::new, |search| search.goal_words()),
        started.record.folder.display()
    ));
    let driver = driver(&started.record, places, SearchStart::New)?;
    drive(driver, started.specs, plans, places, output, Scope::Own)
}

/// Continues an earlier search until it ends or waits for the user.
pub(super) fn go_on(record: &SweepRecord, args: &Generate, places: &Places, output: Output) -> Result<()> {
    if record.sweep.search.is_none() {
        return Err(Error::new(Kind::Input, format!("The sweep {} is no search", record.name))
            .field("continue")
            .remedy("\"wandeck queue run\" resumes the jobs of a sweep"));
    }
    let (planner, _, options) = plan::base(args, places, true)?;
    let driver = driver(record, places, SearchStart::Continued)?;
    // the trial that was interrupted is any program's
    drive(driver, Vec::new(), &Plans { planner, options }, places, output, Scope::Everything)
}

fn driver(record: &SweepRecord, places: &Places, start: SearchStart) -> Result<SearchDriver> {
    SearchDriver::take(&places.data_dir, &record.id, WHO, start)?.map_err(|holder| {
        Error::new(Kind::Input, format!("The search {} is already carried on by {holder}", record.name))
            .field("continue")
            .remedy("Wait for it, or close that program")
    })
}

fn drive(
    mut driver: SearchDriver,
    first: Vec<JobSpec>,
    plans: &Plans,
    places: &Places,
    output: Output,
    scope: Scope,
) -> Result<()> {
    let mut running = RunningJobs::start(service(WHO, scope)?, places, output, RESUME)?;
    if !first.is_empty() {
        running.submit(first)?;
    }
    let ended = steps(&mut driver, &mut running, plans);
    if let Ok(sentence) = &ended {
        running.note(sentence);
    }
    running.shut_down();
    ended.map(drop)
}

/// Carries the search on; returns why it does not go on.
fn steps(driver: &mut SearchDriver, running: &mut RunningJobs, plans: &Plans) -> Result<String> {
    loop {
        if !running.is_idle()? {
            continue;
        }
        let snapshot = running.worker.snapshot();
        match driver.advance(&snapshot.jobs, &plans.planner, &plans.options)? {
            SearchProgress::Commands(SearchCommands { submit, resume, cancel }) => {
                if !submit.is_empty() {
                    running.submit(submit)?;
                }
                for job in resume {
                    running.worker.command(QueueCommand::Resume(job))?;
                }
                for job in cancel {
                    running.worker.command(QueueCommand::Cancel(job))?;
                }
            }
            SearchProgress::Running if snapshot.is_paused => {
                return Ok("The search waits: the queue is paused".to_owned());
            }
            SearchProgress::Running if running.worker.is_disk_full() || running.worker.is_device_lost() => {
                return Ok("The search waits: no job can run now".to_owned());
            }
            SearchProgress::Running => {}
            SearchProgress::Waiting(wait) => return Ok(wait.sentence()),
            SearchProgress::Ended(end) => return Ok(end.sentence().to_owned()),
        }
    }
}

/// Gives the cells with these numbers, as the table shows them, so many stars.
pub(super) fn rate(record: &SweepRecord, stars: &[(usize, u8)], places: &Places) -> Result<()> {
    if stars.is_empty() {
        return Ok(());
    }
    let table = saved_table(record, places, WHO)?;
    let first = usize::from(record.sweep.search.is_none_or(|search| !search.has_reference()));
    let mut ratings = Ratings::load(&places.data_dir)?;
    for (number, stars) in stars {
        let cell = number.checked_sub(first).and_then(|index| table.cells.get(index));
        let uid = cell.filter(|cell| cell.output.is_some()).and_then(|cell| cell.uid.as_ref());
        let uid = uid.ok_or_else(|| {
            Error::new(Kind::Input, format!("{number} is not the number of a finished cell"))
                .field("rate")
                .remedy(format!("\"wandeck sweep --show {}\" shows the numbers", record.id))
        })?;
        ratings.rate(uid, *stars)?;
    }
    Ok(())
}

/// Prints the trace as a table with a bar for each trial, the best one and the importance of the fields.
pub(super) fn print(trace: &SearchTrace) {
    let goal = trace.search.goal;
    out(&format!("Search for the {}", trace.goal));
    let width = trace.trials.iter().map(|row| row.label.chars().count()).max().unwrap_or_default();
    let longest = trace.trials.iter().filter_map(|row| row.value(goal)).fold(0.0, f64::max);
    for row in &trace.trials {
        let number = if row.number == 0 { "ref".to_owned() } else { row.number.to_string() };
        let mark = if Some(row.number) == trace.best { '*' } else { ' ' };
        let measured = measured_words(trace, row);
        let filled = row.value(goal).map_or(0, |value| (value / longest.max(1e-9) * PLOT as f64) as usize);
        let bar = if row.satisfies == Some(false) { "." } else { "#" }.repeat(filled.min(PLOT));
        let line =
            format!("{number:>4}{mark} {:<width$}  {:<9}  {measured:<24}  {bar}", row.label, row.status);
        out(line.trim_end());
    }
    if matches!(goal, Goal::Fastest { .. }) {
        out("Bars: time; # satisfies the bound, . does not");
    }
    out(&trace.sentence());
    for known in trace.importance.iter().filter(|known| !known.words().is_empty()) {
        out(&format!("Importance of {}: {}", known.field, known.words()));
    }
}

fn measured_words(trace: &SearchTrace, row: &TrialRow) -> String {
    match trace.search.goal {
        Goal::BestRated if row.stars == 0 => "not rated".to_owned(),
        Goal::BestRated => format!("{} of 5 stars", row.stars),
        Goal::Fastest { metric, .. } => {
            let seconds = row.note.seconds.map(|Secs(seconds)| format!("{seconds:.2} s"));
            let difference =
                row.note.difference.map(|value| format!("{} {}", metric.label(), metric.text(value)));
            let preview = row.note.preview_psnr.filter(|_| row.note.is_stopped);
            let preview = preview.map(|psnr| format!("preview PSNR {psnr:.1} dB"));
            [seconds, difference, preview].into_iter().flatten().collect::<Vec<_>>().join("  ")
        }
    }
}
