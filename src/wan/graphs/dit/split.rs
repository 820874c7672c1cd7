//! The transformer in parts: what comes before its blocks, each block, and what comes behind them.

use super::block::{Rows, Shared, block};
use super::ends::{
    Conditioning, TABLES, grid, head, latent_spec, patch_embedding, position_spec, split_input, table_spec,
    text_embedding, text_index_spec, time_embedding,
};
use super::form::TransformerForm;
use crate::core::Result;
use crate::onnx::{
    Adapter, Dtype, Graph, GraphBuilder, GraphChain, GraphTarget, StreamedBlock, ValueSpec, Weights,
};
use crate::wan::config::TransformerConfig;
use crate::wan::graphs::layers::reshape;
use crate::wan::graphs::rotary::Rotary;

/// Names of the values that the first part gives to the others.
const TEXT: &str = "text";
const TIMESTEP: &str = "timestep_projection";
const EMBEDDING: &str = "timestep_embedding";
const TABLES_OF_BLOCKS: [&str; 2] = ["table_cos", "table_sin"];
/// What each block returns.
const NEXT: &str = "next_hidden";

/// The transformer with its blocks as graphs of their own, whose weights are inputs. Takes the same inputs as
/// [`adapted_transformer`](super::adapted_transformer) and returns the same.
///
/// # Errors
///
/// Fails as [`transformer`](super::transformer) does.
pub fn streamed_transformer(
    config: &TransformerConfig,
    weights: &Weights,
    form: impl Into<TransformerForm>,
    target: impl Into<GraphTarget>,
    adapters: &[Adapter],
) -> Result<GraphChain> {
    let split = Split { config, weights, form: form.into(), target: target.into(), adapters };
    Ok(GraphChain {
        first: split.first()?,
        blocks: (0..config.num_layers).map(|layer| split.block(layer)).collect::<Result<_>>()?,
        last: split.last()?,
    })
}

/// What every part is built from.
struct Split<'a> {
    config: &'a TransformerConfig,
    weights: &'a Weights,
    form: TransformerForm,
    target: GraphTarget,
    adapters: &'a [Adapter],
}

impl<'a> Split<'a> {
    fn builder(&self, name: &'static str) -> Result<GraphBuilder<'a>> {
        GraphBuilder::new(name, self.weights).for_target(self.target).with_adapters(self.adapters)
    }

    /// Tokens in fp32.
    fn tokens(&self, name: &'static str) -> ValueSpec {
        ValueSpec::new(name, Dtype::F32, ["tokens".into(), self.config.width().into()])
    }

    fn text(&self) -> ValueSpec {
        let dtype = self.target.compute.dtype();
        ValueSpec::new(TEXT, dtype, ["text_rows".into(), self.config.width().into()])
    }

    fn timestep(&self) -> ValueSpec {
        let dims = [self.form.segments.count().into(), 6.into(), self.config.width().into()];
        ValueSpec::new(TIMESTEP, Dtype::F32, dims)
    }

    fn embedding(&self) -> ValueSpec {
        ValueSpec::new(EMBEDDING, Dtype::F32, [self.form.segments.count().into(), self.config.width().into()])
    }

    fn first(&self) -> Result<Graph> {
        let (config, segments) = (self.config, self.form.segments);
        let mut g = self.builder("transformer's first part")?;
        let latent = g.input(latent_spec(config));
        let Conditioning { timestep, text } = Conditioning::declare(&mut g, config, segments);
        let tables = TABLES.map(|name| g.input(table_spec(name, config)));
        let (x, _) = patch_embedding(&mut g, &latent, config)?;
        let (embedding, timestep) = time_embedding(&mut g, &timestep, config, segments.count())?;
        let text = text_embedding(&mut g, &text, config)?;
        g.output(&x, self.tokens(GraphChain::CHAINED));
        g.output(&text, self.text());
        g.output(&timestep, self.timestep());
        g.output(&embedding, self.embedding());
        for (table, name) in tables.iter().zip(TABLES_OF_BLOCKS) {
            // the tables go to the device once for all blocks
            let table = reshape(&mut g, table, &[-1, (config.attention_head_dim / 2) as i64]);
            g.output(&table, table_spec(name, config));
        }
        Ok(g.finish())
    }

    fn block(&self, layer: usize) -> Result<StreamedBlock> {
        let (config, segments) = (self.config, self.form.segments);
        let mut g = self.builder("transformer block")?;
        let x = g.input(self.tokens(GraphChain::CHAINED));
        let (text, timestep) = (g.input(self.text()), g.input(self.timestep()));
        let tables = TABLES_OF_BLOCKS.map(|name| g.input(table_spec(name, config)));
        let (text_index, position) = (g.input(text_index_spec()), g.input(position_spec()));
        let split = split_input(&mut g, segments);
        let rows = Rows::new(&mut g, config, self.form, split);
        let rotary = Rotary::new(&mut g, position, tables, config.attention_head_dim);
        let shared = Shared { rows, text, text_index, timestep, rotary };
        let x = block(&mut g, x.into(), &shared, layer)?.settled(&mut g);
        g.output(&x, self.tokens(NEXT));
        Ok(g.finish().with_streamed_weights(&format!("blocks.{layer}."), "block."))
    }

    fn last(&self) -> Result<Graph> {
        let (config, segments) = (self.config, self.form.segments);
        let mut g = self.builder("transformer's last part")?;
        let x = g.input(self.tokens(GraphChain::CHAINED));
        let embedding = g.input(self.embedding());
        let latent = g.input(latent_spec(config));
        let split = split_input(&mut g, segments);
        let rows = Rows::new(&mut g, config, self.form, split);
        let grid = grid(&mut g, &latent, config);
        head(&mut g, x.into(), &embedding, &grid, &rows)?;
        Ok(g.finish())
    }
}
