//! What runs a job's graphs and in which types: chosen before anything is loaded, or refused with what to do.

use super::networks::memory_of_sessions;
use super::second_device::SecondDevice;
use crate::core::{
    Bytes, DeviceChoice, DeviceId, Error, Fix, GenRequest, Kind, PrecisionChoice, Provider, ProviderChoice,
    Quantisation, Result,
};
use crate::engine::{Device, Runtime, SessionOptions, candidates, chosen_device, device_id, select_provider};
use crate::onnx::{ComputeType, Dtype, RepackTarget, Weights};
use crate::wan::Checkpoint;
use crate::wan::exported::Exported;
use crate::wan::graphs::is_embedding_table;

/// A matrix that every transformer has; its stored type is taken as that of all of them.
const SAMPLE: &str = "blocks.0.attn1.to_q.weight";

/// Part of a GPU's free memory, in percent, that the weights of one component may take in the type that computes. The rest is
/// for values: 12 GiB for an A14B at 1280x720.
const MAX_WIDE_PERCENT: u64 = 60;

/// The precision of exported graphs, which decide it themselves.
const AS_EXPORTED: &str = "as exported";

/// What runs the graphs of a job, what each component computes in, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComputePlan {
    /// Provider and device that run the graphs.
    pub device: DeviceId,
    /// Total memory of a GPU, as its driver reports it.
    pub device_memory: Option<Bytes>,
    /// A second device that computes the predictions for the negative prompt.
    pub second: Option<SecondDevice>,
    /// What the text encoder computes in.
    pub text: ComputeType,
    /// What the transformers compute in.
    pub transformer: ComputeType,
    /// What the VAE computes in.
    pub vae: ComputeType,
    /// Whether fp32 was asked for: TF32 must not take its place, and quantised weights are widened, not rounded again.
    pub exact: bool,
    /// What weights become that no graph reads as they are stored.
    pub repack: RepackTargets,
    /// The transformers' precision, for instance "fp32" or "int8".
    pub precision: &'static str,
    /// Why this provider and these types, without any path.
    pub reason: String,
}

/// What the weights of each component become if no graph reads them as they are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RepackTargets {
    /// Of the text encoder.
    pub text: RepackTarget,
    /// Of the transformers.
    pub transformer: RepackTarget,
    /// Of the VAE.
    pub vae: RepackTarget,
}

impl RepackTargets {
    fn all(target: RepackTarget) -> Self {
        Self { text: target, transformer: target, vae: target }
    }
}

impl ComputePlan {
    /// Chooses for `request` on this machine: the CPU, or the CUDA device `ordinal` where it names no other. `free` says how much memory of a device
    /// no program uses. Fails if the request names a provider or precision that cannot be used.
    pub fn choose(
        runtime: &Runtime,
        ordinal: u32,
        checkpoint: &Checkpoint,
        request: &GenRequest,
        free: impl FnOnce(&DeviceId) -> Option<Bytes>,
    ) -> Result<Self> {
        let (pinned, precision) = (request.devices.device.as_ref(), request.precision);
        let ordinal = match pinned {
            None => ordinal,
            // devices of other makers have no driver that could be asked
            Some(DeviceChoice::Ordinal(chosen))
                if request.provider.provider().is_some_and(Provider::is_experimental) =>
            {
                *chosen
            }
            Some(choice) => chosen_device(choice, "device")?.ordinal,
        };
        let provider = match request.provider {
            // never on the CPU instead
            ProviderChoice::Auto if pinned.is_some() => ProviderChoice::Cuda,
            provider => provider,
        };
        let is_auto = provider == ProviderChoice::Auto;
        if checkpoint.quantisation() == Some(Quantisation::Int4) && is_auto {
            let reason = "int4 weights are computed by the CPU only".to_owned();
            return Self::on(Provider::Cpu, None, precision, checkpoint).map(|cpu| Self { reason, ..cpu });
        }
        let chosen = select_provider(provider, &candidates(runtime, provider, ordinal))?;
        // what earlier jobs left loaded makes room
        let available = chosen.device.as_ref().and_then(|_| free(&chosen.id));
        let available = available.map(|free| Bytes(free.0 + memory_of_sessions(&chosen.id).0));
        let on =
            Self::on_device(chosen.id.provider, chosen.device.as_ref(), available, precision, checkpoint);
        let plan = on.map_err(|error| match chosen.id.provider {
            // the request fails because of the machine
            Provider::Cpu if is_auto => error.because(std::io::Error::other(chosen.reason.clone())),
            _ => error,
        })?;
        let reason = match plan.reason.as_str() {
            "" => chosen.reason,
            types => format!("{}; {types}", chosen.reason),
        };
        let plan = Self { reason, ..plan };
        let second = SecondDevice::choose(request, &plan)?;
        let beside = second.as_ref().map(|second| format!("; the negative prompt on {}", second.id));
        let reason = format!("{}{}", plan.reason, beside.unwrap_or_default());
        Ok(Self { second, reason, ..plan })
    }

    /// The devices that a job takes.
    pub fn devices(&self) -> Vec<DeviceId> {
        let second = self.second.as_ref().map(|second| second.id.clone());
        std::iter::once(self.device.clone()).chain(second).collect()
    }

    /// Chooses the types on a provider, which need not be of this machine. Without a device, one with bf16 is assumed.
    pub fn on(
        provider: Provider,
        device: Option<&Device>,
        precision: PrecisionChoice,
        checkpoint: &Checkpoint,
    ) -> Result<Self> {
        Self::on_device(provider, device, None, precision, checkpoint)
    }

    /// Chooses the types like [`Self::on`], on a device of which so much memory is `available`; `None` for all of it.
    pub fn on_device(
        provider: Provider,
        device: Option<&Device>,
        available: Option<Bytes>,
        precision: PrecisionChoice,
        checkpoint: &Checkpoint,
    ) -> Result<Self> {
        precision.check(provider.choice(), &checkpoint.limits())?;
        let asks_fp32 = precision == PrecisionChoice::Fp32;
        let all = |compute: ComputeType, precision| Self {
            device: device_id(provider, device),
            device_memory: device.map(|device| device.memory),
            second: None,
            text: compute,
            transformer: compute,
            vae: compute,
            exact: asks_fp32,
            repack: RepackTargets::all(RepackTarget::Float(compute.dtype())),
            precision,
            reason: String::new(),
        };
        if provider == Provider::Cpu {
            let short = |exported: &Exported| exported.graphs().any(|graph| graph.short().is_some());
            let word = match &checkpoint.exported {
                Some(exported) if short(exported) => AS_EXPORTED,
                _ => {
                    let repacked = (checkpoint.transformer.weights.needs_repack() && !asks_fp32)
                        .then_some(Quantisation::Int8);
                    let quantisation = checkpoint.quantisation().or(repacked);
                    quantisation.map_or_else(|| ComputeType::Fp32.word(), Quantisation::word)
                }
            };
            let plan = all(ComputeType::Fp32, word);
            // the CPU multiplies int8 fastest
            let repack = if asks_fp32 { plan.repack } else { RepackTargets::all(RepackTarget::Int8) };
            return Ok(Self { repack, ..plan });
        }
        if provider.is_experimental() {
            check_experimental(provider, precision)?;
            return Ok(all(ComputeType::Fp32, ComputeType::Fp32.word()));
        }
        if checkpoint.exported.is_some() {
            return match precision {
                PrecisionChoice::Auto => Ok(all(ComputeType::Fp32, AS_EXPORTED)),
                _ => Err(refused(
                    "Graphs that were exported elsewhere compute in what they were exported in",
                    "Use the precision auto",
                )),
            };
        }
        if let Some(device) = device.filter(|_| provider == Provider::Rtx) {
            check_fp8(device, checkpoint)?;
        }
        let has_bf16 = device.is_none_or(Device::has_bf16);
        // UMT5's values leave the range of fp16
        let text = if has_bf16 { ComputeType::Bf16 } else { ComputeType::Fp32 };
        let (transformer, vae) = match precision {
            PrecisionChoice::Fp32 => return Ok(all(ComputeType::Fp32, "fp32")),
            PrecisionChoice::Bf16 if !has_bf16 => {
                let device = device.map_or_else(|| "The device".to_owned(), ToString::to_string);
                return Err(refused(
                    &format!("{device} does not compute in bf16"),
                    "Use the precision auto, fp16 or fp32",
                ));
            }
            PrecisionChoice::Bf16 => (ComputeType::Bf16, ComputeType::Fp32),
            PrecisionChoice::Fp16 => (ComputeType::Fp16, ComputeType::Fp16),
            // as the weights are stored, if that is a type to compute in
            _ if !has_bf16 || stored(checkpoint) == Some(Dtype::F16) => {
                (ComputeType::Fp16, ComputeType::Fp32)
            }
            _ => (ComputeType::Bf16, ComputeType::Fp32),
        };
        let total = device.map(|device| device.memory);
        let memory = match (available, total) {
            (Some(available), Some(total)) => Some(available.min(total)),
            (available, total) => available.or(total),
        };
        let targets = |memory| RepackTargets {
            text: on_device(&checkpoint.text_encoder.weights, text, memory),
            transformer: on_device(&checkpoint.transformer.weights, transformer, memory),
            vae: RepackTarget::Float(vae.dtype()),
        };
        let repack = targets(memory);
        let keeps_int8 = checkpoint.quantisation().is_some() || repack.transformer == RepackTarget::Int8;
        let follows_free = targets(total).transformer != repack.transformer;
        let weights = kept_words(keeps_int8, memory.filter(|_| follows_free));
        let reason = format!("text encoder {text}, transformer {transformer}{weights}, VAE {vae}");
        Ok(Self { text, transformer, vae, repack, reason, ..all(ComputeType::Fp32, transformer.word()) })
    }

    /// The options of its sessions.
    pub fn options(&self) -> SessionOptions {
        let weight_budget = self
            .device_memory
            .filter(|_| self.device.provider == Provider::Rtx)
            .map(|memory| Bytes(memory.0 / 100 * MAX_WIDE_PERCENT));
        let (device, exact) = (self.device.clone(), self.exact);
        SessionOptions { device, exact, weight_budget, ..SessionOptions::default() }
    }

    /// A part of the keys of kept results: another plan computes other numbers.
    pub(super) fn identity(&self) -> String {
        let Self { device, text, vae, exact, repack, .. } = self;
        let rounded = if repack.text == RepackTarget::Int8 { " int8" } else { "" };
        format!("{} {text}{rounded} {vae} {exact}", device.provider)
    }
}

/// What a GPU with this much free memory gets of `weights` that no graph reads as they are stored: values of the type that
/// computes, or int8 rows where those would take too much.
fn on_device(weights: &Weights, compute: ComputeType, memory: Option<Bytes>) -> RepackTarget {
    if !weights.needs_repack() {
        return RepackTarget::Float(compute.dtype());
    }
    let on_device = weights.iter().filter(|(name, _)| !is_embedding_table(name));
    let num_values: u64 = on_device.map(|(_, info)| info.shape.iter().product::<usize>() as u64).sum();
    let wide = num_values * compute.bytes() as u64;
    let is_too_large = memory.is_some_and(|memory| wide > memory.0 / 100 * MAX_WIDE_PERCENT);
    if is_too_large { RepackTarget::Int8 } else { RepackTarget::Float(compute.dtype()) }
}

/// What is said of int8 weights that stay so; `free` is the memory that is free, if the device's whole memory would not need
/// them.
fn kept_words(keeps_int8: bool, free: Option<Bytes>) -> String {
    match free {
        _ if !keeps_int8 => String::new(),
        Some(free) => format!(" with int8 weights, because {free} of the device's memory are free"),
        None => " with int8 weights".to_owned(),
    }
}

fn stored(checkpoint: &Checkpoint) -> Option<Dtype> {
    checkpoint.transformer.weights.get(SAMPLE).ok().map(|info| info.dtype)
}

/// Refuses fp8 weights for `TensorRT` for RTX on a card without fp8: no engine can be built. CUDA dequantises them.
fn check_fp8(device: &Device, checkpoint: &Checkpoint) -> Result<()> {
    let weights = [&checkpoint.transformer.weights, &checkpoint.text_encoder.weights];
    let mut weights =
        weights.into_iter().chain(checkpoint.transformer_2.iter().map(|second| &second.weights));
    let is_fp8 = |dtype| matches!(dtype, Dtype::F8E4M3 | Dtype::F8E5M2);
    if device.has_fp8() || !weights.any(|weights| weights.iter().any(|(_, info)| is_fp8(info.dtype))) {
        return Ok(());
    }
    let (major, minor) = device.capability;
    let message = format!(
        "{} has weights in fp8, which TensorRT for RTX computes on cards of compute capability 8.9 and newer; {} has \
         {major}.{minor}",
        checkpoint.id, device.name
    );
    let remedy = "Use the provider cuda, which dequantises them, or the model in bf16, fp16 or int8";
    Err(refused(&message, remedy).with_fixes(vec![Fix::Provider(ProviderChoice::Cuda)]))
}

/// Refuses what an experimental provider is not tried in.
fn check_experimental(provider: Provider, precision: PrecisionChoice) -> Result<()> {
    if !matches!(precision, PrecisionChoice::Bf16 | PrecisionChoice::Fp16) {
        return Ok(());
    }
    let message = format!("{provider} is experimental and computes in fp32 only");
    Err(refused(&message, "Use the precision auto or fp32"))
}

fn refused(message: &str, remedy: &str) -> Error {
    Error::new(Kind::Unsupported, message).remedy(remedy).field("precision")
}
