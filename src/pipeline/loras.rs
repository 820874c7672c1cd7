//! The LoRAs of a request, matched with the model's experts.

use std::fs::File;
use std::path::PathBuf;

use ndarray::{Array1, ArrayD};

use crate::core::{Error, Expert, GenRequest, Kind, LoraChoice, LoraRecord, Result, sha256_hex_of_reader};
use crate::onnx::Adapter;
use crate::wan::Checkpoint;
use crate::wan::lora::{LoraFile, LoraMatch, match_keys};

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

/// An adapter at its strength.
#[derive(Debug)]
struct Strong {
    adapter: Adapter,
    strength: f32,
}

/// Inputs of a transformer's graph for the strengths.
pub(super) type Strengths = Vec<(String, ArrayD<f32>)>;

impl Loras {
    /// Reads the files and matches them with `checkpoint`. A file for another model is an error.
    pub fn open(checkpoint: &Checkpoint, request: &GenRequest) -> Result<Self> {
        let mut loras = Self::default();
        for (index, choice) in request.loras.iter().enumerate() {
            loras.add(checkpoint, request, choice, &format!("lora_strength_{index}"))?;
        }
        Ok(loras)
    }

    /// The adapters of an expert.
    pub(super) fn adapters(&self, expert: Expert) -> Vec<Adapter> {
        self.of(expert).iter().map(|strong| strong.adapter.clone()).collect()
    }

    /// The strengths that the graph of an expert takes.
    pub(super) fn strengths(&self, expert: Expert) -> Strengths {
        let input = |strong: &Strong| {
            (strong.adapter.strength.clone(), Array1::from_elem(1, strong.strength).into_dyn())
        };
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
        request: &GenRequest,
        choice: &LoraChoice,
        strength: &str,
    ) -> Result<()> {
        let file = LoraFile::open(&choice.file)?;
        let name = choice.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let parts =
            [(Expert::High, Some(&checkpoint.transformer)), (Expert::Low, checkpoint.transformer_2.as_ref())];
        let mut record = LoraRecord {
            file: std::path::absolute(&choice.file).unwrap_or_else(|_| choice.file.clone()),
            sha256: content_hash(&choice.file)?,
            experts: Vec::new(),
            format: file.summary().format,
            matched: 0,
            left_out: 0,
            all_zero: 0,
        };
        for (expert, part) in parts.into_iter().filter(|(expert, _)| choice.changes(*expert)) {
            let Some(part) = part else { continue };
            let LoraMatch { adapter, report } = {
                let fit = match_keys(&file, &part.weights, strength)?;
                fit.check(&file, &checkpoint.id, part.config.width())?;
                fit
            };
            // both experts have the same modules, so one report is enough
            if record.experts.is_empty() {
                let all_zero = report.all_zero.len();
                (record.matched, record.left_out, record.all_zero) =
                    (report.matched.len(), report.skipped.len(), all_zero);
                let reasons = report.reasons().into_iter().chain(report.notes.iter().cloned());
                self.warnings.extend(reasons.map(|reason| format!("{name}: {reason}")));
                if report.matched.is_empty() {
                    self.warnings.push(format!("{name}: all {all_zero} keys are zero, so it has no effect"));
                }
            }
            record.experts.push(expert);
            let strong = Strong { adapter, strength: choice.strength };
            match expert {
                Expert::High => self.high.push(strong),
                Expert::Low => self.low.push(strong),
            }
        }
        if record.experts.is_empty() {
            return Err(Error::new(
                Kind::Input,
                format!("{} has a single transformer and no low-noise expert for {name}", checkpoint.id),
            )
            .remedy("Leave out \":low\"")
            .field("lora"));
        }
        self.advise(&file, choice, request, &name);
        self.records.push(record);
        Ok(())
    }

    fn advise(&mut self, file: &LoraFile, choice: &LoraChoice, request: &GenRequest, name: &str) {
        if let (Some(expert), None) = (file.expert(), choice.expert) {
            let word = if expert == Expert::High { "high" } else { "low" };
            self.notes.push(format!(
                "{name} is made for the {expert} by its name, and changes both; add \":{word}\" to change only that one"
            ));
        }
        if let Some(difference) = file.advice().and_then(|advice| advice.difference(request)) {
            self.notes.push(format!(
                "{name} is a distillation and advises {difference}; the presets named 4step have its settings"
            ));
        }
    }
}

fn content_hash(path: &PathBuf) -> Result<String> {
    let failed = |error: std::io::Error| {
        Error::new(Kind::Io, format!("Cannot read {}", path.display()))
            .because(error)
            .remedy("Fetch the file again")
            .field("lora")
    };
    sha256_hex_of_reader(&mut File::open(path).map_err(failed)?).map_err(failed)
}
