//! Help that depends on what exactly is wrong.

use super::{Code, Diagnostic};
use crate::schema::Schema;

/// The candidate that is nearest to what was written, if any is near.
pub(crate) fn nearest<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = 1 + written.len() / 5;
    candidates
        .into_iter()
        .map(|candidate| (distance(written, candidate, limit), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// How many characters must be put in, taken out, replaced or swapped with the next; more than `limit` is not counted.
fn distance(left: &str, right: &str, limit: usize) -> usize {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    if left.len().abs_diff(right.len()) > limit || left.len() > 64 {
        return limit + 1;
    }
    let mut before_last = vec![0; right.len() + 1];
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for (row, &l) in left.iter().enumerate() {
        let mut current = vec![row + 1; right.len() + 1];
        for (column, &r) in right.iter().enumerate() {
            let replaced = last[column] + usize::from(l != r);
            let mut least = replaced.min(last[column + 1] + 1).min(current[column] + 1);
            if row > 0 && column > 0 && l == right[column - 1] && left[row - 1] == r {
                least = least.min(before_last[column - 1] + 1);
            }
            current[column + 1] = least;
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last.last().copied().unwrap_or_default()
}

/// Replaces the general help of an error about a condition or output by one that names the likely cause.
pub(crate) fn improve(diagnostic: &mut Diagnostic, schema: &dyn Schema) {
    let message = &diagnostic.message;
    let after = |mark: &str| message.split_once(mark).map(|(_, rest)| rest.to_owned());
    let help = if let Some(text) = after("nonexistent field ") {
        let len = text.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || b"._".contains(byte)).count();
        let written = text.get(..len).unwrap_or_default();
        let names: Vec<String> = schema.field_ids().into_iter().map(|id| schema.field(id).name.to_string()).collect();
        match nearest(written, names.iter().map(String::as_str)) {
            Some(name) if name == written => Some(format!("`{name}` does not take such an argument")),
            Some(name) => Some(format!("did you mean `{name}`?")),
            None => None,
        }
    } else if let Some(written) = after("unknown event type ") {
        let events = (0..schema.event_count()).map(|id| schema.event_name(id));
        let names = events.chain(schema.syscalls().iter().map(|call| call.name));
        let near = nearest(&written, names).map(|name| format!("did you mean `{name}`?"));
        near.or_else(|| Some("`falco-replay list events` shows the names that there are".to_owned()))
    } else if message.starts_with("regex check with") {
        Some("a plain operator is faster, and says more clearly what is meant".to_owned())
    } else if diagnostic.code == Code::CompileCondition && message.contains("transformer misused") {
        Some("to compare with a transformed field write it without quotes".to_owned())
    } else {
        None
    };
    if let Some(help) = help {
        diagnostic.help = help;
    }
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn near_names_are_found() {
        let names = ["proc.name", "proc.pname", "fd.name", "proc.cmdline"];
        assert_eq!(nearest("proc.nmae", names), Some("proc.name"));
        assert_eq!(nearest("proc.cmdlin", names), Some("proc.cmdline"));
        assert_eq!(nearest("container.id", names), None);
    }
}
