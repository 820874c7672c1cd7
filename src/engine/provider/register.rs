//! Registration of a provider in a session.

use ort::ep::cuda::{AttentionBackend, ConvAlgorithmSearch};
use ort::ep::{ArenaExtendStrategy, CPU, CUDA, ExecutionProviderDispatch, TensorRT};
use ort::session::Session as OrtSession;
use ort::session::builder::SessionBuilder;

use super::device;
use super::kernel_cache;
use super::plugin::plugin_device;
use super::plugin_library::names;
use crate::core::{DeviceId, Provider};
use crate::engine::memory::Arena;
use crate::engine::placement::{IS_RECORDED, Placement};
use crate::engine::runtime::Runtime;
use crate::engine::session::SessionOptions;

/// Cache of `TensorRT` engines in the data folder; they take minutes to build.
const ENGINES: &str = "cache/tensorrt";

/// Registers the provider of `options`; fails if that is not possible, where ONNX Runtime would only log a warning. `profile`
/// has the smallest, usual and largest shapes of the inputs, for a provider that builds an engine for them.
pub(in crate::engine) fn into_session(
    builder: SessionBuilder,
    options: &SessionOptions,
    profile: Option<[String; 3]>,
    runtime: &Runtime,
) -> ort::Result<SessionBuilder> {
    let builder = if Placement::may_differ(options.device.provider) {
        builder.with_config_entry(IS_RECORDED, "1")?
    } else {
        builder
    };
    let providers = match options.device.provider {
        Provider::Cpu if options.arena == Arena::Released => {
            let cpu = CPU::default().with_arena_allocator(false).build();
            return Ok(builder.with_execution_providers([cpu])?);
        }
        Provider::Cpu => return Ok(builder),
        Provider::Cuda => vec![cuda(options)],
        // in order of priority: CUDA runs what TensorRT does not support
        Provider::TensorRt => vec![tensorrt(runtime, options), cuda(options)],
        Provider::Rtx | Provider::WebGpu | Provider::OpenVino => {
            return plugin(builder, options, profile, runtime);
        }
    };
    let builder = builder
        .with_execution_providers(providers)?
        // weights outside the arena, so that the arena can shrink when a component is unloaded
        .with_config_entry("session.use_device_allocator_for_initializers", "1")?;
    Ok(builder)
}

/// Where the nodes of `session` run, if its provider may leave some to others.
pub(in crate::engine) fn placement(session: &OrtSession, provider: Provider) -> Option<Placement> {
    let name = match provider {
        Provider::TensorRt => "TensorrtExecutionProvider",
        _ => names(provider)?.provider,
    };
    Placement::of(session, provider, name)
        .inspect_err(|error| tracing::warn!("Where the nodes of a session run is unknown: {error}"))
        .ok()
}

/// Registers a plugin provider, whose library is loaded already.
fn plugin(
    builder: SessionBuilder,
    options: &SessionOptions,
    profile: Option<[String; 3]>,
    runtime: &Runtime,
) -> ort::Result<SessionBuilder> {
    let DeviceId { provider, ordinal, .. } = options.device;
    runtime.plugin(provider).map_err(|unavailable| ort::Error::new(unavailable.reason))?;
    let device = plugin_device(runtime, provider, ordinal)?;
    let prefix = device.ep()?;
    let settings: Vec<_> =
        if provider == Provider::Rtx { rtx(runtime, options, profile) } else { Vec::new() };
    let settings: Vec<_> =
        settings.into_iter().map(|(name, value)| (format!("{prefix}.{name}"), value)).collect();
    Ok(builder.with_devices([device], Some(&settings))?)
}

/// Options of `TensorRT` for RTX: weights stay where they are while an engine is built, those that the card cannot hold are
/// streamed, and compiled kernels are kept. Without a profile it would build for sizes from 0 to 32,767, usually 1, which
/// is no size of a latent.
fn rtx(
    runtime: &Runtime,
    options: &SessionOptions,
    profile: Option<[String; 3]>,
) -> Vec<(&'static str, String)> {
    let mut settings = vec![("nv_use_external_data_initializer", "1".to_owned())];
    if let Some(budget) = options.weight_budget {
        settings.push(("nv_weight_streaming_budget", format!("{}B", budget.0)));
    }
    let shapes = ["nv_profile_min_shapes", "nv_profile_opt_shapes", "nv_profile_max_shapes"];
    settings.extend(profile.into_iter().flat_map(|profile| shapes.into_iter().zip(profile)));
    settings.extend(kernels(runtime, options.device.ordinal).map(|path| ("nv_runtime_cache_path", path)));
    settings
}

/// The folder in which compiled kernels are kept; `None` without a data folder, or if it cannot be written to.
fn kernels(runtime: &Runtime, ordinal: u32) -> Option<String> {
    let data_dir = &runtime.search_environment().data_dir;
    let plugin = runtime.plugin(Provider::Rtx).ok()?;
    let card = device::at(ordinal).ok()?;
    if data_dir.as_os_str().is_empty() {
        return None;
    }
    kernel_cache::prepare(data_dir, plugin.version.as_deref().unwrap_or("unknown"), &card)
        .inspect_err(|error| tracing::warn!("Compiled kernels are not kept: {error}"))
        .ok()
        .map(|folder| folder.display().to_string())
}

fn cuda(options: &SessionOptions) -> ExecutionProviderDispatch {
    let device = device::at(options.device.ordinal).ok();
    let provider = CUDA::default();
    let provider = match device.and_then(|device| attention(device.capability)) {
        Some(backend) => provider.with_attention_backend(backend),
        None => provider,
    };
    provider
        .with_device_id(options.device.ordinal as i32)
        // the default doubles the arena every time, which does not fit when weights occupy most of the memory
        .with_arena_extend_strategy(ArenaExtendStrategy::SameAsRequested)
        // the default benchmarks every algorithm for every new shape; cuDNN 9's DEFAULT is a slow fallback
        .with_conv_algorithm_search(ConvAlgorithmSearch::Heuristic)
        .with_tf32(!options.exact)
        .build()
        .error_on_failure()
}

/// The kinds of attention kernels for a compute capability, where ONNX Runtime's own choice is a slow one.
///
/// On Ampere and Ada (8.0 to 8.9) it runs bf16 in the memory-efficient kernel; cuDNN's is faster. From 9.0 on it chooses
/// cuDNN itself (`tests/cuda.rs`).
fn attention(capability: (u32, u32)) -> Option<AttentionBackend> {
    (capability.0 == 8).then_some(
        AttentionBackend::CUDNN_FLASH_ATTENTION
            | AttentionBackend::FLASH_ATTENTION
            | AttentionBackend::EFFICIENT_ATTENTION,
    )
}

fn tensorrt(runtime: &Runtime, options: &SessionOptions) -> ExecutionProviderDispatch {
    let mut provider = TensorRT::default().with_device_id(options.device.ordinal as i32);
    let data_dir = &runtime.search_environment().data_dir;
    if !data_dir.as_os_str().is_empty() {
        let engines = data_dir.join(ENGINES).display().to_string();
        provider = provider
            .with_engine_cache(true)
            .with_engine_cache_path(&engines)
            .with_timing_cache(true)
            .with_timing_cache_path(&engines);
    }
    provider.build().error_on_failure()
}
