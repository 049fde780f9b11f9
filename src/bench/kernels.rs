//! Every kernel over named shapes: verified, then timed, and held to the ceilings of the device.

use super::record::{Kind, Record, column};
use super::{bench_ceilings, dispatch};
use crate::exec::Executor;
use crate::kernels::Kernel;
use crate::values::Result;

/// `elbo bench kernels`.
pub static KIND: Kind = Kind {
    name: "kernels",
    key: &["device", "adapter", "kernel", "case"],
    time: "us",
    columns: &[
        column("kernel", "kernel", 16, 0),
        column("case", "case", 36, 0),
        column("µs", "us", 10, 1),
        column("GFLOP/s", "gflops", 8, 2),
        column("GB/s", "gbytes", 7, 2),
        column("%", "percent", 6, 1),
        column("of", "ceiling", 6, 0),
    ],
};

/// Measures the device's ceilings, then each [`Kernel::timed`] case of each kernel. The first that computes something wrong
/// is a failure. On a machine that is not idle, or where a cache is nearer than that of the copies, shares may pass 100 %.
pub fn bench_kernels(
    e: &mut dyn Executor,
    kernels: &[&'static dyn Kernel],
    each: &mut dyn FnMut(Record) -> Result<()>,
) -> Result<()> {
    let ceilings = bench_ceilings(e, &mut |_| Ok(()))?;
    for &kernel in kernels {
        for case in kernel.timed() {
            dispatch::verify(e, kernel, &case)?;
            let s = dispatch::time(e, kernel, &case)?;
            let rate = |work: u64| work as f64 / s.median.max(f64::MIN_POSITIVE) * 1e-9;
            let (flops, bytes) = (kernel.work(&case.call).flops, dispatch::bytes(kernel, &case));
            let (percent, ceiling) = ceilings.share(rate(flops), rate(bytes), bytes);
            let record = Record::new(&KIND, e.info()).with("kernel", kernel.name()).with("case", &case.name);
            let record = record.spread(s.times(1e6)).with("flops", flops).with("bytes", bytes);
            let record = record.with("gflops", rate(flops)).with("gbytes", rate(bytes));
            each(record.with("percent", percent).with("ceiling", ceiling))?;
        }
    }
    Ok(())
}
