//! What the engine says against a query, in words for the one who wrote it: never a path, never a type of the library.

use datafusion::error::DataFusionError;

use super::functions;
use crate::error::Error;

/// The longest message that is passed on.
const MAX_MESSAGE: usize = 1000;

/// What is said of the text of a SQL query.
pub(super) fn refuse(cause: DataFusionError) -> Error {
    refuse_at("/sql", cause)
}

/// A query's own fault is told; a fault of ours is not.
#[expect(clippy::wildcard_enum_match_arm, reason = "the library may name more kinds of errors")]
pub(super) fn refuse_at(pointer: &str, cause: DataFusionError) -> Error {
    let position = position(&cause);
    if let Some(fault) = predicate_fault(&cause) {
        return Error::invalid(pointer, fault);
    }
    match cause.find_root() {
        // These are about memory and the store, and no fault of the query's text.
        DataFusionError::ResourcesExhausted(_)
        | DataFusionError::IoError(_)
        | DataFusionError::ObjectStore(_)
        | DataFusionError::ParquetError(_) => cause.into(),
        DataFusionError::Internal(_) | DataFusionError::External(_) | DataFusionError::ExecutionJoin(_) => {
            tracing::warn!(error = %cause, "the engine failed on a query");
            Error::invalid(pointer, "the engine cannot run this query; write it in another way")
        }
        root => Error::invalid(pointer, words(&root.strip_backtrace(), position)),
    }
}

fn words(message: &str, position: Option<(u64, u64)>) -> String {
    let mut text = message.split("\n\nbacktrace").next().unwrap_or_default().trim().to_owned();
    for prefix in [
        "Error during planning: ",
        "Schema error: ",
        "Execution error: ",
        "Arrow error: ",
        "SQL error: ",
        "Optimizer rule ",
        "type_coercion\ncaused by\n",
    ] {
        text = text.strip_prefix(prefix).unwrap_or(&text).to_owned();
    }
    if text.contains("Invalid function") || text.contains("There is no function") {
        text = format!("{}; the functions are: {}", text.lines().next().unwrap_or_default(), functions::names().join(", "));
    }
    if text.contains("objects/") || text.contains("://") {
        return "the engine cannot run this query; write it in another way".to_owned();
    }
    if text.len() > MAX_MESSAGE {
        let end = (0..=MAX_MESSAGE).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    match position {
        Some((line, column)) => format!("{text} (line {line}, column {column})"),
        None => text,
    }
}

/// A condition is computed while a file is read, and what goes wrong with it looks like a fault of the file.
fn predicate_fault(cause: &DataFusionError) -> Option<String> {
    let DataFusionError::ParquetError(fault) = cause.find_root() else { return None };
    let text = fault.to_string();
    let (_, fault) = text.split_once("Error evaluating filter predicate: ")?;
    if fault.contains("DivideByZero") {
        return Some("Divide by zero".to_owned());
    }
    let inner = fault.split_once("(\"").and_then(|(_, rest)| rest.split_once("\")")).map(|(inner, _)| inner.to_owned());
    Some(inner.filter(|inner| !inner.contains("://")).unwrap_or_else(|| "a condition cannot be computed".to_owned()))
}

/// Where in the text the engine says that the fault lies.
fn position(cause: &DataFusionError) -> Option<(u64, u64)> {
    let span = cause.diagnostic()?.span?;
    (span.start.line > 0).then_some((span.start.line, span.start.column))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_never_told() {
        let cause = DataFusionError::Plan("no file qingdan://store/objects/ab/cd.parquet".to_owned());
        assert!(!refuse(cause).to_string().contains("objects"));
        let cause = DataFusionError::Execution("Divide by zero".to_owned());
        assert_eq!(refuse(cause).to_string(), "/sql: Divide by zero");
        let cause = DataFusionError::Internal("a panic at src/x.rs".to_owned());
        assert!(!refuse(cause).to_string().contains("src/x.rs"));
        assert!(matches!(refuse(DataFusionError::ResourcesExhausted(String::new())), Error::Unavailable(_)));
    }
}
