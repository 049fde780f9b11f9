//! tests/bad-input.sh, run where the other tests are.
#![cfg(unix)]

use std::process::Command;

#[test]
fn every_bad_input_is_one_sentence() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bad-input.sh");
    let o = Command::new("sh").args([script, env!("CARGO_BIN_EXE_elbo")]).output().unwrap();
    let out = String::from_utf8_lossy(&o.stdout);
    println!("{out}{}", String::from_utf8_lossy(&o.stderr));
    assert!(o.status.success(), "{}", out.lines().last().unwrap_or_default());
    assert!(out.trim_end().ends_with(" passed, 0 failed"));
}
