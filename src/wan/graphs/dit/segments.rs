//! How many timesteps a clip has.

/// How many different timesteps the tokens have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segments {
    /// All tokens have the same timestep.
    One,
    /// Tokens of the first latent frame have timestep 0, because it is given, the rest another (ti2v-5B with an image).
    Two,
}

impl Segments {
    pub(super) fn count(self) -> usize {
        match self {
            Self::One => 1,
            Self::Two => 2,
        }
    }
}
