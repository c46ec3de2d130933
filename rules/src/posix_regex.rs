//! Regular expressions of conditions: the POSIX syntax of RE2, as Falco compiles it.
//!
//! Facts: filter-language A4. POSIX extended syntax: no `\d \w \s \b \A \z \Q \pL`, no `(?…)`, repeat counts up to 1000;
//! `a*?` is a repetition of a repetition. A match must cover the whole text. As RE2 has it in this syntax, `.` matches
//! no newline, a negated set does, and `^` and `$` stand at the ends of lines.

use regex_syntax::ast;

/// Checks a pattern; the error is a message.
pub(crate) fn check_posix(pattern: &[u8]) -> Result<(), String> {
    let Ok(pattern) = std::str::from_utf8(pattern) else {
        return Err("invalid regular expression: invalid UTF-8".to_owned());
    };
    let fail = |what: String| Err(format!("invalid regular expression '{pattern}': {what}"));
    let translated = to_rust_pattern(pattern)?;
    // The crate's parser finds what is left: unbalanced groups, bad ranges.
    let tree = match ast::parse::ParserBuilder::new().nest_limit(MAX_NESTING).build().parse(&translated) {
        Ok(tree) => tree,
        Err(error) => return fail(error.kind().to_string()),
    };
    if let Err(error) = regex_syntax::hir::translate::Translator::new().translate(&translated, &tree) {
        return fail(error.kind().to_string());
    }
    if repeats(&tree) > MAX_REPEAT { fail("invalid repetition size".to_owned()) } else { Ok(()) }
}

/// How deep groups may be nested.
const MAX_NESTING: u32 = 250;

/// How often a part may be repeated, the repetitions around it counted.
const MAX_REPEAT: u64 = 1000;

/// How often the innermost counted part is repeated at most.
fn repeats(tree: &ast::Ast) -> u64 {
    match tree {
        ast::Ast::Repetition(repetition) => {
            let own = match &repetition.op.kind {
                ast::RepetitionKind::Range(
                    ast::RepetitionRange::Exactly(count) | ast::RepetitionRange::AtLeast(count),
                ) => u64::from(*count).max(1),
                ast::RepetitionKind::Range(ast::RepetitionRange::Bounded(_, most)) => u64::from(*most).max(1),
                _ => 1,
            };
            own.saturating_mul(repeats(&repetition.ast))
        }
        ast::Ast::Group(group) => repeats(&group.ast),
        ast::Ast::Alternation(alternation) => alternation.asts.iter().map(repeats).max().unwrap_or(1),
        ast::Ast::Concat(concat) => concat.asts.iter().map(repeats).max().unwrap_or(1),
        _ => 1,
    }
}

/// The pattern in the syntax of the `regex` crate, anchored at both ends of the text; the error is a message.
///
/// Only meant for a yes or no: which alternative a match takes differs, and RE2's leftmost-longest rule cannot be seen
/// in a match of the whole text.
pub fn to_rust_pattern(pattern: &str) -> Result<String, String> {
    let mut translation = Translation {
        chars: pattern.chars().peekable(),
        out: String::from(r"\A(?:"),
        atom: None,
        repeated: false,
        groups: Vec::new(),
    };
    translation.run().map_err(|what| format!("invalid regular expression '{pattern}': {what}"))?;
    translation.out.push_str(r")\z");
    Ok(translation.out)
}

type Step = Result<(), &'static str>;

const NOTHING_TO_REPEAT: &str = "missing argument to repetition operator";
const BAD_ESCAPE: &str = "invalid escape sequence";
const BAD_RANGE: &str = "invalid character class range";

struct Translation<'a> {
    chars: std::iter::Peekable<std::str::Chars<'a>>,
    out: String,
    /// Where in `out` the part begins that a repetition would repeat.
    atom: Option<usize>,
    /// Whether that part is itself a repetition.
    repeated: bool,
    /// Where open groups began.
    groups: Vec<usize>,
}

impl Translation<'_> {
    fn run(&mut self) -> Step {
        while let Some(c) = self.chars.next() {
            let start = self.out.len();
            match c {
                '*' | '+' | '?' => {
                    self.repeat(c.encode_utf8(&mut [0; 4]))?;
                    continue;
                }
                '{' => match self.counts() {
                    Some(counts) => {
                        self.repeat(&counts?)?;
                        continue;
                    }
                    None => self.out.push_str(r"\{"),
                },
                '(' => {
                    if self.chars.peek() == Some(&'?') {
                        return Err(NOTHING_TO_REPEAT);
                    }
                    self.groups.push(start);
                    self.out.push_str("(?:");
                    self.atom = None;
                    continue;
                }
                ')' => {
                    let start = self.groups.pop().ok_or("unexpected )")?;
                    self.out.push(')');
                    self.atom = Some(start);
                    self.repeated = false;
                    continue;
                }
                '|' => {
                    self.out.push('|');
                    self.atom = None;
                    continue;
                }
                '\\' => {
                    let escaped = self.escape()?;
                    push_literal(escaped, &mut self.out);
                }
                '[' => self.bracket()?,
                '^' => self.out.push_str("(?m:^)"),
                '$' => self.out.push_str("(?m:$)"),
                '.' => self.out.push('.'),
                _ => push_literal(c, &mut self.out),
            }
            self.atom = Some(start);
            self.repeated = false;
        }
        if self.groups.is_empty() { Ok(()) } else { Err("missing )") }
    }

    fn repeat(&mut self, operator: &str) -> Step {
        let start = self.atom.ok_or(NOTHING_TO_REPEAT)?;
        if self.repeated {
            // Without a group it would be the lazy form of the first.
            self.out.insert_str(start, "(?:");
            self.out.push(')');
            if self.out.len() > MAX_PATTERN {
                return Err("too long");
            }
        }
        self.out.push_str(operator);
        self.repeated = true;
        Ok(())
    }

    /// The character that an escape stands for; the backslash is read.
    fn escape(&mut self) -> Result<char, &'static str> {
        let escaped = self.chars.next().ok_or("trailing \\")?;
        Ok(match escaped {
            'a' => '\x07',
            'f' => '\x0c',
            't' => '\t',
            'n' => '\n',
            'r' => '\r',
            'v' => '\x0b',
            'x' => self.hex()?,
            '0'..='7' => self.octal(escaped)?,
            _ if escaped.is_ascii() && !escaped.is_ascii_alphanumeric() && escaped != '_' => escaped,
            _ => return Err(BAD_ESCAPE),
        })
    }

    /// `41` or `{1F600}` after `\x`.
    fn hex(&mut self) -> Result<char, &'static str> {
        let mut value = 0;
        let mut push = |c: Option<char>| {
            let digit = c.and_then(|c| c.to_digit(16)).ok_or(BAD_ESCAPE)?;
            value = value * 16 + digit;
            if value > 0x10_ffff { Err(BAD_ESCAPE) } else { Ok(()) }
        };
        if self.chars.peek() == Some(&'{') {
            self.chars.next();
            push(self.chars.next())?;
            loop {
                match self.chars.next() {
                    Some('}') => break,
                    digit => push(digit)?,
                }
            }
        } else {
            push(self.chars.next())?;
            push(self.chars.next())?;
        }
        char::from_u32(value).ok_or(BAD_ESCAPE)
    }

    /// An octal escape; a single digit other than 0 would be a reference to a group, which there is not.
    fn octal(&mut self, first: char) -> Result<char, &'static str> {
        let mut value = first.to_digit(8).ok_or(BAD_ESCAPE)?;
        let mut digits = 1;
        while digits < 3 {
            let Some(digit) = self.chars.peek().and_then(|c| c.to_digit(8)) else { break };
            self.chars.next();
            value = value * 8 + digit;
            digits += 1;
        }
        if first != '0' && digits == 1 {
            return Err(BAD_ESCAPE);
        }
        char::from_u32(value).ok_or(BAD_ESCAPE)
    }

    /// `3}`, `3,}` or `3,5}` after `{`; `None` where the brace is a plain character.
    fn counts(&mut self) -> Option<Result<String, &'static str>> {
        let mut ahead = self.chars.clone();
        let mut inner = String::new();
        loop {
            match ahead.next()? {
                '}' => break,
                c @ ('0'..='9' | ',') => inner.push(c),
                _ => return None,
            }
        }
        let (low, high) = inner.split_once(',').unwrap_or((&inner, &inner));
        let number = |text: &str| text == "0" || (!text.is_empty() && !text.starts_with('0') && !text.contains(','));
        if !number(low) || !(high.is_empty() || number(high)) {
            return None;
        }
        self.chars = ahead;
        let least = low.parse::<u64>().unwrap_or(u64::MAX);
        let most = if high.is_empty() { least } else { high.parse().unwrap_or(u64::MAX) };
        if least > MAX_REPEAT || most > MAX_REPEAT || most < least {
            return Some(Err("invalid repetition size"));
        }
        Some(Ok(format!("{{{inner}}}")))
    }

    /// A bracket expression; its opening bracket is read.
    fn bracket(&mut self) -> Step {
        const UNCLOSED: &str = "missing closing ]";
        self.out.push('[');
        if self.chars.peek() == Some(&'^') {
            self.chars.next();
            self.out.push('^');
        }
        let mut first = true;
        loop {
            let c = self.chars.next().ok_or(UNCLOSED)?;
            match c {
                ']' if !first => break,
                '-' if !first && self.chars.peek() != Some(&']') => return Err(BAD_RANGE),
                '[' if self.named_set()? => {}
                _ => {
                    let low = if c == '\\' { self.escape()? } else { c };
                    push_literal(low, &mut self.out);
                    let mut ahead = self.chars.clone();
                    if ahead.next() == Some('-') && ahead.peek().is_some_and(|next| *next != ']') {
                        self.chars = ahead;
                        let high = match self.chars.next().ok_or(UNCLOSED)? {
                            '\\' => self.escape()?,
                            c => c,
                        };
                        if high < low {
                            return Err(BAD_RANGE);
                        }
                        self.out.push('-');
                        push_literal(high, &mut self.out);
                    }
                }
            }
            first = false;
        }
        self.out.push(']');
        Ok(())
    }

    /// `[:name:]`, its first bracket read; whether it is one.
    fn named_set(&mut self) -> Result<bool, &'static str> {
        const NAMES: [&str; 14] = [
            "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper",
            "word", "xdigit",
        ];
        let mut ahead = self.chars.clone();
        if ahead.next() != Some(':') {
            return Ok(false);
        }
        let mut name = String::new();
        loop {
            match ahead.next() {
                Some(':') if ahead.peek() == Some(&']') => break,
                Some(c) if name.len() < 16 => name.push(c),
                // Never closed: a plain bracket.
                _ => return Ok(false),
            }
        }
        ahead.next();
        if !NAMES.contains(&name.strip_prefix('^').unwrap_or(&name)) {
            return Err(BAD_RANGE);
        }
        self.chars = ahead;
        self.out.push_str(&format!("[:{name}:]"));
        Ok(true)
    }
}

/// The longest translation: stacked repetitions move what they repeat.
const MAX_PATTERN: usize = 64 << 10;

fn push_literal(c: char, out: &mut String) {
    if regex_syntax::is_meta_character(c) {
        out.push('\\');
    }
    out.push(c);
}

/// Whether a pattern only does what plain operators do: no special characters but `^` and `.*` in front, `$` and `.*` at
/// the end.
pub(crate) fn is_plain(pattern: &str) -> bool {
    let rest = pattern.strip_prefix('^').unwrap_or(pattern);
    let rest = rest.strip_suffix('$').unwrap_or(rest);
    let rest = rest.strip_prefix(".*").unwrap_or(rest);
    let rest = rest.strip_suffix(".*").unwrap_or(rest);
    !rest.contains(|c: char| r"\.+*?()|[]{}^$".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn posix_syntax_only() {
        for good in [
            "a*",
            "[[:digit:]]+",
            "^/etc/.*$",
            "a{3,5}",
            "(a|b)c",
            "a{x",
            "[]a]",
            "[^]]",
            "[a-]",
            "[-a]",
            r"\.",
            "a|",
            "a*?",
            "a**",
            "a+*?",
            "[[:^alpha:]x]",
            r"[\]\-z]",
            r"\x41\x{1F600}\101",
            "^*",
            "a{01}",
            "[<>_,/]",
            "()",
            "[[.a.]",
            "a]b}",
            "",
        ] {
            assert_eq!(check_posix(good.as_bytes()), Ok(()), "{good}");
        }
        for bad in [
            r"\d",
            r"\w+",
            r"\bx",
            r"\pL",
            "(?i)abc",
            "a{1001}",
            "a(b",
            "*a",
            "a)",
            "[a",
            r"\Qa\E",
            "(a{100}){11}",
            "a{5,3}",
            "[z-a]",
            "[a-b-c]",
            "[[:foo:]]",
            r"\1",
            r"a\",
            "|*",
            "(*a)",
            r"\_",
            "[",
        ] {
            assert!(check_posix(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn stacked_repetitions_are_not_lazy() {
        assert_eq!(to_rust_pattern("ab+?").as_deref(), Ok(r"\A(?:a(?:b+)?)\z"));
        assert_eq!(to_rust_pattern("(a|b)*?c").as_deref(), Ok(r"\A(?:(?:(?:a|b)*)?c)\z"));
    }

    #[test]
    fn a_pattern_without_special_characters_could_be_a_plain_operator() {
        assert!(is_plain("^/etc/.*") && is_plain("abc") && is_plain(".*x$"));
        assert!(!is_plain("a.c") && !is_plain("a|b") && !is_plain("[0-9]+"));
    }
}
