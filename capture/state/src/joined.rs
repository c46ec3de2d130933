//! What a whole capture says of its containers, for those who look back: the metadata of a container often arrive after
//! its first events.

use std::sync::Arc;

use falco_replay_format::batch::EventBatch;
use falco_replay_format::block::{Block, Container, Process, Text};
use falco_replay_format::schema::ev;
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::containers::{self, Containers};

/// Containers kept; further ones stay as their events saw them.
const LIMIT: usize = 1 << 17;

/// Metadata of containers by id: of each the last that the capture gives.
#[derive(Debug)]
pub struct ContainerMetadata {
    known: HashMap<Text, Arc<Container>, FixedState>,
    host: Arc<Container>,
}

impl Default for ContainerMetadata {
    fn default() -> Self {
        ContainerMetadata { known: HashMap::default(), host: Containers::new().host() }
    }
}

impl ContainerMetadata {
    /// Adds what the container events of a batch say.
    pub fn read(&mut self, batch: &EventBatch) {
        for (row, &ty) in batch.ty.iter().enumerate() {
            let json = match ty {
                ev::CONTAINER_JSON_2_E => batch.params(row).get(0),
                ev::ASYNCEVENT_E if batch.params(row).text(1) == Some(b"container") => batch.params(row).get(2),
                _ => continue,
            };
            let json = json.strip_suffix(b"\0").unwrap_or(json);
            if let Some(container) = containers::from_json(json) {
                self.add(container.into());
            }
        }
    }

    /// Adds the metadata of one container.
    pub fn add(&mut self, container: Arc<Container>) {
        if self.known.len() < LIMIT || self.known.contains_key(&container.id) {
            self.known.insert(container.id.clone(), container);
        }
    }

    /// Whether no container is known.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Gives every process version of a block what is known of its container, and of its pod sandbox. Where nothing is
    /// known they stay as they are.
    ///
    /// The versions keep their numbers: what the capture says of a container is the same for all events.
    pub fn join(&self, block: &mut Block) {
        if self.is_empty() {
            return;
        }
        for process in &mut block.processes {
            if let Some(joined) = self.joined(process) {
                *process = joined;
            }
        }
    }

    /// A process version with what is known of its container; `None` where that changes nothing.
    pub fn joined(&self, process: &Arc<Process>) -> Option<Arc<Process>> {
        let container = self.known.get(&process.info.container_id)?;
        let sandbox = self.sandbox_of(container, process);
        if process.container.as_ref() == Some(container) && process.sandbox == sandbox {
            return None;
        }
        Some(Arc::new(Process {
            id: process.id,
            info: process.info.clone(),
            main: process.main.clone(),
            parent: process.parent.clone(),
            circle: process.circle,
            container: Some(container.clone()),
            sandbox,
            user: process.user.clone(),
            login_user: process.login_user.clone(),
            group: process.group.clone(),
        }))
    }

    /// Every container that is known, in no order.
    pub fn containers(&self) -> impl Iterator<Item = &Arc<Container>> {
        self.known.values()
    }

    fn sandbox_of(&self, container: &Container, process: &Process) -> Option<Arc<Container>> {
        if container.pod_sandbox_id.is_empty() {
            return Some(self.host.clone());
        }
        let short = &container.pod_sandbox_id[..container.pod_sandbox_id.len().min(12)];
        self.known.get(short).or_else(|| process.sandbox.as_ref().filter(|known| *known.id == *short)).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use falco_replay_format::block::{MainThread, NONE};

    use crate::threads::Thread;

    fn metadata(texts: &[&str]) -> ContainerMetadata {
        let mut metadata = ContainerMetadata::default();
        for text in texts {
            metadata.add(containers::from_json(text.as_bytes()).unwrap().into());
        }
        metadata
    }

    fn block(container_id: &str) -> Block {
        let mut info = Thread::unknown_info(7);
        info.container_id = container_id.as_bytes().into();
        let process = Process {
            id: 5,
            info: info.into(),
            main: MainThread::Itself,
            parent: None,
            circle: None,
            container: None,
            sandbox: None,
            user: None,
            login_user: None,
            group: None,
        };
        Block { process: vec![0, NONE], processes: vec![process.into()], ..Block::default() }
    }

    #[test]
    fn the_last_description_counts() {
        let one = r#"{"container":{"id":"aaaabbbbcccc","name":"early"}}"#;
        let two = r#"{"container":{"id":"aaaabbbbcccc","name":"late","pod_sandbox_id":"ddddeeeeffff0000"}}"#;
        let pod = r#"{"container":{"id":"ddddeeeeffff","name":"pod","is_pod_sandbox":true}}"#;
        let mut of_one = block("aaaabbbbcccc");
        metadata(&[one, two, pod]).join(&mut of_one);
        let process = &of_one.processes[0];
        assert_eq!(process.id, 5);
        assert_eq!(&*process.container.as_ref().unwrap().name, b"late");
        assert_eq!(&*process.sandbox.as_ref().unwrap().name, b"pod");
        metadata(&[one]).join(&mut of_one);
        assert_eq!(&*of_one.processes[0].sandbox.as_ref().unwrap().id, b"host");
    }

    #[test]
    fn others_stay_as_they_are() {
        for id in ["", "123456789abc"] {
            let mut other = block(id);
            let before = other.processes[0].clone();
            metadata(&[r#"{"container":{"id":"aaaabbbbcccc"}}"#]).join(&mut other);
            assert!(Arc::ptr_eq(&before, &other.processes[0]));
        }
    }
}
