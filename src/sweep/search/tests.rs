//! Choices, decisions and importance without running anything.

use std::collections::BTreeSet;

use super::decide::{Decision, decide};
use super::importance::importance;
use super::preview::is_hopeless;
use super::trial::{Trial, losses};
use super::{Goal, GuidedSearch, SearchEnd, SearchWait, Space, TrialNote};
use crate::core::Secs;
use crate::core::testing::draft;
use crate::jobs::JobStatus;
use crate::metrics::DifferenceMetric;
use crate::presets;
use crate::sweep::results::CellResult;
use crate::sweep::store::RecordedCell;
use crate::sweep::{Axis, Sampling, Sweep};

const FASTEST: Goal = Goal::Fastest { metric: DifferenceMetric::Psnr, at_least: 20.0 };

fn axes(texts: &[&str]) -> Vec<Axis> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// The places that a search tries if each is worth what `loss` says.
fn tried(seed: u32, trials: usize, loss: &dyn Fn(&[u32]) -> f64) -> Vec<Vec<u32>> {
    let space = Space::of(&axes(&["steps=1,..,30", "sampler=unipc,euler,dpmpp2m", "seed=1,..,30"])).unwrap();
    let mut places: Vec<Vec<u32>> = Vec::new();
    while places.len() < trials {
        let known: Vec<_> = places.iter().map(|place| (place.as_slice(), loss(place))).collect();
        let before: BTreeSet<_> = places.iter().cloned().collect();
        let next = space.next(seed, &before, &known, &|_| Ok(true)).unwrap().unwrap();
        places.push(next);
    }
    places
}

#[test]
fn choices_follow_from_seed_and_results_alone_and_find_the_best() {
    let loss = |place: &[u32]| f64::from(place[0].abs_diff(21)) + if place[1] == 2 { 0.0 } else { 15.0 };
    let mean = |part: &[Vec<u32>]| part.iter().map(|place| loss(place)).sum::<f64>() / part.len() as f64;
    let (mut even, mut chosen, mut found) = (0.0, 0.0, 0.0);
    for seed in 0..8 {
        let places = tried(seed, 40, &loss);
        assert_eq!(places, tried(seed, 40, &loss), "the same again");
        assert_eq!(places.iter().collect::<BTreeSet<_>>().len(), 40, "nothing twice");
        found += places.iter().map(|place| loss(place)).fold(f64::MAX, f64::min) / 8.0;
        even += mean(&places[..6]);
        chosen += mean(&places[20..]);
    }
    // the best of 30 values of one axis and 3 of another, and it looks where it is good
    assert!(found <= 1.5, "{found}");
    assert!(chosen < 0.75 * even, "{chosen} {even}");
    assert_ne!(tried(0, 10, &loss), tried(1, 10, &loss), "another seed");
}

#[test]
fn a_small_space_is_tried_whole_but_for_skipped_places() {
    let space = Space::of(&axes(&["steps=1,2,3", "sampler=unipc,euler"])).unwrap();
    let mut places = BTreeSet::new();
    let allowed = |place: &[u32]| Ok(place != [1, 1]);
    loop {
        let known: Vec<_> = places.iter().map(|place: &Vec<u32>| (place.as_slice(), 1.0)).collect();
        let Some(next) = space.next(3, &places, &known, &allowed).unwrap() else { break };
        assert!(places.insert(next));
    }
    assert_eq!(places.len(), 5);
}

fn trial(place: &[u32], seconds: f64, difference: f64) -> Trial<'_> {
    let note =
        TrialNote { seconds: Some(Secs(seconds)), difference: Some(difference), ..TrialNote::default() };
    Trial { place, note, status: JobStatus::Done, stars: 0 }
}

#[test]
fn trials_within_the_bound_come_first_by_time_then_the_others_by_their_difference() {
    let place = [0];
    let mut stopped = trial(&place, 0.0, 0.0);
    stopped.note = TrialNote { is_stopped: true, ..TrialNote::default() };
    stopped.status = JobStatus::Cancelled;
    let failed = Trial { status: JobStatus::Failed, note: TrialNote::default(), ..stopped };
    let running = Trial { status: JobStatus::Running, note: TrialNote::default(), ..stopped };
    let trials = [
        trial(&place, 3.0, 20.0),
        trial(&place, 9.0, 40.0),
        trial(&place, 1.0, 19.0),
        trial(&place, 0.1, 3.0),
        stopped,
        failed,
    ];
    let losses_of = losses(FASTEST, &trials);
    assert!(losses_of.is_sorted() && losses_of.iter().all(Option::is_some), "{losses_of:?}");
    assert_eq!(losses(FASTEST, &[running]), [None]);
    let rated = |stars| Trial { stars, ..trial(&place, 1.0, 1.0) };
    assert_eq!(losses(Goal::BestRated, &[rated(5), rated(1), rated(0)]), [Some(-5.0), Some(-1.0), None]);
}

#[test]
fn a_trial_is_stopped_only_if_it_is_worse_than_nearly_all_that_satisfied_the_bound() {
    let place = [0];
    let with_preview = |psnr, difference| {
        let mut of = trial(&place, 1.0, difference);
        of.note.preview_psnr = Some(psnr);
        of
    };
    let mut trials = vec![with_preview(15.0, 25.0), with_preview(16.0, 25.0), with_preview(30.0, 3.0)];
    assert!(!is_hopeless(1.0, FASTEST, &trials), "two are too few");
    trials.push(with_preview(18.0, 25.0));
    assert!(is_hopeless(14.9, FASTEST, &trials));
    assert!(!is_hopeless(15.5, FASTEST, &trials));
}

#[test]
fn the_importance_of_a_field_without_effect_is_lowest() {
    let places = Sampling::Random { count: 60, seed: 5 }.places(&[30, 3, 30]);
    let value = |place: &[u32]| f64::from(place[0]) * 3.0 + if place[1] == 1 { 60.0 } else { 0.0 };
    let measured = places.iter().map(|place| (place.as_slice(), value(place))).collect();
    let parts = importance(3, &measured).unwrap().unwrap();
    assert!(parts[2] < parts[0] && parts[2] < parts[1] && parts[2] < 0.1, "{parts:?}");
    assert_eq!(importance(3, &measured).unwrap().unwrap(), parts);
    assert_eq!(importance(3, &measured[..3].to_vec()).unwrap(), None, "three trials say nothing");
}

fn cell(status: Option<JobStatus>) -> CellResult {
    CellResult { place: vec![0], status, ..CellResult::default() }
}

fn recorded(count: usize) -> Vec<RecordedCell> {
    let cell = |index: usize| RecordedCell {
        place: if index == 0 { Vec::new() } else { vec![index as u32] },
        values: Vec::new(),
        trial: TrialNote::default(),
    };
    (0..count).map(cell).collect()
}

#[test]
fn a_search_goes_on_after_each_end_and_waits_for_the_user_where_it_must() {
    use JobStatus::{Cancelled, Done, Failed, Paused, Queued, Running};
    let search = GuidedSearch { trials: 2, ..GuidedSearch::new(FASTEST) };
    let check = |statuses: &[Option<JobStatus>], is_continued: bool| {
        let cells: Vec<_> = statuses.iter().map(|status| cell(*status)).collect();
        let cells: Vec<_> = cells.iter().map(|cell| (cell, 0)).collect();
        decide(&search, &recorded(statuses.len()), &cells, is_continued)
    };
    let some = |statuses: &[JobStatus]| statuses.iter().copied().map(Some).collect::<Vec<_>>();
    for (statuses, expected) in [
        (vec![Some(Queued)], Decision::Run),
        (vec![Some(Done)], Decision::Propose),
        (vec![Some(Done), None], Decision::Submit(vec![1])),
        (some(&[Done, Running]), Decision::Run),
        (some(&[Done, Paused]), Decision::Wait(SearchWait::Paused)),
        (some(&[Failed]), Decision::End(SearchEnd::ReferenceFailed)),
        (some(&[Done, Failed]), Decision::Propose),
        (some(&[Done, Done, Failed]), Decision::End(SearchEnd::Finished)),
        (some(&[Done, Cancelled]), Decision::End(SearchEnd::Cancelled)),
    ] {
        assert_eq!(check(&statuses, false), expected, "{statuses:?}");
    }
    assert_eq!(check(&some(&[Done, Cancelled]), true), Decision::Submit(vec![1]));
    assert_eq!(check(&some(&[Done, Paused]), true), Decision::Resume(vec![1]));
}

#[test]
fn a_search_by_ratings_runs_four_trials_ahead() {
    let search = GuidedSearch { trials: 9, ..GuidedSearch::new(Goal::BestRated) };
    let next = |stars: &[u8]| {
        let done = cell(Some(JobStatus::Done));
        let cells: Vec<_> = stars.iter().map(|stars| (&done, *stars)).collect();
        decide(&search, &recorded(stars.len()), &cells, false)
    };
    assert_eq!(next(&[0, 0, 0]), Decision::Propose);
    assert_eq!(next(&[0, 0, 0, 0]), Decision::Wait(SearchWait::Ratings(4)));
    assert_eq!(next(&[3, 0, 0, 0]), Decision::Propose);
    assert_eq!(next(&[3; 9]), Decision::End(SearchEnd::Finished));
    assert_eq!(next(&[0; 9]), Decision::Wait(SearchWait::Ratings(9)));
}

#[test]
fn a_file_names_a_search_and_a_wrong_one_is_refused() {
    let text = |search: &str| {
        format!("(version: 1, axes: [(field: \"steps\", values: \"4, .., 8\")], search: {search})")
    };
    let parsed =
        Sweep::parse(&text("(goal: fastest(metric: ssim, at_least: 0.9), trials: 5, check_at: 0.5)"), "a");
    let search = parsed.unwrap().search.unwrap();
    assert_eq!(search.goal, Goal::Fastest { metric: DifferenceMetric::Ssim, at_least: 0.9 });
    assert_eq!((search.trials, search.check_at), (5, Some(0.5)));
    assert_eq!(Sweep::parse(&text("(goal: best_rated)"), "a").unwrap().search.unwrap().trials, 20);
    let preset = |name: &str| presets::by_name(name);
    for (axis, search, words) in [
        ("steps=4,8", GuidedSearch { trials: 0, ..GuidedSearch::new(FASTEST) }, "0 trials"),
        ("steps=4,8", GuidedSearch { check_at: Some(1.0), ..GuidedSearch::new(FASTEST) }, "check_at is 1"),
        ("steps=4,8", GuidedSearch { check_at: Some(0.5), ..GuidedSearch::new(Goal::BestRated) }, "has none"),
        ("frames=5,9", GuidedSearch::new(FASTEST), "frames changes the frames"),
    ] {
        let sweep = Sweep { search: Some(search), ..Sweep::with_axes(axes(&[axis])) };
        let error = sweep.first_cells(&search, &draft(), &preset).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
}
