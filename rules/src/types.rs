//! Which operators and transformers a type takes. Facts: filter-language A4 and A6.

use crate::program::{Operator, ValueType};

/// What values of a type can be compared like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A whole number.
    Number,
    /// A truth value.
    Bool,
    /// Text or a path.
    Text,
    /// Bytes.
    Buffer,
    /// An address.
    Address,
    /// A network.
    Network,
    /// Nothing: no operator at all.
    Opaque,
}

impl ValueType {
    /// The name without prefix, as messages show it.
    pub fn name(self) -> String {
        match self {
            Self::CharbufPairArray => "CHARBUF_PAIR_ARRAY".to_owned(),
            _ => format!("{self:?}").to_ascii_uppercase(),
        }
    }

    pub(crate) const fn kind(self) -> Kind {
        match self {
            Self::Int8 | Self::Int16 | Self::Int32 | Self::Int64 => Kind::Number,
            Self::Uint8 | Self::Uint16 | Self::Uint32 | Self::Uint64 => Kind::Number,
            Self::Errno | Self::Fd | Self::Pid | Self::Port | Self::Sigtype | Self::Syscallid | Self::Mode => {
                Kind::Number
            }
            Self::Flags8 | Self::Flags16 | Self::Flags32 => Kind::Number,
            Self::Enumflags8 | Self::Enumflags16 | Self::Enumflags32 => Kind::Number,
            Self::Reltime | Self::Abstime | Self::Double => Kind::Number,
            Self::Bool => Kind::Bool,
            Self::Charbuf | Self::Fspath | Self::Fsrelpath => Kind::Text,
            Self::Bytebuf => Kind::Buffer,
            Self::Ipaddr | Self::Ipv4addr | Self::Ipv6addr => Kind::Address,
            Self::Ipnet | Self::Ipv4net | Self::Ipv6net => Kind::Network,
            _ => Kind::Opaque,
        }
    }

    /// Width in bits and whether signed, of the numbers; `None` for all else.
    pub(crate) const fn width(self) -> Option<(u32, bool)> {
        Some(match self {
            Self::Int8 => (8, true),
            Self::Int16 => (16, true),
            Self::Int32 | Self::Double => (32, true),
            Self::Int64 | Self::Errno | Self::Fd | Self::Pid => (64, true),
            Self::Uint8 | Self::Flags8 | Self::Enumflags8 => (8, false),
            Self::Uint16 | Self::Flags16 | Self::Enumflags16 | Self::Port => (16, false),
            Self::Uint32 | Self::Flags32 | Self::Enumflags32 | Self::Mode => (32, false),
            Self::Uint64 | Self::Reltime | Self::Abstime => (64, false),
            _ => return None,
        })
    }
}

/// Whether values of a type (elements of a list) can be compared by an operator; the error is Falco's message.
pub(crate) fn check_operator(ty: ValueType, list: bool, operator: Operator, word: &str) -> Result<(), String> {
    use Operator as O;
    let unsupported = |kind: &str| Err(format!("filter error: '{word}' operator not supported for {kind} filters"));
    if list {
        let elements = matches!(
            ty,
            ValueType::Charbuf
                | ValueType::Uint64
                | ValueType::Reltime
                | ValueType::Abstime
                | ValueType::Bool
                | ValueType::Ipaddr
                | ValueType::Ipnet
        );
        return match operator {
            O::Exists => Ok(()),
            O::In | O::Intersects if elements => Ok(()),
            O::In | O::Intersects => {
                Err(format!("filter error: list filters are not supported for type '{}'", ty.name()))
            }
            _ => Err(format!("filter error: '{word}' operator not supported list filters")),
        };
    }
    let equality = matches!(operator, O::Exists | O::Eq | O::Ne | O::In | O::Intersects);
    let order = matches!(operator, O::Lt | O::Le | O::Gt | O::Ge);
    match ty.kind() {
        _ if operator == O::Exists => Ok(()),
        Kind::Number if equality || order => Ok(()),
        Kind::Number => unsupported("numeric"),
        Kind::Bool if equality => Ok(()),
        Kind::Bool => unsupported("bool"),
        Kind::Text if !matches!(operator, O::Bcontains | O::Bstartswith) => Ok(()),
        Kind::Text => unsupported("string"),
        Kind::Buffer => match operator {
            O::Contains | O::Bcontains | O::Startswith | O::Bstartswith | O::Endswith => Ok(()),
            _ if equality => Ok(()),
            _ => unsupported("buffer"),
        },
        Kind::Address if equality => Ok(()),
        Kind::Address => unsupported("ip address"),
        Kind::Network if equality => Ok(()),
        Kind::Network => unsupported("ip network"),
        Kind::Opaque => unsupported(&ty.name()),
    }
}
