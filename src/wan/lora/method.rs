//! What a LoRA file trains.

use std::fmt;

use serde::Serialize;

use super::key::KeyRole;

/// A method of training a delta.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LoraMethod {
    /// Two matrices of low rank.
    Lora,
    /// A Kronecker product.
    Lokr,
    /// The element-wise product of two low-rank matrices.
    Loha,
    /// Differences of whole weights, biases, norms or tables.
    FullDifference,
    /// Magnitudes of outputs or inputs.
    Dora,
}

impl LoraMethod {
    /// The method that a tensor of this role belongs to.
    pub(super) fn of(role: KeyRole) -> Option<Self> {
        Some(match role {
            KeyRole::Down | KeyRole::Up | KeyRole::Mid => Self::Lora,
            KeyRole::Kronecker(_) => Self::Lokr,
            KeyRole::Hadamard(_) => Self::Loha,
            KeyRole::Weight | KeyRole::Bias => Self::FullDifference,
            KeyRole::Magnitude => Self::Dora,
            KeyRole::Alpha | KeyRole::Foreign(_) => return None,
        })
    }
}

impl fmt::Display for LoraMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lora => "LoRA",
            Self::Lokr => "LoKr",
            Self::Loha => "LoHa",
            Self::FullDifference => "full differences",
            Self::Dora => "DoRA",
        })
    }
}
