//! `wandeck sweep`: runs a sweep without a window and prints its table.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvError, select};
use serde_json::json;

use super::args::{Common, SampleName, SweepArgs};
use super::plan;
use super::report::{self, Output, ProgressPrinter, note, out, print_document, print_json};
use super::search;
use super::signals::{STOPPING, stops};
use super::{ExitCode, Places, service};
use crate::core::{Error, Faults, Kind, Result, Secs, counted};
use crate::jobs::{JobSpec, JobStatus};
use crate::library::Ratings;
use crate::plan::{JobOptions, Planner};
use crate::queue::{Queue, Scope};
use crate::stop_signals::Stop;
use crate::store::log_to_file;
use crate::sweep::{
    Sampling, Sweep, SweepEstimate, SweepPlan, SweepRecord, SweepStore, SweepTable, collect, estimate,
    export_sweep, search_trace,
};
use crate::worker::{Worker, WorkerOptions};

/// Seed of the sampling.
const SAMPLING_SEED: u32 = 0;
/// How often the end of the jobs is checked.
const POLL: Duration = Duration::from_millis(20);

pub(super) fn run(args: &SweepArgs, common: &Common) -> Result<ExitCode> {
    let places = Places::new(common)?;
    let store = SweepStore::new(&places.data_dir);
    if args.list {
        list(&store, common.json);
        return Ok(ExitCode::Done);
    }
    if let Some(name) = args.show.as_ref().or(args.continued.as_ref()) {
        let record = store.find(name)?;
        search::rate(&record, &args.rate, &places)?;
        let output = Output::of(args.generate.events, common);
        if args.continued.is_some() {
            search::go_on(&record, &args.generate, &places, output)?;
        }
        return finish(&record.id, args, &places, output);
    }
    let (planner, options, plan) = planned(args, &places)?;
    if args.generate.dry_run {
        return dry_run(&plan, &places, common.json);
    }
    let record = plan.record.clone();
    store.save(&record)?;
    if args.queue {
        let count = plan.specs.len();
        Queue::open(&places.data_dir, "wandeck sweep", &Faults::from_env()?)?.add_all(plan.specs, false)?;
        note(&format!("Queued {} of the sweep {}", counted(count as u64, "job"), record.name));
        return finish(&record.id, args, &places, Output::of(false, common));
    }
    let output = Output::of(args.generate.events, common);
    if record.sweep.search.is_some() {
        search::run(plan, &search::Plans { planner, options }, &places, output)?;
    } else {
        note(&format!("{} in {}", counted(plan.specs.len() as u64, "cell"), record.folder.display()));
        run_jobs(plan, &places, output, args.generate.profile)?;
    }
    finish(&record.id, args, &places, output)
}

/// The sweep of the options, or of the file that they name.
fn planned(args: &SweepArgs, places: &Places) -> Result<(Planner, JobOptions, SweepPlan)> {
    let generate = &args.generate;
    let file = std::path::Path::new(&generate.prompt);
    let is_file = file.extension().is_some_and(|extension| extension == "ron");
    let mut sweep = if is_file { Sweep::read(file)? } else { Sweep::with_axes(Vec::new()) };
    sweep.axes.extend(args.axes.iter().cloned());
    sweep.skip.extend(args.skip.iter().cloned());
    if let (Some(sample), Some(count)) = (args.sample, args.count) {
        sweep.sampling = match sample {
            SampleName::Random => Sampling::Random { count, seed: SAMPLING_SEED },
            SampleName::Sobol => Sampling::Sobol { count, seed: SAMPLING_SEED },
        };
    }
    if let Some(name) = &args.name {
        sweep.name.clone_from(name);
    }
    sweep.search = args.search.search(sweep.search)?;
    let (planner, given, options) = plan::base(generate, places, is_file)?;
    let plan = SweepPlan::new(&planner, sweep, &given, &options)?;
    Ok((planner, options, plan))
}

fn list(store: &SweepStore, as_json: bool) {
    let (records, errors) = store.list();
    for error in &errors {
        note(&format!("Warning: {error:#}"));
    }
    if as_json {
        let all: Vec<_> = records
            .iter()
            .map(|record| json!({"id": record.id, "name": record.name, "created": record.created, "cells": record.cells.len()}))
            .collect();
        return print_document(json!({ "sweeps": all }));
    }
    if records.is_empty() {
        note("There are no sweeps");
    }
    for record in &records {
        out(&format!("{}  {}, {}", record.id, record.name, counted(record.cells.len() as u64, "cell")));
    }
}

/// Prints the cells and what they will cost.
pub(super) fn dry_run(plan: &SweepPlan, places: &Places, as_json: bool) -> Result<ExitCode> {
    let estimate = estimate(plan, &places.data_dir)?;
    let code = if estimate.blockers.is_empty() { ExitCode::Done } else { ExitCode::Invalid };
    let labels: Vec<_> = plan.record.cells.iter().map(crate::sweep::RecordedCell::label).collect();
    if as_json {
        print_document(json!({"name": plan.record.name, "cells": labels, "estimate": estimate}));
        return Ok(code);
    }
    for label in &labels {
        out(label);
    }
    print_estimate(&estimate);
    Ok(code)
}

fn print_estimate(estimate: &SweepEstimate) {
    let time = match (estimate.seconds, estimate.seconds_unshared) {
        (Some(seconds), Some(Secs(unshared))) if unshared > seconds.0 * 1.01 => {
            format!("about {seconds}, {} as single jobs", Secs(unshared))
        }
        (Some(seconds), _) => format!("about {seconds}"),
        (None, _) => "time unknown until the model has run once".to_owned(),
    };
    note(&format!(
        "{}: {time}, {} of disk space, {} of memory",
        counted(estimate.cells as u64, "cell"),
        estimate.disk,
        estimate.memory
    ));
    for blocker in &estimate.blockers {
        note(&format!("Blocker: {blocker}"));
    }
    for cut in &estimate.cuts {
        let saves = cut.saves.map(|saves| format!(", saves about {saves}")).unwrap_or_default();
        note(&format!("{}: {}{saves}", cut.label, cut.left_words()));
    }
}

/// Runs the jobs of a sweep in this program until each has ended or is paused; `profile` as in [`WorkerOptions`].
pub(super) fn run_jobs(plan: SweepPlan, places: &Places, output: Output, profile: bool) -> Result<()> {
    let options = WorkerOptions { profile, ..service("wandeck sweep", Scope::Own)? };
    let resume = "\"wandeck queue run\" resumes the sweep from its last step";
    let mut running = RunningJobs::start(options, places, output, resume)?;
    running.submit(plan.specs)?;
    loop {
        match running.is_idle() {
            Ok(false) => {}
            Ok(true) => return Ok(()),
            Err(error) => {
                running.shut_down();
                return Err(error);
            }
        }
    }
}

/// The worker of this program, whose events are printed.
pub(super) struct RunningJobs {
    pub(super) worker: Worker,
    reporter: ProgressPrinter,
    stops: Receiver<Stop>,
    /// What resumes the jobs after this program was stopped.
    resume: &'static str,
}

impl RunningJobs {
    /// Starts the worker; `resume` is printed if this program is stopped.
    pub(super) fn start(
        options: WorkerOptions,
        places: &Places,
        output: Output,
        resume: &'static str,
    ) -> Result<Self> {
        let stops = stops()?;
        log_to_file(&places.data_dir);
        let options = WorkerOptions { is_for_several: true, ..options }.settled(&places.settings);
        let worker = Worker::start(places.data_dir.clone(), options, Arc::new(|| {}))?;
        Ok(Self { worker, reporter: ProgressPrinter::new(output), stops, resume })
    }

    /// Adds jobs and waits until they are saved.
    pub(super) fn submit(&self, specs: Vec<JobSpec>) -> Result<()> {
        let answer = self.worker.submit_all(specs)?.recv();
        answer.map_err(worker_stopped)?.map(drop)
    }

    /// Prints a note beside the progress.
    pub(super) fn note(&self, text: &str) {
        self.reporter.note(text);
    }

    /// Prints what happens for a moment; whether no job runs here any more or will run by itself. Fails if this program
    /// is to stop.
    pub(super) fn is_idle(&mut self) -> Result<bool> {
        select! {
            recv(self.stops) -> _ => {
                self.reporter.note(STOPPING);
                self.reporter.note(self.resume);
                return Err(Error::cancelled());
            }
            recv(self.worker.events()) -> event => {
                let (id, event) = event.map_err(worker_stopped)?;
                self.reporter.event(id, &event);
            }
            default(POLL) => {
                self.worker.check()?;
                self.reporter.tick();
            }
        }
        for message in self.worker.snapshot().messages {
            self.reporter.note(&message);
        }
        Ok(self.worker.is_idle())
    }

    /// Stops the jobs, which the next program resumes, and prints the last events.
    pub(super) fn shut_down(mut self) {
        for (id, event) in self.worker.shut_down() {
            self.reporter.event(id, &event);
        }
    }
}

fn worker_stopped(error: RecvError) -> Error {
    Error::new(Kind::Bug, "The worker has stopped unexpectedly").because(error)
}

/// The state of a sweep, from queue and history.
pub(super) fn table(record: &SweepRecord, places: &Places, queue: &Queue) -> Result<SweepTable> {
    let entries = match queue.history() {
        Some(history) => history.of_group(&record.id)?,
        None => Vec::new(),
    };
    let mut table = collect(record, queue.jobs().into_iter().map(|job| (job, queue.status(job))), &entries);
    if record.sweep.search.is_some() {
        let ratings = Ratings::load(&places.data_dir)?;
        table.search = search_trace(record, &table, &|uid| ratings.of(uid))?;
    }
    Ok(table)
}

/// Prints the table of a sweep, and exports it if that is asked for.
fn finish(id: &str, args: &SweepArgs, places: &Places, output: Output) -> Result<ExitCode> {
    let record = &SweepStore::new(&places.data_dir).find(id)?;
    let table = saved_table(record, places, "wandeck sweep")?;
    if let Some(folder) = &args.export {
        let exported = export_sweep(record, &table, folder)?;
        exported.notes.iter().for_each(|message| note(message));
        note(&format!("Exported to {}", exported.page.display()));
    }
    print(&table, output);
    Ok(exit_code(&table))
}

/// The state of a sweep as it is saved, for the program `who`; nothing is changed.
pub(super) fn saved_table(record: &SweepRecord, places: &Places, who: &str) -> Result<SweepTable> {
    let mut queue = Queue::open_to_read(&places.data_dir, who, &Faults::from_env()?)?;
    queue.take_notes().iter().for_each(|line| note(line));
    table(record, places, &queue)
}

/// Failed if a cell is.
pub(super) fn exit_code(table: &SweepTable) -> ExitCode {
    let has_failed = table.cells.iter().any(|cell| cell.status == Some(JobStatus::Failed));
    if has_failed { ExitCode::Failed } else { ExitCode::Done }
}

/// Prints a sweep as a table or as a document; nothing after the lines of its events.
pub(super) fn print(table: &SweepTable, output: Output) {
    match output {
        Output::Events => return,
        Output::Json => return print_json(table),
        Output::Text => {}
    }
    if let Some(trace) = &table.search {
        return search::print(trace);
    }
    let width = table.cells.iter().map(|cell| cell.label.chars().count()).max().unwrap_or_default();
    for (number, cell) in (1..).zip(&table.cells) {
        let status = cell.status_word();
        let time = cell.seconds.map(|seconds| seconds.to_string()).unwrap_or_default();
        let video = cell.output.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
        let line = format!("{number:>3}  {:<width$}  {status:<11}  {time:>8}  {video}", cell.label);
        out(line.trim_end());
        if let Some(error) = &cell.error {
            report::note(&format!("     {error}"));
        }
    }
}
