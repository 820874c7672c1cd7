//! `wandeck draft`: some steps of several seeds, of which the chosen ones are finished.

use super::args::{Common, DraftArgs};
use super::report::{Output, note};
use super::sweep::{print, run_jobs, table};
use super::{ExitCode, Places, plan};
use crate::core::{Error, Faults, Kind, Result, counted};
use crate::queue::Queue;
use crate::sweep::{Axis, Sweep, SweepField, SweepPlan, SweepStore};

pub(super) fn run(args: &DraftArgs, common: &Common) -> Result<ExitCode> {
    let places = Places::new(common)?;
    let store = SweepStore::new(&places.data_dir);
    if let Some(name) = &args.drafts_of {
        return choose(name, &args.finish, &places, common.json);
    }
    let (planner, given, options) = plan::base(&args.generate, &places, false)?;
    let seeds: Vec<_> =
        (0..u64::from(args.drafts)).map(|index| given.seed.wrapping_add(index).to_string()).collect();
    let axes = vec![Axis::new(SweepField::Seed, seeds.join(","))];
    let name = args.name.clone().unwrap_or_else(|| given.prompt.clone());
    let sweep = Sweep { name, draft_steps: Some(args.after), ..Sweep::with_axes(axes) };
    let drafts = SweepPlan::new(&planner, sweep, &given, &options)?;
    let record = drafts.record.clone();
    store.save(&record)?;
    run_jobs(drafts, &places, Output::of(args.generate.events, common))?;
    let queue = Queue::open(&places.data_dir, "wandeck draft", &Faults::from_env()?)?;
    print(&table(&record, &queue)?, common.json);
    note(&format!(
        "Choose with \"wandeck draft --of {} --finish 1,2\"; the window shows the previews",
        record.id
    ));
    Ok(ExitCode::Done)
}

/// Resumes the drafts with these numbers, and cancels the others.
fn choose(name: &str, chosen: &[usize], places: &Places, as_json: bool) -> Result<ExitCode> {
    let record = SweepStore::new(&places.data_dir).find(name)?;
    let mut queue = Queue::open(&places.data_dir, "wandeck draft", &Faults::from_env()?)?;
    let cells = table(&record, &queue)?.cells;
    if let Some(wrong) = chosen.iter().find(|number| !(1..=cells.len()).contains(number)) {
        return Err(Error::new(Kind::Input, format!("There is no draft {wrong}, only 1 to {}", cells.len()))
            .field("finish")
            .remedy("Give numbers of the list that \"wandeck draft\" printed"));
    }
    let mut resumed = 0_u64;
    for (number, cell) in (1..).zip(&cells) {
        let Some(job) = cell.job.filter(|_| cell.is_draft) else { continue };
        if chosen.contains(&number) {
            queue.resume(job)?;
            resumed += 1;
        } else {
            queue.cancel(job)?;
        }
    }
    note(&format!("{} will be finished by \"wandeck queue run\"", counted(resumed, "draft")));
    print(&table(&record, &queue)?, as_json);
    Ok(ExitCode::Done)
}
