//! Conditions: what parses, what compiles, and what it compiles to.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may panic")]

mod toy;

use falco_replay_rules::condition::describe_condition;
use falco_replay_rules::parse::{FILTER_NESTING, RULE_NESTING, parse_condition};
use falco_replay_rules::program::{
    Argument, Condition, Constant, Operator, PredicateId, Rhs, Segment, Transformer, ValueExpr, ValueType,
};
use falco_replay_rules::{compile_condition, compile_template};
use toy::Toy;

fn normal(text: &str) -> String {
    String::from_utf8(parse_condition(text, FILTER_NESTING).unwrap().normal_form()).unwrap()
}

fn error(text: &str) -> String {
    compile_condition(text, &Toy::new()).unwrap_err().to_string()
}

fn events(text: &str) -> Vec<&'static str> {
    describe_condition(text, &Toy::new()).events.unwrap().unwrap()
}

#[test]
fn normal_forms_keep_chains_and_drop_parentheses() {
    assert_eq!(normal(" a and b and c "), "(a and b and c)");
    assert_eq!(normal("(a and b) and c"), "((a and b) and c)");
    assert_eq!(normal("a or b and not c"), "(a or (b and not c))");
    assert_eq!(normal("not not a"), "a");
    assert_eq!(normal("not (not a)"), "not not a");
    assert_eq!(normal("a or(b and(not(c)))"), "(a or (b and not c))");
    assert_eq!(normal("x.y='a b'"), "x.y = \"a b\"");
    assert_eq!(normal("x.y startswith anyof (a,'')"), "x.y startswith anyof (a, )");
    assert_eq!(normal("join(\"-\", ( x.y , 3 )) = val(x.z)"), "join(-,(x.y,3)) = val(x.z)");
    assert_eq!(normal("x.y[''] in z"), "x.y[\"\"] in z");
}

#[test]
fn a_modifier_needs_blanks_and_a_list_or_name() {
    assert_eq!(normal("x.y = anyof"), "x.y = anyof");
    assert_eq!(normal("x.y = anyof and a"), "(x.y = anyof and a)");
    assert_eq!(normal("x.y = anyof andx"), "x.y = anyof andx");
    assert!(parse_condition("x.y ==anyof (a)", FILTER_NESTING).is_err());
    assert!(parse_condition("x.y = anyof(a)", FILTER_NESTING).is_err());
}

#[test]
fn equal_checks_are_one_predicate() {
    let compiled = compile_condition("proc.name=a and (evt.failed=true or not proc.name = a)", &Toy::new()).unwrap();
    assert_eq!(compiled.predicates.len(), 2);
    let check = |number| Condition::Check(PredicateId(number));
    let expected = Condition::And(vec![check(0), Condition::Or(vec![check(1), Condition::Not(Box::new(check(0)))])]);
    assert_eq!(compiled.condition, expected);
    assert_eq!(compiled.predicates[0].rhs, Rhs::Constants(vec![Constant::Bytes(b"a".to_vec())]));
    assert_eq!(compiled.predicates[1].rhs, Rhs::Constants(vec![Constant::Bool(true)]));
}

#[test]
fn checks_with_equal_normal_forms_stay_apart() {
    let text = "concat('a', 'b,c') = x or concat('a,b', 'c') = x or proc.name in ('a, b') or proc.name in (a, b)";
    assert_eq!(compile_condition(text, &Toy::new()).unwrap().predicates.len(), 4);
}

#[test]
fn constants_are_read_by_the_type_of_the_field() {
    let constant = |text: &str| match &compile_condition(text, &Toy::new()).unwrap().predicates[0].rhs {
        Rhs::Constants(constants) => constants[0].clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(constant("proc.pid = ' -5'"), Constant::Int(-5));
    assert_eq!(constant("fd.sport = http"), Constant::Int(80));
    assert_eq!(constant("fd.sport = 65537"), Constant::Int(1));
    assert_eq!(constant("fd.sip = 1.2.3.4"), Constant::Ip([1, 2, 3, 4].into()));
    assert_eq!(constant("fd.net = 10.0.0.0/8"), Constant::Net([10, 0, 0, 0].into(), 8));
    assert_eq!(constant("evt.buffer bcontains 6a4B"), Constant::Bytes(b"jK".to_vec()));
    assert_eq!(constant("evt.buffer = \"\\x00\""), Constant::Bytes(vec![0]));
    for bad in [
        "proc.pid = 0x10",
        "fd.sport = nosuch",
        "fd.sip = 1.2.3",
        "fd.net = 10.0.0.0",
        "fd.net = ::/0",
        "evt.failed = 1",
        "evt.buffer bcontains 6a4",
        "proc.name = \"\\x00\"",
        "proc.name regex '\\d'",
        "evt.type = nosuch",
        "evt.rawarg.data = a",
        "fd.sport = -1",
    ] {
        assert!(compile_condition(bad, &Toy::new()).is_err(), "{bad}");
    }
}

#[test]
fn types_limit_operators_and_transformers() {
    assert_eq!(error("proc.pid contains 1"), "filter error: 'contains' operator not supported for numeric filters");
    assert_eq!(error("fd.types = file"), "filter error: '=' operator not supported list filters");
    assert!(error("toupper(proc.pid) = A").contains("is not supported by 'toupper'"));
    assert!(error("toupper(proc.aname) = A").contains("does not support transformers"));
    assert!(error("proc.name = val(proc.pid)").contains("incompatible type 'INT64'"));
    assert!(compile_condition("join(',', (proc.aname[1], proc.pid)) = 'a,1'", &Toy::new()).is_ok());
    assert!(compile_condition("len(fd.types) > 1 and toupper(fd.types) in (FILE)", &Toy::new()).is_ok());
}

#[test]
fn fields_and_their_arguments_resolve() {
    let field = |text: &str| match compile_condition(text, &Toy::new()).unwrap().predicates.remove(0).left {
        ValueExpr::Field(field) => field.arg,
        other => panic!("{other:?}"),
    };
    assert_eq!(field("proc.aname[-1] exists"), Some(Argument::Index(-1)));
    assert_eq!(field("proc.env['a b'] exists"), Some(Argument::Key("a b".to_owned())));
    assert_eq!(field("evt.arg.flags exists"), Some(Argument::Name("flags".to_owned())));
    assert_eq!(field("evt.arg[2] exists"), Some(Argument::Index(2)));
    assert_eq!(field("proc.aname exists"), None);
    assert_eq!(error("proc.name[1] = a"), "filter_check called with nonexistent field proc.name[1]");
    assert_eq!(error("evt.arg.nosuch = a"), "unknown event argument nosuch");
    assert!(error("evt.arg = a").contains("filter syntax error"));
}

#[test]
fn conditions_restrict_event_types() {
    assert_eq!(events("evt.type = open"), ["open"]);
    assert_eq!(events("evt.type in (open, connect) and not evt.type = open"), ["connect"]);
    assert_eq!(events("evt.type = open or (evt.type = close and proc.name = a)"), ["close", "open"]);
    assert_eq!(events("evt.type != open"), ["NA", "asyncevent", "close", "connect", "execve", "pluginevent"]);
    // A syscall without event of its own stands for the generic pair, which has no name.
    assert_eq!(events("evt.type = syncfs"), [""; 0]);
    assert_eq!(events("evt.num = 0"), [""; 0]);
    assert_eq!(describe_condition("proc.name = a", &Toy::new()).events, Some(None));
    assert_eq!(describe_condition("evt.type = val(proc.name)", &Toy::new()).events, None);
    let compiled = compile_condition("evt.type = syncfs", &Toy::new()).unwrap();
    assert!(compiled.event_types.contains(0) && compiled.event_types.contains(1) && !compiled.event_types.contains(2));
}

#[test]
fn nesting_is_counted_as_falco_counts_it() {
    let parens = |count: usize| format!("{}a{}", "(".repeat(count), ")".repeat(count));
    assert!(parse_condition(&parens(19), FILTER_NESTING).is_ok());
    assert!(parse_condition(&parens(20), FILTER_NESTING).is_err());
    assert!(parse_condition(&parens(199), RULE_NESTING).is_ok());
    assert!(parse_condition(&parens(200), RULE_NESTING).is_err());
    let calls = |count: usize| format!("{}x.y{} = a", "toupper(".repeat(count), ")".repeat(count));
    assert!(parse_condition(&calls(47), FILTER_NESTING).is_ok());
    assert!(parse_condition(&calls(48), FILTER_NESTING).is_err());
    let chain = vec!["a"; 10_000].join(" and ");
    assert!(parse_condition(&chain, FILTER_NESTING).is_ok());
}

#[test]
fn hostile_nesting_is_an_error() {
    for text in ["(", "not(", "toupper(", "a and(", "x.y = toupper(", "join((", "not "] {
        assert!(parse_condition(&text.repeat(200_000), RULE_NESTING).is_err(), "{text}");
    }
}

#[test]
fn templates_take_the_longest_field() {
    let toy = Toy::new();
    let template =
        compile_template("*p=%proc.name.x %10proc.aname[2] %toupper(proc.name)%evt.arg.flagsx", &toy).unwrap();
    assert!(template.lenient);
    let texts: Vec<_> = template.fields.iter().map(|(text, _)| text.as_str()).collect();
    assert_eq!(texts, ["proc.name", "proc.aname[2]", "evt.arg.flags"]);
    let Segment::Value { width, .. } = &template.segments[3] else { panic!("{template:?}") };
    assert_eq!(*width, Some(10));
    let Segment::Value { expr: ValueExpr::Transform { transformer, .. }, ty, .. } = &template.segments[5] else {
        panic!("{template:?}")
    };
    assert_eq!((*transformer, *ty), (Transformer::ToUpper, ValueType::Charbuf));
    for (bad, message) in [
        ("50%", "cannot end with a %"),
        ("% x", "unknown filter"),
        ("%no.such", "unknown filter"),
        ("%toupper(proc.pid)", "unknown filter"),
        ("%9", "cannot end with a %"),
    ] {
        assert!(compile_template(bad, &toy).unwrap_err().message.contains(message), "{bad}");
    }
}

#[test]
fn every_operator_has_a_spelling() {
    for (operator, word) in Operator::ALL {
        assert!(operator == Operator::Eq || operator.word() == word);
    }
}
