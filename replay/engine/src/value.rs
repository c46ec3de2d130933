//! Values of fields.

use std::borrow::Cow;
use std::net::IpAddr;

/// The value of a field at an event; a missing value is `None` around it.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// A string, path or buffer; not always UTF-8.
    Bytes(Cow<'a, [u8]>),
    /// A signed number.
    Int(i64),
    /// An unsigned number.
    Uint(u64),
    /// A truth value.
    Bool(bool),
    /// A floating number.
    Double(f64),
    /// An address.
    Ip(IpAddr),
    /// Strings.
    List(Vec<Cow<'a, [u8]>>),
}

impl<'a> Value<'a> {
    /// A borrowed string.
    #[inline]
    pub fn text(bytes: &'a [u8]) -> Value<'a> {
        Value::Bytes(Cow::Borrowed(bytes))
    }

    /// A string of its own.
    #[inline]
    pub fn owned(bytes: Vec<u8>) -> Value<'a> {
        Value::Bytes(Cow::Owned(bytes))
    }

    /// The bytes of a string.
    #[inline]
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Value::Bool(value)
    }
}
