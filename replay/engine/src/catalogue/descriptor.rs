//! Fields of file descriptors and paths.

use super::entry::{Entry, entry as f};
use super::field::Field;
use falco_replay_format::schema::PrintFormat as F;
use falco_replay_rules::program::ValueType as T;
use falco_replay_rules::schema::ArgumentKind as A;

/// The descriptor of the event.
#[rustfmt::skip]
pub(super) const FD: &[Entry] = &[
    f(Field::FdNum, "fd.num", T::Int64, F::Id, "Number of the fd the event refers to (thread's last fd; -1 when none)."),
    f(Field::FdType, "fd.type", T::Charbuf, F::Dec, "Type word: file, directory, ipv4, ipv6, unix, pipe, event, signalfd, eventpoll, inotify, timerfd, netlink, bpf, userfaultfd, io_uring, memfd, pidfd; \"<NA>\" for any other known fd."),
    f(Field::FdTypechar, "fd.typechar", T::Charbuf, F::Dec, "One-character type code."),
    f(Field::FdName, "fd.name", T::Charbuf, F::Na, "Path, connection tuple or other name of the fd."),
    f(Field::FdDirectory, "fd.directory", T::Charbuf, F::Na, "Directory part of fd.name for files (the name itself for directories) and for fd events without fd record; no value for other known fd types."),
    f(Field::FdFilename, "fd.filename", T::Charbuf, F::Na, "Last path component for files; no value otherwise."),
    f(Field::FdIp, "fd.ip", T::Ipaddr, F::Na, "Filter only: either endpoint address.").no_transformer().no_rhs().filter_only(),
    f(Field::FdCip, "fd.cip", T::Ipaddr, F::Na, "Client address."),
    f(Field::FdSip, "fd.sip", T::Ipaddr, F::Na, "Server address."),
    f(Field::FdLip, "fd.lip", T::Ipaddr, F::Na, "Local address."),
    f(Field::FdRip, "fd.rip", T::Ipaddr, F::Na, "Remote address."),
    f(Field::FdPort, "fd.port", T::Port, F::Dec, "Filter only: either endpoint port.").no_transformer().no_rhs().filter_only(),
    f(Field::FdCport, "fd.cport", T::Port, F::Dec, "Client port."),
    f(Field::FdSport, "fd.sport", T::Port, F::Dec, "Server port (also of a listening socket without role)."),
    f(Field::FdLport, "fd.lport", T::Port, F::Dec, "Local port."),
    f(Field::FdRport, "fd.rport", T::Port, F::Dec, "Remote port."),
    f(Field::FdL4proto, "fd.l4proto", T::Charbuf, F::Na, "tcp, udp, icmp, raw, or the string \"<NA>\" (also for an ipv4/ipv6 socket without role, unless raw)."),
    f(Field::FdSockfamily, "fd.sockfamily", T::Charbuf, F::Na, "\"ip\" or \"unix\"; no value otherwise."),
    f(Field::FdIsServer, "fd.is_server", T::Bool, F::Na, "True for listening sockets, or when the destination address is local."),
    f(Field::FdUid, "fd.uid", T::Charbuf, F::Na, "tid followed by fd number, no separator."),
    f(Field::FdContainername, "fd.containername", T::Charbuf, F::Na, "container id + \":\" + fd.name."),
    f(Field::FdContainerdirectory, "fd.containerdirectory", T::Charbuf, F::Na, "container id + \":\" + fd.directory."),
    f(Field::FdProto, "fd.proto", T::Port, F::Na, "Filter only: either endpoint port, service names accepted.").no_transformer().no_rhs().filter_only(),
    f(Field::FdCproto, "fd.cproto", T::Charbuf, F::Na, "Client port as text (service name if port resolution is on); empty string for other fds that have a role."),
    f(Field::FdSproto, "fd.sproto", T::Charbuf, F::Na, "Server port as text (empty string for listening sockets)."),
    f(Field::FdLproto, "fd.lproto", T::Charbuf, F::Na, "Local port as text."),
    f(Field::FdRproto, "fd.rproto", T::Charbuf, F::Na, "Remote port as text."),
    f(Field::FdNet, "fd.net", T::Ipnet, F::Na, "Filter only: either endpoint is in the network.").no_transformer().no_rhs().filter_only(),
    f(Field::FdCnet, "fd.cnet", T::Ipnet, F::Na, "Filter only: the client address is in the network.").no_transformer().no_rhs().filter_only(),
    f(Field::FdSnet, "fd.snet", T::Ipnet, F::Na, "Filter only: the server address is in the network.").no_transformer().no_rhs().filter_only(),
    f(Field::FdLnet, "fd.lnet", T::Ipnet, F::Na, "Filter only: the local address is in the network.").no_transformer().no_rhs().filter_only(),
    f(Field::FdRnet, "fd.rnet", T::Ipnet, F::Na, "Filter only: the remote address is in the network.").no_transformer().no_rhs().filter_only(),
    f(Field::FdConnected, "fd.connected", T::Bool, F::Na, "Socket is connected."),
    f(Field::FdNameChanged, "fd.name_changed", T::Bool, F::Na, "This event changed the fd's name."),
    f(Field::FdCipName, "fd.cip.name", T::Charbuf, F::Na, "Domain name of the client address.").no_transformer().no_rhs(),
    f(Field::FdSipName, "fd.sip.name", T::Charbuf, F::Na, "Domain name of the server address.").no_transformer().no_rhs(),
    f(Field::FdLipName, "fd.lip.name", T::Charbuf, F::Na, "Domain name of the local address.").no_transformer().no_rhs(),
    f(Field::FdRipName, "fd.rip.name", T::Charbuf, F::Na, "Domain name of the remote address.").no_transformer().no_rhs(),
    f(Field::FdDev, "fd.dev", T::Int32, F::Hex, "Device number of the file."),
    f(Field::FdDevMajor, "fd.dev.major", T::Int32, F::Dec, "Major part."),
    f(Field::FdDevMinor, "fd.dev.minor", T::Int32, F::Dec, "Minor part."),
    f(Field::FdIno, "fd.ino", T::Int64, F::Dec, "Inode number."),
    f(Field::FdNameraw, "fd.nameraw", T::Charbuf, F::Na, "Path as given to the syscall, with duplicate slashes collapsed."),
    f(Field::FdTypes, "fd.types", T::Charbuf, F::Dec, "List of the distinct types of all open descriptors; with an index the type of that descriptor.").optional(A::Index).list().no_rhs(),
    f(Field::FdIsUpperLayer, "fd.is_upper_layer", T::Bool, F::Na, "File in overlayfs upper layer."),
    f(Field::FdIsLowerLayer, "fd.is_lower_layer", T::Bool, F::Na, "File in overlayfs lower layer."),
];

/// Paths that file system calls work on.
#[rustfmt::skip]
pub(super) const FS_PATH: &[Entry] = &[
    f(Field::FsPathName, "fs.path.name", T::Charbuf, F::Na, "Absolute path that the system call works on."),
    f(Field::FsPathNameraw, "fs.path.nameraw", T::Charbuf, F::Na, "Path that the system call works on, as given."),
    f(Field::FsPathSource, "fs.path.source", T::Charbuf, F::Na, "Absolute source path of a system call with two paths."),
    f(Field::FsPathSourceraw, "fs.path.sourceraw", T::Charbuf, F::Na, "Source path of a system call with two paths, as given."),
    f(Field::FsPathTarget, "fs.path.target", T::Charbuf, F::Na, "Absolute target path of a system call with two paths."),
    f(Field::FsPathTargetraw, "fs.path.targetraw", T::Charbuf, F::Na, "Target path of a system call with two paths, as given."),
];

/// Counters.
#[rustfmt::skip]
pub(super) const UTIL: &[Entry] = &[
    f(Field::UtilCnt, "util.cnt", T::Uint64, F::Id, "Counter incremented at each extraction."),
];

/// Descriptors of a poll.
#[rustfmt::skip]
pub(super) const FD_LIST: &[Entry] = &[
    f(Field::FdlistNums, "fdlist.nums", T::Charbuf, F::Id, "Numbers of the descriptors of a poll, separated by commas."),
    f(Field::FdlistNames, "fdlist.names", T::Charbuf, F::Na, "Names of the descriptors of a poll, separated by commas."),
    f(Field::FdlistCips, "fdlist.cips", T::Charbuf, F::Na, "Client addresses of the sockets of a poll, separated by commas."),
    f(Field::FdlistSips, "fdlist.sips", T::Charbuf, F::Na, "Server addresses of the sockets of a poll, separated by commas."),
    f(Field::FdlistCports, "fdlist.cports", T::Charbuf, F::Dec, "Client ports of the sockets of a poll, separated by commas."),
    f(Field::FdlistSports, "fdlist.sports", T::Charbuf, F::Dec, "Server ports of the sockets of a poll, separated by commas."),
];
