//! Which execution provider runs each node of a session, as ONNX Runtime reports it.
#![expect(unsafe_code, reason = "ort has no safe function for this part of ONNX Runtime's C API")]

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char};
use std::fmt;
use std::ptr;
use std::slice;

use ort::AsPointer as _;
use ort::session::Session as OrtSession;
use ort::sys::{OrtEpAssignedNode, OrtEpAssignedSubgraph};

use crate::core::Provider;

/// The option with which a session keeps what [`Placement::of`] asks for.
pub(super) const IS_RECORDED: &str = "session.record_ep_graph_assignment_info";
/// ONNX Runtime's name of the CPU provider.
const CPU: &str = "CPUExecutionProvider";
/// Names of nodes that are listed, at most.
const MAX_NAMES: usize = 3;

/// A node that another provider runs than the one that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedNode {
    /// ONNX Runtime's name of the provider that runs it.
    pub provider: String,
    /// Its operation.
    pub operation: String,
    /// Its name.
    pub name: String,
}

/// Where the nodes of a session run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The provider that was asked for.
    pub provider: Provider,
    /// Nodes that it runs; those that it fused count one by one.
    pub num_taken: usize,
    /// Nodes that another one runs.
    pub others: Vec<PlacedNode>,
}

impl Placement {
    /// Whether nodes of a session on this provider may run elsewhere: it takes what it can, and says nothing of the rest.
    pub(super) fn may_differ(provider: Provider) -> bool {
        Provider::PLUGINS.contains(&provider) || provider == Provider::TensorRt
    }

    /// The placement of the nodes of `session`, which was made with [`IS_RECORDED`]. `name` is ONNX Runtime's name of
    /// `provider`.
    pub(super) fn of(session: &OrtSession, provider: Provider, name: &str) -> ort::Result<Self> {
        let api = ort::api();
        let mut placement = Self { provider, num_taken: 0, others: Vec::new() };
        let (mut parts, mut num_parts) = (ptr::null(), 0);
        // SAFETY: the session is alive, and so is what it returns, until this function ends; both results are written on
        // success.
        let parts: &[*const OrtEpAssignedSubgraph] = unsafe {
            let status =
                (api.Session_GetEpGraphAssignmentInfo)(session.ptr(), &raw mut parts, &raw mut num_parts);
            ort::Error::result_from_status(status)?;
            array(parts, num_parts)
        };
        for &part in parts {
            let (mut nodes, mut num_nodes) = (ptr::null(), 0);
            // SAFETY: `part` is one of the parts that the session returned.
            let (taken_by, nodes): (String, &[*const OrtEpAssignedNode]) = unsafe {
                let taken_by = text(|out| (api.EpAssignedSubgraph_GetEpName)(part, out))?;
                let status = (api.EpAssignedSubgraph_GetNodes)(part, &raw mut nodes, &raw mut num_nodes);
                ort::Error::result_from_status(status)?;
                (taken_by, array(nodes, num_nodes))
            };
            if taken_by == name {
                placement.num_taken += nodes.len();
                continue;
            }
            for &node in nodes {
                // SAFETY: `node` is one of the nodes of a part that the session returned.
                let (operation, name) = unsafe {
                    (
                        text(|out| (api.EpAssignedNode_GetOperatorType)(node, out))?,
                        text(|out| (api.EpAssignedNode_GetName)(node, out))?,
                    )
                };
                placement.others.push(PlacedNode { provider: taken_by.clone(), operation, name });
            }
        }
        Ok(placement)
    }

    /// Whether the CPU runs more nodes than the provider that was asked for.
    pub fn is_mostly_on_cpu(&self) -> bool {
        self.others.iter().filter(|node| node.provider == CPU).count() > self.num_taken
    }
}

impl fmt::Display for Placement {
    /// For instance "WebGPU does not take 2 of 210 nodes; on CPU run 2 Gather (a, b)".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let num_others = self.others.len();
        write!(f, "{} does not take {num_others} of {} nodes", self.provider, self.num_taken + num_others)?;
        let mut elsewhere: BTreeMap<&str, BTreeMap<&str, Vec<&str>>> = BTreeMap::new();
        for PlacedNode { provider, operation, name } in &self.others {
            elsewhere.entry(provider).or_default().entry(operation).or_default().push(name);
        }
        for (provider, operations) in elsewhere {
            let provider =
                if provider == CPU { "CPU" } else { provider.trim_end_matches("ExecutionProvider") };
            let words: Vec<_> =
                operations.iter().map(|(operation, names)| listed(operation, names)).collect();
            write!(f, "; on {provider} run {}", words.join(", "))?;
        }
        Ok(())
    }
}

/// For instance "3 Gather (a, b, …)".
fn listed(operation: &str, names: &[&str]) -> String {
    let named: Vec<_> = names.iter().copied().filter(|name| !name.is_empty()).collect();
    let count = names.len();
    if named.is_empty() {
        return format!("{count} {operation}");
    }
    let shown = named[..named.len().min(MAX_NAMES)].join(", ");
    let more = if named.len() > MAX_NAMES { ", …" } else { "" };
    format!("{count} {operation} ({shown}{more})")
}

/// The text that a function of the API writes.
///
/// # Safety
/// On success, the function writes the address of a text that ends with a zero and outlives this call.
unsafe fn text(get: impl FnOnce(*mut *const c_char) -> ort::sys::OrtStatusPtr) -> ort::Result<String> {
    let mut text = ptr::null();
    // SAFETY: the status is that of a function of the API, and the caller guarantees the text.
    unsafe {
        ort::Error::result_from_status(get(&raw mut text))?;
        if text.is_null() {
            return Ok(String::new());
        }
        Ok(CStr::from_ptr(text).to_string_lossy().into_owned())
    }
}

/// `count` values from `start`, which may be null if there are none.
///
/// # Safety
/// As many values are there, for as long as the result is used.
unsafe fn array<'a, T>(start: *const T, count: usize) -> &'a [T] {
    if start.is_null() {
        return &[];
    }
    // SAFETY: guaranteed by the caller.
    unsafe { slice::from_raw_parts(start, count) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(provider: &str, operation: &str, name: &str) -> PlacedNode {
        PlacedNode { provider: provider.into(), operation: operation.into(), name: name.into() }
    }

    #[test]
    fn what_runs_elsewhere_is_counted_and_named() {
        let others = vec![
            node(CPU, "Gather", "a"),
            node(CPU, "Gather", "b"),
            node("CUDAExecutionProvider", "Loop", ""),
            node(CPU, "Shape", ""),
        ];
        let placement = Placement { provider: Provider::Rtx, num_taken: 206, others };
        assert_eq!(
            placement.to_string(),
            "TensorRT for RTX does not take 4 of 210 nodes; on CPU run 2 Gather (a, b), 1 Shape; on CUDA run 1 Loop"
        );
        assert_eq!(listed("Add", &["a", "b", "c", "d"]), "4 Add (a, b, c, …)");
        assert!(!placement.is_mostly_on_cpu());
        assert!(Placement { num_taken: 2, ..placement.clone() }.is_mostly_on_cpu(), "3 of 6");
        assert!(
            !Placement { num_taken: 3, ..placement }.is_mostly_on_cpu(),
            "CUDA is no fallback to the CPU"
        );
    }
}
