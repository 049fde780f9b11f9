// Reductions are serial runs of at most this many terms an invocation; longer ones take several passes. (llvmpipe
// ends an invocation's loops in silence after 65,535 iterations.)
const RUN = 4096u;
