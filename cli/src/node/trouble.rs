//! What does not work just now: said when it changes, not each time that it is tried.

use std::fmt::Display;

/// Something that is tried again and again, and what was wrong with it the last time.
pub(super) struct Trouble {
    what: &'static str,
    said: Option<String>,
}

/// What is new about it.
#[derive(Debug, PartialEq, Eq)]
enum News {
    None,
    Fails(String),
    WorksAgain,
}

impl Trouble {
    pub(super) fn new(what: &'static str) -> Self {
        Self { what, said: None }
    }

    /// Says what has changed; gives what came of the attempt, if anything did.
    pub(super) fn note<T, E: Display>(&mut self, result: Result<T, E>) -> Option<T> {
        let what = self.what;
        match self.news(result.as_ref().err().map(|error| format!("{error:#}"))) {
            News::None => {}
            News::Fails(error) => {
                tracing::error!("{what}: {error}; it is tried again, and what is enforced stays so");
            }
            News::WorksAgain => tracing::info!("{what}: it works again"),
        }
        result.ok()
    }

    fn news(&mut self, now: Option<String>) -> News {
        if self.said == now {
            return News::None;
        }
        self.said.clone_from(&now);
        now.map_or(News::WorksAgain, News::Fails)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_is_news_once() {
        let mut trouble = Trouble::new("it");
        let fails = |text: &str| News::Fails(text.to_owned());
        for (now, news) in [
            (None, News::None),
            (Some("full"), fails("full")),
            (Some("full"), News::None),
            (Some("gone"), fails("gone")),
            (None, News::WorksAgain),
            (None, News::None),
            (Some("gone"), fails("gone")),
        ] {
            assert_eq!(trouble.news(now.map(str::to_owned)), news, "{now:?}");
        }
    }

    #[test]
    fn what_comes_of_it_is_given() {
        let mut trouble = Trouble::new("it");
        assert_eq!(trouble.note(Ok::<_, String>(1)), Some(1));
        assert_eq!(trouble.note(Err::<u8, _>("full")), None);
    }
}
