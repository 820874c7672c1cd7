//! One network: its graph, built here or exported elsewhere, and how its session is made.

use std::sync::Arc;

use super::session_cache::{AnySession, SessionKey};
use crate::core::{CancelToken, DeviceId, Error, Kind, Provider, Result};
use crate::engine::{Runtime, Session, SessionFile, SessionOptions, StreamedSession};
use crate::onnx::{Dtype, Graph, GraphChain};
use crate::pipeline::memory_plan::ComponentId;
use crate::wan::exported::ExportedGraph;

/// Where a network's graph comes from.
pub(in crate::pipeline) enum Source<'a> {
    /// Built over the checkpoint's weights.
    Built(Arc<Graph>),
    /// Built in parts whose weights are streamed.
    Streamed(Box<GraphChain>),
    /// Exported into a file, of whose outputs the named one counts.
    Exported(&'a ExportedGraph, String),
}

/// A network that can be loaded.
pub(in crate::pipeline) struct Network<'a> {
    pub(super) component: ComponentId,
    pub(super) source: Source<'a>,
    pub(super) options: SessionOptions,
    pub(super) key: SessionKey,
    /// How its session on a second device is made, if it has one there, too.
    pub(super) second: Option<Box<(SessionOptions, SessionKey)>>,
}

impl<'a> Network<'a> {
    pub(super) fn built(component: ComponentId, graph: Graph, options: SessionOptions) -> Self {
        let key = SessionKey::new(&graph.to_bytes(), &graph.weights_identity(), &options);
        Self { component, source: Source::Built(Arc::new(graph)), options, key, second: None }
    }

    pub(super) fn streamed(component: ComponentId, chain: GraphChain, options: SessionOptions) -> Self {
        let graphs: Vec<u8> = chain.graphs().flat_map(Graph::to_bytes).collect();
        let key = SessionKey::new(&graphs, &chain.weights_identity(), &options);
        Self { component, source: Source::Streamed(Box::new(chain)), options, key, second: None }
    }

    pub(super) fn exported(
        component: ComponentId,
        graph: &'a ExportedGraph,
        output: Option<&str>,
        options: SessionOptions,
    ) -> Self {
        let output = output.unwrap_or_default().to_owned();
        let key = SessionKey::new(output.as_bytes(), &graph.identity(), &options);
        Self { component, source: Source::Exported(graph, output), options, key, second: None }
    }

    /// The network with a session on `device`, too.
    pub(super) fn with_second(self, device: Option<&DeviceId>) -> Self {
        let second = device.map(|device| {
            let options = SessionOptions { device: device.clone(), profile: None, ..self.options.clone() };
            let key = self.key.on(device);
            Box::new((options, key))
        });
        Self { second, ..self }
    }

    /// The keys of its sessions.
    pub(super) fn keys(&self) -> impl Iterator<Item = &SessionKey> {
        std::iter::once(&self.key).chain(self.second.as_ref().map(|second| &second.1))
    }

    /// Its graph, if it was built here in one piece.
    pub(super) fn graph(&self) -> Option<&Graph> {
        match &self.source {
            Source::Built(graph) => Some(graph),
            Source::Streamed(_) | Source::Exported(..) => None,
        }
    }

    /// The same, for another thread.
    pub(super) fn shared_graph(&self) -> Option<Arc<Graph>> {
        match &self.source {
            Source::Built(graph) => Some(Arc::clone(graph)),
            Source::Streamed(_) | Source::Exported(..) => None,
        }
    }

    /// Every graph that was built here.
    pub(super) fn graphs(&self) -> Vec<&Graph> {
        match &self.source {
            Source::Built(graph) => vec![graph],
            Source::Streamed(chain) => chain.graphs().collect(),
            Source::Exported(..) => Vec::new(),
        }
    }

    /// Its file, if it was exported elsewhere.
    pub(super) fn file(&self) -> Option<&'a ExportedGraph> {
        match &self.source {
            Source::Built(_) | Source::Streamed(_) => None,
            Source::Exported(graph, _) => Some(graph),
        }
    }

    /// Makes a session with `options`. A cancel interrupts it.
    pub(super) fn load(
        &self,
        runtime: &Runtime,
        options: &SessionOptions,
        cancel: &CancelToken,
    ) -> Result<AnySession> {
        match &self.source {
            Source::Built(graph) => Session::load(runtime, graph, options, cancel).map(AnySession::whole),
            Source::Streamed(chain) => StreamedSession::load(runtime, chain, options, cancel)
                .map(|session| AnySession::Streamed(Box::new(session))),
            Source::Exported(graph, output) => Session::open(
                runtime,
                &SessionFile { name: graph.name, path: &graph.path, output },
                options,
                cancel,
            )
            .map(AnySession::whole)
            .map_err(|error| exported_error(error, graph, options.device.provider)),
        }
    }
}

/// Says what to do about an exported file that ONNX Runtime cannot load.
fn exported_error(error: Error, graph: &ExportedGraph, provider: Provider) -> Error {
    let name = graph.name;
    match (error.kind, graph.short()) {
        (Kind::Unsupported | Kind::CorruptModel | Kind::Bug, Some(short)) => Error::new(
            Kind::Unsupported,
            format!("The exported {name} computes in {short}, which ONNX Runtime cannot do on {provider}"),
        )
        .because(error)
        .remedy(if short == Dtype::Bf16 {
            "Export it in float32 or float16"
        } else {
            "Export it in float32"
        }),
        (Kind::Bug, None) => {
            Error::new(Kind::CorruptModel, format!("ONNX Runtime could not load the exported {name}"))
                .because(error)
                .remedy("Export it again, with another opset or in float32")
        }
        _ => error,
    }
}
