//! Putting a provider into a session.

use ort::ep::cuda::ConvAlgorithmSearch;
use ort::ep::{ArenaExtendStrategy, CPU, CUDA, ExecutionProviderDispatch, TensorRT};
use ort::session::builder::SessionBuilder;

use super::status::Provider;
use crate::engine::prepack::Scratch;
use crate::engine::runtime::Runtime;
use crate::engine::session::SessionOptions;

/// Folder of the data folder that keeps `TensorRT`'s engines, which take minutes to build.
const ENGINES: &str = "cache/tensorrt";

/// Registers what `options` ask for; one that cannot be registered is an error, not a line in a log.
pub(in crate::engine) fn into_session(
    builder: SessionBuilder,
    options: SessionOptions,
    runtime: &Runtime,
) -> ort::Result<SessionBuilder> {
    let providers = match options.provider {
        Provider::Cpu if options.scratch == Scratch::Returned => {
            let cpu = CPU::default().with_arena_allocator(false).build();
            return Ok(builder.with_execution_providers([cpu])?);
        }
        Provider::Cpu => return Ok(builder),
        Provider::Cuda => vec![cuda(options)],
        // first come, first served: TensorRT takes what it can, CUDA the rest
        Provider::TensorRt => vec![tensorrt(runtime), cuda(options)],
    };
    let builder = builder
        .with_execution_providers(providers)?
        // weights outside the arena, so that the arena can shrink when a network is done
        .with_config_entry("session.use_device_allocator_for_initializers", "1")?;
    Ok(builder)
}

fn cuda(options: SessionOptions) -> ExecutionProviderDispatch {
    CUDA::default()
        // the default doubles it every time, which does not fit when weights take most of the memory
        .with_arena_extend_strategy(ArenaExtendStrategy::SameAsRequested)
        // the default tries every algorithm for every new shape; cuDNN 9's DEFAULT is a slow fallback
        .with_conv_algorithm_search(ConvAlgorithmSearch::Heuristic)
        .with_tf32(!options.exact)
        .build()
        .error_on_failure()
}

fn tensorrt(runtime: &Runtime) -> ExecutionProviderDispatch {
    let mut provider = TensorRT::default();
    let data_dir = &runtime.places().data_dir;
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
