//! Which indicators an event was found by.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::Context as _;
use falco_replay_engine::catalogue::Catalogue;
use falco_replay_engine::output::Printer;
use falco_replay_engine::sets::TextsWithin;
use falco_replay_engine::view::View;
use falco_replay_format::block::{Ends, FdKind};
use falco_replay_rules::compile_template;
use falco_replay_rules::program::Template;

use super::Indicators;
use super::condition::{CALL_PATHS, PATH_CALLS};
use super::line::Indicator;
use super::network::around;
use crate::replay::lines::Mark;

/// Looks indicators up by what an event holds.
pub struct IndicatorMark {
    indicators: Indicators,
    domains: Vec<String>,
    in_command_lines: TextsWithin,
    file: Printer,
    program: Printer,
    name: Printer,
    command_line: Printer,
    call_paths: Vec<Printer>,
}

/// The fields that are looked at, as formats: what their values need must be asked for.
pub fn templates(catalogue: &Catalogue) -> anyhow::Result<Vec<Template>> {
    let fields = ["fd.name", "proc.exepath", "proc.name", "proc.cmdline"].into_iter().chain(CALL_PATHS);
    fields.map(|field| compile_template(&format!("%{field}"), catalogue).map_err(Into::into)).collect()
}

impl IndicatorMark {
    /// Makes the indicators ready.
    pub fn new(mut indicators: Indicators, catalogue: &Catalogue) -> anyhow::Result<IndicatorMark> {
        let mut printers = templates(catalogue)?.into_iter().map(|template| Printer::new(&template, catalogue));
        let mut next = || printers.next().context("a format for each field");
        let (file, program, name, command_line) = (next()?, next()?, next()?, next()?);
        let domains: Vec<_> = std::mem::take(&mut indicators.domains).into_iter().collect();
        let in_command_lines = TextsWithin::new(domains.iter().map(|name| name.clone().into_bytes()), true);
        let call_paths = printers.collect();
        Ok(IndicatorMark { indicators, domains, in_command_lines, file, program, name, command_line, call_paths })
    }

    fn addresses(&self, view: &View<'_>, out: &mut BTreeSet<Indicator>) {
        let Some(fd) = view.fd.filter(|fd| view.about_fd() && fd.kind.is_inet()) else { return };
        let (source, dest): (IpAddr, IpAddr) = match (fd.ends, fd.kind) {
            (Ends::Inet { source, dest }, _) => (source.0, dest.0),
            (_, FdKind::Ipv4 | FdKind::Ipv4Server) => (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into()),
            _ => (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()),
        };
        let source = (!fd.kind.is_listening()).then_some(source);
        for ip in source.into_iter().chain([dest]) {
            if self.indicators.addresses.contains(&ip) {
                out.insert(Indicator::Address(ip));
            }
            let networks = around(ip).filter(|network| self.indicators.networks.contains(network));
            out.extend(networks.map(|(net, length)| Indicator::Network(net, length)));
        }
    }

    /// The indicators that a path is, lies in, or has the name of.
    fn path(&self, path: &str, out: &mut BTreeSet<Indicator>) {
        let (paths, folders) = (&self.indicators.paths, &self.indicators.folders);
        if paths.contains(path) {
            out.insert(Indicator::Path(path.to_owned()));
        }
        if !folders.is_empty() {
            let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
            let above = ends.map(|end| &path[..end]).filter(|folder| folders.contains(*folder));
            out.extend(above.map(|folder| Indicator::Folder(folder.to_owned())));
        }
        if let Some((_, name)) = path.rsplit_once('/')
            && self.indicators.files.contains(name)
        {
            out.insert(Indicator::File(name.to_owned()));
        }
    }
}

impl Mark for IndicatorMark {
    fn marks(&self, view: &View<'_>) -> Vec<String> {
        let text = |printer: &Printer| {
            let mut out = Vec::new();
            printer.print(view, &mut out);
            String::from_utf8_lossy(&out).into_owned()
        };
        let mut found = BTreeSet::new();
        self.addresses(view, &mut found);
        self.path(&text(&self.file), &mut found);
        let program = text(&self.program);
        self.path(&program, &mut found);
        let base = program.rsplit('/').next().unwrap_or_default();
        let own = text(&self.name);
        for name in [base, &own] {
            if self.indicators.processes.contains(name) {
                found.insert(Indicator::Process(name.to_owned()));
            }
        }
        if PATH_CALLS.contains(&view.info.name) {
            self.call_paths.iter().for_each(|printer| self.path(&text(printer), &mut found));
        }
        if !self.domains.is_empty() {
            let line = text(&self.command_line);
            let matches = self.in_command_lines.all_in(line.as_bytes()).into_iter();
            let domains = matches.filter_map(|place| self.domains.get(place));
            found.extend(domains.map(|name| Indicator::Domain(name.clone())));
        }
        found.iter().map(ToString::to_string).collect()
    }
}
