//! What reaches a person who looks elsewhere: the window's title, and notifications of the desktop.

use super::live_jobs::LiveJobs;
use crate::app::background::taskbar::TaskbarProgress;
use crate::core::Event;
use crate::jobs::{Job, JobId};

/// Characters of a prompt in the title.
const PROMPT_CHARS: usize = 40;

/// The window's title: how far the running job is, and which one it is.
pub(super) fn title(live: &LiveJobs, queue: &[Job]) -> String {
    let Some((id, running)) = live.first() else { return "Wandeck".to_owned() };
    let percent = running.follower.progress().fraction() * 100.0;
    let prompt = queue.iter().find(|job| job.id == id).map(|job| first_words(&job.spec.draft.prompt));
    let name = prompt.filter(|prompt| !prompt.is_empty()).unwrap_or_else(|| format!("job {id}"));
    format!("{percent:.0} % – {name} – Wandeck")
}

/// What the taskbar shows while a job runs in this program.
pub(super) fn progress(live: &LiveJobs, queue: &[Job]) -> Option<TaskbarProgress> {
    let (_, running) = live.first()?;
    let percent = (running.follower.progress().fraction() * 100.0).clamp(0.0, 100.0) as u8;
    let jobs = queue.iter().filter(|job| job.ended().is_none()).count();
    Some(TaskbarProgress { percent, jobs })
}

/// What the desktop says about the end of a job; nothing about other events, or one that a person cancelled.
pub(super) fn of_end(id: JobId, event: &Event, queue: &[Job]) -> Option<(String, String)> {
    let prompt = queue.iter().find(|job| job.id == id).map(|job| first_words(&job.spec.draft.prompt));
    let prompt = prompt.unwrap_or_default();
    match event {
        Event::Finished { outcome } => {
            Some((format!("Job {id} is done"), format!("{prompt}\nin {}", outcome.generation_time_s)))
        }
        Event::Failed { error } => Some((format!("Job {id} failed"), format!("{prompt}\n{error:#}"))),
        _ => None,
    }
}

/// The first words of a prompt.
fn first_words(prompt: &str) -> String {
    let prompt = prompt.trim();
    if prompt.chars().count() <= PROMPT_CHARS {
        return prompt.to_owned();
    }
    let start: String = prompt.chars().take(PROMPT_CHARS).collect();
    // a language without spaces is cut anywhere
    let words = start.rsplit_once(char::is_whitespace).map_or(start.as_str(), |(words, _)| words);
    format!("{}…", words.trim_end_matches([',', '.']))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::core::testing::draft;
    use crate::core::{Draft, Error, Kind, Secs, Seed, Stage};
    use crate::jobs::JobSpec;

    fn queue() -> Vec<Job> {
        let prompt = "A lighthouse at dusk, slow dolly in, waves break against the rocks".to_owned();
        let spec = JobSpec::new(Draft { prompt, ..draft() }, "model".into(), "a.mp4".into());
        vec![Job::new(JobId(4), "4".to_owned(), spec)]
    }

    #[test]
    fn the_title_says_how_far_which_job_is() {
        let (mut live, stage) = (LiveJobs::default(), Stage::DenoiseHigh);
        assert_eq!(title(&live, &queue()), "Wandeck");
        assert_eq!(progress(&live, &queue()), None);
        for event in [
            Event::Started { seed: Seed(1), plan: vec![(stage, 4)] },
            Event::StageStarted { stage },
            Event::Step { stage, step: 1, of: 4, seconds: Secs(1.0) },
        ] {
            live.observe(JobId(4), &event, Instant::now());
        }
        assert_eq!(title(&live, &queue()), "25 % – A lighthouse at dusk, slow dolly in… – Wandeck");
        assert_eq!(title(&live, &[]), "25 % – job 4 – Wandeck");
        assert_eq!(progress(&live, &queue()), Some(TaskbarProgress { percent: 25, jobs: 1 }));
    }

    #[test]
    fn the_desktop_is_notified_of_unexpected_ends() {
        let failed =
            Event::Failed { error: Error::new(Kind::Io, "The disk is full").remedy("Free some space") };
        let (title, text) = of_end(JobId(4), &failed, &queue()).unwrap();
        assert_eq!(title, "Job 4 failed");
        assert!(text.contains("The disk is full") && text.contains("Free some space"), "{text}");
        assert_eq!(of_end(JobId(4), &Event::Cancelled, &queue()), None);
    }
}
