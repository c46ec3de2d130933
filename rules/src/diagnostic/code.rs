//! The codes: Falco's own names for everything that can be wrong with rules files.
//!
//! Facts: filter-language B8. Two codes are ours, for things that Falco cannot say: they are marked.

/// What kind of thing is wrong.
#[allow(missing_docs)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Code {
    ErrFileRead,
    ErrYamlParse,
    ErrYamlValidate,
    ErrCompileCondition,
    ErrCompileOutput,
    ErrValidate,
    UnknownSource,
    UnsafeNaCheck,
    NoEvttype,
    UnknownFilter,
    UnusedMacro,
    UnusedList,
    UnknownItem,
    DeprecatedItem,
    AppendNoValues,
    ExceptionNameNotUnique,
    InvalidMacroName,
    InvalidListName,
    CompileCondition,
    UnknownKey,
    /// Ours: a plugin that rules require is not there.
    PluginMissing,
    /// Ours: a condition that Falco evaluates differently from what its documentation promises.
    KnownDefect,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// The rules cannot be used.
    Error,
    /// They can.
    Warning,
}

struct Words {
    name: &'static str,
    title: &'static str,
    description: &'static str,
    help: &'static str,
}

impl Code {
    /// Every code.
    pub const ALL: [Self; 22] = [
        Self::ErrFileRead,
        Self::ErrYamlParse,
        Self::ErrYamlValidate,
        Self::ErrCompileCondition,
        Self::ErrCompileOutput,
        Self::ErrValidate,
        Self::UnknownSource,
        Self::UnsafeNaCheck,
        Self::NoEvttype,
        Self::UnknownFilter,
        Self::UnusedMacro,
        Self::UnusedList,
        Self::UnknownItem,
        Self::DeprecatedItem,
        Self::AppendNoValues,
        Self::ExceptionNameNotUnique,
        Self::InvalidMacroName,
        Self::InvalidListName,
        Self::CompileCondition,
        Self::UnknownKey,
        Self::PluginMissing,
        Self::KnownDefect,
    ];

    /// Whether it is an error or a warning.
    pub const fn severity(self) -> Severity {
        match self {
            Self::ErrFileRead
            | Self::ErrYamlParse
            | Self::ErrYamlValidate
            | Self::ErrCompileCondition
            | Self::ErrCompileOutput
            | Self::ErrValidate => Severity::Error,
            _ => Severity::Warning,
        }
    }

    /// The stable name: `LOAD_…`.
    pub const fn name(self) -> &'static str {
        self.words().name
    }

    /// What it means, in a few words.
    pub const fn title(self) -> &'static str {
        self.words().title
    }

    /// What JSON output gives as `codedesc`: the title of an error, a whole sentence for a warning.
    pub const fn description(self) -> &'static str {
        match self.severity() {
            Severity::Error => self.words().title,
            Severity::Warning => self.words().description,
        }
    }

    /// What to do about it.
    pub const fn help(self) -> &'static str {
        self.words().help
    }

    const fn words(self) -> Words {
        let (name, title, description, help) = match self {
            Self::ErrFileRead => {
                ("LOAD_ERR_FILE_READ", "File read error", "", "check that the file exists and is readable text")
            }
            Self::ErrYamlParse => {
                ("LOAD_ERR_YAML_PARSE", "YAML parse error", "", "correct the YAML; nothing after this point was read")
            }
            Self::ErrYamlValidate => (
                "LOAD_ERR_YAML_VALIDATE",
                "Error validating internal structure of YAML file",
                "",
                "correct the item: its keys, or the kind of their values",
            ),
            Self::ErrCompileCondition => (
                "LOAD_ERR_COMPILE_CONDITION",
                "Error compiling condition",
                "",
                "`falco-replay list fields` and `list operators` show what a condition can use",
            ),
            Self::ErrCompileOutput => (
                "LOAD_ERR_COMPILE_OUTPUT",
                "Error compiling output",
                "",
                "every % must begin a field; `falco-replay list fields` shows them",
            ),
            Self::ErrValidate => (
                "LOAD_ERR_VALIDATE",
                "Error validating rule/macro/list/exception objects",
                "",
                "correct the definition, or the order of definitions",
            ),
            Self::UnknownSource => (
                "LOAD_UNKNOWN_SOURCE",
                "Unknown event source",
                "A rule has a unknown event source. This can occur when reading rules content without having a corresponding plugin loaded, etc. The rule will be silently ignored.",
                "the rule is ignored: captures hold events of source syscall",
            ),
            Self::UnsafeNaCheck => (
                "LOAD_UNSAFE_NA_CHECK",
                "Unsafe <NA> comparison in condition",
                "Comparing a field value with <NA> is unsafe and can lead to unpredictable behavior of the rule condition. If you need to check for the existence of a field, consider using the 'exists' operator instead.",
                "write `FIELD exists` instead",
            ),
            Self::NoEvttype => (
                "LOAD_NO_EVTTYPE",
                "Condition has no event-type restriction",
                "A rule condition matches too many evt.type values. This has a significant performance penalty. Make the condition more specific by adding an evt.type field or further restricting the number of evt.type values in the condition.",
                "begin the condition with `evt.type in (…) and`, or set `warn_evttypes: false`",
            ),
            Self::UnknownFilter => (
                "LOAD_UNKNOWN_FILTER",
                "Unknown field or event-type in condition or output",
                "A rule condition or output refers to a field or evt.type that does not exist. This is normally an error, but if a rule has a skip-if-unknown-filter property, the error is downgraded to a warning.",
                "the rule is left out, as its skip-if-unknown-filter asks",
            ),
            Self::UnusedMacro => (
                "LOAD_UNUSED_MACRO",
                "Unused macro",
                "A macro is defined in the rules content but is not used by any other macro or rule.",
                "remove the macro, or use it",
            ),
            Self::UnusedList => (
                "LOAD_UNUSED_LIST",
                "Unused list",
                "A list is defined in the rules content but is not used by any other list, macro, or rule.",
                "remove the list, or use it",
            ),
            Self::UnknownItem => (
                "LOAD_UNKNOWN_ITEM",
                "Unknown rules file item",
                "An unknown top-level object is in the rules content. It will be ignored.",
                "an item is a rule, macro, list, required_engine_version or required_plugin_versions",
            ),
            Self::DeprecatedItem => (
                "LOAD_DEPRECATED_ITEM",
                "Used deprecated item",
                "A deprecated item is employed by lists, macros, or rules.",
                "use what the message names instead",
            ),
            Self::AppendNoValues => (
                "LOAD_APPEND_NO_VALUES",
                "Overriding/appending with no values",
                "A rule exception is overriding/appending with no values",
                "give the exception values",
            ),
            Self::ExceptionNameNotUnique => (
                "LOAD_EXCEPTION_NAME_NOT_UNIQUE",
                "Multiple exceptions defined with the same name",
                "A rule is defining multiple exceptions with the same name",
                "give each exception a name of its own",
            ),
            Self::InvalidMacroName => (
                "LOAD_INVALID_MACRO_NAME",
                "Invalid macro name",
                "A macro is defined with an invalid name",
                "begin the name with a letter, go on with letters, digits and _",
            ),
            Self::InvalidListName => (
                "LOAD_INVALID_LIST_NAME",
                "Invalid list name",
                "A list is defined with an invalid name",
                "leave blanks, quotes, parentheses, commas and = out of the name",
            ),
            Self::CompileCondition => (
                "LOAD_COMPILE_CONDITION",
                "Warning in rule condition",
                "A rule condition or output have been parsed with a warning",
                "to compare with another field write `val(FIELD)`",
            ),
            Self::UnknownKey => (
                "LOAD_UNKNOWN_KEY",
                "Unknown key in item definition",
                "An item in the rules content contains an unrecognized key. The key will be ignored. This may indicate a typo or a property placed on the wrong item type.",
                "correct or remove the key",
            ),
            Self::PluginMissing => (
                "LOAD_PLUGIN_MISSING",
                "Plugin requirement not satisfied",
                "A rules file requires a plugin that is not built in. Rules of the event source of that plugin are ignored; Falco would end here.",
                "only the container plugin is built in: rules of another plugin's event source are ignored",
            ),
            Self::KnownDefect => (
                "LOAD_KNOWN_DEFECT",
                "Condition that Falco does not evaluate as documented",
                "Falco evaluates the condition differently from what its documentation promises. A replay does as Falco does unless told otherwise.",
                "rewrite the check as the message says, or replay with `--semantics documented`",
            ),
        };
        Words { name, title, description, help }
    }
}
