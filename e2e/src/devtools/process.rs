//! The process of a page.

use std::process::Command;

/// The process of a page. If it still stands when this goes out of scope, it goes on.
#[derive(Debug)]
pub struct Process {
    id: u32,
}

impl Process {
    pub(crate) fn new(id: u32) -> Self {
        Self { id }
    }

    /// Stops it, whatever it is doing: page, worker and all.
    #[track_caller]
    pub fn stop(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    #[track_caller]
    pub fn go_on(&self) {
        self.signal("-CONT");
    }

    /// Ends it at once.
    #[track_caller]
    pub fn kill(&self) {
        self.signal("-KILL");
    }

    #[track_caller]
    fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([name, &self.id.to_string()])
            .status();
        assert!(
            status.as_ref().is_ok_and(|it| it.success()),
            "kill {name} {}: {status:?}",
            self.id
        );
    }
}
