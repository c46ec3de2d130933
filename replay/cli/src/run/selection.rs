//! Rules switched on and off, in the order of the command line.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use falco_replay_rules::{Selection, Which};

/// A flag: its name, whether it enables, whether it means tags, its help.
const FLAGS: [(&str, bool, bool, &str); 4] = [
    ("enable", true, false, "Switch on the rules of this name; * stands for any text"),
    ("disable", false, false, "Switch off the rules of this name; * stands for any text"),
    ("enable-tag", true, true, "Switch on the rules with this tag"),
    ("disable-tag", false, true, "Switch off the rules with this tag"),
];

/// The steps of `--enable`, `--disable`, `--enable-tag` and `--disable-tag`.
///
/// By hand, because the derive macro forgets the order of different flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectionArgs {
    /// In the order of the command line.
    pub steps: Vec<Selection>,
}

impl FromArgMatches for SelectionArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut steps = Vec::new();
        for (name, enable, by_tag, _) in FLAGS {
            let places = matches.indices_of(name).into_iter().flatten();
            let values = matches.get_many::<String>(name).into_iter().flatten();
            for (place, value) in places.zip(values) {
                let which = if by_tag { Which::Tag(value.clone()) } else { Which::Name(value.clone()) };
                steps.push((place, Selection { enable, which }));
            }
        }
        steps.sort_by_key(|(place, _)| *place);
        Ok(SelectionArgs { steps: steps.into_iter().map(|(_, step)| step).collect() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for SelectionArgs {
    fn augment_args(command: Command) -> Command {
        command.args(FLAGS.map(|(name, _, by_tag, help)| {
            Arg::new(name)
                .long(name)
                .value_name(if by_tag { "TAG" } else { "PATTERN" })
                .action(ArgAction::Append)
                .help(help)
                .long_help(format!(
                    "{help}\n\nMay be given several times. These four flags apply in the order given, after what the rules \
                     files and the configuration say; --disable '*' first makes the others a list of what runs."
                ))
                .help_heading("Choosing rules")
        }))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_keep_their_order() {
        let words =
            ["run", "--disable", "*", "--enable-tag", "net", "--disable", "a", "--enable", "b", "--disable-tag", "c"];
        let matches = SelectionArgs::augment_args(Command::new("run")).get_matches_from(words);
        let steps = SelectionArgs::from_arg_matches(&matches).unwrap().steps;
        let name = |enable, text: &str| Selection { enable, which: Which::Name(text.to_owned()) };
        let tag = |enable, text: &str| Selection { enable, which: Which::Tag(text.to_owned()) };
        assert_eq!(steps, [name(false, "*"), tag(true, "net"), name(false, "a"), name(true, "b"), tag(false, "c")]);
    }
}
