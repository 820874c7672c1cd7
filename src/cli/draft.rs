//! `wandeck draft`: some steps of several seeds, of which the chosen ones are finished.

use super::args::{Common, DraftArgs};
use super::report::{Output, note};
use super::sweep::{dry_run, exit_code, print, run_jobs, saved_table, table};
use super::{ExitCode, Places, plan};
use crate::core::{Error, Faults, Kind, Result, counted};
use crate::plan::find_preset;
use crate::presets::DraftSeeds;
use crate::queue::Queue;
use crate::sweep::{Axis, CellResult, Sweep, SweepField, SweepPlan, SweepStore};

/// Drafts of a preset that says nothing of them.
const DRAFTS: DraftSeeds = DraftSeeds { seeds: 6, steps: 4 };

pub(super) fn run(args: &DraftArgs, common: &Common) -> Result<ExitCode> {
    let places = Places::new(common)?;
    let store = SweepStore::new(&places.data_dir);
    if let Some(name) = &args.drafts_of {
        return choose(name, &args.finish, &places, Output::of(false, common));
    }
    let (planner, given, options) = plan::base(&args.generate, &places, false)?;
    let preset =
        args.generate.preset.as_deref().map(|name| find_preset(&places.folders(), name)).transpose()?;
    let of_preset = preset.and_then(|preset| preset.settings.drafts).unwrap_or(DRAFTS);
    let count = args.drafts.unwrap_or(of_preset.seeds);
    let seeds: Vec<_> =
        (0..u64::from(count)).map(|index| given.seed.wrapping_add(index).to_string()).collect();
    let axes = vec![Axis::new(SweepField::Seed, seeds.join(","))];
    let name = args.name.clone().unwrap_or_else(|| given.prompt.clone());
    let sweep =
        Sweep { name, draft_steps: Some(args.after.unwrap_or(of_preset.steps)), ..Sweep::with_axes(axes) };
    let drafts = SweepPlan::new(&planner, sweep, &given, &options)?;
    if args.generate.dry_run {
        return dry_run(&drafts, &places, common.json);
    }
    let record = drafts.record.clone();
    store.save(&record)?;
    let output = Output::of(args.generate.events, common);
    run_jobs(drafts, &places, output, args.generate.profile)?;
    let table = saved_table(&record, &places, "wandeck draft")?;
    print(&table, output);
    note(&format!(
        "Choose with \"wandeck draft --of {} --finish 1,2\"; the window shows the previews",
        record.id
    ));
    Ok(exit_code(&table))
}

/// Resumes the drafts with these numbers, and cancels the others.
fn choose(name: &str, chosen: &[usize], places: &Places, output: Output) -> Result<ExitCode> {
    let record = SweepStore::new(&places.data_dir).find(name)?;
    let mut queue = Queue::open(&places.data_dir, "wandeck draft", &Faults::from_env()?)?;
    let cells = table(&record, places, &queue)?.cells;
    if let Some(wrong) = chosen.iter().find(|number| !(1..=cells.len()).contains(number)) {
        return Err(Error::new(Kind::Input, format!("There is no draft {wrong}, only 1 to {}", cells.len()))
            .field("finish")
            .remedy("Give numbers of the list that \"wandeck draft\" printed"));
    }
    let drafts: Vec<_> = (1..).zip(&cells).filter(|(_, cell)| cell.is_draft).collect();
    let is_draft = |number: &&usize| drafts.iter().any(|(draft, _)| draft == *number);
    if let Some(wrong) = chosen.iter().find(|number| !is_draft(number)) {
        let status = cells[wrong - 1].status_word();
        return Err(Error::new(
            Kind::Input,
            format!("Draft {wrong} does not wait for a choice: it is {status}"),
        )
        .field("finish")
        .remedy(format!("\"wandeck sweep --show {}\" shows which drafts do", record.id)));
    }
    let (kept, dropped): (Vec<_>, Vec<_>) = drafts.iter().partition(|(number, _)| chosen.contains(number));
    let jobs =
        |drafts: &[(usize, &CellResult)]| drafts.iter().filter_map(|(_, cell)| cell.job).collect::<Vec<_>>();
    // first, so that nothing is dropped if one of them cannot be resumed
    for job in jobs(&kept) {
        queue.resume(job)?;
    }
    for job in jobs(&dropped) {
        queue.cancel(job)?;
    }
    note(&format!("{} will be finished by \"wandeck queue run\"", counted(kept.len() as u64, "draft")));
    print(&table(&record, places, &queue)?, output);
    Ok(ExitCode::Done)
}
