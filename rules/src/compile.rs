//! Definitions → program: lists, then macros, then rules, in order. Facts: filter-language B6, "Compilation order".

use crate::condition::{ConditionError, PredicateTable};
use crate::definitions::{Definitions, RuleDefinition};
use crate::diagnostic::help::{improve, nearest};
use crate::diagnostic::{Code, Context, Diagnostic, Severity};
use crate::event_types::{Computed, EventTypeIndex};
use crate::lists::{ResolvedList, resolve_lists, substitute_lists};
use crate::macros::{ExpandError, MacroTable};
use crate::options::{AppendOutput, ExtraField, Options};
use crate::parse::{RULE_NESTING, parse_condition};
use crate::program::{Program, Rule, Template};
use crate::schema::Schema;
use crate::syntax::{Check, Expr};
use crate::template;
use crate::warnings;
use std::sync::Arc;

/// More event types than this are worth a warning.
const MANY_EVENT_TYPES: usize = 100;

/// Messages that `skip-if-unknown-filter` turns into a warning.
const SKIPPABLE: [&str; 4] = ["nonexistent field", "invalid formatting token", "unknown event type", "unknown filter:"];

/// A compiled rule with what a description says of it.
pub(crate) struct CompiledRule {
    /// Place among the definitions.
    pub place: usize,
    pub expr: Expr,
    pub computed: Computed,
    pub output: String,
    pub output_fields: Vec<String>,
}

/// A compiled macro.
pub(crate) struct CompiledMacro {
    pub expr: Expr,
    pub used: bool,
}

/// Everything compiled.
#[derive(Default)]
pub(crate) struct Compiled {
    pub program: Program,
    pub lists: Vec<ResolvedList>,
    pub macros: Vec<Option<CompiledMacro>>,
    pub rules: Vec<CompiledRule>,
}

/// Compiles all definitions; the result is what compiles, and all diagnostics. `whole`: every file was read to its end.
pub(crate) fn compile(
    schema: &dyn Schema,
    index: &Arc<EventTypeIndex>,
    options: &Options,
    definitions: &Definitions,
    whole: bool,
    diagnostics: &mut Vec<Diagnostic>,
) -> Compiled {
    let mut lists = resolve_lists(definitions);
    let mut texts = Vec::with_capacity(definitions.macros.len());
    let mut parsed = Vec::with_capacity(definitions.macros.len());
    for (place, definition) in definitions.macros.iter().enumerate() {
        let ctx = &definition.condition_ctx;
        let (text, expr) = parse(&mut lists, &definition.condition, ctx, diagnostics);
        texts.push(text);
        parsed.push(expr.map(|mut expr| {
            expr.set_macro(place);
            expr
        }));
    }
    let mut table = MacroTable::new(definitions, parsed);
    let mut macros = Vec::with_capacity(definitions.macros.len());
    for (place, definition) in definitions.macros.iter().enumerate() {
        let expanded = table.expand_macro(place);
        if let Err(error) = &expanded {
            report_expansion(error, definitions, &definition.condition_ctx, &texts[place], whole, diagnostics);
        }
        macros.push(expanded.ok().map(|expanded| CompiledMacro { expr: expanded.expr.clone(), used: false }));
    }
    let mut compiler = Compiler {
        schema,
        index,
        options,
        definitions,
        whole,
        macro_texts: texts,
        lists,
        table,
        predicates: PredicateTable::default(),
        diagnostics,
        rules: Vec::new(),
        program: Program::default(),
    };
    for (place, definition) in definitions.rules.iter().enumerate().filter(|(_, rule)| rule.known_source) {
        compiler.rule(place, definition);
    }
    let Compiler { lists, table, predicates, rules, mut program, diagnostics, .. } = compiler;
    program.predicates = predicates.predicates;
    for (place, compiled) in macros.iter_mut().enumerate() {
        if let Some(compiled) = compiled {
            compiled.used = table.used[place];
        }
    }
    if diagnostics.iter().all(|diagnostic| diagnostic.severity() != Severity::Error) {
        for (definition, _) in definitions.macros.iter().zip(&table.used).filter(|(_, used)| !**used) {
            let message = "Macro not referred to by any other rule/macro";
            diagnostics.push(definition.ctx.report(Code::UnusedMacro, message));
        }
        for (definition, _) in definitions.lists.iter().zip(&lists).filter(|(_, list)| !list.used) {
            let message = "List not referred to by any other rule/macro";
            diagnostics.push(definition.ctx.report(Code::UnusedList, message));
        }
    }
    Compiled { program, lists, macros, rules }
}

/// Substitutes lists in a condition and parses it; gives the substituted text too, which errors point into.
fn parse(
    lists: &mut [ResolvedList],
    condition: &str,
    ctx: &Context,
    diagnostics: &mut Vec<Diagnostic>,
) -> (String, Option<Expr>) {
    let text = match substitute_lists(lists, condition) {
        Ok(text) => text,
        Err(message) => {
            diagnostics.push(ctx.report(Code::ErrCompileCondition, message));
            return (condition.to_owned(), None);
        }
    };
    match parse_condition(&text, RULE_NESTING) {
        Ok(expr) => (text, Some(expr)),
        Err(error) => {
            let span = (error.at, error.at + 1);
            diagnostics.push(ctx.report_in(Code::ErrCompileCondition, error.message, "condition", &text, span));
            (text, None)
        }
    }
}

/// Reports why a condition cannot be expanded, unless the cause was reported elsewhere.
fn report_expansion(
    error: &ExpandError,
    definitions: &Definitions,
    ctx: &Context,
    text: &str,
    whole: bool,
    diagnostics: &mut Vec<Diagnostic>,
) {
    match error {
        // What stands after broken YAML may well define it.
        ExpandError::Undefined { .. } if !whole => {}
        ExpandError::Undefined { message, at, len } => {
            let mut diagnostic = ctx.report_in(Code::ErrValidate, message, "condition", text, (*at, at + len));
            let names = definitions.macros.iter().map(|definition| definition.name.as_str());
            let written = text.get(*at..at + len).unwrap_or_default();
            diagnostic.help = match nearest(written, names) {
                Some(name) if name != written => format!("did you mean `{name}`?"),
                _ => "define the macro, before any macro that uses it".to_owned(),
            };
            diagnostics.push(diagnostic);
        }
        ExpandError::Loop(message) => diagnostics.push(ctx.report(Code::ErrValidate, message)),
        ExpandError::TooLarge(message) => diagnostics.push(ctx.report(Code::ErrCompileCondition, message)),
        ExpandError::Broken => {}
    }
}

struct Compiler<'a> {
    schema: &'a dyn Schema,
    index: &'a Arc<EventTypeIndex>,
    options: &'a Options,
    definitions: &'a Definitions,
    whole: bool,
    macro_texts: Vec<String>,
    lists: Vec<ResolvedList>,
    table: MacroTable<'a>,
    predicates: PredicateTable,
    diagnostics: &'a mut Vec<Diagnostic>,
    rules: Vec<CompiledRule>,
    program: Program,
}

/// What the output of a rule compiles to.
struct Output {
    text: String,
    template: Template,
    fields: Vec<String>,
    extra: Vec<(String, Template)>,
}

impl Compiler<'_> {
    fn rule(&mut self, place: usize, rule: &RuleDefinition) {
        let with_exceptions = self.with_exceptions(rule);
        let output = match self.output(rule) {
            Ok(output) => Some(output),
            Err(error) if self.skipped(rule, &error) => return,
            Err(error) => {
                self.diagnostics.push(*error);
                None
            }
        };
        let Some(text) = with_exceptions else { return };
        let Some((expr, condition, computed)) = self.condition(rule, &text) else { return };
        let Some(output) = output else { return };
        let event_types = self.index.for_source(&computed, &rule.source);
        self.program.rules.push(Rule {
            name: rule.name.clone(),
            description: rule.description.clone(),
            condition,
            event_types,
            output: output.template,
            extra_fields: output.extra,
            priority: rule.priority,
            tags: rule.tags.iter().cloned().collect(),
            source: rule.source.clone(),
            enabled: rule.enabled,
        });
        self.rules.push(CompiledRule { place, expr, computed, output: output.text, output_fields: output.fields });
    }

    /// Whether the rule asks to be left out for such an error; then there is a warning.
    fn skipped(&mut self, rule: &RuleDefinition, error: &Diagnostic) -> bool {
        let skipped = rule.skip_if_unknown_filter && SKIPPABLE.iter().any(|part| error.message.contains(part));
        if skipped {
            let mut warning = error.clone();
            warning.code = Code::UnknownFilter;
            warning.help = Code::UnknownFilter.help().to_owned();
            self.diagnostics.push(warning);
        }
        skipped
    }

    /// The condition with the exceptions of the rule behind it.
    fn with_exceptions(&mut self, rule: &RuleDefinition) -> Option<String> {
        let mut text = rule.condition.clone();
        if !rule.exceptions.is_empty() {
            text = format!("({text})");
        }
        for exception in &rule.exceptions {
            match exception.condition() {
                Ok(condition) if condition.is_empty() => {}
                Ok(condition) => text = format!("{text} and not ({condition})"),
                Err(error) => {
                    self.diagnostics.push(*error);
                    return None;
                }
            }
        }
        Some(text)
    }

    fn output(&mut self, rule: &RuleDefinition) -> Result<Output, Box<Diagnostic>> {
        let ctx = &rule.output_ctx;
        let mut text = rule.output.clone();
        let additions: Vec<&AppendOutput> = self
            .options
            .append_output
            .iter()
            .filter(|addition| addition.matches(&rule.source, |tag| rule.tags.contains(tag), &rule.name))
            .collect();
        for addition in &additions {
            if !addition.extra_output.is_empty() {
                text.push(' ');
                text.push_str(&addition.extra_output);
            }
            if addition.suggested_output {
                for id in self.schema.field_ids() {
                    let field = self.schema.field(id);
                    if field.suggested {
                        text.push_str(&format!(" {}=%{}", field.name.replace('.', "_"), field.name));
                    }
                }
            }
        }
        if text.contains("%container.info") {
            text = text.replace("%container.info", "");
            let message = "%container.info is deprecated and no more useful, and will be dropped by Falco 1.0.0. The \
                           container plugin will automatically add required fields to the output message.";
            self.diagnostics.push(rule.ctx.report(Code::DeprecatedItem, message));
        }
        if text.is_empty() {
            return Err(Box::new(ctx.report(Code::ErrCompileOutput, "the output is empty")));
        }
        let schema = self.schema;
        let wrong = |error: template::TemplateError, text: &str| {
            let end = text.get(error.at + 1..).and_then(|rest| rest.find(['%', ' ', '\n']));
            let end = end.map_or(text.len(), |end| error.at + 1 + end);
            let mut diagnostic = ctx.report_in(Code::ErrCompileOutput, error.message, "output", text, (error.at, end));
            // The place within an output is not part of what Falco says.
            let shown = ctx.report(Code::ErrCompileOutput, "");
            diagnostic.locations = shown.locations;
            diagnostic.snippet = shown.snippet;
            improve(&mut diagnostic, schema);
            Box::new(diagnostic)
        };
        let compiled = template::compile(&text, self.schema).map_err(|error| wrong(error, &text))?;
        let mut template = compiled.template;
        // Falco puts the asterisk before every output.
        template.lenient = true;
        let mut fields = compiled.described;
        let mut extra = Vec::new();
        for field in additions.iter().flat_map(|addition| &addition.extra_fields) {
            let (key, format, plain) = match field {
                ExtraField::Field(name) => (name, format!("%{name}"), true),
                ExtraField::Format { key, format } => (key, format.clone(), false),
            };
            let compiled = template::compile(&format, self.schema).map_err(|error| wrong(error, &format))?;
            if !plain {
                fields.extend(compiled.described);
            }
            extra.push((key.clone(), Template { lenient: true, ..compiled.template }));
        }
        for field in warnings::DEPRECATED_FIELDS {
            if text.contains(field) {
                let message = format!("usage of deprecated field '{field}' has been detected in the rule output");
                let mut warning = ctx.report(Code::DeprecatedItem, message);
                warning.deprecated_field = Some(field);
                self.diagnostics.push(warning);
            }
        }
        Ok(Output { text, template, fields, extra })
    }

    fn condition(&mut self, rule: &RuleDefinition, text: &str) -> Option<(Expr, crate::program::Condition, Computed)> {
        let ctx = &rule.condition_ctx;
        let (text, parsed) = parse(&mut self.lists, text, ctx, self.diagnostics);
        let expanded = match self.table.expand_rule(&parsed?) {
            Ok(expanded) => expanded,
            // The macro was told so already.
            Err(ExpandError::Loop(_)) => return None,
            Err(error) => {
                report_expansion(&error, self.definitions, ctx, &text, self.whole, self.diagnostics);
                return None;
            }
        };
        let expr = expanded.expr;
        let mut found = Vec::new();
        expr.for_each_check(&mut |check| self.warnings(check, &mut found));
        for (check, code, message, field) in found {
            let mut warning = self.report_check(rule, &text, code, message, check.span, check.macro_place);
            warning.deprecated_field = field;
            if code == Code::UnsafeNaCheck || field.is_some() {
                warning.help = code.help().to_owned();
            }
            self.diagnostics.push(warning);
        }
        let mut errors = Vec::new();
        let condition = self.predicates.compile(&expr, self.schema, &mut errors);
        let computed = if errors.is_empty() { Some(self.index.compute(self.schema, &expr)) } else { None };
        if let Some(Err(message)) = &computed {
            errors.push(ConditionError::Check { message: message.clone(), span: (0, text.len()), macro_place: None });
        }
        let mut errors = errors
            .into_iter()
            .map(|error| {
                let place = match &error {
                    ConditionError::Check { macro_place, .. } => *macro_place,
                    ConditionError::Syntax(_) => None,
                };
                let code = Code::ErrCompileCondition;
                self.report_check(rule, &text, code, error.to_string(), error.span(), place)
            })
            .collect::<Vec<_>>()
            .into_iter();
        if let Some(first) = errors.next() {
            // The first error is the one that Falco would meet, and decides.
            if !self.skipped(rule, &first) {
                self.diagnostics.push(first);
                self.diagnostics.extend(errors);
            }
            return None;
        }
        let computed = computed?.ok()?;
        if rule.warn_evttypes && rule.source == "syscall" && self.index.count(&computed) > MANY_EVENT_TYPES {
            let message = "Rule matches too many evt.type values. This has a significant performance penalty.";
            self.diagnostics.push(rule.ctx.report(Code::NoEvttype, message));
        }
        Some((expr, condition, computed))
    }

    /// A diagnostic about a check, which may stand in a macro.
    fn report_check(
        &self,
        rule: &RuleDefinition,
        text: &str,
        code: Code,
        message: String,
        span: (usize, usize),
        macro_place: Option<usize>,
    ) -> Diagnostic {
        let ctx = &rule.condition_ctx;
        let (Some(place), Some(definition)) =
            (macro_place, macro_place.and_then(|place| self.definitions.macros.get(place)))
        else {
            let mut diagnostic = ctx.report_in(code, message, "condition", text, span);
            improve(&mut diagnostic, self.schema);
            return diagnostic;
        };
        let mut diagnostic = ctx.report_in(code, message, "condition", text, (0, 0));
        improve(&mut diagnostic, self.schema);
        let of = format!("condition of macro '{}'", definition.name);
        let inner = definition.condition_ctx.report_in(code, "", &of, &self.macro_texts[place], span);
        diagnostic.label = inner.label;
        diagnostic.help = format!("{} (in macro '{}', used by rule '{}')", diagnostic.help, definition.name, rule.name);
        diagnostic
    }

    fn warnings<'c>(&self, check: &'c Check, found: &mut Vec<(&'c Check, Code, String, Option<&'static str>)>) {
        if warnings::is_unsafe_na_check(check) {
            found.push((check, Code::UnsafeNaCheck, String::new(), None));
        }
        for (field, message) in warnings::deprecated_fields(check) {
            found.push((check, Code::DeprecatedItem, message.to_owned(), Some(field)));
        }
        warnings::constant_warnings(self.schema, check, &mut |message| {
            found.push((check, Code::CompileCondition, message, None));
        });
        if self.options.warn_defects
            && let Some(message) = warnings::known_defect(self.schema, check)
        {
            found.push((check, Code::KnownDefect, message.to_owned(), None));
        }
    }
}
