//! CFG parallelism: a second device that computes the predictions for the negative prompt.

use super::compute_plan::ComputePlan;
use crate::core::{Bytes, DeviceId, Error, Fix, GenRequest, Kind, Provider, Result};
use crate::engine::{Device, chosen_device};
use crate::onnx::ComputeType;

/// The name of the setting.
const FIELD: &str = "cfg_parallel";

/// A second device with a copy of each transformer, which computes the predictions for the negative prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecondDevice {
    /// Its provider and device.
    pub id: DeviceId,
    /// Its total memory, as its driver reports it.
    pub memory: Option<Bytes>,
}

impl SecondDevice {
    /// The device that `request` asks for beside that of `plan`; `None` without one, or without guidance, where there is no
    /// second pass.
    pub(super) fn choose(request: &GenRequest, plan: &ComputePlan) -> Result<Option<Self>> {
        let has_passes = [request.guidance, request.guidance_low].iter().any(|guidance| guidance.enabled());
        let Some(choice) = request.devices.cfg_parallel.as_ref().filter(|_| has_passes) else {
            return Ok(None);
        };
        let provider = plan.device.provider;
        if provider != Provider::Cuda {
            let message =
                format!("CFG parallel needs two devices with CUDA, but this job runs on {provider}");
            return Err(refused(message, "Use the provider cuda, or turn CFG parallel off"));
        }
        Self::beside(plan, &chosen_device(choice, FIELD)?).map(Some)
    }

    /// `device` as the second one beside that of `plan`. Fails if it is the same, or does not compute in the plan's types.
    pub fn beside(plan: &ComputePlan, device: &Device) -> Result<Self> {
        let id = device.id(plan.device.provider);
        if id.physical() == plan.device.physical() {
            let message = format!("CFG parallel needs two devices, but the job already runs on {id}");
            return Err(refused(message, "Choose another device"));
        }
        if plan.transformer == ComputeType::Bf16 && !device.has_bf16() {
            let message = format!("{device} does not compute in bf16, as the first device does");
            return Err(refused(message, "Choose another device, or the precision fp16"));
        }
        Ok(Self { id, memory: Some(device.memory) })
    }
}

fn refused(message: String, remedy: &str) -> Error {
    Error::new(Kind::Unsupported, message).remedy(remedy).field(FIELD).with_fixes(vec![Fix::AnyDevice])
}
