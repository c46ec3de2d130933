//! A compiled rule set: every distinct predicate once, rules as expressions over them, outputs as templates.

use std::net::IpAddr;

/// Number of a field in the catalogue of the schema that a program was compiled against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldId(pub u16);

/// The argument of a field.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Argument {
    /// `field[3]`; may be negative.
    Index(i64),
    /// `field[key]`.
    Key(String),
    /// A dotted suffix: `evt.arg.NAME`, `evt.type.is.NAME`, `evt.abspath.src`, `thread.cgroup.SUBSYS`.
    Name(String),
}

/// A field with its argument.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FieldRef {
    /// Which field.
    pub id: FieldId,
    /// Its argument, where one was given.
    pub arg: Option<Argument>,
}

/// The type of a value (Falco's `PT_*`, those that fields and transformers have).
#[allow(missing_docs)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ValueType {
    Int8,
    Int16,
    Int32,
    Int64,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Charbuf,
    Bytebuf,
    Errno,
    Sockaddr,
    Socktuple,
    Fd,
    Pid,
    Fdlist,
    Fspath,
    Syscallid,
    Sigtype,
    Reltime,
    Abstime,
    Port,
    L4proto,
    Sockfamily,
    Bool,
    Ipv4addr,
    Dyn,
    Flags8,
    Flags16,
    Flags32,
    Uid,
    Gid,
    Double,
    Sigset,
    Charbufarray,
    CharbufPairArray,
    Ipv4net,
    Ipv6addr,
    Ipv6net,
    Ipaddr,
    Ipnet,
    Mode,
    Fsrelpath,
    Enumflags8,
    Enumflags16,
    Enumflags32,
    Fd32,
    Pid32,
}

/// An expression that gives a value for an event.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ValueExpr {
    /// A field.
    Field(FieldRef),
    /// A transformer applied to arguments. `val(f)` is not kept: it is `f`.
    Transform {
        /// Which one.
        transformer: Transformer,
        /// Its arguments.
        args: Vec<ValueExpr>,
        /// The option letter of `getopt(…)[c]`.
        letter: Option<u8>,
    },
    /// A quoted string or a number as written.
    Literal(Vec<u8>),
    /// A literal list `( … )`.
    List(Vec<ValueExpr>),
}

/// Field transformers.
#[allow(missing_docs)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transformer {
    ToLower,
    ToUpper,
    B64,
    Basename,
    Len,
    Join,
    Concat,
    Getopt,
}

/// Comparison operators.
#[allow(missing_docs)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operator {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Contains,
    Icontains,
    Bcontains,
    Startswith,
    Bstartswith,
    Endswith,
    Glob,
    Iglob,
    Regex,
    In,
    Intersects,
    Pmatch,
    Exists,
}

/// List modifiers of an operator.
#[allow(missing_docs)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Modifier {
    Oneof,
    Anyof,
    Allof,
}

/// A constant, converted by the type of the left side (facts: filter-language A5).
#[derive(Debug, Clone, PartialEq)]
pub enum Constant {
    /// Bytes of a string, path or buffer; hex already decoded for `bcontains` and `bstartswith`.
    Bytes(Vec<u8>),
    /// A number, cut to the width of the type; unsigned types hold their value zero-extended.
    Int(i64),
    /// A truth value.
    Bool(bool),
    /// A floating number.
    Double(f64),
    /// An address.
    Ip(IpAddr),
    /// A network: address and prefix length.
    Net(IpAddr, u8),
}

/// The right side of a check.
#[derive(Debug, Clone, PartialEq)]
pub enum Rhs {
    /// None (`exists`).
    None,
    /// One constant, or the list of `in`, `intersects`, `pmatch` and the modifiers.
    Constants(Vec<Constant>),
    /// Another value of the same event.
    Value(ValueExpr),
}

/// One distinct check.
#[derive(Debug, Clone, PartialEq)]
pub struct Predicate {
    /// The left side.
    pub left: ValueExpr,
    /// Type of the left side after transformation.
    pub ty: ValueType,
    /// Whether the left side is a list.
    pub list: bool,
    /// The operator.
    pub op: Operator,
    /// Its modifier.
    pub modifier: Option<Modifier>,
    /// The right side.
    pub rhs: Rhs,
}

/// Number of a predicate in its program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PredicateId(pub u32);

/// A condition over predicates.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Condition {
    /// All hold.
    And(Vec<Condition>),
    /// At least one holds.
    Or(Vec<Condition>),
    /// It does not hold.
    Not(Box<Condition>),
    /// A predicate holds.
    Check(PredicateId),
}

/// A set of event types, a bit a type.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct EventTypes {
    /// Bit `n % 64` of word `n / 64` is type `n`.
    pub words: Vec<u64>,
}

impl EventTypes {
    /// Whether type `id` is in the set.
    #[inline]
    pub fn contains(&self, id: u16) -> bool {
        self.words.get(usize::from(id) / 64).is_some_and(|word| word >> (id % 64) & 1 == 1)
    }
}

/// A piece of an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Text as it stands.
    Text(Vec<u8>),
    /// The value of a field or transformer.
    Value {
        /// What to print.
        expr: ValueExpr,
        /// Its type after transformation.
        ty: ValueType,
        /// Whether it is a list.
        list: bool,
        /// Pad or cut to so many bytes.
        width: Option<usize>,
    },
}

/// A compiled output or print format.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Template {
    /// Whether it began with `*` (missing values print as `<NA>`; Falco always adds it).
    pub lenient: bool,
    /// The pieces in order.
    pub segments: Vec<Segment>,
    /// Every field in it, in order of appearance and distinct, with its text `name` or `name[arg]`: the keys of `output_fields`.
    pub fields: Vec<(String, FieldRef)>,
}

/// One compiled rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Name.
    pub name: String,
    /// Description.
    pub description: String,
    /// The condition over the program's predicates.
    pub condition: Condition,
    /// Event types that the rule is evaluated on.
    pub event_types: EventTypes,
    /// What an alert prints.
    pub output: Template,
    /// Fields added to an alert's `output_fields` besides those of the output: (key, value). A plain field keeps its
    /// type; a format becomes a string.
    pub extra_fields: Vec<(String, Template)>,
    /// 0 Emergency … 7 Debug.
    pub priority: Priority,
    /// Sorted.
    pub tags: Vec<String>,
    /// Event source.
    pub source: String,
    /// Whether it runs.
    pub enabled: bool,
}

/// Priority of a rule, most severe first.
#[allow(missing_docs)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Priority {
    Emergency,
    Alert,
    Critical,
    Error,
    Warning,
    Notice,
    Informational,
    Debug,
}

/// A whole compiled rule set.
#[derive(Debug, Clone, Default)]
pub struct Program {
    /// Every distinct check once.
    pub predicates: Vec<Predicate>,
    /// Rules in definition order, disabled ones too.
    pub rules: Vec<Rule>,
}
