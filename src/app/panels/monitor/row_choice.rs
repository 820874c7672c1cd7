//! Which rows the monitor shows, as it is kept between sessions.

use serde::{Deserialize, Serialize};

/// A kind of row; a machine with several devices has a row of each device's kinds for each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::app) enum RowKind {
    /// Use of the processor.
    Cpu,
    /// Main memory.
    Memory,
    /// Swap in use.
    Swap,
    /// Use of a device.
    Gpu,
    /// Memory of a device.
    Vram,
    /// Power draw of a device.
    Power,
    /// Temperature of a device.
    Temperature,
    /// Clocks of a device.
    Clocks,
    /// Traffic over PCI Express.
    Pcie,
    /// Reads and writes of disks.
    Disk,
    /// Page faults that read from a disk.
    PageFaults,
    /// The time of each step.
    Steps,
}

impl RowKind {
    /// All kinds, from top to bottom.
    pub(super) const ALL: [Self; 12] = [
        Self::Cpu,
        Self::Memory,
        Self::Swap,
        Self::Gpu,
        Self::Vram,
        Self::Power,
        Self::Temperature,
        Self::Clocks,
        Self::Pcie,
        Self::Disk,
        Self::PageFaults,
        Self::Steps,
    ];

    /// Its name in the menu.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Cpu => "CPU",
            Self::Memory => "Memory",
            Self::Swap => "Swap",
            Self::Gpu => "GPU",
            Self::Vram => "VRAM",
            Self::Power => "Power",
            Self::Temperature => "Temperature",
            Self::Clocks => "Clocks",
            Self::Pcie => "PCIe",
            Self::Disk => "Disk",
            Self::PageFaults => "Page faults",
            Self::Steps => "Steps",
        }
    }

    fn bit(self) -> u16 {
        1 << self as u16
    }

    /// Whether it is about a device.
    pub(super) fn is_of_device(self) -> bool {
        use RowKind::{Clocks, Gpu, Pcie, Power, Temperature, Vram};
        matches!(self, Gpu | Vram | Power | Temperature | Clocks | Pcie)
    }
}

/// The kinds of rows that are shown, a bit for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<RowKind>", into = "Vec<RowKind>")]
pub(in crate::app) struct RowChoice(u16);

impl Default for RowChoice {
    fn default() -> Self {
        use RowKind::{Cpu, Disk, Gpu, Memory, Power, Steps, Vram};
        vec![Cpu, Memory, Gpu, Vram, Power, Disk, Steps].into()
    }
}

impl From<Vec<RowKind>> for RowChoice {
    fn from(kinds: Vec<RowKind>) -> Self {
        Self(kinds.into_iter().fold(0, |bits, kind| bits | kind.bit()))
    }
}

impl From<RowChoice> for Vec<RowKind> {
    fn from(choice: RowChoice) -> Self {
        RowKind::ALL.into_iter().filter(|kind| choice.shows(*kind)).collect()
    }
}

impl RowChoice {
    /// Whether rows of this kind are shown.
    pub(super) fn shows(self, kind: RowKind) -> bool {
        self.0 & kind.bit() != 0
    }

    /// The same with or without a kind; without the last one, the default.
    pub(super) fn toggled(self, kind: RowKind) -> Self {
        match self.0 ^ kind.bit() {
            0 => Self::default(),
            bits => Self(bits),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_and_go_and_one_always_stays() {
        let choice = RowChoice::default().toggled(RowKind::Pcie).toggled(RowKind::Cpu);
        assert!(choice.shows(RowKind::Pcie) && !choice.shows(RowKind::Cpu));
        let text = ron::to_string(&choice).unwrap();
        assert_eq!(ron::from_str::<RowChoice>(&text).unwrap(), choice);
        let shown = Vec::from(choice);
        let none = shown.into_iter().fold(choice, RowChoice::toggled);
        assert_eq!(none, RowChoice::default());
    }
}
