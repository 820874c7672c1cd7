//! The experts of LoRAs that were named without one.

use crate::core::LoraChoice;
use crate::wan::lora::LoraFile;

/// Gives each LoRA without an expert the one that its name, metadata or folder says. A file whose keys name experts keeps
/// both.
pub(super) fn take_from_names(loras: &mut [LoraChoice]) {
    for lora in loras.iter_mut().filter(|lora| lora.expert.is_none()) {
        // a file that cannot be read is reported when the job is planned
        let file = LoraFile::open(&lora.file).ok().filter(|file| file.experts().is_empty());
        lora.expert = file.and_then(|file| file.expert());
    }
}
