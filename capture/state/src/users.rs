//! Users and groups by container.

use std::sync::Arc;

use falco_replay_format::block::{Group, Text, User};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

/// Entries kept of each kind; further ones are not added.
const LIMIT: usize = 1 << 18;

/// The user and group tables, by (container id, number); the host's id is empty.
#[derive(Debug, Default)]
pub(crate) struct Users {
    /// With the number of the user's group.
    users: HashMap<(Text, u32), (u32, Arc<User>), FixedState>,
    groups: HashMap<(Text, u32), Arc<Group>, FixedState>,
}

impl Users {
    pub(crate) fn add_user(&mut self, container: &[u8], uid: u32, gid: u32, user: User) {
        if self.users.len() < LIMIT {
            self.users.insert((container.into(), uid), (gid, Arc::new(user)));
        }
    }

    pub(crate) fn remove_user(&mut self, container: &[u8], uid: u32) {
        self.users.remove(&(container.into(), uid));
    }

    pub(crate) fn add_group(&mut self, container: &[u8], gid: u32, name: Text) {
        if self.groups.len() < LIMIT {
            self.groups.insert((container.into(), gid), Arc::new(Group { name }));
        }
    }

    pub(crate) fn remove_group(&mut self, container: &[u8], gid: u32) {
        self.groups.remove(&(container.into(), gid));
    }

    pub(crate) fn user(&self, container: &Text, uid: u32) -> Option<Arc<User>> {
        self.users.get(&(container.clone(), uid)).map(|(_, user)| user.clone())
    }

    pub(crate) fn group(&self, container: &Text, gid: u32) -> Option<Arc<Group>> {
        self.groups.get(&(container.clone(), gid)).cloned()
    }

    /// All users: container, number, number of the group, the user.
    pub(crate) fn all_users(&self) -> Vec<(&Text, u32, u32, &User)> {
        let mut users: Vec<_> = self.users.iter().map(|((id, uid), (gid, user))| (id, *uid, *gid, &**user)).collect();
        users.sort_unstable_by_key(|(container, uid, ..)| (*container, *uid));
        users
    }

    /// All groups: container, number, the group.
    pub(crate) fn all_groups(&self) -> Vec<(&Text, u32, &Group)> {
        let mut groups: Vec<_> = self.groups.iter().map(|((id, gid), group)| (id, *gid, &**group)).collect();
        groups.sort_unstable_by_key(|(container, gid, _)| (*container, *gid));
        groups
    }
}
