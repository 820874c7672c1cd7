//! Energy of the CPU packages, from the running average power limit counters that Linux lists in `/sys/class/powercap`.
//!
//! AMD and Intel processors have them. Most distributions let only the administrator read them.

use std::fs::{read_dir, read_to_string};
use std::path::{Path, PathBuf};

/// The counters of all packages.
#[derive(Debug, Default)]
pub(super) struct Rapl {
    packages: Vec<Package>,
}

/// The counter of one package; it starts again from 0 after `range`.
#[derive(Debug)]
struct Package {
    counter: PathBuf,
    range: u64,
    last: u64,
    sum: u64,
}

impl Rapl {
    /// The packages in `folder` whose counters can be read.
    pub(super) fn open(folder: &Path) -> Self {
        let Ok(entries) = read_dir(folder) else { return Self::default() };
        let mut zones: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        zones.sort();
        Self { packages: zones.iter().filter_map(|zone| Package::open(zone)).collect() }
    }

    /// Joules since this reader was opened; `None` if no counter can be read.
    pub(super) fn joules(&mut self) -> Option<f64> {
        let mut sum = None;
        for package in &mut self.packages {
            *sum.get_or_insert(0.0) += package.microjoules()? as f64 / 1e6;
        }
        sum
    }
}

impl Package {
    /// The counter in the folder `zone`; `None` for zones inside a package, which its counter includes.
    fn open(zone: &Path) -> Option<Self> {
        let name = read_to_string(zone.join("name")).ok()?;
        if !name.starts_with("package") {
            return None;
        }
        let range = number(&zone.join("max_energy_range_uj"))?;
        let counter = zone.join("energy_uj");
        let last = number(&counter)?;
        Some(Self { counter, range, last, sum: 0 })
    }

    fn microjoules(&mut self) -> Option<u64> {
        let now = number(&self.counter)?;
        let added = now.checked_sub(self.last).unwrap_or_else(|| self.range.saturating_sub(self.last) + now);
        (self.last, self.sum) = (now, self.sum + added);
        Some(self.sum)
    }
}

fn number(path: &Path) -> Option<u64> {
    read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn zone(folder: &Path, zone: &str, name: &str, energy: u64) {
        let zone = folder.join(zone);
        fs::create_dir_all(&zone).unwrap();
        fs::write(zone.join("name"), format!("{name}\n")).unwrap();
        fs::write(zone.join("max_energy_range_uj"), "10000000\n").unwrap();
        fs::write(zone.join("energy_uj"), format!("{energy}\n")).unwrap();
    }

    #[test]
    fn packages_are_summed_and_a_counter_may_start_again() {
        let dir = tempfile::tempdir().unwrap();
        zone(dir.path(), "intel-rapl:0", "package-0", 9_000_000);
        zone(dir.path(), "intel-rapl:0:0", "core", 5);
        zone(dir.path(), "intel-rapl:1", "package-1", 1_000_000);
        let mut energy = Rapl::open(dir.path());
        assert_eq!(energy.joules(), Some(0.0));
        zone(dir.path(), "intel-rapl:0", "package-0", 1_000_000);
        zone(dir.path(), "intel-rapl:1", "package-1", 1_500_000);
        assert_eq!(energy.joules(), Some(2.5));
        fs::remove_file(dir.path().join("intel-rapl:1/energy_uj")).unwrap();
        assert_eq!(energy.joules(), None, "a part is not the whole");
    }

    #[test]
    fn a_machine_without_counters_has_no_number() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Rapl::open(dir.path()).joules(), None);
        assert_eq!(Rapl::open(&dir.path().join("none")).joules(), None);
    }
}
