//! The process of a page.

use std::process::Command;

/// The process of a page.
#[derive(Debug)]
pub struct Process {
    id: u32,
}

impl Process {
    pub(crate) fn new(id: u32) -> Self {
        Self { id }
    }

    /// Stops the process, with the page and its worker.
    #[track_caller]
    pub fn stop(&self) {
        self.signal("-STOP");
    }

    /// Continues the process.
    #[track_caller]
    pub fn resume(&self) {
        self.signal("-CONT");
    }

    /// Kills the process.
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
