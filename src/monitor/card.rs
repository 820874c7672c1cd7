//! Memory of an NVIDIA card, asked of NVML, which comes with the driver.

use nvml_wrapper::Nvml;

use crate::core::Bytes;

/// Memory of a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CardMemory {
    /// All of it.
    pub total: Bytes,
    /// What nobody has allocated now.
    pub free: Bytes,
}

/// The memory of the first card; none without a driver.
pub fn card_memory() -> Option<CardMemory> {
    let look = || {
        let nvml = Nvml::init()?;
        nvml.device_by_index(0)?.memory_info()
    };
    let memory = look().inspect_err(|error| tracing::debug!("no card's memory is known: {error}")).ok()?;
    let free = memory.total.saturating_sub(memory.used);
    Some(CardMemory { total: Bytes(memory.total), free: Bytes(free) })
}
