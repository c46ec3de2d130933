//! A capture as its evaluation sees it.

use std::path::PathBuf;
use std::sync::OnceLock;

use falco_replay_engine::prune::Pruner;
use falco_replay_state::ContainerMetadata;

use crate::capture::{self, capture_name};
use crate::interrupt::Interrupt;

/// A capture as its evaluation sees it: its name, and what all of it says of containers.
pub struct Subject {
    /// Its name in what is written.
    pub name: String,
    path: PathBuf,
    interrupt: Interrupt,
    metadata: OnceLock<Option<ContainerMetadata>>,
    pruners: OnceLock<Vec<Pruner>>,
}

impl Subject {
    /// The capture at this path.
    pub fn new(path: PathBuf, interrupt: Interrupt) -> Subject {
        Subject { name: capture_name(&path), path, interrupt, metadata: OnceLock::new(), pruners: OnceLock::new() }
    }

    /// What the whole capture says of its containers, read when first asked for. `None` where it can be read only once.
    pub fn metadata(&self) -> Option<&ContainerMetadata> {
        self.metadata.get_or_init(|| capture::container_metadata(&self.path, &self.interrupt)).as_ref()
    }

    /// Pruners that know what the whole capture says of its containers, made when first asked for.
    pub fn pruners(&self, pruners: &[Pruner]) -> &[Pruner] {
        self.pruners.get_or_init(|| {
            let known = self.metadata();
            let containers: Vec<_> = known.into_iter().flat_map(ContainerMetadata::containers).cloned().collect();
            pruners.iter().map(|pruner| pruner.clone().joined(&containers)).collect()
        })
    }
}
