//! Lists: their items, and their place in the text of conditions.
//!
//! Facts: filter-language B4. Substitution is textual and comes before parsing, with all that follows from it: it happens
//! inside quotes too, and no order of definition counts.

use crate::definitions::Definitions;
use crate::exceptions::quoted;
use std::collections::HashSet;

/// A list whose references to other lists are replaced.
#[derive(Debug, Default)]
pub(crate) struct ResolvedList {
    pub name: String,
    pub items: Vec<String>,
    /// Names of the lists among its raw items.
    pub references: Vec<String>,
    /// Whether a rule, a macro or another list names it.
    pub used: bool,
    /// The text that stands for it in a condition.
    text: String,
}

/// The longest text that a condition may grow to.
const MAX_TEXT: usize = 8 << 20;

/// Items of a list are bounded as well: a list of lists is replaced one level deep.
const MAX_ITEMS: usize = 1 << 20;

/// Replaces items that name an earlier list by that list's raw items, one level.
pub(crate) fn resolve_lists(definitions: &Definitions) -> Vec<ResolvedList> {
    let mut used = HashSet::new();
    let mut resolved: Vec<ResolvedList> = Vec::with_capacity(definitions.lists.len());
    for list in &definitions.lists {
        let mut items = Vec::with_capacity(list.items.len());
        let mut references = Vec::new();
        for item in &list.items {
            match definitions.list(item).filter(|other| other.order.first < list.order.latest) {
                Some(other) if items.len() + other.items.len() <= MAX_ITEMS => {
                    items.extend(other.items.iter().cloned());
                    used.insert(other.name.as_str());
                    references.push(other.name.clone());
                }
                _ => items.push(item.clone()),
            }
        }
        let text = items.iter().map(|item| quoted(item)).collect::<Vec<_>>().join(", ");
        resolved.push(ResolvedList { name: list.name.clone(), items, references, used: false, text });
    }
    for list in &mut resolved {
        list.used = used.contains(list.name.as_str());
    }
    resolved
}

/// Puts the items of lists where their names stand in a condition; an error where the text grows too long.
pub(crate) fn substitute_lists(lists: &mut [ResolvedList], condition: &str) -> Result<String, String> {
    let mut text = condition.to_owned();
    let mut words: HashSet<String> = words_of(&text).map(str::to_owned).collect();
    for list in lists {
        // Almost no list stands in a given condition: a look at its words tells.
        let plain = !list.name.contains(is_delimiter);
        if list.name.is_empty() || (plain && !words.contains(list.name.as_str())) {
            continue;
        }
        if substitute(&list.name, &list.text, list.items.is_empty(), &mut text)? {
            list.used = true;
            words.extend(words_of(&list.text).map(str::to_owned));
        }
    }
    Ok(text)
}

fn words_of(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_delimiter).filter(|word| !word.is_empty())
}

/// Replaces every occurrence of a name between delimiters; whether there was one.
fn substitute(name: &str, items: &str, empty: bool, text: &mut String) -> Result<bool, String> {
    let mut used = false;
    let mut out = String::new();
    // Everything before `from` is final.
    let mut from = 0;
    let mut search = 0;
    while let Some(found) = text.get(search..).and_then(|rest| rest.find(name)) {
        let (mut start, mut end) = (search + found, search + found + name.len());
        let before = text.get(from..start).and_then(|before| before.chars().next_back());
        let before = before.or_else(|| out.chars().next_back().filter(|_| start == from));
        let after = text.get(end..).and_then(|after| after.chars().next());
        if !before.is_none_or(is_delimiter) || !after.is_none_or(is_delimiter) {
            search = start + text.get(start..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8);
            continue;
        }
        let bytes = text.as_bytes();
        while start > from && is_blank(bytes[start - 1]) {
            start -= 1;
        }
        while end < bytes.len() && is_blank(bytes[end]) {
            end += 1;
        }
        if empty {
            if start > from && bytes[start - 1] == b',' {
                start -= 1;
            } else if bytes.get(end) == Some(&b',') {
                end += 1;
            }
        }
        out.push_str(text.get(from..start).unwrap_or_default());
        out.push(' ');
        out.push_str(items);
        out.push(' ');
        if out.len() > MAX_TEXT {
            return Err(format!("the condition is longer than {MAX_TEXT} bytes with its lists"));
        }
        from = end;
        search = end;
        used = true;
    }
    if used {
        out.push_str(text.get(from..).unwrap_or_default());
        *text = out;
    }
    Ok(used)
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn is_delimiter(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '(' | ')' | ',' | '=')
}

#[cfg(test)]
mod tests {
    use super::substitute;

    fn replaced(text: &str, items: &str) -> String {
        let mut text = text.to_owned();
        substitute("l", items, items.is_empty(), &mut text).unwrap();
        text
    }

    #[test]
    fn names_between_delimiters_are_replaced() {
        assert_eq!(replaced("a.b in (l)", "x, y"), "a.b in ( x, y )");
        assert_eq!(replaced("a.b in (l, l)", "x"), "a.b in ( x , x )");
        assert_eq!(replaced("a.b in (ll, xl)", "x"), "a.b in (ll, xl)");
        assert_eq!(replaced("a.b contains 'q l r'", "x, y"), "a.b contains 'q x, y r'");
        assert_eq!(replaced("l", "x"), " x ");
    }

    #[test]
    fn an_empty_list_takes_a_comma_with_it() {
        assert_eq!(replaced("in (a, l, b)", ""), "in (a  , b)");
        assert_eq!(replaced("in (l, b)", ""), "in (   b)");
        assert_eq!(replaced("in (l)", ""), "in (  )");
    }
}
