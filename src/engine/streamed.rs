//! Networks whose weights pass through the memory of the device, a block at a time.
//!
//! While a block computes, the weights of the next one are read into the memory that the block before left: two slots
//! suffice for any number of blocks. A run returns only after the device has finished, so the host alone orders the two.

use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::value::{DynTensor, TensorElementType};

use super::bound::Bound;
use super::chained_value::ChainedValue;
use super::ort_error;
use super::runtime::Runtime;
use super::session::{Session, SessionOptions, SessionProfile, element_type};
use super::tensor::{Input, Tensor};
use super::weight_feed::{Destination, Slot, WeightFeed};
use crate::core::{Bytes, CancelToken, Error, Kind, Provider, Result};
use crate::onnx::{GraphChain, WeightInput};

/// Bytes of each of the two buffers through which weights travel to a device.
const BUFFER: usize = 32 << 20;

/// A chain of graphs, of which all but the weights of the blocks is loaded. Owned by one thread.
pub struct StreamedSession {
    first: Session,
    /// A session for each different graph of a block.
    kinds: Vec<BlockKind>,
    /// The kind of each block, in order.
    blocks: Vec<usize>,
    last: Session,
    feed: WeightFeed,
    /// The block whose weights were requested, until they are taken.
    requested: Option<usize>,
    /// What goes from the first part to the first block.
    chained: Option<ChainedValue>,
    /// Memory that the values of a block take in one piece.
    in_one_piece: Bytes,
}

/// Blocks of the same graph.
struct BlockKind {
    session: Session,
    /// Names of the inputs that are weights.
    weights: Vec<String>,
    /// The slots that are not being filled or used.
    free: Vec<Slot>,
    /// Memory where the session computes.
    allocator: Allocator,
}

impl StreamedSession {
    /// Makes the sessions of `chain` and the slots for the weights of its blocks.
    ///
    /// Fails as [`Session::load`] does.
    pub fn load(
        runtime: &Runtime,
        chain: &GraphChain,
        options: &SessionOptions,
        cancel: &CancelToken,
    ) -> Result<Self> {
        let load = |graph| Session::load(runtime, graph, options, cancel);
        let unprofiled = SessionOptions { profile: None, ..options.clone() };
        let load_end = |graph| Session::load(runtime, graph, &unprofiled, cancel);
        let mut graphs: Vec<Vec<u8>> = Vec::new();
        let (mut kinds, mut blocks) = (Vec::new(), Vec::new());
        for block in &chain.blocks {
            let graph = block.graph.to_bytes();
            let known = graphs.iter().position(|known| *known == graph);
            if known.is_none() {
                graphs.push(graph);
                kinds.push(BlockKind::new(load(&block.graph)?, &block.weights, options)?);
            }
            blocks.push(known.unwrap_or(kinds.len() - 1));
        }
        let Some(kind) = kinds.first() else {
            return Err(Error::new(Kind::Bug, "A streamed network has no blocks"));
        };
        let destination = destination(&kind.session, options)?;
        let sources = chain
            .blocks
            .iter()
            .map(|block| block.weights.iter().map(|weight| weight.source.clone()).collect());
        let feed = WeightFeed::start(sources.collect(), destination)?;
        Ok(Self {
            first: load_end(&chain.first)?,
            kinds,
            blocks,
            last: load_end(&chain.last)?,
            feed,
            requested: None,
            chained: ChainedValue::of(&chain.first),
            in_one_piece: Bytes(0),
        })
    }

    /// From now on, takes `bytes` of the device's memory in one piece for the values of the blocks, before the first of them.
    pub fn reserve(&mut self, bytes: Bytes) {
        self.in_one_piece = bytes;
    }

    /// Runs the chain once. Inputs are passed by name; returns what the last graph returns first.
    ///
    /// A cancellation interrupts it between two operations with the cancelled error.
    pub fn run(&mut self, inputs: &[(&str, Input<'_>)], cancel: &CancelToken) -> Result<Tensor> {
        self.run_to(inputs, None, cancel)
    }

    /// Runs the chain as [`Self::run`] does; what it returns is in `memory` of the device.
    pub fn run_into(
        &mut self,
        memory: Tensor,
        inputs: &[(&str, Input<'_>)],
        cancel: &CancelToken,
    ) -> Result<Tensor> {
        self.run_to(inputs, Some(memory), cancel)
    }

    fn run_to(
        &mut self,
        inputs: &[(&str, Input<'_>)],
        memory: Option<Tensor>,
        cancel: &CancelToken,
    ) -> Result<Tensor> {
        if self.requested != Some(0) {
            self.discard_requested()?;
            self.request(0)?;
        }
        let mut bound = self.first.bind_staying()?;
        bound.return_memory();
        set(&mut bound, &self.first, inputs, &[])?;
        if let Some(memory) = self.memory_for_chained(inputs)? {
            bound.place(GraphChain::CHAINED, Tensor(memory.into_dyn()));
        }
        let outputs = self.first.run_bound(&mut bound, cancel)?;
        drop(bound);
        let mut values: Vec<_> = self.first.outputs().iter().cloned().zip(outputs).collect();
        let chained = values.iter().position(|(name, _)| name == GraphChain::CHAINED);
        let (_, mut hidden) = values.swap_remove(chained.ok_or_else(no_chained)?);

        let bind = |kind: &BlockKind| {
            let mut bound = kind.session.bind_staying()?;
            set(&mut bound, &kind.session, inputs, &values)?;
            Ok(bound)
        };
        let mut bounds = self.kinds.iter().map(bind).collect::<Result<Vec<_>>>()?;
        for block in 0..self.blocks.len() {
            cancel.check()?;
            let (kind, slot) = (self.blocks[block], self.take_requested()?);
            let next = self.request((block + 1) % self.blocks.len());
            if block + 1 == self.blocks.len() {
                bounds.iter_mut().for_each(Bound::return_memory);
            }
            let result = next.and_then(|()| self.kinds[kind].run(&mut bounds[kind], &slot, hidden, cancel));
            self.kinds[kind].free.push(slot);
            hidden = result?;
        }
        drop(bounds);

        let mut bound = self.last.bind()?;
        bound.return_memory();
        if let (Some(memory), Some(name)) = (memory, self.last.outputs().first()) {
            bound.place(name, memory);
        }
        values.push((GraphChain::CHAINED.to_owned(), hidden));
        set(&mut bound, &self.last, inputs, &values)?;
        Ok(self.last.run_bound(&mut bound, cancel)?.swap_remove(0))
    }

    /// Takes the memory for the values of the blocks, if it is known, and from it that of the value that goes through them: the
    /// first part would keep its own until its next run.
    fn memory_for_chained(&self, inputs: &[(&str, Input<'_>)]) -> Result<Option<DynTensor>> {
        let first = self.blocks.first().and_then(|&kind| self.kinds.get(kind));
        let (Some(kind), Some(chained)) = (first.filter(|_| self.in_one_piece > Bytes(0)), &self.chained)
        else {
            return Ok(None);
        };
        kind.session.reserve(self.in_one_piece);
        chained.allocate(&kind.allocator, inputs)
    }

    /// Completes the profile of the blocks, if there is one.
    pub fn end_profile(&mut self) -> Result<Option<SessionProfile>> {
        self.kinds.first_mut().map_or(Ok(None), |kind| kind.session.end_profile())
    }

    fn request(&mut self, block: usize) -> Result<()> {
        // of two slots, at most one is in use while another is filled
        let slot = self.kinds[self.blocks[block]].free.pop().ok_or_else(no_slot)?;
        self.requested = Some(block);
        self.feed.request(block, slot)
    }

    /// The filled slot of the block that was requested.
    fn take_requested(&mut self) -> Result<Slot> {
        let block = self.requested.take().ok_or_else(no_slot)?;
        let (slot, filled) = self.feed.wait()?;
        if let Err(error) = filled {
            self.kinds[self.blocks[block]].free.push(slot);
            return Err(error);
        }
        Ok(slot)
    }

    /// Waits for what an interrupted run requested.
    fn discard_requested(&mut self) -> Result<()> {
        if let Some(block) = self.requested {
            let slot = self.take_requested()?;
            self.kinds[self.blocks[block]].free.push(slot);
        }
        Ok(())
    }
}

impl BlockKind {
    fn new(session: Session, weights: &[WeightInput], options: &SessionOptions) -> Result<Self> {
        let allocator =
            Allocator::new(&session.inner, memory(options)?).map_err(|error| ort_error::run_error(&error))?;
        let slot = || -> Result<Slot> {
            let tensor = |weight: &WeightInput| {
                DynTensor::new(&allocator, element_type(weight.dtype), weight.dims.clone())
            };
            weights
                .iter()
                .map(tensor)
                .collect::<ort::Result<_>>()
                .map_err(|error| ort_error::run_error(&error))
        };
        let free = vec![slot()?, slot()?];
        let weights = weights.iter().map(|weight| weight.name.clone()).collect();
        Ok(Self { session, weights, free, allocator })
    }

    /// The next value of the chain.
    fn run(
        &mut self,
        bound: &mut Bound,
        slot: &Slot,
        hidden: Tensor,
        cancel: &CancelToken,
    ) -> Result<Tensor> {
        for (name, tensor) in self.weights.iter().zip(slot) {
            bound.set_in_place(name, tensor)?;
        }
        bound.set(GraphChain::CHAINED, Input::Tensor(&hidden))?;
        drop(hidden);
        Ok(self.session.run_bound(bound, cancel)?.swap_remove(0))
    }
}

/// Where the provider computes.
fn memory(options: &SessionOptions) -> Result<MemoryInfo<'static>> {
    let (place, ordinal) = match options.device.provider {
        Provider::Cpu => (AllocationDevice::CPU, 0),
        _ => (AllocationDevice::CUDA, options.device.ordinal as i32),
    };
    MemoryInfo::new(place, ordinal, AllocatorType::Device, MemoryType::Default)
        .map_err(|error| ort_error::run_error(&error))
}

fn destination(session: &Session, options: &SessionOptions) -> Result<Destination> {
    if options.device.provider == Provider::Cpu {
        return Ok(Destination::Host);
    }
    let locked = session.locked_memory()?;
    let buffer = || {
        let allocator = Allocator::new(&session.inner, locked.clone())?;
        DynTensor::new(&allocator, TensorElementType::Uint8, [BUFFER])
    };
    let buffers = [buffer(), buffer()].map(|one| one.map_err(|error| ort_error::run_error(&error)));
    let [first, second] = buffers;
    Ok(Destination::Device { ordinal: options.device.ordinal, buffers: [first?, second?] })
}

/// Sets the inputs of `session` that are in `given` or in `values`.
fn set(
    bound: &mut Bound,
    session: &Session,
    given: &[(&str, Input<'_>)],
    values: &[(String, Tensor)],
) -> Result<()> {
    for name in session.inputs() {
        if let Some((_, input)) = given.iter().find(|(given, _)| given == name) {
            bound.set(name, input.clone())?;
        } else if let Some((_, value)) = values.iter().find(|(value, _)| value == name) {
            bound.set(name, Input::Tensor(value))?;
        }
    }
    Ok(())
}

fn no_slot() -> Error {
    Error::new(Kind::Bug, "A streamed network has no memory for the weights of a block")
}

fn no_chained() -> Error {
    Error::new(Kind::Bug, "A streamed network lacks the value that goes through its blocks")
}
