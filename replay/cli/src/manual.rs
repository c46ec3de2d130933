//! `falco-replay completions` and `falco-replay man`, from the same definitions as the commands themselves.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::exit::Exit;
use crate::stdout::write_stdout;

/// Print the completions of a shell
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  falco-replay completions bash > /etc/bash_completion.d/falco-replay
  falco-replay completions zsh > \"${fpath[1]}/_falco-replay\"
  falco-replay completions fish > ~/.config/fish/completions/falco-replay.fish")]
pub struct CompletionsArgs {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Runs the command.
pub fn exec_completions(args: &CompletionsArgs, mut command: Command) -> anyhow::Result<Exit> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut command, "falco-replay", &mut text);
    write_stdout(&String::from_utf8_lossy(&text))?;
    Ok(Exit::Done)
}

/// Print the man page, or write one for each command into a folder
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Folder for the pages; it is made where it does not exist
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

/// Runs the command.
pub fn exec_man(args: &ManArgs, command: Command) -> anyhow::Result<Exit> {
    let Some(folder) = &args.folder else {
        write_stdout(&page(command)?)?;
        return Ok(Exit::Done);
    };
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    write_pages(folder, "falco-replay", command)?;
    Ok(Exit::Done)
}

fn write_pages(folder: &Path, name: &str, command: Command) -> anyhow::Result<()> {
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
        let name = format!("{name}-{}", sub.get_name());
        let full = name.replacen("falco-replay-", "falco-replay ", 1);
        write_pages(folder, &name, sub.clone().bin_name(full).display_name(name.clone()))?;
    }
    let path = folder.join(format!("{name}.1"));
    let fail = || format!("cannot write {}", path.display());
    let text = page(command)?;
    std::fs::File::create(&path).and_then(|mut file| file.write_all(text.as_bytes())).with_context(fail)
}

fn page(command: Command) -> anyhow::Result<String> {
    let mut page = Vec::new();
    Man::new(command).render(&mut page).context("cannot make the man page")?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}
