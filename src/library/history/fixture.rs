//! A history entry for the tests of this folder.

use serde_json::json;

use crate::core::{Finding, Fix, Mode, Secs, Severity, Stage, StageTime, Subject, Utc};
use crate::jobs::{EndStatus, HistoryEntry, JobGroup};

/// The entry of a finished job with values in most fields.
pub(super) fn task(id: &str, ended: i64) -> HistoryEntry {
    HistoryEntry {
        id: id.to_owned(),
        job: 3,
        status: EndStatus::Done,
        created: Utc(ended - 20),
        started: Some(Utc(ended - 10)),
        ended: Utc(ended),
        prompt: "a red circle".to_owned(),
        mode: Some(Mode::T2V),
        model: "toy-t2v-A14B".to_owned(),
        model_fingerprint: Some("f1".to_owned()),
        request: json!({
            "prompt": "a red circle", "negative_prompt": "", "model": "toy-t2v-A14B", "mode": "t2v", "seed": 7,
            "steps": 4, "guidance": 2.0, "guidance_low": null, "shift": 3.0, "sampler": "unipc",
            "size": {"width": 64, "height": 64}, "frames": 17, "fps": 8, "provider": "auto", "precision": "auto",
        }),
        output: Some(format!("/videos/{id}.mp4").into()),
        generation_time_s: Some(Secs(9.5)),
        peak_rss_mb: Some(300.25),
        provider: Some("cpu".to_owned()),
        precision: Some("fp32".to_owned()),
        warnings: vec!["the size is unusual".to_owned()],
        ..HistoryEntry::default()
    }
}

/// An entry with a value in every field.
pub(super) fn full_task(id: &str) -> HistoryEntry {
    HistoryEntry {
        error: Some((&crate::core::Error::new(crate::core::Kind::Io, "no room").remedy("Free some")).into()),
        stages: vec![StageTime { name: Stage::DenoiseHigh, seconds: Secs(1.5) }],
        steps: vec![Secs(0.5), Secs(1.0)],
        peak_vram_mb: Some(1.0),
        retries: 2,
        retry_messages: vec!["out of memory; use VAE tiles of 256 px".to_owned()],
        optimizations: vec!["weights in place".to_owned()],
        findings: vec![Finding {
            severity: Severity::Warning,
            subject: Subject::Memory,
            message: "tight".to_owned(),
            fixes: vec![Fix::VaeTile(256)],
            figures: Vec::new(),
        }],
        estimated_s: Some(Secs(12.0)),
        estimated_peak_mb: Some(320.0),
        group: Some(JobGroup {
            id: "g".to_owned(),
            name: "guidance".to_owned(),
            cell: vec![1, 0],
            is_timed: false,
            boundaries: Vec::new(),
        }),
        ..task(id, 1000)
    }
}
