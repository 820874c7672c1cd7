//! Journals of version 1, which version 0.1 of the program wrote. They are read, never written.

use serde::Deserialize;

use super::state::Record;
use crate::core::{Fix, Utc};
use crate::jobs::{
    HistoryEntry, Interruptions, Job, JobId, JobSpec, JobState, PartialOutput, PendingAction, RetryRecord,
};

/// The record in a line of a journal of version 1.
pub(super) fn decode(json: &[u8]) -> Option<Record> {
    serde_json::from_slice::<RecordV1>(json).ok().map(Record::from)
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum RecordV1 {
    Put(Box<EntryV1>),
    Place { id: JobId, before: Option<JobId> },
    Status { id: JobId, status: StatusV1 },
    Wish { id: JobId, wish: Option<WishV1> },
    Trace { id: JobId, trace: PartialOutput },
    Retry { id: JobId, retry: RetryV1 },
    Remove { id: JobId },
    Numbers { last: u64 },
}

#[derive(Deserialize)]
struct EntryV1 {
    job: JobV1,
    status: StatusV1,
    #[serde(default)]
    reserved: Option<String>,
    #[serde(default)]
    wish: Option<WishV1>,
    #[serde(default)]
    trace: PartialOutput,
    #[serde(default)]
    retries: Vec<RetryV1>,
}

#[derive(Deserialize)]
struct JobV1 {
    id: JobId,
    uid: String,
    created: Utc,
    work: JobSpec,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum StatusV1 {
    Waiting,
    Held,
    Running { worker: String },
    Ended { task: Box<HistoryEntry> },
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum WishV1 {
    Cancel,
    Hold,
    Pause,
}

#[derive(Deserialize)]
struct RetryV1 {
    told: String,
    changes: Vec<Fix>,
}

impl From<RecordV1> for Record {
    fn from(record: RecordV1) -> Self {
        match record {
            RecordV1::Put(entry) => Self::Put(Box::new(Job::from(*entry))),
            RecordV1::Place { id, before } => Self::Move { id, before },
            RecordV1::Status { id, status } => Self::State { id, state: status.into() },
            RecordV1::Wish { id, wish } => Self::PendingAction { id, action: wish.map(Into::into) },
            RecordV1::Trace { id, trace } => Self::PartialOutput { id, output: trace },
            RecordV1::Retry { id, retry } => Self::Retry { id, retry: retry.into() },
            RecordV1::Remove { id } => Self::Remove { id },
            RecordV1::Numbers { last } => Self::Numbers { last },
        }
    }
}

impl From<EntryV1> for Job {
    fn from(entry: EntryV1) -> Self {
        let JobV1 { id, uid, created, work } = entry.job;
        Self {
            id,
            uid,
            created,
            spec: work,
            state: entry.status.into(),
            reserved_by: entry.reserved,
            pending_action: entry.wish.map(Into::into),
            partial_output: entry.trace,
            retries: entry.retries.into_iter().map(Into::into).collect(),
            interruptions: Interruptions::default(),
        }
    }
}

impl From<StatusV1> for JobState {
    fn from(status: StatusV1) -> Self {
        match status {
            StatusV1::Waiting => Self::Queued,
            StatusV1::Held => Self::Paused,
            StatusV1::Running { worker } => Self::Running { worker },
            StatusV1::Ended { task } => Self::Ended { entry: task },
        }
    }
}

impl From<WishV1> for PendingAction {
    fn from(wish: WishV1) -> Self {
        match wish {
            WishV1::Cancel => Self::Cancel,
            WishV1::Hold => Self::Pause { keep_memory: false },
            WishV1::Pause => Self::Pause { keep_memory: true },
        }
    }
}

impl From<RetryV1> for RetryRecord {
    fn from(retry: RetryV1) -> Self {
        Self { message: retry.told, fixes: retry.changes }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(json: &Value) -> Record {
        decode(json.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn every_record_of_version_1_is_read() {
        let id = JobId(3);
        let fixes = vec![Fix::Retry, Fix::VaeTile(128), Fix::Model("a".to_owned()), Fix::NoLoras];
        let retry = RetryRecord { message: "Decode failed".to_owned(), fixes };
        let changes = json!(["again", {"vae_tile": 128}, {"model": "a"}, "no_loras"]);
        let pause = |keep_memory| Some(PendingAction::Pause { keep_memory });
        for (old, new) in [
            (json!({"place": {"id": 3, "before": 1}}), Record::Move { id, before: Some(JobId(1)) }),
            (
                json!({"status": {"id": 3, "status": "waiting"}}),
                Record::State { id, state: JobState::Queued },
            ),
            (json!({"status": {"id": 3, "status": "held"}}), Record::State { id, state: JobState::Paused }),
            (
                json!({"status": {"id": 3, "status": {"running": {"worker": "me"}}}}),
                Record::State { id, state: JobState::Running { worker: "me".to_owned() } },
            ),
            (json!({"wish": {"id": 3, "wish": "hold"}}), Record::PendingAction { id, action: pause(false) }),
            (json!({"wish": {"id": 3, "wish": "pause"}}), Record::PendingAction { id, action: pause(true) }),
            (
                json!({"wish": {"id": 3, "wish": "cancel"}}),
                Record::PendingAction { id, action: Some(PendingAction::Cancel) },
            ),
            (json!({"wish": {"id": 3, "wish": null}}), Record::PendingAction { id, action: None }),
            (
                json!({"retry": {"id": 3, "retry": {"told": "Decode failed", "changes": changes}}}),
                Record::Retry { id, retry },
            ),
            (json!({"remove": {"id": 3}}), Record::Remove { id }),
            (json!({"numbers": {"last": 7}}), Record::Numbers { last: 7 }),
        ] {
            assert_eq!(read(&old), new, "{old}");
        }
    }

    #[test]
    fn an_ended_job_of_version_1_keeps_images_findings_and_retry_messages() {
        let old = json!({"put": {
            "job": {"id": 3, "uid": "u", "created": 5, "work": {
                "draft": {
                    "prompt": "p", "negative_prompt": "", "model": "m", "mode": null, "image": "a.png",
                    "last_image": "b.png", "seed": 1, "steps": 4, "guidance": 1.0, "guidance_low": null,
                    "shift": 3.0, "sampler": "unipc", "size": {"width": 64, "height": 64}, "frames": 17, "fps": 8,
                    "provider": "auto", "precision": "auto",
                },
                "model": "models/m", "output": "a.mp4", "timeout_s": 9, "priority": "urgent",
            }},
            "status": {"ended": {"task": {
                "id": "u", "job": 3, "status": "failed", "created": 5, "ended": 6, "story": ["it failed before"],
                "findings": [{"severity": "warning", "subject": "memory", "message": "tight",
                    "changes": ["weights_in_place"]}],
                "error": {"category": "vram_memory", "kind": "out_of_memory", "message": "full", "recovery": []},
            }}},
        }});
        let Record::Put(job) = read(&old) else { unreachable!("{old}") };
        assert_eq!(job.spec.draft.start_image.as_deref(), Some("a.png".as_ref()));
        assert_eq!(job.spec.draft.end_image.as_deref(), Some("b.png".as_ref()));
        let entry = job.ended().unwrap();
        assert_eq!(entry.retry_messages, ["it failed before"]);
        assert_eq!(entry.findings[0].fixes, [Fix::WeightsInPlace]);
        assert_eq!(entry.error.as_ref().unwrap().message, "full");
    }
}
