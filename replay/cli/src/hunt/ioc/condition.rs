//! Indicators as a condition of the rules language.

use std::net::IpAddr;

use anyhow::Context as _;
use falco_replay_engine::catalogue::Catalogue;
use falco_replay_rules::compile_condition;
use falco_replay_rules::program::{Condition, Constant, Predicate, PredicateId, Rhs};

use super::Indicators;

/// Calls that name paths and may have no descriptor of them. What opens files is not among them: its descriptor has the
/// path.
pub const PATH_CALLS: [&str; 20] = [
    "mkdir",
    "mkdirat",
    "rmdir",
    "unlink",
    "unlinkat",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "chmod",
    "fchmodat",
    "chown",
    "lchown",
    "fchownat",
    "mount",
    "umount",
    "umount2",
];

/// The fields that have the paths of those calls.
pub const CALL_PATHS: [&str; 3] = ["fs.path.name", "fs.path.source", "fs.path.target"];

/// Puts checks together; the catalogue gives them their types.
struct Builder<'a> {
    catalogue: &'a Catalogue,
    predicates: &'a mut Vec<Predicate>,
}

impl Builder<'_> {
    /// A check like the one in `text`, but with these constants. No text could hold so many, or such long ones.
    fn check(&mut self, text: &str, constants: Vec<Constant>) -> anyhow::Result<Condition> {
        let compiled = compile_condition(text, self.catalogue).with_context(|| format!("a condition for {text}"))?;
        let mut predicate = compiled.predicates.into_iter().next().with_context(|| format!("no check in {text}"))?;
        if !constants.is_empty() {
            predicate.rhs = Rhs::Constants(constants);
        }
        let id = PredicateId(u32::try_from(self.predicates.len()).unwrap_or(u32::MAX));
        self.predicates.push(predicate);
        Ok(Condition::Check(id))
    }

    /// Checks of these forms over the same constants; none where there are no constants.
    fn each(&mut self, texts: &[&str], constants: &[Constant], out: &mut Vec<Condition>) -> anyhow::Result<()> {
        if !constants.is_empty() {
            for text in texts {
                out.push(self.check(text, constants.to_vec())?);
            }
        }
        Ok(())
    }
}

/// The condition that some indicator is found. Its checks are added to `predicates`. `documented`: `in` on `fd.ip` and
/// `fd.net` means what the language documents.
pub fn condition(
    indicators: &Indicators,
    documented: bool,
    catalogue: &Catalogue,
    predicates: &mut Vec<Predicate>,
) -> anyhow::Result<Condition> {
    let Indicators { addresses, networks, paths, folders, files, processes, domains } = indicators;
    let mut builder = Builder { catalogue, predicates };
    let mut any = Vec::new();
    let addresses: Vec<_> = addresses.iter().map(|&ip| Constant::Ip(ip)).collect();
    let (of_address, of_network): (&[&str], &[&str]) = if documented {
        (&["fd.ip in (::1)"], &["fd.net in (10.0.0.0/8)"])
    } else {
        (&["fd.cip in (::1)", "fd.sip in (::1)"], &["fd.cnet in (10.0.0.0/8)", "fd.snet in (10.0.0.0/8)"])
    };
    builder.each(of_address, &addresses, &mut any)?;
    let networks: Vec<_> = networks.iter().map(|&(ip, length): &(IpAddr, u8)| Constant::Net(ip, length)).collect();
    builder.each(of_network, &networks, &mut any)?;
    // The same for each path of the calls that name paths.
    let mut of_calls = Vec::new();
    let call_checks = |form: &dyn Fn(&str) -> String| CALL_PATHS.map(form);

    let paths = texts(paths.iter());
    builder.each(&["fd.name in (/x)", "proc.exepath in (/x)"], &paths, &mut any)?;
    let forms = call_checks(&|field| format!("{field} in (/x)"));
    builder.each(&forms.each_ref().map(String::as_str), &paths, &mut of_calls)?;

    let folders = texts(folders.iter());
    builder.each(&["fd.name pmatch (/x)", "proc.exepath pmatch (/x)"], &folders, &mut any)?;
    let forms = call_checks(&|field| format!("{field} pmatch (/x)"));
    builder.each(&forms.each_ref().map(String::as_str), &folders, &mut of_calls)?;

    let file_names = texts(files.iter());
    builder.each(&["fd.filename in (x)"], &file_names, &mut any)?;
    let forms = call_checks(&|field| format!("basename({field}) in (x)"));
    builder.each(&forms.each_ref().map(String::as_str), &file_names, &mut of_calls)?;

    let names = texts(processes.iter());
    builder.each(&["proc.name in (x)"], &names, &mut any)?;
    // Of a long name the kernel keeps 15 characters; the path of the program has all of it.
    let programs = texts(files.union(processes));
    builder.each(&["basename(proc.exepath) in (x)"], &programs, &mut any)?;

    let domains = texts(domains.iter());
    builder.each(&["proc.cmdline icontains anyof (x)"], &domains, &mut any)?;

    if !of_calls.is_empty() {
        // The names of events cost nothing to compare; the paths of other events need not even be looked at.
        let calls = builder.check(&format!("evt.type in ({})", PATH_CALLS.join(", ")), Vec::new())?;
        any.push(Condition::And(vec![calls, Condition::Or(of_calls)]));
    }
    Ok(Condition::Or(any))
}

fn texts<'a>(texts: impl Iterator<Item = &'a String>) -> Vec<Constant> {
    texts.map(|text| Constant::Bytes(text.as_bytes().to_vec())).collect()
}
