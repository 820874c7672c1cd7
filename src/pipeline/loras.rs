//! The LoRAs of a request, matched with the model's experts.

use std::fs::File;
use std::path::Path;

use ndarray::{Array1, ArrayD};

use crate::core::{
    CancelToken, Error, Expert, GenRequest, Kind, LoraChoice, LoraRecord, Result, sha256_hex_of_reader,
};
use crate::onnx::{Adapter, Weights};
use crate::wan::Checkpoint;
use crate::wan::lora::{LoraFile, LoraMatch, experts, match_keys, target};

/// LoRAs that are ready to be built into the graphs.
#[derive(Debug, Default)]
pub struct Loras {
    high: Vec<Strong>,
    low: Vec<Strong>,
    /// How each was applied.
    pub records: Vec<LoraRecord>,
    /// Keys that were left out, and what looks wrong.
    pub warnings: Vec<String>,
    /// Advice that the request does not follow.
    pub notes: Vec<String>,
}

/// A LoRA at its strength.
#[derive(Debug)]
struct Strong {
    fit: LoraMatch,
    /// Name of the graph input for the strength.
    input: String,
    strength: f32,
}

/// Inputs of a transformer's graph for the strengths.
pub(super) type Strengths = Vec<(String, ArrayD<f32>)>;

/// Checks the values of a LoRA and returns the SHA-256 of its file, perhaps from a cache.
pub type ReadLora<'a> = dyn FnMut(&LoraFile) -> Result<String> + 'a;

impl Loras {
    /// Opens the files and matches them with `checkpoint`. A file for another model is an error.
    pub fn open(checkpoint: &Checkpoint, request: &GenRequest, read: &mut ReadLora<'_>) -> Result<Self> {
        let mut loras = Self::default();
        for (index, choice) in request.loras.iter().enumerate() {
            let file = LoraFile::open(&choice.file)?;
            let record = LoraRecord {
                file: std::path::absolute(&choice.file).unwrap_or_else(|_| choice.file.clone()),
                sha256: read(&file)?,
                experts: Vec::new(),
                format: file.format(),
                matched: 0,
                left_out: 0,
                all_zero: 0,
            };
            loras.add(checkpoint, choice, &file, record, &format!("lora_strength_{index}"))?;
            loras.advise(&file, choice, request, &name_of(choice));
        }
        Ok(loras)
    }

    /// The adapters of an expert with these `weights`, of which a DoRA reads what it changes.
    pub(super) fn adapters(
        &self,
        expert: Expert,
        weights: &Weights,
        cancel: &CancelToken,
    ) -> Result<Vec<Adapter>> {
        self.of(expert).iter().map(|strong| strong.fit.clone().into_adapter(weights, cancel)).collect()
    }

    /// The strengths that the graph of an expert takes.
    pub(super) fn strengths(&self, expert: Expert) -> Strengths {
        let input =
            |strong: &Strong| (strong.input.clone(), Array1::from_elem(1, strong.strength).into_dyn());
        self.of(expert).iter().map(input).collect()
    }

    fn of(&self, expert: Expert) -> &[Strong] {
        match expert {
            Expert::High => &self.high,
            Expert::Low => &self.low,
        }
    }

    fn add(
        &mut self,
        checkpoint: &Checkpoint,
        choice: &LoraChoice,
        file: &LoraFile,
        mut record: LoraRecord,
        input: &str,
    ) -> Result<()> {
        let name = name_of(choice);
        let named = file.experts();
        let has_two = checkpoint.transformer_2.is_some();
        for (expert, part) in experts(file, checkpoint).filter(|(expert, _)| choice.changes(*expert)) {
            let fit = match_keys(file, target(checkpoint, expert, part), input)?;
            fit.check(file, &checkpoint.id, part.config.width())?;
            // both experts have the same modules, so one report is enough unless the file tells them apart
            if record.experts.is_empty() || !named.is_empty() {
                self.record(&mut record, &fit, &name);
            }
            record.experts.push(expert);
            let strong = Strong { fit, input: input.to_owned(), strength: choice.strength };
            match expert {
                Expert::High => self.high.push(strong),
                Expert::Low => self.low.push(strong),
            }
        }
        if record.experts.is_empty() {
            return Err(without_expert(&checkpoint.id, choice, has_two, &name));
        }
        self.records.push(record);
        Ok(())
    }

    fn record(&mut self, record: &mut LoraRecord, fit: &LoraMatch, name: &str) {
        let report = &fit.report;
        let all_zero = report.all_zero.len();
        record.matched += report.matched.len();
        record.left_out += report.skipped.len();
        record.all_zero += all_zero;
        let reasons = report.reasons().into_iter().chain(report.notes.iter().cloned());
        for warning in reasons.map(|reason| format!("{name}: {reason}")) {
            if !self.warnings.contains(&warning) {
                self.warnings.push(warning);
            }
        }
        if report.matched.is_empty() {
            self.warnings.push(format!("{name}: all {all_zero} keys are zero, so it has no effect"));
        }
    }

    fn advise(&mut self, file: &LoraFile, choice: &LoraChoice, request: &GenRequest, name: &str) {
        let says = file.expert().filter(|_| file.experts().is_empty());
        if let (Some(expert), None) = (says, choice.expert) {
            let word = expert.word();
            self.notes.push(format!(
                "The name of {name} suggests the {expert}, but it is applied to both experts; add \":{word}\" to apply it to one"
            ));
        }
        let Some(advice) = file.advice() else { return };
        self.notes.push(match advice.difference(request) {
            Some(difference) => {
                format!("{name} is distilled for {advice}; this job uses {difference}")
            }
            None => format!("{name} is distilled, so the job runs with {advice}"),
        });
    }
}

fn name_of(choice: &LoraChoice) -> String {
    choice.file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The error for a LoRA that changes no transformer of the model.
fn without_expert(model: &str, choice: &LoraChoice, has_two: bool, name: &str) -> Error {
    let (message, remedy) = match choice.expert {
        Some(expert) if has_two => {
            (format!("{name} has no keys for the {expert}"), format!("Leave out \":{}\"", expert.word()))
        }
        _ => (
            format!("{model} has a single transformer and no low-noise expert for {name}"),
            "Leave out \":low\", or choose a LoRA that was trained for this model".to_owned(),
        ),
    };
    Error::new(Kind::Input, message).remedy(remedy).field("lora")
}

/// The SHA-256 of the file at `path`.
pub fn lora_hash(path: &Path) -> Result<String> {
    let failed = |error: std::io::Error| {
        Error::new(Kind::Io, format!("Cannot read {}", path.display()))
            .because(error)
            .remedy("Fetch the file again")
            .field("lora")
    };
    sha256_hex_of_reader(&mut File::open(path).map_err(failed)?).map_err(failed)
}
