//! The elbo program.

use std::process::ExitCode;

fn main() -> ExitCode {
    quiet_loader();
    ExitCode::from(elbo::cli::main())
}

/// Mesa's device-select layer prints an error of its own on every start where there is no desktop session.
#[expect(unsafe_code, reason = "std::env::set_var is unsafe where threads may read the environment; none exists yet")]
fn quiet_loader() {
    if std::env::var_os("XDG_RUNTIME_DIR").is_none() && std::env::var_os("NODEVICE_SELECT").is_none() {
        // SAFETY: the first statement of the program; no other thread runs.
        unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    }
}
