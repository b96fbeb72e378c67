//! The page that asks once more before something is done that cannot be undone.

use askama::Template;

use super::Words;

#[derive(Template)]
#[template(path = "confirm.html")]
pub(super) struct Confirm {
    pub w: Words,
    pub csrf: String,
    /// What is asked.
    pub title: &'static str,
    /// What comes of it.
    pub lead: &'static str,
    /// What it is about.
    pub facts: Vec<(&'static str, String)>,
    /// Where the form goes.
    pub action: String,
    /// What the form says to be meant: the id of the thing.
    pub confirmed: String,
    /// What else the form says, without being shown.
    pub also: Vec<(&'static str, String)>,
    /// The label of the reason and what was typed, where one is asked for.
    pub reason: Option<(&'static str, String)>,
    /// What the button does.
    pub button: &'static str,
    /// The page of the thing.
    pub back: String,
}
