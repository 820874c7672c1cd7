//! Loads the sessions of networks, or takes those that an earlier stage or job left loaded.

use std::path::Path;

use super::engine_build::{self, reported};
use super::network::Network;
use super::session_ahead::SessionAhead;
use super::session_cache::{AnySession, LoadedSession, SessionKey, SessionMemory};
use crate::core::{Error, Event, FaultPoint, Fix, Kind, Provider, ProviderChoice, Result, Secs};
use crate::engine::{Arena, Placement, Prepack, Runtime, SessionOptions};
use crate::onnx::SizeRanges;
use crate::pipeline::compute_plan::ComputePlan;
use crate::pipeline::context::RunContext;
use crate::pipeline::memory_plan::{ComponentId, MemoryPlan, Residency};
use crate::wan::{Checkpoint, VaeSplit};

/// What sessions are made with.
#[derive(Clone, Copy)]
pub(in crate::pipeline) struct Loader<'a> {
    pub(in crate::pipeline) runtime: &'a Runtime,
    pub(in crate::pipeline) checkpoint: &'a Checkpoint,
    pub(in crate::pipeline) compute: &'a ComputePlan,
    pub(in crate::pipeline) memory: &'a MemoryPlan,
    /// Threads of one operation; 0 lets ONNX Runtime take all cores.
    pub(in crate::pipeline) threads: usize,
    /// Folder in which ONNX Runtime profiles the sessions; `None` for no profile.
    pub(in crate::pipeline) profile: Option<&'a Path>,
    /// Whether most of a component may run on the CPU where another provider was asked for.
    pub(in crate::pipeline) may_use_cpu: bool,
}

impl Loader<'_> {
    /// How sessions of `component` are made.
    pub(super) fn options(&self, component: ComponentId) -> SessionOptions {
        // values of the VAE's stream are too large to be kept between operations
        let is_stream = matches!(component, ComponentId::VaeEncoder | ComponentId::VaeDecoder);
        let is_built = self.checkpoint.exported.is_none();
        let arena = if is_stream && is_built { Arena::Released } else { Arena::default() };
        let prepack = if is_built { self.memory.of(component).prepack } else { Prepack::default() };
        let profile = self.profile.map(Path::to_path_buf);
        let options = self.compute.options();
        // what the plan leaves for weights, where the provider streams what exceeds it
        let planned = self.memory.weight_budget(component);
        let weight_budget = options.weight_budget.map(|budget| planned.unwrap_or(budget));
        SessionOptions { threads: self.threads, prepack, arena, profile, weight_budget, ..options }
    }

    /// The same, of a graph whose inputs become as large as `sizes`.
    pub(super) fn options_for(&self, component: ComponentId, sizes: SizeRanges) -> SessionOptions {
        let is_built_for_sizes = self.compute.device.provider == Provider::Rtx;
        let sizes = if is_built_for_sizes { sizes } else { SizeRanges::default() };
        SessionOptions { sizes, ..self.options(component) }
    }

    /// Size of the VAE's tiles in latent cells; none if it takes a frame in one piece or in bands.
    pub(in crate::pipeline) fn tile_cells(&self) -> Option<usize> {
        let stride = self.checkpoint.vae.config.scale_factor_spatial.max(1);
        match self.memory.vae {
            VaeSplit::Tiles(tile) => Some((tile / stride) as usize),
            VaeSplit::Whole | VaeSplit::Bands => None,
        }
    }

    /// The session of `network`, loaded now or by an earlier stage or job.
    pub(super) fn acquire(
        &self,
        network: &Network<'_>,
        context: &mut RunContext<'_>,
    ) -> Result<LoadedSession> {
        self.acquire_with(network, &network.options, &network.key, context)
    }

    /// The session of `network` on its second device, if it has one there.
    pub(super) fn acquire_second(
        &self,
        network: &Network<'_>,
        context: &mut RunContext<'_>,
    ) -> Result<Option<LoadedSession>> {
        let second = network.second.as_deref();
        second.map(|(options, key)| self.acquire_with(network, options, key, context)).transpose()
    }

    fn acquire_with(
        &self,
        network: &Network<'_>,
        options: &SessionOptions,
        key: &SessionKey,
        context: &mut RunContext<'_>,
    ) -> Result<LoadedSession> {
        context.cancel.check()?;
        // a session that reads its weights in place reads the files as they are now
        self.checkpoint.check_unchanged().inspect_err(|_| context.sessions.drop_one(key))?;
        if let Some((loaded, is_earlier)) = context.sessions.take(key) {
            if is_earlier {
                let message = format!("The {} was still loaded from an earlier job", network.component);
                context.reporter.optimization(message);
            }
            return Ok(loaded);
        }
        let session = match context.sessions.take_ahead(key) {
            Some(ahead) => self.made_ahead(ahead, network, options, context)?,
            None => self.load(network, options, context)?,
        };
        Ok(LoadedSession {
            session,
            component: network.component,
            key: key.clone(),
            memory: SessionMemory::new(options.device.clone(), self.memory.of(network.component).kept),
            run: context.sessions.count_loaded(),
        })
    }

    /// Takes a session back that a stage does not need any more, and keeps it or drops it as planned.
    pub(super) fn release(&self, mut loaded: LoadedSession, context: &mut RunContext<'_>) {
        match loaded.session.end_profile() {
            Ok(None) => {}
            Ok(Some(profile)) => {
                let network = loaded.component.to_string();
                let seconds = Secs::from(profile.began.elapsed());
                context.reporter.send(Event::Profiled { network, path: profile.path, seconds });
                // a session without its profile is another session
                return;
            }
            Err(error) => context.reporter.warn(format!("The profile of a network is not complete: {error}")),
        }
        if self.memory.of(loaded.component).residency > Residency::Stage {
            context.sessions.put(loaded);
        }
    }

    /// The session that was made while the stage before computed; made again, now alone, if that ran out of memory.
    fn made_ahead(
        &self,
        ahead: SessionAhead,
        network: &Network<'_>,
        options: &SessionOptions,
        context: &mut RunContext<'_>,
    ) -> Result<AnySession> {
        context.faults.inject(FaultPoint::Load, context.cancel)?;
        let made = ahead.finish();
        context.cancel.check()?;
        self.checkpoint.check_unchanged()?;
        match made {
            Err(error) if error.kind == Kind::OutOfMemory => {
                tracing::info!("The {} could not be loaded ahead of time: {error:#}", network.component);
                self.load(network, options, context)
            }
            made => {
                context.sessions.count_made_ahead();
                made.map(AnySession::whole)
            }
        }
    }

    fn load(
        &self,
        network: &Network<'_>,
        options: &SessionOptions,
        context: &mut RunContext<'_>,
    ) -> Result<AnySession> {
        context.faults.inject(FaultPoint::Load, context.cancel)?;
        // offsets into a file that was replaced would read other numbers
        self.checkpoint.check_unchanged()?;
        let RunContext { cancel, reporter, .. } = context;
        let session = if options.device.provider.builds_engines() {
            let component = network.component.to_string();
            let load = || network.load(self.runtime, options, cancel);
            reported(engine_build::EVERY, load, |seconds| {
                reporter.send(Event::BuildingEngine { component: component.clone(), seconds });
            })
        } else {
            network.load(self.runtime, options, cancel)
        };
        cancel.check()?;
        self.checkpoint.check_unchanged()?;
        let session = session?;
        if let Some(placement) = session.placement().filter(|placement| !placement.others.is_empty()) {
            self.check_placement(placement, network.component)?;
            context.reporter.warn(format!("Of the {}, {placement}", network.component));
        }
        Ok(session)
    }

    /// Refuses a component that would mostly run on the CPU, unless the settings allow it.
    fn check_placement(&self, placement: &Placement, component: ComponentId) -> Result<()> {
        if self.may_use_cpu || !placement.is_mostly_on_cpu() {
            return Ok(());
        }
        let provider = placement.provider;
        let message = format!("Most of the {component} would run on the CPU: {placement}");
        let error = Error::new(Kind::Unsupported, message).field("provider").remedy(format!(
            "Use another provider than {}, or allow the CPU (the setting errors.cpu_fallback)",
            provider.word()
        ));
        Err(if provider.is_nvidia() {
            error.with_fixes(vec![Fix::Provider(ProviderChoice::Cuda)])
        } else {
            error
        })
    }
}
