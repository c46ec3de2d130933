//! Shortens what a `.scap` has no room for.

use falco_replay_format::lists::{FdDetail, Head, Text};

/// Longest name or path of a list.
const NAME: usize = 1024;
/// Longest arguments, environment, cgroups.
const MANY: usize = 4096;
/// Longest user name, home directory, shell.
const USER: usize = 255;
/// Longest host name.
const HOSTNAME: usize = 127;
/// Longest name of an interface.
const INTERFACE: usize = NAME - 1;

/// Shortens texts of a head that a `.scap` has no room for; gives how many there were.
pub fn fit(head: &mut Head) -> u64 {
    let mut cut = Cut(0);
    if let Some(machine) = &mut head.machine {
        cut.text(&mut machine.hostname, HOSTNAME);
    }
    for thread in &mut head.threads {
        for text in [&mut thread.comm, &mut thread.exe, &mut thread.exepath, &mut thread.cwd, &mut thread.root] {
            cut.text(text, NAME);
        }
        for text in [&mut thread.args, &mut thread.env, &mut thread.cgroups] {
            cut.list(text, MANY);
        }
    }
    for entry in head.fds.iter_mut().flat_map(|(_, fds)| fds) {
        match &mut entry.detail {
            FdDetail::Name(name) | FdDetail::File { name, .. } | FdDetail::Unix { name, .. } => cut.text(name, NAME),
            FdDetail::None | FdDetail::Socket { .. } | FdDetail::Server { .. } => {}
        }
    }
    for interface in &mut head.interfaces {
        cut.text(&mut interface.name, INTERFACE);
    }
    for user in &mut head.users {
        for text in [&mut user.name, &mut user.home, &mut user.shell] {
            cut.text(text, USER);
        }
    }
    for group in &mut head.groups {
        cut.text(&mut group.name, USER);
    }
    cut.0
}

struct Cut(u64);

impl Cut {
    fn text(&mut self, text: &mut Text, most: usize) {
        if text.len() > most {
            *text = text[..most].into();
            self.0 += 1;
        }
    }

    /// A list whose elements each end with a NUL: whole elements stay, at least a part of the first.
    fn list(&mut self, text: &mut Text, most: usize) {
        if text.len() > most {
            let end = text[..most].iter().rposition(|&byte| byte == 0).map_or(most, |at| at + 1);
            *text = text[..end].into();
            self.0 += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use falco_replay_format::lists::{GroupEntry, Head};

    use super::fit;

    #[test]
    fn long_texts_are_shortened_and_counted() {
        let group = |length: usize| GroupEntry { gid: 1, name: vec![b'a'; length].into() };
        let mut head = Head { groups: vec![group(255), group(256), group(9)], ..Head::default() };
        assert_eq!(fit(&mut head), 1);
        assert_eq!(head.groups.iter().map(|group| group.name.len()).collect::<Vec<_>>(), [255, 255, 9]);
        assert_eq!(fit(&mut head), 0);
    }
}
