//! Two measurements side by side.

use serde::Serialize;

use super::report::{BenchComponent, BenchReport};
use crate::core::{Error, Kind, Result, Secs};

/// One figure in two measurements.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ComparedFigure {
    /// Which component.
    pub component: BenchComponent,
    /// Precision of the transformer.
    pub precision: String,
    /// Duration in the first measurement and in the second.
    pub seconds: [Secs; 2],
    /// The second duration over the first.
    pub ratio: f64,
    /// The second part of the ceiling over the first: what is left of the ratio if the machine itself was faster or slower.
    pub of_ceiling_ratio: Option<f64>,
    /// The second peak memory over the first.
    pub memory_ratio: Option<f64>,
}

/// Two measurements of the same work.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BenchComparison {
    /// Numbers of the measurements.
    pub numbers: [u32; 2],
    /// Versions of the program.
    pub wandeck: [String; 2],
    /// The second speed of a large matrix product over the first.
    pub ceiling_ratio: f64,
    /// The figures that both have.
    pub figures: Vec<ComparedFigure>,
    /// What makes the comparison weaker, as sentences.
    pub warnings: Vec<String>,
}

impl BenchComparison {
    /// Compares two measurements; fails with [`Kind::Input`] if they are of different work.
    pub fn of(first: &BenchReport, second: &BenchReport) -> Result<Self> {
        if first.work() != second.work() {
            let message = format!(
                "Measurement {} is of {} and measurement {} of {}",
                first.number,
                first.work(),
                second.number,
                second.work()
            );
            return Err(Error::new(Kind::Input, message).remedy("Choose two of the same work"));
        }
        let mut figures = Vec::new();
        for old in &first.figures {
            let same = |new: &&super::BenchFigure| {
                (new.component, &new.precision) == (old.component, &old.precision)
            };
            let Some(new) = second.figures.iter().find(same) else { continue };
            figures.push(ComparedFigure {
                component: old.component,
                precision: old.precision.clone(),
                seconds: [old.seconds, new.seconds],
                ratio: new.seconds.0 / old.seconds.0.max(1e-9),
                of_ceiling_ratio: ratio(old.of_ceiling, new.of_ceiling),
                memory_ratio: ratio(old.peak_rss_mb, new.peak_rss_mb),
            });
        }
        let mut warnings = Vec::new();
        let machine = |report: &BenchReport| {
            let device = report.device.clone().unwrap_or_default();
            format!("{} {device}, {} cores, {}", report.provider, report.cores, report.memory)
        };
        if machine(first) != machine(second) {
            warnings.push(format!("The machines differ: {} and {}", machine(first), machine(second)));
        }
        Ok(Self {
            numbers: [first.number, second.number],
            wandeck: [first.wandeck.clone(), second.wandeck.clone()],
            ceiling_ratio: second.ceilings.flops / first.ceilings.flops.max(1e-9),
            figures,
            warnings,
        })
    }
}

fn ratio(old: Option<f64>, new: Option<f64>) -> Option<f64> {
    Some(new? / old.filter(|old| *old > 0.0)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{BenchFigure, BenchStore, Ceilings};
    use crate::core::{Bytes, Resolution, Utc};

    fn report(seconds: f64, flops: f64) -> BenchReport {
        let figure = BenchFigure {
            component: BenchComponent::Transformer,
            precision: "int8".into(),
            seconds: Secs(seconds),
            load: None,
            first: None,
            flops: Some(flops),
            of_ceiling: Some(0.5),
            peak_rss_mb: Some(1000.0),
            layers: Some([2, 30]),
        };
        BenchReport {
            number: 0,
            wandeck: "0.1.0".into(),
            onnxruntime: "1.31.1".into(),
            measured: Utc(0),
            provider: "cpu".into(),
            device: None,
            cores: 2,
            memory: Bytes(1 << 34),
            ceilings: Ceilings { flops, ..Ceilings::default() },
            model: "ti2v-5B, 2 layers".into(),
            size: Resolution::new(256, 256),
            frames: 5,
            peak_vram_mb: None,
            figures: vec![figure],
        }
    }

    #[test]
    fn measurements_are_kept_and_compared() {
        let dir = tempfile::tempdir().unwrap();
        let store = BenchStore::new(dir.path());
        assert_eq!(store.list().unwrap().results, []);
        let (mut first, mut second) = (report(4.0, 2e11), report(3.0, 1e11));
        store.add(&mut first).unwrap();
        store.add(&mut second).unwrap();
        std::fs::write(dir.path().join("bench/7.json"), "{").unwrap();
        let list = store.list().unwrap();
        assert_eq!((list.results.len(), list.warnings.len()), (2, 1), "{:?}", list.warnings);
        let compared = BenchComparison::of(&list.results[0], &store.load(2).unwrap()).unwrap();
        assert_eq!((compared.numbers, compared.ceiling_ratio), ([1, 2], 0.5));
        assert_eq!(compared.figures[0].ratio, 0.75);
        assert_eq!(compared.warnings, Vec::<String>::new());
        assert_eq!(first.figures[0].all_layers(), Some(Secs(60.0)));
        assert_eq!(store.load(3).unwrap_err().kind, Kind::Input);
    }

    #[test]
    fn one_program_measures_at_a_time_and_removes_what_a_killed_one_left() {
        let dir = tempfile::tempdir().unwrap();
        let store = BenchStore::new(dir.path());
        let left = dir.path().join("bench/work-left/model");
        std::fs::create_dir_all(&left).unwrap();
        let folder = store.work_folder().unwrap();
        assert!(!left.exists() && folder.path().is_dir());
        assert_eq!(store.work_folder().err().unwrap().kind, Kind::Input);
        let path = folder.path().to_path_buf();
        drop(folder);
        assert!(!path.exists() && store.work_folder().is_ok());
        assert_eq!(store.list().unwrap().results, []);
    }

    #[test]
    fn different_work_is_not_compared() {
        let other = BenchReport { frames: 17, ..report(1.0, 1e11) };
        assert_eq!(BenchComparison::of(&report(1.0, 1e11), &other).unwrap_err().kind, Kind::Input);
        let machine = BenchReport { cores: 4, ..report(1.0, 1e11) };
        let compared = BenchComparison::of(&report(1.0, 1e11), &machine).unwrap();
        assert_eq!(compared.warnings.len(), 1);
    }
}
